"""One value for every finding about policy text, whoever shows it: terminal, editor, CI."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pdp.language.source import Source, Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A finding: stable `code` (`PDP303`), the smallest wrong `span`, one sentence, and the cure if known.

    `message` and `hint` are lower case, without a full stop, with the author's text in backticks.
    """

    code: str
    span: Span
    message: str
    hint: str = ""
    severity: Severity = "error"


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether there is more among `diagnostics` than warnings."""
    return any(diagnostic.severity == "error" for diagnostic in diagnostics)


class PolicyError(Exception):
    """The policies cannot be used. Carries every diagnostic of every file, and the sources to show them."""

    def __init__(self, diagnostics: Sequence[Diagnostic], sources: dict[str, Source]) -> None:
        count = len(diagnostics)
        super().__init__(f"{count} problem{'' if count == 1 else 's'} in the policies")
        self.diagnostics = tuple(diagnostics)
        self.sources = sources
