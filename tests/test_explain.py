"""A decision told: which rules, which clauses, which values, and what the nearest permit lacked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pdp.access.decision import Decision
from pdp.access.facts import Facts
from pdp.access.values import parse_ip
from pdp.explain import Clause, Explanation, Told, explain, nearest_permit, shown
from pdp.gather import stated
from pdp.language.parse import parse
from pdp.language.source import Source
from pdp.rules.check import check
from pdp.rules.interpret import interpret
from pdp.rules.rules import PolicySet

REFUSED = Decision("deny", "task_unknown", (), (), (), (), (), "sha256:0")

SCHEMA = """
schema {
  caller   { team?: string }
  resource doc { size: int, tags: set<string>, note?: string }
  context  { risk: float, source_ip: ip }
}
"""
TEST = """
test "the one" {
  caller     workload "w" { groups: ["ops"] }
  credential { binding: "mtls", age: 1m, lifetime: 5m }
  audience   "docs"
  action     "doc.read"
  resource   doc "d-1" { size: 10, tags: ["b", "a"] }
  context    { source_ip: "10.0.0.1" }
  now        2026-06-01
  expect     allow
}
"""


def checked(rules: str, test: str = TEST) -> tuple[PolicySet, dict[str, Source], Facts]:
    source = Source("m.policy", "m", SCHEMA + rules + test)
    module, problems = parse(source)
    policies, more = check([module])
    errors = [d for d in (*problems, *more) if d.severity == "error"]
    assert not errors
    return policies, {source.path: source}, stated(policies.schema, policies.cases[0])


def told(rules: str, *, also: tuple[str, ...] = ()) -> Explanation:
    policies, sources, facts = checked(rules)
    return explain(policies, sources, facts, interpret(policies, facts), also=also)


def permit(name: str, clauses: str, annotations: str = "") -> str:
    head = 'caller any audience "docs" action "doc.read" resource doc'
    return f"{annotations}permit {name} {{ {head}\n{clauses}\n}}\n"


def values(steps: Any) -> list[tuple[str, str]]:
    return [(step.at.text, step.value) for step in steps]


def clause(rule: Told, kind: str, at: int = 0) -> Clause:
    return [one for one in rule.clauses if one.kind == kind][at]


def states(rule: Told | None) -> dict[str, str]:
    assert rule is not None
    return {one.kind: one.state for one in rule.clauses}


def test_an_allow_tells_the_permits_that_decided_clause_by_clause() -> None:
    found = told(permit("read", "when credential.bound\nwhen resource.size <= 10"))
    (rule,) = found.deciding
    assert (rule.rule, rule.verdict, found.nearest) == ("m.read", "applies", None)
    assert [one.kind for one in rule.clauses] == ["caller", "audience", "action", "resource", "when", "when"]
    assert {one.state for one in rule.clauses} == {"holds"}
    assert clause(rule, "caller").value == 'workload "w"'
    assert clause(rule, "action").value == '"doc.read"'
    assert clause(rule, "when", 1).at.text == "when resource.size <= 10"
    assert values(clause(rule, "when", 1).steps) == [("resource.size", "10")]


def test_every_clause_stands_at_its_line_and_column() -> None:
    (rule,) = told(permit("read", "  when credential.bound")).deciding
    at = clause(rule, "when").at
    assert (at.path, at.line, at.column) == ("m.policy", rule.at.line + 1, 3)


def test_a_head_clause_that_misses_shows_what_the_request_has() -> None:
    rules = """
    permit read { caller human "h" in group "admins" audience "docs" action "doc.write"
      resource doc "x-*" when credential.bound }
    """
    rule = told(rules).nearest
    assert states(rule) == {
        "caller": "lacks", "audience": "holds", "action": "lacks", "resource": "lacks", "when": "holds",
    }  # fmt: skip
    assert rule is not None
    assert clause(rule, "caller").value == 'workload "w" in ["ops"]'
    assert clause(rule, "resource").value == 'doc "d-1"'
    assert [one.kind for one in rule.lacks] == ["caller", "action", "resource"]


def test_the_nearest_permit_is_one_whose_head_matches_however_much_it_lacks() -> None:
    head = permit(
        "a", "when resource.size > 10 when resource.size > 11 when resource.size > 12 when credential.bound"
    )
    other = 'permit b { caller any audience "else" action any resource doc when credential.bound }'
    assert told(head + other).nearest.rule == "m.a"  # type: ignore[union-attr]


def test_of_two_heads_that_miss_the_one_that_misses_less_is_nearer() -> None:
    far = 'permit a { caller any audience "x" action "y" when credential.bound }'
    conditions = "when credential.bound when resource.size > 99"
    near = f'permit b {{ caller any audience "x" action any resource doc {conditions} }}'
    assert told(far + near).nearest.rule == "m.b"  # type: ignore[union-attr]


def test_of_matching_heads_the_one_with_fewer_false_clauses_is_nearer_then_the_first_by_name() -> None:
    two = permit("a", "when credential.bound when resource.size > 10 when resource.size > 11")
    one = permit("c", "when credential.bound when resource.size > 10") + permit(
        "b", "when credential.bound when resource.size > 11"
    )
    assert told(two + one).nearest.rule == "m.b"  # type: ignore[union-attr]


def test_a_date_that_is_not_met_counts_as_a_clause() -> None:
    late = permit("a", 'when credential.bound because "x"', "@sunset(2026-05-01)\n")
    early = permit("b", "when credential.bound", "@since(2026-07-01)\n")
    found = told(late + early, also=("m.b",))
    assert clause(found.nearest, "sunset").at.text == "@sunset(2026-05-01)"  # type: ignore[arg-type]
    assert clause(found.nearest, "sunset").state == "lacks"  # type: ignore[arg-type]
    assert clause(found.asked[0], "since").value == "now is 2026-06-01"


def test_without_any_permit_there_is_none_nearest() -> None:
    assert told('forbid everything { because "no" }').nearest is None


def test_a_deny_by_a_forbid_tells_the_forbid_and_the_permit_that_would_have_allowed() -> None:
    found = told(permit("read", "when credential.bound") + 'forbid everything { because "no" }')
    assert [(one.rule, one.because) for one in found.deciding] == [("m.everything", "no")]
    assert found.nearest is not None
    assert (found.nearest.rule, found.nearest.verdict, found.nearest.lacks) == ("m.read", "applies", ())


def test_what_comes_after_a_decided_part_is_not_reached() -> None:
    found = told(permit("read", "when not credential.bound and resource.size > 5"))
    (first, second) = clause(found.nearest, "when").steps  # type: ignore[arg-type]
    assert (first.at.text, first.value, second.value) == ("not credential.bound", "false", "not reached")


def test_a_clause_that_only_fails_because_its_guard_does_not_hold_is_not_reached() -> None:
    found = told(permit("read", 'when credential.bound when has resource.note when resource.note == "x"'))
    assert [one.state for one in found.nearest.clauses[4:]] == ["holds", "lacks", "not reached"]  # type: ignore[union-attr]
    assert [one.at.text for one in found.nearest.lacks] == ["when has resource.note"]  # type: ignore[union-attr]


def test_a_failing_permit_is_told_with_what_failed() -> None:
    found = told(permit("read", "when credential.bound when context.risk < 0.5"))
    (rule,) = found.failed
    assert rule.verdict == "fails"
    assert clause(rule, "when", 1).state == "fails"
    assert clause(rule, "when", 1).value == "fails: `risk` is not there"
    assert values(clause(rule, "when", 1).steps) == [("context.risk", "fails: `risk` is not there")]


def test_a_failing_forbid_applies_and_is_told_once() -> None:
    found = told('forbid risky { when context.risk > 0.5 because "risky" }')
    assert [one.verdict for one in found.deciding] == ["applies"]
    assert found.failed == ()


def test_a_failing_obligation_is_a_clause_that_fails() -> None:
    found = told(
        permit("read", "when credential.bound require log { size: resource.size, risk: context.risk }")
    )
    duty = clause(found.failed[0], "require")
    assert (duty.state, duty.value) == ("fails", "{ size: 10, risk: fails: `risk` is not there }")
    assert ("context.risk", "fails: `risk` is not there") in values(duty.steps)


def test_obligations_and_advice_show_their_values_once_reached() -> None:
    found = told(
        permit("read", "when credential.bound require log { size: resource.size + 1 } advise hint {}")
    )
    assert clause(found.deciding[0], "require").value == "{ size: 11 }"
    assert clause(found.deciding[0], "advise").value == "{ }"
    found = told(permit("read", "when not credential.bound require log { size: resource.size }"))
    assert clause(found.nearest, "require").state == "not reached"  # type: ignore[arg-type]


def test_a_comparison_with_a_let_shows_both_sides() -> None:
    rules = "let large = 5\ndef fresh(limit: duration) = credential.age <= limit\n"
    found = told(rules + permit("read", "when resource.size > large and fresh(10s)"))
    assert values(clause(found.nearest, "when").steps) == [  # type: ignore[arg-type]
        ("resource.size > large", "true (10 > 5)"),
        ("credential.age <= limit", "false (1m <= 10s)"),
    ]


def test_an_any_shows_each_member_it_was_asked_of() -> None:
    found = told(permit("read", 'when credential.bound when any t in resource.tags: t == "b"'))
    assert values(clause(found.deciding[0], "when", 1).steps) == [
        ("resource.tags", '["a", "b"]'),
        ('t == "b" for "a"', "false"),
        ('t == "b" for "b"', "true"),
    ]


def test_a_long_any_shows_the_first_members_and_the_one_that_decided() -> None:
    tags = ", ".join(f'"t{n:02}"' for n in range(30))
    policies, sources, facts = checked(
        permit("read", 'when credential.bound when any t in resource.tags: t == "t25"'),
        TEST.replace('"b", "a"', tags),
    )
    found = explain(policies, sources, facts, interpret(policies, facts))
    steps = clause(found.deciding[0], "when", 1).steps
    assert len(steps) == 11
    assert steps[-1].at.text == 't == "t25" for "t25"'
    assert steps[0].value.endswith(", … 30 members]")


def test_a_rule_that_was_asked_for_is_told_whatever_it_came_to() -> None:
    rules = permit("read", "when credential.bound") + permit("other", "when not credential.bound")
    assert [one.verdict for one in told(rules, also=("m.other",)).asked] == ["does not apply"]


def test_a_refused_request_has_no_rules_to_tell() -> None:
    policies, sources, facts = checked(permit("read", "when credential.bound"))
    for known in (facts, None):
        found = explain(policies, sources, known, REFUSED, also=("m.read",))
        assert (found.deciding, found.nearest, found.asked) == ((), None, ())


def test_text_that_is_gone_leaves_the_place() -> None:
    policies, _, facts = checked(permit("read", "when credential.bound"))
    found = explain(policies, {}, facts, interpret(policies, facts))
    assert found.deciding[0].at.path == "m.policy"
    assert clause(found.deciding[0], "when").at.text == ""


def test_nearest_of_no_rules_is_none() -> None:
    assert nearest_permit((), checked("")[2]) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (3, "3"),
        (0.5, "0.5"),
        ('a"b\n', '"a\\"b\\n"'),
        (timedelta(0), "0s"),
        (timedelta(days=1, hours=2, milliseconds=5), "1d2h5ms"),
        (timedelta(microseconds=-1500), "-1ms500us"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (parse_ip("10.0.0.0/8"), 'ip("10.0.0.0/8")'),
        (frozenset({"b", "a"}), '["a", "b"]'),
        ({}, "{ }"),
        ({"a": 1, "b": {"c": False}}, "{ a: 1, b: { c: false } }"),
    ],
)
def test_values_are_shown_as_policies_write_them(value: Any, text: str) -> None:
    assert shown(value) == text
