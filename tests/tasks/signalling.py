"""A transmitter of signals made on the spot: it signs security event tokens, right ones and wrong ones.

Knows the form of a token (RFC 8417) and of CAEP events, and nothing of who reads them.
"""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from pdp.tasks.signals import CAEP, SSF
from tests.evidence.world import jwk_of

IDP = "https://idp.example"
AUDIENCE = "https://pdp.example/signals"
# Keys take long to make, and a test run needs only these.
_KEYS = [rsa.generate_private_key(65_537, 2_048) for _ in range(2)]


class Sender:
    """Who signals, as `issuer` for `audience`; `other` signs with a key that is not published."""

    def __init__(self, issuer: str = IDP, audience: str = AUDIENCE, *, other: bool = False) -> None:
        self.issuer, self.audience = issuer, audience
        self.key, self.kid = _KEYS[other], "signals-1"
        self._ids = itertools.count(1)

    def rotate(self) -> None:
        """Sign with the other key from now on."""
        self.key, self.kid = _KEYS[1], "signals-2"

    @property
    def jwk(self) -> dict[str, Any]:
        return jwk_of(self.key, kid=self.kid, use="sig", alg="RS256")

    def jwks(self) -> str:
        return json.dumps({"keys": [self.jwk]})

    def claims(
        self, event: str, subject: dict[str, Any], payload: dict[str, Any], at: float
    ) -> dict[str, Any]:
        """What a token says that was made `at` a time."""
        return {
            "iss": self.issuer, "aud": self.audience, "jti": f"set-{next(self._ids)}", "iat": int(at),
            "sub_id": subject, "events": {event if "/" in event else f"{CAEP}{event}": payload},
        }  # fmt: skip

    def sign(self, claims: dict[str, Any], algorithm: str = "RS256", **header: Any) -> str:
        headers = {"typ": "secevent+jwt", "kid": self.kid, **header}
        return jwt.encode(claims, self.key if algorithm == "RS256" else "", algorithm, headers)

    def signature(self, data: bytes) -> bytes:
        """What RS256 signs with."""
        return self.key.sign(data, PKCS1v15(), SHA256())

    def signal(self, event: str, subject: dict[str, Any], *, at: float | None = None, **payload: Any) -> str:
        """A token, made now unless said."""
        return self.sign(self.claims(event, subject, payload, time.time() if at is None else at))


def user(sub: str, iss: str = IDP) -> dict[str, Any]:
    """A subject by its name at an issuer."""
    return {"format": "iss_sub", "iss": iss, "sub": sub}


STREAM = {"format": "opaque", "id": "stream-1"}
VERIFICATION = f"{SSF}verification"
UPDATED = f"{SSF}stream-updated"
REVOKED = "session-revoked"
RISK = "risk-level-change"
DEVICE = "device-compliance-change"


def risk(level: str) -> dict[str, Any]:
    """What a change of risk says."""
    return {"principal": "USER", "current_level": level}
