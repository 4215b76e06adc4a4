"""One serving process: policies loaded, the point made, uvicorn run until it is told to stop.

Knows how the parts of a service are put together and what a process does with signals: SIGHUP loads the
policies again, SIGTERM and SIGINT let requests under way finish. Knows nothing of other workers.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable

import uvicorn

from pdp.language import render
from pdp.language.diagnostic import PolicyError
from pdp.load import SERVING, Loader
from pdp.point import DecisionPoint
from pdp.service.app import application
from pdp.service.metrics import Metrics
from pdp.service.reload import Reloader
from pdp.settings import Settings
from pdp.state.audit import DecisionLog

log = logging.getLogger("pdp.service")

OK = 0
POLICIES = 1
USAGE = 2

# Idle connections of gateways are kept as long as a gateway keeps them, and a little longer.
_KEEP_ALIVE = 75


def serve(settings: Settings, listening: socket.socket, ready: Callable[[int], None]) -> int:
    """Serve until a signal says stop; the exit code of the process. `ready` is told how many rules decide."""
    # Until the loop takes it over, a SIGHUP must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    policies = settings.policies
    loader = Loader(
        policies.path,
        strict=policies.strict,
        max_rules=policies.max_rules,
        lower={**SERVING, **policies.lower},
    )
    try:
        program = loader.load()
    except PolicyError as error:
        sys.stderr.write(render.text(error.diagnostics, error.sources, color=sys.stderr.isatty()))
        return POLICIES
    except OSError as error:
        log.error("the policies at %s cannot be read: %s", policies.path, error.strerror)
        return USAGE
    decisions = None
    if settings.decision_log.to:
        try:
            decisions = DecisionLog(settings.decision_log.to, queue=settings.decision_log.queue)
        except OSError as error:
            log.error("the decision log %s cannot be opened: %s", settings.decision_log.to, error.strerror)
            return USAGE
    metrics = Metrics(decisions.counts if decisions else lambda: (0, 0))
    point = DecisionPoint(program, settings, record=_recorder(metrics, decisions))
    reloader = Reloader(point, loader.load, policies.path, metrics, watch=policies.reload)
    close = decisions.close if decisions else _nothing
    app = application(point, reloader, metrics, settings, close=close)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        # Who the peer is decides who may assert: no header may say otherwise.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(settings.server.drain.total_seconds())),
    )
    server = _Server(config, reloader, lambda: ready(len(program.rules)))
    # uvicorn raises the signal again when it is done; a drain that went well is no death by signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listening])
    return OK


class _Server(uvicorn.Server):
    """uvicorn's server, with SIGHUP, and a word when it listens."""

    def __init__(self, config: uvicorn.Config, reloader: Reloader, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._reloader = reloader
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reloader.ask)
        self._ready()


def _recorder(metrics: Metrics, decisions: DecisionLog | None) -> Callable[..., None]:
    if decisions is None:
        return metrics.decided
    record = decisions.record

    def both(answer: object) -> None:
        metrics.decided(answer)  # type: ignore[arg-type]  # what DecisionPoint records
        record(answer)  # type: ignore[arg-type]

    return both


def _nothing() -> None:
    pass


def to_stderr() -> None:
    """Has the service's own log written to standard error, one line a message."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # What uvicorn says about itself is of interest when something is wrong.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
