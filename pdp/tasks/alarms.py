"""Credentials used as nobody should use them: seen from answers, told to whoever watches.

Four things ring: one token from a second source, what may be used once presented again, a proof or
certificate of another key than the token's, and what was revoked still presented. Each is counted; the first
of a kind with a credential is logged, and told to a webhook and ends its task where the settings say so.
Knows answers and tasks, and no requests on their way: nothing waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, Literal

from pdp.answer import Answer, encode_json, timestamp_text
from pdp.evidence import refusals
from pdp.evidence.fetch import Client, FetchError
from pdp.evidence.login import Bearer
from pdp.signalled import AlarmsTable
from pdp.state.store import StoreError
from pdp.tasks.tasks import TaskError, Tasks

log = logging.getLogger("pdp.alarms")

Kind = Literal["second_source", "used_again", "other_key", "revoked"]

_BY_CODE: Final[dict[str | None, Kind]] = {
    refusals.TOKEN_REPLAYED: "used_again",
    refusals.PROOF_REPLAYED: "used_again",
    refusals.BINDING_MISMATCH: "other_key",
    refusals.CREDENTIAL_REVOKED: "revoked",
}
# How many alarms wait to be told, and how many credentials are known to have rung.
_WAITING: Final = 1_000
_REMEMBERED: Final = 16_384
# How often it is looked whether any wait, and how often a webhook is tried (seconds).
_LOOK: Final = 0.2
_TRIES: Final = (0.0, 1.0, 5.0, 25.0)
_ANSWER_LIMIT: Final = 64 * 1024


class Alarms:
    """The alarms of one process. `count` is told of each; `saw` is on the request's way, and `run` beside it.

    `tasks` are those that may be ended; None where none are kept.
    """

    def __init__(self, table: AlarmsTable, tasks: Tasks | None, count: Callable[[str], None]) -> None:
        self._table, self._tasks, self._count = table, tasks, count
        self._rung: set[tuple[Kind, bytes]] = set()
        self._waiting: deque[dict[str, Any]] = deque(maxlen=_WAITING)
        self._client: Client | None = None
        if table.webhook is not None:
            self._client = Client(table.webhook, private=table.private, ca=table.ca)

    @property
    def waiting(self) -> int:
        """How many are still to be told."""
        return len(self._waiting)

    def saw(self, answer: Answer) -> None:
        """Ring for an answer that is a reason to; next to nothing for all others."""
        kind = _BY_CODE.get(answer.decision.code)
        if kind is None:
            facts = answer.facts
            if answer.evidence is None or facts is None or facts.credential.get("sources", 1) < 2:
                return
            kind = "second_source"
        self._count(kind)
        identity = _identity(answer)
        if (kind, identity) not in self._rung:
            if len(self._rung) >= _REMEMBERED:
                self._rung.clear()
            self._rung.add((kind, identity))
            self._waiting.append(_told(kind, answer, identity))

    async def run(self) -> None:
        """Tell of alarms until cancelled."""
        try:
            while True:
                await asyncio.sleep(_LOOK)
                while self._waiting:
                    try:
                        await self._tell(self._waiting.popleft())
                    except Exception:
                        # The next one is told all the same.
                        log.exception("an alarm could not be told")
        finally:
            if self._client is not None:
                await self._client.close()

    async def _tell(self, told: dict[str, Any]) -> None:
        document = encode_json(told)
        log.warning("alarm: %s", document.decode())
        task = told.get("task")
        if self._table.end_task and self._tasks is not None and task is not None:
            try:
                await asyncio.to_thread(self._tasks.end, task, "cancelled", time.time())
                log.warning("task %r is cancelled for an alarm", task)
            except TaskError as error:
                log.info("task %r is not cancelled for an alarm: %s", task, error)
            except StoreError:
                log.exception("task %r cannot be cancelled for an alarm", task)
        if self._client is not None:
            await self._post(self._client, document)

    async def _post(self, client: Client, document: bytes) -> None:
        problem = ""
        for wait in _TRIES:
            await asyncio.sleep(wait)
            try:
                headers = {"content-type": "application/json"}
                if self._table.token_file is not None:
                    headers |= (await asyncio.to_thread(Bearer(self._table.token_file).present))[0]
                await client.post(document, headers, limit=_ANSWER_LIMIT, statuses=range(200, 300))
                return
            except FetchError as error:
                problem = str(error)
        log.error("an alarm could not be told to the webhook: %s", problem)


def _identity(answer: Answer) -> bytes:
    """What names the credential, as its evidence does: of one that did not hold there is none."""
    if answer.evidence is not None:
        return answer.evidence.identity
    token = (answer.request.credential or {}).get("token", "")
    return sha256(token.rpartition(".")[0].encode()).digest()


def _told(kind: Kind, answer: Answer, identity: bytes) -> dict[str, Any]:
    """What is told of an alarm: who, where and when, and nothing that could be presented."""
    evidence, request = answer.evidence, answer.request
    told: dict[str, Any] = {
        "alarm": kind,
        "time": timestamp_text(answer.now),
        "decision": answer.id,
        "code": answer.decision.code,
        "peer": answer.peer,
        "audience": request.audience,
        "action": request.action,
        "credential": identity.hex(),
    }
    if evidence is not None:
        told |= {
            "caller": evidence.caller["id"],
            "issuer": evidence.issuer,
            "id": evidence.id,
            "task": evidence.task,
        }
    return {name: value for name, value in told.items() if value is not None}
