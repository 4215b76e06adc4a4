"""What the state knows of a request: whether its credential was revoked, and how its task stands.

Reads, and changes nothing but what an allow uses up. Knows evidence, tasks and revocations, and no requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from pdp.access.values import Record
from pdp.evidence.evidence import Evidence
from pdp.evidence.refusals import STATE_STALE, TASK_ENDED, EvidenceError
from pdp.gather import known_task
from pdp.state.store import Entry, Store
from pdp.tasks.revocation import GENERATION, Revocations, check
from pdp.tasks.task import Task
from pdp.tasks.tasks import TaskError, Tasks, task_key, task_of

OWN: Final = "pdp"
"""The audience of what is asked of pdp about itself."""
_REMEMBERED: Final = 16_384


class Known(Struct, frozen=True, gc=False):
    """A task as it stands now: with its ancestors, and with the credential that it was opened with."""

    task: Task
    active: bool
    counted: bool

    def record(self) -> Record:
        """The task as rules read it."""
        return known_task(self.task.record()) | {"active": self.active}


class Knowledge:
    """The tasks and revocations of a store. Methods raise `StoreError`, and `EvidenceError` for refusals.

    `silent` is replaced whole: while nobody tells what of an issuer was revoked, what it issued longer ago
    than so many seconds is refused, by the name under which all of the issuer may be revoked.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.silent: Mapping[bytes, float] = {}
        self.tasks = Tasks(store)
        self.revocations = Revocations(store)
        # Which credentials were found not to be revoked, and when, since anything was. One verification
        # makes one caller: by another one a token may be another's, as its issuer tells.
        self._version: object = None
        self._generation: Entry | None = None
        self._sound: dict[bytes, tuple[dict[str, Any], float]] = {}

    def look(self, evidence: Evidence | None, task_id: str | None, seconds: float) -> Known | None:
        """What is known at this moment of a credential and a task; None where there is no such task.

        Refuses a credential that was revoked. What was acknowledged before this is asked is known here.
        """
        if evidence is not None:
            self._check(evidence, seconds)
            if self.silent:
                self._check_age(evidence, seconds)
        if task_id is None:
            return None
        found = self._store.read((task_key(task_id),), seconds)
        if found.entries[task_key(task_id)] is None:
            return None
        return self._stands(task_of(found, task_id), seconds)

    def _check(self, evidence: Evidence, seconds: float) -> None:
        """Refuses a credential that was revoked. One that was not is not, until anything is."""
        version = self._store.version()
        if version != self._version:
            # Much else is written there; that nothing was revoked is one small thing to read.
            generation = self._store.read((GENERATION,), seconds).entries[GENERATION]
            if generation != self._generation:
                self._generation, self._sound = generation, {}
            self._version = version
        if len(self._sound) >= _REMEMBERED:
            self._sound.clear()
        sound = self._sound.get(evidence.identity)
        # Asked as of an earlier time, what has ended since is there again.
        if sound is not None and sound[0] is evidence.caller and seconds >= sound[1]:
            return
        names = self.revocations.names(evidence)
        found = self._store.read(names, seconds).entries
        check(found, names, evidence.issued)
        if evidence.descends is not None:
            # What came of something that is revoked is no newer for having been made later.
            check(found, evidence.lineage, evidence.descends)
        self._sound[evidence.identity] = evidence.caller, seconds

    def use(self, known: Known, seconds: float) -> None:
        """Use the task up by one, where its uses are counted."""
        if known.counted:
            try:
                self.tasks.use(known.task.id, seconds)
            except TaskError:
                raise EvidenceError(TASK_ENDED) from None

    def _check_age(self, evidence: Evidence, seconds: float) -> None:
        silent = self.silent
        issued = evidence.issued if evidence.descends is None else min(evidence.issued, evidence.descends)
        for one in self.revocations.names(evidence):
            if one in silent and seconds >= issued + silent[one]:
                raise EvidenceError(STATE_STALE)

    def _stands(self, task: Task, seconds: float) -> Known:
        line: Sequence[Task] = (task,)
        if task.ancestors:
            line = self.tasks.line(task.id, seconds)
        active = all(one.standing(seconds) == "active" for one in line)
        names = tuple({name for one in line for name in one.opened_with})
        if active and names:
            # A task ends with the credential that it was opened with.
            entries = self._store.read(names, seconds).entries
            try:
                for one in line:
                    check(entries, one.opened_with, one.issued)
            except EvidenceError:
                active = False
        return Known(task, active, any(one.uses is not None for one in line))
