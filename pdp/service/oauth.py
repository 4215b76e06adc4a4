"""The endpoints of OAuth: `/token` (RFC 8693), `/revoke` (RFC 7009), `/introspect` (RFC 7662), and what is
read of them (RFC 8414, RFC 7517).

Knows forms, headers and answers, and hands what came in them to `pdp.tasks`. What is told of an error is its
registered code; what is told of a token that does not hold is nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from msgspec.structs import replace

from pdp.answer import encode_json
from pdp.evidence.dpop import Proof, verify_proof
from pdp.evidence.keys import ALGORITHMS
from pdp.evidence.refusals import PROOF_NONCE, EvidenceError
from pdp.evidence.verify import Presented
from pdp.point import UNIX
from pdp.service.form import read_form
from pdp.service.minting import INTROSPECT, JWKS, REVOKE, TOKEN, Minting
from pdp.service.own import Own
from pdp.service.problems import Problem
from pdp.state.store import StoreError
from pdp.tasks.clients import METHODS, Asking
from pdp.tasks.exchange import Granted
from pdp.tasks.oauth_errors import OAuthError
from pdp.tasks.wanted import GRANT, wanted

log = logging.getLogger("pdp.service")

_METADATA: Final = "/.well-known/oauth-authorization-server"
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# After how many seconds to come again.
_RETRY: Final = "1"


def router(own: Own, minting: Minting | None, missing: str | None) -> APIRouter:
    """The routes. Where there is nothing to make tokens with, each says which setting is `missing`."""

    def ready() -> Minting:
        if minting is None:
            detail = f"set {missing}"
            raise Problem(503, "not-configured", "No tokens are made here", detail, headers=_NO_STORE)
        return minting

    routes = APIRouter(route_class=own.route(), tags=["oauth"], dependencies=[Depends(ready)])

    @routes.post(TOKEN, summary="A token for a token", response_class=Response)
    async def token(request: Request) -> Response:
        async def answer(desk: _Desk, form: Mapping[str, str], asking: Asking) -> Any:
            proof = desk.proof(request)
            if proof is not None and not asking.evidence.bound:
                asking = replace(asking, evidence=replace(asking.evidence, binding="dpop", bound=True))
            return _granted(desk.minting.exchange.exchange(wanted(form), asking, proof, desk.now))

        return await _answered(own, ready(), request, answer)

    @routes.post(REVOKE, summary="A token that no longer counts", response_class=Response)
    async def revoke(request: Request) -> Response:
        async def answer(desk: _Desk, form: Mapping[str, str], asking: Asking) -> Any:
            await asyncio.to_thread(desk.minting.tokens.revocation(_token(form), asking, desk.now))

        return await _answered(own, ready(), request, answer)

    @routes.post(INTROSPECT, summary="Whether a token counts", response_class=Response)
    async def introspect(request: Request) -> Response:
        async def answer(desk: _Desk, form: Mapping[str, str], asking: Asking) -> Any:
            return desk.minting.tokens.introspect(_token(form), asking, desk.now)

        return await _answered(own, ready(), request, answer)

    reading = APIRouter(tags=["oauth"])

    @reading.get(JWKS, summary="By which keys to verify tokens", response_class=Response)
    async def jwks() -> Response:
        keys = ready().keys
        try:
            data = keys.jwks(time.time())
        except StoreError:
            log.exception("the signing keys cannot be read")
            raise Problem(503, "unavailable", "Not available", "ask again later", headers=_NO_STORE) from None
        headers = {"Cache-Control": f"public, max-age={keys.max_age}"}
        return Response(data, headers=headers, media_type="application/jwk-set+json")

    # Where the issuer's URL has a path, it stands behind (RFC 8414 section 3.1).
    @reading.get(_METADATA, summary="What is offered here to clients", response_class=Response)
    @reading.get(_METADATA + "/{path:path}", include_in_schema=False)
    async def metadata(path: str = "") -> Response:
        offered = ready()
        if path and not offered.url.endswith(f"/{path}"):
            raise Problem(404, "http", "Not Found", "another issuer is asked for")
        headers = {"Cache-Control": f"public, max-age={offered.keys.max_age}"}
        return Response(encode_json(_metadata(own, offered)), headers=headers, media_type="application/json")

    routes.include_router(reading)
    return routes


class _Desk:
    """What a request is answered with."""

    def __init__(self, own: Own, minting: Minting) -> None:
        self.own = own
        self.minting = minting
        # One reading for all.
        self.now = datetime.now(UTC)

    def asking(self, request: Request, form: Mapping[str, str]) -> Asking:
        """Who asks; raises `OAuthError`."""
        if "authorization" in request.headers:
            raise OAuthError("invalid_client", "no secrets are taken, nor other credentials in a header")
        certificates = request.headers.getlist("x-forwarded-client-cert")
        peer = UNIX if self.own.unix else request.client.host if request.client else ""
        presented = Presented(
            xfcc=",".join(certificates) if certificates else None, forwards=self.own.point.forwards(peer)
        )
        asking = self.minting.clients.authenticate(form, presented, self.now)
        self.minting.tokens.check(asking, self.now)
        return asking

    def proof(self, request: Request) -> Proof | None:
        """The proof of the key that a token is to be bound to (RFC 9449 section 5)."""
        proofs = request.headers.getlist("dpop")
        if not proofs:
            return None
        try:
            return verify_proof(
                proofs,
                method="POST",
                uri=self.minting.url + TOKEN,
                seconds=self.now.timestamp(),
                policy=self.minting.proofs,
                token=None,
                jkt=None,
            )
        except EvidenceError as error:
            if error.code == PROOF_NONCE:
                raise OAuthError("use_dpop_nonce", "the proof must hold the nonce that is given") from None
            raise OAuthError("invalid_dpop_proof", f"the proof is refused: {error.code}") from None


async def _answered(
    own: Own,
    minting: Minting,
    request: Request,
    answer: Callable[[_Desk, Mapping[str, str], Asking], Awaitable[Any]],
) -> Response:
    """The answer to a form: its client is known first, and what it wants done then."""
    body = await request.body()
    try:
        desk = _Desk(own, minting)
        kinds = request.headers.getlist("content-type")
        form = read_form(body, kinds[0] if len(kinds) == 1 else "")
        told = await answer(desk, form, desk.asking(request, form))
    except OAuthError as error:
        return _refused(error)
    except StoreError:
        log.exception("what a token depends on cannot be read or written")
        return _refused(OAuthError("temporarily_unavailable", "ask again later"))
    content = b"" if told is None else encode_json(told)
    return Response(content, headers=_NO_STORE, media_type="application/json")


def _refused(error: OAuthError) -> Response:
    """An error as OAuth has it (RFC 6749 section 5.2)."""
    headers = dict(_NO_STORE)
    if error.status == 401:
        headers["WWW-Authenticate"] = "private_key_jwt"
    elif error.status == 503:
        headers["Retry-After"] = _RETRY
    told = {"error": error.error, "error_description": error.description}
    return Response(encode_json(told), error.status, headers, media_type="application/json")


def _token(form: Mapping[str, str]) -> str:
    if "token" not in form:
        raise OAuthError("invalid_request", "`token` is missing")
    return form["token"]


def _granted(granted: Granted) -> dict[str, Any]:
    """A token as its client is given it (RFC 8693 section 2.2.1)."""
    told: dict[str, Any] = {
        "access_token": granted.token,
        "issued_token_type": granted.issued_type,
        "token_type": granted.token_type,
        "expires_in": granted.lifetime,
    }
    if granted.scopes:
        told["scope"] = " ".join(granted.scopes)
    return told


def _metadata(own: Own, minting: Minting) -> dict[str, Any]:
    algorithms = sorted(ALGORITHMS)
    told: dict[str, Any] = {
        "issuer": minting.issuer,
        "token_endpoint": minting.url + TOKEN,
        "jwks_uri": minting.url + JWKS,
        "introspection_endpoint": minting.url + INTROSPECT,
        "revocation_endpoint": minting.url + REVOKE,
        "response_types_supported": [],
        "grant_types_supported": [GRANT],
        "dpop_signing_alg_values_supported": sorted(own.algorithms),
        "tls_client_certificate_bound_access_tokens": True,
    }
    for endpoint in ("token", "introspection", "revocation"):
        told[f"{endpoint}_endpoint_auth_methods_supported"] = list(METHODS)
        told[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = algorithms
    return told
