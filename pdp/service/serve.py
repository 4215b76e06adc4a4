"""One serving process: policies loaded, the point made, uvicorn run until it is told to stop.

Knows how the parts of a service are put together and what a process does with signals: SIGHUP loads the
policies again, SIGTERM and SIGINT let requests under way finish. Knows nothing of other workers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn

from pdp.answer import Answer
from pdp.evidence.keys import KeysError
from pdp.language import render
from pdp.language.diagnostic import PolicyError
from pdp.load import SERVING, Loader
from pdp.point import DecisionPoint
from pdp.service.app import application
from pdp.service.direct import Direct
from pdp.service.listen import url_of
from pdp.service.metrics import MULTIPROCESS, Metrics
from pdp.service.minting import keys_of, minting
from pdp.service.reload import Reloader
from pdp.service.remembered import Remembered
from pdp.service.streams import Signals
from pdp.settings import Settings
from pdp.state.audit import STDOUT, DecisionLog
from pdp.state.store import StoreError
from pdp.tasks.alarms import Alarms
from pdp.trusted import Trusted

log = logging.getLogger("pdp.service")

OK = 0
POLICIES = 1
USAGE = 2

# Idle connections of gateways are kept as long as a gateway keeps them, and a little longer.
_KEEP_ALIVE = 75


def serve(settings: Settings, listening: socket.socket, ready: Callable[[int], None]) -> int:
    """Serve until a signal says stop; the exit code of the process. `ready` is told how many rules decide."""
    # Until the loop takes it over, a SIGHUP must not end the process, nor be forgotten.
    early: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, _: early.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
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
        print(render.text(error.diagnostics, error.sources, color=sys.stderr.isatty()), file=sys.stderr)
        return POLICIES
    except OSError as error:
        log.error("the policies at %s cannot be read: %s", policies.path, error.strerror)
        return USAGE
    decisions = None
    if settings.decision_log.to:
        try:
            decisions = DecisionLog(
                settings.decision_log.to, queue=settings.decision_log.queue, turns=_turns(settings)
            )
        except OSError as error:
            log.error("the decision log %s cannot be opened: %s", settings.decision_log.to, error.strerror)
            return USAGE
    try:
        remembered = Remembered(settings, shared_folder())
        keys = keys_of(settings, remembered)
        lasting = None if settings.state.path is None else remembered.opened()
    except StoreError as error:
        log.error("the state cannot be used: %s", error)
        return USAGE
    trusted = Trusted(settings, remembered.secret, keys)
    metrics = Metrics(decisions.counts if decisions else lambda: (0, 0))
    alarms = Alarms(settings.alarms, remembered.tasks, metrics.alarm)
    point = DecisionPoint(
        program,
        settings,
        verifier=trusted.verifier,
        replay=remembered.replay,
        sightings=remembered.sightings,
        knowledge=remembered.knowledge,
        record=_recorder(metrics, alarms, decisions),
    )
    try:
        minted = None if keys is None else minting(settings, point, trusted, remembered, keys)
    except KeysError as error:
        log.error("the keys of a client cannot be used: %s", error)
        return USAGE
    signals = Signals(settings, trusted.verifier.trust.issuers, remembered.knowledge, lasting, keys, metrics)
    reloader = Reloader(point, loader.load, policies.path, metrics, watch=policies.reload)
    close = decisions.close if decisions else _nothing
    app = application(
        point,
        reloader,
        metrics,
        settings,
        trusted=trusted,
        remembered=remembered,
        close=close,
        url=url_of(listening),
        minting=minted,
        signals=signals,
        alarms=alarms,
    )
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Direct,
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

    def begun() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.ask)
        if early:
            reloader.ask()
        ready(len(program.rules))

    server = _Server(config, begun)

    def stop(*_: object) -> None:
        server.should_exit = True

    # For a signal that comes before uvicorn listens for it, and for the one that uvicorn raises anew when it
    # is done: a drain that went well is no death by signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run(sockets=[listening])
    return OK


class _Server(uvicorn.Server):
    """uvicorn's server, with SIGHUP, and a word when it listens."""

    def __init__(self, config: uvicorn.Config, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._begun()


def _recorder(metrics: Metrics, alarms: Alarms, decisions: DecisionLog | None) -> Callable[[Answer], None]:
    record = None if decisions is None else decisions.record

    def all_of_them(answer: Answer) -> None:
        metrics.decided(answer)
        alarms.saw(answer)
        if record is not None:
            record(answer)

    return all_of_them


def _turns(settings: Settings) -> Path | None:
    """What several workers lock while one of them writes to the standard output of all."""
    folder = shared_folder()
    return folder / "stdout" if folder is not None and settings.decision_log.to == STDOUT else None


def shared_folder() -> Path | None:
    """The folder that the workers of one service share, where there are several."""
    folder = os.environ.get(MULTIPROCESS)
    return None if folder is None else Path(folder)


def _nothing() -> None:
    pass


def to_stderr() -> None:
    """Has the service's own log written to standard error, one line a message."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Its warnings are about what clients send, and anybody could fill the log with them.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    # It tells each URL that it fetches, whole; what may be told of them is `evidence.fetch`'s to say.
    logging.getLogger("httpx").setLevel(logging.WARNING)
