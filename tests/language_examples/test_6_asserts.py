"""Section 6: what must hold of the whole policy set, tried on the request of every test."""

from __future__ import annotations

import pytest

from language_examples.said import ANYONE, checked, codes, decided
from pdp.load import compile
from pdp.settings import Settings
from pdp.testing.cases import written
from pdp.testing.report import Report, summarize
from pdp.testing.run import run

YES = f"permit yes {{ {ANYONE} }}"


def report(text: str, **others: str) -> Report:
    """What `pdp test` finds."""
    found = checked(text, **others)
    results = list(run(compile(found), Settings(), written(found.policies.cases)))
    return summarize(found.policies, results, found.sources, seconds=0, complete=True)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        (f'assert a {{ never allow when action.name == "x" because "why" }} {YES}', True),
        ('assert a { never allow when action.name == "x" because "why" }', False),
        (f'assert a {{ never allow when action.name == "y" }} {YES}', False),
        (f'assert a {{ always allow when action.name == "x" }} {YES}', False),
        ('assert a { always allow when action.name == "x" }', True),
        ('assert a { always allow when action.name == "y" }', False),
    ],
)
def test_an_assert_is_tried_on_every_test_of_every_module(text: str, broken: bool) -> None:
    found = report(text, other='test "t" { action "x" expect deny } test "u" { expect deny }').findings
    told = [(one.assertion.identity, one.result.trial.label) for one in found.counterexamples]
    assert told == ([("m.a", "t")] if broken else [])


def test_an_assert_changes_no_decision() -> None:
    assert decided(f"{YES} assert a {{ never allow when true }}").decision == "allow"
    assert decided("assert a { always allow when true }").decision == "deny"


def test_an_assert_is_checked_like_a_condition_and_named_like_a_rule() -> None:
    assert codes("assert a { never allow when caller.id }") == ["PDP308"]
    assert codes('assert a { never allow when true } forbid a { because "x" }') == ["PDP206"]
