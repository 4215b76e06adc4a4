"""SPIFFE: bundles of a trust domain's keys, and JWT-SVIDs checked by them.

A trust domain's identities are checked by its own bundle and by no union of bundles: an id is worth what the
keys of its own domain say. IDs themselves are `access.patterns`'; X.509-SVIDs are `x509`'s.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from cryptography.x509 import Certificate, InvalidVersion, load_der_x509_certificate

from pdp.access.patterns import SPIFFE, SPIFFE_ID_LIMIT, check_spiffe_id
from pdp.evidence.jws import Jws
from pdp.evidence.jwt import JTI_LIMIT, Times, check_signature, name, texts, times_of
from pdp.evidence.keys import ALGORITHMS, KEYS_LIMIT, KeysError, KeySet, parse_document, parse_keys
from pdp.evidence.refusals import (
    CLAIM_INVALID,
    CREDENTIAL_MALFORMED,
    DELEGATION_INVALID,
    SPIFFE_ID_INVALID,
    TOKEN_TYPE_REFUSED,
    TRUST_DOMAIN_UNKNOWN,
    EvidenceError,
)
from pdp.evidence.trust import Bundle, TrustDomain

# JWT-SVID section 2.1 lists RSA and ECDSA, and not EdDSA.
SVID_ALGORITHMS: Final = ALGORITHMS - {"EdDSA"}
_HEADERS: Final = frozenset({"alg", "kid", "typ"})
_TYPES: Final = (None, "JWT", "JOSE")


def parse_bundle(data: bytes, until: float) -> Bundle:
    """A trust domain's bundle (SPIFFE Trust Domain and Bundle, section 4); raises `keys.KeysError`.

    Keys without a use, or with an unknown one, are left out (4.2.2). A bundle without usable keys makes all
    identities of its domain invalid (4.1.3), and so is no error.
    """
    members = parse_document(data)
    return Bundle(
        tuple(_authority(member) for member in members if member.get("use") == "x509-svid"),
        parse_keys(members, use="jwt-svid", algorithms=SVID_ALGORITHMS),
        parse_keys(members, use="wit-svid", algorithms=SVID_ALGORITHMS),
        until,
    )


def _authority(member: Mapping[str, Any]) -> Certificate:
    """The certificate of an entry: the first of its `x5c`, which is its key (X.509-SVID section 6.2)."""
    found = member.get("x5c")
    if type(found) is not list or not 0 < len(found) <= KEYS_LIMIT or type(found[0]) is not str:
        raise KeysError("it holds an X.509 authority without its certificate")
    try:
        return load_der_x509_certificate(b64decode(found[0], validate=True))
    except (ValueError, InvalidVersion):
        raise KeysError("it holds an X.509 authority that is no certificate") from None


def domain_of(identity: str) -> str:
    """The trust domain of a workload's SPIFFE ID; raises `EvidenceError` for what is none.

    A trust domain's own ID, without a path, names no workload.
    """
    try:
        check_spiffe_id(identity)
    except ValueError:
        raise EvidenceError(SPIFFE_ID_INVALID) from None
    domain, _, path = identity[len(SPIFFE) :].partition("/")
    if not path:
        raise EvidenceError(SPIFFE_ID_INVALID)
    return domain


def check_others(claims: Mapping[str, Any]) -> None:
    """Refuses an SVID for what it need not say: an issuer or id that is no name, and an actor.

    It identifies the workload that presents it; one by which somebody acts for another does not.
    """
    for claim, limit in (("iss", SPIFFE_ID_LIMIT), ("jti", JTI_LIMIT)):
        if claim in claims:
            name(claims, claim, limit)
    if "act" in claims:
        raise EvidenceError(DELEGATION_INVALID)


def jwt_svid(
    jws: Jws, domain: TrustDomain, keys: KeySet, audience: str, seconds: float
) -> tuple[tuple[str, ...], Times]:
    """The audiences and times of a JWT-SVID of `domain`, whose keys `keys` are.

    1. Its form: no headers but those the specification has (JWT-SVID section 2). 2. Its signature. 3. Its
    subject belongs to the domain, and nothing else is said of who holds it. 4. Its audience. 5. Its times.
    """
    if "jwt_svid" not in domain.forms:
        raise EvidenceError(TRUST_DOMAIN_UNKNOWN)
    # 1.
    if not jws.header.keys() <= _HEADERS:
        raise EvidenceError(CREDENTIAL_MALFORMED)
    if jws.header.get("typ") not in _TYPES:
        raise EvidenceError(TOKEN_TYPE_REFUSED)
    # 2.
    check_signature(jws, keys, SVID_ALGORITHMS)
    # 3.
    subject = name(jws.claims, "sub")
    if domain_of(subject) != domain.name:
        raise EvidenceError(TRUST_DOMAIN_UNKNOWN)
    check_others(jws.claims)
    # A bearer token; one that is bound to a key is not made one by not looking (RFC 7800 section 3.1).
    if "cnf" in jws.claims:
        raise EvidenceError(CLAIM_INVALID)
    # 4.
    audiences = texts(jws.claims, "aud")
    domain.audiences.check(audiences, audience)
    # 5.
    times = times_of(jws.claims, domain.max_lifetime, domain.max_lifetime, domain.leeway)
    times.check(seconds)
    return audiences, times
