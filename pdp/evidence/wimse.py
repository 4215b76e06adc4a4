"""Workload identity tokens and their proofs (IETF WIMSE, drafts of 2026-08, and SPIFFE's WIT-SVID).

Experimental, as the drafts are: off unless a trust domain lists the form `wit`. A workload identity token is
never a bearer token; it counts only with a proof by the key within it, for this very request.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from typing import Final

from msgspec import Struct

from pdp.evidence.dpop import JTI_LIMIT, PROOF_LIMIT, normalised
from pdp.evidence.jws import Jws, encode, load
from pdp.evidence.jwt import Times, check_signature, media_type, name, time, times_of
from pdp.evidence.keys import Key, KeysError, KeySet, parse_jwk
from pdp.evidence.refusals import (
    CLAIM_INVALID,
    PROOF_EXPIRED,
    PROOF_INVALID,
    PROOF_MALFORMED,
    PROOF_MISMATCH,
    TOKEN_TYPE_REFUSED,
    TRUST_DOMAIN_UNKNOWN,
    EvidenceError,
)
from pdp.evidence.spiffe import SVID_ALGORITHMS, check_others, domain_of
from pdp.evidence.trust import TrustDomain

# A proof is made for one request; one that is good for longer than this was made to be kept.
PROOF_LIFETIME: Final = 300
_PROOF_CLAIMS: Final = frozenset({"aud", "exp", "jti", "wth", "ath", "iat", "nbf"})


class Identity(Struct, frozen=True, gc=False):
    """A workload identity token whose signature and claims hold: worth nothing until `key` is proved."""

    subject: str
    key: Key
    times: Times


def workload_identity(
    jws: Jws, domain: TrustDomain, keys: KeySet, algorithms: Collection[str], seconds: float
) -> Identity:
    """The workload identity token that `jws` is, of `domain`, whose keys `keys` are.

    1. Its type. 2. Its signature. 3. Its subject belongs to the domain. 4. It is for no audience (WIT-SVID).
    5. Its times. 6. The key within, public, with the one algorithm that it names.
    """
    if "wit" not in domain.forms:
        raise EvidenceError(TRUST_DOMAIN_UNKNOWN)
    claims = jws.claims
    # 1.
    if media_type(jws.header.get("typ")) != "wit+jwt":
        raise EvidenceError(TOKEN_TYPE_REFUSED)
    # 2.
    check_signature(jws, keys, SVID_ALGORITHMS)
    # 3.
    subject = name(claims, "sub")
    if domain_of(subject) != domain.name:
        raise EvidenceError(TRUST_DOMAIN_UNKNOWN)
    check_others(claims)
    # 4.
    if "aud" in claims:
        raise EvidenceError(CLAIM_INVALID)
    # 5.
    times = times_of(claims, domain.max_lifetime, domain.max_lifetime, domain.leeway)
    times.check(seconds)
    # 6.
    held = claims.get("cnf")
    jwk = held.get("jwk") if type(held) is dict and len(held) == 1 else None
    if type(jwk) is not dict or type(jwk.get("alg")) is not str:
        raise EvidenceError(CLAIM_INVALID)
    try:
        key = parse_jwk(jwk, algorithms=algorithms)
    except KeysError:
        key = None
    if key is None:
        raise EvidenceError(CLAIM_INVALID)
    return Identity(subject, key, times)


class WorkloadProof(Struct, frozen=True, gc=False):
    """A proof that holds. From `begins` until `expires` (epoch seconds) it is accepted, and to be known."""

    jti: str
    begins: float
    expires: float


def workload_proof(proof: str, token: str, identity: Identity, uri: str, seconds: float) -> WorkloadProof:
    """Checks a workload proof token; raises `EvidenceError`.

    1. A well-formed JWT of its type. 2. Signed by the identity's key with its algorithm. 3. For this URI,
    which is the enforcement point's word and no header's. 4. For this token, and for no other besides: what
    else it covers is not here. 5. In its time. 6. With an id.
    """
    # 1.
    try:
        jws = load(proof, limit=PROOF_LIMIT)
    except EvidenceError:
        raise EvidenceError(PROOF_MALFORMED) from None
    claims = jws.claims
    if jws.header.get("typ") != "wpt+jwt" or jws.header["alg"] != identity.key.algorithm:
        raise EvidenceError(PROOF_INVALID)
    # 2.
    if not identity.key.holds(jws.signing_input, jws.signature):
        raise EvidenceError(PROOF_INVALID)
    # 3.
    audience = claims.get("aud")
    if type(audience) is not str or normalised(audience) != normalised(uri):
        raise EvidenceError(PROOF_MISMATCH)
    # 4.
    if claims.get("wth") != encode(sha256(token.encode()).digest()) or "ath" in claims:
        raise EvidenceError(PROOF_MISMATCH)
    if not claims.keys() <= _PROOF_CLAIMS:
        raise EvidenceError(PROOF_MALFORMED)
    # 5.
    try:
        expires = time(claims, "exp")
        begins = time(claims, "nbf") if "nbf" in claims else 0
        # 6.
        jti = name(claims, "jti", JTI_LIMIT)
    except EvidenceError:
        raise EvidenceError(PROOF_MALFORMED) from None
    if not seconds < expires <= seconds + PROOF_LIFETIME or seconds < begins:
        raise EvidenceError(PROOF_EXPIRED)
    return WorkloadProof(jti, max(begins, expires - PROOF_LIFETIME), expires)
