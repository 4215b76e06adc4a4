"""A state with very many revocations and tasks in it, made in seconds.

What stands there is made by those who make it in a service, in memory, and then written at once, in the order
in which it was made: keys are hashes, so that pages fill as they would one by one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from benchmarks.credentials import ISSUER, LIFETIME, Authority
from benchmarks.office import task
from pdp.evidence.evidence import Evidence
from pdp.state.sqlite import SqliteStore
from pdp.state.store import Changes, Entry, Snapshot
from pdp.tasks.revocation import Revocations, credential_names
from pdp.tasks.tasks import Tasks

OWNERS = 1_000


class _Written:
    """A store that nobody else has: no race is lost, and nothing ends."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}

    def read(self, keys: Collection[bytes], seconds: float) -> Snapshot:
        return Snapshot({key: self.entries.get(key) for key in keys})

    def commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        self.entries |= {key: entry for key, entry in changes.items() if entry is not None}
        return True

    def version(self) -> object:
        return len(self.entries)

    def close(self) -> None:
        """There is nothing to let go of."""


def fill(path: Path, authority: Authority, evidence: Evidence, revocations: int, tasks: int) -> int:
    """Make a file with so many of each in it, the tasks opened with a credential like `evidence`; its size
    in bytes."""
    written, seconds = _Written(), authority.now.timestamp()
    revoked, until = Revocations(written), seconds + LIFETIME
    for number in range(revocations):
        revoked.revoke(
            "token", ISSUER, f"gone-{number}", before=until, by="operator", reason="its holder revoked it",
            until=until, seconds=seconds,
        )  # fmt: skip
    opened, names = Tasks(written), credential_names(evidence)
    for number in range(tasks):
        opened.open(task(f"task-{number}", authority, f"batch-{number % OWNERS}", names), seconds)
    SqliteStore(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for name, value in (("journal_mode", "OFF"), ("synchronous", "OFF"), ("cache_size", "-1000000")):
            database.execute(f"PRAGMA {name} = {value}")
        rows = ((key, entry.value, entry.expires) for key, entry in written.entries.items())
        database.execute("BEGIN")
        database.executemany("INSERT INTO entry VALUES (?, ?, ?)", rows)
        database.execute("COMMIT")
    # It is given back its write-ahead log.
    SqliteStore(path).close()
    return path.stat().st_size
