"""The servers of `service`: pdp and its peers, each with the same one rule, on a free port of loopback.

A server is one process, on the core it is given, and is stopped by its process id whatever happens. Each file
here knows how one of them is configured and asked, and none how fast it is.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import estate
from benchmarks.estate import Grant, Question
from benchmarks.peers import Missing

# Peers that no package manager of Python has are kept beside Python's packages, and go when these do.
KEPT = Path(sys.prefix) / "peers"
# How long a server may take to answer for the first time.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """One way to serve the rule: its command, where it is asked, how, and how its answer reads."""

    name: str
    version: str
    command: Sequence[str]
    url: str
    body: Callable[[Question], bytes]
    allows: Callable[[bytes], bool]


@contextmanager
def running(server: Server, folder: Path, core: int | None) -> Iterator[None]:
    """The server, once it answers, and stopped at the end; on `core` alone, unless that is None."""
    log = folder / "log"
    with log.open("wb") as stream:
        # `taskset` becomes the server: the process that is started here is the one that serves.
        process = subprocess.Popen(
            [*pinned(core), *server.command], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
        try:
            _wait(server, process, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def ask(server: Server, question: Question) -> bytes:
    """The server's answer to a question. Raises `OSError` where there is none."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(server.url, server.body(question), headers)
    with _DIRECT.open(request, timeout=5) as response:
        answer: bytes = response.read()
        return answer


def pinned(core: int | None) -> list[str]:
    """What stands before a command so that it runs on one core."""
    taskset = shutil.which("taskset")
    return [] if core is None or taskset is None else [taskset, "-c", str(core)]


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# No proxy that the environment names stands between this and loopback.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            ask(server, estate.allowed(Grant(0)))
            return
        except OSError as error:
            refused = isinstance(error, urllib.error.HTTPError)
            if refused or process.poll() is not None or time.monotonic() > until:
                said = log.read_text(errors="replace").strip()[-400:] or "it said nothing"
                why = f"answered {error}" if refused else "did not start"
                raise Missing(f"{server.name} {why}: {said}") from None
            time.sleep(0.1)
