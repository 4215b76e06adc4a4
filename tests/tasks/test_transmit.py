"""What was revoked here is told to others: again until it is taken, in order, once, and after a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import jwt
import pytest

from pdp.evidence.fetch import FetchError
from pdp.evidence.keys import parse_jwks
from pdp.evidence.trust import Keys
from pdp.minted import Schedule
from pdp.signalled import ReceiverTable
from pdp.state.memory import MemoryStore
from pdp.state.sqlite import SqliteStore
from pdp.state.store import Store
from pdp.tasks import transmit
from pdp.tasks.outbox import Outbox, Queue
from pdp.tasks.revocation import KINDS, Kind, Revocations
from pdp.tasks.signals import CAEP, read
from pdp.tasks.signing import SigningKeys
from pdp.tasks.subjects import Transmitter
from pdp.tasks.transmit import Sender
from pdp.tasks.wrap import ALGORITHMS, Wrapped
from tests.evidence.loopback import Asked, Server, answer, loopback

ISSUER, AUDIENCE, IDP = "https://pdp.example", "https://mail.example", "https://idp.example"
WORKLOAD = "spiffe://prod.example/batch"
PUSH = "/signals"


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    kinds = {"memory": MemoryStore, "sqlite": lambda: SqliteStore(tmp_path / "state.db", durable=False)}
    with closing(kinds[request.param]()) as made:
        yield made


@pytest.fixture(autouse=True)
def _in_quick_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transmit, "_TURN", 0.1)


@pytest.fixture
def keys(store: Store, tmp_path: Path) -> SigningKeys:
    return SigningKeys(store, Schedule(), Wrapped(tmp_path / "key", "ES256"))


def table(url: str, receiver: str = "mail", **more: Any) -> ReceiverTable:
    return ReceiverTable(name=receiver, url=url, audience=AUDIENCE, **more)


def revoke(store: Store, kind: Kind, *fields: str, receivers: tuple[str, ...] = ("mail",)) -> None:
    outbox = Outbox([table("https://mail.example/", one) for one in receivers])
    Revocations(store, outbox).revoke(
        kind, *fields, before=float("inf"), by="operator", reason="lost", until=None, seconds=time.time()
    )


class Receiver:
    """Who takes what is told, when it is well. `fails` are the answers that it gives first."""

    def __init__(self, *fails: str) -> None:
        self.fails = list(fails)
        self.taken: list[str] = []
        self.asked: list[Asked] = []

    async def __call__(self, asked: Asked, _: asyncio.StreamWriter) -> bytes:
        self.asked.append(asked)
        if self.fails:
            return answer("{}", status=self.fails.pop(0))
        self.taken.append(asked.body.decode())
        return answer("", status="202 Accepted")

    @property
    def subjects(self) -> list[Any]:
        return [jwt.decode(one, options={"verify_signature": False})["sub_id"] for one in self.taken]


def beside(receiver: Receiver, told: Callable[[Server], Any]) -> Any:
    """What `told` gives while the receiver listens."""

    async def run() -> Any:
        async with loopback() as server:
            server.answers[PUSH] = receiver
            return await told(server)

    return asyncio.run(run())


def tell(store: Store, keys: SigningKeys, receiver: Receiver, counts: list[str] | None = None) -> None:
    """Run until nothing waits."""

    count = [] if counts is None else counts

    async def told(server: Server) -> None:
        sender = Sender(
            store, table(server.url(PUSH)), keys, ISSUER, lambda _, outcome: count.append(outcome)
        )
        running = asyncio.create_task(sender.run())
        async with asyncio.timeout(30):
            while Queue(store, "mail").first(time.time()) is not None:
                await asyncio.sleep(0.01)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    beside(receiver, told)


async def once(sender: Sender) -> bool:
    try:
        return await sender.once()
    finally:
        await sender.close()


def test_a_receiver_that_fails_twice_is_told_all_in_its_order_and_each_once(
    store: Store, keys: SigningKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transmit, "_LOOK", 0.01)
    users = [f"user-{number}" for number in range(5)]
    for one in users:
        revoke(store, "subject", IDP, one)
    receiver, counts = Receiver("503 Service Unavailable", "401 Unauthorized"), list[str]()
    tell(store, keys, receiver, counts)
    assert receiver.subjects == [{"format": "iss_sub", "iss": IDP, "sub": one} for one in users]
    # What was tried again is the same token, by its id.
    assert len(receiver.asked) == len(users) + 2
    ids = [jwt.decode(asked.body, options={"verify_signature": False})["jti"] for asked in receiver.asked[:3]]
    assert len(set(ids)) == 1
    assert counts == ["failed", "failed", *["taken"] * 5]
    assert all(asked.headers["content-type"] == "application/secevent+jwt" for asked in receiver.asked)


def test_what_is_told_is_a_signal_as_others_read_it(store: Store, keys: SigningKeys) -> None:
    revoke(store, "subject", IDP, "anna")
    revoke(store, "party", WORKLOAD)
    receiver = Receiver()
    tell(store, keys, receiver)
    believed = Keys(parse_jwks(keys.jwks(time.time()), use="sig", algorithms=ALGORITHMS), time.time() + 60)
    us = Transmitter(
        "pdp", ISSUER, frozenset({AUDIENCE}), frozenset(ALGORITHMS),
        {IDP: frozenset({"subject"})}, frozenset({"prod.example"}),
    )  # fmt: skip
    signals = [read(one, us, believed, time.time()) for one in receiver.taken]
    assert [one.about for one in signals] == [(("subject", (IDP, "anna")),), (("party", (WORKLOAD,)),)]
    assert all(one.effect == "revoke" and time.time() - one.at < 60 for one in signals)
    ((event, payload),) = jwt.decode(receiver.taken[0], options={"verify_signature": False})["events"].items()
    assert event == f"{CAEP}session-revoked"
    assert payload["reason_admin"] == {"en": "lost"}


def test_what_is_refused_is_not_told_again_and_keeps_nothing_waiting(store: Store, keys: SigningKeys) -> None:
    revoke(store, "subject", IDP, "anna")
    revoke(store, "subject", IDP, "berta")
    receiver, counts = Receiver("400 Bad Request"), list[str]()
    tell(store, keys, receiver, counts)
    assert [one["sub"] for one in receiver.subjects] == ["berta"]
    assert counts == ["refused", "taken"]


def test_each_receiver_is_told_and_one_that_is_away_keeps_no_other_waiting(
    store: Store, keys: SigningKeys
) -> None:
    revoke(store, "subject", IDP, "anna", receivers=("away", "mail"))
    receiver = Receiver()
    tell(store, keys, receiver)
    assert len(receiver.taken) == 1
    waits = Queue(store, "away").first(time.time())
    assert waits is not None
    assert waits[1] is not None
    assert waits[1].fields == (IDP, "anna")


def test_a_receiver_is_told_with_the_token_that_it_gave(
    store: Store, keys: SigningKeys, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("let-me-in\n")
    revoke(store, "subject", IDP, "anna")
    receiver = Receiver()

    async def told(server: Server) -> bool:
        known = table(server.url(PUSH), token_file=tmp_path / "token")
        return await once(Sender(store, known, keys, ISSUER))

    assert beside(receiver, told)
    assert receiver.asked[0].headers["authorization"] == "Bearer let-me-in"


def test_a_receiver_that_cannot_be_reached_is_told_later(store: Store, keys: SigningKeys) -> None:
    revoke(store, "subject", IDP, "anna")
    gone = beside(Receiver(), lambda server: asyncio.sleep(0, server.url(PUSH)))
    with pytest.raises(FetchError):
        asyncio.run(once(Sender(store, table(gone), keys, ISSUER)))
    receiver = Receiver()
    tell(store, keys, receiver)
    assert len(receiver.taken) == 1


FIELDS: dict[Kind, tuple[str, ...]] = {
    "token": (IDP, "j-1"), "subject": (IDP, "anna"), "session": (IDP, "s-1"), "tenant": (IDP, "acme"),
    "email": (IDP, "anna@example.com"), "caller": ("batch",), "party": (WORKLOAD,),
}  # fmt: skip
UNTOLD: dict[Kind, tuple[str, ...]] = {
    "credential": ("ab" * 32,), "issuer": (IDP,), "key": ("thumbprint",), "client": ("batch",),
    "task": ("t-1",), "all": (),
}  # fmt: skip


def test_what_says_nothing_to_others_is_not_told(store: Store, keys: SigningKeys) -> None:
    assert FIELDS.keys() | UNTOLD.keys() == set(KINDS)
    for kind, fields in (FIELDS | UNTOLD).items():
        revoke(store, kind, *fields)
    receiver = Receiver()
    tell(store, keys, receiver)
    assert len(receiver.taken) == len(FIELDS)


def test_the_same_revocation_once_more_is_not_told_again(store: Store, keys: SigningKeys) -> None:
    for _ in range(3):
        revoke(store, "subject", IDP, "anna")
    receiver = Receiver()
    tell(store, keys, receiver)
    assert len(receiver.taken) == 1


_REVOKES = """
import sys, time
from pathlib import Path
from pdp.signalled import ReceiverTable
from pdp.state.sqlite import SqliteStore
from pdp.tasks.outbox import Outbox
from pdp.tasks.revocation import Revocations
outbox = Outbox([ReceiverTable(name="mail", url="https://mail.example/", audience="mail")])
revocations = Revocations(SqliteStore(Path(sys.argv[1])), outbox)
for number in range(100_000):
    said = {"before": 1.0, "by": "", "reason": "", "until": None, "seconds": time.time()}
    revocations.revoke("subject", "https://idp.example", str(number), **said)
    print(number, flush=True)
"""


def test_what_was_acknowledged_before_a_kill_waits_and_is_told(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", _REVOKES, str(file)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        first = process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        acknowledged = [int(line) for line in (first + process.stdout.read()).splitlines()]
        process.wait()
        process.stdout.close()
        with closing(SqliteStore(file)) as store:
            waits = _all(store)
            # Nothing that was acknowledged is missing; at most one more is there.
            assert waits[: len(acknowledged)] == [str(number) for number in acknowledged]
            assert len(waits) <= len(acknowledged) + 1
        file.unlink()
        for rest in tmp_path.glob("state.db-*"):
            rest.unlink()


def _all(store: Store) -> list[str]:
    """All that waits, which then waits no more."""
    queue, found = Queue(store, "mail"), []
    while (waits := queue.first(time.time())) is not None:
        number, one = waits
        assert one is not None
        found.append(one.fields[1])
        queue.done(number, time.time())
    return found
