"""One value for every finding about policy text, whoever shows it: terminal, editor, CI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


def each_once(found: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """`found` without what tells a mistake again: of a word that is no name (`PDP106`) once in each file, and
    nothing where another error ends with it, which says what could have been meant. A word of the language in
    other letters is a mistake wherever it stands.
    """
    # Safety findings are about whole rules, and may be lowered; but for what no schema declares.
    errors = (d for d in found if d.severity == "error" and (d.code == "PDP406" or d.code[:4] != "PDP4"))
    ends = {(d.span.path, d.span.end) for d in errors if d.code != "PDP106"}
    told: set[tuple[str, str]] = set()
    for diagnostic in found:
        if diagnostic.code == "PDP106":
            path, word = diagnostic.span.path, diagnostic.message
            again = (path, word) in told and not diagnostic.hint.startswith("did you mean")
            if again or (path, diagnostic.span.end) in ends:
                continue
            told.add((path, word))
        yield diagnostic


class PolicyError(Exception):
    """The policies cannot be used. Carries every diagnostic of every file, and the sources to show them."""

    def __init__(self, diagnostics: Sequence[Diagnostic], sources: dict[str, Source]) -> None:
        count = len(diagnostics)
        super().__init__(f"{count} problem{'' if count == 1 else 's'} in the policies")
        self.diagnostics = tuple(diagnostics)
        self.sources = sources
