"""A set of keys that is kept fresh: how it is doing, and when to try again. Not where it comes from."""

from __future__ import annotations

import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from pdp.evidence.keys import KeysError

log = logging.getLogger("pdp.keys")

Publish: TypeAlias = Callable[[bytes, float], None]
"""Takes what was read, and until when (epoch seconds) it is believed; raises `KeysError` for what cannot be
used."""

# What fails is tried again after the first, then twice as long each time, up to the second.
_RETRIES: Final = (1.0, 60.0)


@dataclass(frozen=True, slots=True)
class Status:
    """How a set of keys is doing. `place` holds nothing secret.

    Times are epoch seconds: when it was last read with success, when it is read next if nothing happens
    before, and until when it is believed.
    """

    name: str
    place: str
    read: float | None
    next: float | None
    until: float | None
    problem: str | None


class Kept(ABC):
    """A set of keys and what is done with it. What changes is how it is doing.

    It is read every `every` seconds, and believed for `stale` longer when that fails.
    """

    def __init__(self, name: str, publish: Publish, every: float, stale: float) -> None:
        self.name, self.publish, self.every, self.stale = name, publish, every, stale
        self.read: float | None = None
        self.next: float | None = None
        self.until: float | None = None
        self.problem: str | None = None
        self._failures = 0

    @abstractmethod
    def where(self) -> str:
        """Where it comes from, to be told."""

    @abstractmethod
    async def refresh(self) -> bool:
        """Read it once; whether that could be used."""

    @abstractmethod
    async def keep(self) -> None:
        """Keep it fresh until cancelled."""

    @abstractmethod
    def ask(self) -> None:
        """Have it read again before its time, soon. From the event loop only."""

    @property
    def status(self) -> Status:
        """How it is doing."""
        return Status(self.name, self.where(), self.read, self.next, self.until, self.problem)

    def took(self, data: bytes, began: float) -> bool:
        """Publish what was asked for at `began`; whether that could be used. If not, all stays as it was."""
        until = began + self.every + self.stale
        problem = self._published(data, until)
        if problem is not None:
            return self.failed(problem)
        if self.problem is not None:
            log.info("the keys of %s are fresh again", self.name)
        self.read, self.until, self.problem, self._failures = began, until, None, 0
        return True

    def withdrawn(self, nothing: bytes, began: float, problem: str) -> bool:
        """Publish `nothing`, so that nobody is believed any more, and tell why. False, as in `failed`."""
        told = self._published(nothing, began + self.every + self.stale)
        self.until = None
        return self.failed(told or problem)

    def failed(self, problem: str) -> bool:
        """Tell why it cannot be refreshed, once. False, as nothing could be used."""
        if self.problem != problem:
            log.error("the keys of %s cannot be refreshed: %s", self.name, problem)
        self.problem = problem
        self._failures += 1
        return False

    def patience(self) -> float:
        """After how many seconds to try again. Not all who failed at once come back at once."""
        first, longest = _RETRIES
        doubled = first * float(1 << min(self._failures, 16)) / 2
        return min(self.every, longest, doubled) * random.uniform(0.5, 1.0)

    def _published(self, data: bytes, until: float) -> str | None:
        """What is wrong with it, or None."""
        try:
            self.publish(data, until)
        except KeysError as error:
            return str(error)
        except Exception:
            # A defect that one set brings to light must not end the refreshing of all others.
            log.exception("the keys of %s cannot be used", self.name)
            return "they cannot be used, as the log tells"
        return None
