"""Where private keys come from, and how they are kept: made here and wrapped, or given by somebody else.

Knows ciphers, files and the forms of keys. Knows neither when a key signs nor what it signs.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from pdp.evidence.jws import encode
from pdp.evidence.keys import Key, KeysError, parse_jwk, thumbprint
from pdp.state.store import StoreError

PrivateKey: TypeAlias = EllipticCurvePrivateKey | Ed25519PrivateKey

ALGORITHMS: Final = ("ES256", "EdDSA")
_KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12  # NIST SP 800-38D section 8.2.2: random, and there are few of them
_SECRET_LIMIT: Final = 16 * 1024
# No token's signing input: nobody can use what is signed to see that a key signs.
_PROBE: Final = b"pdp"


class SigningError(StoreError):
    """There is no key to sign with: it cannot be read, or is another's. The text holds nothing secret."""


class Signer(Protocol):
    """Whatever holds one private key and signs with it: this process, or a device or service elsewhere."""

    @property
    def jwk(self) -> Mapping[str, str]:
        """The public key (RFC 7518 section 6.2, RFC 8037 section 2), for ES256 or EdDSA."""

    def sign(self, data: bytes) -> bytes:
        """A signature as tokens have it (RFC 7518 section 3.4, RFC 8037 section 3.1)."""


class Source(Protocol):
    """Where signers come from. `rotates`: there is always a new one. Methods raise `SigningError`.

    `about` is what is known of a key beside what is kept of it: it is kept for nothing else.
    """

    rotates: bool

    def fresh(self, known: Collection[str]) -> Signer | None:
        """A signer whose key is none of the known ones, called by their thumbprints."""

    def keep(self, signer: Signer, about: bytes) -> bytes | None:
        """What is to be kept, to have the signer again; None where it is held elsewhere."""

    def signer(self, kid: str, kept: bytes | None, about: bytes) -> Signer | None:
        """The signer of which that was kept; None where it is none of this source's."""


@dataclass(frozen=True, slots=True)
class Private:
    """A private key in this process."""

    key: PrivateKey

    @property
    def jwk(self) -> Mapping[str, str]:
        """See `Signer`."""
        if isinstance(self.key, Ed25519PrivateKey):
            return {"crv": "Ed25519", "kty": "OKP", "x": encode(self.key.public_key().public_bytes_raw())}
        numbers = self.key.public_key().public_numbers()
        x, y = encode(numbers.x.to_bytes(32)), encode(numbers.y.to_bytes(32))
        return {"crv": "P-256", "kty": "EC", "x": x, "y": y}

    def sign(self, data: bytes) -> bytes:
        """See `Signer`."""
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(data)
        r, s = decode_dss_signature(self.key.sign(data, _ECDSA))
        return r.to_bytes(32) + s.to_bytes(32)


_ECDSA: Final = ECDSA(SHA256())


def proved(signer: Signer) -> Key:
    """The public key of a signer that was seen to sign with it."""
    try:
        key = parse_jwk(signer.jwk, kid=thumbprint(signer.jwk), algorithms=ALGORITHMS)
    except (KeysError, KeyError):
        key = None
    if key is None:
        raise SigningError("a signer's public key is none for ES256 or EdDSA")
    if not key.holds(_PROBE, signer.sign(_PROBE)):
        raise SigningError(f"the signer of `{key.kid}` does not sign with its key")
    return key


class Given:
    """Signers that are held elsewhere, in the order in which they are to sign."""

    rotates = False

    def __init__(self, *signers: Signer) -> None:
        self._signers = {proved(signer).thumbprint: signer for signer in signers}

    def fresh(self, known: Collection[str]) -> Signer | None:
        """See `Source`."""
        return next((signer for kid, signer in self._signers.items() if kid not in known), None)

    def keep(self, signer: Signer, about: bytes) -> bytes | None:
        """See `Source`."""
        return None

    def signer(self, kid: str, kept: bytes | None, about: bytes) -> Signer | None:
        """See `Source`."""
        return self._signers.get(kid)


class Wrapped:
    """Signers that are made here, and wrapped (AES-256-GCM) with the key in a file.

    The file is made, for its owner alone, when the first key is wrapped. Where something is to be unwrapped
    and there is none, or it holds another key, nothing is made anew.
    """

    rotates = True

    def __init__(self, file: Path, algorithm: str) -> None:
        assert algorithm in ALGORITHMS
        self._file = file
        self._algorithm = algorithm
        self._cipher: AESGCM | None = None

    def fresh(self, known: Collection[str]) -> Signer | None:
        """See `Source`."""
        while True:
            edwards = self._algorithm == "EdDSA"
            made = Private(Ed25519PrivateKey.generate() if edwards else generate_private_key(SECP256R1()))
            # What begins so is an option on a command line, where a key may have to be retired in a hurry.
            if not thumbprint(made.jwk).startswith("-"):
                return made

    def keep(self, signer: Signer, about: bytes) -> bytes | None:
        """See `Source`."""
        assert isinstance(signer, Private)
        plain = signer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        nonce = secrets.token_bytes(_NONCE_SIZE)
        return nonce + self._opened(make=True).encrypt(nonce, plain, about)

    def signer(self, kid: str, kept: bytes | None, about: bytes) -> Signer | None:
        """See `Source`."""
        if not kept:
            return None
        try:
            nonce, wrapped = kept[:_NONCE_SIZE], kept[_NONCE_SIZE:]
            plain = self._opened(make=False).decrypt(nonce, wrapped, about)
        except (InvalidTag, ValueError):
            raise SigningError(f"`{self._file}` is not what the signing keys were wrapped with") from None
        return Private(_checked(load_der_private_key(plain, None)))

    def _opened(self, *, make: bool) -> AESGCM:
        if self._cipher is None:
            try:
                if make:
                    _make(self._file)
                with self._file.open("rb") as opened:
                    key = opened.read(_KEY_SIZE + 1)
            except FileNotFoundError:
                cure = "bring back what the signing keys were wrapped with, or retire them"
                raise SigningError(f"`{self._file}` is not there: {cure}") from None
            except OSError as error:
                raise SigningError(f"`{self._file}` cannot be used: {error.strerror}") from None
            if len(key) != _KEY_SIZE:
                raise SigningError(f"`{self._file}` holds no key of {_KEY_SIZE} bytes")
            self._cipher = AESGCM(key)
        return self._cipher


def read_private(path: Path) -> Private:
    """The private key in a PKCS#8 file (PEM, without a password); raises `SigningError`."""
    try:
        with path.open("rb") as opened:
            data = opened.read(_SECRET_LIMIT)
    except OSError as error:
        raise SigningError(f"`{path}` cannot be read: {error.strerror}") from None
    try:
        return Private(_checked(load_pem_private_key(data, None)))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SigningError(f"`{path}` holds no private key for ES256 or EdDSA") from None


def _checked(key: object) -> PrivateKey:
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key
    raise ValueError("a key of another kind")


def _make(path: Path) -> None:
    """Make the file, where there is none. It is there whole or not at all, also after a loss of power,
    which what is wrapped with it outlives, too."""
    if path.exists():
        return
    made = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    opened = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(secrets.token_bytes(_KEY_SIZE))
            file.flush()
            os.fsync(file.fileno())
        # Of several that make it at the same moment, the first does.
        with suppress(FileExistsError):
            os.link(made, path)
    finally:
        made.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
