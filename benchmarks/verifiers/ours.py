"""pdp's verifier, as its decision point has it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version

from benchmarks.credentials import ALGORITHM, AUDIENCE, ISSUER, LIFETIME, METHOD, URI, Authority, Credential
from benchmarks.measure import Contender
from pdp.evidence.keys import parse_jwks
from pdp.evidence.refusals import EvidenceError
from pdp.evidence.trust import Issuer, Keys, Trust
from pdp.evidence.verify import Presented, Verifier

# Each time around what was verified is forgotten: there is no second look at anything.
_FRESH = (
    "verifier.replace(trust)\n"
    "for token in tokens: verifier.verify(Presented(str(token, 'ascii'), 'Bearer'), audience, now)"
)
_SEEN = "verifier.verify(Presented(str(token, 'ascii'), 'Bearer'), audience, now)"
_PROVED = (
    "verifier.replace(trust)\n"
    "for token, proof in shown: verifier.verify(Presented("
    "str(token, 'ascii'), 'DPoP', (str(proof, 'ascii'),), method=method, uri=uri), audience, now)"
)
_PROVED_AGAIN = _PROVED.partition("\n")[2]


class Ours:
    version = version("pdp")

    def __init__(self, authority: Authority) -> None:
        self.trust = trust(authority)
        self.verifier = Verifier(self.trust)
        self._names = {
            "verifier": self.verifier, "trust": self.trust, "Presented": Presented, "audience": AUDIENCE,
            "now": authority.now, "method": METHOD, "uri": URI,
        }  # fmt: skip
        self._now = authority.now

    def accepts(self, token: bytes) -> bool:
        try:
            self.verifier.verify(Presented(token.decode("ascii"), "Bearer"), AUDIENCE, self._now)
        except EvidenceError:
            return False
        return True

    def fresh(self, tokens: Sequence[bytes]) -> Contender:
        return Contender("pdp", _FRESH, self._names | {"tokens": tokens}, work=len(tokens))

    def seen(self, token: bytes) -> Contender:
        """The same token again, which it remembers: another text of the same characters each time."""
        return Contender("pdp", _SEEN, self._names | {"token": token})

    def proved(self, credentials: Sequence[Credential]) -> Contender:
        return self._proved(_PROVED, credentials)

    def proved_again(self, credentials: Sequence[Credential]) -> Contender:
        """Proofs for tokens that it remembers; a proof it never does."""
        return self._proved(_PROVED_AGAIN, credentials)

    def _proved(self, statement: str, credentials: Sequence[Credential]) -> Contender:
        shown = [(one.token, one.proof) for one in credentials]
        return Contender("pdp", statement, self._names | {"shown": shown}, work=len(shown))


def start(authority: Authority) -> Ours:
    return Ours(authority)


def trust(authority: Authority) -> Trust:
    """The authority is believed, for as long as anything here is measured."""
    document = json.dumps({"keys": [authority.jwk()]}).encode()
    keys = parse_jwks(document, use="sig", algorithms={ALGORITHM})
    until = authority.now.timestamp() + LIFETIME
    return Trust({ISSUER: Issuer(ISSUER, frozenset({ALGORITHM}))}, keys={ISSUER: Keys(keys, until)})
