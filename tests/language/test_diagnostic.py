"""Findings as values."""

from __future__ import annotations

import pytest

from pdp.language.diagnostic import Diagnostic, PolicyError, has_errors
from pdp.language.source import Span

ERROR = Diagnostic("PDP301", Span("a", 0, 1), "this is wrong")
WARNING = Diagnostic("PDP403", Span("a", 0, 1), "this is old", severity="warning")


@pytest.mark.parametrize(
    ("found", "wrong"), [([], False), ([WARNING], False), ([ERROR], True), ([WARNING, ERROR], True)]
)
def test_warnings_are_no_errors(found: list[Diagnostic], wrong: bool) -> None:
    assert has_errors(found) is wrong


@pytest.mark.parametrize(("count", "words"), [(1, "1 problem"), (2, "2 problems")])
def test_an_exception_says_how_many_findings_it_carries(count: int, words: str) -> None:
    error = PolicyError([ERROR] * count, {})
    assert str(error) == f"{words} in the policies"
    assert error.diagnostics == (ERROR,) * count
