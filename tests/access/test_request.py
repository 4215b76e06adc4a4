"""The shape of a request: what it may have, and what is named where it has something else."""

from __future__ import annotations

import copy
import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.access.request import Limits, Request, RequestError

WHOLE = {
    "caller": {"id": "spiffe://prod.example/ns/payments/sa/api", "kind": "workload", "groups": []},
    "credential": {"asserted": {"binding": "mtls", "age": "1m", "lifetime": "5m", "audiences": ["ledger"]}},
    "audience": "ledger",
    "action": "entry.create",
    "resource": {"type": "ledger_entry", "id": "e-1", "amount": 10, "currency": "EUR", "labels": []},
    "task": "t-1",
    "context": {"source_ip": "10.1.2.3"},
}
SMALLEST = {"audience": "ledger", "action": "entry.create"}


def parse(**changes):
    return Request.parse(json.dumps({**SMALLEST, **changes}).encode())


def refusal(data, limits=None):
    with pytest.raises(RequestError) as caught:
        Request.parse(data, limits or Limits())
    assert not caught.value.too_large
    return caught.value.pointer, caught.value.detail


def test_a_whole_request_has_its_parts():
    request = Request.parse(json.dumps(WHOLE).encode())
    assert request == Request(
        audience="ledger",
        action="entry.create",
        action_attributes={},
        resource_type="ledger_entry",
        resource_id="e-1",
        resource={"amount": 10, "currency": "EUR", "labels": []},
        caller=WHOLE["caller"],
        credential=WHOLE["credential"],
        task="t-1",
        context={"source_ip": "10.1.2.3"},
    )


def test_what_is_left_out_or_null_is_nothing():
    nothing = Request("ledger", "entry.create", {}, "", "", {}, None, None, None, {})
    assert parse() == nothing
    assert parse(caller=None, credential=None, resource=None, task=None, context=None) == nothing


def test_an_action_may_have_attributes():
    request = parse(action={"name": "entry.create", "dry_run": True})
    assert (request.action, request.action_attributes) == ("entry.create", {"dry_run": True})


def test_a_resource_may_have_no_id():
    request = parse(resource={"type": "file"})
    assert (request.resource_type, request.resource_id, request.resource) == ("file", "", {})


def test_bytes_text_and_mapping_are_one_request():
    request = Request.parse(json.dumps(WHOLE).encode())
    assert Request.parse(json.dumps(WHOLE)) == request
    assert Request.parse(WHOLE) == request
    assert Request.parse(MappingProxyType(WHOLE)) == request


def test_a_mapping_is_not_taken_apart():
    given = copy.deepcopy(WHOLE)
    request = Request.parse(given)
    assert given == WHOLE
    given["context"]["source_ip"] = "0.0.0.0"
    assert request.context == {"source_ip": "10.1.2.3"}


def test_a_request_cannot_be_changed():
    with pytest.raises(AttributeError):
        parse().audience = "other"


NAME = "must have 1 to 2048 characters"
NOTHING = "presents nothing: a token, a certificate, or `asserted`"
PROOFS = "must be an array of at most 8 strings"
SENT = "must be a string, and not empty"


@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"audienc": "a"}, "/audienc", "a request has no such member"),
        ({"b": 1, "a/~": 2}, "/a~1~0", "a request has no such member"),
        ({"audience": None}, "/audience", "must be a string"),
        ({"audience": ["ledger"]}, "/audience", "must be a string"),
        ({"audience": ""}, "/audience", NAME),
        ({"audience": "a" * 2_049}, "/audience", NAME),
        ({"action": None}, "/action", "must be a string, or an object with a `name`"),
        ({"action": 1}, "/action", "must be a string, or an object with a `name`"),
        ({"action": ""}, "/action", NAME),
        ({"action": "a" * 2_049}, "/action", NAME),
        ({"action": {}}, "/action/name", "is missing"),
        ({"action": {"name": None}}, "/action/name", "must be a string"),
        ({"action": {"name": ""}}, "/action/name", NAME),
        ({"action": {"name": "a" * 2_049}}, "/action/name", NAME),
        ({"resource": "file"}, "/resource", "must be an object"),
        ({"resource": []}, "/resource", "must be an object"),
        ({"resource": {}}, "/resource/type", "is missing"),
        ({"resource": {"id": "e-1"}}, "/resource/type", "is missing"),
        ({"resource": {"type": None}}, "/resource/type", "must be a string"),
        ({"resource": {"type": "file", "id": 7}}, "/resource/id", "must be a string"),
        ({"resource": {"type": "file", "id": None}}, "/resource/id", "must be a string"),
        ({"credential": "ey…"}, "/credential", "must be an object"),
        ({"credential": {}}, "/credential", NOTHING),
        ({"credential": {"scheme": "Bearer"}}, "/credential", NOTHING),
        ({"credential": {"jwt": "ey…"}}, "/credential/jwt", "a credential has no such member"),
        (
            {"credential": {"asserted": {}, "token": ""}},
            "/credential/token",
            "cannot stand beside `asserted`",
        ),
        ({"credential": {"token": None}}, "/credential/token", "must be a string"),
        ({"credential": {"token": ["ey…"]}}, "/credential/token", "must be a string"),
        ({"credential": {"certificate": {}}}, "/credential/certificate", "must be a string"),
        ({"credential": {"xfcc": 1}}, "/credential/xfcc", "must be a string"),
        (
            {"credential": {"certificate": "", "xfcc": ""}},
            "/credential/xfcc",
            "stands beside `certificate`: one of the two is enough",
        ),
        ({"credential": {"token": "", "scheme": None}}, "/credential/scheme", "must be a string"),
        (
            {"credential": {"token": "", "scheme": "bearer"}},
            "/credential/scheme",
            "must be `Bearer` or `DPoP`",
        ),
        ({"credential": {"token": "", "proofs": []}}, "/credential/proofs", "must be an object"),
        (
            {"credential": {"token": "", "proofs": {"dpo": []}}},
            "/credential/proofs/dpo",
            "is no kind of proof",
        ),
        ({"credential": {"token": "", "proofs": {"dpop": "ey…"}}}, "/credential/proofs/dpop", PROOFS),
        ({"credential": {"token": "", "proofs": {"dpop": [1]}}}, "/credential/proofs/dpop", PROOFS),
        ({"credential": {"token": "", "proofs": {"dpop": [""] * 9}}}, "/credential/proofs/dpop", PROOFS),
        ({"credential": {"token": "", "proofs": {"wpt": []}}}, "/credential/proofs/wpt", "must be a string"),
        ({"request": []}, "/request", "must be an object"),
        ({"request": {"url": ""}}, "/request/url", "a request has no such member"),
        ({"request": {"method": 1}}, "/request/method", SENT),
        ({"request": {"uri": ""}}, "/request/uri", SENT),
        ({"request": {"peer": None}}, "/request/peer", SENT),
        ({"request": {"peer": "a" * 2_049}}, "/request/peer", NAME),
        ({"request": {"method": "A" * 2_049, "uri": "a" * 3_000}}, "/request/method", NAME),
        ({"credential": {"asserted": None}}, "/credential/asserted", "must be an object"),
        ({"credential": {"asserted": []}}, "/credential/asserted", "must be an object"),
        ({"credential": {"asserted": {"age": 1}}}, "/credential/asserted/lifetime", "is missing"),
        ({"credential": {"asserted": {"lifetime": 1}}}, "/credential/asserted/age", "is missing"),
        ({"task": 1}, "/task", "must be the id of a task, or an object"),
        ({"task": ["t-1"]}, "/task", "must be the id of a task, or an object"),
        ({"task": {"id": "t-1", "active": True}}, "/task/active", "a task has no such member"),
        ({"caller": "me"}, "/caller", "must be an object"),
        ({"context": []}, "/context", "must be an object"),
        ({"context": {"a": [float("nan")]}}, "/context/a/0", "is not a finite number"),
        ({"context": {"a": 2**63}}, "/context/a", "is an integer beyond 64 bits"),
        ({"caller": {"kind": "\ud800"}}, "/caller/kind", "holds a lone surrogate"),
    ],
)
def test_what_is_wrong_is_named(changes, pointer, detail):
    body = json.dumps({**SMALLEST, **changes})
    assert refusal(body.encode()) == refusal(body) == (pointer, detail)
    assert refusal({**SMALLEST, **changes}) == (pointer, detail)


@pytest.mark.parametrize(
    "name", ["form", "bound", "verified", "remaining", "uses", "sources", "standing", "token"]
)
def test_what_follows_from_evidence_cannot_be_asserted(name):
    asserted = {"age": "1m", "lifetime": "5m", name: True}
    assert refusal({**SMALLEST, "credential": {"asserted": asserted}}) == (
        f"/credential/asserted/{name}",
        "cannot be asserted of a credential",
    )


def test_what_was_presented_is_taken_as_it_is():
    credential = {
        "token": "ey…",
        "scheme": "DPoP",
        "proofs": {"dpop": ["a", "b"], "wpt": "c"},
        "xfcc": "Hash=…",
    }
    sent = {"method": "POST", "uri": "https://ledger.example/entries", "peer": "10.1.2.3"}
    request = parse(credential=credential, request=sent)
    assert (request.credential, request.sent) == (credential, sent)
    assert parse(credential={"certificate": "…"}).credential == {"certificate": "…"}
    assert parse(request={}).sent == {}


@pytest.mark.parametrize("missing", ["audience", "action"])
def test_audience_and_action_are_needed(missing):
    assert refusal({name: text for name, text in SMALLEST.items() if name != missing}) == (
        f"/{missing}",
        "is missing",
    )


@pytest.mark.parametrize("document", ["[]", '"text"', "1", "null", "true"])
def test_a_request_is_an_object(document):
    assert refusal(document) == ("", "a request is an object")


def test_limits_hold_for_bytes_and_for_mappings():
    small = Limits(body=200, depth=3, members=4, name=8)
    assert refusal({**SMALLEST, "context": {"a": {"b": {}}}}, small) == ("/context/a/b", "is nested too deep")
    body = json.dumps({**SMALLEST, "context": {"a": {"b": {}}}})
    assert refusal(body, small) == ("/context/a/b", "is nested too deep")
    wide = {**SMALLEST, "context": dict.fromkeys("abcde", 0)}
    assert refusal(wide, small) == refusal(json.dumps(wide), small) == ("/context", "has more than 4 members")
    long = {"audience": "ledger", "action": "entry.create"}
    assert refusal(long, small) == ("/action", "must have 1 to 8 characters")
    with pytest.raises(RequestError) as caught:
        Request.parse(b" " * 201, small)
    assert caught.value.too_large


NAMES = st.sampled_from(
    ["id", "kind", "type", "name", "asserted", "age", "lifetime", "binding", "expires", "a/b", "~"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["t-1", "5m"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=6,
)
MEMBERS = st.sampled_from([*WHOLE, "other", ""])


def taken(data):
    """The request, or None; nothing but a `RequestError` with a pointer into the request may come instead."""
    try:
        return Request.parse(data)
    except RequestError as error:
        refused = error
    assert refused.pointer == "" or refused.pointer.startswith("/")
    assert refused.detail
    return None


@given(st.dictionaries(MEMBERS, VALUES, max_size=7), st.booleans())
def test_any_members_with_any_values_are_a_request_or_refused(members, whole):
    document = {**WHOLE, **members} if whole else members
    body = json.dumps(document)
    request = taken(body.encode())
    assert request == taken(body) == taken(document)
    if request is not None:
        assert document.keys() <= WHOLE.keys()
        assert request.audience == document["audience"]


@given(st.binary(max_size=4), st.integers(0, 400), st.integers(0, 8))
def test_damaged_bytes_are_a_request_or_refused(inserted, at, deleted):
    body = json.dumps(WHOLE).encode()
    taken(body[:at] + inserted + body[at + deleted :])
