"""From facts to a request in JSON that asserts them, as an enforcement point would.

What follows from other members (`bound`, `standing`, `active`, …) cannot be asserted and is left out; what a
request may not hold is put right. So the facts that come of a document are near those it was made of, and
not equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pdp.access.facts import Facts
from pdp.access.patterns import SPIFFE, is_spiffe_id
from pdp.access.request import ASSERTED, TASK
from pdp.access.values import Ip
from pdp.conform import SET_MEMBERS

_MS = timedelta(milliseconds=1)
_FAR = timedelta(days=999_999_999)


def document(facts: Facts) -> dict[str, Any]:
    """A request that every decision point takes."""
    resource = facts.resource if facts.resource["type"] else None
    members = {
        "caller": _caller(facts.caller),
        "credential": _credential(facts.credential),
        "audience": facts.audience,
        "action": facts.action,
        "resource": resource,
        "task": {n: v for n, v in facts.task.items() if n in TASK} if "id" in facts.task else None,
        "context": facts.context,
    }
    return {name: _json(value) for name, value in members.items() if value is not None}


def _caller(caller: Mapping[str, Any]) -> dict[str, Any]:
    if caller["kind"] == "anonymous":
        return {n: v for n, v in caller.items() if n not in ("id", "groups", "actors", "depth")}
    said = {n: v for n, v in caller.items() if n not in ("trust_domain", "depth")}
    if said["id"].startswith(SPIFFE) and not is_spiffe_id(said["id"]):
        said["id"] = "nobody"
    return said


def _credential(credential: Mapping[str, Any]) -> dict[str, Any] | None:
    if credential["form"] == "none":
        return None
    said = {n: v for n, v in credential.items() if n in ASSERTED}
    times = {name: abs(max(said.get(name, _MS), -_FAR)) for name in ("age", "lifetime")}
    return {"asserted": said | times}


def _json(value: Any) -> Any:
    match value:
        case dict():
            return {name: _json(member) for name, member in list(value.items())[:SET_MEMBERS]}
        case frozenset():
            members = sorted(map(_json, value), key=lambda member: (type(member).__name__, repr(member)))
            return [member for member in members if type(member) is type(members[0])][:SET_MEMBERS]
        case timedelta():
            value = min(value, _FAR)
            return (
                value // _MS / 1000
                if value % _MS
                else f"{value // _MS}ms"
                if value > -_MS
                else value // _MS // 1000
            )
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case Ip():
            return str(value)
        case _:
            return value
