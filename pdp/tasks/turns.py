"""Whose turn it is: of several processes that share a store, one does what one is enough for.

It is that one's for a while, and for longer when it asks again; when it is gone, the next takes it. Two may
do the same for a moment all the same: what is done in turns must bear that.
"""

from __future__ import annotations

import secrets

from pdp.state.store import Entry, Store, name


class Turn:
    """One thing that is done in turns, named by `of`, as this process sees it."""

    def __init__(self, store: Store, *of: str) -> None:
        self._store, self._key = store, name("turn", *of)
        self._mine = secrets.token_bytes(16)

    def take(self, seconds: float, lasts: float) -> bool:
        """Whether it is ours, for half of `lasts` seconds from now at least; raises `StoreError`."""
        snapshot = self._store.read((self._key,), seconds)
        entry = snapshot.entries[self._key]
        if entry is not None and entry.value != self._mine:
            return False
        if entry is not None and entry.expires is not None and entry.expires > seconds + lasts / 2:
            # Ours for long enough: each time it is prolonged is a write.
            return True
        return self._store.commit(snapshot, {self._key: Entry(self._mine, seconds + lasts)}, seconds)
