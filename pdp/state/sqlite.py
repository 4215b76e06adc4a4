"""A store in one SQLite file: shared by the processes of a machine, and there after a crash.

With `upkeep` the only module that knows SQLite. Write-ahead logging lets readers go on beside a writer;
what `commit` acknowledged is in the log file, which the system keeps when the process is killed. Whether it
also outlives a loss of power is `durable`'s to say, at the price of one flush to disk for each commit: what
is worth nothing after a minute does without, and loses its last commits then, but never its file.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from pdp.state.store import GRACE, Changes, Entry, Snapshot, StoreError

_Result = TypeVar("_Result")

# Without an index of ends: it would cost every commit more than the sweep costs that does without.
_SCHEMA: Final = (
    "CREATE TABLE entry (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires REAL) WITHOUT ROWID, STRICT"
)
VERSION: Final = 2
# "pdp" and a zero: how a file says whose it is.
OURS: Final = 0x70647000
# A process waits this long (seconds) for another; longer means that something is wrong, and nothing is
# allowed for it. It looks this often, which is sooner than SQLite would: it is a request that waits.
_PATIENCE: Final = 2.0
_LOOK: Final = 0.000_1
# A commit changes a few entries at random places, and the log takes a page for each.
_PAGE: Final = 1_024
# Once in so many commits what is in the log is copied to its place in the file: beside them, for it
# takes a flush to disk. A log of this many pages is gone through with nobody writing, to begin it anew.
_COPY: Final = 1_024
_LONG: Final = 16_384
# Once in so many commits, so many entries are looked at, in the order of their keys and round again.
_SWEEP: Final = 64
_SWEPT: Final = 256
_MAKING: Final = threading.Lock()


class SqliteStore:
    """One connection to a file, for any thread of the process that made it.

    Raises `StoreError` where the file is none of ours, or of another version. It is made readable by its
    owner alone.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._commits = 0
        # Somewhere, for many processes that live short must get round as one that lives long does.
        self._hand = os.urandom(2)
        # Absolute, so that no path means more to SQLite than a file, as `:memory:` would.
        self._file = file = path.absolute()
        self._copying = threading.Thread()
        try:
            _make(file)
            # Each statement is its own transaction unless we begin one: no hidden ones.
            self._database = sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False)
        except (OSError, ValueError, sqlite3.Error) as error:
            raise StoreError(f"`{path}` cannot be opened: {error}") from None
        try:
            _patiently(_prepare, self._database, "FULL" if durable else "NORMAL")
        except (StoreError, sqlite3.Error) as error:
            self._database.close()
            raise StoreError(f"`{path}` cannot be used: {error}") from None

    def read(self, keys: Collection[bytes], seconds: float) -> Snapshot:
        return Snapshot(self._run(self._live, tuple(keys), seconds))

    def commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        assert changes.keys() <= snapshot.entries.keys()
        done = self._run(self._commit, snapshot, changes, seconds)
        if done and self._commits % _COPY == 0 and not self._copying.is_alive():
            self._copying = threading.Thread(target=_copy, args=(self._file,), daemon=True)
            # Without one, the log is longer until the next time; the commit is made.
            with suppress(RuntimeError):
                self._copying.start()
        return done

    def version(self) -> object:
        # SQLite tells of what other connections have committed; our own we know.
        return self._run(self._changed), self._commits

    def close(self) -> None:
        # What was made before a fork is the other process's to close.
        if self._process == os.getpid():
            if self._copying.is_alive():
                self._copying.join()
            self._database.close()

    def _changed(self) -> int:
        (changed,) = self._database.execute("PRAGMA data_version").fetchone()
        assert isinstance(changed, int)
        return changed

    def _live(self, keys: tuple[bytes, ...], seconds: float) -> dict[bytes, Entry | None]:
        found: dict[bytes, Entry | None] = dict.fromkeys(keys)
        for key, value, expires in self._database.execute(_select(len(keys)), keys):
            if expires is None or expires > seconds:
                found[key] = Entry(value, expires)
        return found

    def _commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        run = self._database.execute
        # The only writer from here on.
        run("BEGIN IMMEDIATE")
        try:
            if self._live(tuple(snapshot.entries), seconds) != snapshot.entries:
                run("ROLLBACK")
                return False
            gone = [key for key, entry in changes.items() if entry is None]
            rows: list[Any] = []
            for key, entry in changes.items():
                if entry is not None:
                    rows += key, entry.value, entry.expires
            if gone:
                run(_delete(len(gone)), gone)
            if rows:
                run(_upsert(len(rows) // 3), rows)
            if self._commits % _SWEEP == 0:
                self._sweep(seconds - GRACE)
            run("COMMIT")
            self._commits += 1
            return True
        except BaseException:
            # Some errors have rolled back already.
            if self._database.in_transaction:
                run("ROLLBACK")
            raise

    def _sweep(self, seconds: float) -> None:
        run = self._database.execute
        last = run("SELECT key FROM entry WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?", (self._hand, _SWEPT))
        row = last.fetchone()
        if row is None:
            run("DELETE FROM entry WHERE key > ? AND expires <= ?", (self._hand, seconds))
            self._hand = b""
        else:
            run("DELETE FROM entry WHERE key > ? AND key <= ? AND expires <= ?", (self._hand, *row, seconds))
            (self._hand,) = row

    def _run(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        if self._process != os.getpid():
            # SQLite's locks stay with the process that took them: another would write between.
            raise StoreError("a store cannot be used by a process that was forked after it was opened")
        try:
            with self._lock:
                return _patiently(work, *arguments)
        except sqlite3.Error as error:
            raise StoreError(str(error)) from None


def _make(file: Path) -> None:
    """Make the file, where there is none: SQLite would not ask who may read it."""
    # To close any file takes the locks away that this process has on it, also those of another store: so
    # only one that is new is opened here, and nobody goes on with it before it is closed.
    with _MAKING, suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _patiently(work: Callable[..., _Result], *arguments: Any) -> _Result:
    """Do something that can be done again when another process was in the way."""
    until = 0.0
    while True:
        try:
            return work(*arguments)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            now = time.monotonic()
            until = until or now + _PATIENCE
            if now >= until:
                raise
            time.sleep(_LOOK)


def _prepare(database: sqlite3.Connection, synchronous: str) -> None:
    """Make a file that is empty ours, and see that any other is."""
    run = database.execute
    run(f"PRAGMA page_size = {_PAGE}")
    run("BEGIN IMMEDIATE")
    try:
        (owner,), (version,) = run("PRAGMA application_id").fetchone(), run("PRAGMA user_version").fetchone()
        if not owner and not version and run("SELECT 1 FROM sqlite_schema").fetchone() is None:
            run(_SCHEMA)
            run(f"PRAGMA application_id = {OURS}")
            run(f"PRAGMA user_version = {VERSION}")
        elif owner != OURS:
            raise StoreError("it is a database of something else")
        elif version != VERSION:
            raise StoreError("it was written by another version of pdp")
        run("COMMIT")
    finally:
        if database.in_transaction:
            run("ROLLBACK")
    # Not before: it changes the file, and that may not be ours.
    (mode,) = run("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError("there is no write-ahead log where it is")
    run(f"PRAGMA synchronous = {synchronous}")
    # Only where copying beside the commits fails.
    run(f"PRAGMA wal_autocheckpoint = {4 * _LONG}")


def _copy(file: Path) -> None:
    """Copy what is in the log to its place, so that the log can begin anew."""
    # Should it fail, then the log is longer until the next time, and nothing else is different.
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=_PATIENCE)) as database:
        for _ in range(3):
            # What was written meanwhile is left to another turn, and that is a shorter one.
            _, pages, copied = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages == copied:
                return
        if pages > _LONG:
            database.execute("PRAGMA wal_checkpoint(RESTART)")


# The same text for the same number of keys, by which SQLite knows a statement that is prepared.


@cache
def _select(keys: int) -> str:
    return f"SELECT key, value, expires FROM entry WHERE key IN ({', '.join('?' * keys)})"


@cache
def _delete(keys: int) -> str:
    return f"DELETE FROM entry WHERE key IN ({', '.join('?' * keys)})"


@cache
def _upsert(rows: int) -> str:
    return (
        f"INSERT INTO entry VALUES {', '.join(['(?, ?, ?)'] * rows)} ON CONFLICT (key) "
        "DO UPDATE SET value = excluded.value, expires = excluded.expires"
    )
