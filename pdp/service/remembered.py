"""What one serving process remembers between requests: what was used, and how often credentials were seen.

Knows where it is kept: in memory for one worker, in a file where the settings name one, and else, for several
workers, in a file of the folder they share, which goes with them. Knows nothing of requests.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from pathlib import Path

from pdp.settings import Settings
from pdp.state.memory import MemoryStore
from pdp.state.replay import Replay
from pdp.state.sightings import Sightings
from pdp.state.sqlite import SqliteStore
from pdp.state.store import Entry, Store, StoreError, name
from pdp.tasks.known import Knowledge
from pdp.tasks.tasks import Tasks

log = logging.getLogger("pdp.state")

# How often workers tell each other what they have seen, in seconds.
_SHARING = 0.5
_SECRET = "secret"
# No `.db`: prometheus-client takes every such file in the folder for its own.
_STATE = "state"
_BEGUN = name("begun")
_TURNS = 64


class Remembered:
    """The memory of one process. Raises `StoreError` where it cannot be kept."""

    def __init__(self, settings: Settings, shared: Path | None) -> None:
        """`shared` is the folder of a service with several workers, whose supervisor made it."""
        self.secret = (shared / _SECRET).read_bytes() if shared is not None else secrets.token_bytes(32)
        path = settings.state.path or (None if shared is None else shared / _STATE)
        self._path = path
        self._stores: list[Store] = []
        if settings.state.path is not None:
            _make_folder(settings.state.path.parent)
        self._store = self._opened(path, durable=False)
        self.replay = Replay(
            self._store,
            quota=settings.state.quota,
            room=settings.state.room,
            begun=max(_begun(self._store, time.time()), _booted()),
            # When a use begins is told as the earliest time at which it would have been accepted.
            ahead=0.0,
        )
        self._shares = path is not None
        # A connection of their own: a request does not wait while they are shared.
        self.sightings = Sightings(store=self._opened(path, durable=False) if self._shares else None)
        # Tasks and revocations are kept through a loss of power.
        self.knowledge = Knowledge(self._opened(path, durable=True))
        # What is acknowledged needs a file that stays. By a connection of its own, for no decision is to
        # wait while one is flushed.
        self.tasks = None if settings.state.path is None else Tasks(self._opened(path, durable=True))

    async def run(self) -> None:
        """Until cancelled: share with other workers what was seen."""
        while self._shares:
            await asyncio.sleep(_SHARING)
            try:
                await asyncio.to_thread(self.sightings.share, time.time())
            except StoreError:
                log.exception("what was seen cannot be shared")

    def opened(self) -> Store:
        """A connection more, for what is to last; raises `StoreError`."""
        return self._opened(self._path, durable=True)

    def close(self) -> None:
        """Share what is left, and let go of the store."""
        if self._shares:
            try:
                self.sightings.share(time.time())
            except StoreError:
                log.exception("what was seen last cannot be kept")
        for store in self._stores:
            store.close()

    def _opened(self, path: Path | None, *, durable: bool) -> Store:
        store: Store = MemoryStore() if path is None else SqliteStore(path, durable=durable)
        self._stores.append(store)
        return store


def _make_folder(folder: Path) -> None:
    """Make the folder of the state, where there is none, for its owner alone."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(f"`{folder}` cannot be made: {error.strerror}") from None


def _booted() -> float:
    """When the machine began (epoch seconds): what was used last before may be lost, for it was not
    flushed."""
    since = time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
    return time.time() - since


def _begun(store: Store, seconds: float) -> float:
    """Since when the store remembers (epoch seconds): what was made before may have been used."""
    for _ in range(_TURNS):
        snapshot = store.read((_BEGUN,), seconds)
        entry = snapshot.entries[_BEGUN]
        if entry is not None:
            return float.fromhex(entry.value.decode())
        if store.commit(snapshot, {_BEGUN: Entry(seconds.hex().encode())}, seconds):
            return seconds
    raise StoreError("it is changed by too many at once")


def prepare(shared: Path) -> None:
    """Put into the folder what all workers of a service have in common."""
    path = shared / _SECRET
    path.touch(mode=0o600)
    path.write_bytes(secrets.token_bytes(32))
