"""Signals that are fetched: acknowledged once kept, told when they are refused, and left to come again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pdp.evidence.fetch import FetchError
from pdp.signalled import PollFrom
from pdp.state.memory import MemoryStore
from pdp.state.store import StoreError
from pdp.tasks import polling
from pdp.tasks.polling import Poll
from pdp.tasks.subjects import SignalError
from pdp.tasks.turns import Turn
from tests.evidence.loopback import Asked, Server, answer, loopback

POLL = "/poll"


class Transmitter:
    """Who has signals to be fetched (RFC 8936): until they are acknowledged, or were refused."""

    def __init__(self, *ids: str) -> None:
        self.sets = {one: f"token of {one}" for one in ids}
        self.errors: dict[str, Any] = {}
        self.asked: list[Asked] = []

    async def __call__(self, asked: Asked, _: asyncio.StreamWriter) -> bytes:
        self.asked.append(asked)
        said = json.loads(asked.body)
        for one in said["ack"]:
            del self.sets[one]
        for one, error in said["setErrs"].items():
            self.errors[one] = error
            del self.sets[one]
        sets = dict(list(self.sets.items())[: said["maxEvents"]])
        return answer(json.dumps({"sets": sets, "moreAvailable": len(self.sets) > len(sets)}))


def beside(transmitter: Any, body: Callable[[Server], Awaitable[Any]]) -> Any:
    """What `body` gives while the transmitter listens."""

    async def run() -> Any:
        async with loopback() as server:
            server.answers[POLL] = transmitter
            return await body(server)

    return asyncio.run(run())


def polled(server: Server, take: Callable[[str], Awaitable[None]], **more: Any) -> Poll:
    return Poll(PollFrom(url=server.url(POLL), **more), take, Turn(MemoryStore(), "poll"))


def test_all_there_is_is_taken_once_and_then_acknowledged() -> None:
    transmitter = Transmitter(*(f"j-{number}" for number in range(120)))
    texts, taken = list(transmitter.sets.values()), []

    async def take(text: str) -> None:
        # It is not acknowledged before it was taken.
        assert text in transmitter.sets.values()
        taken.append(text)

    async def body(server: Server) -> None:
        poll = polled(server, take)
        while await poll.once():
            pass
        await poll.close()

    beside(transmitter, body)
    assert taken == texts
    assert transmitter.sets == {}
    assert json.loads(transmitter.asked[0].body) == {
        "maxEvents": 50, "returnImmediately": True, "ack": [], "setErrs": {},
    }  # fmt: skip


def test_what_is_refused_is_told_and_what_cannot_be_kept_comes_again() -> None:
    transmitter, taken, broken = Transmitter("j-1", "j-2", "j-3"), list[str](), [True]

    async def take(text: str) -> None:
        if text.endswith("j-1"):
            raise SignalError("invalid_key", "it is not signed with a key of its issuer")
        if text.endswith("j-3") and broken:
            broken.pop()
            raise StoreError("there is no room")
        taken.append(text)

    async def body(server: Server) -> None:
        poll = polled(server, take)
        with pytest.raises(StoreError):
            await poll.once()
        while await poll.once():
            pass
        await poll.close()

    beside(transmitter, body)
    assert taken == ["token of j-2", "token of j-3"]
    assert transmitter.errors["j-1"]["err"] == "invalid_key"
    assert transmitter.sets == {}


def test_what_was_not_said_is_said_the_next_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(polling, "_MOMENT", 0.01)
    (tmp_path / "token").write_text("let-me-in")
    transmitter, fails = Transmitter("j-1"), ["503 Busy", "500 Broken"]

    async def sometimes(asked: Asked, writer: asyncio.StreamWriter) -> bytes:
        # It took the acknowledgement before it failed, or did not.
        if len(transmitter.asked) == 1 and fails:
            return answer("", status=fails.pop())
        return await transmitter(asked, writer)

    async def take(_: str) -> None:
        pass

    async def body(server: Server) -> None:
        poll = polled(server, take, token_file=tmp_path / "token", every="1s")
        running = asyncio.create_task(poll.run())
        async with asyncio.timeout(30):
            while transmitter.sets:
                await asyncio.sleep(0.01)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    beside(sometimes, body)
    assert transmitter.asked[0].headers["authorization"] == "Bearer let-me-in"


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"sets":[]}', '{"sets":{"j":1}}', '{"sets":{},"sets":{}}'])
def test_what_are_no_signals_is_told(body: str) -> None:
    async def take(_: str) -> None:
        raise AssertionError

    async def asked(server: Server) -> None:
        poll = polled(server, take)
        with pytest.raises(FetchError, match="no signals"):
            await poll.once()
        await poll.close()

    beside(answer(body), asked)


def test_of_several_processes_one_asks_and_another_when_that_is_gone() -> None:
    store = MemoryStore()
    first, second = Turn(store, "poll"), Turn(store, "poll")
    assert first.take(1_000.0, 10.0)
    assert not second.take(1_009.9, 10.0)
    # It stays the first one's while that asks, for half of the time at least.
    for now in range(1_000, 1_040, 3):
        assert first.take(now, 10.0)
        assert not second.take(now + 4.9, 10.0)
    assert second.take(1_060.0, 10.0)
    assert not first.take(1_060.0, 10.0)
    assert Turn(store, "another").take(1_060.0, 10.0)
