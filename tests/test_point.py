"""From bytes to bytes: who may say what, what is refused before any rule, what is recorded."""

from __future__ import annotations

import json
import logging
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pdp.point
from pdp.access.request import Request, RequestError
from pdp.evidence.refusals import REFUSALS
from pdp.language.source import Source
from pdp.load import check_sources, compile
from pdp.point import OPERATOR, UNIX, DecisionPoint
from pdp.settings import EnforcementPoint, Limits, Settings, Standing, Task

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
POLICY = """
schema {
  resource ledger_entry { amount: int, currency: string, labels: set<string> }
  context  { source_ip: ip }
}
permit write_entry {
  caller   workload "spiffe://prod.example/ns/payments/sa/api"
  audience "ledger"
  action   "entry.create"
  resource ledger_entry
  when     credential.bound and credential.age <= 5m
  when     task.active and action.name in task.actions
  require  log { level: "high", amount: resource.amount }
  because  "Payments services write entries while their task runs"
}
permit read_anything {
  caller   anonymous
  audience "shop"
  action   "item.read"
  because  "Everybody may look"
}
"""
REQUEST = {
    "caller": {"id": "spiffe://prod.example/ns/payments/sa/api", "kind": "workload", "groups": []},
    "credential": {"asserted": {"binding": "mtls", "age": "1m", "lifetime": "5m", "audiences": ["ledger"]}},
    "audience": "ledger",
    "action": "entry.create",
    "resource": {"type": "ledger_entry", "id": "e-1", "amount": 10, "currency": "EUR", "labels": []},
    "task": "t-1",
    "context": {"source_ip": "10.1.2.3"},
}
SETTINGS = Settings(
    enforcement_point=(
        EnforcementPoint(
            name="gateway", addresses=("10.0.0.1", "::1"), may_assert=("caller", "credential", "task")
        ),
        EnforcementPoint(name="net", addresses=("10.0.0.0/8",), may_assert=("caller",)),
        EnforcementPoint(
            name="shop-front", addresses=("192.0.2.7",), may_assert=("caller",), audiences=("shop",)
        ),
        EnforcementPoint(name="sidecar", unix=True, may_assert=("credential", "task")),
    ),
    task=(Task(id="t-1", actions=("entry.create",), expires=datetime(2027, 1, 1, tzinfo=UTC)),),
)


def program_of(text=POLICY):
    checked = check_sources([Source("payments.policy", "payments", text)], today=NOW, lower={"PDP405": "off"})
    return compile(checked)


PROGRAM = program_of()


def point_of(settings=SETTINGS, **options):
    return DecisionPoint(PROGRAM, settings, clock=lambda: NOW, **options)


def asked(point=None, peer="10.0.0.1", **changes):
    return json.loads((point or point_of()).answer(json.dumps({**REQUEST, **changes}).encode(), peer))


def refusal(**changes):
    with pytest.raises(RequestError) as caught:
        asked(**changes)
    return caught.value.pointer


def test_a_request_gets_its_decision_with_its_reasons():
    answer = asked()
    assert uuid.UUID(answer.pop("id")).version == 7
    assert answer == {
        "decision": "allow",
        "rules": ["payments.write_entry"],
        "code": None,
        "reasons": [
            {
                "rule": "payments.write_entry",
                "because": "Payments services write entries while their task runs",
            }
        ],
        "obligations": [
            {"name": "log", "rule": "payments.write_entry", "values": {"level": "high", "amount": 10}}
        ],
        "advice": [],
        "failures": [],
        "policy": PROGRAM.digest,
        "valid_for": 0,
    }


def test_without_a_rule_for_it_a_request_is_denied():
    answer = asked(action="entry.delete")
    assert (answer["decision"], answer["code"], answer["rules"]) == ("deny", "no_rule", [])


# Who may say what


CALLER = {"kind": "human", "id": "alice"}
CREDENTIAL = {"asserted": {"age": 1, "lifetime": 2}}
NOBODY = "not_enforcement_point"
NOT_HIS = "assertion_not_allowed"


@pytest.mark.parametrize(
    ("peer", "asserting", "code"),
    [
        ("198.51.100.1", {}, "no_rule"),
        ("198.51.100.1", {"caller": CALLER}, NOBODY),
        ("198.51.100.1", {"credential": CREDENTIAL}, NOBODY),
        ("198.51.100.1", {"task": "t-1"}, NOBODY),
        ("", {"caller": CALLER}, NOBODY),
        ("fe80::1%eth0", {"caller": CALLER}, NOBODY),
        ("unheard of", {"caller": CALLER}, NOBODY),
        ("10.0.0.1", {"caller": CALLER, "credential": CREDENTIAL, "task": "t-1"}, "no_rule"),
        ("::ffff:10.0.0.1", {"caller": CALLER, "credential": CREDENTIAL, "task": "t-1"}, "no_rule"),
        ("::1", {"caller": CALLER, "credential": CREDENTIAL, "task": "t-1"}, "no_rule"),
        ("10.9.9.9", {"caller": CALLER}, "no_rule"),
        ("10.9.9.9", {"credential": CREDENTIAL}, NOT_HIS),
        ("10.9.9.9", {"task": "t-1"}, NOT_HIS),
        (UNIX, {"credential": CREDENTIAL, "task": "t-1"}, "no_rule"),
        (UNIX, {"caller": CALLER}, NOT_HIS),
        ("192.0.2.7", {"caller": CALLER}, "audience_not_allowed"),
        ("192.0.2.7", {}, "audience_not_allowed"),
        (OPERATOR, {"caller": CALLER, "credential": CREDENTIAL, "task": "t-1"}, "no_rule"),
    ],
)
def test_only_an_enforcement_point_may_assert_and_only_what_it_may(peer, asserting, code):
    answer = asked(peer=peer, **{"caller": None, "credential": None, "task": None, **asserting})
    assert (answer["decision"], answer["code"]) == ("deny", code)


def test_who_asserts_nothing_needs_no_name():
    anonymous = {"caller": None, "credential": None, "task": None, "resource": None}
    for peer in ("198.51.100.1", "192.0.2.7", "10.0.0.1"):
        assert asked(peer=peer, audience="shop", action="item.read", **anonymous)["decision"] == "allow"


def test_an_enforcement_point_is_told_by_the_first_that_fits():
    names = {}
    for peer in ("10.0.0.1", "10.0.0.2", "192.0.2.7", UNIX, "198.51.100.1", OPERATOR):
        names[str(peer)] = point_of().evaluate(Request.parse(REQUEST), peer).peer
    assert [*names.values()] == ["gateway", "net", "shop-front", "sidecar", "", "operator"]


def test_a_peer_is_known_however_many_came_before():
    point = point_of()
    for number in range(10_000):
        point.evaluate(Request.parse(REQUEST), f"203.0.{number >> 8}.{number & 255}")
    assert asked(point)["decision"] == "allow"
    assert asked(point, "203.0.113.1")["code"] == NOBODY
    assert len(point._peers) <= 4_096


# What is refused


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ("t-1", None),
        ("t-2", "task_unknown"),
        ("", "task_unknown"),
        ({"id": "t-9", "actions": ["entry.create"], "expires": "2026-11-24T10:01:00Z"}, None),
        ({"id": "t-9", "actions": ["entry.create"], "expires": "2026-11-24T10:00:00Z"}, "no_rule"),
    ],
)
def test_a_task_is_one_that_is_known_or_asserted_whole(task, code):
    assert asked(task=task)["code"] == code


@pytest.mark.parametrize(
    ("age", "code"), [("299s", None), ("5m", "credential_expired"), ("6m", "credential_expired")]
)
def test_a_credential_that_has_expired_is_refused_whatever_the_rules_ask(age, code):
    assert asked(credential={"asserted": {"binding": "mtls", "age": age, "lifetime": "5m"}})["code"] == code


def test_every_refusal_is_in_the_table_of_codes():
    codes = {NOBODY, NOT_HIS, "audience_not_allowed", "task_unknown", "credential_expired", "internal_error"}
    assert codes <= REFUSALS.keys()


def test_a_refusal_names_the_policies_and_no_rule():
    answer = asked(task="t-2")
    assert answer["policy"] == PROGRAM.digest
    assert [answer[name] for name in ("rules", "reasons", "obligations", "advice", "failures")] == [[]] * 5


def test_whatever_goes_wrong_within_is_a_deny_and_in_the_log(monkeypatch, caplog):
    def defect(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(pdp.point, "decide", defect)
    with caplog.at_level(logging.ERROR, "pdp.point"):
        answer = asked()
    assert (answer["decision"], answer["code"]) == ("deny", "internal_error")
    assert "ZeroDivisionError" in caplog.text
    assert "e-1" not in caplog.text


# What is no request


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"audience": ""}, "/audience"),
        ({"caller": {"kind": "human"}}, "/caller/id"),
        ({"resource": {"type": "ledger_entry", "amount": "10"}}, "/resource/amount"),
        ({"context": {"source_ip": 1}}, "/context/source_ip"),
        ({"task": {"id": "t-1"}}, "/task/expires"),
    ],
)
def test_what_does_not_fit_the_schema_is_no_request(changes, pointer):
    assert refusal(**changes) == pointer


def test_limits_come_from_the_settings():
    settings = Settings(limits=Limits(body=500, depth=4, members=8, set_members=2))
    point = DecisionPoint(PROGRAM, settings)
    assert (point.limits.body, point.limits.depth, point.limits.members) == (500, 4, 8)
    assert asked(point, OPERATOR, task=None)["decision"] == "deny"
    assert refusal(point=point, peer=OPERATOR, task=None, context={"a": {"b": {"c": {}}}}) == "/context/a/b/c"
    assert refusal(point=point, peer=OPERATOR, task=None, context=dict.fromkeys("abcdefghi", 1)) == "/context"
    labels = {**REQUEST["resource"], "labels": ["a", "b", "c"]}
    assert refusal(point=point, peer=OPERATOR, task=None, resource=labels) == "/resource/labels"
    groups = {**REQUEST["caller"], "groups": ["a", "b", "c"]}
    assert refusal(point=point, peer=OPERATOR, task=None, caller=groups) == "/caller/groups"
    with pytest.raises(RequestError) as caught:
        point.answer(b" " * 501, OPERATOR)
    assert caught.value.too_large


def test_how_long_a_credential_may_live_comes_from_the_settings():
    request = Request.parse({**REQUEST, "credential": {"asserted": {"age": "1s", "lifetime": "5m"}}})
    for after, standing in ((timedelta(minutes=5), False), (timedelta(minutes=4), True)):
        point = point_of(SETTINGS.model_copy(update={"standing": Standing(after=after)}))
        facts = point.evaluate(request, "10.0.0.1").facts
        assert facts is not None
        assert facts.credential["standing"] is standing


def test_without_settings_nobody_may_assert():
    assert asked(DecisionPoint(PROGRAM))["code"] == NOBODY
    assert asked(DecisionPoint(PROGRAM), UNIX)["code"] == NOBODY


# Time, records, programs


def test_the_time_is_read_once_and_told():
    readings = iter([NOW, NOW + timedelta(1)])
    answer = DecisionPoint(PROGRAM, SETTINGS, clock=lambda: next(readings)).evaluate(
        Request.parse(REQUEST), "::1"
    )
    assert answer.now == NOW
    assert answer.facts is not None
    assert answer.facts.now == NOW
    assert uuid.UUID(answer.id).int >> 80 == int(NOW.timestamp()) * 1_000


def test_a_time_that_is_given_is_the_time():
    point = DecisionPoint(PROGRAM, SETTINGS, clock=lambda: pytest.fail("nobody asked for the time"))
    later = datetime(2027, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    answer = point.evaluate(Request.parse(REQUEST), "::1", now=later)
    assert (answer.now, answer.now.tzinfo) == (later, UTC)
    assert answer.decision.code == "no_rule"
    assert json.loads(point.answer(json.dumps(REQUEST).encode(), "::1", now=NOW))["decision"] == "allow"


def test_every_answer_is_recorded_before_it_leaves_and_what_is_no_request_is_not():
    recorded = []
    point = point_of(record=recorded.append)
    answers = [asked(point), asked(point, task="t-2"), asked(point, action="other")]
    assert refusal(point=point, context={"source_ip": 1}) == "/context/source_ip"
    assert [answer.id for answer in recorded] == [answer["id"] for answer in answers]
    assert [answer.decision.code for answer in recorded] == [None, "task_unknown", "no_rule"]
    assert [answer.peer for answer in recorded] == ["gateway"] * 3
    assert [answer.facts is None for answer in recorded] == [False, True, False]


def test_a_new_program_decides_from_the_next_request_on():
    point = point_of()
    stricter = program_of(POLICY + 'forbid closed { audience "ledger" because "closed" }')
    before = asked(point)
    point.replace(stricter)
    after = asked(point)
    assert point.program is stricter
    assert (before["decision"], before["policy"]) == ("allow", PROGRAM.digest)
    assert (after["decision"], after["policy"], after["rules"]) == (
        "deny",
        stricter.digest,
        ["payments.closed"],
    )
    assert stricter.digest != PROGRAM.digest


def test_a_request_under_way_ends_with_the_program_it_began_with():
    other = program_of(POLICY.replace("amount: int", "amount: string"))
    point = point_of()
    real = point._clock

    def swapping():
        point.replace(other)
        return real()

    point._clock = swapping
    assert asked(point)["policy"] == PROGRAM.digest
    assert point.program is other


@given(
    st.dictionaries(
        st.sampled_from([*REQUEST, "x"]), st.none() | st.text() | st.dictionaries(st.text(), st.text())
    )
)
def test_any_request_gets_the_same_decision_each_time_or_is_none(changes):
    point = point_of()

    def once():
        try:
            answer = asked(point, **changes)
        except RequestError as error:
            return error.pointer, error.detail
        answer.pop("id")
        return answer

    assert once() == once()
