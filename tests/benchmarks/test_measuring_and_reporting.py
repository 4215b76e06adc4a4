"""Timing in turns, and what is made of the timings: no test here says how fast anything is."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from rich.console import Console

from benchmarks import report
from benchmarks.chart import draw
from benchmarks.measure import FEWEST, Contender, Scale, Timing, isolated, quiet, race
from benchmarks.report import Aim, Outcome, Table
from benchmarks.run import main
from benchmarks.service import read

RESULTS: dict[str, Any] = {
    "decide": {
        "figures": {
            "decision": {
                name: [{"rules": rules, "median": median * rules} for rules in (1, 100, 10_000)]
                for name, median in {"pdp": 8e-7, "cedarpy": 5e-5, "<peer>": 5e-5}.items()
            }
        }
    },
    "growth": {
        "figures": {
            "shapes": {
                "one shape": {
                    "bytes": 1_900.0,
                    "steps": [{"rules": rules, "timing": {"median": 1e-6}} for rules in (100, 1_000)],
                }
            }
        }
    },
    "service": {"figures": {"servers": {"pdp": {"rate": 26_000.0}, "nginx": {"rate": 90_000.0}}}},
    "load": {"figures": {"rules": 10_000, "seconds": {"pdp": {"cold": 4.5, "changed": 0.09}}}},
    "evidence": {
        "figures": {
            "verification": {
                "fresh": {name: {"median": 1e-4} for name in ("the signatures alone", "pdp", "PyJWT")},
                "seen": {"pdp": {"median": 1e-6}},
            }
        }
    },
    "tokens": {"figures": {"exchange": {"the signatures alone": {"median": 2e-4}, "pdp": {"median": 1e-3}}}},
}


def test_contenders_are_run_in_turns() -> None:
    order: list[str] = []
    contenders = [
        Contender(name, f"order.append({name!r})", {"order": order}, work=work)
        for name, work in (("a", 1), ("b", 1))
    ]
    with quiet():
        timings = race(contenders, Scale.quick)
    assert {name: timing.rounds for name, timing in timings.items()} == {"a": FEWEST, "b": FEWEST}
    changes = [order[0]] + [now for before, now in pairwise(order) if now != before]
    # The first runs of each, then a turn of each in every round, begun by another one each time.
    assert changes == ["a", "b", "a", "b", "a", "b"]


def test_a_timing_has_the_median_and_the_middle_half_of_its_rounds() -> None:
    timing = Timing.of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (timing.best, timing.median, timing.spread, timing.rounds) == (1.0, 3.0, 1.0, 5)


def test_what_is_isolated_runs_in_another_process() -> None:
    assert isolated(os.getpid) != os.getpid()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(4.12e-7, "412 ns"), (2.034e-6, "2.03 µs"), (5.31e-5, "53.1 µs"), (0.412, "412 ms"), (12.0, "12.0 s")],
)
def test_durations_have_three_digits(seconds: float, told: str) -> None:
    assert report.duration(seconds) == told


def test_sizes_and_ratios_have_three_digits() -> None:
    assert [report.size(count) for count in (812, 1_976, 14_900_000)] == ["812 B", "1.93 KiB", "14.2 MiB"]
    assert [report.times(ratio) for ratio in (0.854, 12.43, 2_400)] == ["0.85×", "12.4×", "2,400×"]


def test_an_aim_that_is_missed_is_shown_as_missed() -> None:
    aims = [Aim("fast", "slow", False), Aim("small", "small", True), Aim("far", "not measured", None)]
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        report.show(console, Outcome([Table("t", ["", "x"], [["pdp", "1"]])], aims, {}))
        shown = console.export_text()
    assert "MISSED   fast: slow" in shown
    assert "met      small: small" in shown
    assert "not told far: not measured" in shown


def test_a_claim_is_kept_beside_the_others(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    outcome = Outcome([], [Aim("fast", "1 ns", True)], {"a": 1})
    report.keep(path, "decide", outcome)
    results = report.keep(path, "load", outcome)
    assert results.keys() == {"decide", "load"}
    assert json.loads(path.read_text()) == results
    assert results["load"]["figures"] == {"a": 1}


@pytest.mark.parametrize("claims", [(), ("decide",), tuple(RESULTS)])
def test_the_chart_is_a_drawing_of_what_was_measured(claims: tuple[str, ...]) -> None:
    root = Xml.fromstring(draw({claim: RESULTS[claim] for claim in claims}))
    names = {"{http://www.w3.org/2000/svg}" + name for name in ("svg", "style", "g", "text", "line", "rect")}
    assert {root.tag, *(element.tag for element in root)} <= names
    panels = [element for element in root if element.tag.endswith("}g")]
    assert len(panels) == len(claims)
    for element in root.iter():
        for axis, limit in (("x", 440), ("y", 270)):
            assert 0 <= float(element.get(axis, 0)) <= limit


def test_a_service_that_was_not_measured_has_no_panel() -> None:
    assert "HTTP" not in draw({"service": {"figures": {"missing": {"wrk": "is not there"}}}})


WRK = """\
Running 5s test @ http://127.0.0.1:1/decide
  1 threads and 32 connections
  Latency Distribution
     50%  980.00us
     75%    1.10ms
     90%    1.30ms
     99%    2.50ms
  1000 requests in 5.00s, 1.00MB read
Requests/sec:  25123.45
Transfer/sec:      1.00MB
"""


def test_what_wrk_tells_is_read() -> None:
    answered = read("pdp", WRK)
    assert (answered.rate, answered.half, answered.most) == (25_123.45, pytest.approx(980e-6), 2.5e-3)


@pytest.mark.parametrize(
    "line", ["  Non-2xx or 3xx responses: 3\n", "  Socket errors: connect 0, read 1, write 0, timeout 0\n"]
)
def test_answers_that_are_none_are_no_measurement(line: str) -> None:
    with pytest.raises(Exception, match="pdp did not answer every request"):
        read("pdp", WRK + line)


def test_a_claim_that_there_is_not_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["speed"])
    assert end.value.code == 2
    assert (
        "there is no claim `speed`: decide, growth, service, load, evidence, tokens"
        in capsys.readouterr().err
    )
