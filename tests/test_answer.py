"""Answers and problems as JSON, and the identities of answers."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.access.decision import Decision, Failure, Obligation, Reason
from pdp.access.facts import Facts
from pdp.access.request import Request, RequestError
from pdp.access.values import parse_ip
from pdp.answer import (
    Answer,
    Encoder,
    encode_json,
    facts_record,
    identities,
    plain,
    problem,
    problem_document,
)

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
REQUEST = Request("ledger", "entry.create", {}, "", "", {}, None, None, None, {})
ALLOW = Decision(
    "allow", None, ("m.a", "m.b"), (Reason("m.a", "so"), Reason("m.b", "")), (), (), (), "sha256:00"
)


def answered(decision, id="01"):
    return Answer(id, NOW, "gateway", REQUEST, None, decision)


def test_an_answer_has_its_members_in_the_documented_order():
    full = Decision(
        "deny",
        "forbidden",
        ("m.f",),
        (Reason("m.f", 'nobody "does" this\n'),),
        (Obligation("log", "m.f", {"level": "high", "age": timedelta(minutes=90)}),),
        (Obligation("tell", "m.f", {}),),
        (Failure("m.f", "absent", "risk"),),
        "sha256:00",
    )
    assert json.loads(Encoder().encode(answered(full)), object_pairs_hook=list) == [
        ("decision", "deny"),
        ("id", "01"),
        ("rules", ["m.f"]),
        ("code", "forbidden"),
        ("reasons", [[("rule", "m.f"), ("because", 'nobody "does" this\n')]]),
        (
            "obligations",
            [[("name", "log"), ("rule", "m.f"), ("values", [("level", "high"), ("age", "1h30m")])]],
        ),
        ("advice", [[("name", "tell"), ("rule", "m.f"), ("values", [])]]),
        ("failures", [[("rule", "m.f"), ("kind", "absent"), ("what", "risk")]]),
        ("policy", "sha256:00"),
        ("valid_for", 0),
    ]


def test_an_answer_without_duties_and_failures_has_empty_lists():
    assert Encoder().encode(answered(ALLOW)) == (
        b'{"decision":"allow","id":"01","rules":["m.a","m.b"],"code":null,'
        b'"reasons":[{"rule":"m.a","because":"so"},{"rule":"m.b","because":""}],'
        b'"obligations":[],"advice":[],"failures":[],"policy":"sha256:00","valid_for":0}'
    )


@st.composite
def decisions(draw):
    """Decisions that have much in common, as those of one policy set have."""
    code = draw(st.sampled_from([None, "forbidden", "no_rule"]))
    duties = st.builds(
        Obligation, st.just("log"), st.just("m.a"), st.dictionaries(st.text(), st.text(), max_size=2)
    )
    return Decision(
        "deny" if code else "allow",
        code,
        draw(st.sampled_from([(), ("m.a",), ("m.a", "m.b"), ("m.ab",)])),
        (),
        tuple(draw(st.lists(duties, max_size=2))),
        tuple(draw(st.lists(duties, max_size=1))),
        tuple(draw(st.lists(st.builds(Failure, st.just("m.b"), st.just("type"), st.text()), max_size=1))),
        draw(st.sampled_from(["sha256:00", "sha256:01"])),
    )


@given(st.lists(decisions(), max_size=6))
def test_what_was_answered_before_does_not_show(made):
    encoder = Encoder()
    for decision in made:
        assert encoder.encode(answered(decision)) == Encoder().encode(answered(decision))


def test_many_combinations_of_rules_are_answered_right_too():
    encoder = Encoder()
    for number in range(5_000):
        decision = Decision("allow", None, (f"m.r{number}",), (), (), (), (), "sha256:00")
        assert json.loads(encoder.encode(answered(decision)))["rules"] == [f"m.r{number}"]
    assert len(encoder._known) <= 4_096


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "null"),
        (timedelta(0), '"0s"'),
        (timedelta(1, 4, 0, 5, 3, 2), '"1d2h3m4s5ms"'),
        (timedelta(seconds=-90), "-90.0"),
        (timedelta(microseconds=1), "1e-6"),
        (NOW, '"2026-11-24T10:00:00Z"'),
        (NOW.astimezone(timezone(timedelta(hours=2))), '"2026-11-24T10:00:00Z"'),
        (NOW.replace(microsecond=1), '"2026-11-24T10:00:00.000001Z"'),
        (parse_ip("::ffff:10.0.0.0/104"), '"10.0.0.0/8"'),
        (frozenset("cab"), '["a","b","c"]'),
        (frozenset({10, 9}), "[9,10]"),
        (frozenset(map(parse_ip, ["::1", "10.0.0.9", "10.0.0.10"])), '["10.0.0.9","10.0.0.10","::1"]'),
        ({"b": frozenset({timedelta(1)}), "a": (1, 2.0, True)}, '{"b":["1d"],"a":[1,2.0,true]}'),
        (["a", [timedelta(1)]], '["a",["1d"]]'),
    ],
)
def test_a_policy_value_is_told_as_requests_may_write_it(value, told):
    assert encode_json(plain(value)).decode() == told


def test_what_is_no_policy_value_is_not_told():
    with pytest.raises(TypeError):
        plain(object())


def test_the_facts_of_a_decision_are_told_whole():
    empty = Facts(
        {"id": ""}, {"bound": False}, "ledger", {"name": "a"}, {"type": "t"}, {"active": False}, {"x": 1}, NOW
    )
    assert facts_record(empty) == {
        "caller": {"id": ""},
        "credential": {"bound": False},
        "audience": "ledger",
        "action": {"name": "a"},
        "resource": {"type": "t"},
        "task": {"active": False},
        "context": {"x": 1},
        "now": "2026-11-24T10:00:00Z",
    }


def test_a_problem_names_the_member():
    assert json.loads(problem(RequestError("/audience", "is missing"))) == {
        "type": "urn:pdp:problem:invalid-request",
        "title": "The request is not valid",
        "status": 400,
        "detail": "/audience is missing",
        "pointer": "/audience",
    }
    assert json.loads(problem(RequestError("", "is not JSON")))["detail"] == "the request is not JSON"


def test_a_problem_tells_what_is_too_large():
    told = json.loads(problem(RequestError("", "is larger than 9 bytes", too_large=True)))
    assert (told["type"], told["status"]) == ("urn:pdp:problem:too-large", 413)
    assert told["detail"] == "the request is larger than 9 bytes"


def test_a_problem_may_have_more_members():
    told = json.loads(problem_document(405, "method", "No", "use POST", allow=["POST"]))
    assert told == {
        "type": "urn:pdp:problem:method", "title": "No",
        "status": 405, "detail": "use POST", "allow": ["POST"],
    }  # fmt: skip


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)))
def test_an_identity_is_a_uuid_of_version_7_with_its_time(now):
    made = uuid.UUID(identity := identities()(now))
    assert str(made) == identity
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def test_a_time_before_1970_has_an_identity_too():
    made = uuid.UUID(identities()(datetime(1905, 1, 1, tzinfo=UTC)))
    assert (made.version, made.int >> 80) == (7, 0)


def test_identities_of_one_moment_differ_in_all_their_random_bits():
    identity = identities()
    made = [uuid.UUID(identity(NOW)).int for _ in range(2_000)]
    assert len(set(made)) == 2_000
    ones = zeros = 0
    for one in made:
        ones, zeros = ones | one, zeros | ~one
    random = ones & zeros & (2**128 - 1)
    assert random.bit_count() == 74


def test_later_identities_sort_later():
    identity = identities()
    made = [identity(NOW + timedelta(milliseconds=step)) for step in range(600)]
    assert made == sorted(made)
