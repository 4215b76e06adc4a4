"""What is known of signing keys: a value of public keys and times, and how it is kept and published.

Who signs when follows from it and the clock alone, so that all who read it come to the same. Knows no private
keys, and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import MsgspecError, Struct, msgpack

from pdp.state.store import Entry, StoreError

State: TypeAlias = Literal["next", "signing", "retired"]

NEVER: Final = 2.0**53
"""When a key begins that waits to be told."""
_VERSION: Final = 1


class KnownKey(Struct, frozen=True, gc=False, array_like=True):
    """A public key and its times, in epoch seconds: from `published` on it is published, and from `begins` on
    it signs, until another begins. `until` tells that it signs no more, and until when it is published.

    `kept` is what is kept of its private part: empty when it has signed for the last time, None where it is
    held elsewhere.
    """

    kid: str
    algorithm: str
    jwk: dict[str, str]
    published: float
    begins: float
    until: float | None
    kept: bytes | None

    @property
    def about(self) -> bytes:
        """What its private part is kept for, and for nothing else."""
        # A whole number comes back from the store as another.
        return _encode((self.kid, self.algorithm, float(self.published), float(self.begins)))

    def is_published(self, seconds: float) -> bool:
        """Whether those who verify are to know it."""
        return self.until is None or seconds < self.until


Known: TypeAlias = tuple[KnownKey, ...]
"""The oldest first."""


def signing(keys: Sequence[KnownKey], seconds: float) -> KnownKey | None:
    """Which of the keys signs at a time."""
    begun = (key for key in keys if key.until is None and key.begins <= seconds)
    return max(begun, key=lambda key: key.begins, default=None)


def state(key: KnownKey, keys: Sequence[KnownKey], seconds: float) -> State:
    """What one of the keys is at a time. That another has begun after it retires it at once."""
    if key.until is None and key.begins > seconds:
        return "next"
    return "signing" if key is signing(keys, seconds) else "retired"


def key_set(keys: Iterable[KnownKey], seconds: float) -> bytes:
    """The keys that are published, as a JWK set (RFC 7517 section 5)."""
    members = [
        {**key.jwk, "alg": key.algorithm, "kid": key.kid, "use": "sig"}
        for key in keys
        if key.is_published(seconds)
    ]
    return json.dumps({"keys": members}, sort_keys=True, separators=(",", ":")).encode()


class _Record(Struct, frozen=True, gc=False, array_like=True):
    version: int
    keys: Known


_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(_Record).decode


def entry_of(keys: Known) -> Entry:
    """What is known, as it stands in a store."""
    return Entry(_encode(_Record(_VERSION, keys)))


def known_of(entry: Entry | None) -> Known:
    """What an entry says; raises `StoreError`."""
    if entry is None:
        return ()
    try:
        record = _decode(entry.value)
    except MsgspecError:
        raise StoreError("it holds signing keys that cannot be read") from None
    if record.version != _VERSION:
        raise StoreError("its signing keys were written by another version of pdp")
    return record.keys
