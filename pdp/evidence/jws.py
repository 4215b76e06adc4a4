"""From a token's text to its parts, strictly: the loader that stands in front of every signature check.

Knows the compact serialization (RFC 7515 section 7.1) and JSON, and no keys: nothing here is proved. A token
has one spelling, so that whoever remembers one by its parts has remembered all of it.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from hashlib import sha256
from math import isfinite
from typing import Any, Final

import jiter
from msgspec import Struct

from pdp.access.values import INT_MAX, INT_MIN
from pdp.evidence.refusals import (
    CREDENTIAL_MALFORMED,
    CREDENTIAL_TOO_LARGE,
    TOKEN_TYPE_REFUSED,
    EvidenceError,
)

# An access token with an embedded key and a few dozen groups fits; what does not is an attack or a mistake.
TOKEN_LIMIT: Final = 8_192
HEADER_LIMIT: Final = 2_048
DEPTH_LIMIT: Final = 16
# How many headers that were read are remembered; one that is forgotten is read again.
_REMEMBERED: Final = 1_024

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# The library's base64 has others for the last two, and skips what it does not know.
_PLAIN: Final = bytes.maketrans(b"-_", b"+/")
_SAFE: Final = bytes.maketrans(b"+/", b"-_")
# The last character of a segment, where it carries four or two bits that no byte needs: they are zero.
_LAST: Final = {2: b"AQgw", 3: b"AEIMQUYcgkosw048"}
_PADDING: Final = (b"", b"", b"==", b"=")
# Each of these would have the token choose the key that proves it (RFC 8725 section 3.10), its form
# (RFC 7516, 7797), or extensions (RFC 7515 section 4.1.11), of which none is understood here.
_REFUSED: Final = frozenset({"jku", "x5u", "x5c", "zip", "enc", "epk", "b64", "crit"})
# Names of keys and certificates, of which only `kid` is looked at; all are text (RFC 7515 section 4.1).
_NAMES: Final = ("kid", "x5t", "x5t#S256")


class Jws(Struct, frozen=True, gc=False):
    """The parts of a token."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the signing input: it names the token by what it says."""
        return sha256(self.signing_input).digest()


def load(token: str, *, limit: int = TOKEN_LIMIT, embeds_key: bool = False) -> Jws:
    """The parts of a compact JWS (RFC 7515 section 5.2, RFC 7519 section 7.2), nothing of it proved.

    `embeds_key` admits a `jwk` in the header, as proofs have it (RFC 9449 section 4.2).

    1. At most `limit` characters, of the alphabet and two dots. 2. Each segment is the one base64url spelling
    of its bytes. 3. Header and claims are JSON objects with unique names. 4. The header asks for nothing that
    would choose keys, forms or extensions.
    """
    # 1.
    if len(token) > limit:
        raise EvidenceError(CREDENTIAL_TOO_LARGE)
    if not token.isascii():
        raise EvidenceError(CREDENTIAL_MALFORMED)
    text = token.encode("ascii")
    # What is left of it without the alphabet: the fastest way to look at each character.
    if text.translate(None, _ALPHABET) != b"..":
        raise EvidenceError(CREDENTIAL_MALFORMED)
    head, body, tail = text.translate(_PLAIN).split(b".")
    if len(head) > HEADER_LIMIT:
        raise EvidenceError(CREDENTIAL_TOO_LARGE)
    # 2. and 3., and 4. of the header.
    header, claims = _header(head, embeds_key), _object(_decoded(body))
    signature = _decoded(tail)
    return Jws(header, claims, text[: -len(tail) - 1], signature)


@lru_cache(_REMEMBERED)
def _header(segment: bytes, embeds_key: bool) -> dict[str, Any]:
    """The header that a segment writes.

    All tokens that an issuer signs with one key have the same, and all proofs of one client: it is read once,
    and is nobody's to change.
    """
    header = _object(_decoded(segment))
    if not _REFUSED.isdisjoint(header) or ("jwk" in header and not embeds_key):
        raise EvidenceError(CREDENTIAL_MALFORMED)
    if type(header.get("alg")) is not str or any(type(header.get(name, "")) is not str for name in _NAMES):
        raise EvidenceError(CREDENTIAL_MALFORMED)
    if "cty" in header or type(header.get("typ", "")) is not str:
        raise EvidenceError(TOKEN_TYPE_REFUSED)
    return header


def decode(text: str) -> bytes:
    """The bytes of base64url text (RFC 7515 section 2) that is their one spelling; not empty."""
    segment = text.encode("ascii") if text.isascii() else b"."
    if segment.translate(None, _ALPHABET):
        raise EvidenceError(CREDENTIAL_MALFORMED)
    return _decoded(segment.translate(_PLAIN))


def _decoded(segment: bytes) -> bytes:
    """The bytes of a segment whose last two letters of the alphabet are the library's."""
    over = len(segment) % 4
    if not segment or over == 1 or (over and segment[-1] not in _LAST[over]):
        raise EvidenceError(CREDENTIAL_MALFORMED)
    return a2b_base64(segment + _PADDING[over])


def encode(data: bytes) -> str:
    """Bytes as base64url without padding."""
    return b2a_base64(data, newline=False).translate(_SAFE, b"=").decode("ascii")


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError:
        raise EvidenceError(CREDENTIAL_MALFORMED) from None
    if type(value) is not dict:
        raise EvidenceError(CREDENTIAL_MALFORMED)
    check_json(value, DEPTH_LIMIT)
    return value


def check_json(value: Any, depth: int) -> None:
    """Refuses what JSON libraries take and read in two ways: infinite floats, huge integers, deep nests."""
    if depth < 1:
        raise EvidenceError(CREDENTIAL_MALFORMED)
    for member in value.values() if type(value) is dict else value:
        kind = type(member)
        if kind is str or kind is bool or member is None:
            continue
        if kind is int:
            if not INT_MIN <= member <= INT_MAX:
                raise EvidenceError(CREDENTIAL_MALFORMED)
        elif kind is float:
            if not isfinite(member):
                raise EvidenceError(CREDENTIAL_MALFORMED)
        else:
            check_json(member, depth - 1)


def is_opaque(token: str) -> bool:
    """Whether a token is none that says by itself what it is, as a JWT does."""
    return token.count(".") != 2
