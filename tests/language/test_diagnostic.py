"""Findings as values."""

from __future__ import annotations

import pytest

from pdp.language.diagnostic import Diagnostic, PolicyError, each_once, has_errors
from pdp.language.source import Span

ERROR = Diagnostic("PDP301", Span("a", 0, 1), "this is wrong")
WARNING = Diagnostic("PDP403", Span("a", 0, 1), "this is old", severity="warning")


@pytest.mark.parametrize(
    ("found", "wrong"), [([], False), ([WARNING], False), ([ERROR], True), ([WARNING, ERROR], True)]
)
def test_warnings_are_no_errors(found: list[Diagnostic], wrong: bool) -> None:
    assert has_errors(found) is wrong


def no_name(start: int, path: str = "a", hint: str = "") -> Diagnostic:
    return Diagnostic("PDP106", Span(path, start, start + 3), "`Abc` is no name", hint)


def up_to_four(code: str) -> Diagnostic:
    return Diagnostic(code, Span("a", 0, 4), "this is wrong, too")


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ([no_name(1), no_name(7)], [no_name(1)]),
        ([no_name(1), no_name(7, "b")], [no_name(1), no_name(7, "b")]),
        ([no_name(1), up_to_four("PDP201")], [up_to_four("PDP201")]),
        ([up_to_four("PDP406"), no_name(1), no_name(7)], [up_to_four("PDP406"), no_name(7)]),
        ([up_to_four("PDP404"), no_name(1)], [up_to_four("PDP404"), no_name(1)]),
        ([WARNING, no_name(-2)], [WARNING, no_name(-2)]),
        ([no_name(1, hint="did you mean `abc`?"), no_name(7, hint="did you mean `abc`?")],) * 2,
        ([ERROR, ERROR], [ERROR, ERROR]),
    ],
)
def test_of_a_word_that_is_no_name_it_is_told_once(found: list[Diagnostic], left: list[Diagnostic]) -> None:
    assert list(each_once(found)) == left


@pytest.mark.parametrize(("count", "words"), [(1, "1 problem"), (2, "2 problems")])
def test_an_exception_says_how_many_findings_it_carries(count: int, words: str) -> None:
    error = PolicyError([ERROR] * count, {})
    assert str(error) == f"{words} in the policies"
    assert error.diagnostics == (ERROR,) * count
