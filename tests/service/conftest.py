"""The service as people run it: a process of its own on a free loopback port, over a small policy folder."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

POLICY = """
schema {
  resource ledger_entry { amount: int, currency: string, labels: set<string> }
  context  { source_ip: ip }
}
permit write_entry {
  caller   workload "spiffe://prod.example/ns/payments/sa/api"
  audience "ledger"
  action   "entry.create"
  resource ledger_entry
  when     credential.bound and credential.age <= 5m
  when     task.active and action.name in task.actions
  require  log { level: "high", amount: resource.amount }
  because  "Payments services write entries while their task runs"
}
forbid held {
  resource ledger_entry
  when     any label in resource.labels: label like "hold-*"
  because  "Held entries are not touched"
}
forbid outside_office {
  action  "entry.reverse"
  unless  context.source_ip in ip("10.0.0.0/8")
  because "Reversals come from the office network"
}
"""
CONFIGURATION = """
[server]
port = 0
drain = "5s"

[policies]
path = "."

[[enforcement_point]]
name = "gateway"
addresses = ["127.0.0.1", "::1"]
unix = true
may_assert = ["caller", "credential", "task"]

[[task]]
id = "t-1"
actions = ["entry.create", "entry.reverse"]
audiences = ["ledger"]
expires = 2099-01-01T00:00:00Z
"""
REQUEST: dict[str, Any] = {
    "caller": {"id": "spiffe://prod.example/ns/payments/sa/api", "kind": "workload", "groups": []},
    "credential": {"asserted": {"binding": "mtls", "age": "1m", "lifetime": "5m", "audiences": ["ledger"]}},
    "audience": "ledger",
    "action": "entry.create",
    "resource": {"type": "ledger_entry", "id": "e-1", "amount": 10, "currency": "EUR", "labels": []},
    "task": "t-1",
    "context": {"source_ip": "10.1.2.3"},
}
BODY = json.dumps(REQUEST).encode()

_AT = re.compile(
    r"deciding by [\d,]+ rules? from .* at (?:http://(?P<host>.+):(?P<port>\d+)|unix:(?P<path>.+))"
)
# How long the tests wait for what must come. It is never waited out where all is well.
PATIENCE = 30.0


@dataclass
class Service:
    """A running service. `client` asks it; `log` is what it has written to standard error."""

    process: subprocess.Popen[bytes]
    folder: Path
    output: Path
    errors: Path
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def log(self) -> str:
        return self.errors.read_text()

    def client(self) -> httpx.Client:
        if self.path:
            transport = httpx.HTTPTransport(uds=self.path)
            return httpx.Client(base_url="http://pdp", transport=transport, timeout=PATIENCE, trust_env=False)
        return httpx.Client(base_url=f"http://{self.host}:{self.port}", timeout=PATIENCE, trust_env=False)

    def get(self, path: str) -> httpx.Response:
        with self.client() as client:
            return client.get(path)

    def post(self, path: str, body: bytes | None = None) -> httpx.Response:
        with self.client() as client:
            return client.post(path, content=BODY if body is None else body)

    def decide(self, **changes: Any) -> dict[str, Any]:
        answer = self.post("/decide", json.dumps({**REQUEST, **changes}).encode())
        assert answer.status_code == 200, answer.text
        return answer.json()

    def connect(self) -> socket.socket:
        if self.path:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self.path)
        else:
            connection = socket.create_connection((self.host, self.port))
        connection.settimeout(PATIENCE)
        return connection

    def ready(self) -> dict[str, Any]:
        return self.get("/readyz").json()

    def metric(self, name: str, **labels: str) -> float:
        """The value of one sample; 0 where there is none."""
        from prometheus_client.parser import text_string_to_metric_families

        samples = [
            sample
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(sample.value for sample in samples)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """Stopped as an operator stops it; its exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()


def until(condition: Callable[[], Any]) -> Any:
    """What `condition` gives as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.02)
    return found


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from pdp.cli.main import main; main()", *arguments]


def environment(**settings: str) -> dict[str, str]:
    """The environment of these tests, which sets nothing but what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PDP_", "PROMETHEUS_"))}
    return {**kept, **settings}


def make_folder(folder: Path, policy: str = POLICY, configuration: str = CONFIGURATION) -> Path:
    """A policy folder with its configuration."""
    folder.mkdir()
    (folder / "payments.policy").write_text(policy)
    (folder / "pdp.toml").write_text(configuration)
    return folder


class Services:
    """Starts services, and stops them all in the end."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.started: list[Service] = []

    def launch(self, *arguments: str, folder: Path | None = None, **settings: str) -> Service:
        """A process that may not be serving yet, or never."""
        number = len(self.started)
        folder = folder or make_folder(self.home / f"policies-{number}")
        output, errors = self.home / f"output-{number}", self.home / f"errors-{number}"
        with output.open("wb") as out, errors.open("wb") as err:
            process = subprocess.Popen(
                command("serve", str(folder), *arguments),
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.home, env=environment(**settings),
            )  # fmt: skip
        service = Service(process, folder, output, errors)
        self.started.append(service)
        return service

    def __call__(self, *arguments: str, folder: Path | None = None, **settings: str) -> Service:
        """A service that is ready."""
        service = self.launch(*arguments, folder=folder, **settings)

        def serving() -> re.Match[str] | None:
            assert service.process.poll() is None, service.log
            return _AT.search(service.log)

        found = until(serving)
        service.host, service.port, service.path = (
            found["host"] or "",
            int(found["port"] or 0),
            found["path"] or "",
        )
        until(lambda: service.get("/readyz").status_code == 200)
        return service

    def stop(self) -> None:
        for service in self.started:
            if service.process.poll() is None:
                service.process.terminate()
        for service in self.started:
            try:
                service.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Services]:
    """`serve("--workers", "2", PDP_SERVER__DRAIN="1s")`: a service of the test's own."""
    services = Services(tmp_path)
    yield services
    services.stop()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for the tests of a module that leave it as it is. It ends well, and without a traceback."""
    services = Services(tmp_path_factory.mktemp("service"))
    made = services()
    yield made
    code = made.stop()
    services.stop()
    assert code == 0
    assert "Traceback" not in made.log
