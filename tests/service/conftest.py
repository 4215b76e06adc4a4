"""A real `pdp serve`, on a free port of this machine, stopped by its own process id."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

POLICY = """\
schema { resource doc { size: int } }
permit read {
  caller workload "w"
  audience "docs"
  action "read"
  resource doc
  when credential.bound and resource.size < 10
  because "Small documents are read"
}
"""
SETTINGS = """\
[[enforcement_point]]
name = "gateway"
addresses = ["127.0.0.1"]
unix = true
may_assert = ["caller", "credential"]
"""
REQUEST: dict[str, Any] = {
    "caller": {"id": "w", "kind": "workload"},
    "credential": {"asserted": {"binding": "mtls", "age": "1m", "lifetime": "5m"}},
    "audience": "docs",
    "action": "read",
    "resource": {"type": "doc", "id": "d", "size": 5},
}
PATIENCE = 30.0


@dataclass
class Served:
    """A server, the folder of its policies and what it has said so far."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    policies: Path
    log: Path

    def decide(self, **changes: Any) -> dict[str, Any]:
        response = self.client.post("/decide", json=REQUEST | changes)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def write(self, text: str) -> None:
        (self.policies / "docs.policy").write_text(text)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; it is a failure when it does not come to."""
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> int:
        """Ask it to end, as a process manager does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


Serve: TypeAlias = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`serve("--workers", "2")`: a server with these options, ready to answer."""
    started: list[Served] = []

    def start(*options: str, policy: str = POLICY, settings: str = SETTINGS) -> Served:
        policies, log = tmp_path / "policies", tmp_path / "log"
        policies.mkdir(exist_ok=True)
        (policies / "docs.policy").write_text(policy)
        (policies / "pdp.toml").write_text(settings)
        where = () if "--uds" in options else ("--port", "0")
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", "from pdp.cli.main import main; main()", "serve", "policies", *where, *options],
                cwd=tmp_path, stdout=out, stderr=out,
                env={name: value for name, value in os.environ.items() if not name.startswith("PDP_")},
            )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while (found := re.search(r"deciding by .* at (\S+)", log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        if found[1].startswith("unix:"):
            transport = httpx.HTTPTransport(uds=found[1].removeprefix("unix:"))
            client = httpx.Client(transport=transport, base_url="http://pdp", timeout=PATIENCE)
        else:
            client = httpx.Client(base_url=found[1], timeout=PATIENCE)
        started.append(Served(process, client, policies, log))
        return started[-1]

    yield start
    for served in started:
        served.client.close()
        if served.process.poll() is None:
            served.process.kill()
        served.process.wait(PATIENCE)
