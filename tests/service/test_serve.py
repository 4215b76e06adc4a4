"""`pdp serve` as a process: what it answers over real sockets, and what it does when policies change or it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.service.conftest import POLICY, REQUEST, Serve, Served

BODY = json.dumps(REQUEST).encode()


def metric(served: Served, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(served.client.get("/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_a_request_is_allowed_or_denied_with_its_reasons(serve: Serve) -> None:
    served = serve()
    allowed = served.decide()
    assert (allowed["decision"], allowed["rules"]) == ("allow", ["docs.read"])
    assert allowed["reasons"] == [{"rule": "docs.read", "because": "Small documents are read"}]
    denied = served.decide(action="write")
    assert (denied["decision"], denied["code"]) == ("deny", "no_rule")
    assert metric(served, "pdp_decisions_total", decision="allow") == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"audience":"docs"}', "/action"),
        (b'{"audience":"docs","action":"read","x":1}', "/x"),
        (b'{"audience":"docs","audience":"y","action":"read"}', "/audience"),
        (b'{"audience":"docs","action":"read","context":{"x":NaN}}', "/context/x"),
        (b'{"audience":"docs","action":"read","context":{"x":18446744073709551616}}', "/context/x"),
        (b'{"audience":"docs","action":"read","resource":{"type":"doc","size":"5"}}', "/resource/size"),
        (b"\xef\xbb\xbf{}", ""),
        (b"\xff", ""),
        (b"", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_a_body_that_is_no_request_is_told_the_member(serve: Serve, body: bytes, pointer: str) -> None:
    response = serve().client.post("/decide", content=body)
    assert response.status_code in (400, 413)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["pointer"] == pointer


def test_a_batch_answers_each_and_one_bad_request_harms_no_other(serve: Serve) -> None:
    served = serve()
    requests = [REQUEST] * 500 + [{"audience": 1}] + [REQUEST] * 499
    answers = served.client.post("/decide/batch", json={"requests": requests}).json()["answers"]
    assert len(answers) == 1_000
    assert answers[500]["pointer"] == "/audience"
    assert [one["decision"] for one in answers if "decision" in one] == ["allow"] * 999
    assert served.client.post("/decide/batch", json={"requests": [REQUEST] * 1_001}).status_code == 413


def test_the_rare_routes_answer(serve: Serve) -> None:
    served = serve()
    assert served.client.get("/healthz").json() == {"status": "ok"}
    assert served.client.get("/readyz").json()["stale"] is False
    paths = served.client.get("/openapi.json").json()["paths"]
    assert {"/decide", "/decide/batch", "/healthz", "/readyz", "/metrics"} <= paths.keys()
    assert "swagger" in served.client.get("/docs").text.lower()
    assert served.client.get("/nothing").status_code == 404
    assert served.client.get("/decide").status_code == 405


def test_whoever_is_no_enforcement_point_asserts_nothing(serve: Serve) -> None:
    assert serve(settings="").decide()["code"] == "not_enforcement_point"


def test_changed_policies_decide_and_no_request_fails_meanwhile(serve: Serve) -> None:
    served = serve()
    seen: list[tuple[str, str]] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = served.decide()
            seen.append((answer["decision"], answer["policy"]))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        served.write(POLICY.replace("< 10", "< 5"))
        served.until(lambda: served.decide()["decision"] == "deny")
    finally:
        stop.set()
        asking.join()
    # One program allows and the other denies: an answer that mixed the two would make a third pair.
    assert len(set(seen)) <= 2


def test_a_broken_edit_keeps_the_last_good_policies_and_says_so(serve: Serve) -> None:
    served = serve()
    before = served.decide()["policy"]
    served.write("permit {")
    served.until(lambda: served.client.get("/readyz").json()["stale"])
    assert served.decide()["policy"] == before
    assert metric(served, "pdp_policy_stale") == 1
    assert "PDP101" in served.log.read_text()
    served.write(POLICY)
    served.until(lambda: not served.client.get("/readyz").json()["stale"])
    assert metric(served, "pdp_policy_stale") == 0


def test_hangup_loads_the_policies_again(serve: Serve) -> None:
    served = serve(settings="[policies]\nreload = false\n" + '[[enforcement_point]]\nname = "g"\naddresses = '
                   '["127.0.0.1"]\nmay_assert = ["caller", "credential"]\n')  # fmt: skip
    served.write(POLICY.replace("< 10", "< 5"))
    served.process.send_signal(signal.SIGHUP)
    served.until(lambda: served.decide()["decision"] == "deny")


def test_a_request_under_way_is_answered_before_the_end(serve: Serve) -> None:
    served = serve()
    url = served.client.base_url
    head = b"POST /decide HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(BODY)
    with socket.create_connection((url.host, url.port), timeout=30) as connection:
        connection.sendall(head + BODY[:10])
        served.until(lambda: served.client.get("/healthz").status_code == 200)
        served.process.send_signal(signal.SIGTERM)
        connection.sendall(BODY[10:])
        answer = b""
        while part := connection.recv(65_536):
            answer += part
            if b'"decision":"allow"' in answer:
                break
        assert b'"decision":"allow"' in answer
    assert served.process.wait(30) == 0


def test_it_listens_on_a_unix_socket(serve: Serve, tmp_path: Path) -> None:
    served = serve("--uds", str(tmp_path / "pdp.sock"))
    assert served.decide()["decision"] == "allow"
    assert served.stop() == 0
    assert not (tmp_path / "pdp.sock").exists()


def test_a_worker_that_is_killed_is_replaced(serve: Serve) -> None:
    served = serve("--workers", "2")
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children")
    served.until(lambda: len(children.read_text().split()) == 2)
    first = children.read_text().split()
    os.kill(int(first[0]), signal.SIGKILL)
    served.until(lambda: len(set(children.read_text().split()) - {first[0]}) == 2)
    assert served.decide()["decision"] == "allow"
    assert served.stop() == 0


def test_broken_policies_are_told_and_not_served(serve: Serve) -> None:
    with pytest.raises(AssertionError, match="PDP101"):
        serve(policy="permit {")
