"""A request whose body is bounded, and whose JSON has one reading, as `/decide` reads by itself."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from pdp.access.document import RequestError, read
from pdp.access.request import Limits
from pdp.service.problems import Problem, invalid

# How long a body may take to come, in seconds.
_PATIENCE: Final = 30.0


class Strict(Request):
    """A request that reads its body so. What is wrong with it is raised as a `Problem`."""

    def __init__(self, scope: Any, receive: Any, limits: Limits) -> None:
        super().__init__(scope, receive)
        self._limits = limits

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._body = await self._whole()
        return self._body

    async def json(self) -> Any:
        limits = self._limits
        try:
            return read(await self.body(), limits.body, limits.depth, limits.members)
        except RequestError as error:
            raise invalid(error.pointer, error.detail) from None

    async def _whole(self) -> bytes:
        whole = b""
        try:
            async with asyncio.timeout(_PATIENCE):
                async for part in self.stream():
                    whole += part
                    if len(whole) > self._limits.body:
                        detail = f"it is larger than {self._limits.body} bytes"
                        raise _unread(413, "too-large", "The request is too large", detail)
        except TimeoutError:
            raise _unread(408, "timeout", "The request came too slowly", "send it in one go") from None
        except ClientDisconnect:
            raise _unread(400, "invalid-request", "The request is not valid", "it has no end") from None
        return whole


def _unread(status: int, kind: str, title: str, detail: str) -> Problem:
    # What is left of the body must not be taken for the next request.
    return Problem(status, kind, title, detail, headers={"Connection": "close"})
