"""`pdp decide`: the answer of `/decide`, without a server."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from pdp.state.sqlite import SqliteStore
from pdp.tasks.known import Knowledge
from tests import example

REQUEST: dict[str, Any] = {
    "caller": {"id": "spiffe://prod.example/ns/payments/sa/api", "kind": "workload", "groups": []},
    "credential": {"asserted": {"binding": "mtls", "age": "1m", "lifetime": "5m", "audiences": ["ledger"]}},
    "audience": "ledger",
    "action": "entry.create",
    "resource": {"type": "ledger_entry", "id": "e-1", "amount": 10, "labels": []},
    "task": {"id": "t-1", "actions": ["entry.create"], "expires": "2026-11-24T10:30:00Z"},
    "context": {"source_ip": "10.1.2.3"},
}
NOW = ("--now", "2026-11-24T10:00:00Z")


def asked(**changes: Any) -> bytes:
    return json.dumps({**REQUEST, **changes}).encode()


def test_an_allow_is_the_answer_of_the_service(run: Any, golden: Any) -> None:
    result = run("decide", "--policies", "policies", "--request", "-", *NOW, input=asked())
    assert result.exit_code == 0
    golden("decide-allow.json", result.output)


def test_a_deny_exits_with_0_too(run: Any, golden: Any) -> None:
    result = run("decide", "-p", "policies", "-r", "-", "--now", "2026-11-25", input=asked())
    assert result.exit_code == 0
    golden("decide-deny.json", result.output)


def test_a_request_may_be_a_file(run: Any, estate: Path) -> None:
    (estate / "request.json").write_bytes(asked())
    answer = json.loads(run("decide", "-r", "request.json", *NOW).output)
    assert (answer["decision"], answer["rules"]) == ("allow", ["payments.write_entry"])


def test_without_a_time_it_is_now(run: Any) -> None:
    answer = json.loads(run("decide", "-r", "-", input=asked(task=None)).output)
    assert answer["decision"] == "deny"


def test_what_is_wrong_in_tests_does_not_matter(run: Any, estate: Path) -> None:
    (estate / "policies/broken.test.policy").write_text("test {")
    assert run("decide", "-r", "-", *NOW, input=asked()).exit_code == 0


def test_what_is_wrong_in_policies_does(run: Any, estate: Path) -> None:
    (estate / "policies/broken.policy").write_text("permit {")
    result = run("decide", "-r", "-", input=asked())
    assert (result.exit_code, result.stdout) == (1, "")
    assert "policies/broken.policy:1" in result.stderr


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "the request is not valid: "),
        (b'{"audience": "a", "action": "b", "audienc": "c"}', "/audienc "),
        (asked(context={"source_ip": "nowhere"}), "/context/source_ip "),
        (b"\xff", "the request is not valid: "),
    ],
)
def test_a_request_that_is_none_is_wrong_usage(run: Any, body: bytes, says: str) -> None:
    result = run("decide", "-r", "-", *NOW, input=body)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_a_time_that_is_none_is_wrong_usage(run: Any) -> None:
    result = run("decide", "-r", "-", "--now", "noon", input=asked())
    assert result.exit_code == 2
    assert "`--now noon`: is a date, or a time with its zone" in result.stderr


def test_a_request_that_cannot_be_read_is_wrong_usage(run: Any) -> None:
    result = run("decide", "-r", "nowhere.json")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: cannot read `nowhere.json`: no such file or directory\n",
    )


def test_a_request_is_needed(run: Any) -> None:
    assert run("decide").exit_code == 2


def test_a_policy_folder_that_is_not_there_is_wrong_usage(run: Any) -> None:
    assert run("decide", "-p", "nowhere", "-r", "-", input=asked()).exit_code == 2


def test_what_is_presented_is_verified_and_not_used_up(run: Any, tmp_path: Path) -> None:
    example.main(tmp_path)
    arguments = ("--config", str(tmp_path / "pdp.toml"), "--request", str(tmp_path / "request.json"))
    for _ in range(2):
        assert decision(run("decide", *arguments)) == ("allow", None)
    assert not (tmp_path / "state.db").exists()
    # What is in the state counts, and is left as it is.
    store = SqliteStore(tmp_path / "state.db")
    revocations = Knowledge(store).revocations
    for _ in range(2):
        assert decision(run("decide", *arguments)) == ("allow", None)
    revocations.revoke(
        "issuer", example.ISSUER, before=4e9, by="test", reason="", until=None, seconds=time.time()
    )
    store.close()
    assert decision(run("decide", *arguments)) == ("deny", "credential_revoked")
    (tmp_path / "state.db").write_text("no state")
    result = run("decide", *arguments)
    assert result.exit_code == 2
    assert "the state cannot be used" in result.stderr


def decision(result: Any) -> tuple[str, str | None]:
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    return answer["decision"], answer["code"]
