"""A store in one SQLite file: shared by the workers of a machine, and there after a crash.

The only module that knows SQLite. Write-ahead logging lets readers go on beside a writer; what `commit`
acknowledged is in the log file, which the system keeps when the process is killed. Whether it also outlives
a loss of power is `durable`'s to say, at the price of one flush to disk for each commit.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from pdp.state.store import GRACE, Changes, Entry, Snapshot, StoreError

_Run: TypeAlias = Callable[..., Any]

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS entry (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires REAL) "
    "WITHOUT ROWID, STRICT",
    "CREATE INDEX IF NOT EXISTS entry_expires ON entry (expires) WHERE expires IS NOT NULL",
)
VERSION: Final = 1
# A writer waits this long for another; longer means that something is wrong, and nothing is allowed for it.
_PATIENCE: Final = 2.0
_SWEEP: Final = 1_024
_SWEPT: Final = 4_096


class SqliteStore:
    """One connection to a file. Raises `StoreError` where the file is none of ours, or of a later version."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self._lock = threading.Lock()
        self._commits = 0
        try:
            # Each statement is its own transaction unless we begin one: no hidden ones.
            self._database = sqlite3.connect(
                path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            with self._transaction() as run:
                (version,) = run("PRAGMA user_version").fetchone()
                if version not in (0, VERSION):
                    raise StoreError(f"`{path}` was written by another version of pdp")
                for statement in _SCHEMA:
                    run(statement)
                run(f"PRAGMA user_version = {VERSION}")
        except sqlite3.Error as error:
            raise StoreError(f"`{path}` cannot be used: {error}") from None

    def read(self, keys: Iterable[bytes], seconds: float) -> Snapshot:
        try:
            with self._lock:
                return Snapshot({key: self._live(key, seconds) for key in keys})
        except sqlite3.Error as error:
            raise StoreError(str(error)) from None

    def commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        assert changes.keys() <= snapshot.entries.keys()
        try:
            with self._transaction() as run:
                if any(self._live(key, seconds) != entry for key, entry in snapshot.entries.items()):
                    return False
                for key, entry in changes.items():
                    if entry is None:
                        run("DELETE FROM entry WHERE key = ?", (key,))
                    else:
                        run(
                            "INSERT INTO entry VALUES (?, ?, ?) ON CONFLICT (key) "
                            "DO UPDATE SET value = excluded.value, expires = excluded.expires",
                            (key, entry.value, entry.expires),
                        )
                self._commits += 1
                if self._commits % _SWEEP == 0:
                    run(
                        "DELETE FROM entry WHERE key IN "
                        "(SELECT key FROM entry WHERE expires <= ? ORDER BY expires LIMIT ?)",
                        (seconds - GRACE, _SWEPT),
                    )
                return True
        except sqlite3.Error as error:
            raise StoreError(str(error)) from None

    def close(self) -> None:
        self._database.close()

    def _live(self, key: bytes, seconds: float) -> Entry | None:
        row = self._database.execute(
            "SELECT value, expires FROM entry WHERE key = ? AND (expires IS NULL OR expires > ?)",
            (key, seconds),
        ).fetchone()
        return None if row is None else Entry(*row)

    @contextmanager
    def _transaction(self) -> Iterator[_Run]:
        """One transaction that is the only writer from its beginning on."""
        with self._lock:
            run = self._database.execute
            run("BEGIN IMMEDIATE")
            try:
                yield run
            except BaseException:
                run("ROLLBACK")
                raise
            run("COMMIT")
