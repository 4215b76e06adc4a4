"""Keys that sign what is minted, and follow each other by themselves: next, signing, retired, gone.

All that is known of them is one entry of a store, so that each change is one step, and of several processes
that would make it one does. A key says from when it signs before it does, so that all begin together without
a word. Knows no tokens, and not how private keys are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from pdp.minted import KEYS_LIMIT, MintTable, Schedule
from pdp.state.store import Store, StoreError, name
from pdp.tasks.keyring import NEVER, Known, KnownKey, entry_of, key_set, known_of, signing
from pdp.tasks.wrap import Given, Signer, SigningError, Source, Wrapped, proved, read_private

_NAME: Final = name("signing keys")
_TURNS: Final = 64
# What was read is believed for so long (seconds): so late does a process learn what another has changed.
FRESH: Final = 1.0


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs now."""

    kid: str
    algorithm: str
    signer: Signer

    def sign(self, data: bytes) -> bytes:
        """A signature as tokens have it."""
        return self.signer.sign(data)


@dataclass(frozen=True, slots=True)
class _View:
    """What was read, and what follows from it from `begins` to before `ends`."""

    signing: KnownKey | None
    jwks: bytes
    begins: float
    ends: float


class SigningKeys:
    """The signing keys in a store, for one process and any thread of it.

    Methods raise `StoreError`, and `SigningError`, which is one, where there is no key that can sign.
    `seconds` is the time now (epoch).
    """

    def __init__(self, store: Store, schedule: Schedule, source: Source) -> None:
        self.schedule = schedule
        self._store = store
        self._source = source
        self._view: _View | None = None
        # Unwrapped and proved once; by their kid.
        self._open: dict[str, SigningKey] = {}

    def current(self, seconds: float) -> SigningKey:
        """The key to sign with now. The first time of all, one is made."""
        key = self._usable(self._seen(seconds).signing)
        if key is None:
            self.tend(seconds)
            key = self._usable(self._seen(seconds).signing)
        if key is None:
            raise SigningError("there is no key to sign with: those that were given are retired")
        return key

    def jwks(self, seconds: float) -> bytes:
        """The public keys of what was signed and soon will be, as a JWK set (RFC 7517 section 5)."""
        view = self._seen(seconds)
        if view.signing is None:
            self.tend(seconds)
            view = self._seen(seconds)
        return view.jwks

    @property
    def max_age(self) -> int:
        """For how many seconds a consumer may go on with a set that it has."""
        return self.schedule.cache

    def known(self, seconds: float) -> Known:
        """All that is known of keys, the oldest first. Reads the store."""
        return known_of(self._store.read((_NAME,), seconds).entries[_NAME])

    def tend(self, seconds: float) -> None:
        """Do what is due: make keys, publish, activate, retire and delete them. To be called now and then.

        When it is late, keys sign and are published for longer, and nothing is lost.
        """
        self._change(lambda keys: self._tended(keys, seconds), seconds)

    def rotate(self, seconds: float) -> KnownKey:
        """Have the next key sign from now on, which it tells; one is made where none was published.

        Those who fetched the keys before it was `published` know it when they fetch them again, which is
        after `max_age` at the latest.
        """

        def change(keys: Known) -> Known:
            keys = self._tended(keys, seconds)
            now = signing(keys, seconds)
            # One that begins just now is new already.
            if now is not None and now.begins != seconds:
                if _are_many(keys, seconds):
                    raise SigningError("too many keys are published: wait until the first are gone")
                keys = self._tended(_retired(keys, now.kid, seconds + self.schedule.keep), seconds)
            if signing(keys, seconds) is None:
                raise SigningError("there is no other key to sign with")
            return keys

        made = signing(self._change(change, seconds), seconds)
        assert made is not None
        return made

    def retire(self, kid: str, seconds: float, *, compromised: bool = False) -> bool:
        """Sign with a key no more, from now on; False where there is none of this kid.

        It is published for as long as tokens may live that it signed; one that is `compromised` no more, and
        what it signed is then worth nothing. Where it was signing the next key does, or a new one.
        """
        found = False

        def change(keys: Known) -> Known:
            nonlocal found
            one = next((key for key in keys if key.kid == kid), None)
            found = one is not None
            if one is None or (one.until is not None and not compromised):
                return keys
            return _retired(keys, kid, seconds if compromised else seconds + self.schedule.keep)

        # A step of its own: it takes no private key, and so retires also one that cannot be unwrapped.
        self._change(change, seconds)
        self.tend(seconds)
        return found

    def _change(self, change: Callable[[Known], Known], seconds: float) -> Known:
        """Change what is known in one step; what came of it."""
        for _ in range(_TURNS):
            snapshot = self._store.read((_NAME,), seconds)
            before = known_of(snapshot.entries[_NAME])
            after = change(before)
            if after == before or self._store.commit(snapshot, {_NAME: entry_of(after)}, seconds):
                self._view = None
                return after
        raise StoreError("its signing keys are changed by too many at once")

    def _tended(self, keys: Known, seconds: float) -> Known:
        """Keys after what is due now.

        1. One signs: the latest that has begun; else the next begins, or a new one. 2. Those before it
        retire. 3. Those that are published no more are gone. 4. One is published to sign next, when it is
        time.
        """
        schedule, rotates = self.schedule, self._source.rotates
        usable = tuple(key for key in keys if key.until is None and self._usable(key) is not None)
        # 1.
        now = signing(usable, seconds)
        if now is None:
            following = min(usable, key=lambda key: key.begins, default=None)
            now = self._made(keys, seconds, seconds) if following is None else self._begun(following, seconds)
            if now is None:
                return _without_gone(keys, seconds)
            kid = now.kid
            keys = (*(key for key in keys if key.kid != kid), now)
        # 2.
        for key in keys:
            stays = key.kid == now.kid or key.until is not None
            if not stays and (key.begins <= seconds or self._usable(key) is None):
                keys = _retired(keys, key.kid, seconds + schedule.keep)
        # 3.
        keys = _without_gone(keys, seconds)
        # 4.
        due = now.begins + schedule.active - schedule.publish if rotates else seconds
        is_last = all(key.until is not None or key.kid == now.kid for key in keys)
        if is_last and seconds >= due and not _are_many(keys, seconds):
            begins = max(now.begins + schedule.active, seconds + schedule.publish) if rotates else NEVER
            following = self._made(keys, seconds, begins)
            keys = keys if following is None else (*keys, following)
        return keys

    def _made(self, keys: Known, seconds: float, begins: float) -> KnownKey | None:
        """A key that is published now; None where there is none to be had."""
        signer = self._source.fresh({key.kid for key in keys})
        if signer is None:
            return None
        public = proved(signer)
        jwk = {member: signer.jwk[member] for member in _MEMBERS if member in signer.jwk}
        made = KnownKey(public.kid, public.algorithm, jwk, seconds, begins, None, None)
        return replace(made, kept=self._source.keep(signer, made.about))

    def _begun(self, key: KnownKey, seconds: float) -> KnownKey:
        """The same key, signing from now on."""
        opened = self._usable(key)
        assert opened is not None
        begun = replace(key, begins=seconds)
        return replace(begun, kept=self._source.keep(opened.signer, begun.about))

    def _usable(self, key: KnownKey | None) -> SigningKey | None:
        """A key that can sign; None where its private part is none of our source's."""
        if key is None:
            return None
        opened = self._open.get(key.kid)
        if opened is None:
            signer = self._source.signer(key.kid, key.kept, key.about)
            if signer is not None:
                opened = self._open[key.kid] = SigningKey(key.kid, key.algorithm, signer)
        return opened

    def _seen(self, seconds: float) -> _View:
        view = self._view
        if view is None or not view.begins <= seconds < view.ends:
            keys = self.known(seconds)
            changes = [key.begins for key in keys] + [key.until for key in keys if key.until is not None]
            ends = min([seconds + FRESH, *(change for change in changes if change > seconds)])
            # A private key that signs no more is not held any longer.
            signers = {key.kid for key in keys if key.until is None}
            self._open = {kid: key for kid, key in self._open.items() if kid in signers}
            view = self._view = _View(signing(keys, seconds), key_set(keys, seconds), seconds, ends)
        return view


def signing_keys(table: MintTable, state: Path, store: Store) -> SigningKeys:
    """The keys that the settings ask for, in the store that is at `state`; raises `SigningError`."""
    if table.signing_key is None:
        file = table.key_file or state.with_name(f"{state.name}.key")
        return SigningKeys(store, table.schedule, Wrapped(file, table.algorithm))
    files = (table.signing_key, *(() if table.next_key is None else (table.next_key,)))
    return SigningKeys(store, table.schedule, Given(*map(read_private, files)))


# What a public key is, of either kind.
_MEMBERS: Final = ("crv", "kty", "x", "y")


def _retired(keys: Known, kid: str, until: float) -> Known:
    """Keys of which one signs no more, and is published until then. What signs no more cannot."""
    return tuple(
        replace(key, until=until, kept=None if key.kept is None else b"") if key.kid == kid else key
        for key in keys
    )


def _without_gone(keys: Known, seconds: float) -> Known:
    """Keys without those that are published no more. One that is held elsewhere stays known, or it would be
    taken for new."""
    return tuple(key for key in keys if key.is_published(seconds) or key.kept is None)


def _are_many(keys: Known, seconds: float) -> bool:
    return sum(key.is_published(seconds) for key in keys) >= KEYS_LIMIT
