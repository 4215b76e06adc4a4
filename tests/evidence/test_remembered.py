"""What is remembered of keys, headers and tokens saves time, and changes no answer."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from pdp.evidence.jws import load
from pdp.evidence.keys import KeysError, parse_jwk
from pdp.evidence.refusals import CREDENTIAL_MALFORMED, EvidenceError
from pdp.evidence.verify import Presented, Verifier
from tests.evidence.make_vectors import HERE
from tests.evidence.world import AUDIENCE, NOW, World, jwk_of


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def outcome(verifier: Verifier, presented: Presented) -> str:
    try:
        verifier.verify(presented, AUDIENCE, NOW)
    except EvidenceError as refused:
        return refused.code
    return "accepted"


def test_the_second_answer_is_the_first_in_whatever_order_it_is_asked_for(world: World) -> None:
    vectors: list[dict[str, Any]] = [json.loads(path.read_text()) for path in sorted(HERE.glob("*.json"))]
    Random(1).shuffle(vectors)
    asked = [
        (
            vector,
            world.verifier(vector["change"].get("trust")),
            world.present(vector["credential"], vector["change"]),
        )
        for vector in vectors
    ]
    for _ in range(2):
        for vector, verifier, presented in asked:
            assert outcome(verifier, presented) == vector["expect"], vector["says"]


@pytest.mark.parametrize("proof_first", [True, False])
def test_a_header_that_was_read_for_a_proof_is_still_none_for_a_token(
    proof_first: bool, world: World
) -> None:
    # A header of each case's own, so that nothing has read it before.
    header = {"jwk": {"case": proof_first}, "typ": "dpop+jwt"}
    text = world.access_token({"header": header})
    if proof_first:
        assert load(text, embeds_key=True).header["jwk"] == {"case": True}
    for _ in range(2):
        with pytest.raises(EvidenceError, match=CREDENTIAL_MALFORMED):
            load(text)
    assert load(text, embeds_key=True).header["typ"] == "dpop+jwt"


def test_a_key_is_read_once_for_each_name_and_algorithm(world: World) -> None:
    jwk = jwk_of(world.keys["client"])
    key = parse_jwk(jwk, algorithms={"ES256"})
    assert parse_jwk(dict(reversed(jwk.items())) | {"use": "sig"}, algorithms={"ES256"}) is key
    named = parse_jwk(jwk, kid="k", algorithms={"ES256"})
    assert (named is key, named and named.kid) == (False, "k")
    assert parse_jwk(jwk, algorithms={"ES384"}) is None
    rsa = jwk_of(world.keys["issuer-rsa"])
    assert [parse_jwk(rsa | {"alg": name}, algorithms={name}).algorithm for name in ("PS256", "RS256")] == [
        "PS256",
        "RS256",
    ]


def test_what_is_refused_is_refused_again(world: World) -> None:
    jwk = jwk_of(world.keys["client"])
    assert parse_jwk(jwk, algorithms={"ES256"}) is not None
    for wrong in ({"y": jwk["x"]}, {"x": [jwk["x"]]}, {"x": None}, {"d": "AQ"}):
        for _ in range(2):
            with pytest.raises(KeysError):
                parse_jwk(jwk | wrong, algorithms={"ES256"})


def test_a_token_that_is_remembered_is_refused_from_its_end_on(world: World) -> None:
    verifier, presented = world.verifier(), world.present("bearer", {})
    assert outcome(verifier, presented) == "accepted"
    claims = load(presented.token or "").claims
    late = NOW.fromtimestamp(claims["exp"], NOW.tzinfo)
    with pytest.raises(EvidenceError, match="token_expired"):
        verifier.verify(presented, AUDIENCE, late)
    with pytest.raises(EvidenceError, match="audience_mismatch"):
        verifier.verify(presented, "another", NOW)


def test_a_token_is_forgotten_when_the_trust_is_replaced(world: World) -> None:
    verifier, presented = world.verifier(), world.present("bearer", {})
    assert outcome(verifier, presented) == "accepted"
    verifier.replace(type(verifier.trust)())
    assert outcome(verifier, presented) == "issuer_unknown"
