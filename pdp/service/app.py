"""The service as one ASGI application: the hot path before, everything rare behind it in FastAPI.

Knows how the routes are put together, and what is answered where none of them answers. Opens no socket:
`serve` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from pdp.answer import problem_document, timestamp_text
from pdp.evidence.refusals import REFUSALS
from pdp.point import DecisionPoint
from pdp.service import messages
from pdp.service.hot import BATCH, DECIDE, Application, Hot, Receive, Scope, Send
from pdp.service.metrics import CONTENT_TYPE, Metrics
from pdp.service.minting import Minting, missing
from pdp.service.oauth import router as oauth_routes
from pdp.service.opaque import asker
from pdp.service.own import Own
from pdp.service.problems import PROBLEM, Problem
from pdp.service.reload import Reloader
from pdp.service.remembered import Remembered
from pdp.service.signals import router as signal_routes
from pdp.service.streams import Signals
from pdp.service.tasks import router as task_routes
from pdp.settings import Settings
from pdp.tasks.alarms import Alarms
from pdp.trusted import Trusted

log = logging.getLogger("pdp.service")

# How often the sums of the metrics are carried over.
_FLUSH = 1.0


def application(
    point: DecisionPoint,
    reloader: Reloader,
    metrics: Metrics,
    settings: Settings,
    *,
    trusted: Trusted,
    remembered: Remembered,
    close: Callable[[], None],
    url: str,
    minting: Minting | None = None,
    signals: Signals,
    alarms: Alarms,
) -> Application:
    """The whole service. `close` is called when it has answered its last request; `url` is where it listens,
    or empty."""
    sources = trusted.sources

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Whose keys cannot be read now is not believed, and keeps nobody else waiting.
        await sources.first()
        await signals.first()
        tasks = [
            asyncio.create_task(running)
            for running in (
                reloader.run(),
                sources.run(),
                remembered.run(),
                signals.run(),
                alarms.run(),
                _flushing(metrics, trusted),
            )
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(close)
            await trusted.close()
            remembered.close()
            metrics.flush()

    rare = FastAPI(
        title="pdp",
        version=version("pdp"),
        description="A policy decision point: may this caller do this, here, now, for this task?",
        lifespan=lifespan,
        docs_url="/docs" if settings.server.docs else None,
        openapi_url="/openapi.json" if settings.server.docs else None,
        redoc_url=None,
        # A redirection would repeat whatever host the request claims.
        redirect_slashes=False,
    )

    @rare.get("/healthz", summary="Whether the process answers", response_model=messages.Health)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @rare.get("/readyz", summary="Which policies decide here", response_model=messages.Ready)
    async def readyz() -> dict[str, Any]:
        program, loaded = point.program, reloader.status
        return {
            "ready": True,
            "policy": program.digest,
            "rules": len(program.rules),
            "loaded": timestamp_text(loaded.loaded),
            "stale": loaded.stale,
            "problems": loaded.problems,
            "keys": [
                {
                    "of": status.name,
                    "read": None if status.read is None else _time(status.read),
                    "stale": status.problem is not None,
                }
                for status in trusted.status
            ],
            "signals": signals.status,
        }

    @rare.get("/metrics", summary="What Prometheus reads", response_class=Response)
    async def exposition() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    unix = settings.server.uds is not None
    proofs = trusted.verifier.trust.proofs
    nonces = proofs.nonces
    nonce = None if nonces is None else lambda: nonces.current(time.time())
    own = Own(point, settings.server.url or url, proofs.algorithms, nonce, unix, trusted.introspection)
    rare.include_router(task_routes(own, remembered.tasks))
    rare.include_router(oauth_routes(own, minting, missing(settings)))

    rare.include_router(signal_routes(signals))

    @rare.exception_handler(Problem)
    async def told(_: Request, error: Problem) -> Response:
        return Response(error.document, error.status_code, error.headers, media_type=PROBLEM)

    @rare.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        document = problem_document(
            error.status_code, "http", str(error.detail), "nothing is answered here this way"
        )
        return Response(document, error.status_code, error.headers, media_type=PROBLEM)

    rare.openapi = lambda: _description(rare)  # type: ignore[method-assign]
    ask = None if trusted.introspection is None else asker(trusted.introspection, point.limits)
    return Hot(point, metrics, settings.limits, _never_500(rare), unix=unix, nonce=nonce, opaque=ask)


def _time(seconds: float) -> str:
    return timestamp_text(datetime.fromtimestamp(seconds, UTC).replace(microsecond=0))


async def _flushing(metrics: Metrics, trusted: Trusted) -> None:
    while True:
        for status in trusted.status:
            metrics.keys(status.name, status.read, stale=status.problem is not None)
        await asyncio.sleep(_FLUSH)
        try:
            metrics.flush()
        except Exception:
            log.exception("the metrics could not be carried over")


def _never_500(rare: Application) -> Application:
    """A defect behind a rare route is logged, and answered as what it is to the client: not available."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Any) -> None:
            nonlocal begun
            # The framework answers 500 before it raises: that answer is held back.
            if message["type"] == "http.response.start" and message["status"] == 500:
                raise _Broken
            begun = True
            await send(message)

        try:
            await rare(scope, receive, sending if scope["type"] == "http" else send)
        except Exception:
            if scope["type"] != "http" or begun:
                raise
            log.exception("a request could not be answered")
            document = problem_document(503, "unavailable", "Not available", "ask again later")
            headers = [(b"content-type", PROBLEM.encode()), (b"content-length", b"%d" % len(document))]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": document})

    return guarded


class _Broken(Exception):
    """A route answered 500."""


_SCHEMA = "#/components/schemas/{model}"


def _description(rare: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: what FastAPI knows of its routes, and what it cannot know of the hot path."""
    if rare.openapi_schema is None:
        document = get_openapi(
            title=rare.title, version=rare.version, description=rare.description, routes=rare.routes
        )
        models: list[tuple[type[BaseModel], Any]] = [
            (model, "validation")
            for model in (
                messages.DecideRequest,
                messages.DecideAnswer,
                messages.BatchRequest,
                messages.BatchAnswer,
                messages.Problem,
            )
        ]
        _, definitions = models_json_schema(models, ref_template=_SCHEMA)
        document.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
        document["paths"] = {
            DECIDE: {"post": _operation("decide", "Decide one request", "DecideRequest", "DecideAnswer")},
            BATCH: {
                "post": _operation(
                    "decideBatch", "Decide many requests, each on its own", "BatchRequest", "BatchAnswer"
                )
            },
            **document["paths"],
        }
        for path in document["paths"].values():
            for operation in path.values():
                # It expects that its own answer is given, and here that is another one.
                operation["responses"].pop("422", None)
        rare.openapi_schema = document
    return rare.openapi_schema


def _operation(name: str, summary: str, takes: str, gives: str) -> dict[str, Any]:
    codes = "\n".join(f"- `{refusal.code}`: {refusal.meaning}" for refusal in REFUSALS.values())
    problem = {"content": {PROBLEM: {"schema": _reference("Problem")}}}
    body: dict[str, Any] = {"schema": _reference(takes)}
    if takes == "DecideRequest":
        body["examples"] = messages.EXAMPLES
    return {
        "operationId": name,
        "summary": summary,
        "description": f"A deny comes with 200 too. Its code is `no_rule`, `forbidden`, or:\n\n{codes}",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": {"description": "Decided", "content": {"application/json": {"schema": _reference(gives)}}},
            "400": {"description": "The request is not valid; `pointer` names the member", **problem},
            "413": {"description": "The request is too large", **problem},
        },
    }


def _reference(model: str) -> dict[str, str]:
    return {"$ref": _SCHEMA.format(model=model)}
