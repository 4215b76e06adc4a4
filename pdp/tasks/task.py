"""A task: a bounded piece of work, what it allows, and how it ends. Pure; knows no store and no requests.

A task that has ended never begins again: every change of a task makes a new value, and none leads back from
`completed` or `cancelled`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from pdp.access.patterns import caller_pattern, exact, glob

State = Literal["open", "completed", "cancelled"]
Standing = Literal[
    "active", "not_begun", "completed", "cancelled", "expired", "used_up", "parent_ended", "revoked"
]

RUNNING: Final = frozenset({"active", "not_begun"})
"""Every other standing is for good."""


class TaskError(Exception):
    """A task cannot be had as it was asked for. `unknown`: there is none. `ended`: it has, or what it is
    part of. `beyond`: more than it may be. `member` names what of it is wrong, where that can be said."""

    def __init__(self, code: Literal["unknown", "ended", "beyond"], detail: str, member: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.member = member


class Task(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One task. Times are epoch seconds.

    `resources` are patterns of `type` or `type/id`; none means all. `may_act` are patterns of callers
    that may work on it beside its `owner`, as rules have them. It ends at `expires`, which may be
    extended until `latest`. `uses` is how many uses are left, None where they are not counted.
    `ancestors` begin with its parent. `opened_with` names the credential that opened it, as revocations
    do; `issued` is when that was issued.
    """

    id: str
    owner: str
    purpose: str
    actions: tuple[str, ...]
    audiences: tuple[str, ...]
    resources: tuple[str, ...]
    may_act: tuple[str, ...]
    issued: float
    started: float
    expires: float
    latest: float
    uses: int | None
    ancestors: tuple[str, ...]
    opened_with: tuple[bytes, ...]
    state: State = "open"
    ended: float | None = None

    def standing(self, seconds: float) -> Standing:
        """What the task is now, by itself: see `standing` for what else ends it."""
        if self.state != "open":
            return self.state
        if seconds >= self.expires:
            return "expired"
        if self.uses == 0:
            return "used_up"
        return "not_begun" if seconds < self.started else "active"

    def has_room_for(self, audience: str, action: str, resource_type: str, resource_id: str) -> bool:
        """Whether what is asked is part of the work."""
        return (
            audience in self.audiences
            and action in self.actions
            and (not self.resources or _covered(self.resources, resource_type, resource_id))
        )

    def may_be_worked_on_by(self, caller: str) -> bool:
        """Whether a caller is the owner, or one of those that may act."""
        return caller == self.owner or any(caller_pattern(pattern)(caller) for pattern in self.may_act)

    def record(self) -> dict[str, Any]:
        """The members that requests may assert of a task, and rules read (LANGUAGE.md section 3)."""
        told: dict[str, Any] = {
            "id": self.id,
            "owner": self.owner,
            "purpose": self.purpose,
            "actions": list(self.actions),
            "audiences": list(self.audiences),
            "started": datetime.fromtimestamp(self.started, UTC),
            "expires": datetime.fromtimestamp(self.expires, UTC),
        }
        if self.uses is not None:
            told["uses_left"] = self.uses
        return told


def standing(line: Sequence[Task], seconds: float, *, revoked: bool = False) -> Standing:
    """What the first of a line is now, the others being its ancestors: it ends with each of them, and when
    a credential that any of them was opened with is revoked."""
    own = line[0].standing(seconds)
    if own not in RUNNING:
        return own
    others = [one.standing(seconds) for one in line[1:]]
    if not RUNNING.issuperset(others):
        return "parent_ended"
    if revoked:
        return "revoked"
    return "not_begun" if "not_begun" in others else own


def check_part(part: Task, whole: Task) -> None:
    """Refuses a task that is more than a part of another."""
    # Who may not work on a task learns nothing of it, not even that it is there.
    if not whole.may_be_worked_on_by(part.owner):
        raise TaskError("unknown", "there is no such task", "parent")
    _check_among("audiences", part.audiences, whole.audiences)
    _check_among("actions", part.actions, whole.actions)
    if whole.resources:
        if not part.resources:
            raise TaskError("beyond", "all are more than those of the task it is part of", "resources")
        _check_among("resources", part.resources, [one for one in part.resources if _narrower(one, whole)])
    actors = [one for one in part.may_act if one in whole.may_act or _literal_actor(one, whole)]
    _check_among("may_act", part.may_act, actors)
    if part.expires > whole.expires:
        raise TaskError("beyond", "it would live longer than the task it is part of", "expires")
    if part.latest > whole.latest:
        raise TaskError("beyond", "it could live longer than the task it is part of", "latest")
    if part.started < whole.started:
        raise TaskError("beyond", "it would begin before the task it is part of", "started")
    if whole.uses is not None and (part.uses is None or part.uses > whole.uses):
        raise TaskError("beyond", "it has more uses than the task it is part of", "uses")


def _check_among(member: str, part: Iterable[str], whole: Iterable[str]) -> None:
    beyond = sorted(set(part) - set(whole))
    if beyond:
        raise TaskError("beyond", f"`{beyond[0]}` is beyond the task it is part of", member)


def _narrower(pattern: str, whole: Task) -> bool:
    # Patterns are not compared, but for being the same, one of a kind that is allowed whole, or no pattern.
    kind, slash, name = pattern.partition("/")
    if pattern in whole.resources or kind in whole.resources:
        return True
    literal = exact(name) if slash else None
    return literal is not None and _covered(whole.resources, kind, literal)


def _literal_actor(pattern: str, whole: Task) -> bool:
    literal = exact(pattern)
    return literal is not None and whole.may_be_worked_on_by(literal)


def _covered(patterns: Iterable[str], resource_type: str, resource_id: str) -> bool:
    for pattern in patterns:
        kind, slash, name = pattern.partition("/")
        if kind == resource_type and (not slash or glob(name)(resource_id)):
            return True
    return False


def document(task: Task, state: Standing) -> dict[str, Any]:
    """A task as it is told to who may see it, as JSON."""
    return {
        "id": task.id,
        "owner": task.owner,
        "purpose": task.purpose,
        "actions": list(task.actions),
        "audiences": list(task.audiences),
        "resources": list(task.resources),
        "may_act": list(task.may_act),
        "started": _text(task.started),
        "expires": _text(task.expires),
        "latest": _text(task.latest),
        "uses_left": task.uses,
        "parent": task.ancestors[0] if task.ancestors else None,
        "state": state,
        "ended": None if task.ended is None else _text(task.ended),
    }


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
