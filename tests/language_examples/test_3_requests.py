"""Section 3: what a request has, what follows from what, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from language_examples.said import (
    CALLER,
    CREDENTIAL,
    NOW,
    REQUEST,
    SCHEMA,
    TASK,
    changed,
    checked,
    codes,
    decided,
    facts_of,
    value,
)
from pdp.access.request import Request, RequestError
from pdp.conform import duration
from pdp.gather import asserted
from pdp.load import compile
from pdp.rules.attributes import Roots
from pdp.rules.known import NOTHING
from pdp.schema.schema import Schema

PROGRAM = compile(checked(SCHEMA))


def credential(**asserted: Any) -> dict[str, Any]:
    return {"asserted": {**CREDENTIAL["asserted"], **asserted}}


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ("caller.id", CALLER["id"]),
        ("caller.kind", "workload"),
        ("caller.trust_domain ?? \"-\"", "prod.example"),
        ("caller.issuer ?? \"-\"", "-"),
        ("caller.groups", {"staff", "night"}),
        ("caller.on_behalf_of ?? \"-\"", "-"),
        ("caller.actors", set()),
        ("caller.depth", 0),
        ("caller.team ?? \"-\"", "-"),
        ("credential.form", "asserted"),
        ("credential.binding", "mtls"),
        ("credential.bound", True),
        ("credential.verified", False),
        ("credential.issuer ?? \"-\"", "-"),
        ("credential.id ?? \"-\"", "-"),
        ("credential.audiences", set()),
        ("credential.scopes", {"read"}),
        ("credential.age", timedelta(minutes=1)),
        ("credential.lifetime", timedelta(minutes=5)),
        ("credential.remaining", timedelta(minutes=4)),
        ("credential.uses", 0),
        ("credential.sources", 1),
        ("credential.standing", False),
        ("audience", "shop"),
        ("action.name", "order.create"),
        ("action.dry_run ?? false", False),
        ("resource.type", "order"),
        ("resource.id", "o-1"),
        ("resource.amount", 7),
        ("task.active", True),
        ("task.id ?? \"-\"", "t-1"),
        ("task.owner ?? \"-\"", "alice"),
        ("task.purpose ?? \"-\"", "restock"),
        ("task.actions ?? []", {"order.create"}),
        ("task.audiences ?? []", {"shop"}),
        ("task.started ?? now", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("task.expires ?? now", datetime(2026, 11, 24, 10, 2, tzinfo=UTC)),
        ("task.uses_left ?? -1", -1),
        ("context.risk ?? 0.5", 0.5),
        ("now", NOW),
    ],
)  # fmt: skip
def test_a_request_has_this_member(member: str, expected: Any) -> None:
    assert value(member) == expected


MEMBERS = {
    "caller": "{ actors: set<string>, depth: int, groups: set<string>, id: string, issuer?: string, "
    'kind: "workload" | "human" | "agent" | "anonymous", on_behalf_of?: string, trust_domain?: string }',
    "credential": "{ age: duration, audiences: set<string>, "
    'binding: "none" | "dpop" | "mtls" | "wimse", bound: bool, '
    'form: "jwt" | "jwt_svid" | "x509_svid" | "task_token" | "asserted" | "none", id?: string, '
    "issuer?: string, lifetime: duration, remaining: duration, scopes: set<string>, sources: int, "
    "standing: bool, uses: int, verified: bool }",
    "action": "{ name: string }",
    "resource": "{ id: string, type: string }",
    "task": "{ actions: set<string>, active: bool, audiences: set<string>, expires: timestamp, id: string, "
    "owner: string, purpose: string, started: timestamp, uses_left?: int }",
    "context": "{ }",
}


@pytest.mark.parametrize("root", MEMBERS)
def test_the_members_of_a_root_have_these_types(root: str) -> None:
    roots = Roots(Schema())
    assert str(roots.record(root, NOTHING)) == MEMBERS[root]


@pytest.mark.parametrize(
    "member", ["caller.name", "credential.subject", "resource.owner", "task.name", "action.kind"]
)
def test_a_request_has_no_other(member: str) -> None:
    told = codes(f'{SCHEMA}forbid a {{ resource order when {member} == "x" because "x" }}')
    assert told == (["PDP307"] if member.startswith(("credential", "task")) else ["PDP406"])


def test_the_actors_are_the_earlier_ones_and_depth_is_their_number() -> None:
    delegated = changed(caller={"on_behalf_of": "alice", "actors": ["gateway", "planner"]})
    assert value("caller.depth", delegated) == 2
    assert value('caller.on_behalf_of ?? "-"', delegated) == "alice"
    assert value('"planner" in caller.actors', delegated) is True


@pytest.mark.parametrize(
    ("asserted", "task", "standing"),
    [
        ({"binding": "mtls"}, None, False),
        ({"binding": "mtls", "lifetime": "30d"}, None, False),
        ({"binding": "none"}, None, True),
        ({"binding": "none", "age": "4m"}, TASK, False),
        ({"binding": "none", "age": "3m"}, TASK, False),
        ({"binding": "none", "age": "179s"}, TASK, True),
        ({"binding": "none"}, {**TASK, "expires": "2026-11-24T11:00:00Z"}, False),
        ({"binding": "none", "lifetime": "15m"}, {**TASK, "expires": "2026-11-24T11:00:00Z"}, False),
        ({"binding": "none", "lifetime": "15m1s"}, {**TASK, "expires": "2026-11-24T11:00:00Z"}, True),
        ({"binding": "none"}, {**TASK, "expires": "2026-11-24T10:00:00Z"}, True),
    ],
)
def test_a_credential_is_standing_when_unbound_it_can_outlive_its_work(
    asserted: dict[str, Any], task: Any, standing: bool
) -> None:
    assert value("credential.standing", changed(credential=credential(**asserted), task=task)) is standing


@pytest.mark.parametrize(("limit", "standing"), [("1m", True), ("5m", False), ("4m59s", True)])
def test_how_long_an_unbound_credential_may_live_can_be_set(limit: str, standing: bool) -> None:
    task = {**TASK, "expires": "2026-11-24T11:00:00Z"}
    asked = Request.parse(changed(credential=credential(binding="none"), task=task))
    facts = asserted(PROGRAM, asked, now=NOW, standing_after=duration(limit))
    assert facts.credential["standing"] is standing


def test_without_a_credential_it_is_neither_bound_nor_verified_and_its_sets_are_empty() -> None:
    bare = changed(credential=None)
    assert value('credential.form == "none" and credential.binding == "none"', bare) is True
    assert value("credential.bound or credential.verified", bare) is False
    assert value("credential.audiences == [] and credential.scopes == []", bare) is True


@pytest.mark.parametrize("member", ["age", "lifetime", "remaining", "uses", "sources", "standing"])
def test_reading_what_a_credential_that_is_not_there_would_have_is_a_failure(member: str) -> None:
    assert value(f"credential.{member}", changed(credential=None)) == "fails: absent"


def test_an_anonymous_caller_has_an_empty_id_and_no_groups() -> None:
    nobody = changed(caller=None)
    assert value('caller.kind == "anonymous" and caller.id == "" and caller.groups == []', nobody) is True


def test_a_request_without_a_resource_has_an_empty_type_and_id() -> None:
    bare = changed(resource=None)
    assert value('resource.type == "" and resource.id == ""', bare) is True


def test_without_a_task_it_is_not_active_and_its_other_members_are_absent() -> None:
    bare = changed(task=None)
    assert value("task.active", bare) is False
    assert value("has task or has task.owner or has task.expires", bare) is False
    assert value('task.active and task.owner == "alice"', bare) is False
    assert codes('forbid a { when task.owner == "alice" because "x" }') == ["PDP305"]
    for guard in ("has task and", "task.active and"):
        assert codes(f'forbid a {{ when {guard} task.owner == "alice" because "x" }}') == []


def test_a_task_that_has_ended_is_not_active_and_has_its_members() -> None:
    ended = changed(task={**TASK, "expires": "2026-11-24T10:00:00Z"})
    assert value('not task.active and (task.owner ?? "-") == "alice"', ended) is True


def test_an_attribute_that_no_schema_declares_is_ignored() -> None:
    more = changed(resource={"weight": "?"}, context={"colour": None}, caller={"shoes": []})
    assert facts_of(PROGRAM, more) == facts_of(PROGRAM, REQUEST)


OVERLAPPING = """schema {
  action "entry.*"  { all_entries: int }
  action "*.create" { all_new: int }
  action "*.c*"     { all_that_begin_so: int }
  action "other"    { no_entry: int }
}"""
ATTRIBUTES = ("all_entries", "all_new", "all_that_begin_so", "no_entry")


@pytest.mark.parametrize(
    "action", ["entry.create", "entry.close", "entry.x", "other.create", "other", "none"]
)
def test_an_action_has_what_each_declaration_declares_that_matches_its_name(action: str) -> None:
    """What a rule may read without a guard is what is taken from a request."""
    given = {"name": action, **dict.fromkeys(ATTRIBUTES, 1)}
    program = compile(checked(OVERLAPPING))
    found = facts_of(program, changed(action=given, resource=None, context=None, caller=None)).action
    for attribute in ATTRIBUTES:
        reads = f'when action.{attribute} == 1 because "x" }}'
        by_head = codes(f'{OVERLAPPING} forbid it {{ action "{action}" {reads}')
        by_name = codes(f'{OVERLAPPING} forbid it {{ when action.name == "{action}" {reads}')
        assert by_head == by_name == ([] if attribute in found else ["PDP406"])


def test_two_tests_of_the_name_of_an_action_tell_what_is_declared_for_both() -> None:
    text = f"""{OVERLAPPING} forbid it {{
      action  "entry.*"
      when    action.name like "*.create"
      when    action.all_entries + action.all_new + action.all_that_begin_so == 3
      because "x"
    }}"""
    given = {"name": "entry.create", **dict.fromkeys(ATTRIBUTES, 1)}
    assert decided(text, changed(action=given, resource=None, context=None, caller=None)).rules == ("m.it",)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"resource": {"amount": "7"}}, "/resource/amount"),
        ({"context": {"source_ip": "here"}}, "/context/source_ip"),
        ({"caller": {"team": 1}}, "/caller/team"),
        ({"action": {"name": "order.create", "dry_run": "no"}}, "/action/dry_run"),
        ({"resource": {"ticket": None}}, "/resource/ticket"),
        ({"credential": credential(age="soon")}, "/credential/asserted/age"),
    ],
)
def test_a_value_of_another_type_makes_the_request_invalid(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(RequestError) as caught:
        facts_of(PROGRAM, changed(**changes))
    assert caught.value.pointer == pointer


def test_a_declared_attribute_that_is_absent_is_a_failure_when_it_is_read_and_only_then() -> None:
    rules = f"""{SCHEMA}
    forbid reads    {{ resource order when resource.price > 1 because "x" }}
    forbid spared   {{ resource order when resource.amount > 8 and resource.price > 1 because "x" }}
    """
    resource = {name: value for name, value in REQUEST["resource"].items() if name != "price"}
    made = decided(rules, {**REQUEST, "resource": resource})
    assert made.rules == ("m.reads",)
    assert [(failure.rule, failure.kind) for failure in made.failures] == [("m.reads", "absent")]


def test_what_contradicts_evidence_is_refused() -> None:
    with pytest.raises(RequestError, match="trust domain"):
        facts_of(PROGRAM, changed(caller={"trust_domain": "other.example"}))
