"""Transmitters asked to say something (SSF 1.0 section 8.1.4): one that has nothing to tell is silent, too.

Knows how a transmitter is asked; what it says comes the way of all signals.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Final

from pdp.answer import encode_json
from pdp.evidence.fetch import Client, FetchError
from pdp.evidence.login import Bearer
from pdp.signalled import VerifyFrom
from pdp.state.store import StoreError
from pdp.tasks.turns import Turn

log = logging.getLogger("pdp.signals")

_ANSWER_LIMIT: Final = 16 * 1024


class Verifying:
    """Asks one transmitter, again and again. `asks` keeps with which state, before that is sent; raises
    `StoreError`."""

    def __init__(self, table: VerifyFrom, asks: Callable[[str, float], None], turn: Turn) -> None:
        self._table, self._asks, self._turn = table, asks, turn
        self._client = Client(table.url, private=table.private, ca=table.ca)
        self._problem: str | None = None

    async def run(self) -> None:
        """Ask until cancelled."""
        every = self._table.every.total_seconds()
        try:
            while True:
                try:
                    # Of two that ask at a time, one would be answered with what the other did not ask.
                    if await asyncio.to_thread(self._turn.take, time.time(), 2 * every):
                        await self.once()
                        self._problem = None
                except (FetchError, StoreError) as error:
                    if self._problem != str(error):
                        log.error("a transmitter cannot be asked for a verification: %s", error)
                    self._problem = str(error)
                await asyncio.sleep(every)
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._client.close()

    async def once(self) -> None:
        """Ask; raises `FetchError` and `StoreError`."""
        state = secrets.token_urlsafe(16)
        headers = {"content-type": "application/json"}
        if self._table.token_file is not None:
            headers |= (await asyncio.to_thread(Bearer(self._table.token_file).present))[0]
        await asyncio.to_thread(self._asks, state, time.time())
        asked = encode_json({"stream_id": self._table.stream, "state": state})
        await self._client.post(asked, headers, limit=_ANSWER_LIMIT, statuses=(200, 202, 204))
