"""A store that is asked and left as it is: for who wants to know what would be decided and change nothing."""

from __future__ import annotations

from collections.abc import Collection

from pdp.state.store import Changes, Snapshot, Store


class Untouched:
    """What another store holds. Every commit is taken, and none is made."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, keys: Collection[bytes], seconds: float) -> Snapshot:
        return self._store.read(keys, seconds)

    def commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        return True

    def version(self) -> object:
        return self._store.version()

    def close(self) -> None:
        self._store.close()
