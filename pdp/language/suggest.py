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
    close = get_close_matches(wrong, sorted(set(known) - {wrong}), n=1, cutoff=0.7)
    return f"did you mean `{within}{close[0]}`?" if close else ""
