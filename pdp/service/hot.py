"""The hot path: `POST /decide` and `POST /decide/batch` as a plain ASGI application.

Knows ASGI and the decision point, and no framework: what runs for every request runs here, everything rare
goes to `rare`. Whatever comes in, this never answers 500.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any, TypeAlias

import msgspec

from pdp.access.request import RequestError, decode, escape
from pdp.answer import problem, problem_document
from pdp.point import UNIX, DecisionPoint
from pdp.service.metrics import Metrics
from pdp.settings import Limits

log = logging.getLogger("pdp.service")

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

DECIDE = "/decide"
BATCH = "/decide/batch"

_NO_STORE = (b"cache-control", b"no-store")
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_ALLOW = (b"allow", b"POST")
_CLOSE = (b"connection", b"close")

# How many requests of a batch are answered in one turn of the event loop.
_TURN = 32


class Hot:
    """Answers the two hot paths, and hands everything else to `rare`."""

    def __init__(
        self, point: DecisionPoint, metrics: Metrics, limits: Limits, rare: Application, *, unix: bool = False
    ) -> None:
        """`unix` when it listens on a Unix socket, and every request comes from there."""
        self._point = point
        self._metrics = metrics
        self._limits = limits
        self._rare = rare
        self._unix = unix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path")
        if path == DECIDE and scope["type"] == "http":
            limit = self._limits.body
        elif path == BATCH and scope["type"] == "http":
            limit = self._limits.batch_body
        else:
            await self._rare(scope, receive, send)
            return
        if scope["method"] != "POST":
            document = problem_document(405, "method", "Only POST is answered here", "use POST")
            await _send(send, 405, [_PROBLEM, _ALLOW], document)
            return
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body") and len(body) <= limit:
            parts, size = [body], len(body)
            while message.get("more_body") and size <= limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                parts.append(message.get("body", b""))
                size += len(parts[-1])
            body = b"".join(parts)
        elif message["type"] == "http.disconnect":
            return
        # Said before the rest is read: who sends too much is not listened to until the end.
        closing = [_CLOSE] if message.get("more_body") else []
        peer = self._peer(scope)
        status, document = self.decide(body, peer) if path == DECIDE else await self.batch(body, peer)
        await _send(send, status, [_JSON if status == 200 else _PROBLEM, _NO_STORE, *closing], document)

    def decide(self, body: bytes, peer: str) -> tuple[int, bytes]:
        """The status and the body of the answer to one request."""
        begun = perf_counter()
        try:
            document = self._point.answer(body, peer)
        except RequestError as error:
            status = 413 if error.too_large else 400
            self._metrics.refused(status)
            return status, problem(error)
        self._metrics.took(perf_counter() - begun)
        return 200, document

    async def batch(self, body: bytes, peer: str) -> tuple[int, bytes]:
        """The answers to a list of requests, in its order; a bad one has its problem in its place."""
        try:
            items = split(body, self._limits)
        except RequestError as error:
            status = 413 if error.too_large else 400
            self._metrics.refused(status)
            return status, problem(error)
        answers = []
        for index, item in enumerate(items, start=1):
            answers.append(self.decide(bytes(item), peer)[1])
            if index % _TURN == 0:
                # Others wait for their one decision meanwhile.
                await asyncio.sleep(0)
        return 200, b'{"answers":[' + b",".join(answers) + b"]}"

    def _peer(self, scope: Scope) -> str:
        """Who sent this: the address of the connection. Headers about it are not believed."""
        if self._unix:
            return UNIX
        client = scope.get("client")
        # A connection that is gone already has no address any more, and is nobody.
        return client[0] if client else ""


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    requests: list[msgspec.Raw]


_batch = msgspec.json.Decoder(_Batch)


def split(body: bytes, limits: Limits) -> list[msgspec.Raw]:
    """The requests of a batch, each still text, so that a bad one among them harms no other."""
    if len(body) > limits.batch_body:
        raise RequestError("", f"the body is larger than {limits.batch_body} bytes", too_large=True)
    try:
        items = _batch.decode(body).requests
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _not_a_batch(body, limits) from None
    if len(items) > limits.batch:
        raise RequestError(
            "/requests", f"has {len(items)} requests, and {limits.batch} are answered at once", too_large=True
        )
    if _twice(body):
        raise RequestError("/requests", "is there twice")
    return items


def _twice(body: bytes) -> bool:
    """Whether the batch has its one member more than once, which the fast reader does not tell."""
    # Cheap first: a body in which the name stands once cannot have the member twice.
    if body.count(b'"requests"') + body.count(b"\\u") < 2:
        return False
    outer: list[str] = []

    def last(pairs: list[tuple[str, Any]]) -> None:
        outer[:] = [name for name, _ in pairs]

    try:
        # The outermost object is complete last.
        json.loads(body, object_pairs_hook=last)
    except (ValueError, RecursionError):
        # An item that only the fast reader takes; it gets its own problem where it is parsed.
        return False
    return len(outer) > 1


def _not_a_batch(body: bytes, limits: Limits) -> RequestError:
    try:
        document = decode(body, limits.batch_body)
    except RequestError as error:
        return error
    if type(document) is not dict:
        return RequestError("", "a batch is an object")
    for name in sorted(document.keys() - {"requests"}):
        return RequestError(f"/{escape(name)}", "a batch has no such member")
    return RequestError("/requests", "must be an array" if "requests" in document else "is missing")


async def _send(send: Send, status: int, headers: Headers, body: bytes) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
