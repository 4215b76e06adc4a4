"""What processes tell each other through a store: a log of batches, that each appends to and reads.

Now and then the whole is written as one batch, for those who begin, and what is older is dropped. Knows
nothing of what is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import MsgspecError, Struct, msgpack

from pdp.state.store import Entry, Snapshot, Store, StoreError, name

# The whole is written again when what came after it is this long: in batches, or in bytes and longer
# than itself.
_BATCHES: Final = 256
_BYTES: Final = 262_144
_TURNS: Final = 64
_WHOLE: Final = b"w"
_PART: Final = b"p"


class Exchange:
    """One process's place in the log called `of`. For one thread at a time; both methods raise
    `StoreError`."""

    def __init__(self, store: Store, of: str) -> None:
        self._store = store
        self._of = of
        self._head = name(of, "head")
        # The number of the batch that is to be read next; none was read yet.
        self._next = -1
        self._heard = _Head()
        self._snapshot = Snapshot({})

    def hear(self, seconds: float) -> tuple[bool, list[bytes]]:
        """What was told since the last time, but not what was told from here.

        With True it is all that was ever told, also from here: the first time, and after a long absence.
        """
        numbers: Sequence[int] = (self._next,)
        for _ in range(_TURNS):
            snapshot = self._store.read([self._head, *map(self._batch, numbers)], seconds)
            head = self._read_head(snapshot)
            # Who was away for long has missed what is dropped by now, and begins with the whole.
            anew = not head.first <= self._next <= head.next
            begin = max(head.first, head.whole) if anew else self._next
            if begin >= numbers[0] and head.next <= numbers[-1]:
                break
            # One more, which is the place of what will be told.
            numbers = range(begin, head.next + 1)
        else:
            raise StoreError("too many share it")
        entries = [snapshot.entries[self._batch(number)] for number in range(begin, head.next)]
        self._next, self._heard, self._snapshot = head.next, head, snapshot
        # To who knows all before it, a whole says nothing new. What is gone has ended.
        return anew, [
            entry.value[1:] for entry in entries if entry is not None and (anew or entry.value[:1] != _WHOLE)
        ]

    def tell(self, batch: Entry, whole: Callable[[], Entry], seconds: float) -> bool:
        """Append a batch, if nobody did since `hear`; at times the `whole` before it, which is what was
        told until then."""
        head, number, snapshot = self._heard, self._heard.next, self._snapshot
        batches = [Entry(_PART + batch.value, batch.expires)]
        new = _Head(head.first, head.whole, number + 1, head.size + len(batch.value), head.long)
        dropped: Sequence[int] = ()
        if number - head.whole > _BATCHES or head.size > max(_BYTES, head.long):
            all_told = whole()
            batches.insert(0, Entry(_WHOLE + all_told.value, all_told.expires))
            # What is before the last whole is dropped; what is after it, others may still be reading.
            first = max(head.first, head.whole)
            dropped = range(head.first, first)
            new = _Head(first, number, number + 2, len(batch.value), len(all_told.value))
            keys = [self._head, *map(self._batch, (*dropped, number, number + 1))]
            snapshot = self._store.read(keys, seconds)
            if self._read_head(snapshot) != head:
                return False
        changes: dict[bytes, Entry | None] = dict.fromkeys(map(self._batch, dropped))
        changes[self._head] = Entry(_encode(new))
        changes |= {self._batch(number + place): entry for place, entry in enumerate(batches)}
        before = Snapshot({key: snapshot.entries[key] for key in changes})
        if not self._store.commit(before, changes, seconds):
            return False
        self._next = new.next
        return True

    def _batch(self, number: int) -> bytes:
        return name(self._of, "batch", str(number))

    def _read_head(self, snapshot: Snapshot) -> _Head:
        entry = snapshot.entries[self._head]
        try:
            return _Head() if entry is None else _decode(entry.value)
        except MsgspecError:
            raise StoreError(f"what it holds is no log of {self._of}") from None


class _Head(Struct, frozen=True, gc=False, array_like=True):
    """The log: its batches are from `first` to before `next`.

    `whole` is the number of the last one that is whole, and of `long` bytes; those after it are `size`
    bytes. A log that is new has none.
    """

    first: int = 0
    whole: int = -1
    next: int = 0
    size: int = 0
    long: int = 0


_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(_Head).decode
