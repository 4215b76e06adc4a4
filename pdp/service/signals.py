"""Signals from outside: taken at `POST /signals/{name}` (RFC 8935) or fetched (RFC 8936), and missed when
they do not come.

Knows HTTP and the settings' transmitters; what a signal says and does is for `pdp.tasks`. Nothing is
acknowledged before it is where it outlives this process.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from pdp.answer import encode_json
from pdp.evidence.fetch import FetchError
from pdp.evidence.keys import parse_jwks
from pdp.evidence.login import Bearer
from pdp.evidence.sources import COOLDOWN, Source, Sources
from pdp.evidence.trust import Issuer, Keys
from pdp.service.metrics import Metrics
from pdp.service.own import Problem
from pdp.settings import Settings
from pdp.signalled import TransmitterTable
from pdp.state.store import Store, StoreError
from pdp.tasks.heard import Heard, Hearing
from pdp.tasks.known import Knowledge
from pdp.tasks.polling import Poll
from pdp.tasks.revocation import revoked_name
from pdp.tasks.signals import SET_LIMIT, Signal, read
from pdp.tasks.subjects import SignalError, Transmitter
from pdp.tasks.turns import Turn
from pdp.trusted import place_of

log = logging.getLogger("pdp.signals")

# How long a body may take to come, in seconds.
_PATIENCE: Final = 30.0
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
        self._looked = float("-inf")

    def read(self, text: str) -> Signal:
        """What a token says; raises `SignalError`."""
        return read(text, self.transmitter, self.keys, time.time())

    async def look(self) -> bool:
        """Read the keys again, for one that is not there, but not for everybody who asks; whether that was
        done."""
        now = time.monotonic()
        if now < self._looked + COOLDOWN:
            return False
        self._looked = now
        return await self.source.refresh()

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
        metrics: Metrics,
    ) -> None:
        """`store` is None where nothing outlives the process, and then nothing is taken."""
        self.streams = {table.name: Stream(table, issuers) for table in settings.transmitter}
        self._knowledge, self._store, self._metrics = knowledge, store, metrics
        self._hearing = None if store is None else Hearing(store)
        self._sources = Sources([stream.source for stream in self.streams.values()])
        if self.streams and store is None:
            log.error("signals are not taken: set `path` of `[state]`, where they outlive the process")

    async def run(self) -> None:
        """Read keys, fetch signals, and look who is silent."""
        if not self.streams or self._store is None:
            return
        await self._sources.first()
        polls = [
            Poll(stream.table.poll, partial(self.take, stream), Turn(self._store, "poll", name))
            for name, stream in self.streams.items()
            if stream.table.poll is not None
        ]
        await asyncio.gather(
            self._sources.run(), self._listening(Hearing(self._store)), *(poll.run() for poll in polls)
        )

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
        try:
            try:
                signal = stream.read(text)
            except SignalError as error:
                # It may be the first that is signed with a new key.
                if error.err != "invalid_key" or not await stream.look():
                    raise
                signal = stream.read(text)
        except SignalError as error:
            self._metrics.signal(name, error.err)
            log.warning("a signal of %s is refused: %s: %s", name, error.err, error)
            raise
        await asyncio.to_thread(hearing.apply, signal, stream.transmitter, time.time())
        applies = signal.effect in ("revoke", "hold", "release")
        self._metrics.signal(name, signal.effect if signal.about or not applies else "unmapped")
        if applies and not signal.about:
            log.warning("a signal of %s has no effect: nobody is known by what it is about", name)
        else:
            log.info("%s signals %s", name, signal.event)

    async def _listening(self, hearing: Hearing) -> None:
        """Tell who is silent, and have that count."""
        watched = [stream for stream in self.streams.values() if stream.table.silence is not None]
        while watched:
            try:
                names = [stream.table.name for stream in watched]
                heard = await asyncio.to_thread(hearing.heard, names, time.time())
                self._listen(watched, heard, time.time())
            except StoreError:
                log.exception("it cannot be read when transmitters were heard")
            await asyncio.sleep(_LOOK)

    def _listen(self, watched: Sequence[Stream], heard: Mapping[str, Heard], seconds: float) -> None:
        silent: dict[bytes, float] = {}
        for stream in watched:
            name, silence = stream.table.name, stream.table.silence
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


def router(signals: Signals) -> APIRouter:
    """Where transmitters push."""
    made = APIRouter()

    @made.post(
        "/signals/{name}",
        status_code=202,
        summary="A security event token of a transmitter (RFC 8935)",
        response_class=Response,
        responses={400: {"description": "It is refused, and has no effect: `err` and `description`"}},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/secevent+jwt": {"schema": {"type": "string"}}},
            }
        },
    )
    async def push(name: str, request: Request) -> Response:
        stream = signals.streams.get(name)
        if stream is None:
            raise Problem(404, "http", "Not Found", "no transmitter of this name is configured")
        try:
            await _authenticate(request, stream.table.token_file)
            await signals.take(stream, await _text(request))
        except SignalError as error:
            document = encode_json({"err": error.err, "description": str(error)})
            headers = {"Cache-Control": "no-store", "Content-Language": "en"}
            return Response(document, 400, headers, media_type="application/json")
        except StoreError as error:
            log.error("a signal of %s cannot be kept: %s", name, error)
            detail = "it cannot be kept: `path` of `[state]` says where"
            raise Problem(503, "unavailable", "Not available", detail, headers={"Retry-After": "5"}) from None
        return Response(status_code=202, headers={"Cache-Control": "no-store"})

    return made


async def _authenticate(request: Request, token_file: Path | None) -> None:
    """Refuses who does not say the token that the transmitter was given."""
    if token_file is None:
        return
    try:
        expected, _ = await asyncio.to_thread(Bearer(token_file).present)
    except FetchError as error:
        raise StoreError(str(error)) from None
    said = request.headers.get("authorization", "")
    if not hmac.compare_digest(said.encode(), expected["authorization"].encode()):
        raise SignalError("authentication_failed", "it does not come with the token of its transmitter")


async def _text(request: Request) -> str:
    """The body, which is a token."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/secevent+jwt":
        raise SignalError("invalid_request", "its `Content-Type` is not `application/secevent+jwt`")
    body = b""
    try:
        async with asyncio.timeout(_PATIENCE):
            async for part in request.stream():
                body += part
                if len(body) > SET_LIMIT:
                    raise SignalError("invalid_request", f"it has more than {SET_LIMIT} characters")
    except (TimeoutError, ClientDisconnect):
        raise SignalError("invalid_request", "it did not come whole") from None
    return body.decode("latin-1")
