"""Did you mean …? One measure of likeness for every message."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(wrong: str, known: Iterable[str], within: str = "") -> str:
    """A hint with the name of `known` that is most like `wrong`, or `""` where none is.

    `within` (`resource.`) is shown before the name, and makes no two names alike.
    """
    # Sorted, so that of two names equally like it the same one is shown everywhere. A name that is known, and
    # wrong in this place only, is not what its author meant instead of it.
    names = sorted(set(known) - {wrong})
    # Short names are little alike in other letters: `AND`, `and`.
    same = [name for name in names if name.lower() == wrong.lower()]
    close = same or get_close_matches(wrong, names, n=1, cutoff=0.7)
    return f"did you mean `{within}{close[0]}`?" if close else ""
