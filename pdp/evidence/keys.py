"""Public keys and sets of them, read strictly (RFC 7517, 7518, 8037): what a signature is checked with.

A key is used for one purpose and with one algorithm. A set with a secret, a weak or an ambiguous key is
refused whole: whoever publishes it has made a mistake that nobody should build on. Knows no issuers and
fetches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, TypeAlias

import jiter
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from jwt.algorithms import get_default_algorithms

from pdp.evidence.jws import check_json, decode, encode
from pdp.evidence.refusals import EvidenceError

PublicKey: TypeAlias = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
Check: TypeAlias = Callable[[bytes, Any, bytes], bool]
"""Whether of a signing input and a public key, which is of the check's own kind, comes a signature."""

SET_LIMIT: Final = 256 * 1024
"""How many bytes of a key set are read."""
KEYS_LIMIT: Final = 64
_DEPTH_LIMIT: Final = 8
# How many keys that were read are remembered; one that is forgotten is read again.
_REMEMBERED: Final = 4_096
# NIST SP 800-131A allows no shorter RSA keys; longer ones than this only cost time, and so do exponents that
# no software makes: with one as long as the modulus a check takes a hundred times as long.
_RSA_BITS: Final = range(2_048, 8_193)
_RSA_EXPONENTS: Final = range(3, 2**32)

# Curve, prime of its field, bytes of a coordinate, algorithm (SP 800-186 section 3.2.1).
_CURVES: Final[dict[str, tuple[EllipticCurve, int, int, str]]] = {
    "P-256": (SECP256R1(), 2**256 - 2**224 + 2**192 + 2**96 - 1, 32, "ES256"),
    "P-384": (SECP384R1(), 2**384 - 2**128 - 2**96 + 2**32 - 1, 48, "ES384"),
    "P-521": (SECP521R1(), 2**521 - 1, 66, "ES512"),
}
# Ed25519: the prime of its field, and the `y` of the points whose order divides eight. With one of them for a
# key, everybody signs.
_ED25519_PRIME: Final = 2**255 - 19
_EIGHTH: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER: Final = frozenset({0, 1, _EIGHTH, _ED25519_PRIME - _EIGHTH, _ED25519_PRIME - 1})
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ALGORITHMS: Final = frozenset((*_RSA, "ES256", "ES384", "ES512", "EdDSA"))
"""What tokens and proofs may be signed with: nothing symmetric, nothing unsigned (RFC 8725 section 3.1)."""

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# What a key is, and all it is (RFC 7638 section 3.2, RFC 8037 section 2), in the order of a thumbprint.
_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}


def _ecdsa(size: int, algorithm: HashAlgorithm) -> Check:
    """ECDSA as tokens have it (RFC 7518 section 3.4): two numbers of `size` bytes each, and not DER.

    PyJWT makes all it needs for it anew each time, for a sixth of what the check itself takes.
    """
    scheme = ECDSA(algorithm)

    def check(signing_input: bytes, public: EllipticCurvePublicKey, signature: bytes) -> bool:
        if len(signature) != 2 * size:
            return False
        r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
        try:
            public.verify(encode_dss_signature(r, s), signing_input, scheme)
        except InvalidSignature:
            return False
        return True

    return check


_CHECKS: Final[dict[str, Check]] = {
    **{name: get_default_algorithms()[name].verify for name in (*_RSA, "EdDSA")},
    "ES256": _ecdsa(32, SHA256()),
    "ES384": _ecdsa(48, SHA384()),
    "ES512": _ecdsa(66, SHA512()),
}


class KeysError(Exception):
    """A key or key set cannot be used; the text says why, and holds nothing secret."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key and the one algorithm that it is used with."""

    kid: str
    algorithm: str
    public: PublicKey
    thumbprint: str

    def holds(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether the key's holder signed `signing_input`."""
        return _CHECKS[self.algorithm](signing_input, self.public, signature)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one issuer for one purpose, by `kid`."""

    keys: Mapping[str, Key]

    def get(self, kid: str) -> Key | None:
        """The key called `kid`, or None."""
        return self.keys.get(kid)


def parse_jwks(data: bytes, *, use: str, algorithms: Collection[str]) -> KeySet:
    """The keys for `use` (`sig`, `jwt-svid`, …) among the JWK set `data`; see `parse_keys`."""
    return parse_keys(parse_document(data), use=use, algorithms=algorithms)


def parse_keys(members: Sequence[Mapping[str, Any]], *, use: str, algorithms: Collection[str]) -> KeySet:
    """The keys for `use` among the members of a set; raises `KeysError`.

    Keys for another use, of unknown types, and for algorithms that are not among `algorithms` are left out
    (RFC 7517 section 5). Where `use` is `sig` a key that states no use is taken.
    """
    keys: dict[str, Key] = {}
    for member in members:
        if not _is_for(member, use):
            continue
        kid = member.get("kid")
        if type(kid) is not str or not 0 < len(kid) <= 256:
            raise KeysError("it holds a key without a `kid`")
        if kid in keys:
            raise KeysError(f"it holds two keys called `{kid}`")
        key = parse_jwk(member, kid=kid, algorithms=algorithms)
        if key is not None:
            keys[kid] = key
    return KeySet(keys)


def parse_document(data: bytes) -> list[dict[str, Any]]:
    """The members of a JWK set (RFC 7517 section 5), none of them secret; raises `KeysError`."""
    if len(data) > SET_LIMIT:
        raise KeysError(f"it is larger than {SET_LIMIT} bytes")
    try:
        document = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
        if type(document) is not dict:
            raise KeysError("it is no JSON object")
        check_json(document, _DEPTH_LIMIT)
    except (ValueError, EvidenceError):
        raise KeysError("it is not the JSON of a key set") from None
    members = document.get("keys")
    if type(members) is not list or len(members) > KEYS_LIMIT:
        raise KeysError(f"its `keys` are no list of at most {KEYS_LIMIT} keys")
    for member in members:
        if type(member) is not dict:
            raise KeysError("it holds what is no key")
        # Who publishes a secret beside public keys may have tokens forged with either.
        if member.get("kty") == "oct" or not _PRIVATE.isdisjoint(member):
            raise KeysError("it holds a secret")
    return members


def parse_jwk(jwk: Mapping[str, Any], *, kid: str = "", algorithms: Collection[str]) -> Key | None:
    """The public key that a JWK writes; None for a type or algorithm that is not among `algorithms`.

    Raises `KeysError` for a malformed, weak or private key. An RSA key that does not name its algorithm is
    used with the one of `algorithms` that fits it.
    """
    if not _PRIVATE.isdisjoint(jwk):
        raise KeysError("it is not a public key alone")
    match jwk.get("kty"):
        case "EC":
            crv = jwk.get("crv")
            if type(crv) is not str or crv not in _CURVES:
                return None
            fits = [_CURVES[crv][3]]
        case "OKP":
            if jwk.get("crv") != "Ed25519":
                return None
            fits = ["EdDSA"]
        case "RSA":
            fits = [name for name in _RSA if name in algorithms]
        case _:
            return None
    if "alg" in jwk:
        stated = jwk["alg"]
        fits = [name for name in fits if name == stated or (name == "EdDSA" and stated == "Ed25519")]
    fits = [name for name in fits if name in algorithms]
    if not fits:
        return None
    if len(fits) > 1:
        raise KeysError("an RSA key must name its `alg` where several are allowed")
    kind: str = jwk["kty"]
    members = tuple(map(jwk.get, _MEMBERS[kind]))
    for text in members:
        if type(text) is not str:
            raise KeysError("its numbers are not written as text")
    return _key(kid, fits[0], kind, members)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a public JWK (RFC 7638 section 3, RFC 8037 section 2), base64url."""
    # The members are plain base64url and names: nothing in them needs an escape.
    canonical = ",".join(f'"{name}":"{jwk[name]}"' for name in _MEMBERS[jwk["kty"]])
    return encode(sha256(f"{{{canonical}}}".encode()).digest())


@lru_cache(_REMEMBERED)
def _key(kid: str, algorithm: str, kind: str, members: tuple[str, ...]) -> Key:
    """The key that a JWK's own members make, once.

    A client proves itself with one key again and again, and to read a key costs as much as to check a
    signature with it. To remember it is sound: a key is public and proves nothing; who holds it is asked of
    each signature. What is no key is not remembered: whoever sends such pushes nobody else's out.
    """
    jwk = dict(zip(_MEMBERS[kind], members, strict=True))
    return Key(kid, algorithm, _public(jwk), thumbprint(jwk))


def _is_for(member: Mapping[str, Any], use: str) -> bool:
    # Where a key has both they must agree (RFC 7517 section 4.3). What is there and null is no use at all.
    operations = member.get("key_ops", ["verify"])
    return member.get("use", "sig") == use and type(operations) is list and "verify" in operations


def _public(jwk: Mapping[str, Any]) -> PublicKey:
    try:
        match jwk["kty"]:
            case "EC":
                curve, prime, size, _ = _CURVES[jwk["crv"]]
                x, y = (int.from_bytes(_bytes(jwk, name, size)) for name in ("x", "y"))
                # The library takes coordinates modulo the prime: one key would have two thumbprints.
                if x >= prime or y >= prime:
                    raise KeysError("its coordinates are not the one spelling of a point")
                # Fails for a point that is not on the curve.
                return EllipticCurvePublicNumbers(x, y, curve).public_key()
            case "OKP":
                data = _bytes(jwk, "x", 32)
                y = int.from_bytes(data, "little") % 2**255  # the last bit tells which of two points
                if y >= _ED25519_PRIME or y in _SMALL_ORDER:
                    raise KeysError("its point is weak, or not in its one spelling")
                return Ed25519PublicKey.from_public_bytes(data)
            case _:
                exponent, modulus = (int.from_bytes(_bytes(jwk, name)) for name in ("e", "n"))
                if modulus.bit_length() not in _RSA_BITS or modulus % 2 == 0:
                    raise KeysError("its RSA key is too short or too long, or its modulus is even")
                if exponent not in _RSA_EXPONENTS:
                    raise KeysError("its RSA key has an exponent that none should have")
                return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        raise KeysError("its numbers are those of no key") from None


def _bytes(jwk: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    text = jwk.get(name)
    try:
        data = decode(text) if type(text) is str else b""
    except EvidenceError:
        data = b""
    if not data or (size is not None and len(data) != size) or (size is None and data[0] == 0):
        raise KeysError(f"its `{name}` is not the one spelling of a number")
    return data
