"""Globs as the sets of texts that they match: whether one holds another, and whether two meet.

Knows patterns alone: neither actions nor the schema that declares attributes by them.
"""

from __future__ import annotations

from functools import lru_cache

from pdp.access.patterns import glob

# Stands for "any run of characters" in a glob seen as a text; a lone surrogate, which no text can hold.
_ANY = "\ud800"


def literally(text: str) -> str:
    """The glob that matches `text` alone."""
    return text.replace("*", "\\*")


@lru_cache(maxsize=65536)
def covers(wide: str, narrow: str) -> bool:
    """Whether the glob `wide` matches every text that the glob `narrow` matches."""
    return glob(wide)("".join(_symbols(narrow)))


@lru_cache(maxsize=65536)
def overlap(left: str, right: str) -> bool:
    """Whether some text matches both globs."""
    one, two = _symbols(left), _symbols(right)
    # Places in `two` that can be reached after each symbol of `one`, as in a table of edit distances.
    reached = _closure({0}, two)
    for symbol in one:
        if symbol == _ANY:
            reached = set(range(min(reached), len(two) + 1)) if reached else reached
        else:
            step = set()
            for at in reached:
                if at < len(two) and two[at] == _ANY:
                    step.add(at)
                elif at < len(two) and two[at] == symbol:
                    step.add(at + 1)
            reached = _closure(step, two)
    return len(two) in reached


def _closure(places: set[int], symbols: list[str]) -> set[int]:
    """A star may also be the empty text."""
    found = set(places)
    for at in sorted(places):
        while at < len(symbols) and symbols[at] == _ANY:
            at += 1
            found.add(at)
    return found


def _symbols(pattern: str) -> list[str]:
    symbols, at = [], 0
    while at < len(pattern):
        if pattern.startswith("\\*", at):
            symbols.append("*")
            at += 2
        else:
            symbols.append(_ANY if pattern[at] == "*" else pattern[at])
            at += 1
    return symbols
