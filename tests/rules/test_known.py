"""What conditions teach: types of resources, names of actions, attributes that are there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdp.access.patterns import glob
from pdp.rules.known import NOTHING, Known, when
from pdp.rules.terms import Const, Member, Root
from rules.policies import condition, told

SCHEMA = """schema {
  resource order   { amount: int, ticket?: string, due: timestamp, limits: map<int> }
  resource invoice { amount: int, total: float }
  action   "order.*" { dry_run: bool, note?: string }
  action   "*.create" { by: string }
}"""
AMOUNT, DUE = Member(Root("resource"), "amount"), Member(Root("resource"), "due")


def legal(clauses: str) -> bool:
    """Whether what is read is known to be there. That the rule may be idle is of no interest."""
    found = told(f'{SCHEMA} forbid it {{ {clauses} because "x" }}', lower={"PDP404": "off"})
    assert not found or found[0][:6] in ("PDP305", "PDP322", "PDP406")
    return not found


@pytest.mark.parametrize(
    "clauses",
    [
        "resource order when resource.amount > 1",
        'when resource.type == "order" and resource.amount > 1',
        'when "order" == resource.type when resource.amount > 1',
        'when resource.type in ["order", "invoice"] and resource.amount > 1',
        'when resource.type == "order" or resource.type == "invoice" when resource.amount > 1',
        'unless resource.type != "order" when resource.amount > 1',
        'when (resource.type == "order") == true and resource.amount > 1',
        'when true == (resource.type == "order") and resource.amount > 1',
        'when (resource.type != "order") == false and resource.amount > 1',
        'resource order when resource.type in ["order", "invoice"] and resource.due > now',
        'when resource.type in ["order", "invoice"] when resource.type == "order" and resource.due > now',
        'resource order when resource.type == "invoice" and resource.total > 1',
        'when (if caller.depth > 1 then resource.type == "order" else false) and resource.amount > 1',
        'when (if caller.depth > 1 then false else resource.type == "order") and resource.amount > 1',
        'when (if caller.depth > 1 then resource.type == "order" else resource.type == "invoice") and '
        "resource.amount > 1",
        'action "order.create" when action.dry_run',
        'when action.name == "order.create" and action.dry_run',
        'when action.name in ["order.create", "order.close"] and action.dry_run',
        'when action.name like "order.*" and action.dry_run',
        'when action.name == "order.a" or action.name == "order.b" when action.dry_run',
        'when action.name == "order.a" or action.name == "order.a" when action.dry_run',
        'action "order.create" when action.name like "*.create" and action.dry_run',
        'action "order.*" when has action.note and action.note == "x"',
        'action "order.*" when action.name like "*.create" and action.dry_run and action.by == "x"',
        'when action.name like "*.create" when action.name like "order.*" when action.dry_run',
        'when action.name like "*.create" and action.name like "order.*" when action.by == "x"',
        'when (action.name like "order.*" and action.name like "*.create") or action.name == "order.b" '
        "when action.dry_run",
        "when has resource.ticket and resource.ticket == \"x\"",
        "when has task when task.owner == caller.id",
        "when has task.uses_left and task.uses_left > 1 and task.owner == caller.id",
        "when task.active == true and task.owner == caller.id",
        'resource order when any k in resource.limits: resource.limits[k] > 1',
    ],
)  # fmt: skip
def test_what_was_asked_before_is_known(clauses: str) -> None:
    assert legal(clauses)


@pytest.mark.parametrize(
    "clauses",
    [
        "when resource.amount > 1",
        'when resource.type != "order" and resource.amount > 1',
        'when resource.type == "order" or caller.depth > 1 when resource.amount > 1',
        'when resource.type == "order" or action.name == "order.a" when resource.amount > 1',
        'when resource.type == "order" or action.name == "order.a" when action.dry_run',
        'when resource.type == caller.id and resource.amount > 1',
        'when resource.type in caller.groups and resource.amount > 1',
        'when (if caller.depth > 1 then resource.type == "order" else true) and resource.amount > 1',
        "when action.dry_run",
        'when action.name like "*.create" and action.dry_run',
        'when action.name in ["order.create", "invoice.create"] and action.dry_run',
        'action "order.*", "invoice.*" when action.dry_run',
        'action "order.create" when action.note == "x"',
        'when (action.name like "order.*" and action.name like "*.create") or action.name == "order.b" '
        'when action.by == "x"',
        'when action.name like "order.*" when action.name like "o*" when action.by == "x"',
        'when caller.id like "order" and action.dry_run',
        "when any x in caller.groups: has resource.ticket when resource.ticket == \"x\"",
    ],
)  # fmt: skip
def test_what_was_not_asked_is_not_known(clauses: str) -> None:
    assert not legal(clauses)


def test_two_types_that_no_resource_has_leave_the_later_one() -> None:
    order, invoice = Known(types=frozenset({"order"})), Known(types=frozenset({"invoice"}))
    assert (order & invoice).types == {"invoice"}
    assert (order | invoice).types == {"order", "invoice"}


GLOBS = st.lists(st.sampled_from(["order.*", "order.a", "*.a", "b*"]), min_size=1, max_size=2).map(tuple)
SOME = st.builds(
    Known,
    st.frozensets(st.sampled_from([AMOUNT, DUE])),
    st.none() | st.frozensets(st.sampled_from(["order", "invoice"]), min_size=1),
    st.lists(GLOBS, max_size=2).map(tuple),
)


@given(SOME, SOME)
@settings(max_examples=50)
def test_more_is_known_of_both_than_of_one_and_less_of_either(one: Known, other: Known) -> None:
    assert (one & other).present == one.present | other.present
    assert (one | other).present == one.present & other.present
    assert one & NOTHING == NOTHING & one == one
    assert one | NOTHING == NOTHING | one == NOTHING


@given(SOME, SOME, st.sampled_from(["order.a", "order.b", "b.a", "b", "c"]))
def test_what_is_known_of_a_name_holds_for_each_name_that_was_asked_about(
    one: Known, other: Known, name: str
) -> None:
    def passes(known: Known) -> bool:
        return all(any(glob(each)(name) for each in globs) for globs in known.actions)

    assert passes(one & other) or not (passes(one) and passes(other))
    assert passes(one | other) or not (passes(one) or passes(other))


def test_of_two_tests_of_a_name_the_one_that_says_more_is_enough() -> None:
    wide, narrow, across, apart = (Known(actions=((text,),)) for text in ("a.*", "a.b", "*.c", "d"))
    assert wide & narrow == narrow & wide == narrow
    assert (wide & across).actions == (("a.*",), ("*.c",))
    assert wide & apart == apart
    assert ((wide & across) | narrow).actions == (("a.*", "a.b"), ("*.c", "a.b"))


def test_a_condition_that_came_out_otherwise_teaches_nothing() -> None:
    term = condition('resource.type == "order"')
    assert when(term, True).types == {"order"}
    assert when(term, False) == NOTHING
    assert when(Const(True), True) == NOTHING
