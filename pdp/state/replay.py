"""Used once: what was seen is remembered for as long as it would be accepted again.

One atomic step for everything that a request presents, so that of many at the same moment one is first.
When there is no room, what is new is refused; what is remembered is never given up for it, for that is
how an attacker would make room for a replay. Knows no tokens: only names, holders and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import randrange
from typing import Final, Literal

from msgspec import MsgspecError, Struct, msgpack

from pdp.state.store import Entry, Store, StoreError, name

Outcome = Literal["first", "seen", "full", "before"]
"""`first`: nobody had used any of it, and now it is used. `seen`: somebody had. `full`: there is no room
to remember it. `before`: it was made before this memory began, which cannot know. Only `first` may be
allowed."""

# How often a lost race is run again. Each turn somebody else won, so a crowd gets through.
_TURNS: Final = 64
# All that is live is counted in this many places, so that two processes seldom write the same one; but
# none has less room than this, for a place that is full is full for whoever comes to it.
_PLACES: Final = 64
_PLACE: Final = 1_024
# The shortest time (seconds) that is counted apart.
_GRAIN: Final = 8
_FOR_GOOD: Final = 2.0**53


class Use(Struct, frozen=True, gc=False):
    """Something that may be used once: the fields that name it, and whose it is.

    `issued` is when it was made, and `expires` when it would no longer be accepted (epoch seconds).
    """

    fields: tuple[str, ...]
    issued: float
    expires: float
    holder: str


class Replay:
    """What was used, in a store.

    `quota` bounds how many uses of one holder are remembered at a time, `room` how many of all. A use
    counts until it has ended, and longer by at most a quarter of its life (or eight seconds): never more
    than these are live, and what is about to end may be in the way of what is new.

    `begun` (epoch seconds) is for a store that forgets: when it was empty. What was made before may have
    been used before, and is refused. `ahead` is how far the clocks that are believed may be ahead of
    ours (seconds): what they made shortly before `begun` says that it was made after.
    """

    def __init__(
        self,
        store: Store,
        *,
        quota: int = 30_000,
        room: int = 600_000,
        begun: float | None = None,
        ahead: float = 60.0,
    ) -> None:
        self._store = store
        self._quota = quota
        places = max(1, min(_PLACES, room // _PLACE))
        self._places = [name("all", str(place)) for place in range(places)]
        self._room = room // places
        self._begun = float("-inf") if begun is None else begun + ahead

    def use(self, uses: Sequence[Use], seconds: float) -> Outcome:
        """Whether this is the first use of all of them, which it then was. Raises `StoreError`.

        Otherwise none of them is used up by it.
        """
        if not uses:
            return "first"
        place = self._places[randrange(len(self._places))]
        names: list[bytes] = []
        counted: dict[bytes, list[int]] = {place: []}
        for use in uses:
            # What has ended would be forgotten at once, and be the first again.
            if not use.expires > seconds:
                return "seen"
            if use.issued < self._begun:
                return "before"
            names.append(name("use", *use.fields))
            end = _end(use.expires, seconds)
            counted[place].append(end)
            counted.setdefault(name("holder", use.holder), []).append(end)
        if len(set(names)) < len(names):
            return "seen"
        keys = [*names, *counted]
        for _ in range(_TURNS):
            snapshot = self._store.read(keys, seconds)
            found = snapshot.entries
            changes: dict[bytes, Entry | None] = {}
            for used, use in zip(names, uses, strict=True):
                if found[used] is not None:
                    return "seen"
                changes[used] = Entry(b"", use.expires)
            for counter, added in counted.items():
                counts = _counts(found[counter], added, seconds)
                if sum(counts.values()) > (self._room if counter is place else self._quota):
                    return "full"
                changes[counter] = Entry(_encode(counts), max(counts))
            if self._store.commit(snapshot, changes, seconds):
                return "first"
        return "full"

    def used(self, use: Use, seconds: float) -> bool:
        """Whether somebody has used it. Raises `StoreError`."""
        key = name("use", *use.fields)
        return self._store.read((key,), seconds).entries[key] is not None


_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(dict[int, int]).decode


def _counts(entry: Entry | None, added: Sequence[int], seconds: float) -> dict[int, int]:
    """How many of what is counted are live now, by when they end; with those that are added."""
    try:
        before = {} if entry is None else _decode(entry.value)
    except MsgspecError:
        raise StoreError("a count is no count") from None
    counts = {end: count for end, count in before.items() if end > seconds}
    for end in added:
        counts[end] = counts.get(end, 0) + 1
    return counts


def _end(expires: float, seconds: float) -> int:
    """The end that a use is counted with: later than its own by a quarter of its life, or a grain, at
    most.

    So there are a handful of ends for each doubling of the lives, however many uses.
    """
    last = min(expires, _FOR_GOOD)
    grain = max(_GRAIN, 1 << max(0, int(last - seconds).bit_length() - 3))
    return int(last // grain + 1) * grain
