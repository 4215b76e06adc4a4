"""`pdp revoke`: what it says, what it asks for, and that no worker allows anything once it has returned."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from service.conftest import (
    CONFIGURATION,
    PATIENCE,
    POLICY,
    REQUEST,
    Service,
    Services,
    command,
    environment,
    make_folder,
    until,
)

from pdp.state.sqlite import SqliteStore
from pdp.tasks.revocation import FIELDS, KINDS, Revocation, revoked_name
from tests.evidence.issuing import Client, Issuer

CONFIG = '[state]\npath = "state.db"\n'
WORKLOAD = "spiffe://prod.example/ns/payments/sa/api"


@pytest.fixture
def state(estate: Path) -> Path:
    """The state of a service, in which nothing was revoked."""
    (estate / "pdp.toml").write_text(CONFIG)
    path = estate / "state.db"
    SqliteStore(path).close()
    return path


def kept(path: Path, kind: Any, *names: str) -> tuple[Revocation, float | None] | None:
    """A revocation in a state, and when it is forgotten."""
    from msgspec import msgpack

    key = revoked_name(kind, *names)
    with closing(SqliteStore(path)) as store:
        entry = store.read((key,), time.time()).entries[key]
    return None if entry is None else (msgpack.decode(entry.value, type=Revocation), entry.expires)


NAMES = {0: (), 1: ("x",), 2: ("https://sts.example", "x")}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_revoked_by_its_names(run: Any, state: Path, kind: Any) -> None:
    names = NAMES[FIELDS[kind]]
    before = time.time()
    result = run("revoke", kind, *names, "--yes", "--reason", "a test")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"revoked: {' '.join((kind, *names))}, ")
    found = kept(state, kind, *names)
    assert found is not None
    made, ends = found
    assert ends is None
    assert made.reason == "a test"
    assert made.by.startswith("operator")
    for_good = kind in ("token", "credential", "key", "task")
    assert made.before == float("inf") if for_good else before <= made.before <= time.time()


def test_times_are_as_they_are_given(run: Any, state: Path) -> None:
    options = ("--before", "2026-11-25T10:00:00Z", "--until", "2099-01-01T00:00:00+01:00", "--format", "json")
    result = run("revoke", "caller", "alice", *options)
    told = json.loads(result.stdout)
    assert told["kind"] == "caller"
    assert told["names"] == ["alice"]
    assert told["before"] == "2026-11-25T10:00:00.000Z"
    assert told["until"] == "2098-12-31T23:00:00.000Z"
    found = kept(state, "caller", "alice")
    assert found is not None
    assert (found[0].before, found[1]) == (1795600800.0, 4070905200.0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("issuer", "https://sts.example"), "revokes for many at once"),
        (("all",), "revokes for many at once"),
        (("user", "alice"), "nothing to revoke by"),
        (("token", "https://sts.example"), "takes two names, and got 1"),
        (("caller",), "takes one name, and got 0"),
        (("caller", ""), "takes one name"),
        (("all", "x", "--yes"), "takes no name, and got 1"),
        (("caller", "a", "--before", "yesterday"), "no time with its offset"),
        (("caller", "a", "--before", "2026-11-25T10:00:00"), "no time with its offset"),
        (("caller", "a", "--until", "2020-01-01T00:00:00Z"), "has passed"),
        (("caller", "a", "--format", "xml"), "is no format"),
    ],
)
def test_what_cannot_be_meant_revokes_nothing(
    run: Any, state: Path, arguments: tuple[str, ...], says: str
) -> None:
    before = state.read_bytes()
    result = run("revoke", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert state.read_bytes() == before


def test_without_a_state_it_says_what_to_set(run: Any, estate: Path) -> None:
    (estate / "pdp.toml").write_text("")
    assert "set `path` of `[state]`" in run("revoke", "caller", "alice").stderr
    (estate / "pdp.toml").write_text(CONFIG)
    result = run("revoke", "caller", "alice")
    assert (result.exit_code, "`pdp serve` makes it" in result.stderr) == (2, True)


# While others decide.

ISSUER = """
[state]
path = "state/state.db"
[[issuer]]
id = "https://sts.example"
keys = { file = "keys.json" }
algorithms = ["ES256"]
trust_domains = ["prod.example"]
leeway = "0s"
[proofs]
max_ahead = "0s"
"""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = Services(tmp_path)
    yield made
    made.stop()


def test_after_the_command_has_returned_no_worker_allows(services: Services, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "policies", POLICY, CONFIGURATION + ISSUER)
    issuer, client = Issuer("https://sts.example"), Client()
    (folder / "keys.json").write_text(issuer.jwks())
    service = services("--workers", "2", folder=folder)
    uri = "https://ledger.example/entries"
    others = {name: value for name, value in REQUEST.items() if name != "caller"}

    def request(token: str) -> dict[str, Any]:
        return {**others, **client.present(token, "POST", uri)}

    def made() -> str:
        return issuer.token(WORKLOAD, "ledger", cnf=client.confirmation)

    def decided(token: str) -> str | None:
        code: str | None = service.post("/decide", json.dumps(request(token)).encode()).json()["code"]
        return code

    until(lambda: decided(made()) is None)
    for kind, names in (
        ("caller", (WORKLOAD,)),
        ("issuer", ("https://sts.example", "--yes")),
        ("all", ("--yes",)),
    ):
        token = made()
        allowed, after = asyncio.run(_revoked_under_load(service, folder, request, token, kind, names))
        assert allowed > 0
        assert after == {"credential_revoked"}
        # What is issued later is good again.
        until(lambda: decided(made()) is None)


async def _revoked_under_load(
    service: Service, folder: Path, request: Any, token: str, kind: str, names: tuple[str, ...]
) -> tuple[int, set[str | None]]:
    """How often a token was allowed before the command returned, and what was answered to those who asked
    after."""
    returned = asyncio.Event()
    answers: list[tuple[bool, str | None]] = []

    async def deciding(client: httpx.AsyncClient) -> None:
        left = 30
        while left > 0:
            # Asked after the command returned, if it had by now.
            late = returned.is_set()
            answer = await client.post("/decide", json=request(token))
            answers.append((late, answer.json()["code"]))
            left -= late

    async with httpx.AsyncClient(
        base_url=f"http://{service.host}:{service.port}", timeout=PATIENCE, trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    ) as client:  # fmt: skip
        crowd = [asyncio.create_task(deciding(client)) for _ in range(6)]
        await asyncio.sleep(0.3)
        arguments = command("revoke", kind, *names, "--config", str(folder / "pdp.toml"))
        process = await asyncio.create_subprocess_exec(
            *arguments, env=environment(), stdout=subprocess.DEVNULL
        )
        assert await process.wait() == 0
        returned.set()
        await asyncio.gather(*crowd)
    allowed = sum(code is None for late, code in answers if not late)
    return allowed, {code for late, code in answers if late}
