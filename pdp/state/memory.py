"""A store in this process: for one worker, and for tests. Gone when the process is."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from pdp.state.store import GRACE, Changes, Entry, Snapshot

_SWEEP = 4_096


class MemoryStore:
    """A dictionary and a lock. Every so many commits, what has ended is taken away."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._lock = threading.Lock()
        self._commits = 0

    def read(self, keys: Iterable[bytes], seconds: float) -> Snapshot:
        with self._lock:
            return Snapshot({key: self._live(key, seconds) for key in keys})

    def commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        assert changes.keys() <= snapshot.entries.keys()
        with self._lock:
            if any(self._live(key, seconds) != entry for key, entry in snapshot.entries.items()):
                return False
            for key, entry in changes.items():
                if entry is None:
                    self._entries.pop(key, None)
                else:
                    self._entries[key] = entry
            self._commits += 1
            if self._commits % _SWEEP == 0:
                self._sweep(seconds)
            return True

    def close(self) -> None:
        pass

    def _live(self, key: bytes, seconds: float) -> Entry | None:
        entry = self._entries.get(key)
        return None if entry is None or (entry.expires is not None and entry.expires <= seconds) else entry

    def _sweep(self, seconds: float) -> None:
        ended = [
            key
            for key, entry in self._entries.items()
            if entry.expires is not None and entry.expires + GRACE <= seconds
        ]
        for key in ended:
            del self._entries[key]
