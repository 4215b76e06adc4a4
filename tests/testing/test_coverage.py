"""A rule is exercised both ways: one test lets it apply, and one for its audience and action does not."""

from __future__ import annotations

from typing import Any

FIXTURE = """
fixture bound { caller workload "w" credential { binding: "mtls", age: 1m, lifetime: 5m } audience "docs" }
"""
READ = 'permit read { caller any audience "docs" action "read" when credential.bound }\n'


def gaps(tested: Any, text: str) -> tuple[list[str], list[str]]:
    found = tested(FIXTURE + text).coverage
    assert found.complete is (not found.never_applied and not found.never_spared)
    return [r.identity for r in found.never_applied], [r.identity for r in found.never_spared]


def case(clauses: str, expect: str = "allow") -> str:
    return f'test "{len(clauses)} {clauses.count("x")}" using bound {{ {clauses} expect {expect} }}\n'


def test_without_tests_no_rule_is_exercised(tested: Any) -> None:
    assert gaps(tested, READ) == (["m.read"], ["m.read"])


def test_one_test_that_lets_it_apply_is_half(tested: Any) -> None:
    assert gaps(tested, READ + case('action "read"')) == ([], ["m.read"])


def test_a_test_for_another_audience_or_action_shows_nothing(tested: Any) -> None:
    other = case('action "write"', "deny") + case('audience "xx" action "read"', "deny")
    assert gaps(tested, READ + case('action "read"') + other) == ([], ["m.read"])


def test_a_test_for_the_same_audience_and_action_is_the_other_half(tested: Any) -> None:
    unbound = case('action "read" credential { binding: "none" }', "deny")
    assert gaps(tested, READ + case('action "read"') + unbound) == ([], [])


def test_a_permit_applies_even_where_a_forbid_decides(tested: Any) -> None:
    forbid = 'forbid all_reads { action "read" because "no" }\n'
    tests = case('action "read"', "deny") + case('action "read" credential { binding: "none" }', "deny")
    assert gaps(tested, READ + forbid + tests) == ([], ["m.all_reads"])


def test_a_rule_that_asks_for_nothing_else_is_left_by_any_other_request(tested: Any) -> None:
    forbid = 'forbid all_reads { action "read" because "no" }\n'
    assert gaps(tested, forbid + case('action "read"', "deny") + case('action "write"', "deny")) == ([], [])


def test_a_rule_for_any_audience_is_exercised_in_each(tested: Any) -> None:
    rule = 'permit read { caller workload "w" audience any action "read" when credential.bound }\n'
    tests = case('action "read"') + case('action "read" caller workload "v"', "deny")
    assert gaps(tested, rule + tests) == ([], [])


def test_a_selection_of_tests_has_no_coverage(tested: Any) -> None:
    assert tested(FIXTURE + READ, complete=False).coverage is None
