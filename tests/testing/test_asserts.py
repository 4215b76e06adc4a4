"""Every assert is tried on the request of every test."""

from __future__ import annotations

from typing import Any

POLICY = """
permit read { caller any audience "docs" action "read" when credential.bound or caller.kind == "anonymous" }

fixture bound { caller workload "w" credential { binding: "mtls", age: 1m, lifetime: 5m } audience "docs" }
test "bound reads"    using bound { action "read"  expect allow }
test "bound writes"   using bound { action "write" expect deny }
test "anyone reads"   { audience "docs" action "read" expect allow }
test "an old one"     using bound { action "read" credential { age: 6m } expect deny }
"""


def findings(tested: Any, text: str, policy: str = POLICY) -> Any:
    return tested(policy + text).findings


def test_a_never_that_holds_is_no_finding(tested: Any) -> None:
    found = findings(tested, 'assert a { never allow when action.name == "write" because "x" }')
    assert (found.counterexamples, found.unmet) == ((), ())


def test_a_never_is_broken_by_each_test_whose_request_is_allowed(tested: Any) -> None:
    found = findings(tested, 'assert a { never allow when audience == "docs" because "x" }')
    assert [c.result.trial.label for c in found.counterexamples] == ["bound reads", "anyone reads"]
    assert {c.assertion.identity for c in found.counterexamples} == {"m.a"}


def test_an_always_is_broken_by_a_request_that_is_denied(tested: Any) -> None:
    found = findings(tested, 'assert a { always allow when caller.kind == "workload" }')
    assert [c.result.trial.label for c in found.counterexamples] == ["bound writes"]


def test_a_condition_without_a_value_says_nothing_of_the_request(tested: Any) -> None:
    found = findings(tested, 'assert a { never allow when credential.standing because "x" }')
    assert found.counterexamples == ()
    assert [a.identity for a in found.unmet] == ["m.a"]


def test_a_broken_assert_fails_the_run_though_every_test_passes(tested: Any) -> None:
    report = tested(POLICY + 'assert a { never allow when audience == "docs" because "x" }')
    assert len(report.of("passed")) == 4
    assert not report.passed
