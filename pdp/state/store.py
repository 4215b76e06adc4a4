"""What a store is: two methods, so that memory, SQLite and Redis mean the same.

`read` gives what stands under some keys, `commit` changes them if nobody did in between. Whoever loses
that race reads again and tries once more; a store never merges, and never half commits. `version` spares who
asks the same again and again. Knows nothing of what is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Final, Protocol, TypeAlias

from msgspec import Struct, msgpack


class Entry(Struct, frozen=True, gc=False):
    """A value, and until when it stands (epoch seconds; None for good)."""

    value: bytes
    expires: float | None = None


Changes: TypeAlias = Mapping[bytes, Entry | None]
"""What stands under keys afterwards; None takes away."""


class Snapshot(Struct, frozen=True, gc=False):
    """What stood under keys at one moment; None where nothing did."""

    entries: Mapping[bytes, Entry | None]


class StoreError(Exception):
    """The store could not be read or written: nothing is known, and nothing may be allowed for it."""


class Store(Protocol):
    """Named values with an end. Both methods raise `StoreError`."""

    def read(self, keys: Collection[bytes], seconds: float) -> Snapshot:
        """What stands under `keys` now (`seconds`, epoch). A thousand keys are not too many."""

    def commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        """Make all `changes`, to keys of `snapshot`, if all of it is still so; else nothing, and False.

        When it gives True, the changes are there for everybody who shares the store.
        """

    def version(self) -> object:
        """What is another one when anybody has committed since: cheaper to ask for than to read again."""

    def close(self) -> None:
        """Let go of what the store holds open."""


# A clock that is set back must not bring back what had ended: what has ended is kept a while, unseen,
# before it is taken away.
GRACE: Final = 300.0
# Half of SHA-256: a key that others share cannot be found, and a million of them take half the room.
_LENGTH: Final = 16

_encode = msgpack.Encoder().encode


def name(*fields: str) -> bytes:
    """A key for fields. Each is hashed after its length, so that no two lists of fields share a key."""
    return sha256(_encode(fields)).digest()[:_LENGTH]
