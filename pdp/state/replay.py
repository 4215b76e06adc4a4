"""Used once: what was seen is remembered for as long as it would be accepted again.

One atomic step for everything that a request presents, so that of many at the same moment one is first. When
there is no room, what is new is refused; what is remembered is never given up for it, for that is how an
attacker would make room for a replay. Knows no tokens: only names, holders and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Literal

from msgspec import Struct

from pdp.state.store import Entry, Store

Outcome = Literal["first", "seen", "full"]

# How often a lost race is run again. Each turn somebody else won, so a crowd of this many is let through.
_TURNS: Final = 64
_PERIOD: Final = 60
_SHARDS: Final = 64


class Use(Struct, frozen=True, gc=False):
    """Something that may be used once: the fields that name it, its end (epoch seconds), and whose it is."""

    fields: tuple[str, ...]
    expires: float
    holder: str


class Replay:
    """What was used, in a store. `quota` bounds what one holder may use in a minute, `room` what all may."""

    def __init__(self, store: Store, *, quota: int = 6_000, room: int = 600_000) -> None:
        self._store = store
        self._quota = quota
        self._room = max(1, room // _SHARDS)

    def use(self, uses: Sequence[Use], seconds: float) -> Outcome:
        """Whether this is the first use of all of them, which it then was. Raises `StoreError`.

        One that was `seen` uses none of the others up.
        """
        names = [name("use", *use.fields) for use in uses]
        period = int(seconds) // _PERIOD
        counters = {
            counter: limit
            for use, used in zip(uses, names, strict=True)
            for counter, limit in (
                (name("holder", use.holder, str(period)), self._quota),
                (name("all", str(used[0] % _SHARDS), str(period)), self._room),
            )
        }
        if len(set(names)) < len(names):
            return "seen"
        for _ in range(_TURNS):
            snapshot = self._store.read([*names, *counters], seconds)
            found = snapshot.entries
            if any(found[used] is not None for used in names):
                return "seen"
            counts = {counter: _count(found[counter]) for counter in counters}
            if any(counts[counter] >= limit for counter, limit in counters.items()):
                return "full"
            changes: dict[bytes, Entry | None] = {
                used: Entry(b"", use.expires) for use, used in zip(uses, names, strict=True)
            }
            changes |= {
                counter: Entry((count + 1).to_bytes(8), (period + 2) * _PERIOD)
                for counter, count in counts.items()
            }
            if self._store.commit(snapshot, changes, seconds):
                return "first"
        return "full"


def _count(entry: Entry | None) -> int:
    return 0 if entry is None else int.from_bytes(entry.value)


def name(*fields: str) -> bytes:
    """A key for fields. Each is hashed after its length, so that no two lists of fields share a key."""
    digest = sha256()
    for field in fields:
        data = field.encode()
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.digest()
