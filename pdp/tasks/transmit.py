"""What was revoked here, told to others: as CAEP session-revoked (1.0 section 3.1), by push (RFC 8935).

It waits in the state, from the same step on in which it was revoked, until its receiver takes it: a receiver
that is away for a while, or a process that ends, loses nothing, and what comes twice is the same token. Knows
how a revocation is told and not what it does here.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Final

from pdp.answer import encode_json
from pdp.evidence.fetch import Client, FetchError
from pdp.evidence.jws import encode
from pdp.evidence.login import Bearer
from pdp.signalled import ReceiverTable
from pdp.state.store import Store, StoreError
from pdp.tasks.outbox import Queue, Waiting, subject_of
from pdp.tasks.signals import CAEP
from pdp.tasks.signing import SigningKeys
from pdp.tasks.turns import Turn

log = logging.getLogger("pdp.signals")

# How often it is looked whether anything waits, and how seldom a receiver that fails is tried (seconds).
_LOOK: Final = 1.0
_PATIENCE: Final = 300.0
# An answer of a receiver is an error's code and a sentence.
_ANSWER_LIMIT: Final = 16 * 1024
# For how long (seconds) it is one process that tells: half of it is longer than it takes to tell once.
_TURN: Final = 15.0


class Sender:
    """Tells one receiver what waits for it, signed as `issuer`. `count` is told what came of each.

    Methods raise `StoreError`.
    """

    def __init__(
        self,
        store: Store,
        table: ReceiverTable,
        keys: SigningKeys,
        issuer: str,
        count: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self._table, self._keys, self._issuer = table, keys, issuer
        self._count = count
        self._client = Client(table.url, private=table.private, ca=table.ca)
        self._queue = Queue(store, table.name)
        self._turn = Turn(store, "send", table.name)
        self._problem: str | None = None

    async def run(self) -> None:
        """Tell until cancelled: what fails is tried again, twice as long after each time."""
        wait = 0.0
        try:
            while True:
                try:
                    if await self.once():
                        wait = 0.0
                        self._tell(None)
                    else:
                        wait = _LOOK
                except (FetchError, StoreError) as error:
                    self._count(self._table.name, "failed")
                    self._tell(str(error))
                    wait = min(_PATIENCE, max(_LOOK, 2 * wait))
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._client.close()

    async def once(self) -> bool:
        """Tell what waits first, if anything does and it is our turn; whether it was told. Raises
        `FetchError` where it is to be tried again."""
        seconds = time.time()
        waits = await asyncio.to_thread(self._queue.first, seconds)
        if waits is None or not await asyncio.to_thread(self._turn.take, seconds, _TURN):
            return False
        number, one = waits
        if one is not None:
            await self._push(one, seconds)
        await asyncio.to_thread(self._queue.done, number, seconds)
        return True

    async def _push(self, one: Waiting, seconds: float) -> None:
        token = await asyncio.to_thread(self._signed, one, seconds)
        headers = {"content-type": "application/secevent+jwt"}
        if self._table.token_file is not None:
            headers |= (await asyncio.to_thread(Bearer(self._table.token_file).present))[0]
        answer = await self._client.post(
            token.encode(), headers, limit=_ANSWER_LIMIT, statuses=(200, 202, 400)
        )
        if answer.status == 400:
            # It would be refused again (RFC 8935 section 2.3), and others wait behind it.
            told = answer.data.decode("utf-8", "replace")
            log.error("receiver %s refuses what it is told: %r", self._table.name, told[:500])
        self._count(self._table.name, "refused" if answer.status == 400 else "taken")

    def _signed(self, one: Waiting, seconds: float) -> str:
        """The token that tells of a revocation: the same each time, but for the key that signs it."""
        key = self._keys.current(seconds)
        at = min(one.before, one.at)
        claims = {
            "iss": self._issuer,
            "aud": self._table.audience,
            "iat": int(one.at),
            "jti": one.id,
            "txn": one.id,
            "sub_id": subject_of(one.kind, one.fields),
            "events": {
                f"{CAEP}session-revoked": {
                    "event_timestamp": int(at),
                    "initiating_entity": "admin",
                    "reason_admin": {"en": one.reason or "revoked"},
                }
            },
        }
        header = {"alg": key.algorithm, "kid": key.kid, "typ": "secevent+jwt"}
        signing_input = f"{encode(encode_json(header))}.{encode(encode_json(claims))}"
        return f"{signing_input}.{encode(key.sign(signing_input.encode()))}"

    def _tell(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            log.error("receiver %s cannot be told what was revoked: %s", self._table.name, problem)
        elif problem is None and self._problem is not None:
            log.info("receiver %s is told again what was revoked", self._table.name)
        self._problem = problem
