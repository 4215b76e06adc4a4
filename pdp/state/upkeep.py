"""Looking after the file of a state: whether it is whole, and giving back the room of what has ended.

Beside `sqlite` the only module that knows SQLite. Makes nothing: what is not there is not looked after.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pdp.state.sqlite import OURS, VERSION
from pdp.state.store import GRACE, StoreError

# How long (seconds) another process is waited for, and how many problems are told.
_PATIENCE: Final = 10.0
_PROBLEMS: Final = 20


@dataclass(frozen=True, slots=True)
class Condition:
    """How a file is. `entries` are counted with the `ended` ones; `size` and `free` are bytes of the file
    and of what could be given back without taking anything away."""

    version: int
    entries: int
    ended: int
    size: int
    free: int
    problems: tuple[str, ...]


def examine(path: Path, seconds: float) -> Condition:
    """How the state at `path` is now. Raises `StoreError` where that is no state, or cannot be read."""
    with _opened(path) as database:
        problems = _damage(database)
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            problems += (
                f"it was written by another version of pdp: {version}, and this one reads {VERSION}",
            )
        try:
            entries, ended = database.execute(
                "SELECT count(*), count(*) FILTER (WHERE expires <= ?) FROM entry", (seconds,)
            ).fetchone()
        except sqlite3.DatabaseError:
            # Of what cannot be read the count is none, and why has been told.
            entries = ended = 0
            problems = problems or ("its entries cannot be read",)
        (pages,), (free,), (page,) = (
            database.execute(f"PRAGMA {name}").fetchone()
            for name in ("page_count", "freelist_count", "page_size")
        )
        return Condition(version, entries, ended, pages * page, free * page, problems)


def vacuum(path: Path, seconds: float) -> tuple[Condition, Condition]:
    """Take away what has ended, and give back its room; how the file was, and is. Raises `StoreError`.

    Meanwhile nobody else can write.
    """
    before = examine(path, seconds)
    if before.problems:
        raise StoreError(before.problems[0])
    with _opened(path) as database:
        # As `GRACE` says, a clock that is set back must not bring back what had ended.
        database.execute("DELETE FROM entry WHERE expires <= ?", (seconds - GRACE,))
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return before, examine(path, seconds)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        place = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(place, uri=True, timeout=_PATIENCE, isolation_level=None)) as database:
            if database.execute("PRAGMA application_id").fetchone() != (OURS,):
                raise StoreError("it is a file of something else")
            yield database
    except sqlite3.Error as error:
        raise StoreError(str(error)) from None


def _damage(database: sqlite3.Connection) -> tuple[str, ...]:
    try:
        rows = database.execute(f"PRAGMA integrity_check({_PROBLEMS})").fetchall()
    except sqlite3.DatabaseError as error:
        return (str(error),)
    # A row may hold several lines.
    told = [line.strip() for (text,) in rows for line in text.splitlines() if line.strip() != "ok"]
    return tuple(told[:_PROBLEMS])
