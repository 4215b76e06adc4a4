"""One trial: what it states is decided, and what it expects is held against the decision."""

from __future__ import annotations

import json
from typing import Any

import pytest

POLICY = """
schema { context { risk: float } }

permit read  { caller any audience "docs" action "read"  when credential.bound require log {} }
permit write { caller any audience "docs" action "write" when credential.bound when context.risk < 0.5 }
permit file  { caller any audience "docs" action "file"  when credential.bound require note {} }
forbid weekend { action "write" when weekday(now, "UTC") in ["sat", "sun"] because "Not on weekends" }

fixture bound { caller workload "w" credential { binding: "mtls", age: 1m, lifetime: 5m } audience "docs" }
"""
REQUEST: dict[str, Any] = {
    "caller": {"id": "w", "kind": "workload"},
    "credential": {"asserted": {"binding": "mtls", "age": "1m", "lifetime": "5m"}},
    "audience": "docs",
    "action": "read",
}


def only(report: Any) -> Any:
    (result,) = report.results
    return result


def one(tested: Any, clauses: str, using: str = " using bound") -> Any:
    return only(tested(POLICY + f'test "it"{using} {{ {clauses} }}'))


def case(tested: Any, expect: dict[str, Any], **changes: Any) -> Any:
    return only(
        tested(POLICY, json.dumps([{"name": "it", "request": {**REQUEST, **changes}, "expect": expect}]))
    )


@pytest.mark.parametrize(
    "clauses",
    [
        'action "read" expect allow',
        'action "read" expect allow by read',
        'action "read" expect allow by read require log',
        'action "read" context {} expect allow by m.read',
        'action "write" context { risk: 0.9 } expect deny reason no_rule',
        'action "write" context { risk: 0.1 } now 2026-01-03 expect deny by weekend reason forbidden',
        'action "read" credential { age: 5m } expect deny reason credential_expired',
    ],
)
def test_an_expectation_that_holds_passes(tested: Any, clauses: str) -> None:
    result = one(tested, clauses)
    assert (result.status, result.problems) == ("passed", ())


@pytest.mark.parametrize(
    ("clauses", "problems"),
    [
        ('action "read" expect deny', ["expected deny, was decided allow"]),
        ('action "other" expect allow', ["expected allow, was decided deny (no_rule)"]),
        ('action "read" expect allow by write', ["expected by `m.write`, was decided by `m.read`"]),
        ('action "write" expect deny by weekend', ["expected by `m.weekend`, was decided by none"]),
        ('action "write" expect deny reason forbidden', ["expected the code `forbidden`, was `no_rule`"]),
        ('action "read" expect allow require note', ["expected the obligation `note`, was `log`"]),
        (
            'action "read" credential { age: 6m } expect allow by read',
            [
                "expected allow, was decided deny (credential_expired)",
                "expected by `m.read`, was decided by none",
            ],
        ),
    ],
)
def test_an_expectation_that_does_not_hold_says_what_was_decided(
    tested: Any, clauses: str, problems: list[str]
) -> None:
    result = one(tested, clauses)
    assert (result.status, list(result.problems)) == ("failed", problems)


def test_what_a_test_leaves_out_has_the_safest_value(tested: Any) -> None:
    result = one(tested, "expect deny", using="")
    assert result.facts.caller["kind"] == "anonymous"
    assert result.facts.credential["form"] == "none"
    assert result.facts.now.isoformat() == "2026-01-01T00:00:00+00:00"


def test_a_json_case_is_asked_as_decide_takes_it(tested: Any) -> None:
    expect = {"decision": "allow", "rules": ["m.read"], "obligations": ["log"], "failures": []}
    result = case(tested, expect)
    assert (result.status, result.problems) == ("passed", ())
    assert result.facts.credential["form"] == "asserted"


def test_a_json_case_may_expect_failures_and_no_obligations(tested: Any) -> None:
    result = case(tested, {"failures": ["m.write"], "obligations": [], "rules": []}, action="write")
    assert (result.status, result.problems) == ("passed", ())
    result = case(tested, {"failures": []}, action="write")
    assert result.problems == ("expected the failure of none, was `m.write`",)


def test_a_json_case_that_is_refused_has_no_rules_asked(tested: Any) -> None:
    result = case(tested, {"decision": "deny", "code": "task_unknown"}, task="t-9")
    assert (result.status, result.facts) == ("passed", None)


def test_a_request_the_schema_does_not_fit_cannot_run(tested: Any) -> None:
    result = case(tested, {"decision": "deny"}, context={"risk": "high"})
    assert (result.status, result.decision) == ("error", None)
    assert result.problems[0].startswith("/context/risk ")


def test_a_defect_cannot_run(tested: Any) -> None:
    result = only(tested(POLICY, "{}"))
    assert (result.status, result.problems) == ("error", ("a file of cases is a JSON list",))
