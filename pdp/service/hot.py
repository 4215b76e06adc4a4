"""The hot path: `POST /decide` and `POST /decide/batch` as a plain ASGI application.

Knows ASGI and the decision point, and no framework: what runs for every request runs here, everything rare
goes to `rare`. Whatever comes in, this never answers 500.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from time import perf_counter
from typing import Any, TypeAlias

import msgspec

from pdp.access.request import RequestError
from pdp.answer import problem, problem_document
from pdp.point import UNIX, DecisionPoint
from pdp.service.batch import split, split_carefully
from pdp.service.metrics import Metrics
from pdp.settings import Limits

log = logging.getLogger("pdp.service")

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

DECIDE = "/decide"
BATCH = "/decide/batch"


_NO_STORE = (b"cache-control", b"no-store")
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_ALLOW = (b"allow", b"POST")
_CLOSE = (b"connection", b"close")

# Java's client does so unless told otherwise, and the HTTP parser takes what follows for the other protocol.
_NOT_READ = "a body behind `Upgrade` is not read: ask over HTTP/1.1, without that header"

# How many requests of a batch are answered in one turn of the event loop.
_TURN = 32
# How long a body may take that does not come at once, in seconds.
_PATIENCE = 30.0
# For how long, in seconds, and for how many bytes who sends too much is heard out after the answer.
_LINGER = 2.0
_HEARD = 16 * 1024 * 1024


class Hot:
    """Answers the two hot paths, and hands everything else to `rare`."""

    def __init__(
        self,
        point: DecisionPoint,
        metrics: Metrics,
        limits: Limits,
        rare: Application,
        *,
        unix: bool = False,
        nonce: Callable[[], str] | None = None,
        opaque: Callable[[Sequence[bytes | msgspec.Raw]], Awaitable[None]] | None = None,
    ) -> None:
        """`unix` when it listens on a Unix socket, and every request comes from there. `nonce`, where
        proofs must hold one, gives the one that goes out with every answer (RFC 9449 section 8.2).
        `opaque` is awaited with the bodies of requests before they are decided, where tokens are asked
        about."""
        self._point = point
        self._metrics = metrics
        self._limits = limits
        self._rare = rare
        self._unix = unix
        self._nonce = nonce
        self._opaque = opaque
        # What `direct` knows of its callers: a head of a request, and how long the body behind it is.
        self.heads: dict[bytes, int] = {}

    @property
    def waits(self) -> bool:
        """Whether a request may have to wait before it is decided."""
        return self._opaque is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path")
        if path not in (DECIDE, BATCH) or scope["type"] != "http":
            await self._rare(scope, receive, send)
            return
        if scope["method"] != "POST":
            document = problem_document(405, "method", "Only POST is answered here", "use POST")
            await _send(send, 405, [_PROBLEM, _ALLOW], document)
            return
        try:
            message = await receive()
            if message.get("more_body"):
                limit = self._limits.body if path == DECIDE else self._limits.batch_body
                message = await _rest(message, limit, receive)
            if message["type"] == "http.disconnect":
                return
            body, unread = message.get("body", b""), message.get("more_body", False)
            if not body and any(name == b"upgrade" for name, _ in scope["headers"]):
                document = problem_document(400, "upgrade", "The request was not read", _NOT_READ)
                await _send(send, 400, [_PROBLEM, _CLOSE], document)
                return
            peer = self.peer(scope.get("client"))
            if path == BATCH:
                status, document = await self.batch(body, peer)
            else:
                if self._opaque is not None and self._point.believes(peer):
                    await self._opaque((body,))
                status, document = self.decide(body, peer)
        except TimeoutError:
            self._metrics.refused(408)
            status, unread = 408, True
            document = problem_document(408, "timeout", "The request came too slowly", "send it in one go")
        except asyncio.CancelledError:
            # The process ends, and has waited for this request as long as it may.
            status, unread = 503, True
            document = problem_document(503, "unavailable", "Not available", "the service ends; ask again")
        if unread:
            await _send_before_the_end(send, status, document, receive)
        else:
            await _send(send, status, self.headers(status), document)

    def decide(self, body: bytes, peer: str) -> tuple[int, bytes]:
        """The status and the body of the answer to one request."""
        begun = perf_counter()
        try:
            document = self._point.answer(body, peer)
        except RequestError as error:
            return self._refuse(error)
        except Exception:
            # Nothing is known to lead here. Who gets no decision denies.
            log.exception("a request could not be answered")
            self._metrics.refused(503)
            return 503, problem_document(503, "unavailable", "Not available", "ask again later")
        self._metrics.took(perf_counter() - begun)
        return 200, document

    async def batch(self, body: bytes, peer: str) -> tuple[int, bytes]:
        """The answers to a list of requests, in its order; a bad one has its problem in its place."""
        try:
            items: Sequence[bytes | msgspec.Raw] | None = split(body, self._limits)
            if items is None:
                # Others want their answers meanwhile.
                items = await asyncio.to_thread(split_carefully, body, self._limits)
        except RequestError as error:
            return self._refuse(error)
        if self._opaque is not None and self._point.believes(peer):
            await self._opaque(items)
        answers = []
        for index, item in enumerate(items, start=1):
            answers.append(self.decide(bytes(item), peer)[1])
            if index % _TURN == 0:
                # Others wait for their one decision meanwhile.
                await asyncio.sleep(0)
        return 200, b'{"answers":[' + b",".join(answers) + b"]}"

    def _refuse(self, error: RequestError) -> tuple[int, bytes]:
        status = 413 if error.too_large else 400
        self._metrics.refused(status)
        return status, problem(error)

    def headers(self, status: int) -> Headers:
        """What an answer is sent with, its length aside."""
        headers = [_JSON if status == 200 else _PROBLEM, _NO_STORE]
        if self._nonce is not None and status == 200:
            headers.append((b"dpop-nonce", self._nonce().encode()))
        return headers

    def peer(self, client: Sequence[Any] | None) -> str:
        """Who sends: the address of the connection, its `client`. Headers about it are not believed."""
        if self._unix:
            return UNIX
        # A connection that is gone already has no address any more, and is nobody.
        return client[0] if client else ""


async def _rest(message: Message, limit: int, receive: Receive) -> Message:
    """The message with the whole of a body that comes in parts, or with more of it than may be.

    Raises `TimeoutError` when it does not come in time.
    """
    parts = [message.get("body", b"")]
    size = len(parts[0])
    async with asyncio.timeout(_PATIENCE):
        while message.get("more_body") and size <= limit:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
    return {**message, "body": b"".join(parts)}


async def _send_before_the_end(send: Send, status: int, document: bytes, receive: Receive) -> None:
    """Answers before the body was read to its end, and hears it out for a while.

    A connection that is closed on what was not read is reset, and the answer may be lost with it.
    """
    await _send(send, status, [_PROBLEM, _NO_STORE, _CLOSE], document, more=True)
    left = _HEARD
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(_LINGER):
            while left > 0:
                message = await receive()
                if not message.get("more_body"):
                    break
                left -= len(message.get("body", b""))
    await send({"type": "http.response.body", "body": b""})


async def _send(send: Send, status: int, headers: Headers, body: bytes, *, more: bool = False) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": more})
