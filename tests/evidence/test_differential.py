"""A second verifier, joserfc, looks at everything: what is accepted here it accepts too, and reads alike.

It accepts more. The table at the end says what, and so what the strict loader and the claims check are for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from joserfc import jwk

from pdp.evidence.dpop import ProofPolicy, verify_proof
from pdp.evidence.jws import decode, load
from pdp.evidence.keys import ALGORITHMS, KeysError, parse_jwks
from pdp.evidence.refusals import EvidenceError
from tests.evidence.tokens import ABSENT, ORDERS, Pool, scratched, token, value
from tests.evidence.town import CLAIMS, HEADERS, ODD_KEYS, PROOF, PROOF_VALUES, Town, check_claims, opened
from tests.evidence.world import ISSUER, METHOD, SECONDS, URI, b64, compact, jwk_of
from tests.generated.choices import Choices, choices

# joserfc warns of a name that RFC 9864 gives another, and that everybody still uses.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated:joserfc.errors.SecurityWarning")


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def test_what_is_accepted_here_is_accepted_there_with_the_same_claims(town: Town) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=20 * settings().max_examples)
    @given(choices())
    def look(choose: Choices) -> None:
        token = town.drawn(choose)
        try:
            evidence = town.verify(token)
        except EvidenceError as refused:
            seen[refused.code] += 1
            return
        here = load(token)
        signer = town.by_kid[here.header["kid"]]
        there = opened(token, town.keys[signer.kid], signer.algorithm)
        check_claims(there.claims, ISSUER if evidence.form == "jwt" else None)
        # By their text: 1, 1.0 and true are equal in Python, and are three values.
        assert repr(there.header) == repr(here.header)
        assert repr(there.claims) == repr(here.claims)
        claims = there.claims
        assert evidence.caller["id"] == claims.get("act", claims)["sub"]
        assert (evidence.issued, evidence.expires) == (claims["iat"], claims["exp"])
        assert {*evidence.audiences} == ({claims["aud"]} if type(claims["aud"]) is str else {*claims["aud"]})
        seen["accepted"] += 1
        seen[evidence.form] += 1
        seen[signer.algorithm] += 1

    look()
    assert seen["accepted"] > 500
    assert seen.keys() > {"jwt", "jwt_svid", *ALGORITHMS}


def test_a_proof_that_holds_here_holds_there_by_the_key_within(town: Town) -> None:
    seen: Counter[str] = Counter()
    keys = [{**signer.jwk, **change} for signer in town.others[:4] for change in ODD_KEYS]
    headers: Pool = [pool for pool in HEADERS if pool[0] not in ("kid", "jwk")]
    headers = [*headers, ("jwk", [*keys, {}, 1, ABSENT])]

    @settings(max_examples=5 * settings().max_examples)
    @given(choices())
    def look(choose: Choices) -> None:
        signer = choose.one(town.signers)
        header = {"alg": signer.algorithm, "typ": "dpop+jwt", "jwk": jwk_of(signer.key)}
        proof = token(choose, header, PROOF, signer, town.others, headers=headers, claim_values=PROOF_VALUES)
        try:
            proved = verify_proof(
                [proof], method=METHOD, uri=URI, seconds=SECONDS, policy=ProofPolicy(ALGORITHMS),
                token="token", jkt=town.keys[signer.kid].thumbprint(),
            )  # fmt: skip
        except EvidenceError as refused:
            seen[refused.code] += 1
            return
        here = load(proof, embeds_key=True)
        within = jwk.import_key(here.header["jwk"])
        there = opened(proof, within, signer.algorithm)
        assert repr(there.claims) == repr(here.claims)
        assert (proved.jkt, proved.jti) == (within.thumbprint(), there.claims["jti"])
        seen["accepted"] += 1

    look()
    assert seen["accepted"] > 100
    assert seen.keys() > {"proof_malformed", "proof_invalid", "proof_mismatch", "proof_expired"}


def test_a_key_that_is_read_here_is_read_there_and_has_one_thumbprint(town: Town) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=5 * settings().max_examples)
    @given(choices())
    def look(choose: Choices) -> None:
        members = [signer.jwk for signer in choose.some(town.signers, 1, 3)]
        at = choose.number(0, len(members) - 1)
        name = choose.one([name for name in ("x", "y", "n", "e") if name in members[at]])
        members[at] |= choose.one([
            {}, {}, choose.one(ODD_KEYS),
            {name: odd_number(choose, members[at][name])}, {name: value(choose)},
        ])  # fmt: skip
        data = compact({"keys": members})
        if choose.chance(15):
            data = scratched(choose, data)
        try:
            found = parse_jwks(data, use="sig", algorithms=ALGORITHMS).keys
        except KeysError as refused:
            seen[str(refused)] += 1
            return
        published = {member["kid"]: member for member in json.loads(data)["keys"] if "kid" in member}
        for kid, key in found.items():
            # As it was published, and as its numbers alone are written by somebody else.
            spki = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            anew = jwk.import_key(spki, published[kid]["kty"])
            assert key.thumbprint == jwk.import_key(published[kid]).thumbprint() == anew.thumbprint()
            seen["accepted"] += 1

    look()
    assert seen["accepted"] > 200
    assert len(seen) > 8


def odd_number(choose: Choices, written: str) -> Any:
    """The number that base64url text writes in another spelling, or another number."""
    data = decode(written)
    number = int.from_bytes(data)
    prime = {32: 2**256 - 2**224 + 2**192 + 2**96 - 1, 66: 2**521 - 1}.get(len(data), 0)
    return choose.one([
        written + "=", written[:-1], "AA" + written, written.replace("-", "+"), written + "\n", "",
        b64(b"\0" + data), b64(data + data[-1:]), b64(bytes(len(data))), b64(b"\xff" * len(data)),
        b64((number + prime).to_bytes(len(data) + 1)[-len(data) :]), b64((number ^ 1).to_bytes(len(data))),
    ])  # fmt: skip


# What joserfc takes, with the same single key and algorithm, and what is said to it here.

Make = Callable[[Town], str]


def says(header: dict[str, Any] | bytes | None = None, /, **claims: Any) -> Make:
    """A token by the issuer's ES256 key: a good one but for these members, or with this very header."""
    said = compact({name: value for name, value in (CLAIMS | claims).items() if value is not ABSENT})
    return spells(said, header)


def spells(claims: bytes, header: dict[str, Any] | bytes | None = None) -> Make:
    """The same with these very claims."""
    if not isinstance(header, bytes):
        members = {"alg": "ES256", "kid": "key-ES256", "typ": "at+jwt"} | (header or {})
        header = compact({name: value for name, value in members.items() if value is not ABSENT})
    signing_input = f"{b64(header)}.{b64(claims)}".encode()
    return lambda town: f"{signing_input.decode()}.{b64(town.by_kid['key-ES256'].sign(signing_input))}"


GOOD = compact(CLAIMS)
OPEN = GOOD[:-1]
TAKEN_THERE: dict[str, dict[str, Make]] = {
    "credential_malformed": {
        "a claim twice": spells(OPEN + b',"sub":"admin"}'),
        "a claim twice, once escaped": spells(OPEN + b',"s\\u0075b":"admin"}'),
        "a header twice": says(b'{"alg":"none","alg":"ES256","kid":"key-ES256","typ":"at+jwt"}'),
        "a header in UTF-16": says('{"alg":"ES256","kid":"key-ES256"}'.encode("utf-16")),
        "claims in UTF-16": spells(GOOD.decode().encode("utf-16")),
        "claims in UTF-32": spells(GOOD.decode().encode("utf-32-be")),
        "a byte order mark": spells(b"\xef\xbb\xbf" + GOOD),
        "a lone surrogate": spells(OPEN + b',"x":"\\ud800"}'),
        "not a number": spells(OPEN + b',"x":NaN}'),
        "infinity": spells(OPEN + b',"x":-Infinity}'),
        "a number that is infinite when read": spells(OPEN + b',"x":1e400}'),
        "an integer beyond 64 bits": spells(OPEN + b',"x":9223372036854775808}'),
        "a deep nest": says(x=json.loads("[" * 20 + "]" * 20)),
        "a URL of its key": says({"jku": "https://x.example"}),
        "a key of its own": says({"jwk": {"kty": "oct", "k": "AA"}}),
        "a chain of its own": says({"x5c": ["AA=="]}),
        "compression": says({"zip": "DEF"}),
        "a critical extension that is known": says({"crit": ["b64"], "b64": True}),
    },
    "credential_too_large": {
        "a header too long": says({"x": "a" * 2_000}),
        "claims too long": says(x="a" * 8_000),
    },
    "token_type_refused": {
        "a token within": says({"cty": "JWT"}),
        "another type of token": says({"typ": "JWT"}),
        "no type": says({"typ": ABSENT}),
    },
    "key_unknown": {"no key's name": says({"kid": ABSENT}), "a stranger's name": says({"kid": "nobody"})},
    "algorithm_refused": {"the name of another algorithm's key": says({"kid": "key-ES384"})},
    "claim_missing": {"no id": says(jti=ABSENT)},
    "claim_invalid": {
        "an end that is a fraction": says(exp=SECONDS + 0.5),
        "an end after all calendars": says(exp=10**12),
        "a start before 1970": says(iat=-1),
        "a start that is a fraction": says(nbf=SECONDS - 0.5),
        "a long id": says(jti="t" * 129),
        "an empty id": says(jti=""),
        "a subject that does not print": says(sub="admin\0"),
        "scopes in a list": says(scope=["a"]),
        "a binding of an unknown kind": says(cnf={"kid": "x"}),
    },
    "lifetime_too_long": {"a long life": says(exp=SECONDS + 600)},
    "token_too_old": {"a high age": says(iat=SECONDS - 300, exp=SECONDS + 1)},
    "scheme_mismatch": {"a binding, and no proof": says(cnf={"jkt": "A" * 43})},
    "delegation_invalid": {
        "an actor that is nobody": says(act=None),
        "an actor that does not print": says(act={"sub": "admin\0"}),
        "a circle of actors": says(act={"sub": CLAIMS["sub"]}),
        "an actor who may not act": says(act={"sub": "a"}, may_act={"sub": "b"}),
    },
}
ROWS = [
    pytest.param(make, code, id=what) for code, rows in TAKEN_THERE.items() for what, make in rows.items()
]


@pytest.mark.parametrize(("make", "code"), ROWS)
def test_what_is_taken_there_is_refused_here(make: Make, code: str, town: Town) -> None:
    token = make(town)
    check_claims(opened(token, town.keys["key-ES256"], "ES256").claims, ISSUER)
    with pytest.raises(EvidenceError) as refused:
        town.verify(token)
    assert refused.value.code == code


def test_the_other_signature_of_a_token_is_taken_and_makes_no_other_token_of_it(town: Town) -> None:
    token = says()(town)
    head, _, tail = token.rpartition(".")
    r, s = decode(tail)[:32], int.from_bytes(decode(tail)[32:])
    other = f"{head}.{b64(r + (ORDERS['ES256'] - s).to_bytes(32))}"
    assert opened(other, town.keys["key-ES256"], "ES256").claims == CLAIMS
    assert town.verify(other).identity == town.verify(token).identity
