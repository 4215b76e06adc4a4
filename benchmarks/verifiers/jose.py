"""joserfc: `jwt.decode` with a key object and its claims registry; for a proof what its user writes."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.util import urlsafe_b64encode

from benchmarks.credentials import ALGORITHM, AUDIENCE, ISSUER, METHOD, URI, Authority, Credential
from benchmarks.measure import Contender
from benchmarks.peers import Wrong

_CLAIMS = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
    iat={"essential": True},
    sub={"essential": True},
    jti={"essential": True},
)
_PROOF = jwt.JWTClaimsRegistry(iat={"essential": True}, jti={"essential": True})


class Jose:
    version = version("joserfc")

    def __init__(self, authority: Authority) -> None:
        self._key = ECKey.import_key(authority.key.public_key())

    def accepts(self, token: bytes) -> bool:
        try:
            self._token(token)
        except JoseError:
            return False
        return True

    def fresh(self, tokens: Sequence[bytes]) -> Contender:
        names = {"tokens": tokens, "verify": self._token}
        return Contender("joserfc", "for token in tokens: verify(token)", names, work=len(tokens))

    def proved(self, credentials: Sequence[Credential]) -> Contender:
        shown = [(one.token, one.proof) for one in credentials]
        names = {"shown": shown, "verify": self._proof}
        return Contender("joserfc", "for token, proof in shown: verify(token, proof)", names, work=len(shown))

    def _token(self, token: bytes) -> None:
        _CLAIMS.validate(jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims)

    def _proof(self, token: bytes, proof: bytes) -> None:
        self._token(token)
        header = jws.extract_compact(proof).headers()
        claims = jwt.decode(proof, ECKey.import_key(header["jwk"]), algorithms=[ALGORITHM]).claims
        _PROOF.validate(claims)
        hashed = urlsafe_b64encode(sha256(token).digest()).decode()
        if (claims["htm"], claims["htu"], claims["ath"]) != (METHOD, URI, hashed):
            raise Wrong("joserfc has read other claims")


def start(authority: Authority) -> Jose:
    return Jose(authority)
