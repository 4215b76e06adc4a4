"""Opaque tokens, by what their issuer says of them (RFC 7662): asked beside the request line, known in it.

`Introspection.ask` is awaited before a request comes to the decision point, and `found` is read within it.
Tokens are known by their digest and nowhere kept; what a token's claims are worth is the business of `jwt`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jiter
from msgspec import Struct

from pdp.evidence.fetch import Client, FetchError
from pdp.evidence.jws import DEPTH_LIMIT, TOKEN_LIMIT, check_json, encode
from pdp.evidence.kept import Status
from pdp.evidence.login import TOKEN, Login
from pdp.evidence.refusals import (
    CREDENTIAL_MALFORMED,
    CREDENTIAL_TOO_LARGE,
    INTROSPECTION_UNAVAILABLE,
    TOKEN_INACTIVE,
    EvidenceError,
)
from pdp.evidence.urls import shown

log = logging.getLogger("pdp.introspection")

_ANSWER_LIMIT: Final = 16 * 1024
# For how many seconds it is remembered that a token is not active: it may only not have come round yet.
_INACTIVE: Final = 5.0
# Who asks when so many times `parallel` wait already would only wait in vain.
_QUEUE: Final = 8


class _Known(Struct, frozen=True, gc=False):
    """What was said of a token: its claims, or None where it is not active; and until when that counts."""

    claims: dict[str, Any] | None
    until: float


class Introspection:
    """Asks at `url` about the tokens of `issuer`, showing itself by `login`.

    Times are seconds: an active token is believed for `cache`, which is more than 0, and never beyond its
    `exp`; an answer takes at most `timeout`. What is known of `room` active tokens is remembered, and of as
    many that are not; of more, the newest. At most `parallel` questions are asked at a time. `private` and
    `ca` are as in `fetch.Client`.
    """

    def __init__(
        self,
        url: str,
        *,
        issuer: str,
        login: Login,
        cache: float = 30.0,
        room: int = 8_192,
        timeout: float = 2.0,
        parallel: int = 16,
        private: bool = False,
        ca: Path | None = None,
    ) -> None:
        self.url, self.issuer = url, issuer
        self.read: float | None = None
        self.problem: str | None = None
        self._login, self._cache, self._room = login, cache, room
        self._timeout, self._queue = timeout, _QUEUE * parallel
        self._client = Client(url, private=private, ca=ca, seconds=timeout)
        self._slots = asyncio.Semaphore(parallel)
        # Apart, so that who sends tokens that are none cannot push out what is known of those that are.
        self._active: dict[bytes, _Known] = {}
        self._inactive: dict[bytes, _Known] = {}
        self._asking: dict[bytes, asyncio.Task[None]] = {}

    @property
    def status(self) -> Status:
        """How it is doing; `read` is when it last answered (epoch seconds)."""
        return Status(self.issuer, shown(self.url), self.read, None, None, self.problem)

    async def ask(self, token: str, seconds: float) -> None:
        """Have `found` know about a token at `seconds`, if that can be known in time. Raises nothing.

        Who asks about the same token at the same time shares one question.
        """
        if _refusal(token) is not None:
            return
        digest = identity(token)
        if self._known(digest, seconds) is not None:
            return
        asking = self._asking.get(digest)
        if asking is None:
            if len(self._asking) >= self._queue:
                return
            asking = asyncio.get_running_loop().create_task(self._ask(token, digest, seconds))
            self._asking[digest] = asking
            asking.add_done_callback(lambda _: self._asking.pop(digest, None))
        # Not awaited itself: when one who waits is cancelled, the others still want to know.
        await asyncio.wait((asking,))

    def found(self, token: str, seconds: float) -> Mapping[str, Any]:
        """The claims of a token that was asked about, as an access token has them; raises `EvidenceError`.

        `iss` is the issuer, and a token without a `jti` has its digest for one.
        """
        refusal = _refusal(token)
        if refusal is not None:
            raise EvidenceError(refusal)
        known = self._known(identity(token), seconds)
        if known is None:
            raise EvidenceError(INTROSPECTION_UNAVAILABLE)
        if known.claims is None:
            raise EvidenceError(TOKEN_INACTIVE)
        return known.claims

    async def close(self) -> None:
        """Ask no more."""
        asking = tuple(self._asking.values())
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self._client.close()

    def _known(self, digest: bytes, seconds: float) -> _Known | None:
        known = self._active.get(digest) or self._inactive.get(digest)
        return known if known is not None and seconds < known.until else None

    async def _ask(self, token: str, digest: bytes, seconds: float) -> None:
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                headers, fields = await asyncio.to_thread(self._login.present)
                form = urlencode({"token": token, "token_type_hint": "access_token", **fields})
                headers["content-type"] = "application/x-www-form-urlencoded"
                answer = await self._client.post(form.encode("ascii"), headers, limit=_ANSWER_LIMIT)
            claims = claims_of(answer.data, self.issuer, digest)
        except (FetchError, TimeoutError) as error:
            self._tell(str(error) or f"`{shown(self.url)}` did not answer within {self._timeout:g} seconds")
            return
        self.read = time.time()
        self._tell(None)
        self._remember(digest, claims, seconds)

    def _remember(self, digest: bytes, claims: dict[str, Any] | None, seconds: float) -> None:
        until = seconds + self._cache
        if claims is not None:
            until = min(until, claims.get("exp", until))
        if claims is None or until <= seconds:
            claims, until = None, seconds + min(self._cache, _INACTIVE)
        self._active.pop(digest, None)
        self._inactive.pop(digest, None)
        store = self._inactive if claims is None else self._active
        if len(store) >= self._room:
            del store[next(iter(store))]
        store[digest] = _Known(claims, until)

    def _tell(self, problem: str | None) -> None:
        """Tell a problem once, and when it is over."""
        if problem is not None and problem != self.problem:
            log.error("tokens of %s cannot be introspected: %s", self.issuer, problem)
        elif problem is None and self.problem is not None:
            log.info("tokens of %s can be introspected again", self.issuer)
        self.problem = problem


def identity(token: str) -> bytes:
    """What an opaque token is known by: its SHA-256."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def claims_of(data: bytes, issuer: str, digest: bytes) -> dict[str, Any] | None:
    """The claims in an answer (RFC 7662 section 2.2), or None where the token is not active.

    1. It is a JSON object with unique names. 2. `active` is true, and nothing like it. 3. The token is an
    access token of this issuer. 4. `token_type` and `cnf` agree (RFC 9449 section 6.2): who leaves out the
    key of a bound token must not make it a bearer's. Raises `FetchError` for what no issuer should answer.
    """
    # 1.
    try:
        document = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
        if type(document) is not dict:
            raise FetchError("the answer is no JSON object")
        check_json(document, DEPTH_LIMIT)
    except (ValueError, EvidenceError):
        raise FetchError("the answer is not JSON that has one meaning") from None
    # 2.
    if document.get("active") is not True:
        return None
    # 3.
    if document.get("iss", issuer) != issuer:
        return None
    if document.get("token_use", "access_token") not in ("access_token", "access"):
        return None
    if "exp" in document and type(document["exp"]) is not int:
        raise FetchError("the answer has an `exp` that is no time")
    # 4.
    kind, bound = document.get("token_type", ""), document.get("cnf", {})
    if type(kind) is not str or type(bound) is not dict:
        raise FetchError("the answer has a `token_type` or `cnf` that is none")
    if kind and (kind.lower() == "dpop") != ("jkt" in bound):
        raise FetchError("the answer has a `token_type` and a `cnf` that contradict each other")
    claims = {name: value for name, value in document.items() if name != "active"}
    return {"jti": encode(digest), **claims, "iss": issuer}


def _refusal(token: str) -> str | None:
    """Why a token is not asked about."""
    if len(token) > TOKEN_LIMIT:
        return CREDENTIAL_TOO_LARGE
    return None if TOKEN.match(token) else CREDENTIAL_MALFORMED
