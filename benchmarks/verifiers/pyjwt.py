"""PyJWT: `jwt.decode` with a key object; for a proof what its user writes, as PyJWT knows of none."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version

import jwt

from benchmarks.credentials import ALGORITHM, AUDIENCE, ISSUER, METHOD, URI, Authority, Credential
from benchmarks.measure import Contender
from benchmarks.peers import Wrong


class PyJwt:
    version = version("pyjwt")

    def __init__(self, authority: Authority) -> None:
        self._key = authority.key.public_key()

    def accepts(self, token: bytes) -> bool:
        try:
            self._token(token)
        except jwt.InvalidTokenError:
            return False
        return True

    def fresh(self, tokens: Sequence[bytes]) -> Contender:
        names = {"tokens": tokens, "verify": self._token}
        return Contender("PyJWT", "for token in tokens: verify(token)", names, work=len(tokens))

    def proved(self, credentials: Sequence[Credential]) -> Contender:
        shown = [(one.token, one.proof) for one in credentials]
        names = {"shown": shown, "verify": self._proof}
        return Contender("PyJWT", "for token, proof in shown: verify(token, proof)", names, work=len(shown))

    def _token(self, token: bytes) -> None:
        jwt.decode(
            token,
            self._key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["exp", "iat", "sub", "jti"]},
        )

    def _proof(self, token: bytes, proof: bytes) -> None:
        self._token(token)
        key = jwt.PyJWK.from_dict(jwt.get_unverified_header(proof)["jwk"], algorithm=ALGORITHM)
        claims = jwt.decode(proof, key, algorithms=[ALGORITHM], options={"require": ["iat", "jti"]})
        hashed = jwt.utils.base64url_encode(sha256(token).digest()).decode()
        if (claims["htm"], claims["htu"], claims["ath"]) != (METHOD, URI, hashed):
            raise Wrong("PyJWT has read other claims")


def start(authority: Authority) -> PyJwt:
    return PyJwt(authority)
