"""X.509-SVIDs: a certificate chain that identifies a workload of a trust domain (X.509-SVID, RFC 5280).

Knows certificates and not how they came: over TLS, or told by a proxy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from pdp.evidence.jws import encode
from pdp.evidence.refusals import (
    CERTIFICATE_EXPIRED,
    CERTIFICATE_INVALID,
    CERTIFICATE_UNTRUSTED,
    CREDENTIAL_TOO_LARGE,
    EvidenceError,
)
from pdp.evidence.spiffe import domain_of

T = TypeVar("T", bound=x509.ExtensionType)

PEM_LIMIT: Final = 32 * 1024
"""How many characters of a chain are read."""
_CHAIN_LIMIT: Final = 6
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"


@lru_cache(maxsize=1_024)
def load_chain(pem: str) -> tuple[Certificate, ...]:
    """The certificates of PEM text, the leaf first; raises `EvidenceError`.

    Certificates are public and long-lived beside requests, so what was read is remembered.
    """
    if len(pem) > PEM_LIMIT or pem.count(_BEGIN) > _CHAIN_LIMIT:
        raise EvidenceError(CREDENTIAL_TOO_LARGE)
    try:
        found = tuple(x509.load_pem_x509_certificates(pem.encode("ascii")))
    except (ValueError, x509.InvalidVersion):
        raise EvidenceError(CERTIFICATE_INVALID) from None
    # What stands between certificates is skipped by the reader; a second kind of thing there has no business.
    if len(found) != pem.count("-----BEGIN "):
        raise EvidenceError(CERTIFICATE_INVALID)
    return found


@lru_cache(maxsize=1_024)
def fingerprint(certificate: Certificate) -> bytes:
    """The SHA-256 of a certificate (DER)."""
    return sha256(certificate.public_bytes(Encoding.DER)).digest()


def thumbprint(certificate: Certificate) -> str:
    """The `x5t#S256` of a certificate (RFC 8705 section 3.1): base64url, 43 characters."""
    return encode(fingerprint(certificate))


def names_workload(leaf: Certificate) -> bool:
    """Whether a certificate has a SPIFFE ID among its names, well-formed or not."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        return False
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise EvidenceError(CERTIFICATE_INVALID) from None
    return any(uri.lower().startswith("spiffe:") for uri in uris)


def spiffe_id(leaf: Certificate) -> str:
    """The SPIFFE ID in a leaf certificate (X.509-SVID sections 2 to 4); raises `EvidenceError`.

    1. One URI among its names, and that a workload's. 2. It is no authority. 3. Its key is for signing, and
    for no certificates. 4. Where it says what TLS may use it for, that is both sides.
    """
    try:
        extensions = leaf.extensions
        # 1.
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName)
        uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
        # 3.
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        constraints = _optional(extensions, x509.BasicConstraints)
        extended = _optional(extensions, x509.ExtendedKeyUsage)
        # Names are read from the certificate only here, and may be none.
        named = names.critical or bool(list(leaf.subject))
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise EvidenceError(CERTIFICATE_INVALID) from None
    if len(uris) != 1 or not named:
        raise EvidenceError(CERTIFICATE_INVALID)
    domain_of(uris[0])
    # 2.
    if constraints is not None and constraints.ca:
        raise EvidenceError(CERTIFICATE_INVALID)
    keys = usage.value
    if not usage.critical or not keys.digital_signature or keys.key_cert_sign or keys.crl_sign:
        raise EvidenceError(CERTIFICATE_INVALID)
    # 4.
    both = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    if extended is not None and not both <= set(extended):
        raise EvidenceError(CERTIFICATE_INVALID)
    return uris[0]


def check_chain(chain: Sequence[Certificate], authorities: Sequence[Certificate], now: datetime) -> datetime:
    """Until when an authority stands behind the leaf, as it does at `now`; raises `EvidenceError` if it does
    not (RFC 5280 section 6, X.509-SVID section 5). No leaf outlives what it was issued by."""
    leaf, *between = chain
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        raise EvidenceError(CERTIFICATE_EXPIRED)
    if not authorities:
        raise EvidenceError(CERTIFICATE_UNTRUSTED)
    verifier = (
        PolicyBuilder()
        .store(Store(list(authorities)))
        .time(now.astimezone(UTC))
        .max_chain_depth(_CHAIN_LIMIT)
        .extension_policies(ca_policy=_authority_policy(), ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        found = verifier.verify(leaf, between).chain
    except VerificationError:
        raise EvidenceError(CERTIFICATE_UNTRUSTED) from None
    except ValueError:  # a part of some certificate that is read no earlier, and cannot be
        raise EvidenceError(CERTIFICATE_INVALID) from None
    return min(certificate.not_valid_after_utc for certificate in found)


def _authority_policy() -> ExtensionPolicy:
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
        .require_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs_certificates)
    )


def _is_authority(_: object, __: Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("not an authority")


def _signs_certificates(_: object, __: Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("not for signing certificates")


def _optional(extensions: x509.Extensions, kind: type[T]) -> T | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
