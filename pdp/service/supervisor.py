"""Several serving processes on one socket: started, watched, replaced when they die, stopped together.

Knows processes and signals, nothing of requests. Each worker loads the policies and watches them itself.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from pdp.service.metrics import MULTIPROCESS
from pdp.service.remembered import prepare
from pdp.settings import Settings

log = logging.getLogger("pdp.supervisor")

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
# A worker that dies young is replaced later each time, up to this many seconds.
_SLOWEST = 5.0
_YOUNG = 5.0
# What a worker gets beyond its drain before it is killed.
_GRACE = 8.0


@dataclass(slots=True)
class _Worker:
    """One process. `rules` is known once it is ready."""

    process: subprocess.Popen[bytes]
    pipe: int
    born: float
    rules: int | None = None


def supervise(settings: Settings, listening: socket.socket, ready: Callable[[int], None]) -> int:
    """Serve with `settings.server.workers` processes until a signal says stop; the exit code.

    `ready` is told how many rules decide when the first worker serves. When no worker can start at all, the
    code is that of the first that could not.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    with tempfile.TemporaryDirectory(prefix="pdp-") as folder:
        prepare(Path(folder))
        return _Supervisor(settings, listening, ready, folder).run()


class _Supervisor:
    def __init__(
        self, settings: Settings, listening: socket.socket, ready: Callable[[int], None], folder: str
    ) -> None:
        self._settings = settings
        self._listening = listening
        self._ready = ready
        self._folder = folder
        self._workers: list[_Worker] = []
        self._deaths = 0
        self._next = 0.0
        self._served = False

    def run(self) -> int:
        try:
            while True:
                self._fill()
                caught = signal.sigtimedwait(_SIGNALS, 0.2)
                number = caught.si_signo if caught is not None else None
                if number in (signal.SIGTERM, signal.SIGINT):
                    return 0
                if number == signal.SIGHUP:
                    self._tell(signal.SIGHUP)
                self._listen()
                code = self._bury()
                if code is not None:
                    return code
        finally:
            self._stop()

    def _fill(self) -> None:
        """Starts what is missing, unless one died young a moment ago."""
        while len(self._workers) < self._settings.server.workers and time.monotonic() >= self._next:
            self._workers.append(self._start())

    def _start(self) -> _Worker:
        read, write = os.pipe()
        os.set_blocking(read, False)
        process = subprocess.Popen(
            [sys.executable, "-m", "pdp.service.worker", str(self._listening.fileno()), str(write)],
            stdin=subprocess.PIPE,
            pass_fds=(self._listening.fileno(), write),
            env={**os.environ, MULTIPROCESS: self._folder},
        )
        os.close(write)
        assert process.stdin is not None
        # A worker that died at once is found when the dead are buried.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(self._settings.model_dump_json().encode() + b"\n")
            process.stdin.flush()
        return _Worker(process, read, time.monotonic())

    def _listen(self) -> None:
        """Hears from workers that have begun to serve."""
        for worker in self._workers:
            if worker.rules is None:
                try:
                    said = os.read(worker.pipe, 64)
                except BlockingIOError:
                    continue
                if said:
                    worker.rules = int(said)
                    self._deaths = 0
                    if not self._served:
                        self._served = True
                        self._ready(worker.rules)

    def _bury(self) -> int | None:
        """Takes away dead workers; the exit code of one, when none ever served."""
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.remove(worker)
            self._close(worker)
            code = worker.process.returncode
            if not self._served:
                return code if code > 0 else 1
            log.error("worker %d ended with %d, another takes its place", worker.process.pid, code)
            young = time.monotonic() - worker.born < _YOUNG
            self._deaths = self._deaths + 1 if young else 0
            self._next = time.monotonic() + (min(_SLOWEST, 0.1 * 2**self._deaths) if young else 0)
        return None

    def _stop(self) -> None:
        # Who comes now is turned away at once, rather than left waiting for nobody.
        self._listening.close()
        self._tell(signal.SIGTERM)
        until = time.monotonic() + self._settings.server.drain.total_seconds() + _GRACE
        for worker in self._workers:
            try:
                worker.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("worker %d did not end in time and is killed", worker.process.pid)
                worker.process.kill()
                worker.process.wait()
            self._close(worker)

    def _tell(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.send_signal(number)

    def _close(self, worker: _Worker) -> None:
        os.close(worker.pipe)
        assert worker.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.close()
        mark_process_dead(worker.process.pid, self._folder)  # type: ignore[no-untyped-call]
