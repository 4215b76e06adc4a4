"""What a folded term can come to: whether it can fail, be true, be false."""

from __future__ import annotations

import pytest

from pdp.access.values import parse_ip
from pdp.rules.fold import fold
from pdp.rules.outcomes import can_be, is_condition, surely
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
    Term,
    Variable,
)
from pdp.schema.types import BOOL, FLOAT, INT, IP, STRING, UNKNOWN, Enum, MapOf, SetOf, Type
from rules.policies import condition

KIND = Member(Root("caller"), "kind", type=Enum(("human", "agent")))
GROUPS = Member(Root("caller"), "groups", type=SetOf(STRING))
DEPTH = Member(Root("caller"), "depth", type=INT)
BOUND = Member(Root("credential"), "bound", type=BOOL)
AUDIENCE = Root("audience", type=STRING)
LOOSE = Member(Root("caller"), "id")  # always there, of a type that was never said
NEVER_THERE = Member(Root("context"), "risk", type=FLOAT)


def there(type: Type) -> Term:
    """What has a value of this type for every request."""
    return Variable("x", type=type)


@pytest.mark.parametrize(
    "term",
    [
        BOUND,
        Not(BOUND),
        And((BOUND, Const(True))),
        If(BOUND, Not(BOUND), Const(True), type=BOOL),
        Has(NEVER_THERE),
        Default(Member(Root("context"), "x", type=BOOL), BOUND, type=BOOL),
        Compare("==", KIND, Const("human")),
        Compare("==", GROUPS, GROUPS),
        Compare("<", DEPTH, Const(0.5)),
        Compare(">=", AUDIENCE, Const("a")),
        In("set", AUDIENCE, GROUPS),
        In("set", KIND, GROUPS),
        In("key", AUDIENCE, there(MapOf(INT))),
        In("network", there(IP), Const(parse_ip("10.0.0.0/8"))),
        In("networks", there(IP), there(SetOf(IP))),
        In("set", AUDIENCE, SetTerm((KIND, AUDIENCE), type=SetOf(STRING))),
        Call("starts_with", (AUDIENCE, KIND), type=BOOL),
        Call("overlaps", (GROUPS, GROUPS), type=BOOL),
    ],
)
def test_a_condition_of_what_is_always_there_surely_has_a_value(term: Term) -> None:
    assert surely(term)


@pytest.mark.parametrize(
    "term",
    [
        NEVER_THERE,
        Compare("<", NEVER_THERE, Const(1)),
        And((BOUND, Compare("<", NEVER_THERE, Const(1)))),
        # what only a request will tell
        Not(LOOSE),
        If(LOOSE, BOUND, BOUND, type=BOOL),
        Compare("==", LOOSE, AUDIENCE),
        In("dynamic", AUDIENCE, LOOSE),
        In("set", AUDIENCE, SetTerm((LOOSE,), type=SetOf(UNKNOWN))),
        Call("overlaps", (GROUPS, Const(frozenset(), type=SetOf(UNKNOWN))), type=BOOL),
        # a constant that a branch of another type left behind
        Not(Const("a")),
        Or((BOUND, Const(1))),
        If(Const("a"), BOUND, BOUND, type=BOOL),
        Compare("==", DEPTH, Const("a")),
        Compare("==", DEPTH, Const(0.5)),
        Compare("<", DEPTH, Const("a")),
        Compare("<", BOUND, BOUND),
        In("set", Const(1), GROUPS),
        In("set", GROUPS, GROUPS),
        In("key", Const(1), there(MapOf(INT))),
        In("network", AUDIENCE, Const(parse_ip("10.0.0.0/8"))),
        In("set", AUDIENCE, SetTerm((GROUPS,), type=SetOf(SetOf(STRING)))),
        Call("starts_with", (AUDIENCE, Const(1)), type=BOOL),
        Call("overlaps", (GROUPS, Const("a")), type=BOOL),
        # what can fail with any operands
        Call("path_like", (AUDIENCE, Const("/a")), type=BOOL),
        Compare("<", Arithmetic("+", DEPTH, Const(1), type=INT), Const(3)),
        Compare("<", Negative(DEPTH, type=INT), Const(3)),
        Compare("==", Item(there(MapOf(STRING)), AUDIENCE, type=STRING), AUDIENCE),
        Quantify("any", "x", GROUPS, BOUND),
        Has(Item(there(MapOf(INT)), NEVER_THERE)),
        Has(Member(LOOSE, "a")),
        Default(Member(Root("context"), "x", type=BOOL), Compare("<", NEVER_THERE, Const(1)), type=BOOL),
    ],
)
def test_what_can_fail_has_no_value_for_sure(term: Term) -> None:
    assert not surely(term)


def test_a_condition_is_a_bool_for_sure() -> None:
    assert is_condition(Compare("<", LOOSE, LOOSE))
    assert is_condition(Const(True))
    assert not is_condition(Const(1))
    assert not is_condition(LOOSE)


@pytest.mark.parametrize(
    ("text", "true", "false"),
    [
        ("true", True, False),
        ("false", False, True),
        ("credential.bound", True, True),
        ("caller.depth > 1 and false", False, True),
        ("caller.depth > 1 or true", True, False),
        ("caller.id in []", False, True),
        ("if caller.depth > 1 then true else false", True, True),
        ("if caller.depth > 1 then true else true", True, False),
        ("(caller.issuer ?? \"x\") == \"x\"", True, True),
        ("any x in caller.groups: false", False, True),
        ("all x in caller.groups: false", True, True),
        ("any x in caller.groups: true", True, True),
        ("all x in caller.groups: true", True, False),
        ("9_223_372_036_854_775_807 + 1 > 0", False, False),
        ("caller.depth > 9_223_372_036_854_775_807 + 1", False, False),
    ],
)  # fmt: skip
def test_a_condition_can_be_true_or_false(text: str, true: bool, false: bool) -> None:
    term = fold(condition(text))
    assert can_be(term, True) is true
    assert can_be(term, False) is false
