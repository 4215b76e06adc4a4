"""Where keys come from, and how they are kept fresh: beside the request line, never within a decision.

Each source has a task of its own, so one that hangs keeps no other waiting, and is asked by one at a time.
When a source fails, its last keys are believed for a while longer (`stale`), and then nobody who needs them
is. Knows schedules and places; what the bytes mean is the business of `keys` and `spiffe`.
"""

from __future__ import annotations

import asyncio
import os
import random
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import jiter

from pdp.evidence.fetch import Fetched, FetchError, check_url, fetch
from pdp.evidence.kept import Kept, Publish, Status
from pdp.evidence.keys import SET_LIMIT
from pdp.evidence.urls import check_issuer, is_here, shown

# A token that names an unknown key may be the first of a new one; and may be a flood. One look in this time.
COOLDOWN: Final = 10.0
# Servers say for how long their keys are fresh. Who says less than this is asked more often than helps.
FLOOR: Final = 30.0
# How often to look whether a file has changed.
_LOOK: Final = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where one document is: in a `file`, at a `url`, or at the URL that the issuer's metadata names.

    `refresh` and `stale` are seconds: how often it is fetched, and how long it is believed without that.
    `private` allows addresses that are not public; `ca` is a PEM file of the authorities that the server's
    certificate may come from, instead of the public ones.
    """

    file: Path | None = None
    url: str | None = None
    issuer: str | None = None
    refresh: float = 300.0
    stale: float = 3_600.0
    private: bool = False
    ca: Path | None = None

    def __str__(self) -> str:
        if self.file is not None:
            return str(self.file)
        return shown(self.url) if self.url is not None else f"the metadata of {shown(self.issuer or '')}"

    async def read(self) -> Fetched:
        """The document; raises `FetchError`."""
        if self.file is not None:
            return Fetched(await asyncio.to_thread(_contents, self.file))
        url = self.url
        if url is None:
            url = await self._discovered(self.issuer or "")
        return await self._fetch(url)

    async def marks(self) -> tuple[int, ...]:
        """What tells a file from what it was before; nothing for other places."""
        return () if self.file is None else await asyncio.to_thread(_marks, self.file)

    async def _fetch(self, url: str) -> Fetched:
        return await fetch(url, limit=SET_LIMIT, private=self.private, ca=self.ca)

    async def _discovered(self, issuer: str) -> str:
        """The `jwks_uri` of an issuer's metadata (RFC 8414 section 3, else OpenID Connect Discovery 1.0)."""
        problems = []
        for url in metadata_urls(issuer):
            try:
                return _jwks_uri(url, (await self._fetch(url)).data, issuer)
            except FetchError as error:
                problems.append(str(error))
        raise FetchError("; ".join(problems))


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Where an issuer's metadata may be: its path comes after the well-known one (RFC 8414 section 3.1), or
    before it (OpenID Connect Discovery 1.0 section 4). Raises `FetchError` for what is no issuer's URL."""
    try:
        check_issuer(issuer)
    except ValueError as error:
        raise FetchError(str(error)) from None
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


def _jwks_uri(url: str, metadata: bytes, issuer: str) -> str:
    """Where an issuer's keys are, by its metadata, which must be its own exactly (RFC 8414 section 3.3)."""
    try:
        document = jiter.from_json(metadata, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError:
        raise FetchError(f"`{shown(url)}` is not JSON") from None
    if type(document) is not dict or document.get("issuer") != issuer:
        raise FetchError(f"`{shown(url)}` is not the metadata of `{issuer}`")
    place = document.get("jwks_uri")
    if type(place) is not str:
        raise FetchError(f"`{shown(url)}` names no `jwks_uri`")
    check_url(place)
    # Who may have us ask on this machine is who configures it, and nobody elsewhere.
    if is_here(place) and not is_here(issuer):
        raise FetchError(f"`{shown(url)}` names a `jwks_uri` on this machine, `{shown(place)}`")
    return place


class Source(Kept):
    """One place and what is done with what is there. `cooldown`: seconds between two looks for who asks."""

    def __init__(self, name: str, place: Place, publish: Publish, *, cooldown: float = COOLDOWN) -> None:
        super().__init__(name, publish, place.refresh, place.stale)
        self.place, self.cooldown = place, cooldown
        self._asked = asyncio.Event()
        self._turn, self._one = 0, asyncio.Lock()
        self._wait = 0.0
        self._marks: tuple[int, ...] = ()

    def where(self) -> str:
        """The place."""
        return str(self.place)

    def ask(self) -> None:
        """Have it read again before its time, soon. From the event loop only."""
        self._asked.set()

    async def refresh(self) -> bool:
        """Read it once; whether that could be used. Who comes while it is being read shares in that."""
        turn = self._turn
        async with self._one:
            await self._read(turn)
        return self.problem is None

    async def keep(self) -> None:
        """Until cancelled: read it on schedule, when asked, and when its file changes."""
        while True:
            await self._due()
            self._asked.clear()
            await self.refresh()

    async def _read(self, turn: int) -> None:
        if turn != self._turn:
            return
        self._marks = await self.place.marks()
        began = time.time()
        try:
            fetched = await self.place.read()
            good = self.took(fetched.data, began)
        except FetchError as error:
            good = self.failed(str(error))
        if good:
            fresh = self.every if fetched.max_age is None else max(FLOOR, fetched.max_age)
            self._wait = min(self.every, fresh) * random.uniform(0.9, 1.0)
        else:
            self._wait = self.patience()
        self.next = time.time() + self._wait
        self._turn += 1

    async def _due(self) -> None:
        """Wait until it is time to read."""
        began = time.monotonic()
        while (left := began + self._wait - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left if self.place.file is None else min(left, _LOOK)):
                    await self._asked.wait()
            except TimeoutError:
                if self._marks != await self.place.marks():
                    return
                continue
            # Asked, and so earlier than planned; but not more often than this.
            await asyncio.sleep(began + min(self.cooldown, self._wait) - time.monotonic())
            return


class Sources:
    """All sources. `first` reads each once, `run` keeps them fresh until cancelled."""

    def __init__(self, sources: Sequence[Kept]) -> None:
        self.all = tuple(sources)
        self._by_name: dict[str, list[Kept]] = {}
        for source in sources:
            self._by_name.setdefault(source.name, []).append(source)

    @property
    def status(self) -> tuple[Status, ...]:
        """How each source is doing."""
        return tuple(source.status for source in self.all)

    async def first(self) -> None:
        """Read every source once, all at a time. One that fails is told, and tried again by `run`."""
        await asyncio.gather(*(source.refresh() for source in self.all))

    async def run(self) -> None:
        """Keep every source fresh until cancelled."""
        await asyncio.gather(*(source.keep() for source in self.all))

    def ask(self, name: str) -> None:
        """A key of `name` was asked for that is not there: perhaps it is new. From the event loop only."""
        for source in self._by_name.get(name, ()):
            source.ask()


def _contents(file: Path) -> bytes:
    try:
        # A pipe would never end, and a device may have no end.
        if not stat.S_ISREG(file.stat().st_mode):
            raise FetchError(f"`{file}` is no file")
        with file.open("rb") as opened:
            data = opened.read(SET_LIMIT + 1)
    # Besides `OSError`: a path that holds a NUL.
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "there can be no such file"
        raise FetchError(f"`{file}` cannot be read: {why}") from None
    if len(data) > SET_LIMIT:
        raise FetchError(f"`{file}` has more than {SET_LIMIT} bytes")
    return data


def _marks(file: Path) -> tuple[int, ...]:
    try:
        there = os.stat(file)
    except (OSError, ValueError):
        return ()
    return (there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns)
