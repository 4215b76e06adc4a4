"""`/decide` over HTTP on one core, asked by wrk from another, beside Cerbos, OPA and the ceiling nginx sets.

Every server has one and the same rule, speaks its own documented HTTP API on loopback, and is asked in turns.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import estate
from benchmarks.estate import Grant
from benchmarks.measure import Progress, Scale
from benchmarks.peers import Missing, Wrong
from benchmarks.report import ABSENT, Aim, Outcome, Table, absences, duration, times
from benchmarks.servers import Server, ask, cerbos, nginx, opa, ours, pinned, running

CONNECTIONS = 32
ROUNDS = 3
# Seconds of one turn, and of the one before that does not count: caches, and what compiles as it runs.
TURN = 5
WARM = 3


@dataclass(frozen=True, slots=True)
class Answered:
    """What wrk saw in one turn: requests a second, and seconds that half and all but 1 % of them took."""

    rate: float
    half: float
    most: float


def run(progress: Progress, scale: Scale) -> Outcome:
    """The claim, measured."""
    wrk = shutil.which("wrk")
    if wrk is None:
        reason = "`wrk` is not on the PATH; on Debian and Ubuntu: apt-get install wrk"
        return Outcome(
            [Table("/decide over HTTP", [""], [[reason]])], _aims({}), {"missing": {"wrk": reason}}
        )
    serving, asking = _cores()
    found: dict[str, list[Answered]] = {}
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = _started(Path(folder), stack, serving, missing, progress)
        for server in servers:
            versions[server.name] = server.version
            progress(f"{server.name} warms up")
            _wrk(wrk, server, Path(folder), asking, 1 if scale is Scale.quick else WARM)
        for number in range(1 if scale is Scale.quick else ROUNDS):
            for server in servers:
                progress(f"{server.name} is asked, round {number + 1}")
                answered = _wrk(wrk, server, Path(folder), asking, 1 if scale is Scale.quick else TURN)
                found.setdefault(server.name, []).append(answered)
    middle = {name: _median(turns) for name, turns in found.items()}
    notes = [
        f"One rule of five conditions; {CONNECTIONS} connections kept open, each with one request at a time;"
        f" median of {ROUNDS} turns of {TURN} s.",
        "Cerbos and OPA are asked as they document it, with what they log of requests turned off.",
    ]
    notes += absences(missing)
    if serving == asking:
        notes.append("There is only one core here: servers and wrk share it, and all figures are too low.")
    figures = {
        "versions": versions,
        "missing": missing,
        "servers": {name: _figures(answered, middle) for name, answered in middle.items()},
    }
    return Outcome([_table(middle, versions, missing)], _aims(middle), figures, notes)


def _started(
    folder: Path, stack: ExitStack, core: int | None, missing: dict[str, str], progress: Progress
) -> list[Server]:
    """Every server that is to be had, running, and shown to decide as pdp does."""
    servers: list[Server] = []

    def begin(name: str, make: Callable[[Path], Server]) -> None:
        progress(f"{name} starts")
        place = folder / str(len(servers) + len(missing))
        place.mkdir()
        try:
            server = make(place)
            stack.enter_context(running(server, place, core))
        except Missing as reason:
            missing[name] = str(reason)
        else:
            servers.append(server)

    begin("pdp", ours.server)
    if missing:
        raise Missing(missing["pdp"])
    begin("Cerbos", cerbos.server)
    begin("OPA", opa.server)
    for server in servers[1:]:
        _check(servers[0], server)
    constant = ask(servers[0], estate.allowed(Grant(0)))
    begin(nginx.NAME, partial(nginx.server, answer=constant))
    return servers


def _check(ours: Server, peer: Server) -> None:
    decisions = set()
    for question in estate.sample(1):
        decided = ours.allows(ask(ours, question))
        decisions.add(decided)
        if peer.allows(ask(peer, question)) != decided:
            raise Wrong(f"{peer.name} does not decide as pdp does: {question}")
    if len(decisions) != 2:
        raise Wrong("the sample does not have both decisions")


def _wrk(wrk: str, server: Server, folder: Path, core: int | None, seconds: int) -> Answered:
    body = server.body(estate.allowed(Grant(0))).decode()
    script = folder / "wrk.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [==[{body}]==]\n'
    )
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), server.url]
    done = subprocess.run(
        [*pinned(core), *command], capture_output=True, text=True, check=True, timeout=seconds + 30
    )
    return read(server.name, done.stdout)


def read(name: str, told: str) -> Answered:
    if "Non-2xx" in told or "Socket errors" in told:
        raise Wrong(f"{name} did not answer every request:\n{told}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    shares = dict(re.findall(r"^\s+(50|99)%\s+([\d.]+(?:us|ms|s))$", told, re.MULTILINE))
    if rate is None or len(shares) != 2:
        raise ValueError(f"wrk said something else:\n{told}")
    return Answered(float(rate[1]), _seconds(shares["50"]), _seconds(shares["99"]))


def _seconds(text: str) -> float:
    for unit, size in (("us", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * size
    raise ValueError(text)


def _median(turns: list[Answered]) -> Answered:
    return Answered(
        statistics.median(turn.rate for turn in turns),
        statistics.median(turn.half for turn in turns),
        statistics.median(turn.most for turn in turns),
    )


def _cores() -> tuple[int | None, int | None]:
    """The core that serves and the core that asks."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def _table(found: dict[str, Answered], versions: dict[str, str], missing: dict[str, str]) -> Table:
    rows = [
        [
            f"{name} {versions[name]}",
            f"{answered.rate:,.0f}",
            "" if name == "pdp" else times(found["pdp"].rate / answered.rate),
            duration(answered.half),
            duration(answered.most),
        ]
        for name, answered in found.items()
    ]
    rows += [[name, ABSENT] for name in missing]
    return Table("/decide over HTTP, one core", ["", "requests/s", "pdp / it", "p50", "p99"], rows)


def _aims(found: dict[str, Answered]) -> list[Aim]:
    many = "25,000 requests a second, or 10 times as many as Cerbos"
    share = "a quarter of what nginx gives as a constant"
    if "pdp" not in found:
        return [Aim(many, "was not measured", None), Aim(share, "was not measured", None)]
    rate = found["pdp"].rate
    measured, met = f"{rate:,.0f}", rate >= 25_000
    if "Cerbos" in found:
        ratio = rate / found["Cerbos"].rate
        measured, met = f"{measured}, {times(ratio)}", met or ratio >= 10
    if nginx.NAME not in found:
        return [Aim(many, measured, met), Aim(share, "was not measured", None)]
    part = rate / found[nginx.NAME].rate
    return [Aim(many, measured, met), Aim(share, f"{part:.0%}", part >= 0.25)]


def _figures(answered: Answered, found: dict[str, Answered]) -> dict[str, float]:
    return {
        "rate": answered.rate,
        "p50": answered.half,
        "p99": answered.most,
        "ratio": found["pdp"].rate / answered.rate,
    }
