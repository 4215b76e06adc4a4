"""How fast calls are made, in turns with others, so that whatever slows the machine slows all of them.

Knows nothing of policies and terminals. The garbage collector stays as it is: who serves pays for it, too.
"""

from __future__ import annotations

import statistics
from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from time import perf_counter, perf_counter_ns
from typing import Any

# One turn of calls that are not interrupted: long beside the clock's resolution.
_TURN = 0.01
# A median of fewer turns is none.
_FEWEST = 3
# What of one lane is remembered call by call: enough for a p99, and no more memory than that takes.
_REMEMBERED = 2_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """Calls a second, where one follows the other; nanoseconds of single calls, without the clock's own."""

    per_second: float
    p50_ns: int
    p99_ns: int
    max_ns: int


@dataclass(frozen=True, slots=True)
class Lane:
    """A function, and the arguments it is called with, one call after the other and again from the start."""

    call: Callable[..., object]
    arguments: Sequence[tuple[Any, ...]]


def measure(lanes: Mapping[str, Lane], seconds: float) -> dict[str, Pace]:
    """The pace of each lane. Takes about so many seconds in all, longer where a single turn does."""
    clock = _clock()
    runners = {name: _Runner(lane) for name, lane in lanes.items()}
    end = perf_counter() + seconds
    turns = 0
    while turns < _FEWEST or perf_counter() < end:
        for runner in runners.values():
            runner.turn()
        turns += 1
    return {name: runner.pace(clock) for name, runner in runners.items()}


class _Runner:
    """One lane's turns. `_rates` and `_singles` grow with each."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._rates: list[float] = []
        self._singles = array("q")
        # The first time around fills caches; the second tells how often makes a turn.
        self._around(1)
        self._times = max(1, round(_TURN / max(self._around(1), 1e-9)))

    def turn(self) -> None:
        self._rates.append(self._times * len(self._lane.arguments) / self._around(self._times))
        if len(self._singles) < _REMEMBERED:
            self._one_by_one()

    def pace(self, clock: int) -> Pace:
        singles = sorted(max(0, single - clock) for single in self._singles)
        last = len(singles) - 1
        return Pace(
            statistics.median(self._rates), singles[last // 2], singles[last * 99 // 100], singles[last]
        )

    def _around(self, times: int) -> float:
        """Seconds of calling with all arguments so many times; the loop is not Python's, and costs little."""
        call, arguments = self._lane.call, self._lane.arguments
        began = perf_counter()
        for _ in range(times):
            deque(starmap(call, arguments), maxlen=0)
        return perf_counter() - began

    def _one_by_one(self) -> None:
        call, add = self._lane.call, self._singles.append
        for arguments in self._lane.arguments:
            began = perf_counter_ns()
            call(*arguments)
            add(perf_counter_ns() - began)


def _clock() -> int:
    """Nanoseconds between two readings of the clock with nothing between them."""
    readings = []
    for _ in range(1_000):
        began = perf_counter_ns()
        readings.append(perf_counter_ns() - began)
    return int(statistics.median(readings))
