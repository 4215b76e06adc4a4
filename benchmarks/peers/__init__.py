"""The in-process peers of pdp, and pdp as one of them: the rules of `estate` in each one's own language.

`start(name, count)` gives a peer that holds so many rules. What cannot be had is `Missing`, with the reason,
and stands so in the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from benchmarks.estate import Question, sample
from benchmarks.measure import Contender

# In the order of the table.
PEERS = {
    "pdp": "benchmarks.peers.ours",
    "cedarpy": "benchmarks.peers.cedar",
    "regorus": "benchmarks.peers.rego_engine",
    "regorus, compiled": "benchmarks.peers.rego_machine",
    "casbin": "benchmarks.peers.pycasbin",
}


class Missing(Exception):
    """A peer is not to be had here. The message says why, and what would bring it."""


class Wrong(Exception):
    """A peer does not decide as pdp does: whatever its speed is, it is not the same work."""


class Peer(Protocol):
    """One engine that holds rules."""

    version: str

    def allows(self, question: Question) -> bool:
        """The decision, on the way that is timed."""

    def decision(self, question: Question) -> Contender:
        """One decision on a request that is parsed, and whatever else can be made ready, is."""

    def whole(self, question: Question) -> Contender:
        """From the bytes of a request to the bytes of an answer."""


def start(name: str, count: int) -> Peer:
    """The peer `name` with `count` rules. Raises `Missing`."""
    try:
        module = import_module(PEERS[name])
    except ImportError as error:
        raise Missing(f"{error.name} is not installed: pip install 'pdp[bench]'") from None
    peer: Peer = module.start(count)
    return peer


def agree(ours: Peer, peer: Peer, name: str, questions: Sequence[Question]) -> None:
    """Raises `Wrong` unless `peer` decides every question as we do."""
    for question in questions:
        if peer.allows(question) != ours.allows(question):
            raise Wrong(f"{name} does not decide as pdp does: {question}")


def check(ours: Peer, peer: Peer, name: str, count: int) -> None:
    """The same with the estate's sample, which must have both decisions in it."""
    questions = sample(count)
    if len({ours.allows(question) for question in questions}) != 2:
        raise Wrong("the sample does not have both decisions")
    agree(ours, peer, name, questions)
