"""The examples that the standards print: their keys, signatures, proofs and thumbprints hold here, too.

`published.json` holds them, public keys only, each with where it stands.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pdp.evidence.dpop import Proof, ProofPolicy, verify_proof
from pdp.evidence.jws import decode, encode, load
from pdp.evidence.jwt import Times
from pdp.evidence.keys import ALGORITHMS, Key, parse_jwk, thumbprint
from pdp.evidence.refusals import EvidenceError
from pdp.evidence.wimse import Identity, workload_proof
from pdp.state.memory import MemoryStore
from pdp.state.replay import Replay, Use

ALL: dict[str, dict[str, Any]] = {
    one["id"]: one for one in json.loads((Path(__file__).parent / "published.json").read_text())
}
PROOFS = [one for one in ALL.values() if one["kind"] == "dpop"]
SIGNED = [one for one in ALL.values() if one["kind"] in ("jws", "wit", "wpt")]


def key_of(jwk: dict[str, Any]) -> Key:
    key = parse_jwk(jwk, algorithms=ALGORITHMS)
    assert key is not None
    return key


@pytest.mark.parametrize("one", SIGNED, ids=lambda one: one["id"])
def test_what_is_signed_there_is_signed_here_and_by_nobody_else(one: dict[str, Any]) -> None:
    signing_input, _, tail = one["token"].rpartition(".")
    holder = key_of(one.get("jwk") or one["issuer_jwk"])
    for other in SIGNED:
        key = key_of(other.get("jwk") or other["issuer_jwk"])
        if key.algorithm == holder.algorithm:
            held = key.holds(signing_input.encode(), decode(tail))
            assert held is (key.thumbprint == holder.thumbprint)


@pytest.mark.parametrize("one", [one for one in ALL.values() if "jkt" in one], ids=lambda one: one["id"])
def test_a_key_has_the_thumbprint_that_is_printed(one: dict[str, Any]) -> None:
    assert thumbprint(one["jwk"]) == key_of(one["jwk"]).thumbprint == one["jkt"]


def test_a_signed_text_that_is_no_claims_is_no_token() -> None:
    with pytest.raises(EvidenceError, match="credential_malformed"):
        load(ALL["rfc8037-a4"]["token"])
    assert load(ALL["rfc7515-a3"]["token"]).claims["iss"] == "joe"


def proved(one: dict[str, Any], seconds: float, **changes: Any) -> Proof:
    stated: dict[str, Any] = {
        "method": one["htm"], "uri": one["htu"], "token": one.get("access_token"), "jkt": one["jkt"],
    }  # fmt: skip
    return verify_proof([one["proof"]], seconds=seconds, policy=ProofPolicy(), **stated | changes)


@pytest.mark.parametrize("one", PROOFS, ids=lambda one: one["id"])
def test_a_printed_proof_holds_in_its_time_for_its_request(one: dict[str, Any]) -> None:
    proof = proved(one, one["iat"])
    assert (proof.jkt, proof.jti) == (one["jkt"], one["jti"])
    for code, seconds, changes in (
        ("proof_expired", one["iat"] + 61, {}),
        ("proof_mismatch", one["iat"], {"method": "PUT"}),
        ("proof_mismatch", one["iat"], {"uri": one["htu"] + "/"}),
        ("proof_mismatch", one["iat"], {"token": "another"}),
    ):
        with pytest.raises(EvidenceError, match=code):
            proved(one, seconds, **changes)


def test_two_printed_proofs_with_one_id_are_one_use() -> None:
    replay = Replay(MemoryStore())
    first, second = (proved(one, one["iat"]) for one in PROOFS[:2])
    outcomes = []
    for proof in (first, second):
        # As if both came at once.
        use = Use(("proof", proof.jkt, proof.jti), first.begins, second.expires, proof.jkt)
        outcomes.append(replay.use([use], PROOFS[0]["iat"]))
    assert outcomes == ["first", "seen"]


def test_the_printed_workload_proof_is_the_key_holders_and_covers_more_than_is_here() -> None:
    wit, wpt = ALL["wimse-wit"], ALL["wimse-wpt"]
    claims, proof = load(wit["token"]).claims, load(wpt["token"]).claims
    assert {name: proof[name] for name in ("wth", "ath", "aud", "jti")} == {
        "wth": encode(sha256(wit["token"].encode()).digest()),
        "ath": encode(sha256(wpt["access_token"].encode()).digest()),
        "aud": wpt["aud"],
        "jti": wpt["jti"],
    }
    key = key_of(claims["cnf"]["jwk"])
    assert key.thumbprint == key_of(wpt["jwk"]).thumbprint
    identity = Identity(wit["sub"], key, Times(claims["iat"], claims["exp"], claims["iat"], claims["exp"]))
    # An access token that it covers must be there, and here there is none.
    with pytest.raises(EvidenceError, match="proof_mismatch"):
        workload_proof(wpt["token"], wit["token"], identity, wpt["aud"], wpt["exp"] - 1)
