"""The tasks in a store: opened, worked on, extended, ended. What is acknowledged here is there for everybody.

A child task is part of its parent: it allows no more, lives no longer, and what it uses up, the parent
has used up too. Whether it runs is found by looking at its ancestors, and at whether a credential that they
were opened with was revoked, so that nothing has to be ended after it. Knows tasks and a store, and not who
may do what: that is for the policies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, Literal

from msgspec import MsgspecError, Struct, msgpack
from msgspec.structs import replace

from pdp.evidence.refusals import EvidenceError
from pdp.state.store import Entry, Snapshot, Store, StoreError, name
from pdp.tasks.index import Index
from pdp.tasks.revocation import check
from pdp.tasks.task import RUNNING, Standing, Task, TaskError, check_part, standing

__all__ = ["DEPTH", "KEPT", "Listed", "Now", "TaskError", "Tasks", "task_key", "task_of"]

DEPTH: Final = 8
"""How many ancestors a task may have."""
# How long what has ended can still be looked at (seconds).
KEPT: Final = 30 * 86_400.0
# How many tasks are looked at for one list, whether wanted or not.
_LOOKED: Final = 1_000
_TURNS: Final = 64


class Now(Struct, frozen=True):
    """A task, and what it is at one moment."""

    task: Task
    standing: Standing


class Listed(Struct, frozen=True):
    """Some tasks, the newest first, and where to go on; None at the end."""

    tasks: tuple[Now, ...]
    after: int | None


class Tasks:
    """The tasks in a store. Every method may raise `StoreError`; those that change something, `TaskError`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, task: Task, seconds: float) -> None:
        """Have a new task. Its ancestors are its parent, and those of its parent."""
        if len(task.ancestors) > DEPTH:
            raise TaskError("beyond", f"a task has at most {DEPTH} ancestors", "parent")
        above = self.line(task.ancestors[0], seconds) if task.ancestors else ()
        if task.ancestors != tuple(one.id for one in above):
            raise TaskError("unknown", "there is no such task", "parent")
        indexes = (_ALL, _of(task.owner))

        def change(snapshot: Snapshot) -> Mapping[bytes, Entry | None]:
            line = [task_of(snapshot, one.id) for one in above]
            if line:
                check_part(task, line[0])
                _check_runs(line, snapshot, seconds, "parent")
            if snapshot.entries[task_key(task.id)] is not None:
                raise TaskError("beyond", "its id is taken", "id")
            changes: dict[bytes, Entry | None] = {task_key(task.id): _entry(task)}
            for index in indexes:
                changes |= index.added(snapshot.entries[index.head], task.id, task.latest + KEPT)
            return changes

        self._commit([task_key(task.id), *_keys(above), *(index.head for index in indexes)], change, seconds)

    def get(self, task_id: str, seconds: float) -> Task | None:
        """The task of this id, whatever has become of it; None where there is none."""
        entry = self._store.read((task_key(task_id),), seconds).entries[task_key(task_id)]
        return None if entry is None else _decoded(entry)

    def line(self, task_id: str, seconds: float) -> tuple[Task, ...]:
        """A task and its ancestors, nearest first, as they are at one moment; none where there is no such
        task."""
        task = self.get(task_id, seconds)
        if task is None or not task.ancestors:
            return () if task is None else (task,)
        ids = (task_id, *task.ancestors)
        snapshot = self._store.read([task_key(one) for one in ids], seconds)
        return tuple(task_of(snapshot, one) for one in ids)

    def now(self, task_id: str, seconds: float) -> Now | None:
        """A task and what it is now; None where there is none."""
        task = self.get(task_id, seconds)
        return None if task is None else self._now([task], seconds)[0]

    def end(self, task_id: str, state: Literal["completed", "cancelled"], seconds: float) -> Task:
        """End a task that runs, and with it all its parts. The same once more changes nothing."""

        def change(line: Sequence[Task], snapshot: Snapshot) -> Mapping[bytes, Entry | None]:
            if line[0].state == state:
                return {}
            _check_runs(line, snapshot, seconds)
            return {task_key(task_id): _entry(replace(line[0], state=state, ended=seconds))}

        return self._change(task_id, change, seconds)

    def extend(self, task_id: str, expires: float, seconds: float) -> Task:
        """Have a task that runs expire later, but not after its `latest` and its parent's end. The same once
        more changes nothing."""

        def change(line: Sequence[Task], snapshot: Snapshot) -> Mapping[bytes, Entry | None]:
            _check_runs(line, snapshot, seconds)
            task, *above = line
            if expires == task.expires:
                return {}
            if not task.expires < expires <= min([task.latest, *(one.expires for one in above)]):
                raise TaskError("beyond", "must be later than its end, and not after its latest", "expires")
            return {task_key(task_id): _entry(replace(task, expires=expires))}

        return self._change(task_id, change, seconds)

    def use(self, task_id: str, seconds: float) -> None:
        """Use a task once, and all that it is part of; raises `TaskError` when it is not active, or used
        up."""

        def change(line: Sequence[Task], snapshot: Snapshot) -> Mapping[bytes, Entry | None]:
            _check_runs(line, snapshot, seconds)
            if any(one.standing(seconds) == "not_begun" for one in line):
                raise TaskError("ended", "it has not begun")
            used = [replace(one, uses=one.uses - 1) for one in line if one.uses is not None]
            return {task_key(one.id): _entry(one) for one in used}

        self._change(task_id, change, seconds)

    def list(
        self,
        wanted: Callable[[Now], bool],
        seconds: float,
        *,
        owner: str | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> Listed:
        """At most `limit` of the tasks that are `wanted`, of one owner or all, the newest first. `after` is
        where another list ended, which may have been before it found one."""
        found: list[Now] = []
        walk = self._walk(_ALL if owner is None else _of(owner), after, seconds)
        for looked, (place, now) in enumerate(walk):
            if len(found) == limit or looked == _LOOKED:
                return Listed(tuple(found), place + 1)
            if wanted(now):
                found.append(now)
        return Listed(tuple(found), None)

    def _walk(self, index: Index, after: int | None, seconds: float) -> Iterator[tuple[int, Now]]:
        """The tasks of an index, each with its place in it, the newest first."""
        for first, ids in index.pages(self._store, after, seconds):
            entries = self._store.read([task_key(one) for one in ids], seconds).entries
            # A task that is forgotten leaves its place.
            there = [(first + n, entry) for n, one in enumerate(ids) if (entry := entries[task_key(one)])]
            tasks = self._now([_decoded(entry) for _, entry in there], seconds)
            yield from zip([place for place, _ in reversed(there)], reversed(tasks), strict=True)

    def _now(self, tasks: Sequence[Task], seconds: float) -> Sequence[Now]:
        ancestors = {one for task in tasks for one in task.ancestors}
        above = self._store.read([task_key(one) for one in ancestors], seconds)
        lines = [(task, *(task_of(above, one) for one in task.ancestors)) for task in tasks]
        names = {one for line in lines for task in line for one in task.opened_with}
        revoked = self._store.read(names, seconds)
        return [Now(line[0], _standing(line, revoked, seconds)) for line in lines]

    def _change(
        self,
        task_id: str,
        change: Callable[[Sequence[Task], Snapshot], Mapping[bytes, Entry | None]],
        seconds: float,
    ) -> Task:
        """Make a change of a task and its ancestors; the task as it is then."""
        # Who a task's ancestors are, and what it was opened with, never changes, and may be read before.
        known = self.line(task_id, seconds)
        if not known:
            raise TaskError("unknown", "there is no such task")

        def line(snapshot: Snapshot) -> Mapping[bytes, Entry | None]:
            return change([task_of(snapshot, one.id) for one in known], snapshot)

        return task_of(self._commit(_keys(known), line, seconds), task_id)

    def _commit(
        self,
        keys: Collection[bytes],
        change: Callable[[Snapshot], Mapping[bytes, Entry | None]],
        seconds: float,
    ) -> Snapshot:
        """Make a change, again where somebody else was first; what stands under all keys afterwards."""
        for _ in range(_TURNS):
            snapshot = self._store.read(keys, seconds)
            changes = change(snapshot)
            # What a change adds beside the keys, as a list does a page, must be new.
            expected = Snapshot({**dict.fromkeys(changes), **snapshot.entries})
            if not changes or self._store.commit(expected, changes, seconds):
                return Snapshot({**snapshot.entries, **changes})
        raise StoreError("it is changed by too many at once")


_ALL: Final = Index("tasks")


def _of(owner: str) -> Index:
    return Index("tasks", "of", owner)


def _check_runs(line: Sequence[Task], snapshot: Snapshot, seconds: float, member: str = "") -> None:
    now = _standing(line, snapshot, seconds)
    if now not in RUNNING:
        raise TaskError("ended", f"it is {now.replace('_', ' ')}", member)


def _standing(line: Sequence[Task], snapshot: Snapshot, seconds: float) -> Standing:
    try:
        for one in line:
            check(snapshot.entries, one.opened_with, one.issued)
    except EvidenceError:
        return standing(line, seconds, revoked=True)
    return standing(line, seconds)


def _keys(line: Sequence[Task]) -> Collection[bytes]:
    """All that a change of a task depends on."""
    return {*(task_key(one.id) for one in line), *(each for one in line for each in one.opened_with)}


def task_key(task_id: str) -> bytes:
    """Where a task is kept."""
    return name("task", task_id)


def _entry(task: Task) -> Entry:
    return Entry(_encode(task), task.latest + KEPT)


def task_of(snapshot: Snapshot, task_id: str) -> Task:
    """A task of a snapshot that was asked for it; raises `TaskError` where there is none."""
    entry = snapshot.entries[task_key(task_id)]
    if entry is None:
        raise TaskError("unknown", "there is no such task")
    return _decoded(entry)


_encode = msgpack.Encoder().encode
_decoder = msgpack.Decoder(Task)


def _decoded(entry: Entry) -> Task:
    try:
        return _decoder.decode(entry.value)
    except MsgspecError:
        raise StoreError("it holds a task that cannot be read") from None
