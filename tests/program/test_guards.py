"""What of a rule its code tests: all that finding the rule does not prove, and nothing twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from generated.estate import NOW

from pdp.access.facts import Facts
from pdp.language.source import Span
from pdp.program.emit import bind, guards_code
from pdp.program.guards import guards
from pdp.program.index import FEW, MOST_POSTINGS, posting
from pdp.program.lower import Lowering
from pdp.rules.rules import Annotations, Condition, Effect, Head, Rule
from pdp.rules.terms import Const, Member, Root, Term

HERE = Span("", 0, 0)
ANY = Head()
MANY = tuple(f"name-{number}" for number in range(MOST_POSTINGS))


def rule(head: Head = ANY, *tests: Condition, effect: Effect = "permit", **dates) -> Rule:
    return Rule("m.r", effect, head, tests, (), "", Annotations(**dates), {"name": HERE})


def facts(
    id="alice", kind="human", groups=(), audience="ledger", action="entry.create", resource="e-1", now=NOW
) -> Facts:
    return Facts(
        caller={"id": id, "kind": kind, "groups": frozenset(groups)},
        credential={},
        audience=audience,
        action={"name": action},
        resource={"type": "entry", "id": resource},
        task={},
        context={},
        now=now,
    )


def lowered(rule: Rule) -> tuple[tuple[object, ...], Lowering]:
    lowering = Lowering(HERE)
    return guards(rule, posting(rule.head), lowering), lowering


def applies(rule: Rule, facts: Facts) -> bool:
    tests, lowering = lowered(rule)
    outcome = bind(guards_code("m.r", tests, lowering, {}), "m.r", lowering.constants)(facts)
    assert type(outcome) is bool
    return outcome


@pytest.mark.parametrize(
    "head",
    [
        ANY,
        Head(audiences=("ledger", "orders")),
        Head(actions=("entry.create", "order.*")),
        Head(resource_type="entry"),
    ],
)
def test_what_finding_a_rule_proves_is_not_tested_again(head):
    tests, _ = lowered(rule(head))
    assert tests == ()


@pytest.mark.parametrize(
    ("head", "yes", "no"),
    [
        (Head(kind="human"), facts(), facts(kind="agent")),
        (Head(callers=("alice", "bob")), facts("bob"), facts("eve")),
        (Head(callers=("al*", "bob")), facts("bob"), facts("bobby")),
        (Head(callers=("al*", "bob")), facts("alf"), facts("spiffe://al.example/x")),
        (Head(callers=("spiffe://a.example/**",)), facts("spiffe://a.example/x/y"), facts("spiffe://a.example/x//y")),
        (Head(callers=MANY), facts("name-7"), facts("alice")),
        (Head(groups=("staff", "ops")), facts(groups=["ops", "x"]), facts(groups=["x"])),
        (Head(audiences=("ledger", *MANY)), facts(), facts(audience="other")),
        (Head(actions=("entry.*", "entry.create")), facts(), facts(action="order.create")),
        (Head(actions=("*.read", "*.write")), facts(action="x.write"), facts(action="x.create")),
        (Head(resource_type="entry", resource_ids=("e-*",)), facts(), facts(resource="f-1")),
        (Head(resource_type="entry", resource_ids=("e-1",)), facts(), facts(resource="e-11")),
    ],
)  # fmt: skip
def test_what_it_does_not_prove_is(head, yes, no):
    assert applies(rule(head), yes)
    assert not applies(rule(head), no)


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 400])
def test_a_caller_is_matched_by_any_number_of_patterns(count):
    teams = rule(Head(callers=tuple(f"team-{number}-*" for number in range(count))))
    assert applies(teams, facts(f"team-{count - 1}-x"))
    assert not applies(teams, facts(f"team-{count}-x"))


def test_many_patterns_are_one_test_of_one_shape():
    def shape(count: int):
        tests, lowering = lowered(rule(Head(actions=tuple(f"*{number}*" for number in range(count)))))
        return tests, len(lowering.constants)

    assert shape(FEW + 1) == shape(10_000)


def test_rules_that_name_the_same_texts_share_one_set():
    one, other = (lowered(rule(Head(callers=MANY, kind=kind)))[1] for kind in ("human", "agent"))
    assert one.constants[-1] is other.constants[-1]


# Dates.

SECOND = timedelta(seconds=1)


def test_a_rule_applies_from_its_since_on():
    assert not applies(rule(since=NOW), facts(now=NOW - SECOND))
    assert applies(rule(since=NOW), facts(now=NOW))


def test_a_permit_applies_until_its_sunset_and_a_forbid_after_it():
    assert applies(rule(sunset=NOW), facts(now=NOW - SECOND))
    assert not applies(rule(sunset=NOW), facts(now=NOW))
    assert applies(rule(sunset=NOW, effect="forbid"), facts(now=NOW))


# Conditions.

FAILING: Term = Member(Root("context"), "nothing")


def when(term: Term) -> Condition:
    return Condition(term, False, HERE)


def unless(term: Term) -> Condition:
    return Condition(term, True, HERE)


def test_every_when_must_hold_and_no_unless():
    assert applies(rule(ANY, when(Const(True)), unless(Const(False))), facts())
    assert not applies(rule(ANY, when(Const(True)), unless(Const(True))), facts())
    assert not applies(rule(ANY, when(Const(False)), when(FAILING)), facts())


def test_conditions_are_asked_after_the_head_and_the_dates():
    assert not applies(rule(Head(kind="agent"), when(FAILING)), facts())
    assert not applies(rule(ANY, when(FAILING), sunset=NOW), facts())
    with pytest.raises(KeyError):
        applies(rule(Head(kind="human"), when(FAILING), when(Const(False))), facts())
