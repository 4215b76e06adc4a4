"""Many patterns at once: which of them a name matches, found without trying each.

Knows patterns and names, and nothing of rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from pdp.access.patterns import SPIFFE, Matcher, exact, literal_prefix


class Patterns:
    """Patterns by what they begin with. `compile` is `glob` or `caller_pattern`."""

    __slots__ = ("_lengths", "_table")

    def __init__(self, patterns: Iterable[str], compile: Callable[[str], Matcher]) -> None:
        self._table: dict[str, list[tuple[str, Matcher]]] = {}
        for pattern in patterns:
            self._table.setdefault(literal_prefix(pattern), []).append((pattern, compile(pattern)))
        self._lengths = sorted({len(start) for start in self._table})

    def matching(self, name: str) -> list[str]:
        """The patterns that `name` matches."""
        return [
            pattern
            for length in self._lengths
            if length <= len(name)
            for pattern, matches in self._table.get(name[:length], ())
            if matches(name)
        ]


@lru_cache(maxsize=1_024)
def any_of(patterns: tuple[str, ...], compile: Callable[[str], Matcher]) -> Matcher:
    """Whether a name matches one of `patterns`."""
    found = Patterns(patterns, compile)
    return lambda name: bool(found.matching(name))


def exact_caller(pattern: str) -> str | None:
    """The one caller that a caller pattern matches, or None where it has a wildcard."""
    if pattern.startswith(SPIFFE):
        return None if "*" in pattern else pattern
    return exact(pattern)
