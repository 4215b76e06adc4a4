"""New policies decide from one request to the next; broken ones never do, and are said to be broken."""

from __future__ import annotations

import http.client
import json
import signal
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from service.conftest import BODY, CONFIGURATION, POLICY, Service, Services, make_folder, until

STRICTER = POLICY + '\nforbid closed { audience "ledger" because "closed" }\n'
BROKEN = POLICY + "\npermit {"
UNWATCHED = CONFIGURATION.replace('path = "."', 'path = "."\nreload = false')


def edit(service: Service, text: str) -> None:
    """As editors write: a new file that takes the place of the old one."""
    new = service.folder / ".payments.policy.swp"
    new.write_text(text)
    new.replace(service.folder / "payments.policy")


def test_an_edit_decides_soon_after(serve: Services) -> None:
    service = serve()
    before = service.ready()
    assert service.decide()["policy"] == before["policy"]
    edit(service, STRICTER)
    told = until(lambda: (answer := service.decide())["decision"] == "deny" and answer)
    assert (told["rules"], told["code"]) == (["payments.closed"], "forbidden")
    after = service.ready()
    assert (after["policy"], after["rules"]) == (told["policy"], before["rules"] + 1)
    assert before["policy"] != after["policy"]
    assert service.metric("pdp_policy_reloads_total", outcome="ok") >= 2
    assert service.metric("pdp_policy_rules") == before["rules"] + 1
    # A file more, and a file less.
    (service.folder / "more.policy").write_text('forbid more { action "x" because "y" }')
    until(lambda: service.ready()["rules"] == before["rules"] + 2)
    (service.folder / "more.policy").unlink()
    until(lambda: service.ready()["policy"] == after["policy"])


def test_a_broken_edit_keeps_the_last_good_policies_and_says_so(serve: Services) -> None:
    service = serve()
    before = service.ready()
    assert (before["ready"], before["stale"], before["problems"]) == (True, False, 0)
    edit(service, BROKEN)
    stale = until(lambda: (ready := service.ready())["stale"] and ready)
    assert (stale["ready"], stale["policy"], stale["loaded"]) == (True, before["policy"], before["loaded"])
    assert stale["problems"] >= 1
    assert service.decide()["policy"] == before["policy"]
    assert service.metric("pdp_policy_stale") == 1
    assert service.metric("pdp_policy_reloads_total", outcome="failed") >= 1
    assert f"cannot be used, {before['policy']} keeps deciding" in service.log
    assert "payments.policy:" in service.log
    # And is over with the next good edit.
    edit(service, STRICTER)
    until(lambda: service.decide()["decision"] == "deny")
    ready = service.ready()
    assert (ready["stale"], ready["problems"]) == (False, 0)
    assert ready["policy"] != before["policy"]
    assert service.metric("pdp_policy_stale") == 0
    assert "Traceback" not in service.log


def test_a_broken_edit_that_is_taken_back_is_forgotten(serve: Services) -> None:
    service = serve()
    before = service.ready()
    (service.folder / "payments.policy").write_bytes(b"\xff\xfe\x00")
    until(lambda: service.ready()["stale"])
    edit(service, POLICY)
    ready = until(lambda: not (ready := service.ready())["stale"] and ready)
    assert ready["policy"] == before["policy"]


def test_a_folder_that_is_gone_keeps_the_last_good_policies_until_it_is_back(serve: Services) -> None:
    service = serve()
    before = service.ready()
    away = service.folder.with_name("away")
    service.folder.rename(away)
    until(lambda: service.ready()["stale"])
    assert service.decide()["policy"] == before["policy"]
    (away / "payments.policy").write_text(STRICTER)
    away.rename(service.folder)
    until(lambda: service.decide()["decision"] == "deny")
    assert service.ready()["stale"] is False
    # It is watched again, too.
    edit(service, POLICY)
    until(lambda: service.decide()["decision"] == "allow")


def test_without_watching_a_hangup_signal_loads(serve: Services, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "unwatched", configuration=UNWATCHED)
    service = serve(folder=folder)
    edit(service, STRICTER)
    service.signal(signal.SIGHUP)
    until(lambda: service.decide()["decision"] == "deny")
    edit(service, BROKEN)
    service.signal(signal.SIGHUP)
    until(lambda: service.ready()["stale"])
    edit(service, POLICY)
    assert service.decide()["decision"] == "deny"
    service.signal(signal.SIGHUP)
    until(lambda: service.decide()["decision"] == "allow")


class Load:
    """Asks without pause over connections of its own, and keeps every answer."""

    def __init__(self, service: Service, threads: int = 4) -> None:
        self.service = service
        self.answers: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self.asked = 0
        self.problems: list[str] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self.service.host, self.service.port, timeout=30)
        try:
            while not self._ended.is_set():
                connection.request("POST", "/decide", BODY)
                answer = connection.getresponse()
                told: dict[str, Any] = json.loads(answer.read())
                self.asked += 1
                if answer.status == 200:
                    self.answers[told["policy"]].add((told["decision"], *told["rules"]))
                else:
                    self.problems.append(str(told))
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.problems.append(repr(error))
        finally:
            connection.close()


@pytest.mark.parametrize("how", ["watching", "signal"])
def test_under_load_no_answer_mixes_two_programs_and_no_request_fails(
    serve: Services, tmp_path: Path, how: str
) -> None:
    configuration = CONFIGURATION if how == "watching" else UNWATCHED
    service = serve(folder=make_folder(tmp_path / "loaded", configuration=configuration))
    first = service.ready()["policy"]
    with Load(service) as load:
        for turn in range(4):
            before = service.ready()["policy"]
            edit(service, STRICTER if turn % 2 == 0 else POLICY)
            if how == "signal":
                service.signal(signal.SIGHUP)
            until(lambda before=before: service.ready()["policy"] != before)
            asked = load.asked
            until(lambda asked=asked: load.asked > asked + 20)
    assert load.problems == []
    second = {*load.answers} - {first}
    assert len(second) == 1
    assert load.answers[first] == {("allow", "payments.write_entry")}
    assert load.answers[second.pop()] == {("deny", "payments.closed")}
