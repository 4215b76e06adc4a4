"""What signs here is believed here: from the first on, through changes, and not when it cannot be known."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from pdp.minted import Schedule
from pdp.state.memory import MemoryStore
from pdp.state.store import StoreError
from pdp.tasks.own_keys import OwnKeys
from pdp.tasks.signing import SigningKeys
from pdp.tasks.wrap import Wrapped


class Published:
    """Signing keys, and what is believed of them."""

    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore()
        self.folder = folder
        self.sets: list[tuple[bytes, float]] = []
        self.keys = self.process()
        self.own = OwnKeys(
            "https://pdp.example", lambda data, until: self.sets.append((data, until)), self.keys
        )

    def process(self) -> SigningKeys:
        """The keys as another process has them."""
        return SigningKeys(self.store, Schedule(), Wrapped(self.folder / "key", "ES256"))

    @property
    def kids(self) -> set[str]:
        return {key["kid"] for key in json.loads(self.sets[-1][0])["keys"]}


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path)


def test_the_first_key_is_made_and_believed_before_anything_is_signed(published: Published) -> None:
    assert asyncio.run(published.own.refresh())
    assert published.kids == {published.keys.current(time.time()).kid}
    assert published.sets[-1][1] > time.time()
    assert published.own.where() == "the state"


def test_a_change_by_another_process_is_followed(published: Published) -> None:
    async def follow() -> None:
        await published.own.refresh()
        keeping = asyncio.create_task(published.own.keep())
        made = published.process().rotate(time.time())
        async with asyncio.timeout(30):
            while made.kid not in published.kids:
                published.own.ask()
                await asyncio.sleep(0.01)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    asyncio.run(follow())
    assert len(published.kids) == 2


def test_what_cannot_be_read_is_told_and_believed_no_longer_than_it_was(
    published: Published, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(published.own.refresh())
    until = published.own.until

    def broken(*_: object) -> None:
        raise StoreError("it cannot be read")

    monkeypatch.setattr(published.keys, "jwks", broken)
    assert not asyncio.run(published.own.refresh())
    assert published.own.problem == "it cannot be read"
    assert published.own.until == until
    assert len(published.sets) == 1
    assert "cannot be refreshed" in caplog.text
