"""The decision log of a service: what was answered is there, and what could not be written is counted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from service.conftest import BODY, REQUEST, Services, until


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_every_decision_is_a_line_and_what_is_no_request_is_none(serve: Services, tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    service = serve(PDP_DECISION_LOG__TO=str(path))
    secret = {**REQUEST["resource"], "password": "hunter2"}
    made = [service.decide()["id"], service.decide(task="t-2")["id"], service.decide(resource=secret)["id"]]
    assert service.post("/decide", b"[]").status_code == 400
    batch = b'{"requests":[' + BODY + b",[]," + BODY + b"]}"
    answers = service.post("/decide/batch", batch).json()["answers"]
    made += [answer["id"] for answer in answers if "id" in answer]
    # A log that is moved away is begun anew.
    until(lambda: service.metric("pdp_decision_log_lines_total", fate="written") == 5)
    moved = path.with_suffix(".1")
    path.rename(moved)

    def begun_anew() -> bool:
        made.append(service.decide()["id"])
        return path.exists()

    until(begun_anew)
    assert service.metric("pdp_decision_log_lines_total", fate="lost") == 0
    # What waits is written before the end.
    made.append(service.decide()["id"])
    assert service.stop() == 0
    told = lines(moved) + lines(path)
    assert [line["id"] for line in told] == made
    assert [line["decision"]["code"] for line in told[:3]] == [None, "task_unknown", None]
    assert {line["peer"] for line in told} == {"gateway"}
    assert b"hunter2" not in moved.read_bytes()


def test_a_killed_service_leaves_whole_lines_and_the_next_one_goes_on_behind_them(
    serve: Services, tmp_path: Path
) -> None:
    path = tmp_path / "decisions.jsonl"
    first = serve(PDP_DECISION_LOG__TO=str(path))
    made = [first.decide()["id"] for _ in range(50)]
    until(lambda: path.read_bytes().count(b"\n") >= 10)
    first.process.kill()
    first.wait()
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    assert [json.loads(line)["id"] for line in whole] == made[: len(whole)]
    # As if it had been killed in the middle of a line.
    with path.open("ab") as cut:
        cut.write(b'{"id":"cut')
    second = serve(PDP_DECISION_LOG__TO=str(path))
    last = second.decide()["id"]
    assert second.stop() == 0
    assert json.loads(path.read_bytes().splitlines()[-1])["id"] == last


def test_what_cannot_be_written_is_counted_and_said_and_keeps_nobody_waiting(
    serve: Services, tmp_path: Path
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    service = serve(PDP_DECISION_LOG__TO=str(path), PDP_DECISION_LOG__QUEUE="20")
    batch = b'{"requests":[' + b",".join([BODY] * 1_000) + b"]}"
    answers = service.post("/decide/batch", batch).json()["answers"]
    assert {answer["decision"] for answer in answers} == {"allow"}
    until(lambda: service.metric("pdp_decision_log_lines_total", fate="lost") > 100)
    assert "decisions are missing from the decision log" in service.log
    service.process.kill()
    service.wait()
