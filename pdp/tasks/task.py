"""A task: a bounded piece of work, what it allows, and how it ends. Pure; knows no store and no requests.

A task that has ended never begins again: every change of a task makes a new value, and none leads back from
`completed` or `cancelled`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from pdp.access.patterns import caller_pattern, glob

State = Literal["open", "completed", "cancelled"]
Standing = Literal["active", "completed", "cancelled", "expired", "used_up", "not_begun"]


class Task(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One task. Times are epoch seconds.

    `resources` are patterns of `type` or `type/id`; none means all. `may_act` are patterns of callers
    that may work on it beside its `owner`, as rules have them. It ends at `expires`, which may be
    extended until `latest`. `uses` is how many uses are left, None where they are not counted.
    `ancestors` begin with its parent. `opened_with` names the credential that opened it, as revocations
    do; `opened` is when.
    """

    id: str
    owner: str
    purpose: str
    actions: tuple[str, ...]
    audiences: tuple[str, ...]
    resources: tuple[str, ...]
    may_act: tuple[str, ...]
    opened: float
    started: float
    expires: float
    latest: float
    uses: int | None
    ancestors: tuple[str, ...]
    opened_with: tuple[bytes, ...]
    state: State = "open"
    ended: float | None = None

    def standing(self, seconds: float) -> Standing:
        """What the task is now, by itself: its ancestors are for who knows them."""
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
            and (
                not self.resources
                or any(_covers(pattern, resource_type, resource_id) for pattern in self.resources)
            )
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


def _covers(pattern: str, resource_type: str, resource_id: str) -> bool:
    kind, slash, name = pattern.partition("/")
    return kind == resource_type and (not slash or glob(name)(resource_id))


def document(task: Task, seconds: float) -> Mapping[str, Any]:
    """A task as its owner sees it, as JSON."""
    return {
        "id": task.id,
        "owner": task.owner,
        "purpose": task.purpose,
        "actions": task.actions,
        "audiences": task.audiences,
        "resources": task.resources,
        "may_act": task.may_act,
        "started": _text(task.started),
        "expires": _text(task.expires),
        "latest": _text(task.latest),
        "uses_left": task.uses,
        "parent": task.ancestors[0] if task.ancestors else None,
        "state": task.standing(seconds),
        "ended": None if task.ended is None else _text(task.ended),
    }


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
