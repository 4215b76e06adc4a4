"""Where keys come from, and how they are kept fresh: beside the request line, never within a decision.

Each source has a task of its own, so one that hangs keeps no other waiting, and is asked by one at a time.
When a source fails, its last keys are believed for a while longer (`stale`), and then nobody who needs them
is. Knows schedules and places; what the bytes mean is the business of `keys` and `spiffe`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import jiter

from pdp.evidence.fetch import FetchError, fetch
from pdp.evidence.keys import SET_LIMIT, KeysError

log = logging.getLogger("pdp.keys")

# A token that names an unknown key may be the first of a new one; and may be a flood. One look in this time.
COOLDOWN: Final = 10.0
_FIRST_RETRY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where one document is: in a `file`, at a `url`, or at the URL that the issuer's metadata names.

    `refresh` and `stale` are seconds: how often it is fetched, and how long it is believed without that.
    """

    file: Path | None = None
    url: str | None = None
    issuer: str | None = None
    refresh: float = 300.0
    stale: float = 3_600.0
    private: bool = False

    async def read(self) -> bytes:
        """The document; raises `FetchError`."""
        if self.file is not None:
            try:
                data = await asyncio.to_thread(self.file.read_bytes)
            except OSError as error:
                raise FetchError(f"`{self.file}` cannot be read: {error.strerror}") from None
            return data
        url = self.url
        if url is None:
            url = await self._discovered(self.issuer or "")
        return await fetch(url, limit=SET_LIMIT, private=self.private)

    async def _discovered(self, issuer: str) -> str:
        """The `jwks_uri` of an issuer's metadata (RFC 8414 section 3, else OpenID Connect Discovery 1.0).

        The metadata must be of exactly this issuer (RFC 8414 section 3.3).
        """
        problem = FetchError(f"`{issuer}` has no metadata")
        for url in metadata_urls(issuer):
            try:
                data = await fetch(url, limit=SET_LIMIT, private=self.private)
                document = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
            except FetchError as error:
                problem = error
                continue
            except ValueError:
                raise FetchError(f"`{url}` is not JSON") from None
            if type(document) is not dict or document.get("issuer") != issuer:
                raise FetchError(f"`{url}` is not the metadata of `{issuer}`")
            place = document.get("jwks_uri")
            if type(place) is not str:
                raise FetchError(f"`{url}` names no `jwks_uri`")
            return place
        raise problem


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Where an issuer's metadata may be: its path comes after the well-known one (RFC 8414 section 3.1), or
    before it (OpenID Connect Discovery 1.0 section 4)."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


@dataclass(slots=True)
class Source:
    """One place and what is done with what is there. `publish(data, until)` raises `KeysError` for what
    cannot be used. What changes is when it was last read, and what was wrong then."""

    name: str
    place: Place
    publish: Callable[[bytes, float], None]
    read: float | None = None
    problem: str | None = None
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> None:
        """Have it read again before its time, soon. From the event loop only."""
        self._asked.set()

    async def refresh(self) -> bool:
        """Read it once; whether that could be used."""
        try:
            data = await self.place.read()
            now = time.time()
            self.publish(data, now + self.place.refresh + self.place.stale)
        except (FetchError, KeysError) as error:
            if self.problem != str(error):
                log.error("the keys of %s cannot be refreshed: %s", self.name, error)
            self.problem = str(error)
            return False
        if self.problem is not None:
            log.info("the keys of %s are fresh again", self.name)
        self.read, self.problem = now, None
        return True

    async def keep(self) -> None:
        """Until cancelled: read it on schedule, and when asked."""
        wait = self.place.refresh if self.problem is None else _FIRST_RETRY
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(wait):
                    await self._asked.wait()
                # Asked, and so earlier than planned; but not more often than this.
                await asyncio.sleep(max(0.0, COOLDOWN - (time.monotonic() - began)))
            except TimeoutError:
                pass
            self._asked.clear()
            good = await self.refresh()
            wait = self.place.refresh if good else min(self.place.refresh, max(_FIRST_RETRY, wait * 2))


class Sources:
    """All sources. `first` reads each once, `run` keeps them fresh until cancelled."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.all = tuple(sources)
        self._by_name = {source.name: source for source in sources}

    async def first(self) -> None:
        """Read every source once, all at a time. One that fails is told, and tried again by `run`."""
        await asyncio.gather(*(source.refresh() for source in self.all))

    async def run(self) -> None:
        """Keep every source fresh until cancelled."""
        await asyncio.gather(*(source.keep() for source in self.all))

    def ask(self, name: str) -> None:
        """A key of `name` was asked for that is not there: perhaps it is new. From the event loop only."""
        source = self._by_name.get(name)
        if source is not None:
            source.ask()
