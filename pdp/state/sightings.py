"""Where a credential was seen: in how many decisions before, and from how many distinct peers.

`saw` counts in this process and is made for the request's way: no lock for a credential that is known,
and never the store. `share` runs beside it, in a thread, and exchanges what was counted with the other
processes of a machine through a log in their store: what one of them saw is a batch, and each reads the
batches of the others. Now and then the whole is written as one batch, for those who begin, and what is
older is dropped.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

from msgspec import MsgspecError, Struct, msgpack

from pdp.state.ends import Ends
from pdp.state.store import Entry, Snapshot, Store, StoreError, name

# More peers than this are as suspicious as this many.
SOURCES: Final = 64
# How many peers' names are kept beside their hashes, to hash them once.
_PEERS: Final = 4_096
# The whole is written again when what came after it is this long: in batches, or in bytes and longer than
# itself.
_BATCHES: Final = 256
_BYTES: Final = 262_144
_TURNS: Final = 64

_HEAD: Final = name("sightings", "head")
_SECRET: Final = name("sightings", "secret")
_NOBODY: Final = frozenset[int]()


class Sightings:
    """What was seen of at most `room` credentials, counted here and shared through `store`, if any.

    When there is no room, what has expired goes first, and then what was met first, which `forgotten`
    counts. `saw` is for one thread, `share` for any other. Raises `StoreError` where the store has no
    secret to give.
    """

    def __init__(self, *, room: int = 100_000, store: Store | None = None) -> None:
        self.forgotten = 0
        self._room = room
        self._store = store
        # In the order they were met.
        self._known: OrderedDict[bytes, _Seen] = OrderedDict()
        self._ends = Ends()
        # Held to add and remove credentials, not to count one that is known.
        self._lock = threading.Lock()
        self._pending: dict[bytes, _Seen] = {}
        self._peers: dict[str, int] = {}
        self._secret = secrets.token_bytes(16) if store is None else _secret(store)
        self._sharing = threading.Lock()
        # The number of the batch that is to be read next; none was read yet.
        self._next = -1

    def saw(self, identity: bytes, source: str, expires: float, seconds: float) -> tuple[int, int]:
        """Count a decision; gives the credential's earlier uses, and its peers with this one.

        `identity` names the credential, `source` the peer; from `expires` on (epoch seconds) it may be
        forgotten. The peers are counted up to `SOURCES`.
        """
        peer = self._peers.get(source)
        if peer is None:
            peer = self._peer(source)
        seen = self._known.get(identity)
        if seen is None:
            seen = self._meet(identity, expires, seconds)
        earlier = seen.uses + seen.others
        seen.uses += 1
        here = seen.here
        if peer not in here and len(here) < SOURCES:
            # Another set, for `share` may be reading this one.
            seen.here = here = here | {peer}
        if self._store is not None:
            # After it was counted: `share` takes it out before it reads the counts, and misses none.
            self._pending[identity] = seen
        elsewhere = seen.elsewhere
        return earlier, len(here) if not elsewhere else min(len(here | elsewhere), SOURCES)

    def share(self, seconds: float) -> None:
        """Hear what others saw, and tell them what was seen here. Blocks; raises `StoreError`.

        Then no count is lost, and what was not told is told the next time.
        """
        if self._store is None:
            return
        with self._sharing:
            taken = self._take()
            told = False
            try:
                for _ in range(_TURNS):
                    head, snapshot = self._hear(self._store, seconds)
                    told = not taken or self._tell(self._store, head, snapshot, taken, seconds)
                    if told:
                        return
                raise StoreError("too many share it")
            finally:
                if not told:
                    self._put_back(taken)

    def _peer(self, source: str) -> int:
        """A short hash for a peer's name: keyed, so that no two can be made to share one."""
        if len(self._peers) >= _PEERS:
            self._peers.clear()
        digest = blake2b(source.encode(), digest_size=8, key=self._secret).digest()
        return self._peers.setdefault(source, int.from_bytes(digest))

    def _meet(self, identity: bytes, expires: float, seconds: float) -> _Seen:
        with self._lock:
            seen = self._known.get(identity)
            if seen is not None:
                return seen
            # Two go for one that comes, so that what has expired does not stay.
            for _ in range(2):
                ended = self._ends.pop(seconds)
                if ended is None:
                    break
                del self._known[ended]
                self._pending.pop(ended, None)
            if len(self._known) >= self._room:
                oldest, gone = self._known.popitem(last=False)
                self._ends.discard(oldest, gone.expires)
                self._pending.pop(oldest, None)
                self.forgotten += 1
            seen = self._known[identity] = _Seen(expires)
            self._ends.add(identity, expires)
            return seen

    def _take(self) -> list[tuple[_Record, _Seen]]:
        """What is to be told."""
        taken = []
        for _ in range(len(self._pending)):
            try:
                identity, seen = self._pending.popitem()
            except KeyError:
                # Forgotten just now.
                break
            uses, sources = seen.uses - seen.told, seen.here - seen.shown
            taken.append((_Record(identity, seen.expires, uses, sources), seen))
        return taken

    def _put_back(self, taken: Iterable[tuple[_Record, _Seen]]) -> None:
        for record, seen in taken:
            # Not what was forgotten meanwhile: where there is no store for long, that would pile up.
            if self._known.get(record.identity) is seen:
                self._pending.setdefault(record.identity, seen)

    def _hear(self, store: Store, seconds: float) -> tuple[_Head, Snapshot]:
        """Read what was not read yet. The snapshot holds the head, and the place of the next batch."""
        numbers: Sequence[int] = (self._next,)
        for _ in range(_TURNS):
            snapshot = store.read([_HEAD, *map(_batch, numbers)], seconds)
            head = _head(snapshot)
            # Who was away for long has missed what is dropped by now, and begins with the whole.
            anew = not head.first <= self._next <= head.next
            begin = max(head.first, head.whole) if anew else self._next
            if begin >= numbers[0] and head.next <= numbers[-1]:
                break
            numbers = range(begin, head.next + 1)
        else:
            raise StoreError("too many share it")
        totals: dict[bytes, int] = {}
        for number in range(begin, head.next):
            batch = _read(snapshot.entries[_batch(number)])
            # To who knows all before it, a whole says nothing new.
            for record in batch.records if anew or not batch.whole else ():
                if record.expires > seconds:
                    seen = self._meet(record.identity, record.expires, seconds)
                    seen.elsewhere = _some(seen.elsewhere | record.sources)
                    if anew:
                        totals[record.identity] = totals.get(record.identity, 0) + record.uses
                    else:
                        seen.others += record.uses
        for identity, total in totals.items():
            known = self._known.get(identity)
            if known is not None:
                # What was told from here is among it.
                known.others = max(known.others, total - known.told)
        self._next = head.next
        return head, snapshot

    def _tell(
        self,
        store: Store,
        head: _Head,
        snapshot: Snapshot,
        taken: Sequence[tuple[_Record, _Seen]],
        seconds: float,
    ) -> bool:
        """Append a batch, if nobody did since the log was heard; at times also the whole, before it."""
        batches = [_entry(False, [record for record, _ in taken])]
        dropped: Sequence[int] = ()
        first, whole, long = head.first, head.whole, head.long
        number = head.next
        if number - whole > _BATCHES or head.size > max(_BYTES, long):
            batches.insert(0, _entry(True, self._whole(seconds)))
            # The log before the last whole is dropped; after it, others may still be reading.
            first, whole, long = max(first, whole), number, len(batches[0].value)
            dropped = range(head.first, first)
            snapshot = store.read([_HEAD, *map(_batch, (*dropped, number, number + 1))], seconds)
            if _head(snapshot) != head:
                return False
        size = len(batches[-1].value) + (0 if len(batches) > 1 else head.size)
        new = _Head(first, whole, number + len(batches), size, long)
        changes: dict[bytes, Entry | None] = {
            _HEAD: Entry(_encode(new)),
            **dict.fromkeys(map(_batch, dropped)),
        }
        changes |= {_batch(number + place): entry for place, entry in enumerate(batches)}
        before = Snapshot({key: snapshot.entries[key] for key in changes})
        if not store.commit(before, changes, seconds):
            return False
        self._next = new.next
        for record, seen in taken:
            seen.told += record.uses
            seen.shown |= record.sources
        return True

    def _whole(self, seconds: float) -> list[_Record]:
        """What the log says: of every credential, what was told from here and heard from others."""
        with self._lock:
            known = list(self._known.items())
        return [
            _Record(identity, seen.expires, seen.told + seen.others, _some(seen.shown | seen.elsewhere))
            for identity, seen in known
            if seen.told + seen.others and seen.expires > seconds
        ]


class _Seen:
    """One credential. Each field has one writer, and so needs no lock: `saw` writes the first two."""

    __slots__ = ("elsewhere", "expires", "here", "others", "shown", "told", "uses")

    def __init__(self, expires: float) -> None:
        # Decisions of this process, and hashes of the peers.
        self.uses = 0
        self.here = _NOBODY
        # What of that was told.
        self.told = 0
        self.shown = _NOBODY
        # What was heard.
        self.others = 0
        self.elsewhere = _NOBODY
        self.expires = expires


class _Record(Struct, frozen=True, gc=False, array_like=True):
    """What a batch says of a credential: so many uses more, and these peers."""

    identity: bytes
    expires: float
    uses: int
    sources: frozenset[int]


class _Batch(Struct, frozen=True, gc=False, array_like=True):
    """What one process saw since its last one; or the `whole`, all that was said before."""

    whole: bool
    records: list[_Record]


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
_decode_head = msgpack.Decoder(_Head).decode
_decode_batch = msgpack.Decoder(_Batch).decode


def _batch(number: int) -> bytes:
    return name("sightings", "batch", str(number))


def _head(snapshot: Snapshot) -> _Head:
    entry = snapshot.entries[_HEAD]
    try:
        return _Head() if entry is None else _decode_head(entry.value)
    except MsgspecError:
        raise StoreError("what it holds is no log of sightings") from None


def _read(entry: Entry | None) -> _Batch:
    """A batch. One that is gone has ended, and with it all that it said."""
    try:
        return _Batch(False, []) if entry is None else _decode_batch(entry.value)
    except MsgspecError:
        raise StoreError("what it holds is no log of sightings") from None


def _entry(whole: bool, records: list[_Record]) -> Entry:
    end = max((record.expires for record in records), default=0.0)
    return Entry(_encode(_Batch(whole, records)), end)


def _some(sources: frozenset[int]) -> frozenset[int]:
    return sources if len(sources) <= SOURCES else frozenset(sorted(sources)[:SOURCES])


def _secret(store: Store) -> bytes:
    """What peers are hashed with, by all who share a store."""
    for _ in range(_TURNS):
        snapshot = store.read((_SECRET,), 0.0)
        entry = snapshot.entries[_SECRET]
        if entry is not None:
            return entry.value
        fresh = Entry(secrets.token_bytes(16))
        if store.commit(snapshot, {_SECRET: fresh}, 0.0):
            return fresh.value
    raise StoreError("too many share it")
