"""The streams of signals that one process keeps going: taken or fetched, missed when they do not come, and
sent to others.

Knows the settings' transmitters and receivers; what a signal says and does is for `pdp.tasks`, and how it is
pushed for `pdp.service.signals`. What was taken is where it outlives this process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from pdp.evidence.keys import parse_jwks
from pdp.evidence.sources import COOLDOWN, Source, Sources
from pdp.evidence.trust import Issuer, Keys
from pdp.service.metrics import Metrics
from pdp.settings import Settings
from pdp.signalled import TransmitterTable
from pdp.state.store import Store, StoreError
from pdp.tasks.heard import Heard, Hearing
from pdp.tasks.known import Knowledge
from pdp.tasks.polling import Poll
from pdp.tasks.revocation import revoked_name
from pdp.tasks.signals import Signal, read
from pdp.tasks.signing import SigningKeys
from pdp.tasks.subjects import SignalError, Transmitter
from pdp.tasks.transmit import Sender
from pdp.tasks.turns import Turn
from pdp.tasks.verifying import Verifying
from pdp.trusted import place_of

log = logging.getLogger("pdp.signals")

# How often it is looked who is silent, in seconds.
_LOOK: Final = 1.0


class Stream:
    """One transmitter: what is believed of it, and the keys that it signs with, which come in by `source`."""

    def __init__(self, table: TransmitterTable, issuers: Mapping[str, Issuer]) -> None:
        self.table = table
        self.transmitter = Transmitter(
            table.name,
            table.issuer,
            frozenset(table.audience),
            frozenset(table.algorithms),
            {one: frozenset(kind for kind, _ in issuers[one].aliases) for one in table.issuers},
            frozenset(table.trust_domains),
        )
        self.source = Source(f"transmitter {table.name}", place_of(table.keys), self._publish)
        self.keys: Keys | None = None
        self.silent = False
        # Why the last one was not taken: anybody may push, and must not fill the log.
        self.problem: str | None = None
        self._looked = float("-inf")

    def read(self, text: str, state: str | None) -> Signal:
        """What a token says; raises `SignalError`."""
        return read(text, self.transmitter, self.keys, time.time(), state)

    async def look(self) -> None:
        """Read the keys again, for one that is not there. Not for everybody who asks, for anybody may: then
        it raises `StoreError`, since nobody knows."""
        now = time.monotonic()
        if now >= self._looked + COOLDOWN:
            self._looked = now
            await self.source.refresh()
        elif self.source.problem is None:
            raise StoreError("its key is not known, and keys were read just now")

    def _publish(self, data: bytes, until: float) -> None:
        self.keys = Keys(parse_jwks(data, use="sig", algorithms=self.transmitter.algorithms), until)


class Signals:
    """The streams of one process. `run` keeps them going until cancelled; the rest is for routes."""

    def __init__(
        self,
        settings: Settings,
        issuers: Mapping[str, Issuer],
        knowledge: Knowledge,
        store: Store | None,
        keys: SigningKeys | None,
        metrics: Metrics,
    ) -> None:
        """`store` is None where nothing outlives the process, and then nothing is taken and nothing sent;
        `keys` sign what is sent."""
        self.streams = {table.name: Stream(table, issuers) for table in settings.transmitter}
        self._knowledge, self._store, self._metrics = knowledge, store, metrics
        self._hearing = None if store is None else Hearing(store)
        self._watched = [table.name for table in settings.transmitter if table.silence is not None]
        self._sources = Sources([stream.source for stream in self.streams.values()])
        self._senders: list[Sender] = []
        if store is not None and keys is not None and settings.mint.issuer is not None:
            self._senders = [
                Sender(store, table, keys, settings.mint.issuer, metrics.sent) for table in settings.receiver
            ]
        if (self.streams or settings.receiver) and store is None:
            log.error("signals are neither taken nor sent: `path` of `[state]` says where they are kept")

    async def first(self) -> None:
        """Look who is silent, before anything is decided."""
        if self._hearing is not None:
            await self._look(self._hearing)
        else:
            # Who is not listened to is not heard.
            self._listen(dict.fromkeys(self._watched, Heard(0.0, paused=True)), time.time())

    async def run(self) -> None:
        """Read keys, fetch signals, look who is silent, and send what is to be sent."""
        if self._store is None or self._hearing is None:
            return
        polls = [
            Poll(stream.table.poll, partial(self._fetched, stream), Turn(self._store, "poll", name))
            for name, stream in self.streams.items()
            if stream.table.poll is not None
        ]
        asking = [
            Verifying(
                stream.table.verify, partial(self._hearing.ask, name), Turn(self._store, "verify", name)
            )
            for name, stream in self.streams.items()
            if stream.table.verify is not None
        ]
        await asyncio.gather(
            self._sources.run(),
            _going(partial(self._listening, self._hearing)),
            *(_going(poll.run) for poll in polls),
            *(_going(one.run) for one in asking),
            *(_going(sender.run) for sender in self._senders),
        )

    @property
    def keeps(self) -> bool:
        """Whether what is taken outlives the process."""
        return self._store is not None

    @property
    def status(self) -> list[dict[str, Any]]:
        """How each transmitter is doing, to be told."""
        return [
            {"transmitter": name, "silent": stream.silent, "keys": stream.source.problem is None}
            for name, stream in self.streams.items()
        ]

    async def take(self, stream: Stream, text: str) -> None:
        """Do what a token says. When this returns, it is done for good; raises `SignalError` for one that has
        no effect, and `StoreError` for one that must come again."""
        hearing, name = self._hearing, stream.table.name
        if hearing is None:
            raise StoreError("there is nothing that outlives the process")
        state = None
        if stream.table.verify is not None:
            state = await asyncio.to_thread(hearing.asked, name, time.time())
        try:
            try:
                signal = stream.read(text, state)
            except SignalError as error:
                if not error.newer:
                    raise
                # It may be the first that is signed with a new key.
                await stream.look()
                signal = stream.read(text, state)
        except SignalError as error:
            self._metrics.signal(name, error.err)
            if stream.problem != str(error):
                log.warning("a signal of %s is refused: %s: %s", name, error.err, error)
            stream.problem = str(error)
            raise
        await asyncio.to_thread(hearing.apply, signal, stream.transmitter, time.time())
        stream.problem = None
        applies = signal.effect in ("revoke", "hold", "release")
        self._metrics.signal(name, signal.effect if signal.about or not applies else "unmapped")
        if applies and not signal.about:
            log.warning("a signal of %s has no effect: nobody is known by what it is about", name)
        else:
            log.info("%s signals %r", name, signal.event)

    async def _fetched(self, stream: Stream, text: str) -> None:
        """As `take`; what cannot be read for want of keys is left to come again."""
        try:
            await self.take(stream, text)
        except SignalError as error:
            if error.err == "invalid_key" and stream.source.problem is not None:
                raise StoreError(f"the keys of {stream.source.name} cannot be read") from None
            raise

    async def _listening(self, hearing: Hearing) -> None:
        """Tell who is silent, and have that count."""
        while True:
            await asyncio.sleep(_LOOK)
            await self._look(hearing)

    async def _look(self, hearing: Hearing) -> None:
        if self._watched:
            seconds = time.time()
            try:
                self._listen(await asyncio.to_thread(hearing.heard, self._watched, seconds), seconds)
            except StoreError:
                log.exception("it cannot be read when transmitters were heard")

    def _listen(self, heard: Mapping[str, Heard], seconds: float) -> None:
        silent: dict[bytes, float] = {}
        for name in heard:
            stream = self.streams[name]
            silence = stream.table.silence
            assert silence is not None
            is_silent = heard[name].is_silent(silence.after.total_seconds(), seconds)
            if is_silent and not stream.silent:
                log.error("transmitter %s is silent: what it would tell of is not known", name)
            elif stream.silent and not is_silent:
                log.info("transmitter %s is heard again", name)
            stream.silent = is_silent
            self._metrics.silent(name, is_silent)
            if is_silent and silence.max_age is not None:
                for issuer in stream.table.issuers:
                    key, limit = revoked_name("issuer", issuer), silence.max_age.total_seconds()
                    silent[key] = min(limit, silent.get(key, limit))
        self._knowledge.silent = silent


async def _going(run: Callable[[], Awaitable[None]]) -> None:
    """Run something without an end, again where a defect ends it: nobody would miss it soon."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("signals are interrupted")
            await asyncio.sleep(_LOOK)
