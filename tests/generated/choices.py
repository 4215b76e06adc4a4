"""Where generators take their choices from. Knows nothing of what is generated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

_T = TypeVar("_T")


class Choices:
    """Choices, each made by `integer(low, high)`. The first option is the simplest: shrinking goes there."""

    def __init__(self, integer: Callable[[int, int], int]) -> None:
        self.number = integer

    def one(self, options: Sequence[_T]) -> _T:
        return options[self.number(0, len(options) - 1)]

    def near(self, options: Sequence[_T]) -> _T:
        """One of the options, the first three of them mostly: where two such choices are to meet."""
        count = len(options)
        at = self.number(0, 3 * count - 1)
        return options[at % min(3, count)] if at < 2 * count else options[at - 2 * count]

    def chance(self, percent: int) -> bool:
        return self.number(0, 99) >= 100 - percent

    def some(self, options: Sequence[_T], low: int, high: int) -> tuple[_T, ...]:
        """From `low` to `high` different options."""
        wanted = self.number(low, min(high, len(options)))
        return tuple(dict.fromkeys(self.near(options) for _ in range(wanted)))

    def order(self, items: Sequence[_T]) -> list[_T]:
        """The items in an order of their own; the order given is the simplest."""
        left = list(items)
        return [left.pop(self.number(0, len(left) - 1)) for _ in items]


@st.composite
def choices(draw: st.DrawFn) -> Choices:
    """Choices that hypothesis makes, one by one."""
    return Choices(lambda low, high: draw(_integers(low, high)))


def seeded(seed: int) -> Choices:
    """Choices that follow from `seed`: many times faster, and nothing is shrunk."""
    return Choices(Random(seed).randint)


@cache
def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)
