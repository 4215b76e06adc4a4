"""Credentials used as nobody should use them ring: by real answers, and told to a real webhook."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pdp.point import DecisionPoint
from pdp.signalled import AlarmsTable
from pdp.state.memory import MemoryStore
from pdp.tasks import alarms as ringing
from pdp.tasks.alarms import Alarms
from pdp.tasks.known import Knowledge
from pdp.tasks.tasks import Tasks
from tests.evidence.loopback import Asked, answer, loopback
from tests.evidence.world import NOW, SECONDS, World
from tests.tasks.made import made
from tests.test_point_with_evidence import GATEWAY, MESH, PROGRAM, SETTINGS, TASK, request

HOOK = "/alarms"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


class Office:
    """A decision point whose answers may ring, and what became of that."""

    def __init__(self, world: World, **table: Any) -> None:
        self.world, self.store = world, MemoryStore()
        self.knowledge = Knowledge(self.store)
        self.counts: list[str] = []
        self.alarms = Alarms(AlarmsTable(**table), Tasks(self.store), self.counts.append)
        self.point = DecisionPoint(
            PROGRAM, SETTINGS, clock=lambda: NOW, record=self.alarms.saw,
            verifier=world.verifier(TASK), knowledge=self.knowledge,
        )  # fmt: skip

    def ask(self, credential: str, change: dict[str, Any] | None = None, peer: str = GATEWAY) -> str | None:
        """The code of the answer; what is asked with is remembered, to be asked with again."""
        self.last = request(self.world, credential, change)
        return self.again(peer)

    def again(self, peer: str = GATEWAY) -> str | None:
        code: str | None = json.loads(self.point.answer(json.dumps(self.last).encode(), peer))["code"]
        return code

    def revoke(self, caller: str = "payments-api") -> None:
        stated: dict[str, Any] = {"by": "", "reason": "", "until": None, "seconds": SECONDS}
        self.knowledge.revocations.revoke("caller", caller, before=float("inf"), **stated)

    def told(self, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
        """The alarms of which the log tells, once all are told."""
        asyncio.run(self.run())
        lines = [one.getMessage() for one in caplog.records if one.getMessage().startswith("alarm: ")]
        return [json.loads(line.removeprefix("alarm: ")) for line in lines]

    async def run(self, done: Callable[[], bool] = lambda: True) -> None:
        running = asyncio.create_task(self.alarms.run())
        async with asyncio.timeout(30):
            while self.alarms.waiting or not done():
                await asyncio.sleep(0.01)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(ringing, "_LOOK", 0.001)
    monkeypatch.setattr(ringing, "_TRIES", (0.0, 0.01, 0.01, 0.01))
    caplog.set_level(logging.INFO, logger="pdp.alarms")


def test_what_is_as_it_should_be_does_not_ring(world: World, caplog: pytest.LogCaptureFixture) -> None:
    office = Office(world)
    for credential in ("bearer", "dpop", "mtls", "jwt_svid", "x509"):
        assert office.ask(credential) is None
    assert office.ask("bearer", {"claims": {"exp": {"now": -1}, "iat": {"now": -9}}}) == "token_expired"
    assert office.counts == []
    assert office.told(caplog) == []


def test_a_proof_that_was_used_rings_again_and_is_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    office = Office(world)
    assert office.ask("dpop") is None
    assert {office.again() for _ in range(3)} == {"proof_replayed"}
    assert office.counts == ["used_again"] * 3
    (told,) = office.told(caplog)
    assert (told["alarm"], told["code"], told["peer"]) == ("used_again", "proof_replayed", "gateway")
    assert (told["caller"], told["audience"], told["action"]) == ("payments-api", "ledger", "entry.read")
    # Nothing is told that could be presented.
    credential = office.last["credential"]
    for secret in (credential["token"], *credential["proofs"]["dpop"]):
        assert secret not in caplog.text
        assert secret.rpartition(".")[2] not in caplog.text


def test_a_token_from_a_second_source_rings(world: World, caplog: pytest.LogCaptureFixture) -> None:
    office = Office(world)
    assert office.ask("bearer") is None
    assert office.again() is None
    assert office.counts == []
    assert office.again(MESH) is None
    (told,) = office.told(caplog)
    assert (told["alarm"], told["peer"]) == ("second_source", "mesh")
    assert "code" not in told


def test_a_proof_of_another_key_rings(world: World, caplog: pytest.LogCaptureFixture) -> None:
    office = Office(world)
    other = {"claims": {"cnf": {"jkt": "A" * 43}}}
    assert [office.ask("dpop", other), office.again()] == ["binding_mismatch"] * 2
    assert office.counts == ["other_key"] * 2
    (told,) = office.told(caplog)
    assert told["alarm"] == "other_key"
    # Whose it is was not proved.
    assert "caller" not in told


def test_what_was_revoked_and_is_presented_still_rings(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    office = Office(world)
    office.revoke()
    assert office.ask("bearer") == "credential_revoked"
    assert office.ask("bearer", {"claims": {"jti": "j-2"}}) == "credential_revoked"
    assert [told["alarm"] for told in office.told(caplog)] == ["revoked", "revoked"]


@pytest.mark.parametrize("ends", [False, True])
def test_an_alarm_ends_the_task_of_its_credential_where_that_is_wanted(world: World, *, ends: bool) -> None:
    office = Office(world, end_task=ends)
    end = time.time() + 3_600
    office.knowledge.tasks.open(
        made("w-1", issued=SECONDS - 60, started=SECONDS - 60, expires=end, latest=end), SECONDS
    )
    change = {"claims": {"tsk": "w-1"}}
    assert office.ask("bearer", change) is None
    assert office.again(MESH) is None
    asyncio.run(office.run())
    assert office.again() == ("task_ended" if ends else None)


def test_a_webhook_is_told_and_tried_again_until_it_takes_it(world: World, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("let-me-in")
    fails, asked = ["503 Busy", "404 Not Found"], list[Asked]()

    async def hook(one: Asked, _: asyncio.StreamWriter) -> bytes:
        asked.append(one)
        return answer("", status=fails.pop(0) if fails else "204 No Content")

    async def run() -> None:
        async with loopback() as server:
            server.answers[HOOK] = hook
            office = Office(world, webhook=server.url(HOOK), token_file=tmp_path / "token")
            office.revoke()
            assert office.ask("bearer") == "credential_revoked"
            await office.run(lambda: len(asked) == 3)

    asyncio.run(run())
    assert len({one.body for one in asked}) == 1
    assert json.loads(asked[0].body)["alarm"] == "revoked"
    assert asked[0].headers["authorization"] == "Bearer let-me-in"
    assert asked[0].headers["content-type"] == "application/json"


def test_a_webhook_that_is_gone_is_told_of_and_keeps_nothing_else_from_ringing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def gone() -> str:
        async with loopback() as server:
            return server.url(HOOK)

    office = Office(world, webhook=asyncio.run(gone()))
    office.revoke()
    office.ask("bearer")
    asyncio.run(office.run(lambda: "could not be told" in caplog.text))


def test_what_rang_is_remembered_within_bounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ringing, "_REMEMBERED", 2)
    office = Office(world)
    office.revoke()
    for number in range(5):
        assert office.ask("bearer", {"claims": {"jti": f"j-{number}"}}) == "credential_revoked"
    assert office.counts == ["revoked"] * 5
    assert office.alarms.waiting == 5
