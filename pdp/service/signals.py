"""Signals that are pushed: `POST /signals/{name}` (RFC 8935), acknowledged when they are kept for good.

Knows HTTP, and neither what a signal says nor what it does.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from pdp.answer import encode_json
from pdp.evidence.fetch import FetchError
from pdp.evidence.login import Bearer
from pdp.service.problems import Problem
from pdp.service.streams import Signals
from pdp.state.store import StoreError
from pdp.tasks.signals import SET_LIMIT
from pdp.tasks.subjects import SignalError

log = logging.getLogger("pdp.signals")

# How long a body may take to come, in seconds.
_PATIENCE: Final = 30.0


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
        text = None
        try:
            text = await _text(request)
            await _authenticate(request, stream.table.token_file)
            await signals.take(stream, text)
        except SignalError as error:
            document = encode_json({"err": error.err, "description": str(error)})
            headers = {"Cache-Control": "no-store", "Content-Language": "en"}
            if text is None:
                # What is left of the body must not be taken for the next request.
                headers["Connection"] = "close"
            return Response(document, 400, headers, media_type="application/json")
        except StoreError as error:
            if stream.problem != str(error):
                log.error("a signal of %s cannot be taken now: %s", name, error)
            stream.problem = str(error)
            detail = "send it again later" if signals.keeps else "there is no `path` of `[state]` to keep it"
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
