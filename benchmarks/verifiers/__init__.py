"""What verifies tokens beside pdp, and pdp as one of them: the same tokens, keys and audience for all.

`start(name, authority)` gives a verifier that trusts the authority's keys. What cannot be had is `Missing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from benchmarks.credentials import Authority, Credential
from benchmarks.measure import Contender
from benchmarks.peers import Missing, Wrong

FLOOR = "the signatures alone"
# In the order of the table.
VERIFIERS = {
    FLOOR: "benchmarks.verifiers.signatures",
    "pdp": "benchmarks.verifiers.ours",
    "PyJWT": "benchmarks.verifiers.pyjwt",
    "joserfc": "benchmarks.verifiers.jose",
}


class Verifier(Protocol):
    """One library that verifies tokens."""

    version: str

    def accepts(self, token: bytes) -> bool:
        """Whether it takes the token, on the way that is timed."""

    def fresh(self, tokens: Sequence[bytes]) -> Contender:
        """Every token verified for the first time."""

    def proved(self, credentials: Sequence[Credential]) -> Contender:
        """Every token and its proof verified for the first time."""


def start(name: str, authority: Authority) -> Verifier:
    """The verifier `name`. Raises `Missing`."""
    try:
        module = import_module(VERIFIERS[name])
    except ImportError as error:
        raise Missing(f"{error.name} is not installed: pip install 'pdp[bench]'") from None
    verifier: Verifier = module.start(authority)
    return verifier


def check(verifier: Verifier, name: str, authority: Authority) -> None:
    """Raises `Wrong` unless the verifier takes what is to be taken, and nothing else."""
    for sample in authority.samples():
        if verifier.accepts(sample.token) != sample.holds:
            verb = "refuses" if sample.holds else "accepts"
            raise Wrong(f"{name} {verb} a token {sample.about}")
