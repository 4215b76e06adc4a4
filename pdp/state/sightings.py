"""Where a credential was seen: in how many decisions before, and from how many distinct peers.

`saw` counts in this process and is made for the request's way: no lock for a credential that is known,
and never the store. `share` runs beside it, in a thread, and exchanges what was counted with the other
processes of a machine through their store.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b
from itertools import chain
from typing import Final

from msgspec import MsgspecError, Struct, msgpack

from pdp.state.ends import Ends
from pdp.state.exchange import Exchange
from pdp.state.store import Entry, Store, StoreError, name

# More peers than this are as suspicious as this many.
SOURCES: Final = 64
# How many peers' names are kept beside their hashes, to hash them once.
_PEERS: Final = 4_096
_TURNS: Final = 64

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
        # In the order they were met.
        self._known: OrderedDict[bytes, _Seen] = OrderedDict()
        self._ends = Ends()
        # Held to add and remove credentials, not to count one that is known.
        self._lock = threading.Lock()
        self._pending: dict[bytes, _Seen] = {}
        self._peers: dict[str, int] = {}
        self._secret = secrets.token_bytes(16) if store is None else _secret(store)
        self._sharing = threading.Lock()
        self._exchange = None if store is None else Exchange(store, "sightings")

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
        if self._exchange is not None:
            # After it was counted: `share` takes it out before it reads the counts, and misses none.
            self._pending[identity] = seen
        elsewhere = seen.elsewhere
        return earlier, len(here) if not elsewhere else min(len(here | elsewhere), SOURCES)

    def share(self, seconds: float) -> None:
        """Hear what others saw, and tell them what was seen here. Blocks; raises `StoreError`.

        Then no count is lost, and what was not told is told the next time.
        """
        exchange = self._exchange
        if exchange is None:
            return
        with self._sharing:
            taken = self._take()
            told = not taken
            try:
                for _ in range(_TURNS):
                    self._hear(*exchange.hear(seconds), seconds)
                    if taken:
                        batch = _entry([record for record, _ in taken])
                        told = exchange.tell(batch, lambda: _entry(self._whole(seconds)), seconds)
                    if told:
                        break
                else:
                    raise StoreError("too many share it")
            finally:
                if not told:
                    self._put_back(taken)
            for record, seen in taken:
                seen.told += record.uses
                seen.shown |= record.sources

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

    def _hear(self, anew: bool, batches: Iterable[bytes], seconds: float) -> None:
        totals: dict[bytes, int] = {}
        # All are read before one is counted.
        for record in list(chain.from_iterable(map(_records, batches))):
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

    def _whole(self, seconds: float) -> list[_Record]:
        """Of every credential, what was told from here and heard from others."""
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


_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(list[_Record]).decode


def _records(batch: bytes) -> list[_Record]:
    try:
        return _decode(batch)
    except MsgspecError:
        raise StoreError("what it holds is no log of sightings") from None


def _entry(records: list[_Record]) -> Entry:
    return Entry(_encode(records), max((record.expires for record in records), default=0.0))


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
