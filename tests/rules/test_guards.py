"""Guards keep their promise: a legal rule never fails because an optional attribute is absent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from pdp.access.facts import Facts
from pdp.rules.interpret import consider
from rules.policies import checked

SCHEMA = """schema {
  action   "order.*" { dry_run: bool }
  action   "*.create" { by: string }
  resource order { amount: int, ticket?: string, inner?: { flat: string, deep?: string }, limits: map<int> }
  resource box   { amount: int, weight: int }
}
let ticketed = has resource.ticket
def limited(name: string) = name in resource.limits and resource.limits[name] > 1
"""
NOW = datetime(2026, 1, 1, tzinfo=UTC)

# Each question beside what it makes sure of; any may be asked of any.
GUARDS = [
    "has resource.ticket", "ticketed", "has resource.inner", "has resource.inner.deep",
    '"a" in resource.limits', 'has resource.limits["a"]', "task.active", "has task", "has task.uses_left",
    "task.active == true", 'resource.type == "order"', 'resource.type != "order"',
    'resource.type in ["order", "box"]', 'resource.type == "box"', 'action.name like "order.*"',
    'action.name == "order.create"', 'action.name like "*.create"', "has caller.issuer", "caller.depth > 0",
    "true", "false",
]  # fmt: skip
READS = [
    'resource.ticket == "x"', 'resource.inner.flat == "x"', 'resource.inner.deep == "x"',
    'resource.limits["a"] > 1', "resource.amount > 1", "resource.weight > 1", 'task.owner == "x"',
    "task.uses_left > 1", "action.dry_run", 'action.by == "x"', 'caller.issuer == "x"', 'limited("a")',
    '(resource.ticket ?? "") == ""', "any k in resource.limits: resource.limits[k] > 1",
    "all k in resource.limits: has resource.limits[k]", "caller.depth > 1",
]  # fmt: skip
ATOMS = st.sampled_from(GUARDS) | st.sampled_from(READS)
SHAPES = [
    "({0}) and ({1})", "not ({0}) or ({1})", "if {0} then {1} else {2}", "if not ({0}) then {2} else {1}",
    "({0}) and ({2}) and ({1})", "(({0}) or ({2})) and ({1})", "({0}) == true and ({1})",
    "not (not ({0}) or ({2})) and ({1})", "any g in caller.groups: ({0}) and ({1})", "({0}) or ({1})",
    "(if {0} then {2} else false) and ({1})", "(if {0} then false else {2}) or ({1})",
]  # fmt: skip


def shaped(shape: str, *parts: str) -> str:
    """A condition of these parts; a variable has a name that none inside has."""
    text = shape.format(*parts)
    return f"({text.replace(' g in', f' g{len(text)} in')})"


CONDITIONS = st.recursive(
    st.sampled_from(GUARDS),
    lambda inner: st.builds(shaped, st.sampled_from(SHAPES), inner, ATOMS | inner, inner),
    max_leaves=4,
)
CLAUSE = st.builds(
    "{} ({})".format, st.sampled_from(["when", "unless", "unless not", "when not"]), CONDITIONS | ATOMS
)
CLAUSES = st.lists(CLAUSE, min_size=1, max_size=3).map(" ".join)
HEADS = st.sampled_from(
    ["", "resource order", "resource box", 'action "order.*"', 'resource order action "a"']
)


def worlds() -> Iterator[Facts]:
    """Requests in which everything that is required is there, and what is optional is there or not."""
    orders: list[dict[str, Any]] = [
        {"type": "order", "amount": 2, "limits": limits, **ticket, **inner}
        for limits in ({}, {"a": 2})
        for ticket in ({}, {"ticket": "x"})
        for inner in ({}, {"inner": {"flat": "x"}}, {"inner": {"flat": "x", "deep": "x"}})
    ]
    others: list[dict[str, Any]] = [{"type": "box", "amount": 2, "weight": 3}, {"type": ""}]
    owned = {"id": "t", "owner": "x"}
    tasks = [{"active": False}, {"active": False, **owned}, {"active": True, **owned, "uses_left": 2}]
    actions = [
        {"name": "order.create", "dry_run": True, "by": "x"},
        {"name": "a.create", "by": "y"},
        {"name": "order.a", "dry_run": False},
        {"name": "x"},
    ]
    callers = [{"depth": 0, "groups": frozenset("s")}, {"depth": 2, "groups": frozenset(), "issuer": "x"}]
    for resource, task, action, caller in product([*orders, *others], tasks, actions, callers):
        yield Facts(
            caller={"id": "c", "kind": "human", **caller}, credential={}, audience="a", action=action,
            resource={"id": "r", **resource}, task=task, context={}, now=NOW,
        )  # fmt: skip


WORLDS = list(worlds())


@settings(max_examples=150)
@given(HEADS, CLAUSES)
def test_a_legal_rule_never_fails_for_what_may_be_absent(head: str, clauses: str) -> None:
    text = f'{SCHEMA} forbid it {{ {head} {clauses} because "x" }}'
    found = checked(text, lower={"PDP404": "off"})
    codes = {diagnostic.code for diagnostic in found.diagnostics}
    assert codes <= {"PDP305", "PDP322", "PDP406"}
    event("legal" if not codes else "told")
    assume(not codes)
    (rule,) = found.policies.rules
    assert [facts for facts in WORLDS if consider(rule, facts).failed is not None] == []
