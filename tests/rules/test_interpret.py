"""The meaning of terms, rules and decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pdp.access.decision import Decision, Failure, Obligation, Reason
from pdp.access.facts import Facts
from pdp.access.values import Failed, parse_ip
from pdp.language.source import Span
from pdp.rules.interpret import NOT_REACHED, active, consider, evaluate, interpret, matches, trace
from pdp.rules.rules import Annotations, Condition, Duty, Head, PolicySet, Rule
from pdp.rules.terms import (
    And,
    Arithmetic,
    Call,
    Compare,
    Const,
    Default,
    Has,
    If,
    In,
    Item,
    Member,
    Negative,
    Not,
    Or,
    Quantify,
    Root,
    SetTerm,
    Variable,
)
from pdp.schema.schema import Schema

HERE = Span("a.policy", 0, 1)
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
YES, NO = Const(True), Const(False)


def resource(name):
    return Member(Root("resource"), name)


ABSENT = resource("nothing")  # fails `absent`


def facts(**changes):
    given = {
        "caller": {"id": "alice", "kind": "human", "groups": frozenset({"staff"})},
        "credential": {},
        "audience": "ledger",
        "action": {"name": "entry.create"},
        "resource": {
            "type": "entry",
            "id": "e-1",
            "amount": 5,
            "labels": frozenset({"b", "a"}),
            "limits": {"day": 3, "hour": 1},
            "inner": {"deep": True},
            "yes": True,
        },
        "task": {"active": False},
        "context": {"ip": parse_ip("10.0.0.1")},
        "now": NOW,
    }
    return Facts(**{**given, **changes})


def outcome(term, **variables):
    try:
        return evaluate(term, facts(), variables)
    except Failed as failed:
        return failed.kind, failed.what


# Terms


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (Const(7), 7),
        (Root("audience"), "ledger"),
        (Root("now"), NOW),
        (resource("amount"), 5),
        (ABSENT, ("absent", "nothing")),
        (Member(resource("amount"), "x"), ("type", "x")),
        (Item(resource("limits"), Const("day")), 3),
        (Item(resource("limits"), Const("week")), ("absent", "key")),
        (Item(resource("amount"), Const("week")), ("type", "key")),
        (Item(resource("limits"), ABSENT), ("absent", "nothing")),
        (Not(YES), False),
        (Not(Const(1)), ("type", "not")),
        (And((YES, YES)), True),
        (And((YES, NO, ABSENT)), False),
        (And((ABSENT, NO)), ("absent", "nothing")),
        (And((YES, Const("a"))), ("type", "and")),
        (Or((NO, NO)), False),
        (Or((NO, YES, ABSENT)), True),
        (Or((ABSENT, YES)), ("absent", "nothing")),
        (Or((Const("a"), YES)), ("type", "or")),
        (If(YES, Const(1), ABSENT), 1),
        (If(NO, ABSENT, Const(2)), 2),
        (If(Const(0), ABSENT, ABSENT), ("type", "if")),
        (Compare("==", resource("amount"), Const(5)), True),
        (Compare("<", resource("amount"), Const(5)), False),
        (Compare("<=", resource("amount"), Const(5.5)), True),
        (Compare("==", resource("amount"), Const("5")), ("type", "==")),
        (Compare("==", ABSENT, resource("other")), ("absent", "nothing")),
        (In("set", Const("a"), resource("labels")), True),
        (In("key", Const("day"), resource("limits")), True),
        (In("network", Member(Root("context"), "ip"), Const(parse_ip("10.0.0.0/8"))), True),
        (In("networks", Member(Root("context"), "ip"), Const(frozenset({parse_ip("::/0")}))), False),
        (In("dynamic", Const("a"), resource("amount")), ("type", "in")),
        (In("set", ABSENT, resource("other")), ("absent", "nothing")),
        (Arithmetic("+", resource("amount"), Const(1)), 6),
        (Arithmetic("-", resource("amount"), Const(1)), 4),
        (Arithmetic("*", resource("amount"), Const(2)), 10),
        (Arithmetic("+", resource("amount"), Const(2**63 - 1)), ("overflow", "+")),
        (Arithmetic("-", Root("now"), Const(timedelta(hours=1))), NOW - timedelta(hours=1)),
        (Negative(resource("amount")), -5),
        (Negative(Const("a")), ("type", "-")),
        (Call("len", (resource("labels"),)), 2),
        (Call("like", (resource("id"), Const("e-*"))), True),
        (Call("path_like", (resource("id"), Const("/e"))), ("path", "path_like")),
        (Call("weekday", (Root("now"), Const("Europe/Berlin"))), "tue"),
        (SetTerm((resource("amount"), Const(5), Const(6))), frozenset({5, 6})),
        (SetTerm((resource("limits"),)), ("type", "[]")),
        (SetTerm((resource("amount"), resource("yes"))), ("type", "[]")),
        (SetTerm((ABSENT, resource("other"))), ("absent", "nothing")),
    ],
)
def test_the_value_of_a_term(term, expected):
    assert outcome(term) == expected


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        (resource("amount"), True),
        (ABSENT, False),
        (Member(resource("inner"), "deep"), True),
        (Member(ABSENT, "deep"), False),
        (Member(Member(ABSENT, "deep"), "deeper"), False),
        (Member(Root("task"), "id"), False),
        (Item(resource("limits"), Const("day")), True),
        (Item(resource("limits"), Const("week")), False),
        (Item(ABSENT, resource("not reached")), False),
        (Item(resource("limits"), ABSENT), ("absent", "nothing")),
        (Item(resource("limits"), Const(1)), ("type", "key")),
        (Item(resource("amount"), Const("day")), ("type", "key")),
        (Member(resource("amount"), "x"), ("type", "x")),
    ],
)
def test_has_looks_along_the_whole_chain(operand, expected):
    assert outcome(Has(operand)) == expected


def test_a_default_is_reached_only_where_the_operand_is_absent():
    assert outcome(Default(resource("amount"), ABSENT)) == 5
    assert outcome(Default(ABSENT, Const(7))) == 7
    assert outcome(Default(ABSENT, resource("other"))) == ("absent", "other")


def test_any_and_all_visit_members_in_order_and_stop_early():
    first = Compare("==", Variable("x"), Const("a"))
    fails_on_b = If(first, YES, ABSENT)
    labels = resource("labels")
    assert outcome(Quantify("any", "x", labels, fails_on_b)) is True
    assert outcome(Quantify("all", "x", labels, fails_on_b)) == ("absent", "nothing")
    assert outcome(Quantify("all", "x", labels, Not(first))) is False
    assert outcome(Quantify("any", "x", Const(frozenset()), ABSENT)) is False
    assert outcome(Quantify("all", "x", Const(frozenset()), ABSENT)) is True
    assert (
        outcome(Quantify("any", "k", resource("limits"), Compare("==", Variable("k"), Const("day")))) is True
    )


def test_any_and_all_may_fail_themselves():
    assert outcome(Quantify("any", "x", resource("amount"), YES)) == ("type", "any")
    assert outcome(Quantify("any", "x", resource("labels"), Const(1))) == ("type", "any")


def test_one_set_is_not_too_large_and_two_within_one_another_may_be():
    large = Const(frozenset(range(1_001)))
    later = Const(frozenset(range(999)))
    assert outcome(Quantify("all", "x", large, YES)) is True
    assert outcome(Quantify("any", "x", large, Quantify("any", "y", later, YES))) is True
    assert outcome(Quantify("any", "x", large, Quantify("all", "y", large, YES))) == ("limit", "all")
    # One after the other, or in what another runs over, they are not within one another.
    assert outcome(And((Quantify("all", "x", large, YES), Quantify("all", "y", large, YES)))) is True
    chosen = If(Quantify("any", "y", large, YES), large, ABSENT)
    assert outcome(Quantify("any", "x", chosen, YES)) is True


def test_what_is_around_counts_in_what_is_looked_for_too():
    large = Const(frozenset(map(str, range(1_001))))
    key = If(Quantify("any", "y", large, YES), Const("day"), ABSENT)
    for looked_for in (Has(Item(resource("limits"), key)), Default(Item(resource("limits"), key), ABSENT)):
        assert outcome(Quantify("any", "x", large, looked_for)) == ("limit", "any")
        assert outcome(Quantify("any", "x", resource("labels"), Has(looked_for))) is True


def test_a_variable_is_seen_in_the_quantifiers_inside():
    inner = Quantify("any", "y", resource("labels"), Compare("<", Variable("x"), Variable("y")))
    assert outcome(Quantify("any", "x", resource("labels"), inner)) is True
    assert outcome(Quantify("all", "x", resource("labels"), inner)) is False
    assert outcome(Variable("x"), x=3) == 3


# Traces


def test_a_trace_tells_values_failures_and_what_was_not_reached():
    found = trace(And((YES, Not(ABSENT), NO)), facts())
    assert isinstance(found.outcome, Failed)
    reached, failed, not_reached = found.children
    assert reached.outcome is True
    assert failed.outcome is failed.children[0].outcome is found.outcome
    assert not_reached.outcome is NOT_REACHED
    assert not_reached.term is NO


def test_a_trace_asks_a_quantified_condition_once_for_each_member():
    found = trace(Quantify("all", "x", resource("labels"), Compare("<", Variable("x"), Const("z"))), facts())
    over, first, second = found.children
    assert over.outcome == frozenset({"a", "b"})
    assert (first.variables, second.variables) == ({"x": "a"}, {"x": "b"})


def test_a_trace_keeps_two_places_of_one_term_apart():
    low = Compare("<", resource("amount"), Const(1))
    found = trace(And((low, low)), facts())
    assert [child.outcome for child in found.children] == [False, NOT_REACHED]


def test_a_trace_does_not_look_into_has():
    assert trace(Has(resource("amount")), facts()).children == ()
    found = trace(Default(ABSENT, Const(1)), facts())
    assert [(child.term, child.outcome) for child in found.children] == [
        (Const(1), 1),
        (ABSENT, NOT_REACHED),
    ]


# Heads


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (Head(), True),
        (Head(kind="human"), True),
        (Head(kind="agent"), False),
        (Head(callers=("bob", "al*")), True),
        (Head(callers=("bob",)), False),
        (Head(groups=("other", "staff")), True),
        (Head(groups=("other",)), False),
        (Head(audiences=("ledger", "other")), True),
        (Head(audiences=("other",)), False),
        (Head(audiences=("*",)), False),
        (Head(actions=("other", "entry.*")), True),
        (Head(actions=("entry",)), False),
        (Head(resource_type="entry"), True),
        (Head(resource_type="other"), False),
        (Head(resource_type="entry", resource_ids=("x", "e-*")), True),
        (Head(resource_type="entry", resource_ids=("x",)), False),
    ],
)
def test_a_head_matches_when_every_clause_does(head, expected):
    assert matches(head, facts()) is expected


def test_a_plain_pattern_never_matches_a_spiffe_id():
    workload = facts(caller={"id": "spiffe://td/a", "kind": "workload", "groups": frozenset()})
    assert not matches(Head(callers=("*",)), workload)
    assert matches(Head(callers=("spiffe://td/*",)), workload)


# Rules


def rule(identity, effect="permit", *conditions, head=None, duties=(), because="", **annotations):
    return Rule(
        identity,
        effect,
        head or Head(),
        tuple(c if isinstance(c, Condition) else when(c) for c in conditions),
        tuple(duties),
        because,
        Annotations(**annotations),
        {},
    )


def when(term):
    return Condition(term, False, HERE)


def unless(term):
    return Condition(term, True, HERE)


def require(name, **terms):
    return Duty(name, tuple(terms.items()), True, HERE)


def advise(name, **terms):
    return Duty(name, tuple(terms.items()), False, HERE)


def test_a_rule_applies_when_every_when_is_true_and_every_unless_false():
    assert consider(rule("m.r", "permit", YES, unless(NO)), facts()).applies
    assert not consider(rule("m.r", "permit", YES, NO), facts()).applies
    assert not consider(rule("m.r", "permit", YES, unless(YES)), facts()).applies
    assert not consider(rule("m.r", "forbid", unless(YES), ABSENT), facts()).applies


def test_a_condition_that_is_no_bool_fails():
    answer = consider(rule("m.r", "permit", Const(1)), facts())
    assert (answer.applies, answer.failed.kind, answer.failed.what) == (False, "type", "when")
    answer = consider(rule("m.r", "forbid", unless(Const(1))), facts())
    assert (answer.applies, answer.failed.kind, answer.failed.what) == (True, "type", "unless")


@pytest.mark.parametrize(
    ("effect", "annotations", "expected"),
    [
        ("permit", {}, True),
        ("permit", {"sunset": NOW}, False),
        ("permit", {"sunset": NOW + timedelta(microseconds=1)}, True),
        ("forbid", {"sunset": NOW}, True),
        ("permit", {"since": NOW}, True),
        ("permit", {"since": NOW + timedelta(microseconds=1)}, False),
        ("forbid", {"since": NOW + timedelta(microseconds=1)}, False),
    ],
)
def test_since_and_sunset(effect, annotations, expected):
    assert active(rule("m.r", effect, **annotations), NOW) is expected
    assert consider(rule("m.r", effect, ABSENT, **annotations), facts()).applies is (
        expected and effect == "forbid"
    )


# Decisions


def decision(*rules):
    return interpret(PolicySet(Schema(), tuple(rules), (), ()), facts())


def test_no_rule_denies():
    assert decision() == Decision("deny", "no_rule", (), (), (), (), (), "")
    assert decision(rule("m.r", "permit", NO)).code == "no_rule"


def test_a_permit_allows_and_every_permit_is_named_in_order():
    made = decision(rule("m.b", because="second"), rule("m.a"), rule("m.c", "permit", NO))
    assert made.decision == "allow"
    assert made.code is None
    assert made.rules == ("m.a", "m.b")
    assert made.reasons == (Reason("m.a", ""), Reason("m.b", "second"))


def test_a_forbid_overrides_every_permit_and_only_forbids_are_named():
    made = decision(
        rule("m.a", duties=[require("log")]), rule("m.z", "forbid", because="no", duties=[require("stop")])
    )
    assert (made.decision, made.code, made.rules) == ("deny", "forbidden", ("m.z",))
    assert made.reasons == (Reason("m.z", "no"),)
    assert made.obligations == (Obligation("stop", "m.z", {}),)


def test_failures_fail_closed_and_are_named():
    made = decision(rule("m.p", "permit", ABSENT), rule("m.q"))
    assert (made.decision, made.rules) == ("allow", ("m.q",))
    assert made.failures == (Failure("m.p", "absent", "nothing"),)
    made = decision(rule("m.f", "forbid", ABSENT), rule("m.q"))
    assert (made.decision, made.code, made.rules) == ("deny", "forbidden", ("m.f",))
    assert made.failures == (Failure("m.f", "absent", "nothing"),)


def test_obligations_and_advice_come_with_their_rules():
    made = decision(
        rule("m.b", duties=[require("log", level=Const("high")), advise("tell", amount=resource("amount"))]),
        rule("m.a", duties=[require("log", level=Const("low"))]),
    )
    assert made.obligations == (
        Obligation("log", "m.a", {"level": "low"}),
        Obligation("log", "m.b", {"level": "high"}),
    )
    assert made.advice == (Obligation("tell", "m.b", {"amount": 5}),)


def test_a_permit_whose_obligation_fails_does_not_apply():
    made = decision(rule("m.a", duties=[advise("tell", x=resource("other")), require("log", x=ABSENT)]))
    assert (made.decision, made.code) == ("deny", "no_rule")
    assert made.failures == (Failure("m.a", "absent", "other"),)


def test_advice_that_fails_is_left_out_and_named():
    made = decision(rule("m.a", duties=[advise("tell", x=ABSENT), require("log")]))
    assert made.decision == "allow"
    assert made.advice == ()
    assert made.obligations == (Obligation("log", "m.a", {}),)
    assert made.failures == (Failure("m.a", "absent", "nothing"),)


def test_a_forbid_that_fails_keeps_the_duties_that_have_values():
    made = decision(rule("m.f", "forbid", ABSENT, duties=[require("log"), require("tell", x=resource("y"))]))
    assert made.decision == "deny"
    assert made.obligations == (Obligation("log", "m.f", {}),)
    assert made.failures == (Failure("m.f", "absent", "nothing"),)
