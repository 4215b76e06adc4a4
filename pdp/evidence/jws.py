"""From a token's text to its parts, strictly: the loader that stands in front of every signature check.

Knows the compact serialization (RFC 7515 section 7.1) and JSON, and no keys: nothing here is proved. A token
has one spelling, so that whoever remembers one by its parts has remembered all of it.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
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

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\Z")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
# The last character of a segment, where it carries four or two bits that no byte needs: they are zero.
_LAST: Final = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
# Each of these would have the token choose the key that proves it (RFC 8725 section 3.10), its form
# (RFC 7516, 7797), or extensions (RFC 7515 section 4.1.11), of which none is understood here.
_REFUSED: Final = frozenset({"jku", "x5u", "x5c", "zip", "enc", "epk", "b64", "crit"})


class Jws(Struct, frozen=True, gc=False):
    """The parts of a token. `digest` (SHA-256 of the signing input) names the token by what it says."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes
    digest: bytes


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
    compact = _COMPACT.match(token)
    if compact is None:
        raise EvidenceError(CREDENTIAL_MALFORMED)
    head, body, tail = compact.groups()
    if len(head) > HEADER_LIMIT:
        raise EvidenceError(CREDENTIAL_TOO_LARGE)
    # 2. and 3.
    header, claims = _object(_decoded(head)), _object(_decoded(body))
    signature = _decoded(tail)
    # 4.
    if not _REFUSED.isdisjoint(header) or ("jwk" in header and not embeds_key):
        raise EvidenceError(CREDENTIAL_MALFORMED)
    if type(header.get("alg")) is not str or type(header.get("kid", "")) is not str:
        raise EvidenceError(CREDENTIAL_MALFORMED)
    if "cty" in header or type(header.get("typ", "")) is not str:
        raise EvidenceError(TOKEN_TYPE_REFUSED)
    signing_input = token[: -len(tail) - 1].encode("ascii")
    return Jws(header, claims, signing_input, signature, sha256(signing_input).digest())


def decode(text: str) -> bytes:
    """The bytes of base64url text (RFC 7515 section 2) that is their one spelling; not empty."""
    if _SEGMENT.match(text) is None:
        raise EvidenceError(CREDENTIAL_MALFORMED)
    return _decoded(text)


def _decoded(segment: str) -> bytes:
    over = len(segment) % 4
    if over == 1 or (over and segment[-1] not in _LAST[over]):
        raise EvidenceError(CREDENTIAL_MALFORMED)
    return urlsafe_b64decode(segment + "==="[: -over % 4])


def encode(data: bytes) -> str:
    """Bytes as base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


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
