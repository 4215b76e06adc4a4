"""What policies in a test say: what is told of them, what they decide, what an expression comes to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pdp.access.decision import Decision
from pdp.access.facts import Facts
from pdp.access.request import Request
from pdp.decide import decide
from pdp.gather import asserted
from pdp.language.source import Source
from pdp.load import Checked, Level, check_sources, compile

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
# For facts about what policies mean: that they also grant too much is another matter.
UNSAFE: Mapping[str, Level] = dict.fromkeys(("PDP402", "PDP405"), "off")
ANYONE = "caller any audience any action any"

# An action, an order and a task with a bit of everything.
SCHEMA = """
schema {
  caller   { team?: string }
  action   "order.*" { dry_run?: bool }
  resource order {
    amount: int, price: float, kind: "standard" | "express", note: string, age: duration, due: timestamp,
    from: ip, tags: set<string>, counts: set<int>, limits: map<int>, ticket?: string, paid: bool,
    inner?: { deep?: string, flat: string }
  }
  resource parcel { weight: int }
  context  { source_ip: ip, risk?: float }
}
"""
CALLER = {"id": "spiffe://prod.example/ns/shop/sa/api", "kind": "workload", "groups": ["staff", "night"]}
CREDENTIAL = {"asserted": {"binding": "mtls", "age": "1m", "lifetime": "5m", "scopes": ["read"]}}
ORDER = {
    "type": "order", "id": "o-1", "amount": 7, "price": 2.5, "kind": "express", "note": "a\tb",
    "age": "1h30m", "due": "2026-11-24T12:00:00+02:00", "from": "10.1.2.3",
    "tags": ["b", "a", "b"], "counts": [3, 1, 2], "limits": {"day": 10, "hour": 2}, "paid": True,
}  # fmt: skip
TASK = {
    "id": "t-1", "owner": "alice", "purpose": "restock", "actions": ["order.create"], "audiences": ["shop"],
    "started": "2026-11-24T09:00:00Z", "expires": "2026-11-24T10:02:00Z",
}  # fmt: skip
REQUEST: dict[str, Any] = {
    "caller": CALLER, "credential": CREDENTIAL, "audience": "shop", "action": "order.create",
    "resource": ORDER, "task": TASK, "context": {"source_ip": "10.1.2.3"},
}  # fmt: skip


def checked(text: str, *, strict: bool = True, lower: Mapping[str, Level] = UNSAFE, **others: str) -> Checked:
    """The module `m` with this text, and `others` by name (`teams__ledger` is `teams.ledger`)."""
    modules = {"m": text, **{name.replace("__", "."): other for name, other in others.items()}}
    sources = [Source(f"{name}.policy", name, each) for name, each in modules.items()]
    return check_sources(sources, strict=strict, lower=lower, today=NOW)


def codes(text: str, **options: Any) -> list[str]:
    """The codes of what is told, in the order of places."""
    return [diagnostic.code for diagnostic in checked(text, **options).diagnostics]


def facts_of(program: Any, request: Mapping[str, Any] = REQUEST, now: datetime = NOW) -> Facts:
    return asserted(program, Request.parse(request), now=now)


def decided(
    text: str, request: Mapping[str, Any] = REQUEST, *, now: datetime = NOW, **options: Any
) -> Decision:
    """The decision of these policies."""
    program = compile(checked(text, **options))
    return decide(program, Request.parse(request), facts_of(program, request, now))


def applies(clauses: str, request: Mapping[str, Any] = REQUEST, **options: Any) -> bool:
    """Whether a forbid with these clauses applies, and does not do so by failing."""
    made = decided(f'{SCHEMA}forbid it {{ {clauses} because "x" }}', request, **options)
    assert made.failures == ()
    return made.rules == ("m.it",)


def value(expression: str, request: Mapping[str, Any] = REQUEST, *, given: str = "", **options: Any) -> Any:
    """What an expression comes to, or `fails: ` and how. `given`: lets and defs that it uses."""
    resource = request.get("resource", {}).get("type", "any")
    text = f"{SCHEMA}{given}\npermit it {{ {ANYONE} resource {resource} require say {{ it: {expression} }} }}"
    made = decided(text, request, **options)
    if made.failures:
        return f"fails: {made.failures[0].kind}"
    return made.obligations[0].values["it"]


def changed(**changes: Any) -> dict[str, Any]:
    """The request with other members: None leaves one out, and what a caller or resource had stays."""
    made = {**REQUEST, **changes}
    for name in ("resource", "caller", "context"):
        if isinstance(changes.get(name), Mapping):
            made[name] = {**REQUEST[name], **changes[name]}
    return {name: member for name, member in made.items() if member is not None}
