"""How the decision point shows an issuer who it is, where it asks about tokens.

What it takes is in files, read anew each time: mounted secrets are replaced while a service runs.
"""

from __future__ import annotations

import re
import secrets
import time
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol, TypeAlias
from urllib.parse import quote_plus

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pdp.evidence.fetch import FetchError

PrivateKey: TypeAlias = EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey

TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z")
"""What a token is made of (RFC 6750 section 2.1)."""
_SECRET_LIMIT: Final = 16 * 1024
# How long an assertion is good for, in seconds: until it has arrived, whatever the clocks.
_ASSERTION: Final = 60


class Login(Protocol):
    """One way to show it."""

    def present(self) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form fields of one question; raises `FetchError`."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """By a token (RFC 6750) in a file."""

    file: Path

    def present(self) -> tuple[dict[str, str], dict[str, str]]:
        """See `Login`."""
        token = _secret(self.file)
        if not TOKEN.match(token):
            raise FetchError(f"`{self.file}` holds no token")
        return {"authorization": f"Bearer {token}"}, {}


@dataclass(frozen=True, slots=True)
class Basic:
    """By name and the secret in a file, which is all of it but a line's end (RFC 6749 section 2.3.1)."""

    client: str
    file: Path

    def present(self) -> tuple[dict[str, str], dict[str, str]]:
        """See `Login`."""
        pair = f"{quote_plus(self.client)}:{quote_plus(_secret(self.file))}"
        return {"authorization": f"Basic {b64encode(pair.encode()).decode('ascii')}"}, {}


@dataclass(frozen=True, slots=True)
class PrivateKeyJwt:
    """By name and an assertion for `audience` that is signed with the private key in a PEM file (RFC 7523).

    Nothing that could be used again is sent. The key is one for ES256, EdDSA or PS256.
    """

    client: str
    file: Path
    audience: str

    def present(self) -> tuple[dict[str, str], dict[str, str]]:
        """See `Login`."""
        try:
            key, algorithm = _signing_key(_secret(self.file))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise FetchError(f"`{self.file}` holds no private key for ES256, EdDSA or PS256") from None
        now = int(time.time())
        claims = {
            "iss": self.client,
            "sub": self.client,
            "aud": self.audience,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + _ASSERTION,
        }
        return {}, {
            "client_id": self.client,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode(claims, key, algorithm),
        }


def _secret(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(_SECRET_LIMIT + 1)
        text = data.decode()
    except OSError as error:
        raise FetchError(f"`{file}` cannot be read: {error.strerror}") from None
    except ValueError:
        raise FetchError(f"`{file}` is not text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(data) > _SECRET_LIMIT:
        raise FetchError(f"`{file}` is empty or too long")
    return text


@lru_cache(maxsize=4)
def _signing_key(pem: str) -> tuple[PrivateKey, str]:
    key = load_pem_private_key(pem.encode(), None)
    match key:
        case EllipticCurvePrivateKey() if isinstance(key.curve, SECP256R1):
            return key, "ES256"
        case Ed25519PrivateKey():
            return key, "EdDSA"
        case RSAPrivateKey() if key.key_size >= 2_048:
            return key, "PS256"
        case _:
            raise ValueError("a key of another kind")
