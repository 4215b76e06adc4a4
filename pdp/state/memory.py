"""A store in this process: for one worker, and for tests. Gone when the process is."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Final

from pdp.state.ends import Ends
from pdp.state.store import GRACE, Changes, Entry, Snapshot

# A commit takes away at most this many that have ended: more than it adds, and never a pause.
_SWEPT: Final = 16


class MemoryStore:
    """A dictionary and a lock. Each commit takes away some of what has ended."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._ends = Ends()
        self._lock = threading.Lock()
        self._version = 0

    def __len__(self) -> int:
        """How many entries take up room, also ended ones that are not taken away yet."""
        return len(self._entries)

    def read(self, keys: Collection[bytes], seconds: float) -> Snapshot:
        with self._lock:
            # Each decision reads the names of what may be revoked, and as a rule nothing is there.
            if self._entries.keys().isdisjoint(keys):
                return Snapshot(dict.fromkeys(keys))
            return Snapshot({key: self._live(key, seconds) for key in keys})

    def commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        assert changes.keys() <= snapshot.entries.keys()
        with self._lock:
            for key, entry in snapshot.entries.items():
                if self._live(key, seconds) != entry:
                    return False
            for key, entry in changes.items():
                self._put(key, entry)
            self._sweep(seconds - GRACE)
            self._version += 1
            return True

    def version(self) -> object:
        return self._version

    def close(self) -> None:
        pass

    def _live(self, key: bytes, seconds: float) -> Entry | None:
        entry = self._entries.get(key)
        return None if entry is None or (entry.expires is not None and entry.expires <= seconds) else entry

    def _put(self, key: bytes, entry: Entry | None) -> None:
        old = self._entries.get(key)
        before = None if old is None else old.expires
        after = None if entry is None else entry.expires
        if before is not None and after is not None:
            self._ends.move(key, before, after)
        elif before is not None:
            self._ends.discard(key, before)
        elif after is not None:
            self._ends.add(key, after)
        if entry is not None:
            self._entries[key] = entry
        elif old is not None:
            del self._entries[key]

    def _sweep(self, seconds: float) -> None:
        for _ in range(_SWEPT):
            key = self._ends.pop(seconds)
            if key is None:
                return
            del self._entries[key]
