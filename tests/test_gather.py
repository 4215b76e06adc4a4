"""From a request, or the clauses of a test, to facts: what is taken over, what follows, what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from pdp.access.request import Request, RequestError
from pdp.access.values import parse_ip
from pdp.gather import ANONYMOUS, NO_CREDENTIAL, NO_TASK, asserted, known_task, stated, table_of
from pdp.language.source import Span
from pdp.rules.rules import Case, Expectation
from pdp.schema.schema import Schema
from pdp.schema.types import BOOL, INT, IP, STRING, SetOf, optional, record

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SCHEMA = Schema(
    caller=record(team=optional(STRING)),
    actions={
        "entry.*": record(dry_run=optional(BOOL)),
        "*": record(note=STRING, dry_run=optional(STRING)),
    },
    resources={"entry": record(amount=INT, labels=SetOf(STRING)), "file": record(size=INT)},
    context=record(source_ip=IP),
)
OPEN = replace(SCHEMA, strict=False)
API = "spiffe://prod.example/ns/payments/sa/api"


def asked(**members):
    return Request.parse({"audience": "ledger", "action": "entry.create", **members})


def facts(schema=SCHEMA, *, tasks=None, now=NOW, standing_after=timedelta(minutes=15), **members):
    return asserted(schema, asked(**members), now=now, tasks=tasks, standing_after=standing_after)


def refusal(call, *arguments, **members):
    with pytest.raises(RequestError) as caught:
        call(*arguments, **members)
    return caught.value.pointer, caught.value.detail


# The caller


@pytest.mark.parametrize(
    ("caller", "known"),
    [
        (None, ANONYMOUS),
        ({"kind": "anonymous"}, ANONYMOUS),
        ({"kind": "anonymous", "id": "", "groups": [], "depth": 0}, ANONYMOUS),
        (
            {"kind": "anonymous", "team": "blue"},
            {**ANONYMOUS, "team": "blue"},
        ),
        (
            {"kind": "human", "id": "alice", "groups": ["b", "a"], "issuer": "https://idp.example"},
            {
                "kind": "human",
                "id": "alice",
                "groups": frozenset("ab"),
                "issuer": "https://idp.example",
                "actors": frozenset(),
                "depth": 0,
            },
        ),
        (
            {"kind": "workload", "id": API, "trust_domain": "prod.example", "other": None},
            {
                "kind": "workload",
                "id": API,
                "trust_domain": "prod.example",
                "groups": frozenset(),
                "actors": frozenset(),
                "depth": 0,
            },
        ),
    ],
)
def test_a_caller_has_what_is_said_and_what_follows(caller, known):
    assert facts(caller=caller).caller == known


@pytest.mark.parametrize(
    ("name", "domain"),
    [(API, "prod.example"), ("spiffe://a", "a"), ("alice", None), ("https://prod.example/x", None)],
)
def test_the_trust_domain_follows_from_a_spiffe_id(name, domain):
    assert facts(caller={"kind": "agent", "id": name}).caller.get("trust_domain") == domain


@pytest.mark.parametrize(
    ("chain", "depth"),
    [
        ({}, 0),
        ({"actors": ["a", "b"]}, 2),
        ({"actors": ["a", "a", "b"]}, 3),
        ({"actors": ["a", "a", "b"], "depth": 2}, 2),
        ({"depth": 3}, 3),
    ],
)
def test_the_depth_is_the_length_of_the_chain_unless_said(chain, depth):
    caller = facts(caller={"kind": "agent", "id": "bot", **chain}).caller
    assert (caller["depth"], caller["actors"]) == (depth, frozenset(chain.get("actors", ())))


@pytest.mark.parametrize(
    ("caller", "pointer", "detail"),
    [
        ({}, "/caller/kind", "is missing"),
        ({"id": "alice"}, "/caller/kind", "is missing"),
        ({"kind": "robot"}, "/caller/kind", 'must be one of "workload", "human", "agent", "anonymous"'),
        ({"kind": "human"}, "/caller/id", "is missing"),
        ({"kind": "human", "id": ""}, "/caller/id", "must not be empty"),
        ({"kind": "human", "id": None}, "/caller/id", "must be a string"),
        ({"kind": "human", "id": "a", "groups": "admins"}, "/caller/groups", "must be an array"),
        ({"kind": "human", "id": "a", "groups": [None]}, "/caller/groups/0", "must be a string"),
        ({"kind": "human", "id": "a", "team": 7}, "/caller/team", "must be a string"),
        ({"kind": "anonymous", "id": "alice"}, "/caller/id", "an anonymous caller has none"),
        ({"kind": "anonymous", "groups": ["a"]}, "/caller/groups", "an anonymous caller has none"),
        ({"kind": "anonymous", "depth": 1}, "/caller/depth", "an anonymous caller has none"),
        ({"kind": "anonymous", "issuer": "i"}, "/caller/issuer", "an anonymous caller has none"),
        (
            {"kind": "agent", "id": "a", "actors": ["b", "c"], "depth": 1},
            "/caller/depth",
            "is less than the number of actors",
        ),
        ({"kind": "agent", "id": "a", "depth": -1}, "/caller/depth", "is less than the number of actors"),
        (
            {"kind": "workload", "id": API, "trust_domain": "other.example"},
            "/caller/trust_domain",
            "is not the trust domain of the caller's id",
        ),
    ],
)
def test_a_caller_that_cannot_be_is_refused(caller, pointer, detail):
    assert refusal(facts, caller=caller) == (pointer, detail)


@pytest.mark.parametrize(
    "name", ["spiffe://", "spiffe://UPPER/x", "spiffe://a//b", "spiffe://a/../b", "spiffe://a/b/"]
)
def test_a_spiffe_id_that_is_none_is_refused(name):
    pointer, detail = refusal(facts, caller={"kind": "workload", "id": name})
    assert pointer == "/caller/id"
    assert detail


# The credential


def credential(**changes):
    return {"asserted": {"age": "1m", "lifetime": "5m", **changes}}


def test_what_was_presented_is_not_taken_for_verified():
    presented = asked(credential={"token": "ey…", "scheme": "Bearer"})
    assert refusal(asserted, SCHEMA, presented, now=NOW) == (
        "/credential",
        "was presented, and is not verified here",
    )


def test_without_a_credential_its_times_are_absent():
    assert facts().credential == NO_CREDENTIAL
    assert not NO_CREDENTIAL.keys() & {"age", "lifetime", "remaining", "uses", "sources", "standing"}


def test_an_asserted_credential_has_what_is_said_and_what_follows():
    whole = credential(binding="dpop", issuer="i", id="j", audiences=["ledger"], scopes=["read", "write"])
    assert facts(credential=whole).credential == {
        "form": "asserted", "binding": "dpop", "bound": True, "verified": False, "issuer": "i", "id": "j",
        "audiences": frozenset({"ledger"}), "scopes": frozenset({"read", "write"}),
        "age": MINUTE, "lifetime": 5 * MINUTE, "remaining": 4 * MINUTE, "uses": 0, "sources": 1,
        "standing": False,
    }  # fmt: skip
    assert facts(credential=credential()).credential == {
        "form": "asserted", "binding": "none", "bound": False, "verified": False,
        "audiences": frozenset(), "scopes": frozenset(),
        "age": MINUTE, "lifetime": 5 * MINUTE, "remaining": 4 * MINUTE, "uses": 0, "sources": 1,
        "standing": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("binding", "bound"), [("none", False), ("dpop", True), ("mtls", True), ("wimse", True)]
)
def test_a_credential_is_bound_by_any_binding(binding, bound):
    assert facts(credential=credential(binding=binding)).credential["bound"] is bound


@pytest.mark.parametrize(
    ("age", "remaining"), [("0s", 5 * MINUTE), ("5m", timedelta(0)), (301, -timedelta(seconds=1))]
)
def test_what_remains_is_the_lifetime_without_the_age(age, remaining):
    assert facts(credential=credential(age=age)).credential["remaining"] == remaining


def task_of(minutes, **changes):
    return {"id": "t-1", "expires": f"2026-11-24T10:{minutes:02}:00Z", **changes}


@pytest.mark.parametrize(
    ("about", "asserting", "task", "standing"),
    [
        ("bound", {"binding": "mtls", "lifetime": "30d"}, None, False),
        ("no task", {}, None, True),
        ("ends with its task", {}, task_of(4), False),
        ("outlives its task", {}, task_of(3), True),
        ("its task has ended", {}, {"id": "t-1", "expires": "2026-11-24T10:00:00Z"}, True),
        ("its task has not begun", {}, task_of(30, started="2026-11-24T10:01:00Z"), True),
        ("its task is used up", {}, task_of(30, uses_left=0), True),
        ("its task has uses left", {}, task_of(30, uses_left=1), False),
        ("lives as long as may be", {"lifetime": "15m"}, task_of(30), False),
        ("lives longer", {"lifetime": "15m1ms"}, task_of(30), True),
        ("has passed", {"age": "6m"}, task_of(1), False),
        ("can outlive the calendar", {"lifetime": "3000000d"}, task_of(30), True),
    ],
)
def test_a_credential_is_standing_when_it_can_outlive_its_work(about, asserting, task, standing):
    assert facts(credential=credential(**asserting), task=task).credential["standing"] is standing, about


def test_how_long_a_credential_may_live_can_be_set():
    limit = timedelta(minutes=4)
    assert (
        facts(credential=credential(), task=task_of(30), standing_after=limit).credential["standing"] is True
    )


@pytest.mark.parametrize(
    ("changes", "member", "detail"),
    [
        ({"age": "-1s"}, "age", 'must be a duration such as "1h30m", or seconds as a number'),
        ({"age": -1}, "age", "must not be negative"),
        ({"lifetime": -0.001}, "lifetime", "must not be negative"),
        ({"binding": "tls"}, "binding", 'must be one of "none", "dpop", "mtls", "wimse"'),
        ({"scopes": "read"}, "scopes", "must be an array"),
        ({"issuer": None}, "issuer", "must be a string"),
    ],
)
def test_a_credential_that_cannot_be_is_refused(changes, member, detail):
    assert refusal(facts, credential=credential(**changes)) == (f"/credential/asserted/{member}", detail)


# The task


def test_without_a_task_it_is_not_active_and_nothing_else():
    assert facts().task == NO_TASK == {"active": False}


def test_a_task_has_what_is_said_and_whether_it_is_active():
    whole = task_of(
        30, owner="alice", purpose="restock", actions=["a"], audiences=["b"], started=0, uses_left=2
    )
    assert facts(task=whole).task == {
        "id": "t-1", "owner": "alice", "purpose": "restock", "active": True, "actions": frozenset("a"),
        "audiences": frozenset("b"), "uses_left": 2,
        "started": datetime(1970, 1, 1, tzinfo=UTC), "expires": NOW + 30 * MINUTE,
    }  # fmt: skip
    assert facts(task=task_of(1)).task == {
        "id": "t-1", "active": True, "expires": NOW + MINUTE,
        "actions": frozenset(), "audiences": frozenset(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "active"),
    [
        ({}, True),
        ({"expires": "2026-11-24T10:00:00Z"}, False),
        ({"expires": "2026-11-24T10:00:00.000001Z"}, True),
        ({"started": "2026-11-24T10:00:00Z"}, True),
        ({"started": "2026-11-24T10:00:00.000001Z"}, False),
        ({"uses_left": 1}, True),
        ({"uses_left": 0}, False),
        ({"uses_left": -1}, False),
    ],
)
def test_a_task_is_active_from_its_start_to_its_end_while_it_has_uses_left(changes, active):
    assert facts(task=task_of(30, **changes)).task["active"] is active


@pytest.mark.parametrize(
    ("task", "pointer", "detail"),
    [
        ({"expires": 0}, "/task/id", "is missing"),
        ({"id": "t-1"}, "/task/expires", "is missing"),
        ({"id": 1, "expires": 0}, "/task/id", "must be a string"),
        (task_of(1, actions=[1]), "/task/actions/0", "must be a string"),
        (task_of(1, uses_left=1.5), "/task/uses_left", "must be an integer"),
        ("t-9", "/task", "no task with this id is known"),
    ],
)
def test_a_task_that_cannot_be_is_refused(task, pointer, detail):
    assert refusal(facts, task=task) == (pointer, detail)


def test_a_task_may_be_known_by_its_id():
    tasks = {"t-1": {"expires": NOW + MINUTE, "actions": ["a"]}}
    assert facts(task="t-1", tasks=tasks).task == facts(task=task_of(1, actions=["a"])).task
    assert facts(task="t-1", tasks=tasks, now=NOW + MINUTE).task["active"] is False
    assert known_task({"id": "t-1", "expires": 0}).get("active") is None


# Action, resource, context


def test_attributes_are_taken_by_their_declared_type_and_others_ignored():
    made = facts(
        action={"name": "entry.create", "dry_run": "no", "note": "n", "other": [None]},
        resource={"type": "entry", "id": "e-1", "amount": 1, "labels": ["b", "a"], "size": "?", "x": {}},
        context={"source_ip": "10.1.2.3", "unknown": None},
    )
    assert made.action == {"name": "entry.create", "dry_run": "no", "note": "n"}
    assert made.resource == {"type": "entry", "id": "e-1", "amount": 1, "labels": frozenset("ab")}
    assert made.context == {"source_ip": parse_ip("10.1.2.3")}
    assert (made.audience, made.now) == ("ledger", NOW)


def test_without_them_there_are_names_alone():
    made = facts()
    assert (made.action, made.resource, made.context) == (
        {"name": "entry.create"},
        {"type": "", "id": ""},
        {},
    )


def test_a_type_of_resource_that_no_schema_declares_has_no_attributes():
    assert facts(resource={"type": "other", "amount": 1}).resource == {"type": "other", "id": ""}


def test_the_time_is_held_in_utc():
    here = NOW.astimezone(timezone(timedelta(hours=2)))
    made = facts(now=here, task=task_of(1))
    assert (made.now, made.now.tzinfo, made.task["active"]) == (NOW, UTC, True)


@pytest.mark.parametrize(
    ("members", "pointer", "detail"),
    [
        ({"resource": {"type": "entry", "amount": "1"}}, "/resource/amount", "must be an integer"),
        ({"resource": {"type": "entry", "labels": ["a", {}]}}, "/resource/labels/1", "must be a string"),
        ({"context": {"source_ip": "here"}}, "/context/source_ip", "must be an IP address or network"),
        ({"action": {"name": "read", "note": 1}}, "/action/note", "must be a string"),
        # Of two declarations that a name fits, the first by its spelling holds: `*` comes before `entry.*`.
        ({"action": {"name": "entry.read", "dry_run": True}}, "/action/dry_run", "must be a string"),
    ],
)
def test_an_attribute_of_another_type_is_refused_where_it_stands(members, pointer, detail):
    assert refusal(facts, **members) == (pointer, detail)


def test_how_many_members_a_set_holds_can_be_set_for_every_part():
    table = table_of(SCHEMA, set_members=2)
    assert table_of(SCHEMA, set_members=2) is table
    assert table_of(SCHEMA) is not table
    parts = [
        table.caller["groups"],
        table.credential["scopes"],
        table.task["actions"],
        table.resources["entry"]["labels"],
    ]
    for convert in parts:
        with pytest.raises(Exception, match="more than 2 members"):
            convert(["a", "b", "c"])


def test_tables_and_what_they_remember_of_names_are_bounded():
    table = table_of(SCHEMA)
    for number in range(5_000):
        assert "note" in table.action(f"name-{number}")
    assert len(table.seen) <= 4_096
    tables = [table_of(Schema()) for _ in range(20)]
    assert len({id(made) for made in tables}) == 20


# Policies that are not strict


def test_what_no_schema_declares_is_taken_where_policies_are_not_strict():
    made = facts(
        OPEN,
        caller={"kind": "human", "id": "alice", "shoe": 42},
        action={"name": "entry.read", "why": "w", "note": "n"},
        resource={"type": "other", "x": {"y": ["a"]}},
        context={"source_ip": "::1", "flag": True},
    )
    assert made.caller["shoe"] == 42
    assert made.action == {"name": "entry.read", "why": "w", "note": "n"}
    assert made.resource == {"type": "other", "id": "", "x": {"y": frozenset("a")}}
    assert made.context == {"source_ip": parse_ip("::1"), "flag": True}


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"context": {"flag": None}}, "/context/flag"),
        ({"context": {"source_ip": "here"}}, "/context/source_ip"),
        ({"resource": {"type": "entry", "x": [[]]}}, "/resource/x/0"),
        ({"action": {"name": "other", "x": [1, "a"]}}, "/action/x"),
    ],
)
def test_what_is_no_value_is_refused_though_policies_are_not_strict(members, pointer):
    assert refusal(facts, OPEN, **members)[0] == pointer


# The clauses of a test


def stating(**changes):
    whole = Case(
        module="m",
        label="t",
        row=0,
        caller={"kind": "anonymous"},
        credential=None,
        audience="ledger",
        action={"name": "entry.create"},
        resource={},
        task=None,
        context={},
        now=NOW,
        expect=Expectation("deny", None, None, ()),
        span=Span("m.policy", 0, 0),
    )
    return stated(SCHEMA, replace(whole, **changes))


def test_what_a_test_leaves_out_is_nothing():
    assert stating() == facts()


def test_a_test_states_what_a_request_asserts():
    caller = {"kind": "workload", "id": API, "actors": ("a", "a")}
    assert stating(
        caller=caller,
        action={"name": "entry.create", "note": "n"},
        resource={"type": "entry", "id": "e-1", "amount": 1, "labels": frozenset("a")},
        context={"source_ip": parse_ip("10.1.2.3")},
        task={"actions": ("entry.create",), "expires_in": 2 * MINUTE, "id": "t-1"},
    ) == facts(
        caller={**caller, "actors": ["a", "a"]},
        action={"name": "entry.create", "note": "n"},
        resource={"type": "entry", "id": "e-1", "amount": 1, "labels": ["a"]},
        context={"source_ip": "10.1.2.3"},
        task=task_of(2, actions=["entry.create"]),
    )


def test_a_test_states_evidence_directly():
    known = stating(
        credential={"age": MINUTE, "lifetime": "5m"}, task={"expires": NOW + 4 * MINUTE}
    ).credential
    assert known == {
        "form": "jwt", "binding": "none", "bound": False, "verified": True,
        "audiences": frozenset(), "scopes": frozenset(),
        "age": MINUTE, "lifetime": 5 * MINUTE, "remaining": 4 * MINUTE, "uses": 0, "sources": 1,
        "standing": False,
    }  # fmt: skip
    more = {
        "age": 0,
        "lifetime": 0,
        "form": "task_token",
        "binding": "wimse",
        "verified": False,
        "uses": 3,
        "sources": 2,
    }
    known = stating(credential=more).credential
    assert {name: known[name] for name in ("form", "bound", "verified", "uses", "sources", "standing")} == {
        "form": "task_token", "bound": True, "verified": False, "uses": 3, "sources": 2, "standing": False,
    }  # fmt: skip


def test_a_test_may_say_how_long_a_task_has_or_when_it_ends():
    assert stating(task={"expires_in": "2m"}).task == stating(task={"expires": NOW + 2 * MINUTE}).task
    assert stating(task={"expires_in": timedelta(0)}).task["active"] is False


@pytest.mark.parametrize(
    ("clauses", "pointer", "detail"),
    [
        ({"credential": {"age": MINUTE}}, "/credential/lifetime", "is missing"),
        ({"credential": {"lifetime": MINUTE}}, "/credential/age", "is missing"),
        ({"credential": {"bound": True}}, "/credential/bound", "follows from the others"),
        ({"credential": {"standing": True}}, "/credential/standing", "follows from the others"),
        ({"credential": {"remaining": MINUTE}}, "/credential/remaining", "follows from the others"),
        ({"credential": {"token": "x"}}, "/credential/token", "is no member of a credential"),
        (
            {"credential": {"age": "x", "lifetime": MINUTE}},
            "/credential/age",
            'must be a duration such as "1h30m", or seconds as a number',
        ),
        ({"credential": {"age": -MINUTE, "lifetime": MINUTE}}, "/credential/age", "must not be negative"),
        ({"task": {}}, "/task/expires", "is missing"),
        (
            {"task": {"expires_in": "soon"}},
            "/task/expires_in",
            'must be a duration such as "1h30m", or seconds as a number',
        ),
        (
            {"task": {"expires_in": MINUTE, "expires": NOW}},
            "/task/expires_in",
            "stands beside `expires`: one of the two is enough",
        ),
        ({"task": {"expires_in": timedelta.max}}, "/task/expires_in", "ends after the calendar does"),
        ({"task": {"active": True, "expires": NOW}}, "/task/active", "cannot be stated of a task"),
        ({"task": {"name": "x", "expires": NOW}}, "/task/name", "cannot be stated of a task"),
        ({"caller": {"kind": "human"}}, "/caller/id", "is missing"),
        ({"context": {"source_ip": "here"}}, "/context/source_ip", "must be an IP address or network"),
        ({"resource": {"type": "entry", "amount": "x"}}, "/resource/amount", "must be an integer"),
        ({"action": {"name": "read", "note": 1}}, "/action/note", "must be a string"),
    ],
)
def test_what_a_test_cannot_state_is_refused(clauses, pointer, detail):
    assert refusal(stating, **clauses) == (pointer, detail)
