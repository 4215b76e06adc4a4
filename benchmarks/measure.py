"""How things are timed here. Knows nothing of policies.

Contenders run in turns, round after round, so that whatever slows the machine for a while slows all of them.
Each is a statement of Python that `timeit` compiles into its loop: no call stands between the clock and it.
"""

from __future__ import annotations

import gc
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from multiprocessing import get_context
from time import perf_counter, process_time
from timeit import Timer
from typing import Any, TypeAlias

# One turn of a contender: long beside the clock's resolution, short beside what disturbs a machine.
TURN = 0.01
ROUNDS = 31
# What takes long is asked less often: this is all the time one contender may take.
PATIENCE = 3.0
# A median of fewer is none.
FEWEST = 3


Progress: TypeAlias = Callable[[str], None]
"""Called with a line on what is done next."""


class Scale(StrEnum):
    """How much is measured: only so much as shows that it works, what minutes allow, or all of it."""

    quick = "quick"
    usual = "usual"
    whole = "whole"


@dataclass(frozen=True, slots=True)
class Contender:
    """A statement and the names it reads. `work` says how many operations one run of it is."""

    name: str
    statement: str
    names: Mapping[str, Any] = field(repr=False)
    work: int = 1


@dataclass(frozen=True, slots=True)
class Timing:
    """Processor seconds an operation, over rounds: least and median, and the middle half's share of that."""

    best: float
    median: float
    spread: float
    rounds: int

    @staticmethod
    def of(seconds: Sequence[float]) -> Timing:
        median = statistics.median(seconds)
        low, _, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else (median,) * 3
        return Timing(min(seconds), median, (high - low) / median, len(seconds))


def race(contenders: Sequence[Contender], scale: Scale) -> dict[str, Timing]:
    """Times all contenders in turns; by name."""
    lanes = [_Lane(contender, TURN) for contender in contenders]
    rounds = FEWEST if scale is Scale.quick else ROUNDS
    for number in range(rounds):
        # Nobody always runs in the wake of the same other one.
        for lane in lanes[number % len(lanes) :] + lanes[: number % len(lanes)]:
            lane.run()
    return {lane.name: Timing.of(lane.seconds) for lane in lanes}


class _Lane:
    """One contender's turns; `seconds` an operation grows with each."""

    def __init__(self, contender: Contender, turn: float) -> None:
        self.name = contender.name
        self.seconds: list[float] = []
        self._work = contender.work
        # The processor's time of this process: what others took of it meanwhile is not the contender's.
        # timeit keeps the garbage collector off while its clock runs.
        self._timer = Timer(contender.statement, timer=process_time, globals=dict(contender.names))
        # The first run fills caches, and the second tells how many make a turn.
        self._timer.timeit(1)
        once = max(self._timer.timeit(1), 1e-9)
        self._runs = max(1, round(turn / once))
        self._left = PATIENCE

    def run(self) -> None:
        if self._left < 0 and len(self.seconds) >= FEWEST:
            return
        seconds = self._timer.timeit(self._runs)
        self._left -= seconds
        self.seconds.append(seconds / self._runs / self._work)


@contextmanager
def quiet() -> Iterator[None]:
    """One core, and no garbage of before: what is timed inside is disturbed as little as can be."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    gc.collect()
    gc.freeze()
    try:
        if cores:
            os.sched_setaffinity(0, {min(cores)})
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
        gc.unfreeze()


def once(statement: str, names: dict[str, Any]) -> float:
    """Seconds of running a statement one time; what it names is in `names` afterwards.

    The garbage collector stays as it is: who loads policies pays for it, too.
    """
    code = compile(statement, "<benchmark>", "exec")
    began = perf_counter()
    exec(code, names)
    return perf_counter() - began


def isolated(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` gives in a process of its own that has done nothing else."""
    # Not a pool of multiprocessing: its processes may not have children, and loading may want some.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        return alone.submit(function, *arguments).result()
