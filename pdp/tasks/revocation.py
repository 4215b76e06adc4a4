"""What was revoked, and whether a credential is among it.

A revocation names something that credentials have in common (a token's id, a caller, a key, …) and a
time: what was issued before it no longer counts. Nothing takes a revocation back; who is let in again
gets something that was issued later. Knows evidence and a store, and not who may revoke.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from msgspec import MsgspecError, Struct, msgpack

from pdp.evidence.evidence import Evidence
from pdp.evidence.refusals import CREDENTIAL_REVOKED, EvidenceError
from pdp.state.store import Entry, Store, StoreError, name

Kind = Literal["token", "credential", "caller", "party", "issuer", "key", "client", "task", "all"]
"""By what to revoke: `token` an issuer's token by its id, `credential` one by its digest, `caller` all of a
caller, `party` all in which somebody acts or is acted for, `issuer` all of an issuer, `key` all that a key
signed or is bound to (its thumbprint), `client` all that a client was given, `task` all for a task, `all`
everything."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
# How many fields name one of a kind.
FIELDS: Final[Mapping[Kind, int]] = dict.fromkeys(KINDS, 1) | {"token": 2, "all": 0}
_TURNS: Final = 64


class Revocation(Struct, frozen=True, gc=False, array_like=True):
    """`before`: what was issued earlier (epoch seconds) does not count. `at`, `by` and `reason` tell of
    it."""

    before: float
    at: float
    by: str
    reason: str


def revoked_name(kind: Kind, *fields: str) -> bytes:
    """The key under which a revocation is kept."""
    assert len(fields) == FIELDS[kind]
    return name("revoked", kind, *fields)


class Revocations:
    """The revocations in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # What names a credential, by its evidence: a remembered token has the same each time.
        self._names: dict[bytes, tuple[bytes, ...]] = {}

    def revoke(
        self,
        kind: Kind,
        *fields: str,
        before: float,
        by: str,
        reason: str,
        until: float | None,
        seconds: float,
    ) -> None:
        """Revoke what was issued before a time; raises `StoreError`. When it returns, everybody who
        shares the store knows. From `until` on (epoch seconds; None for good) nothing that it is about
        can be left.

        One more about the same never shortens what was revoked already.
        """
        key = revoked_name(kind, *fields)
        for _ in range(_TURNS):
            snapshot = self._store.read((key,), seconds)
            earlier = snapshot.entries[key]
            made, ends = Revocation(before, seconds, by, reason), until
            if earlier is not None:
                known = _decode(earlier)
                made = max(made, known, key=lambda one: one.before)
                ends = None if until is None or earlier.expires is None else max(until, earlier.expires)
                if made == known and ends == earlier.expires:
                    return
            if self._store.commit(snapshot, {key: Entry(_encode(made), ends)}, seconds):
                return
        raise StoreError("it is changed by too many at once")

    def names(self, evidence: Evidence) -> tuple[bytes, ...]:
        """What a revocation of a credential may be kept under."""
        known = self._names.get(evidence.identity)
        if known is None:
            known = credential_names(evidence)
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            self._names[evidence.identity] = known
        return known


_REMEMBERED: Final = 16_384


def credential_names(evidence: Evidence) -> tuple[bytes, ...]:
    """All that a credential may be revoked by."""
    caller = evidence.caller
    names = [
        revoked_name("all"),
        revoked_name("credential", evidence.identity.hex()),
        revoked_name("caller", caller["id"]),
    ]
    parties = {caller["id"], caller.get("on_behalf_of"), *caller.get("actors", ())} - {None}
    names += [revoked_name("party", party) for party in sorted(parties)]
    names += [revoked_name("key", thumbprint) for thumbprint in evidence.keys]
    if evidence.issuer is not None:
        names.append(revoked_name("issuer", evidence.issuer))
        if evidence.id is not None:
            names.append(revoked_name("token", evidence.issuer, evidence.id))
    if evidence.client is not None:
        names.append(revoked_name("client", evidence.client))
    if evidence.task is not None:
        names.append(revoked_name("task", evidence.task))
    return (*names, *evidence.lineage)


def check(entries: Mapping[bytes, Entry | None], names: tuple[bytes, ...], issued: float) -> None:
    """Refuses what was issued, or descends from what was issued, before a revocation of any of its names."""
    for one in names:
        entry = entries[one]
        if entry is not None and issued < _decode(entry).before:
            raise EvidenceError(CREDENTIAL_REVOKED)


_encode = msgpack.Encoder().encode
_decoder = msgpack.Decoder(Revocation)


def _decode(entry: Entry) -> Revocation:
    try:
        return _decoder.decode(entry.value)
    except MsgspecError:
        raise StoreError("it holds a revocation that cannot be read") from None
