"""One issuer and one trust domain that sign with every algorithm there is, and joserfc beside us.

joserfc reads what it is given by the same single key and algorithm. What its registries of headers and
claims can check, they check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from joserfc import jwk, jws, jwt

from pdp.evidence.evidence import Evidence
from pdp.evidence.keys import ALGORITHMS, KeySet, parse_jwks
from pdp.evidence.spiffe import SVID_ALGORITHMS
from pdp.evidence.trust import Bundle, Issuer, Keys, Trust, TrustDomain
from pdp.evidence.verify import Presented, Verifier
from tests.evidence.tokens import ABSENT, ODD_TIMES, TIMES, Pool, signers, token
from tests.evidence.world import (
    AUDIENCE,
    DOMAIN,
    ISSUER,
    METHOD,
    NOW,
    SECOND,
    SECONDS,
    URI,
    WORKLOAD,
    b64,
    compact,
)
from tests.generated.choices import Choices

LEEWAY = 10
CLAIMS: dict[str, Any] = {
    "iss": ISSUER, "sub": "payments-api", "aud": AUDIENCE, "client_id": "payments-api",
    "iat": SECONDS - 10, "exp": SECONDS + 290, "jti": "t-1", "scope": "entry.read entry.create",
}  # fmt: skip
SVID: dict[str, Any] = {
    "sub": WORKLOAD, "aud": [AUDIENCE], "iat": SECONDS - 10, "exp": SECONDS + 290,
}  # fmt: skip
PROOF: dict[str, Any] = {
    "jti": "p-1", "htm": METHOD, "htu": URI, "iat": SECONDS - 1, "ath": b64(sha256(b"token").digest()),
}  # fmt: skip

# What the members of good tokens are changed to: some of it is good too.
_MOMENTS: Pool = [
    (name, [*(SECONDS + by for by in TIMES), *ODD_TIMES, ABSENT]) for name in ("exp", "iat", "nbf")
]
_NAMES = sorted(ALGORITHMS)
HEADERS: Pool = [
    ("alg", [*_NAMES, "none", "HS256", "es256", "Ed25519", "", None, 256, ABSENT]),
    ("kid", [*(f"key-{name}" for name in _NAMES), "", "nobody", 1, None, ABSENT]),
    ("typ", ["AT+JWT", "application/at+jwt", "JWT", "dpop+jwt", "at+ｊwt", "", None, ["JWT"], ABSENT]),
    ("crit", [["exp"], [], "exp", ["b64"]]), ("b64", [True, False]), ("cty", ["JWT", "json"]),
    ("zip", ["DEF"]), ("jku", ["https://x.example"]), ("x5c", [["AA=="], []]), ("x5t", ["AA", 1]),
    ("jwk", [{}, {"kty": "oct", "k": "AA"}, 1]), ("x", [1, {"a": []}, "\x00"]),
]  # fmt: skip
CLAIM_VALUES: Pool = [
    *_MOMENTS,
    ("aud", [[AUDIENCE], ["x", AUDIENCE], [AUDIENCE] * 2, "Ledger", "ledger ", [], [1, AUDIENCE], {}]),
    ("iss", [SECOND, ISSUER + "/", ISSUER.upper(), [ISSUER], None, "", ABSENT]),
    ("sub", ["é", "a\x00", "", 1, WORKLOAD, f"spiffe://{DOMAIN}", WORKLOAD + "/", "SPIFFE://a/b", ABSENT]),
    ("jti", ["t" * 128, "t" * 129, "", 1, None, ABSENT]),
    ("scope", ["", "a", "a  b", " a", ["a"], "a\tb", None, ABSENT]),
    ("act", [{"sub": "b"}, {"sub": "b", "act": {"sub": "c"}}, {"sub": "payments-api"}, None, {}, [], "b"]),
    ("may_act", [{"sub": "b"}, None, {}, "b"]),
    ("cnf", [{}, None, {"jkt": "A" * 43}, {"kid": "x"}]),
]  # fmt: skip
PROOF_VALUES: Pool = [
    *_MOMENTS,
    ("htm", ["GET", METHOD.lower(), 1, ABSENT]),
    ("htu", [URI + "?x=1", URI + "/", URI.upper(), "", 1, ABSENT]),
    ("jti", ["", "p" * 129, "\x00", 1, ABSENT]),
    ("ath", ["", PROOF["ath"] + "=", 1, ABSENT]),
]
# Members that a key may have beside its numbers, or that make it none.
ODD_KEYS: list[dict[str, Any]] = [
    {"use": "enc"}, {"use": "sig", "key_ops": ["verify"]}, {"use": None}, {"use": []}, {"key_ops": None},
    {"alg": "ES256"}, {"alg": "none"}, {"alg": None}, {"alg": ["ES256"]}, {"d": "AA"}, {"kty": "oct"},
    {"kid": ""}, {"kid": 1}, {"kid": "key-ES256"}, {"crv": "P-384"}, {"crv": []}, {"crv": None}, {"kty": {}},
    {"e": "AQ"}, {"e": "AQAAAQAB"}, {"e": "AQAAAAAB"}, {"x": "A" * 43}, {"x": "AQ" + "A" * 41}, {"more": 1},
]  # fmt: skip


class Town:
    """Everybody's keys, and who is trusted."""

    def __init__(self) -> None:
        self.signers, strangers = signers(), signers()
        self.by_kid = {signer.kid: signer for signer in self.signers}
        # They go by the same names, and hold other keys.
        self.others = [
            replace(one, key=other.key) for one, other in zip(self.signers, strangers, strict=True)
        ]
        self.keys = {signer.kid: jwk.import_key(signer.jwk) for signer in self.signers}
        members, until = [signer.jwk for signer in self.signers], SECONDS + 3_600
        own = parse_jwks(compact({"keys": members}), use="sig", algorithms=ALGORITHMS)
        svids = compact({"keys": [member | {"use": "jwt-svid"} for member in members]})
        domain = parse_jwks(svids, use="jwt-svid", algorithms=SVID_ALGORITHMS)
        self.trust = Trust(
            {ISSUER: Issuer(ISSUER, ALGORITHMS, max_lifetime=600, max_age=300, leeway=LEEWAY)},
            {DOMAIN: TrustDomain(DOMAIN, max_lifetime=600, leeway=LEEWAY)},
            {ISSUER: Keys(own, until)},
            {DOMAIN: Bundle((), domain, KeySet({}), until)},
        )

    def verify(self, token: str) -> Evidence:
        """What is proved here by a token that nobody has seen before."""
        return Verifier(self.trust).verify(Presented(token=token, scheme="Bearer"), AUDIENCE, NOW)

    def drawn(self, choose: Choices) -> str:
        """An access token or a JWT-SVID, right or wrong."""
        signer = choose.one(self.signers)
        svid = choose.chance(25) and signer.algorithm in SVID_ALGORITHMS
        header = {"alg": signer.algorithm, "kid": signer.kid, "typ": "JWT" if svid else "at+jwt"}
        return token(
            choose, header, SVID if svid else CLAIMS, signer, self.others,
            headers=HEADERS, claim_values=CLAIM_VALUES,
        )  # fmt: skip


class _Registry(jws.JWSRegistry):
    """Takes headers as long as are taken here, and with any members."""

    max_header_length = 4_096


def opened(token: str, key: Any, algorithm: str) -> jwt.Token:
    """What joserfc reads in a token, verified with this key and algorithm; raises if that fails."""
    return jwt.decode(token, key, registry=_Registry(algorithms=[algorithm], strict_check_header=False))


def check_claims(claims: Mapping[str, Any], issuer: str | None) -> None:
    """Raises what joserfc has to say against claims. Leeway is for clocks ahead, as it is here."""
    options: dict[str, Any] = {name: {"essential": True} for name in ("sub", "iat", "exp")}
    options["aud"] = {"essential": True, "value": AUDIENCE}
    if issuer is not None:
        options["iss"] = {"essential": True, "value": issuer}
    jwt.JWTClaimsRegistry(SECONDS, LEEWAY, **options).validate(dict(claims))
    jwt.JWTClaimsRegistry(SECONDS).validate_exp(claims["exp"])
