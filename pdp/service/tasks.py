"""`/tasks`: work that is bounded, opened by who does it, and ended by it or by itself.

Who may open what, and how wide, is the policies' to say: each route asks for its action (`task.open`,
`task.read`, `task.list`, …) on a resource of type `work` or `work_list`, for `task` is a word of their
language. Who may not see a task is answered as if there were none. What is acknowledged here is there for
all workers, and after a crash.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from msgspec.structs import replace

from pdp.answer import Answer, identities
from pdp.service.own import Own
from pdp.service.problems import Problem, invalid, refusals_with
from pdp.service.task_messages import ExtendTask, OpenTask, TaskList, TaskNow
from pdp.state.store import StoreError
from pdp.tasks.revocation import credential_names
from pdp.tasks.task import Standing, Task, TaskError, document
from pdp.tasks.tasks import Now, Tasks

log = logging.getLogger("pdp.tasks")

_WORK: Final = "work"
_LISTED: Final = "work_list"
# The obligation that narrows what is asked for, and its members.
_LIMIT: Final = "limit"
_OPENING: Final = {_LIMIT: {"lifetime": timedelta, "longest": timedelta, "uses": int}}
_EXTENDING: Final = {_LIMIT: {"lifetime": timedelta}}
# What may run for longer is no task.
_LONGEST: Final = 366 * 86_400.0
# What is asked about a task that is not there: the same as about any other, and answered as the same.
_NONE: Final = Task("", "", "", (), (), (), (), 0.0, 0.0, 0.0, 0.0, None, (), ())

_NOTHING: Final[Mapping[str, Mapping[str, type]]] = {}

_Result = TypeVar("_Result")
_TaskId = Annotated[str, Path(min_length=1, max_length=2_048)]
_Filter = Annotated[str | None, Query(max_length=2_048)]


def router(own: Own, tasks: Tasks | None) -> APIRouter:
    """The routes. Without `tasks`, for want of a place to keep any, each of them says so."""
    desk = _Desk(own, tasks)
    responses = refusals_with({404: "There is no such task that the client may see", 409: "It has ended"})
    routes = APIRouter(
        route_class=own.route(), tags=["tasks"], responses=responses, dependencies=[Depends(desk.ready)]
    )

    @routes.post("/tasks", summary="Open a task", status_code=201, response_model=TaskNow)
    async def open_task(body: OpenTask, request: Request, response: Response) -> dict[str, Any]:
        task = await desk.open(body, request)
        response.headers["Location"] = f"/tasks/{task.id}"
        return document(task, task.standing(task.started))

    @routes.get("/tasks", summary="List tasks, the newest first", response_model=TaskList)
    async def list_tasks(
        request: Request,
        owner: _Filter = None,
        state: Standing | None = None,
        purpose: _Filter = None,
        after: Annotated[int | None, Query(ge=0, le=2**53)] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> dict[str, Any]:
        named = {"owner": owner, "state": state, "purpose": purpose}
        stated = {name: value for name, value in named.items() if value is not None}
        await own.ask(request, "task.list", resource_type=_LISTED, resource=stated)

        def wanted(now: Now) -> bool:
            return state in (None, now.standing) and purpose in (None, now.task.purpose)

        listed = await desk.work(
            lambda kept: kept.list(wanted, time.time(), owner=owner, after=after, limit=limit)
        )
        told = [document(now.task, now.standing) for now in listed.tasks]
        return {"tasks": told, "after": listed.after}

    @routes.get("/tasks/{task_id}", summary="A task as it is now", response_model=TaskNow)
    async def read_task(task_id: _TaskId, request: Request) -> dict[str, Any]:
        now = await desk.now(task_id)
        await desk.ask(request, "task.read", task_id, now)
        return document(now.task, now.standing)

    @routes.post("/tasks/{task_id}/complete", summary="The work is done", response_model=TaskNow)
    async def complete_task(task_id: _TaskId, request: Request) -> dict[str, Any]:
        return await desk.end(task_id, request, "task.complete", "completed")

    @routes.post("/tasks/{task_id}/cancel", summary="The work is given up", response_model=TaskNow)
    async def cancel_task(task_id: _TaskId, request: Request) -> dict[str, Any]:
        return await desk.end(task_id, request, "task.cancel", "cancelled")

    @routes.post("/tasks/{task_id}/extend", summary="The work takes longer", response_model=TaskNow)
    async def extend_task(task_id: _TaskId, body: ExtendTask, request: Request) -> dict[str, Any]:
        task = await desk.extend(task_id, body, request)
        return document(task, task.standing(time.time()))

    return routes


class _Desk:
    """What the routes do: ask first, then work."""

    def __init__(self, own: Own, tasks: Tasks | None) -> None:
        self._own = own
        self._tasks = tasks
        self._identity = identities()

    async def open(self, body: OpenTask, request: Request) -> Task:
        seconds = time.time()
        _check_one_end(body)
        expires = _end(body, seconds)
        if not expires > seconds:
            raise invalid("/lifetime" if body.expires is None else "/expires", "must not be over already")
        latest = expires if body.latest is None else body.latest
        if latest < expires:
            raise invalid("/latest", "must not be before the end")
        if latest - seconds > _LONGEST:
            raise invalid("/latest" if body.latest is not None else "", "must end within 366 days")
        asked = Task(
            self._identity(datetime.fromtimestamp(seconds, UTC)), "", body.purpose, _set(body.actions),
            _set(body.audiences), _set(body.resources), _set(body.may_act), seconds, seconds, expires, latest,
            body.uses, () if body.parent is None else (body.parent,), (),
        )  # fmt: skip
        answer, evidence = await self._own.ask(
            request, "task.open", resource_type=_WORK, resource=_attributes(asked), understood=_OPENING
        )
        latest = min(latest, seconds + _least(answer, "longest", timedelta(seconds=_LONGEST)).total_seconds())
        lifetime = _least(answer, "lifetime", timedelta(seconds=_LONGEST)).total_seconds()
        task = replace(
            asked,
            owner=evidence.caller["id"],
            # A task that is opened with what was exchanged ends with what that was exchanged for.
            issued=evidence.since,
            expires=min(expires, latest, seconds + lifetime),
            latest=latest,
            uses=_least(answer, "uses", body.uses),
            opened_with=credential_names(evidence),
        )

        def opened(kept: Tasks) -> Task:
            line = kept.line(body.parent, seconds) if body.parent is not None else ()
            made = _part(task, line, body) if line else task
            kept.open(made, seconds)
            return made

        return await self.work(opened)

    async def end(
        self, task_id: str, request: Request, action: str, state: Literal["completed", "cancelled"]
    ) -> dict[str, Any]:
        await self.ask(request, action, task_id, await self.now(task_id))
        task = await self.work(lambda kept: kept.end(task_id, state, time.time()))
        return document(task, state)

    async def extend(self, task_id: str, body: ExtendTask, request: Request) -> Task:
        seconds = time.time()
        _check_one_end(body)
        # Whether the task bears it is told later, to who may see it.
        if (body.lifetime or 0.0) > _LONGEST or (body.expires or 0.0) > seconds + _LONGEST:
            raise invalid("", "must end within 366 days")
        now = await self.now(task_id)
        started = now.task.started if now.task.id else seconds
        expires = _end(body, started)
        longer = Now(replace(now.task, started=started, expires=expires), now.standing)
        answer = await self.ask(request, "task.extend", task_id, longer, understood=_EXTENDING)
        lifetime = _least(answer, "lifetime", timedelta(seconds=_LONGEST)).total_seconds()
        return await self.work(
            lambda kept: kept.extend(task_id, min(expires, started + lifetime), time.time())
        )

    async def now(self, task_id: str) -> Now:
        """The task and what it is now; `_NONE` where there is none, which is asked about all the same."""
        found = await self.work(lambda kept: kept.now(task_id, time.time()))
        return found or Now(_NONE, "cancelled")

    async def ask(
        self,
        request: Request,
        action: str,
        task_id: str,
        now: Now,
        understood: Mapping[str, Mapping[str, type]] = _NOTHING,
    ) -> Answer:
        """The answer that lets the client do `action`. Who may not see the task is told that there is
        none."""
        resource = _attributes(now.task)

        async def asked(action: str, understood: Mapping[str, Mapping[str, type]]) -> Answer:
            answer, _ = await self._own.ask(
                request, action, resource_type=_WORK, resource_id=task_id, resource=resource,
                understood=understood,
            )  # fmt: skip
            return answer

        try:
            answer = await asked(action, understood)
        except Problem as refused:
            if refused.status_code != 403:
                raise
            # That this is not allowed is told to who may see the task, and to nobody else.
            if action == "task.read" or await _is_refused(asked("task.read", _NOTHING)) or not now.task.id:
                raise _unknown() from None
            raise
        if not now.task.id:
            raise _unknown()
        return answer

    async def work(self, work: Callable[[Tasks], _Result]) -> _Result:
        """What is done with the tasks that are kept: beside the decisions, for it waits for the disk."""
        assert self._tasks is not None
        try:
            return await asyncio.to_thread(work, self._tasks)
        except TaskError as error:
            raise _problem(error) from None
        except StoreError:
            log.exception("tasks cannot be read or written")
            raise Problem(503, "unavailable", "Not available", "ask again later") from None

    async def ready(self) -> None:
        """Refuses what could not be kept."""
        if self._tasks is None:
            detail = "set `path` of `[state]`: without a file, what is acknowledged would be lost"
            raise Problem(503, "no-state", "There is nowhere to keep tasks", detail)


def _attributes(task: Task) -> dict[str, Any]:
    """A task as policies read it: an attribute that does not apply is not there."""
    stated: dict[str, Any] = {
        "purpose": task.purpose,
        "actions": task.actions,
        "audiences": task.audiences,
        "resources": task.resources,
        "may_act": task.may_act,
        "lifetime": task.expires - task.started,
        "longest": task.latest - task.started,
    }
    if task.owner:
        stated["owner"] = task.owner
    if task.uses is not None:
        stated["uses"] = task.uses
    if task.ancestors:
        stated["parent"] = task.ancestors[0]
    return stated


def _set(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


async def _is_refused(asking: Awaitable[Answer]) -> bool:
    try:
        await asking
    except Problem:
        return True
    return False


def _check_one_end(body: OpenTask | ExtendTask) -> None:
    if (body.expires is None) == (body.lifetime is None):
        raise invalid("/expires", "or `lifetime` must say when it ends, and not both")


def _end(body: OpenTask | ExtendTask, started: float) -> float:
    """When a task ends that began at a time."""
    return started + (body.lifetime or 0.0) if body.expires is None else body.expires


def _part(task: Task, line: Sequence[Task], body: OpenTask) -> Task:
    """The task as part of another: what was left open is what the other has left."""
    whole = line[0]
    uses = [one for one in (task.uses, whole.uses) if one is not None]
    return replace(
        task,
        expires=min(task.expires, whole.expires) if body.expires is None else task.expires,
        latest=min(task.latest, whole.latest) if body.latest is None else task.latest,
        uses=min(uses, default=None) if body.uses is None else task.uses,
        ancestors=tuple(one.id for one in line),
    )


def _least(answer: Answer, member: str, asked: Any) -> Any:
    """The least of what was asked and what the limits of an answer say; None is no bound."""
    limits = [duty.values[member] for duty in answer.decision.obligations if member in duty.values]
    return min(limits if asked is None else [asked, *limits], default=None)


def _unknown() -> Problem:
    detail = "there is no such task that you may see"
    return Problem(404, "no-such-task", "There is no such task", detail)


def _problem(error: TaskError) -> Problem:
    if error.code == "ended":
        pointer = f"/{error.member}" if error.member else ""
        return Problem(409, "task-ended", "The task has ended", error.detail, pointer=pointer)
    if error.member == "parent" and error.code == "unknown":
        return invalid("/parent", "is no task that you may work on")
    return invalid(f"/{error.member}", error.detail) if error.code == "beyond" else _unknown()
