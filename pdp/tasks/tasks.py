"""The tasks in a store: opened, worked on, extended, ended. What is acknowledged here is there for everybody.

A child task is part of its parent: it allows no more, lives no longer, and what it uses up, the parent
has used up too. Whether it runs is found by looking at its ancestors, so that nothing has to be ended
after it. Knows tasks and a store, and not who may do what: that is for the policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

import msgspec
from msgspec import MsgspecError, Struct, msgpack

from pdp.state.store import Entry, Snapshot, Store, StoreError, name
from pdp.tasks.task import Task

Code = Literal["unknown", "ended", "beyond", "too_deep"]

DEPTH: Final = 8
"""How many ancestors a task may have."""
# How long what has ended can still be looked at (seconds).
KEPT: Final = 30 * 86_400.0
_PAGE: Final = 128
_TURNS: Final = 64
_HEAD: Final = name("tasks", "head")


class TaskError(Exception):
    """A task cannot be had as it was asked for. `unknown`: there is none. `ended`: it, or what it is part
    of, has ended. `beyond`: more than it may be, as `detail` says. `too_deep`: a part of a part of …"""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Listed(Struct, frozen=True):
    """Some tasks, the newest first, and where to go on; None at the end."""

    tasks: tuple[Task, ...]
    after: int | None


class Tasks:
    """The tasks in a store. Every method may raise `StoreError`; those that change something, `TaskError`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, task: Task, seconds: float) -> None:
        """Have a new task. Its ancestors are those of its parent, and its parent."""
        if len(task.ancestors) > DEPTH:
            raise TaskError("too_deep", f"a task has at most {DEPTH} ancestors")

        def change(snapshot: Snapshot) -> dict[bytes, Entry | None]:
            found = [task_of(snapshot, one) for one in task.ancestors]
            for one in found:
                _runs(one, seconds)
            if found:
                check_part(task, found[0])
            if snapshot.entries[task_key(task.id)] is not None:
                raise TaskError("beyond", "its id is taken")
            return {task_key(task.id): _entry(task)}

        self._change([task.id, *task.ancestors], change, seconds)
        self._list(task, seconds)

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

    def end(self, task_id: str, state: Literal["completed", "cancelled"], seconds: float) -> Task:
        """End a task, and with it all its parts. To end it once more the same way changes nothing."""

        def change(snapshot: Snapshot) -> dict[bytes, Entry | None]:
            task = task_of(snapshot, task_id)
            if task.state == state:
                return {}
            if task.state != "open":
                raise TaskError("ended", f"it was {task.state}")
            return {task_key(task_id): _entry(msgspec.structs.replace(task, state=state, ended=seconds))}

        return self._change([task_id], change, seconds)

    def extend(self, task_id: str, expires: float, seconds: float) -> Task:
        """Have a task that runs expire later, but not after its `latest` and its parent's end."""
        ancestors = self._ancestors(task_id, seconds)

        def change(snapshot: Snapshot) -> dict[bytes, Entry | None]:
            task, *above = (task_of(snapshot, one) for one in (task_id, *ancestors))
            for one in (task, *above):
                _runs(one, seconds)
            latest = min([task.latest, *(one.expires for one in above)])
            if not task.expires < expires <= latest:
                raise TaskError(
                    "beyond", "it can be extended to a later end, and no further than its latest one"
                )
            return {task_key(task_id): _entry(msgspec.structs.replace(task, expires=expires))}

        return self._change([task_id, *ancestors], change, seconds)

    def use(self, task_id: str, seconds: float) -> None:
        """Use a task once, and all that it is part of; raises `TaskError` when it does not run or is used
        up."""
        ancestors = self._ancestors(task_id, seconds)

        def change(snapshot: Snapshot) -> dict[bytes, Entry | None]:
            changes: dict[bytes, Entry | None] = {}
            for one in (task_id, *ancestors):
                task = task_of(snapshot, one)
                _runs(task, seconds)
                if task.uses is not None:
                    used = msgspec.structs.replace(task, uses=task.uses - 1)
                    changes[task_key(one)] = _entry(used)
            return changes

        self._change([task_id, *ancestors], change, seconds)

    def list(
        self, wanted: Callable[[Task], bool], seconds: float, *, after: int | None = None, limit: int = 100
    ) -> Listed:
        """At most `limit` of the tasks that are `wanted`, the newest first; `after` is where another list
        ended."""
        found: list[Task] = []
        for place, task in self._all(after, seconds):
            if wanted(task):
                if len(found) == limit:
                    return Listed(tuple(found), place + 1)
                found.append(task)
        return Listed(tuple(found), None)

    def _ancestors(self, task_id: str, seconds: float) -> Sequence[str]:
        # They never change, so they may be read before.
        task = self.get(task_id, seconds)
        return () if task is None else task.ancestors

    def _change(
        self, ids: Sequence[str], change: Callable[[Snapshot], dict[bytes, Entry | None]], seconds: float
    ) -> Task:
        """Make a change of the tasks `ids`; the first of them as it is then."""
        keys = [task_key(one) for one in ids]
        for _ in range(_TURNS):
            snapshot = self._store.read(keys, seconds)
            changes = change(snapshot)
            if not changes or self._store.commit(snapshot, changes, seconds):
                entry = changes.get(keys[0], snapshot.entries[keys[0]])
                assert entry is not None
                return _decoded(entry)
        raise StoreError("it is changed by too many at once")

    def _list(self, task: Task, seconds: float) -> None:
        """Put a task on the last page of the list."""
        for _ in range(_TURNS):
            head = self._store.read((_HEAD,), seconds)
            count = _number(head.entries[_HEAD])
            page = _page(count // _PAGE)
            snapshot = self._store.read((_HEAD, page), seconds)
            if _number(snapshot.entries[_HEAD]) != count:
                continue
            known = snapshot.entries[page]
            ids = [*(() if known is None else _ids(known)), task.id]
            ends = max(task.latest + KEPT, 0.0 if known is None else known.expires or 0.0)
            changes = {_HEAD: Entry(msgpack.encode(count + 1)), page: Entry(msgpack.encode(ids), ends)}
            if self._store.commit(snapshot, changes, seconds):
                return
        raise StoreError("it is changed by too many at once")

    def _all(self, after: int | None, seconds: float) -> Iterator[tuple[int, Task]]:
        """All tasks with their places, the newest first."""
        count = _number(self._store.read((_HEAD,), seconds).entries[_HEAD])
        place = count if after is None else min(after, count)
        while place > 0:
            number = (place - 1) // _PAGE
            page = self._store.read((_page(number),), seconds).entries[_page(number)]
            ids = [] if page is None else _ids(page)[: place - number * _PAGE]
            tasks = self._store.read([task_key(one) for one in ids], seconds)
            for offset in range(len(ids) - 1, -1, -1):
                entry = tasks.entries[task_key(ids[offset])]
                if entry is not None:
                    yield number * _PAGE + offset, _decoded(entry)
            place = number * _PAGE


def check_part(task: Task, whole: Task) -> None:
    """Refuses a task that is more than a part of another."""
    for what, part, of in (
        ("audiences", task.audiences, whole.audiences),
        ("actions", task.actions, whole.actions),
    ):
        beyond = sorted(set(part) - set(of))
        if beyond:
            raise TaskError("beyond", f"`{beyond[0]}` is not among the {what} of the task it is part of")
    if whole.resources:
        # Patterns are not compared, but for being the same, or one of the kind that is allowed whole.
        kinds = {pattern for pattern in whole.resources if "/" not in pattern}
        for pattern in task.resources or ("everything",):
            if pattern not in whole.resources and pattern.partition("/")[0] not in kinds:
                raise TaskError("beyond", f"`{pattern}` is not among the resources of the task it is part of")
    if task.expires > whole.expires or task.latest > whole.latest or task.started < whole.started:
        raise TaskError("beyond", "it lives longer than the task it is part of")
    if whole.uses is not None and (task.uses is None or task.uses > whole.uses):
        raise TaskError("beyond", "it has more uses than the task it is part of")


def _runs(task: Task, seconds: float) -> None:
    standing = task.standing(seconds)
    if standing not in ("active", "not_begun"):
        raise TaskError("ended", f"`{task.id}` is {standing.replace('_', ' ')}")


def task_key(task_id: str) -> bytes:
    """Where a task is kept."""
    return name("task", task_id)


def _page(number: int) -> bytes:
    return name("tasks", "page", str(number))


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


def _number(entry: Entry | None) -> int:
    return 0 if entry is None else msgpack.decode(entry.value, type=int)


def _ids(entry: Entry) -> Sequence[str]:
    return msgpack.decode(entry.value, type=list[str])
