"""Safety findings: none is missed, and what is plainly safe is left in peace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdp.access.facts import Facts
from pdp.rules.interpret import consider
from pdp.rules.lint import lint_rule
from pdp.rules.rules import Rule
from rules.policies import TODAY, checked

OFF = dict.fromkeys(("PDP401", "PDP402", "PDP403", "PDP404", "PDP405"), "off")
HEAD = 'caller workload audience "x" action "y"'
GIVEN = """
schema { resource order { amount: int, ticket?: string, paid: bool } }
def fresh(limit: duration) = credential.age <= limit
def proven(limit: duration) = credential.bound and fresh(limit)
let loose = not credential.bound
let either = if task.active then credential.bound else not credential.standing
"""


def rule(text: str) -> Rule:
    """The one rule of a policy that is legal but for its safety."""
    found = checked(GIVEN + text, lower=OFF)
    assert found.diagnostics == ()
    return found.policies.rules[0]


def findings(text: str) -> list[str]:
    """The codes of what is found about a rule."""
    return [found.code for found in lint_rule(rule(text), TODAY)]


@pytest.mark.parametrize(
    "clauses",
    [
        "when credential.bound",
        "when credential.bound == true",
        "when true == credential.bound",
        "when credential.bound != false",
        "unless credential.bound == false",
        "unless not credential.bound",
        "unless credential.standing",
        "when not credential.standing",
        "when credential.standing == false",
        'when credential.binding == "mtls"',
        'when credential.binding != "none"',
        'when "none" != credential.binding',
        'when credential.binding in ["dpop", "mtls"]',
        'unless credential.binding in ["none"]',
        'unless credential.binding == "none"',
        'when credential.form == "none"',
        'when credential.form in ["none"]',
        'unless credential.form != "none"',
        "when proven(5m)",
        "unless loose",
        "when either",
        "when fresh(5m) and task.active and credential.bound",
        "when credential.bound or not credential.standing",
        "when credential.bound and (task.active or caller.depth > 1)",
        "when (task.active or caller.depth > 1) and credential.bound",
        "when (if task.active then credential.bound else proven(1m))",
        "when credential.bound or task.active unless task.active",
        "unless task.active when task.active or credential.bound",
        "when credential.bound or task.active when not task.active or credential.bound unless task.active",
        "when any g in caller.groups: credential.bound",
        'when all g in ["a", "b"]: credential.bound',
        "when credential.bound in [true]",
        "when [credential.bound] == [true]",
        'when (if credential.bound then "a" else "b") == "a"',
        "when (if credential.bound then 1 else 0) + 1 > 1",
        'when credential.bound or caller.kind == "human"',
        'when credential.bound or audience == "other"',
        'when credential.bound or action.name in ["z"]',
        'when (caller.issuer ?? "") == "x" and credential.bound',
        'when credential.binding in ["mtls"] or credential.form == "none"',
    ],
)
def test_a_rule_that_no_standing_credential_satisfies_is_left_in_peace(clauses: str) -> None:
    assert findings(f"permit it {{ {HEAD} {clauses} }}") == []


@pytest.mark.parametrize(
    "clauses",
    [
        "",
        "when task.active",
        "when fresh(5m)",
        "when loose",
        "when credential.verified",
        "when credential.standing",
        "when credential.bound or task.active",
        "when (if task.active then true else credential.bound)",
        "unless credential.standing and not task.active",
        "unless credential.bound",
        "when credential.bound == task.active",
        "when credential.bound != credential.standing",
        "when all g in caller.groups: credential.bound",
        "when any b in [false]: b == credential.bound",
        'when credential.binding in ["none", "mtls"]',
        'when credential.form != "none"',
        'when credential.form in ["none", "jwt"]',
        'when credential.form == "x509_svid"',
        "when credential.lifetime <= 15m and task.active and credential.remaining < 1m",
        'when (caller.issuer ?? "x") == "x" or credential.bound',
        "when task.active or credential.bound when task.active",
        "when overlaps(caller.groups, if credential.bound then [] else caller.groups)",
    ],
)
def test_a_permit_that_a_standing_credential_can_satisfy_is_found(clauses: str) -> None:
    assert findings(f"permit it {{ {HEAD} {clauses} }}") == ["PDP402"]


def test_a_sunset_is_enough_and_a_forbid_needs_none() -> None:
    assert findings(f'@sunset(2099-01-01) permit it {{ {HEAD} because "x" }}') == []
    assert findings('forbid it { because "x" }') == []


def test_who_needs_no_credential_gains_nothing_by_a_standing_one() -> None:
    head = 'caller anonymous audience "x" action "y"'
    assert findings(f"permit it {{ {head} }}") == []
    assert findings(f"permit it {{ {head} when credential.verified }}") == ["PDP402"]
    assert findings(f"permit it {{ {head} when credential.bound }}") == []


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        ("any", ["PDP405"]),
        ('"*"', ["PDP405"]),
        ('any "**"', ["PDP405"]),
        ('"alice", "*"', ["PDP405"]),
        ('"a*"', []),
        ('any in group "staff"', []),
        ("human", []),
        ("anonymous", []),
        ('"spiffe://prod.example/**"', []),
    ],
)
def test_a_permit_for_any_caller_checks_a_credential(caller: str, expected: list[str]) -> None:
    text = f'@sunset(2099-01-01) permit it {{ caller {caller} audience "x" action "y" {{}} because "x" }}'
    assert findings(text.replace("{}", "")) == expected
    assert findings(text.replace("{}", "when task.active")) == expected
    assert findings(text.replace("{}", "when credential.verified")) == []


def test_what_a_permit_does_not_state_is_one_finding() -> None:
    assert findings("permit it { when credential.bound }") == ["PDP401"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (1 - TODAY.toordinal(), ["error"]),
        (-1000, ["error"]),
        (-1, ["error"]),
        (0, ["error"]),
        (1, ["warning"]),
        (30, ["warning"]),
        (31, []),
    ],
)
def test_a_sunset_is_past_from_its_day_on_and_announced_for_thirty_days(
    days: int, expected: list[str]
) -> None:
    day = (TODAY + timedelta(days=days)).date()
    permit = rule(f'@sunset({day}) permit it {{ {HEAD} because "x" }}')
    assert [found.severity for found in lint_rule(permit, TODAY)] == expected
    forbid = rule(f'@sunset({day}) forbid it {{ because "x" }}')
    assert [found.severity for found in lint_rule(forbid, TODAY)] == (["warning"] if days <= 0 else [])


@pytest.mark.parametrize(
    "text",
    [
        'forbid it { when false because "x" }',
        'forbid it { unless true because "x" }',
        'forbid it { caller human when caller.kind == "agent" because "x" }',
        'forbid it { caller "a*" when caller.id == "bob" because "x" }',
        'forbid it { audience "a" when audience in ["b", "c"] because "x" }',
        'forbid it { resource order "o-*" when "i-1" == resource.id because "x" }',
        'forbid it { resource order when resource.type == "box" because "x" }',
        'forbid it { caller anonymous when caller.id == "alice" because "x" }',
        f"permit it {{ {HEAD} when credential.bound when not credential.bound }}",
        f"permit it {{ {HEAD} when credential.bound and 9_223_372_036_854_775_807 + 1 > 0 }}",
    ],
)
def test_a_rule_that_can_never_apply_is_found_and_nothing_else_is_said_of_it(text: str) -> None:
    assert findings(text) == ["PDP404"]


@pytest.mark.parametrize(
    "text",
    [
        'forbid it { when 9_223_372_036_854_775_807 + 1 > 0 because "it fails, and so applies" }',
        'forbid it { caller "a*" when caller.id == "alice" because "x" }',
        'forbid it { caller any when caller.kind == "agent" because "x" }',
        'forbid it { audience "a", "b" when audience == "b" because "x" }',
        'forbid it { when caller.id == "alice" because "x" }',
        'forbid it { when caller.id == caller.issuer ?? "" because "x" }',
    ],
)
def test_a_rule_that_some_request_meets_is_not_called_idle(text: str) -> None:
    assert findings(text) == []


# Any conditions, and every request of a small world.

ATOMS = [
    "credential.bound", "credential.standing", "credential.verified", 'credential.binding == "mtls"',
    'credential.binding in ["none", "dpop"]', 'credential.form == "none"',
    'credential.form in ["none", "jwt"]', "task.active", "caller.depth > 1", "has caller.issuer",
    '(caller.issuer ?? "x") == "x"', "fresh(2m)", "proven(2m)", "loose", "either",
    "credential.bound == task.active", "true", "false", 'task.active and task.owner == "alice"',
]  # fmt: skip
CONDITIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        inner.map("not ({})".format),
        st.tuples(inner, st.sampled_from(["and", "or", "==", "!="]), inner).map(
            lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
        ),
        st.tuples(inner, inner, inner).map(lambda parts: "if {} then {} else {}".format(*parts)),
        st.tuples(st.sampled_from(["any", "all"]), inner).map(
            lambda parts: f"{parts[0]} g in caller.groups: {parts[1]}".replace(" g ", f" g{len(parts[1])} ")
        ),
    ).map("({})".format),
    max_leaves=5,
)
CLAUSES = st.lists(
    st.tuples(st.sampled_from(["when", "unless"]), CONDITIONS).map(" ".join), min_size=1, max_size=3
).map(" ".join)

STANDING = [
    {"form": form, "binding": "none", "bound": False, "verified": verified, "standing": True,
     "age": timedelta(minutes=age)}
    for form, verified, age in product(("jwt", "x509_svid"), (True, False), (1, 5))
]  # fmt: skip
OTHERS = [
    {"form": "none", "binding": "none", "bound": False, "verified": False},
    *(
        {"form": "jwt", "binding": binding, "bound": binding != "none", "verified": True, "standing": False,
         "age": timedelta(minutes=age)}
        for binding, age in product(("none", "mtls", "dpop"), (1, 5))
    ),
]  # fmt: skip


def requests(credentials: list[dict[str, object]]) -> Iterator[Facts]:
    for credential, active, depth, issuer, groups in product(
        credentials, (True, False), (0, 2), ({}, {"issuer": "x"}, {"issuer": "y"}), ("", "a")
    ):
        caller = {"id": "w", "kind": "workload", "groups": frozenset(groups), "depth": depth, **issuer}
        yield Facts(
            caller=caller, credential=credential, audience="x", action={"name": "y"},
            resource={"type": "", "id": ""},
            task={"active": active, **({"id": "t", "owner": "alice"} if active else {})}, context={},
            now=datetime(2026, 6, 15, tzinfo=UTC),
        )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(CLAUSES)
def test_no_permit_that_a_standing_credential_satisfies_is_missed(clauses: str) -> None:
    made = rule(f"permit it {{ {HEAD} {clauses} }}")
    found = [finding.code for finding in lint_rule(made, TODAY)]
    if any(consider(made, facts).applies for facts in requests(STANDING)):
        assert found == ["PDP402"]
    if found == ["PDP404"]:
        assert not any(consider(made, facts).applies for facts in requests(OTHERS))


@settings(max_examples=75, deadline=None)
@given(CLAUSES)
def test_no_forbid_that_applies_by_its_conditions_is_called_idle(clauses: str) -> None:
    made = rule(f'forbid it {{ {clauses} because "x" }}')
    if list(lint_rule(made, TODAY)):
        answers = [consider(made, facts) for facts in requests([*STANDING, *OTHERS])]
        assert not any(answer.applies and answer.failed is None for answer in answers)
