"""Opaque tokens are asked about before the decision that needs to know: nothing waits within a decision.

Knows where a request holds a token, and whom to ask. Only what asks is read here: what is wrong with a
request is told where it is decided.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from pdp.access.request import Limits as RequestLimits
from pdp.access.request import Request, RequestError
from pdp.evidence.introspection import Introspection
from pdp.evidence.jws import is_opaque


def asker(
    introspection: Introspection, limits: RequestLimits
) -> Callable[[Sequence[bytes | msgspec.Raw]], Awaitable[None]]:
    """What has `introspection` know about the tokens in the bodies of requests, if that can be had in
    time."""

    async def ask(bodies: Sequence[bytes | msgspec.Raw]) -> None:
        seconds = time.time()
        tokens = {token for body in bodies if (token := _token(bytes(body), limits)) is not None}
        if tokens:
            await asyncio.gather(*(introspection.ask(token, seconds) for token in tokens))

    return ask


def _token(body: bytes, limits: RequestLimits) -> str | None:
    """The opaque token in a request, if it has one."""
    try:
        credential = Request.parse(body, limits).credential
    except RequestError:
        return None
    token = None if credential is None else credential.get("token")
    return token if isinstance(token, str) and is_opaque(token) else None
