"""Did you mean …? One measure of likeness for every message."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(wrong: str, known: Iterable[str]) -> str:
    """A hint with the name of `known` that is most like `wrong`, or `""` where none is."""
    # Sorted, so that of two names equally like it the same one is shown everywhere.
    close = get_close_matches(wrong, sorted(set(known)), n=1, cutoff=0.7)
    return f"did you mean `{close[0]}`?" if close else ""
