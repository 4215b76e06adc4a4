"""Signals that are fetched (RFC 8936): a few at a time, and acknowledged the next time, when they are kept.

Knows how a transmitter is asked, and not what becomes of what it has.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import jiter

from pdp.answer import encode_json
from pdp.evidence.fetch import Client, FetchError
from pdp.evidence.login import Bearer
from pdp.evidence.urls import shown
from pdp.signalled import PollFrom
from pdp.state.store import StoreError
from pdp.tasks.subjects import SignalError
from pdp.tasks.turns import Turn

log = logging.getLogger("pdp.signals")

# How many are taken at a time, and how many bytes they may have together.
_EVENTS: Final = 50
_LIMIT: Final = 4 * 1024 * 1024
# A transmitter that fails is asked less often, up to once in this time (seconds).
_PATIENCE: Final = 300.0
# Between two looks, while there is something, in seconds.
_MOMENT: Final = 0.05
# For how long (seconds) beyond that it is one process that asks: half is longer than it takes to ask once.
_TURN: Final = 15.0


class Poll:
    """Where signals are fetched, and who takes them. What changes is what is still to be acknowledged.

    `take` returns when a token is kept; it raises `SignalError` for one that is refused, which its
    transmitter is told, and `StoreError` for one that is to come again.
    """

    def __init__(self, table: PollFrom, take: Callable[[str], Awaitable[None]], turn: Turn) -> None:
        self._table, self._take, self._turn = table, take, turn
        self._client = Client(table.url, private=table.private, ca=table.ca)
        self._ack: list[str] = []
        self._errors: dict[str, dict[str, str]] = {}
        self._problem: str | None = None

    async def run(self) -> None:
        """Fetch until cancelled."""
        every = self._table.every.total_seconds()
        wait = _MOMENT
        try:
            while True:
                await asyncio.sleep(wait * random.uniform(0.9, 1.0))
                try:
                    if not await asyncio.to_thread(
                        self._turn.take, time.time(), min(2 * every, 60.0) + _TURN
                    ):
                        wait = every
                        continue
                    wait = _MOMENT if await self.once() else every
                    if self._problem is not None:
                        log.info("signals can be fetched again from %s", shown(self._table.url))
                    self._problem = None
                except (FetchError, StoreError) as error:
                    wait = min(_PATIENCE, max(every, 2 * wait))
                    if self._problem != str(error):
                        log.error("signals cannot be fetched: %s", error)
                    self._problem = str(error)
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._client.close()

    async def once(self) -> bool:
        """Acknowledge what is kept, and take what there is; whether there is more.

        Raises `FetchError`, and `StoreError` where something of it could not be kept; what could is
        acknowledged the next time.
        """
        asked = {"maxEvents": _EVENTS, "returnImmediately": True, "ack": self._ack, "setErrs": self._errors}
        headers = {"content-type": "application/json"}
        if self._table.token_file is not None:
            headers |= (await asyncio.to_thread(Bearer(self._table.token_file).present))[0]
        fetched = await self._client.post(encode_json(asked), headers, limit=_LIMIT)
        # They were told.
        self._ack, self._errors = [], {}
        sets = _answer(fetched.data, self._table.url)
        for jti, text in sets.items():
            try:
                await self._take(text)
                self._ack.append(jti)
            except SignalError as error:
                self._errors[jti] = {"err": error.err, "description": str(error)}
        # What is done is acknowledged soon; more that there may be comes then.
        return bool(sets)


def _answer(data: bytes, url: str) -> dict[str, str]:
    """The tokens by their ids (RFC 8936 section 2.3)."""
    problem = FetchError(f"`{shown(url)}` answered with what are no signals")
    try:
        answer: Any = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError:
        raise problem from None
    if type(answer) is not dict:
        raise problem
    sets = answer.get("sets")
    if type(sets) is not dict or any(type(one) is not str for one in sets.values()):
        raise problem
    return sets
