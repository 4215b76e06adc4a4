"""Ids in the order in which they were added, kept in pages under a head: what a store has no scan for.

Each change is part of the commit that adds what the id is of. Pages end in their order, so that the first
one that is gone is the end of the list. Knows ids and a store, and not what is listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from msgspec import MsgspecError, Struct, msgpack

from pdp.state.store import Entry, Store, StoreError, name

_Kind = TypeVar("_Kind")

# The head holds the last page while it fills, and is written with each id.
_PAGE: Final = 32


class _Head(Struct, frozen=True, array_like=True):
    """`count` were added, the last of them are `ids`; all are gone at `ends` (epoch seconds)."""

    count: int
    ends: float
    ids: tuple[str, ...]


class Index:
    """One list, named by `of`; `head` is the key that a commit must have read."""

    def __init__(self, *of: str) -> None:
        self._of = of
        self.head = name(*of, "head")

    def added(self, head: Entry | None, one: str, ends: float) -> dict[bytes, Entry | None]:
        """The changes that add an id which may be forgotten at `ends`; `head` is what stands there now."""
        before = _Head(0, ends, ()) if head is None else _read(head, _head)
        ids, ends = (*before.ids, one), max(before.ends, ends)
        changes: dict[bytes, Entry | None] = {}
        if len(ids) == _PAGE:
            changes[self._page(before.count // _PAGE)] = Entry(_encode(ids), ends)
            ids = ()
        changes[self.head] = Entry(_encode(_Head(before.count + 1, ends, ids)), ends)
        return changes

    def pages(self, store: Store, after: int | None, seconds: float) -> Iterator[tuple[int, Sequence[str]]]:
        """The ids, each page with the place of its first, the last page first; `after` is a place, and
        those before it are wanted."""
        entry = store.read((self.head,), seconds).entries[self.head]
        if entry is None:
            return
        head = _read(entry, _head)
        place = head.count if after is None else min(after, head.count)
        first = head.count - len(head.ids)
        if place > first:
            yield first, head.ids[: place - first]
            place = first
        while place > 0:
            first = (place - 1) // _PAGE * _PAGE
            key = self._page(first // _PAGE)
            page = store.read((key,), seconds).entries[key]
            if page is None:
                return
            yield first, _read(page, _ids)[: place - first]
            place = first

    def _page(self, number: int) -> bytes:
        return name(*self._of, "page", str(number))


_encode = msgpack.Encoder().encode
_head = msgpack.Decoder(_Head)
_ids = msgpack.Decoder(tuple[str, ...])


def _read(entry: Entry, decoder: msgpack.Decoder[_Kind]) -> _Kind:
    try:
        return decoder.decode(entry.value)
    except MsgspecError:
        raise StoreError("it holds a list that cannot be read") from None
