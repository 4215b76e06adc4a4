"""What is done about signals, and when their transmitters were last heard.

All that is known grows, or is what was said last: signals that come again, late, or in another order make no
difference, so that none needs to be remembered. Knows a store and revocations, and not how signals come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import MsgspecError, Struct, msgpack
from msgspec.structs import replace

from pdp.state.store import Entry, Store, StoreError, name
from pdp.tasks.revocation import Hold, Revocations
from pdp.tasks.signals import Signal, before
from pdp.tasks.subjects import Transmitter

# Longer (seconds) than any task runs, and so than anything that was opened with what is revoked.
_KEPT: Final = 400 * 86_400.0
# How exactly it is known when a transmitter was last heard, in seconds: each time is a write.
_GRAIN: Final = 1.0
_TURNS: Final = 64
# For how long (seconds) a transmitter may answer with what it was asked with.
_ASKED: Final = 86_400.0


class Heard(Struct, frozen=True, gc=False, array_like=True):
    """When a transmitter was last heard (epoch seconds), and whether it said at a time that it pauses."""

    last: float
    paused: bool = False
    said: float = 0.0

    def is_silent(self, after: float, seconds: float) -> bool:
        """Whether it was not heard for `after` seconds, or is not to be."""
        return self.paused or seconds >= self.last + after


class Hearing:
    """What transmitters said, in a store. Methods raise `StoreError`; `seconds` is the time now (epoch)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revocations = Revocations(store)

    def apply(self, signal: Signal, transmitter: Transmitter, seconds: float) -> None:
        """Do what a signal is to have done. When this returns, everybody who shares the store knows."""
        by, reason = f"transmitter {transmitter.name}", signal.event.rpartition("/")[2]
        for kind, fields in signal.about:
            if signal.effect == "revoke":
                self._revocations.revoke(
                    kind, *fields,
                    before=before(signal.at), by=by, reason=reason, until=signal.at + _KEPT, seconds=seconds,
                )  # fmt: skip
            else:
                hold = Hold(signal.of, signal.at, signal.effect == "hold")
                self._revocations.hold(kind, *fields, hold=hold, by=by, reason=reason, seconds=seconds)
        # Last: who sends it again because this failed was not heard.
        self._hear(signal, transmitter.name, seconds)

    def heard(self, transmitters: Sequence[str], seconds: float) -> Mapping[str, Heard]:
        """When each was last heard; one that never was, as if it had been when this is first asked."""
        keys = {one: _key(one) for one in transmitters}
        entries = self._store.read(tuple(keys.values()), seconds).entries
        return {
            one: _heard(entry)
            if (entry := entries[key]) is not None
            else self._change(one, Heard(seconds), seconds)
            for one, key in keys.items()
        }

    def ask(self, transmitter: str, state: str, seconds: float) -> None:
        """Keep with which state a transmitter is asked for a verification."""
        key = _asked_key(transmitter)
        for _ in range(_TURNS):
            snapshot = self._store.read((key,), seconds)
            if self._store.commit(snapshot, {key: Entry(state.encode(), seconds + _ASKED)}, seconds):
                return
        raise StoreError("it is changed by too many at once")

    def asked(self, transmitter: str, seconds: float) -> str | None:
        """With which state a transmitter was asked last."""
        key = _asked_key(transmitter)
        entry = self._store.read((key,), seconds).entries[key]
        return None if entry is None else entry.value.decode()

    def _hear(self, signal: Signal, transmitter: str, seconds: float) -> None:
        heard = Heard(seconds)
        if signal.effect in ("pause", "resume"):
            heard = Heard(seconds, signal.effect == "pause", signal.at)
        self._change(transmitter, heard, seconds)

    def _change(self, transmitter: str, heard: Heard, seconds: float) -> Heard:
        key = _key(transmitter)
        for _ in range(_TURNS):
            snapshot = self._store.read((key,), seconds)
            entry = snapshot.entries[key]
            joined = heard if entry is None else _joined(_heard(entry), heard)
            if entry is not None and joined == _heard(entry):
                return joined
            if self._store.commit(snapshot, {key: Entry(_encode(joined))}, seconds):
                return joined
        raise StoreError("it is changed by too many at once")


def _joined(known: Heard, heard: Heard) -> Heard:
    later = max(known, heard, key=lambda one: (one.said, one.paused))
    last = heard.last if heard.last >= known.last + _GRAIN else known.last
    return replace(later, last=last)


def _asked_key(transmitter: str) -> bytes:
    return name("asked", transmitter)


def _key(transmitter: str) -> bytes:
    return name("heard", transmitter)


_encode = msgpack.Encoder().encode
_decoder = msgpack.Decoder(Heard)


def _heard(entry: Entry) -> Heard:
    try:
        return _decoder.decode(entry.value)
    except MsgspecError:
        raise StoreError("it holds what was heard of a transmitter that cannot be read") from None
