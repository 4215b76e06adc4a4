"""One decision in-process, beside Cedar, regorus and casbin: the same rules, the same request, in turns.

What is timed is what an application would call: for pdp the documented `decide(program, request, facts)` on a
request that is parsed, and apart from it the whole way from the bytes of a request to those of its answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from benchmarks import estate
from benchmarks.measure import Progress, Scale, Timing, quiet, race
from benchmarks.peers import PEERS, Missing, Peer, check, start
from benchmarks.report import ABSENT, Aim, Outcome, Table, absences, duration, times

SIZES = (1, 100, 1_000, 2_000, 10_000)
QUICK = (1, 100)
WAYS = {"decision": "One decision, the request parsed", "whole": "From bytes to bytes"}

_Times = dict[str, dict[int, Timing]]


def run(progress: Progress, scale: Scale) -> Outcome:
    """The claim, measured."""
    sizes = QUICK if scale is Scale.quick else SIZES
    found: dict[str, _Times] = {way: {} for way in WAYS}
    missing: dict[str, str] = {}
    versions: dict[str, str] = {}
    for count in sizes:
        peers = _peers(count, missing, progress)
        versions |= {name: peer.version for name, peer in peers.items()}
        question = estate.allowed(estate.Grant(count // 2))
        for way, title in WAYS.items():
            progress(f"{title.lower()}, {count:,} rules")
            contenders = [getattr(peer, way)(question) for peer in peers.values()]
            with quiet():
                timings = race(contenders, scale)
            for name, timing in timings.items():
                found[way].setdefault(name, {})[count] = timing
    return Outcome(
        tables=[_table(title, found[way], versions, missing, sizes) for way, title in WAYS.items()],
        aims=_aims(found["decision"]),
        figures={"versions": versions, "missing": missing, **{way: _figures(found[way]) for way in WAYS}},
        notes=(
            "Median of the rounds; ± is half of what their middle half spans; × is how much longer than pdp.",
            *absences(missing),
            "pdp, Cedar and casbin answer with the rules that decided; regorus answers true or false.",
            "cedarpy has PolicySet and Entities handles, regorus its input set, casbin its FastEnforcer.",
        ),
    )


def _peers(count: int, missing: dict[str, str], progress: Progress) -> dict[str, Peer]:
    """Every peer that is to be had, with the rules, and shown to decide as pdp does."""
    peers: dict[str, Peer] = {}
    for name in PEERS:
        if name in missing:
            # What cannot be had, or does not hold fewer rules, is not tried again.
            continue
        progress(f"{name} reads {count:,} rules")
        try:
            peers[name] = start(name, count)
        except Missing as reason:
            missing[name] = str(reason)
            continue
        check(peers["pdp"], peers[name], name, count)
    return peers


def _table(
    title: str, found: _Times, versions: Mapping[str, str], missing: Collection[str], sizes: tuple[int, ...]
) -> Table:
    rows = []
    for name, by_size in found.items():
        cells = []
        for count in sizes:
            if count not in by_size:
                cells.append("—")
                continue
            timing = by_size[count]
            ratio = "" if name == "pdp" else f"  {times(timing.median / found['pdp'][count].median)}"
            cells.append(f"{duration(timing.median)} ±{timing.spread / 2:.0%}{ratio}")
        rows.append([f"{name} {versions[name]}", *cells])
    rows += [[name, ABSENT] for name in missing if name not in found]
    return Table(title, ["", *(f"{count:,} rule{'s' * (count > 1)}" for count in sizes)], rows)


def _aims(found: _Times) -> list[Aim]:
    ours = found["pdp"]
    slowest = max(timing.median for timing in ours.values())
    aims = [Aim("one decision on five conditions in less than 1 µs", duration(slowest), slowest < 1e-6)]
    for name, count, wanted in (
        ("cedarpy", 1, 50),
        ("cedarpy", 2_000, 1_000),
        ("regorus", 1, 10),
        ("regorus, compiled", 1, 10),
    ):
        text = f"{wanted:,} times as fast as {name} at {count:,} rule{'s' * (count > 1)}"
        theirs = found.get(name, {}).get(count)
        if theirs is None:
            aims.append(Aim(text, "was not measured", None))
        else:
            ratio = theirs.median / ours[count].median
            aims.append(Aim(text, times(ratio), ratio >= wanted))
    return aims


def _figures(found: _Times) -> dict[str, Any]:
    return {
        name: [
            {
                "rules": count,
                "median": timing.median,
                "best": timing.best,
                "spread": timing.spread,
                "ratio": timing.median / found["pdp"][count].median,
            }
            for count, timing in by_size.items()
        ]
        for name, by_size in found.items()
    }
