"""Folding: same meaning, failures included."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdp.access.facts import Facts
from pdp.access.values import Failed, parse_ip
from pdp.rules.fold import fold, learn, never_false, never_true
from pdp.rules.interpret import evaluate
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
    parts,
)
from pdp.schema.types import BOOL, INT, STRING, record

YES, NO = Const(True), Const(False)
KIND = Member(Root("caller"), "kind", type=STRING)
BOUND = Member(Root("credential"), "bound", type=BOOL)
STANDING = Member(Root("credential"), "standing", type=BOOL)
AMOUNT = Member(Root("resource"), "amount", type=INT)
MAYBE = Member(Root("resource"), "maybe", type=BOOL)
LOOSE = Member(Root("resource"), "loose")
LABELS = Member(Root("resource"), "labels")
LIMITS = Member(Root("resource"), "limits")
HUMAN = Compare("==", KIND, Const("human"))
LARGE = Compare(">", AMOUNT, Const(10))
OVERFLOWS = Compare("<", Arithmetic("+", Const(2**63 - 1), Const(1)), Const(0))


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (Arithmetic("+", Const(1), Const(2)), Const(3)),
        (Negative(Const(1)), Const(-1)),
        (Compare("<", Const(1), Const(2)), YES),
        (Call("len", (Const("abc"),)), Const(3)),
        (Call("ip", (Const("10.0.0.0/8"),)), Const(parse_ip("10.0.0.0/8"))),
        (Call("ip", (Const("ten"),)), Call("ip", (Const("ten"),))),
        (SetTerm((Const(1), Arithmetic("+", Const(1), Const(1)))), Const(frozenset({1, 2}))),
        (In("set", Const("a"), Const(frozenset({"a"}))), YES),
        (Arithmetic("+", AMOUNT, Arithmetic("*", Const(2), Const(3))), Arithmetic("+", AMOUNT, Const(6))),
        (Item(LIMITS, Call("lower", (Const("A"),))), Item(LIMITS, Const("a"))),
        (OVERFLOWS, OVERFLOWS),
        # not
        (Not(YES), NO),
        (Not(Not(HUMAN)), HUMAN),
        (Not(Not(LOOSE)), Not(Not(LOOSE))),
        # and, or
        (And((YES, HUMAN, YES)), HUMAN),
        (And((YES, LOOSE)), And((YES, LOOSE))),
        (And((YES, YES)), YES),
        (Or((NO, NO)), NO),
        (Or((NO, HUMAN)), HUMAN),
        (Or((HUMAN, YES, LARGE)), YES),
        (And((HUMAN, NO, LARGE)), NO),
        (And((HUMAN, LARGE, NO, LOOSE)), And((HUMAN, LARGE, NO))),
        (And((LOOSE, NO)), And((LOOSE, NO))),
        (And((If(YES, And((HUMAN, LARGE)), NO), BOUND)), And((HUMAN, LARGE, BOUND))),
        (And((If(YES, And((LARGE, NO)), NO), BOUND)), And((LARGE, NO))),
        # what an operand tells the next
        (And((HUMAN, Not(HUMAN))), NO),
        (And((HUMAN, HUMAN)), HUMAN),
        (And((HUMAN, Compare("==", KIND, Const("agent")))), NO),
        (And((Compare("==", Const("human"), KIND), Compare("==", KIND, Const("agent")))), NO),
        (And((Not(BOUND), Or((BOUND, HUMAN)))), And((Not(BOUND), HUMAN))),
        (Or((BOUND, And((BOUND, HUMAN)))), BOUND),
        (And((Not(Or((BOUND, HUMAN))), BOUND)), NO),
        (And((Or((BOUND, HUMAN)), BOUND)), And((Or((BOUND, HUMAN)), BOUND))),
        (And((Has(MAYBE), Default(MAYBE, NO))), And((Has(MAYBE), MAYBE))),
        (And((Not(Has(MAYBE)), Default(MAYBE, YES))), Not(Has(MAYBE))),
        (And((MAYBE, Has(MAYBE))), MAYBE),
        # if, default
        (If(YES, HUMAN, LOOSE), HUMAN),
        (If(NO, LOOSE, HUMAN), HUMAN),
        (If(BOUND, BOUND, Not(BOUND)), If(BOUND, YES, YES)),
        (Default(AMOUNT, Arithmetic("+", Const(1), Const(1))), Default(AMOUNT, Const(2))),
        # any, all
        (Quantify("any", "x", Const(frozenset()), LOOSE), NO),
        (Quantify("all", "x", SetTerm(()), LOOSE), YES),
        (Quantify("any", "x", Const(frozenset({1})), Compare("<", Const(1), Const(2))), YES),
        (Quantify("any", "x", LABELS, Not(YES)), Quantify("any", "x", LABELS, NO)),
        (Quantify("any", "x", Const(frozenset(range(1001))), YES), YES),
        (Quantify("any", "x", Const(frozenset({1, "a"})), YES),) * 2,
        # Whether the two together visit too many, only a request will tell.
        (Quantify("any", "x", LABELS, Quantify("any", "y", Const(frozenset({1})), YES)),) * 2,
        (
            Quantify("any", "x", LABELS, Quantify("any", "y", Const(frozenset()), LOOSE)),
            Quantify("any", "x", LABELS, NO),
        ),
    ],
)
def test_fold(term, expected):
    assert fold(term) == expected


def test_what_does_not_fold_stays_the_same_object():
    for term in (
        And((HUMAN, LARGE, LOOSE)),
        If(BOUND, HUMAN, LARGE),
        Not(LARGE),
        Quantify("all", "x", LABELS, In("set", Variable("x"), LABELS)),
        Call("like", (KIND, Const("h*"))),
        Member(Member(Root("resource"), "inner"), "deep"),
        Item(LIMITS, KIND),
        Has(MAYBE),
        Default(MAYBE, NO),
        SetTerm((KIND, KIND)),
    ):
        assert fold(term) is term


def test_known_members_take_their_values():
    known = {STANDING: True, BOUND: False}
    assert fold(Or((Not(STANDING), And((BOUND, LARGE)))), known) == NO
    assert fold(Has(STANDING), known) == YES
    assert fold(Default(STANDING, LOOSE), known) == YES
    assert fold(And((LARGE, BOUND)), known) == And((LARGE, NO))
    assert fold(Member(Member(Root("resource"), "inner"), "deep"), known).record.name == "inner"


def test_a_folded_term_keeps_its_place():
    term = replace(Compare("<", Const(1), Const(2)), type=BOOL)
    assert fold(term).type == BOOL


@pytest.mark.parametrize(
    "term",
    [
        NO,
        Const(1),
        And((LARGE, NO)),
        And((LOOSE, NO)),
        Or((And((LARGE, NO)), And((LOOSE, NO)))),
        Not(Or((LOOSE, YES))),
        OVERFLOWS,
        Not(OVERFLOWS),
        Call("like", (Negative(Const("a")), Const("a"))),
        In("set", AMOUNT, Const(frozenset())),
        If(LARGE, NO, And((LOOSE, NO))),
        Default(OVERFLOWS, NO),
        Quantify("any", "x", LABELS, NO),
        Quantify("any", "x", SetTerm((Negative(Const("a")), KIND)), YES),
        And((LARGE, Not(LARGE))),
    ],
)
def test_never_true(term):
    assert never_true(term)
    assert never_false(Not(term))


@pytest.mark.parametrize(
    "term",
    [
        YES,
        BOUND,
        LOOSE,
        LARGE,
        And((LARGE, LOOSE)),
        Or((NO, LARGE)),
        Not(LARGE),
        If(LARGE, NO, LOOSE),
        If(LARGE, YES, NO),
        Default(MAYBE, NO),
        Quantify("all", "x", LABELS, NO),
        Quantify("any", "x", LABELS, LARGE),
        Not(In("set", AMOUNT, Const(frozenset()))),
        Item(LIMITS, KIND),
        Call("like", (KIND, Const("h*"))),
    ],
)
def test_may_be_true(term):
    assert not never_true(term)
    assert not never_false(Not(term))


def test_an_or_that_fails_before_it_can_be_true_is_never_true():
    assert never_false(And((OVERFLOWS, NO)))
    assert never_true(Or((OVERFLOWS, YES)))
    assert not never_false(And((LARGE, NO)))


def test_learning_nothing_from_other_terms():
    assert learn(If(BOUND, YES, NO), True, {}) == {}
    assert learn(And((BOUND, HUMAN)), False, {}) == {}
    assert learn(And((BOUND, LOOSE)), True, {}) == {BOUND: True, LOOSE: True}


# Any term, any facts: the same value or the same failure.

SCALARS = st.sampled_from([True, False, 0, 1, "a", "human"])
LEAVES = st.one_of(
    st.builds(Const, SCALARS),
    st.sampled_from(
        [KIND, BOUND, STANDING, AMOUNT, MAYBE, LOOSE, LABELS, LIMITS, Root("audience"), Member(LIMITS, "a")]
    ),
    st.just(Const(frozenset({"a", "b"}))),
    st.just(Const(frozenset())),
)
OPTIONAL = st.sampled_from([MAYBE, LOOSE, AMOUNT, Member(LIMITS, "a"), Item(LIMITS, Const("a")), STANDING])


def chain(kind, terms):
    """As `check` makes them: no chain stands directly in one of its kind."""
    flat = (term.operands if isinstance(term, kind) else (term,) for term in terms)
    return kind(tuple(operand for operands in flat for operand in operands))


def larger(terms):
    several = st.lists(terms, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Has, OPTIONAL),
        st.builds(Default, OPTIONAL, terms),
        st.builds(Not, terms),
        several.map(lambda terms: chain(And, terms)),
        several.map(lambda terms: chain(Or, terms)),
        st.builds(If, terms, terms, terms),
        st.builds(Compare, st.sampled_from(["==", "<"]), terms, terms),
        st.builds(In, st.just("dynamic"), terms, terms),
        st.builds(Arithmetic, st.sampled_from("+*"), terms, terms),
        st.builds(Negative, terms),
        st.builds(lambda term: Call("lower", (term,)), terms),
        several.map(SetTerm),
        st.builds(Item, terms, terms),
        st.builds(
            lambda kind, over, condition: Quantify(kind, "x", over, condition(Variable("x"))),
            st.sampled_from(["any", "all"]),
            terms,
            st.sampled_from(
                [
                    lambda x: Compare("==", x, Const("a")),
                    lambda x: And((Compare("==", x, Const("a")), Not(Compare("==", x, Const("a"))))),
                    lambda x: In("dynamic", x, LABELS),
                    lambda x: YES,
                ]
            ),
        ),
    )


TERMS = st.recursive(LEAVES, larger, max_leaves=8)
MISSING = object()


@st.composite
def requests(draw):
    def some(**options):
        drawn = {name: draw(strategy) for name, strategy in options.items()}
        return {name: value for name, value in drawn.items() if value is not MISSING}

    missing = st.just(MISSING)
    return Facts(
        caller={"kind": draw(st.sampled_from(["human", "agent"]))},
        credential={"bound": draw(st.booleans()), **some(standing=missing | st.booleans())},
        audience=draw(st.sampled_from(["a", "b"])),
        action={"name": "a"},
        resource=some(
            amount=missing | st.integers(0, 20),
            maybe=missing | st.booleans(),
            loose=missing | SCALARS,
            labels=missing | st.frozensets(st.sampled_from("ab")),
            limits=missing | st.just({}) | st.just({"a": True}),
        ),
        task={"active": False},
        context={},
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )


def outcome(term, facts):
    try:
        value = evaluate(term, facts)
    except Failed as failed:
        return failed.kind, failed.what
    return type(value), value


@settings(max_examples=400, deadline=None)
@given(TERMS, requests())
def test_a_folded_term_means_the_same(term, facts):
    assert outcome(fold(term), facts) == outcome(term, facts)


@settings(max_examples=200, deadline=None)
@given(TERMS, requests())
def test_folding_with_what_is_known_means_the_same(term, facts):
    known = {BOUND: facts.credential["bound"], KIND: facts.caller["kind"]}
    assert outcome(fold(term, known), facts) == outcome(term, facts)
    if never_true(term, known):
        assert outcome(term, facts) != (bool, True)
    if never_false(term, known):
        assert outcome(term, facts) != (bool, False)


@given(TERMS)
def test_folding_is_done_in_one_go_and_never_grows(term):
    def size(term):
        return 1 + sum(map(size, parts(term)))

    assert size(fold(term)) <= size(term)


def test_a_chain_of_records_is_looked_for_without_failing():
    inner = Member(Root("resource"), "inner", type=record(deep=BOOL))
    assert fold(And((Has(Member(inner, "deep", type=BOOL)), NO))) == NO
    loose = Has(Member(LOOSE, "deep"))
    assert fold(And((loose, NO))) == And((loose, NO))
    assert fold(And((Default(MAYBE, HUMAN, type=BOOL), NO))) == NO
    assert fold(And((Has(Item(LIMITS, KIND)), NO))) == And((Has(Item(LIMITS, KIND)), NO))
    call = Call("like", (KIND, Const("h*")), type=BOOL)
    assert fold(And((call, NO))) == NO
    path = Call("path_like", (KIND, Const("/a")), type=BOOL)
    assert fold(And((path, NO))) == And((path, NO))
