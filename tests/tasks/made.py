"""Tasks as tests open them."""

from __future__ import annotations

from typing import Any

from pdp.tasks.task import Task

NOW = 1_000_000.0


def made(task_id: str = "t-1", **changes: Any) -> Task:
    """A task of an hour that may be extended to two, and all of whose work is allowed."""
    stated: dict[str, Any] = {
        "id": task_id, "owner": "batch", "purpose": "close the month", "actions": ("entry.read",),
        "audiences": ("ledger",), "resources": (), "may_act": (), "issued": NOW - 60.0, "started": NOW,
        "expires": NOW + 3_600.0, "latest": NOW + 7_200.0, "uses": None, "ancestors": (), "opened_with": (),
    }  # fmt: skip
    return Task(**stated | changes)
