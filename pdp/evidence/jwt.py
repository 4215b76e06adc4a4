"""Access tokens (RFC 7519, 8725, 9068): what of a token's claims holds, once its signature does.

Knows the claims of JWTs and no way in which a token is presented. Every claim that is read is checked for its
type first: a time that is text, or a set that is text, has been somebody's way in before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from pdp.evidence.delegation import Chain, chain
from pdp.evidence.jws import Jws, decode
from pdp.evidence.keys import KeySet
from pdp.evidence.refusals import (
    ALGORITHM_REFUSED,
    CLAIM_INVALID,
    CLAIM_MISSING,
    KEY_UNKNOWN,
    LIFETIME_TOO_LONG,
    SIGNATURE_INVALID,
    TOKEN_EXPIRED,
    TOKEN_NOT_YET_VALID,
    TOKEN_TOO_OLD,
    TOKEN_TYPE_REFUSED,
    EvidenceError,
)
from pdp.evidence.trust import Issuer

JTI_LIMIT: Final = 128
LINEAGE_LIMIT: Final = 64
"""How many names a token may tell of what it comes from."""
_NAME_LIMIT: Final = 2_048
_MEMBERS_LIMIT: Final = 256
# Between 1970 and the year 9999: what a clock can show, and Python's calendar has.
_TIMES: Final = range(253_402_300_800)
# 32 bytes as base64url in its one spelling: the last character has two bits that are no byte's.
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")
# RFC 6749 section 3.3.
_SCOPES: Final = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*\Z")


class Confirmation(Struct, frozen=True, gc=False):
    """The key a token is bound to (RFC 7800): a DPoP key's or a certificate's thumbprint, one of the two."""

    jkt: str | None = None
    x5t: str | None = None


class Times(Struct, frozen=True, gc=False):
    """Epoch seconds: when a token was issued and expires, and from when until when it is accepted."""

    issued: float
    expires: float
    begins: float
    until: float

    def check(self, seconds: float) -> None:
        """Refuses a token before and after its time. No leeway at its end: leeway is for clocks ahead."""
        if seconds >= self.expires:
            raise EvidenceError(TOKEN_EXPIRED)
        if seconds >= self.until:
            raise EvidenceError(TOKEN_TOO_OLD)
        if seconds < self.begins:
            raise EvidenceError(TOKEN_NOT_YET_VALID)


class AccessToken(Struct, frozen=True, gc=False):
    """An access token whose signature and claims hold, for whoever presents it as it asks to be presented."""

    issuer: Issuer
    subject: str
    chain: Chain | None
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]
    jti: str
    times: Times
    confirmation: Confirmation | None
    task: str | None
    claims: Mapping[str, Any]


def check_signature(jws: Jws, keys: KeySet, algorithms: frozenset[str]) -> None:
    """Refuses a token that the owner of `keys` did not sign.

    The algorithm is one that the issuer may use, and the one its key is used with (RFC 8725 section 3.1).
    """
    algorithm, kid = jws.header["alg"], jws.header.get("kid")
    if algorithm not in algorithms:
        raise EvidenceError(ALGORITHM_REFUSED)
    key = keys.get(kid) if kid is not None else None
    if key is None:
        raise EvidenceError(KEY_UNKNOWN)
    if key.algorithm != algorithm:
        raise EvidenceError(ALGORITHM_REFUSED)
    if not key.holds(jws.signing_input, jws.signature):
        raise EvidenceError(SIGNATURE_INVALID)


def access_token(jws: Jws, issuer: Issuer, keys: KeySet, audience: str, seconds: float) -> AccessToken:
    """The access token that `jws` is, of `issuer`, for the service `audience`; raises `EvidenceError`.

    1. Its type (RFC 9068 section 4, RFC 8725 section 3.11). 2. Its signature. 3. to 7. Its claims, as in
    `from_claims`.
    """
    # 1.
    if media_type(jws.header.get("typ")) not in issuer.types:
        raise EvidenceError(TOKEN_TYPE_REFUSED)
    # 2.
    check_signature(jws, keys, issuer.algorithms)
    # 3. to 7.
    return from_claims(jws.claims, issuer, audience, seconds)


def from_claims(claims: Mapping[str, Any], issuer: Issuer, audience: str, seconds: float) -> AccessToken:
    """The access token with these claims, which `issuer` has made: signed, or said when it was asked.

    3. Its audience. 4. Its times. 5. Its names. 6. Its delegation. 7. Its confirmation.
    """
    # 3.
    audiences = texts(claims, "aud")
    issuer.audiences.check(audiences, audience)
    # 4.
    times = times_of(claims, issuer.max_lifetime, issuer.max_age, issuer.leeway)
    times.check(seconds)
    # 5.
    subject, jti = name(claims, issuer.caller), name(claims, "jti", JTI_LIMIT)
    # 6. and 7.
    return AccessToken(
        issuer,
        subject,
        chain(claims, subject),
        audiences,
        scopes(claims),
        jti,
        times,
        confirmation(claims),
        name(claims, issuer.task) if issuer.task is not None and issuer.task in claims else None,
        claims,
    )


@lru_cache(64)  # there are few, and each token is asked for its own twice
def media_type(typ: str | None) -> str:
    """A `typ` as it is compared (RFC 7515 section 4.1.9): without case, `application/` left out."""
    if typ is None or not typ.isascii():
        return ""
    return typ.lower().removeprefix("application/")


def time(claims: Mapping[str, Any], claim: str) -> int:
    """A claim that is a time: a whole number of epoch seconds."""
    value = claims.get(claim)
    if value is None:
        raise EvidenceError(CLAIM_MISSING)
    if type(value) is not int or value not in _TIMES:
        raise EvidenceError(CLAIM_INVALID)
    return value


def times_of(claims: Mapping[str, Any], max_lifetime: int, max_age: int, leeway: int) -> Times:
    """The times of a token that lives no longer than is accepted."""
    issued, expires = time(claims, "iat"), time(claims, "exp")
    begins = time(claims, "nbf") if "nbf" in claims else issued
    if expires <= issued:
        raise EvidenceError(CLAIM_INVALID)
    if expires - issued > max_lifetime:
        raise EvidenceError(LIFETIME_TOO_LONG)
    return Times(issued, expires, max(begins, issued) - leeway, issued + max_age)


def name(claims: Mapping[str, Any], claim: str, limit: int = _NAME_LIMIT) -> str:
    """A claim that is a name: text, not empty, not long, and nothing in it that does not print."""
    value = claims.get(claim)
    if value is None:
        raise EvidenceError(CLAIM_MISSING)
    if type(value) is not str or not 0 < len(value) <= limit or not value.isprintable():
        raise EvidenceError(CLAIM_INVALID)
    return value


def texts(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """A claim that is one text or an array of texts, as `aud` is (RFC 7519 section 4.1.3); not empty."""
    value = claims.get(claim)
    if value is None:
        raise EvidenceError(CLAIM_MISSING)
    if type(value) is str:
        value = [value]
    if type(value) is not list or not 0 < len(value) <= _MEMBERS_LIMIT:
        raise EvidenceError(CLAIM_INVALID)
    for text in value:
        if type(text) is not str or not 0 < len(text) <= _NAME_LIMIT:
            raise EvidenceError(CLAIM_INVALID)
    return tuple(value)


def scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The members of the `scope` claim (RFC 8693 section 4.2): one text, separated by single spaces."""
    value = claims.get("scope", "")
    if value == "":
        return ()
    if type(value) is not str or _SCOPES.match(value) is None:
        raise EvidenceError(CLAIM_INVALID)
    found = tuple(value.split(" "))
    if len(found) > _MEMBERS_LIMIT:
        raise EvidenceError(CLAIM_INVALID)
    return found


def lineage(claims: Mapping[str, Any]) -> tuple[bytes, ...]:
    """The `lin` claim of our own tokens: names by which what they were exchanged for may be revoked."""
    value = claims.get("lin", [])
    if type(value) is not list or len(value) > LINEAGE_LIMIT or any(type(one) is not str for one in value):
        raise EvidenceError(CLAIM_INVALID)
    try:
        return tuple(map(decode, value))
    except EvidenceError:
        raise EvidenceError(CLAIM_INVALID) from None


def confirmation(claims: Mapping[str, Any]) -> Confirmation | None:
    """The key that a token is bound to. One that is not understood makes no bearer token of it (RFC 7800)."""
    if "cnf" not in claims:
        return None
    value = claims["cnf"]
    if type(value) is not dict or len(value) != 1:
        raise EvidenceError(CLAIM_INVALID)
    ((member, text),) = value.items()
    if member not in ("jkt", "x5t#S256") or type(text) is not str or _THUMBPRINT.match(text) is None:
        raise EvidenceError(CLAIM_INVALID)
    return Confirmation(jkt=text) if member == "jkt" else Confirmation(x5t=text)
