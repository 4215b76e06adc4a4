"""The floor: `cryptography` checks signatures. What comes before is done in advance, and nothing after."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks.credentials import Authority, Credential, parts
from benchmarks.measure import Contender
from benchmarks.verifiers import FLOOR

_SCHEME = ECDSA(SHA256())
_Signature = tuple[EllipticCurvePublicKey, bytes, bytes]


class Signatures:
    version = f"cryptography {version('cryptography')}"

    def __init__(self, authority: Authority) -> None:
        self._issuer, self._client = authority.key.public_key(), authority.client.public_key()

    def accepts(self, token: bytes) -> bool:
        """Only whether the signature holds: nothing else is looked at here."""
        key, signature, signed = _signature(self._issuer, token)
        try:
            key.verify(signature, signed, _SCHEME)
        except InvalidSignature:
            return False
        return True

    def fresh(self, tokens: Sequence[bytes]) -> Contender:
        return _contender([_signature(self._issuer, token) for token in tokens], 1)

    def proved(self, credentials: Sequence[Credential]) -> Contender:
        pairs = [
            signature
            for shown in credentials
            for signature in (_signature(self._issuer, shown.token), _signature(self._client, shown.proof))
        ]
        return _contender(pairs, 2)

    def proofs(self, credentials: Sequence[Credential]) -> Contender:
        """Of the proofs alone."""
        return _contender([_signature(self._client, shown.proof) for shown in credentials], 1)


def start(authority: Authority) -> Signatures:
    return Signatures(authority)


def _contender(signatures: Sequence[_Signature], each: int) -> Contender:
    names = {"signatures": signatures, "scheme": _SCHEME}
    statement = "for key, signature, signed in signatures: key.verify(signature, signed, scheme)"
    return Contender(FLOOR, statement, names, work=len(signatures) // each)


def _signature(key: EllipticCurvePublicKey, token: bytes) -> _Signature:
    signed, numbers = parts(token)
    r, s = int.from_bytes(numbers[:32]), int.from_bytes(numbers[32:])
    return key, encode_dss_signature(r, s), signed
