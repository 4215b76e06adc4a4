"""Keys by when they end: what has ended is taken away a few at a time, and no step looks at them all."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import ceil
from typing import Final

_FOR_GOOD: Final = 2.0**53


class Ends:
    """A set of keys, each with the end (epoch seconds) that it was added with, in whole seconds."""

    __slots__ = ("_keys", "_order")

    def __init__(self) -> None:
        self._keys: dict[int, set[bytes]] = {}
        # The seconds of `_keys` as a heap, and some that are no longer there.
        self._order: list[int] = []

    def add(self, key: bytes, expires: float) -> None:
        """Add a key that is not there yet."""
        second = _second(expires)
        keys = self._keys.get(second)
        if keys is None:
            self._keys[second] = {key}
            heappush(self._order, second)
        else:
            keys.add(key)

    def discard(self, key: bytes, expires: float) -> None:
        """Take a key away before its end; `expires` is what it was added with."""
        second = _second(expires)
        keys = self._keys[second]
        keys.discard(key)
        if not keys:
            del self._keys[second]
            if len(self._order) > 2 * len(self._keys) + 64:
                self._order = list(self._keys)
                heapify(self._order)

    def move(self, key: bytes, old: float, new: float) -> None:
        """Give a key that is there another end."""
        if _second(old) != _second(new):
            self.discard(key, old)
            self.add(key, new)

    def pop(self, seconds: float) -> bytes | None:
        """Take away a key that has ended by now (`seconds`), if any has."""
        while self._order and self._order[0] <= seconds:
            keys = self._keys.get(self._order[0])
            if keys:
                return keys.pop()
            self._keys.pop(heappop(self._order), None)
        return None


def _second(expires: float) -> int:
    return ceil(min(expires, _FOR_GOOD))
