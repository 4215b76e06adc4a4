"""An issuer of tokens and a client with a key of its own, both made on the spot, for now.

Knows how access tokens (RFC 9068) and DPoP proofs (RFC 9449 section 4.2) are made; it is what a test, or
somebody who tries pdp out, has instead of an authorization server.
"""

from __future__ import annotations

import json
import time
import uuid
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from pdp.evidence.keys import thumbprint
from tests.evidence.world import b64, jwk_of


class Issuer:
    """Who issues tokens. `rotate` gives it a new key; the old ones stay published until they are dropped."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.kid = ""
        self.rotate()

    def rotate(self) -> str:
        """Sign with a new key from now on; its `kid`."""
        self.kid = f"{self.name.rpartition('/')[2]}-{len(self.keys) + 1}"
        self.keys[self.kid] = ec.generate_private_key(ec.SECP256R1())
        return self.kid

    def jwks(self, *dropped: str) -> str:
        """Its public keys (RFC 7517 section 5), but for those that are dropped."""
        kept = {kid: key for kid, key in self.keys.items() if kid not in dropped}
        members = [jwk_of(key, kid=kid, use="sig", alg="ES256") for kid, key in kept.items()]
        return json.dumps({"keys": members})

    def token(self, subject: str, audience: str, *, kid: str = "", lives: int = 300, **claims: Any) -> str:
        """A token for `subject` to show to `audience`, for `lives` seconds."""
        now = int(time.time())
        stated = {
            "iss": self.name, "sub": subject, "client_id": subject, "aud": audience,
            "iat": now, "exp": now + lives, "jti": str(uuid.uuid4()),
        }  # fmt: skip
        kid = kid or self.kid
        headers = {"typ": "at+jwt", "kid": kid}
        return jwt.encode(stated | claims, self.keys[kid], algorithm="ES256", headers=headers)


class Client:
    """Who presents tokens, and proves that they are its own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.jwk = jwk_of(self._key)

    @property
    def confirmation(self) -> dict[str, str]:
        """The `cnf` claim of a token that is bound to its key (RFC 9449 section 6.1)."""
        return {"jkt": thumbprint(self.jwk)}

    def proof(self, token: str, method: str, uri: str, **claims: Any) -> str:
        """A proof for one request with `token`."""
        stated = {
            "jti": str(uuid.uuid4()), "htm": method, "htu": uri, "iat": int(time.time()),
            "ath": b64(sha256(token.encode()).digest()),
        }  # fmt: skip
        headers = {"typ": "dpop+jwt", "jwk": self.jwk}
        return jwt.encode(stated | claims, self._key, algorithm="ES256", headers=headers)

    def present(self, token: str, method: str, uri: str, **claims: Any) -> dict[str, Any]:
        """The members of a request to `/decide` that present `token` with a proof."""
        proof = self.proof(token, method, uri, **claims)
        return {
            "credential": {"token": token, "scheme": "DPoP", "proofs": {"dpop": [proof]}},
            "request": {"method": method, "uri": uri},
        }
