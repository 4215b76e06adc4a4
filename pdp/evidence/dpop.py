"""DPoP proofs (RFC 9449): that whoever sent this very request holds the key the token is for.

Knows proofs, and neither tokens' claims nor what was seen before: whether a proof's id is new is asked last
of all, by the decision point, so that a proof that fails otherwise does not burn it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct

from pdp.evidence.jws import Jws, encode, load
from pdp.evidence.keys import ALGORITHMS, KeysError, parse_jwk
from pdp.evidence.refusals import (
    BINDING_MISMATCH,
    BINDING_REQUIRED,
    PROOF_EXPIRED,
    PROOF_INVALID,
    PROOF_MALFORMED,
    PROOF_MISMATCH,
    PROOF_NONCE,
    EvidenceError,
)

PROOF_LIMIT: Final = 4_096
"""How many characters of a proof are read."""
JTI_LIMIT: Final = 128

# Scheme, host, port and path.
_URI: Final = re.compile(
    r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?(/[^?#]*)?(?:\?[^#]*)?(?:#.*)?\Z",
    re.IGNORECASE,
)
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORT: Final = {"http": "80", "https": "443"}


class Proof(Struct, frozen=True, gc=False):
    """A proof that holds. From `begins` until `expires` (epoch seconds) it is accepted, and to be known."""

    jkt: str
    jti: str
    begins: float
    expires: float


@dataclass(frozen=True, slots=True)
class Nonces:
    """Nonces that need no memory: each is a period and its code under `secret` (RFC 9449 section 8).

    A nonce is accepted in its period and the next, so it is good for `period` to twice `period` seconds.
    """

    secret: bytes
    period: int = 60

    def current(self, seconds: float) -> str:
        """The nonce to be given out now."""
        return self._nonce(int(seconds) // self.period)

    def accepts(self, nonce: str, seconds: float) -> bool:
        """Whether the nonce was given out lately."""
        number = int(seconds) // self.period
        # Both are compared whatever the first says, in constant time.
        known = [hmac.compare_digest(nonce.encode(), self._nonce(n).encode()) for n in (number, number - 1)]
        return any(known)

    def _nonce(self, number: int) -> str:
        data = number.to_bytes(8)
        return encode(data + hmac.digest(self.secret, data, sha256)[:16])


@dataclass(frozen=True, slots=True)
class ProofPolicy:
    """Which proofs are accepted: made at most `max_age` seconds ago and `max_ahead` seconds ahead.

    With `nonces` each must hold one of them: without, a proof may have been made long before its `iat` (RFC
    9449 section 11.2).
    """

    algorithms: frozenset[str] = frozenset({"ES256", "EdDSA", "PS256"})
    max_age: int = 60
    max_ahead: int = 5
    nonces: Nonces | None = None

    def __post_init__(self) -> None:
        assert self.algorithms <= ALGORITHMS


def verify_proof(
    proofs: Sequence[str],
    *,
    method: str,
    uri: str,
    seconds: float,
    policy: ProofPolicy,
    token: str | None,
    jkt: str | None,
) -> Proof:
    """Checks a proof as RFC 9449 section 4.3 says, in its numbers; raises `EvidenceError`.

    `method` and `uri` are those of the request that is decided, from the enforcement point and from no header
    of the client. `token` is the access token it comes with, `jkt` the thumbprint that token is bound to.

    1. One proof. 2. A well-formed JWT. 3. All claims are there. 4. Its type. 5. Its algorithm. 6. Its
    signature, by the key within. 7. That key is public. 8. The method. 9. The URI. 10. The nonce. 11. The
    time. 12. The token, and the key that the token is bound to.
    """
    # 1.
    if not proofs:
        raise EvidenceError(BINDING_REQUIRED)
    if len(proofs) > 1:
        raise EvidenceError(PROOF_MALFORMED)
    # 2.
    jws = _loaded(proofs[0])
    claims = jws.claims
    # 3.
    jti, htm, htu, issued = claims.get("jti"), claims.get("htm"), claims.get("htu"), claims.get("iat")
    if type(jti) is not str or type(htm) is not str or type(htu) is not str or type(issued) is not int:
        raise EvidenceError(PROOF_MALFORMED)
    if not 0 < len(jti) <= JTI_LIMIT:
        raise EvidenceError(PROOF_MALFORMED)
    # 4.
    if jws.header.get("typ") != "dpop+jwt":
        raise EvidenceError(PROOF_INVALID)
    # 5. and 7. and 6.: the key says with which algorithm it is used, and is looked at before it is.
    key_jkt = _proved(jws, policy)
    # 8.
    if htm != method:
        raise EvidenceError(PROOF_MISMATCH)
    # 9.
    wanted = normalised(uri)
    if htu != uri and normalised(htu) != wanted:
        raise EvidenceError(PROOF_MISMATCH)
    # 10.
    if policy.nonces is not None:
        nonce = claims.get("nonce")
        if type(nonce) is not str or not policy.nonces.accepts(nonce, seconds):
            raise EvidenceError(PROOF_NONCE)
    # 11.
    if not seconds - policy.max_age <= issued <= seconds + policy.max_ahead:
        raise EvidenceError(PROOF_EXPIRED)
    _check_other_times(claims, seconds)
    # 12.
    if token is not None:
        if claims.get("ath") != encode(sha256(token.encode()).digest()):
            raise EvidenceError(PROOF_MISMATCH)
        if jkt is None or not hmac.compare_digest(key_jkt.encode(), jkt.encode()):
            raise EvidenceError(BINDING_MISMATCH)
    return Proof(key_jkt, jti, issued - policy.max_ahead, issued + policy.max_age + policy.max_ahead)


def _loaded(proof: str) -> Jws:
    try:
        return load(proof, limit=PROOF_LIMIT, embeds_key=True)
    except EvidenceError:
        raise EvidenceError(PROOF_MALFORMED) from None


def _proved(jws: Jws, policy: ProofPolicy) -> str:
    """The thumbprint of the key within the proof, which signed it."""
    jwk, algorithm = jws.header.get("jwk"), jws.header["alg"]
    if type(jwk) is not dict or algorithm not in policy.algorithms:
        raise EvidenceError(PROOF_INVALID)
    try:
        key = parse_jwk(jwk, algorithms={algorithm})
    except KeysError:
        raise EvidenceError(PROOF_INVALID) from None
    if key is None or not key.holds(jws.signing_input, jws.signature):
        raise EvidenceError(PROOF_INVALID)
    return key.thumbprint


def _check_other_times(claims: dict[str, Any], seconds: float) -> None:
    """A proof needs neither `exp` nor `nbf`; where it has one, it is meant (RFC 7519 section 4.1)."""
    ends, begins = claims.get("exp"), claims.get("nbf")
    if ends is not None and (type(ends) is not int or seconds >= ends):
        raise EvidenceError(PROOF_EXPIRED)
    if begins is not None and (type(begins) is not int or seconds < begins):
        raise EvidenceError(PROOF_EXPIRED)


def normalised(uri: str) -> str:
    """A request's URI without query and fragment, in its one spelling (RFC 3986 sections 6.2.2 and 6.2.3).

    Scheme and host in lower case, no default port, no needless escape, `/` for no path. What two servers
    would read in two ways is refused with `proof_mismatch`: dot segments, user information, escaped slashes,
    backslashes, control characters, anything but ASCII.
    """
    if not uri.isascii() or not uri.isprintable() or " " in uri or "\\" in uri:
        raise EvidenceError(PROOF_MISMATCH)
    parts = _URI.match(uri)
    if parts is None:
        raise EvidenceError(PROOF_MISMATCH)
    scheme, host, port, path = parts[1].lower(), parts[2].lower(), parts[3], parts[4] or "/"
    if "%" in path:
        path = _ESCAPE.sub(_unescaped, path)
    if "/." in path and not {".", ".."}.isdisjoint(path.split("/")):
        raise EvidenceError(PROOF_MISMATCH)
    at = f"{host}:{port}" if port is not None and port != _DEFAULT_PORT[scheme] else host
    return f"{scheme}://{at}{path}"


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1] is None:
        raise EvidenceError(PROOF_MISMATCH)
    character = chr(int(escape[1], 16))
    if character in "/\\" or character < " ":
        raise EvidenceError(PROOF_MISMATCH)
    return character if character in _UNRESERVED else f"%{escape[1].upper()}"
