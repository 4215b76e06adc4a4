"""From a decision to the bytes an enforcement point reads, and from values back to JSON.

Knows the shape of answers and problems (RFC 9457), and not how they came about or travel.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from pdp.access.decision import Decision, Obligation
from pdp.access.facts import Facts
from pdp.access.request import Request, RequestError
from pdp.access.values import Ip, in_order
from pdp.evidence.evidence import Evidence

_MILLISECOND = timedelta(milliseconds=1)
_ZERO = timedelta(0)
# How many combinations of rules an encoder remembers; there are few in practice and many in principle.
_REMEMBERED = 4_096

encode_json = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A decision, told: `id` is a UUID of version 7, `now` the reading it was made at.

    `facts` are None when the request was refused before they were gathered, `evidence` where none was
    presented or it did not hold. `peer` names who asked: the enforcement point, or `""`.
    """

    id: str
    now: datetime
    peer: str
    request: Request
    facts: Facts | None
    decision: Decision
    evidence: Evidence | None = None


class Encoder:
    """Writes the answers of one policy set. `_known`, the one thing that changes, holds what is the same for
    every answer in which the same rules decided."""

    def __init__(self) -> None:
        self._known: dict[tuple[str | None, tuple[str, ...], str], tuple[bytes, bytes, bytes]] = {}

    def encode(self, answer: Answer) -> bytes:
        """The answer as JSON, its members in the documented order."""
        decision = answer.decision
        key = (decision.code, decision.rules, decision.policy)
        known = self._known.get(key)
        if known is None:
            known = _constant(decision)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = known
        head, rules, tail = known
        return b"".join(
            (
                head, answer.id.encode(), rules, _duties(decision.obligations),
                b',"advice":', _duties(decision.advice),
                b',"failures":', encode_json(decision.failures) if decision.failures else b"[]",
                tail,
            )
        )  # fmt: skip


def _constant(decision: Decision) -> tuple[bytes, bytes, bytes]:
    head = b'{"decision":' + encode_json(decision.decision) + b',"id":"'
    rules = b"".join(
        (
            b'","rules":', encode_json(decision.rules),
            b',"code":', encode_json(decision.code),
            b',"reasons":', encode_json(decision.reasons),
            b',"obligations":',
        )
    )  # fmt: skip
    return head, rules, b',"policy":' + encode_json(decision.policy) + b',"valid_for":0}'


def _duties(duties: tuple[Obligation, ...]) -> bytes:
    return encode_json([duty_record(duty) for duty in duties]) if duties else b"[]"


def duty_record(duty: Obligation) -> dict[str, Any]:
    """An obligation or advice as JSON."""
    return {"name": duty.name, "rule": duty.rule, "values": plain(duty.values)}


def plain(value: Any) -> Any:
    """A policy value as JSON has it, in the forms that requests may use too; sets in sorted order."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or kind is float or value is None:
        return value
    if kind is dict:
        return {name: plain(member) for name, member in value.items()}
    if kind is frozenset:
        return [plain(member) for member in in_order(value)]
    if kind is timedelta:
        return duration_text(value)
    if kind is datetime:
        return timestamp_text(value)
    if kind is Ip:
        return str(value)
    if kind is list or kind is tuple:
        return [plain(member) for member in value]
    raise TypeError("not a policy value")


def duration_text(value: timedelta) -> str | float:
    """`1h30m`, as policies write it; seconds where that cannot (negative, or finer than milliseconds)."""
    if value < _ZERO or value % _MILLISECOND:
        return value.total_seconds()
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = (
        (value.days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"), (value.microseconds // 1000, "ms"),
    )  # fmt: skip
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def timestamp_text(value: datetime) -> str:
    """RFC 3339, in UTC."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def facts_record(facts: Facts) -> dict[str, Any]:
    """All facts of one decision as JSON: with the policy set, what a replay needs."""
    return {
        "caller": plain(facts.caller),
        "credential": plain(facts.credential),
        "audience": facts.audience,
        "action": plain(facts.action),
        "resource": plain(facts.resource),
        "task": plain(facts.task),
        "context": plain(facts.context),
        "now": timestamp_text(facts.now),
    }


def problem(error: RequestError) -> bytes:
    """The problem document (RFC 9457) of a request that is not one; `pointer` names the member."""
    return problem_document(
        413 if error.too_large else 400,
        "too-large" if error.too_large else "invalid-request",
        "The request is too large" if error.too_large else "The request is not valid",
        f"{error.pointer or 'the request'} {error.detail}",
        pointer=error.pointer,
    )


def problem_document(status: int, kind: str, title: str, detail: str, **members: Any) -> bytes:
    """A problem document; `members` are extensions."""
    head = {"type": f"urn:pdp:problem:{kind}", "title": title, "status": status, "detail": detail}
    return encode_json(head | members)


def identities() -> Callable[[datetime], str]:
    """A source of UUIDs of version 7 (RFC 9562 section 5.7): a time in milliseconds, then 74 random bits.

    One source per process: what it has drawn at random must not be shared by a fork.
    """
    drawn, at = "", 0
    last, time = -1, ""

    def identity(now: datetime) -> str:
        nonlocal drawn, at, last, time
        if at == len(drawn):
            # Drawn for many together, because asking the system costs most.
            drawn, at = f"{int.from_bytes(os.urandom(_DRAWN * 10)) & _RANDOM | _FIXED:x}", 0
        since = now - _EPOCH
        milliseconds = (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000
        if milliseconds != last:
            # A reading before 1970 is somebody's experiment; its identity is an identity all the same.
            last, digits = milliseconds, f"{max(milliseconds, 0):012x}"
            time = f"{digits[:8]}-{digits[8:]}"
        random, at = drawn[at : at + 20], at + 20
        return f"{time}-{random[:4]}-{random[4:8]}-{random[8:]}"

    return identity


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DRAWN = 256
# The version stands before 12 random bits, the variant before 62; what is drawn is one number.
_RANDOM = int("0fff3fffffffffffffff" * _DRAWN, 16)
_FIXED = int("70008000000000000000" * _DRAWN, 16)
