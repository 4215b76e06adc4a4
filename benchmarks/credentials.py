"""The tokens and proofs of `evidence`: one issuer, one client, new keys, everything signed when it runs.

Every verifier (`benchmarks.verifiers`) is shown the same. Knows none of them.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

ISSUER = "https://issuer.example"
AUDIENCE = "ledger"
CALLER = "payments-api"
SCOPES = ("entries:write", "entries:read")
ALGORITHM = "ES256"
METHOD, URI = "POST", "https://ledger.example/entries"
# As long as any measuring may take.
LIFETIME = 3_600


@dataclass(frozen=True, slots=True)
class Credential:
    """A token and a proof of its key, for one request: their text, as it comes over a wire."""

    token: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class Sample:
    """A token, and whether it is to be accepted."""

    about: str
    token: bytes
    holds: bool


@dataclass(frozen=True, slots=True)
class Authority:
    """Who issues tokens, and to whom."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: _key())
    client: ec.EllipticCurvePrivateKey = field(default_factory=lambda: _key())
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def jwk(self) -> dict[str, Any]:
        """The key that tokens are checked with, as an issuer publishes it."""
        return _jwk(self.key) | {"kid": "k-1", "use": "sig", "alg": ALGORITHM}

    def token(self, number: int, **changes: Any) -> bytes:
        """An access token (RFC 9068) like no other; `changes` are claims."""
        issued = int(self.now.timestamp())
        claims = {
            "iss": ISSUER, "sub": CALLER, "aud": AUDIENCE, "client_id": CALLER, "scope": " ".join(SCOPES),
            "iat": issued, "exp": issued + LIFETIME, "jti": f"token-{number}",
        }  # fmt: skip
        header = {"typ": "at+jwt", "kid": "k-1"}
        return jwt.encode(claims | changes, self.key, ALGORITHM, headers=header).encode()

    def tokens(self, count: int) -> list[bytes]:
        """So many tokens that anybody may present."""
        return [self.token(number) for number in range(count)]

    def credentials(self, count: int, uri: str = URI, **changes: Any) -> list[Credential]:
        """So many tokens that only the client may present, each with its proof (RFC 9449) for a request to
        `uri`; `changes` are claims of the tokens."""
        bound = {"jkt": _thumbprint(_jwk(self.client))}
        tokens = [self.token(number, cnf=bound, **changes) for number in range(count)]
        return [Credential(token, self._proof(number, token, uri)) for number, token in enumerate(tokens)]

    def samples(self) -> list[Sample]:
        """Tokens on both sides of every condition that all verifiers check."""
        good = self.token(0)
        ended = int(self.now.timestamp()) - 600
        return [
            Sample("as it should be", good, True),
            Sample("changed after it was signed", _changed(good), False),
            Sample("signed by somebody else", replace(self, key=_key()).token(0), False),
            Sample("of another issuer", self.token(0, iss="https://other.example"), False),
            Sample("for another audience", self.token(0, aud="billing"), False),
            Sample("expired", self.token(0, iat=ended - 60, exp=ended), False),
        ]

    def _proof(self, number: int, token: bytes, uri: str) -> bytes:
        claims = {
            "jti": f"proof-{number}", "htm": METHOD, "htu": uri, "iat": int(self.now.timestamp()),
            "ath": _base64(sha256(token).digest()),
        }  # fmt: skip
        header = {"typ": "dpop+jwt", "jwk": _jwk(self.client)}
        return jwt.encode(claims, self.client, ALGORITHM, headers=header).encode()


def parts(token: bytes) -> tuple[bytes, bytes]:
    """What is signed of a token, and the two numbers that sign it."""
    signed, _, signature = token.rpartition(b".")
    return signed, urlsafe_b64decode(signature + b"==")


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    x, y = (_base64(number.to_bytes(32)) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _thumbprint(jwk: dict[str, Any]) -> str:
    return _base64(sha256(json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()).digest())


def _changed(token: bytes) -> bytes:
    """The same token with other claims under its signature."""
    head, body, signature = token.split(b".")
    claims = json.loads(urlsafe_b64decode(body + b"=="))
    changed = _base64(json.dumps(claims | {"sub": "root"}, separators=(",", ":")).encode())
    return b".".join((head, changed.encode(), signature))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
