"""The README tells the truth: its request gets its answer, its example runs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from service.conftest import Services, serve, until

from pdp.load import load
from pdp.point import DecisionPoint
from pdp.settings import read
from tests import example, story

__all__ = ["serve"]

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
# What differs with each request, and with each change of the estate.
_VARIES = {"id": "", "policy": ""}


def test_the_first_request_gets_the_answer_that_is_shown() -> None:
    body = re.search(r"curl [^']*'(.*?)'\n", README, re.DOTALL)
    shown = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert body is not None
    assert shown is not None
    point = DecisionPoint(load(ROOT / "policies"), read(ROOT / "policies/pdp.toml"))
    answer = json.loads(point.answer(body[1].encode(), "127.0.0.1", now=datetime(2027, 1, 1, tzinfo=UTC)))
    assert answer | _VARIES == json.loads(shown[1]) | _VARIES


def test_the_request_with_proof_is_allowed_once(serve: Services, tmp_path: Path) -> None:
    configuration = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    shown = re.findall(r"```json\n(.*?)```", README, re.DOTALL)[1]
    assert configuration is not None
    assert configuration[1] == example.CONFIGURATION
    folder = tmp_path / "try"
    example.main(folder)
    service = serve("--config", str(folder / "pdp.toml"), "--port", "0", folder=ROOT / "policies")
    answers: list[Any] = []

    def allowed() -> bool:
        # What was made just before the state began may have been used before it, and waits for a new one.
        example.main(folder)
        body = (folder / "request.json").read_bytes()
        answers[:] = [service.post("/decide", body).json() for _ in range(2)]
        return answers[0]["code"] != "state_unavailable"

    until(allowed)
    lines = shown.replace("\n ", " ").splitlines()
    assert [answer | _VARIES for answer in answers] == [json.loads(line) | _VARIES for line in lines]


def test_the_story_is_told_as_it_happens(tmp_path: Path) -> None:
    shown = re.search(r"```\n(the job opens a task.*?)```", README, re.DOTALL)
    assert shown is not None
    played = story.Story(tmp_path)
    with story.serving(tmp_path) as url, played.pdp:
        played.pdp.base_url = httpx.URL(url)
        # Until what is made now was made after the memory of what was used began.
        until(lambda: played.exchange(played.open_task().json()["id"]).is_success)
        told = [f"{happens:<44}{came}" for happens, came in played.told()]
    assert told == shown[1].splitlines()


def test_the_embedding_example_runs(monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    names: dict[str, Any] = {}
    exec(example[1], names)
    assert names["decision"].decision == "deny"


def test_the_rule_that_is_shown_is_the_estates() -> None:
    shown = re.search(r"```\n(permit write_entry.*?)```", README, re.DOTALL)
    assert shown is not None
    assert shown[1] in (ROOT / "policies/payments.policy").read_text("utf-8")
