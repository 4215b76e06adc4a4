"""What was revoked, and whether a credential is among it.

A revocation names something that credentials have in common (a token's id, a caller, a key, …) and a
time: what was issued before it no longer counts. Nothing takes a revocation back; who is let in again
gets something that was issued later. What is held does not count whenever it was issued, until whoever
holds it lets go. What is known is the same in whatever order, and however often, it was told. Knows
evidence and a store, and not who may revoke.
"""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_bytes
from typing import Any, Final, Literal, Protocol, get_args

from msgspec import MsgspecError, Struct, msgpack
from msgspec.structs import replace

from pdp.evidence.evidence import Evidence
from pdp.evidence.refusals import CREDENTIAL_REVOKED, EvidenceError
from pdp.state.store import Entry, Snapshot, Store, StoreError, name

Kind = Literal[
    "token", "credential", "caller", "party", "issuer", "key", "client", "task", "all",
    "subject", "session", "email", "tenant",
]  # fmt: skip
"""By what to revoke: `token` an issuer's token by its id, `credential` one by its digest, `caller` all of a
caller, `party` all in which somebody acts or is acted for, `issuer` all of an issuer, `key` all that a key
signed or is bound to (its thumbprint), `client` all that a client was given, `task` all for a task, `all`
everything. By what an issuer's tokens say of their subject: `subject` its name there, `session`, `email` and
`tenant`, each beside the issuer."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_ALIASES: Final[tuple[Kind, ...]] = ("subject", "session", "email", "tenant")
# How many fields name one of a kind.
FIELDS: Final[Mapping[Kind, int]] = (
    dict.fromkeys(KINDS, 1) | dict.fromkeys(_ALIASES, 2) | {"token": 2, "all": 0}
)
_TURNS: Final = 64
GENERATION: Final = name("revoked", "generation")
"""Where another value stands after each revocation."""


class Hold(Struct, frozen=True, gc=False, array_like=True):
    """What somebody said at a time (epoch seconds): that all is held, or is no longer. `of` names who said
    it about what, of which the latest counts."""

    of: bytes
    at: float
    on: bool


class Revocation(Struct, frozen=True, gc=False, array_like=True):
    """`before`: what was issued earlier (epoch seconds) does not count. `at`, `by` and `reason` tell of
    it."""

    before: float
    at: float
    by: str
    reason: str
    holds: tuple[Hold, ...] = ()


class Told(Protocol):
    """Who is told of each revocation, in the same step: `keys` are read for it, `changes` made with it."""

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What the changes depend on."""

    def changes(
        self, snapshot: Snapshot, kind: Kind, fields: tuple[str, ...], revocation: Revocation
    ) -> Mapping[bytes, Entry | None]:
        """What is changed. Keys that are not among `keys` are new."""


def revoked_name(kind: Kind, *fields: str) -> bytes:
    """The key under which a revocation is kept."""
    assert len(fields) == FIELDS[kind]
    if kind == "email":
        # One mailbox, however its letters are written.
        fields = tuple(field.lower() for field in fields)
    return name("revoked", kind, *fields)


class Revocations:
    """The revocations in a store. `told` is for those that are made here, and not for holds."""

    def __init__(self, store: Store, told: Told | None = None) -> None:
        self._store = store
        self._told = told
        # What names a credential, as whose it was verified: a remembered token has the same each time.
        self._names: dict[bytes, tuple[dict[str, Any], tuple[bytes, ...]]] = {}

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
        self._join(kind, fields, Revocation(before, seconds, by, reason), until, seconds)

    def hold(self, kind: Kind, *fields: str, hold: Hold, by: str, reason: str, seconds: float) -> None:
        """Hold all that is of a name, or let go of it; raises `StoreError`. See `revoke`."""
        self._join(kind, fields, Revocation(_NEVER, seconds, by, reason, (hold,)), None, seconds)

    def _join(
        self, kind: Kind, fields: tuple[str, ...], made: Revocation, until: float | None, seconds: float
    ) -> None:
        """Add to what is known."""
        key, told = revoked_name(kind, *fields), None if made.holds else self._told
        for _ in range(_TURNS):
            asked = (key, GENERATION) if told is None else (key, GENERATION, *told.keys)
            snapshot = self._store.read(asked, seconds)
            earlier, joined, ends = snapshot.entries[key], made, until
            if earlier is not None:
                known = _decode(earlier)
                joined = replace(
                    max(known, made, key=lambda one: one.before), holds=_latest(known.holds, made.holds)
                )
                ends = None if until is None or earlier.expires is None else max(until, earlier.expires)
                if joined == known and ends == earlier.expires:
                    return
            changes: dict[bytes, Entry | None] = {
                key: Entry(_encode(joined), ends),
                GENERATION: Entry(token_bytes(8)),
            }
            if told is not None:
                changes |= told.changes(snapshot, kind, fields, made)
                snapshot = Snapshot({**dict.fromkeys(changes), **snapshot.entries})
            if self._store.commit(snapshot, changes, seconds):
                return
        raise StoreError("it is changed by too many at once")

    def names(self, evidence: Evidence) -> tuple[bytes, ...]:
        """What a revocation of a credential may be kept under."""
        known = self._names.get(evidence.identity)
        # What its issuer says of an opaque token may change, and of the same text another token is made.
        if known is None or known[0] is not evidence.caller:
            known = evidence.caller, credential_names(evidence)
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            self._names[evidence.identity] = known
        return known[1]


_REMEMBERED: Final = 16_384
# Before all that was ever issued.
_NEVER: Final = float("-inf")


def _latest(known: tuple[Hold, ...], made: tuple[Hold, ...]) -> tuple[Hold, ...]:
    """Of each that something is said of, the latest; what is said both ways at one time holds."""
    latest = {hold.of: hold for hold in sorted((*known, *made), key=lambda hold: (hold.at, hold.on))}
    return tuple(latest[of] for of in sorted(latest))


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
        for kind, alias in evidence.aliases:
            assert kind in _ALIASES
            names.append(revoked_name(kind, evidence.issuer, alias))
    if evidence.client is not None:
        names.append(revoked_name("client", evidence.client))
    if evidence.task is not None:
        names.append(revoked_name("task", evidence.task))
    return (*names, *evidence.lineage)


def check(entries: Mapping[bytes, Entry | None], names: tuple[bytes, ...], issued: float) -> None:
    """Refuses what was issued, or descends from what was issued, before a revocation of any of its names, and
    what is held by any of them."""
    for one in names:
        entry = entries[one]
        if entry is not None:
            known = _decode(entry)
            if issued < known.before or any(hold.on for hold in known.holds):
                raise EvidenceError(CREDENTIAL_REVOKED)


_encode = msgpack.Encoder().encode
_decoder = msgpack.Decoder(Revocation)


def _decode(entry: Entry) -> Revocation:
    try:
        return _decoder.decode(entry.value)
    except MsgspecError:
        raise StoreError("it holds a revocation that cannot be read") from None
