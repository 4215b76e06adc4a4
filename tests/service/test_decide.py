"""`/decide` and `/decide/batch`: answers, problems, and what has to be refused."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from service.conftest import BODY, REQUEST, Service


def problem(service: Service, body: bytes, path: str = "/decide") -> tuple[int, str, str]:
    """The status, pointer and detail of a body that is refused."""
    answer = service.post(path, body)
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == answer.status_code
    assert told.keys() == {"type", "title", "status", "detail", "pointer"}
    assert told["type"].startswith("urn:pdp:problem:")
    return answer.status_code, told["pointer"], told["detail"]


def asked(**changes: Any) -> bytes:
    return json.dumps({**REQUEST, **changes}).encode()


def test_a_request_gets_its_answer(service: Service) -> None:
    answer = service.post("/decide")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert uuid.UUID(told.pop("id")).version == 7
    assert told == {
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
        "policy": service.ready()["policy"],
        "valid_for": 0,
    }


@pytest.mark.parametrize(
    ("changes", "code", "rules"),
    [
        ({"action": "entry.delete"}, "no_rule", []),
        ({"resource": {**REQUEST["resource"], "labels": ["hold-tax"]}}, "forbidden", ["payments.held"]),
        ({"task": "t-2"}, "task_unknown", []),
        ({"credential": {"asserted": {"age": "2h", "lifetime": "1h"}}}, "credential_expired", []),
    ],
)
def test_a_deny_is_an_answer_like_any_other(
    service: Service, changes: Any, code: str, rules: list[str]
) -> None:
    told = service.decide(**changes)
    assert (told["decision"], told["code"], told["rules"]) == ("deny", code, rules)


def test_a_failure_is_told(service: Service) -> None:
    told = service.decide(action="entry.reverse", context={})
    assert told["failures"] == [{"rule": "payments.outside_office", "kind": "absent", "what": "source_ip"}]
    assert (told["decision"], told["code"]) == ("deny", "forbidden")


def test_attributes_that_no_schema_declares_are_ignored(service: Service) -> None:
    resource = {**REQUEST["resource"], "colour": [{"deep": None}]}
    told = service.decide(resource=resource, context={**REQUEST["context"], "agent": None})
    assert told["decision"] == "allow"


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (b"", "", "the request is not JSON (line 1, column 0)"),
        (b"[]", "", "the request a request is an object"),
        (b"\xef\xbb\xbf" + BODY, "", "the request starts with a byte order mark"),
        (b'{"audience":"\xff"}', "", "the request is not UTF-8 (byte 14)"),
        (b'{"audience":"a","audience":"a"}', "/audience", "/audience is there twice"),
        (asked(context={"x": float("nan")}), "/context/x", "/context/x is not a finite number"),
        (asked(context={"x": float("inf")}), "/context/x", "/context/x is not a finite number"),
        (asked(context={"x": 2**63}), "/context/x", "/context/x is an integer beyond 64 bits"),
        (asked(context={"x": "\ud800"}), "/context/x", "/context/x holds a lone surrogate"),
        (asked(sudo=True), "/sudo", "/sudo a request has no such member"),
        (asked(audience=7), "/audience", "/audience must be a string"),
        (asked(caller={"kind": "human"}), "/caller/id", "/caller/id is missing"),
        (
            asked(context={"source_ip": "here"}),
            "/context/source_ip",
            "/context/source_ip must be an IP address or network",
        ),
        (
            asked(context=dict.fromkeys(map(str, range(1_001)))),
            "/context",
            "/context has more than 1000 members",
        ),
        (b'{"context":' * 33 + b"1" + b"}" * 33, "/context" * 32, "/context" * 32 + " is nested too deep"),
    ],
)
def test_a_body_that_is_no_request_is_told_why(
    service: Service, body: bytes, pointer: str, detail: str
) -> None:
    assert problem(service, body) == (400, pointer, detail)


def test_a_body_may_have_64_kibibytes_and_not_one_more(service: Service) -> None:
    padding = b" " * (64 * 1024 - len(BODY))
    assert service.post("/decide", BODY + padding).json()["decision"] == "allow"
    assert problem(service, BODY + padding + b" ") == (413, "", "the request is larger than 65536 bytes")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/decide", "/decide/batch"])
def test_only_post_is_answered(service: Service, method: str, path: str) -> None:
    with service.client() as client:
        answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["type"] == "urn:pdp:problem:method"


@pytest.mark.parametrize(
    "path", ["/", "/decide/", "/decide/x", "/Decide", "/healthz/", "/metrics/x", "/%00", "/%ff", "//decide"]
)
def test_what_is_not_there_is_a_problem(service: Service, path: str) -> None:
    answer = service.post(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
def test_the_rare_routes_answer_get_alone(service: Service, path: str) -> None:
    assert service.get(path).status_code == 200
    answer = service.post(path)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"


def test_nobody_is_an_enforcement_point_by_a_header(serve: Any) -> None:
    service = serve(
        PDP_ENFORCEMENT_POINT='[{"name": "far", "addresses": ["10.0.0.9"], "may_assert": ["caller"]}]'
    )
    with service.client() as client:
        headers = {"x-forwarded-for": "10.0.0.9", "forwarded": "for=10.0.0.9", "x-real-ip": "10.0.0.9"}
        told = client.post("/decide", content=BODY, headers=headers).json()
    assert (told["decision"], told["code"]) == ("deny", "not_enforcement_point")


# Batches


def batch(*items: bytes) -> bytes:
    return b'{"requests":[' + b",".join(items) + b"]}"


def answers(service: Service, body: bytes) -> list[dict[str, Any]]:
    answer = service.post("/decide/batch", body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told.keys() == {"answers"}
    return told["answers"]


def test_a_batch_of_a_thousand_has_each_answered_in_its_place(service: Service) -> None:
    items = [asked(resource={**REQUEST["resource"], "amount": number}) for number in range(1_000)]
    told = answers(service, batch(*items))
    assert [answer["obligations"][0]["values"]["amount"] for answer in told] == list(range(1_000))
    assert len({answer["id"] for answer in told}) == 1_000


def test_more_than_a_thousand_are_refused(service: Service) -> None:
    assert problem(service, batch(*[BODY] * 1_001), "/decide/batch") == (
        413, "/requests", "/requests has more than the 1000 requests that are answered at once"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "pointer", "detail"),
    [
        (b"null", "", "a request is an object"),
        (b"{}", "/audience", "is missing"),
        (b'{"audience":"a","audience":"b"}', "/audience", "is there twice"),
        (b'{"audience":"\\ud800"}', "/audience", "holds a lone surrogate"),
        (b'{"audience":9223372036854775808}', "/audience", "is an integer beyond 64 bits"),
        (b'{"audience":1e999}', "/audience", "is not a finite number"),
        (b'{"context":' * 40 + b"1" + b"}" * 40, "/context" * 32, "is nested too deep"),
        (b"[" * 900 + b"]" * 900, "", "is nested too deep"),
        (b"[" * 30_000 + b"]" * 30_000, "", "is nested too deep"),
        (b'{"audience":NaN}', "/audience", "is not a finite number"),
        (b'{"audience":1.}', "", "is not JSON (line 1, column 15)"),
        (b"9" * 5_000, "", "is an integer beyond 64 bits"),
        (b"nul", "", "is not JSON (line 1, column 3)"),
        (b'{"a":"]}\\",[{"}', "/a", "a request has no such member"),
        (asked(context={"source_ip": 7}), "/context/source_ip", "must be an IP address or network"),
        (b'{"audience":"\xff"}', "", "is not UTF-8 (byte 14)"),
    ],
)
def test_one_bad_item_harms_no_other(service: Service, bad: bytes, pointer: str, detail: str) -> None:
    first, refused, last = answers(service, batch(BODY, bad, BODY))
    assert (first["decision"], last["decision"]) == ("allow", "allow")
    assert (refused["status"], refused["pointer"]) == (400, pointer)
    assert refused["detail"] == f"{pointer or 'the request'} {detail}"


def test_an_item_that_is_too_large_harms_no_other(service: Service) -> None:
    large = asked(context={"x": "x" * 65_536})
    told = answers(service, batch(BODY, large, BODY))
    assert [answer.get("status", 200) for answer in told] == [200, 413, 200]


def test_an_empty_batch_has_no_answers(service: Service) -> None:
    assert answers(service, b' { "requests" : [ ] } ') == []


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (b"", "", "the request is not JSON (line 1, column 0)"),
        (b"[]", "", "the request a batch is an object"),
        (b"{}", "/requests", "/requests is missing"),
        (b'{"requests":{}}', "/requests", "/requests must be an array"),
        (b'{"requests":null}', "/requests", "/requests must be an array"),
        (b'{"requests":[],"more":1}', "/more", "/more a batch has no such member"),
        (b'{"requests":[],"requests":[]}', "/requests", "/requests is there twice"),
        (b'{"requests":[],"\\u0072equests":[]}', "/requests", "/requests is there twice"),
        (
            b'{"\\u0072\\u0065quests":[]}',
            "/requests",
            "/requests must be written without escapes, and not made to take long",
        ),
        (b'{"requests":[{}', "", "the request is not JSON (line 1, column 15)"),
        (b'{"requests":[}', "", "the request is not JSON (line 1, column 14)"),
        (b'{"requests":[,]}', "", "the request is not JSON (line 1, column 14)"),
        (b'{"requests":[{"a":[}]}', "", "the request is not JSON (line 1, column 20)"),
        (b'{"requests":[NaN]}}', "", "the request is not JSON (line 1, column 14)"),
        (b'{"requests":[', "", "the request is not JSON (line 1, column 13)"),
        (b'{"requests":[1,]}', "", "the request is not JSON (line 1, column 16)"),
        (b"\xef\xbb\xbf{}", "", "the request starts with a byte order mark"),
        (b'{"\xff":[]}', "", "the request is not UTF-8 (byte 3)"),
    ],
)
def test_a_body_that_is_no_batch_is_told_why(
    service: Service, body: bytes, pointer: str, detail: str
) -> None:
    assert problem(service, body, "/decide/batch") == (400, pointer, detail)


def test_a_batch_may_have_8_mebibytes_and_not_one_more(service: Service) -> None:
    padding = b" " * (8 * 1024 * 1024 - len(batch(BODY)))
    assert len(answers(service, batch(BODY) + padding)) == 1
    assert problem(service, batch(BODY) + padding + b" ", "/decide/batch") == (
        413, "", "the request is larger than 8388608 bytes"
    )  # fmt: skip
