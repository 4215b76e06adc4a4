"""What is still to be told of what was revoked here: put in by the step that revokes, until it was told.

What waits for a receiver is numbered, and goes out in that order. Knows a store, and not how it is told.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import MsgspecError, Struct, msgpack

from pdp.access.patterns import SPIFFE
from pdp.signalled import ReceiverTable
from pdp.state.store import Entry, Snapshot, Store, StoreError, name
from pdp.tasks.revocation import Kind, Revocation

# For so long (seconds) a receiver may be away. What waits longer is about what has ended by itself.
_KEPT: Final = 30 * 86_400.0
_TURNS: Final = 64


class _Head(Struct, frozen=True, gc=False, array_like=True):
    """Which of those that were ever put in wait: from `first` to before `after`."""

    first: int = 0
    after: int = 0


class Waiting(Struct, frozen=True, gc=False, array_like=True):
    """A revocation that is to be told: of what, when, and why. `id` is that of its token."""

    id: str
    kind: Kind
    fields: tuple[str, ...]
    at: float
    before: float
    reason: str


class Outbox:
    """What each receiver is still to be told. Part of the step that revokes: see `revocation.Told`."""

    def __init__(self, receivers: Sequence[ReceiverTable]) -> None:
        self._heads = {one.name: _head_key(one.name) for one in receivers}
        self.keys = tuple(self._heads.values())

    def changes(
        self, snapshot: Snapshot, kind: Kind, fields: tuple[str, ...], revocation: Revocation
    ) -> Mapping[bytes, Entry | None]:
        """Put a revocation in for all, where it can be told."""
        changes: dict[bytes, Entry | None] = {}
        if subject_of(kind, fields) is not None:
            made = Waiting(
                secrets.token_urlsafe(16), kind, fields, revocation.at, revocation.before, revocation.reason
            )
            for receiver, key in self._heads.items():
                head = _head(snapshot.entries[key])
                changes[_item_key(receiver, head.after)] = Entry(_encode(made), revocation.at + _KEPT)
                changes[key] = Entry(_encode(_Head(head.first, head.after + 1)))
        return changes


def subject_of(kind: Kind, fields: Sequence[str]) -> dict[str, Any] | None:
    """Whom others know by what is revoked (RFC 9493, SSF 1.0 section 3); None where that says nothing to
    them."""
    match kind, *fields:
        case "token", iss, jti:
            return {"format": "jwt_id", "iss": iss, "jti": jti}
        case "subject", iss, sub:
            return {"format": "iss_sub", "iss": iss, "sub": sub}
        case "session" | "tenant", iss, one:
            return {"format": "complex", kind: {"format": "iss_sub", "iss": iss, "sub": one}}
        case "email", _, email:
            return {"format": "email", "email": email}
        case "caller" | "party", one if one.startswith(SPIFFE):
            return {"format": "uri", "uri": one}
        case "caller" | "party", one:
            return {"format": "opaque", "id": one}
        case _:
            return None


class Queue:
    """What waits for one receiver. Methods raise `StoreError`."""

    def __init__(self, store: Store, receiver: str) -> None:
        self._store, self._receiver = store, receiver

    def first(self, seconds: float) -> tuple[int, Waiting | None] | None:
        """What waits first, and its number; it may have waited too long and be gone."""
        key = _head_key(self._receiver)
        head = _head(self._store.read((key,), seconds).entries[key])
        if head.first == head.after:
            return None
        item = _item_key(self._receiver, head.first)
        entry = self._store.read((item,), seconds).entries[item]
        return head.first, None if entry is None else _decoded(entry, _waiting)

    def done(self, number: int, seconds: float) -> None:
        """Have it wait no more."""
        key, item = _head_key(self._receiver), _item_key(self._receiver, number)
        for _ in range(_TURNS):
            snapshot = self._store.read((key, item), seconds)
            head = _head(snapshot.entries[key])
            if head.first != number:
                return
            changes = {key: Entry(_encode(_Head(number + 1, head.after))), item: None}
            if self._store.commit(snapshot, changes, seconds):
                return
        raise StoreError("it is changed by too many at once")


def _head_key(receiver: str) -> bytes:
    return name("outbox", receiver)


def _item_key(receiver: str, number: int) -> bytes:
    return name("outbox", receiver, str(number))


_encode = msgpack.Encoder().encode
_heads = msgpack.Decoder(_Head)
_waiting = msgpack.Decoder(Waiting)


def _head(entry: Entry | None) -> _Head:
    return _Head() if entry is None else _decoded(entry, _heads)


def _decoded(entry: Entry, decoder: msgpack.Decoder[Any]) -> Any:
    try:
        return decoder.decode(entry.value)
    except MsgspecError:
        raise StoreError("it holds what is to be told and cannot be read") from None
