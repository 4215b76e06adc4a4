"""From text to program: ten thousand rules cold, and one changed file among them, beside cedarpy and regorus.

pdp reads, checks (names, types, safety) and compiles. Cedar reads and validates against a schema; regorus
reads and compiles. Neither keeps anything between two times, so that one changed file is the whole set anew.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import estate
from benchmarks.measure import Progress, Scale, isolated, once
from benchmarks.peers import Missing
from benchmarks.report import ABSENT, Aim, Outcome, Table, absences, duration, times

COUNT = 10_000
QUICK = 300
# How often a file is changed; the median counts.
CHANGES = 5


def run(progress: Progress, scale: Scale) -> Outcome:
    """The claim, measured."""
    count = QUICK if scale is Scale.quick else COUNT
    found: dict[str, dict[str, float]] = {}
    missing: dict[str, str] = {}
    for name, measured in _PEERS.items():
        progress(f"{name} loads {count:,} rules")
        try:
            found[name] = isolated(measured, count)
        except ImportError as error:
            missing[name] = f"{error.name} is not installed: pip install 'pdp[bench]'"
        except Missing as reason:
            missing[name] = str(reason)
    cold, changed = found["pdp"]["cold"], found["pdp"]["changed"]
    return Outcome(
        tables=[_table(found, missing, count)],
        aims=[
            Aim(f"{count:,} rules cold in at most 5 s", duration(cold), cold <= 5),
            Aim(
                f"one changed file among {count:,} rules in at most 100 ms", duration(changed), changed <= 0.1
            ),
        ],
        figures={"rules": count, "seconds": found, "missing": missing},
        notes=(
            f"Each in a fresh process, {estate.FILE} rules a file; × is how much longer than pdp takes.",
            *absences(missing),
            "Cold leaves out importing and making the parser; the files are in the system's cache.",
        ),
    )


def _table(found: dict[str, dict[str, float]], missing: dict[str, str], count: int) -> Table:
    rows = []
    for name, seconds in found.items():
        cells = []
        for what in ("cold", "changed"):
            ratio = "" if name == "pdp" else f"  {times(seconds[what] / found['pdp'][what])}"
            cells.append(f"{duration(seconds[what])}{ratio}")
        rows.append([name, f"{count / seconds['cold']:,.0f}", *cells])
    rows += [[name, ABSENT] for name in missing]
    return Table(f"Loading {count:,} rules", ["", "rules/s cold", "cold", "one changed file"], rows)


def _ours(count: int) -> dict[str, float]:
    from pdp.load import Loader, load

    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder, "first")
        estate.write(first, [estate.rule(estate.Grant(0))])
        load(first)
        path = Path(folder, "rules")
        estate.write(path, [estate.rule(grant) for grant in estate.grants(count)])
        names: dict[str, Any] = {"loader": Loader(path)}
        cold = once("program = loader.load()", names)
        assert len(names["program"].rules) == count
        changed = []
        for number in range(CHANGES):
            file = path / f"team_{number % (count // estate.FILE)}.policy"
            file.write_text(file.read_text().replace(f"<= {estate.MAX_AGE}s", f"<= {200 + number}s", 1))
            before = names["program"].digest
            changed.append(once("program = loader.load()", names))
            assert names["program"].digest != before
        return {"cold": cold, "changed": statistics.median(changed)}


def _cedar(count: int) -> dict[str, float]:
    from cedarpy import PolicySet, Schema, validate_policies

    from benchmarks.peers import cedar

    def whole() -> bool:
        # The handle is what answers requests; validation takes the text.
        return bool(PolicySet.from_str(text)) and bool(validate_policies(text, schema))

    schema = Schema.from_str(cedar.SCHEMA)
    text = "".join(cedar.policy(grant) for grant in estate.grants(count))
    return _same(whole)


def _regorus(count: int) -> dict[str, float]:
    from benchmarks.peers import rego_engine
    from benchmarks.peers.rego import RULE

    def whole() -> bool:
        engine = rego_engine.engine(count)
        engine.set_input_json("{}")
        # It compiles when it is first asked.
        return engine.eval_rule(RULE) is False

    return _same(whole)


def _regorus_compiled(count: int) -> dict[str, float]:
    from benchmarks.peers import rego_machine

    return _same(lambda: rego_machine.compiled(count) is not None)


def _same(whole: Callable[[], bool]) -> dict[str, float]:
    """A peer that knows no change: it does the same twice."""
    seconds = []
    for _ in range(2):
        names: dict[str, Any] = {"whole": whole}
        seconds.append(once("done = whole()", names))
        assert names["done"]
    return {"cold": seconds[0], "changed": seconds[1]}


_PEERS: dict[str, Callable[[int], dict[str, float]]] = {
    "pdp": _ours,
    "cedarpy": _cedar,
    "regorus": _regorus,
    "regorus, compiled": _regorus_compiled,
}
