"""`pdp bench`: how fast these policies decide these requests, on this machine."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from pdp.cli.asked import Asked, given, requests_of_tests
from pdp.cli.pace import Lane, Pace, measure
from pdp.cli.policies import ConfigOption, PathArgument, Place, locate, serving
from pdp.cli.requests import REQUEST_HELP, STANDARD_INPUT, NowOption, read_request, read_time
from pdp.cli.terminal import count, painter, stop

if TYPE_CHECKING:
    from pdp.program.program import Program

LANES = {
    "decide": "decision",
    "answer": "bytes to bytes",
    "yardstick": "yardstick (json)",
}


class Format(StrEnum):
    """How the measurement is written."""

    text = "text"
    json = "json"


@dataclass(frozen=True, slots=True)
class Measured:
    """All that is told. `left_out` counts tests that make no request a rule is asked about."""

    place: Place
    program: Program
    load: float
    requests: int
    left_out: int
    source: str
    paces: dict[str, Pace]


def bench(
    path: PathArgument = None,
    request: Annotated[
        str | None, typer.Option("--request", "-r", metavar="FILE|-", help=REQUEST_HELP, show_default=False)
    ] = None,
    only: Annotated[
        str,
        typer.Option(
            "-k", metavar="WORDS", help="Only the requests of tests whose module or name holds these words.",
            show_default=False,
        ),
    ] = "",
    now: NowOption = None,
    seconds: Annotated[
        float, typer.Option("--seconds", "-s", min=0.1, max=600, help="How long to measure, about.")
    ] = 3.0,
    format: Annotated[
        Format, typer.Option("--format", "-f", help="`text` for people, `json` for programs.")
    ] = Format.text,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Measure how fast your policies decide: the requests of your tests, or one of your own.

    Three things are timed in turns, in this process. A decision is `decide(program, request, facts)` on a
    request that was parsed and whose facts were gathered. From bytes to bytes is all that the service does
    but HTTP. Reading and writing the same requests with Python's `json` is the yardstick: times are this
    machine's, while the share of the yardstick is much the same on another.

    Examples:

    - `pdp bench` — the requests of all tests below `policies`
    - `pdp bench policies -k ledger --seconds 10` — of some tests, and for longer
    - `pdp bench policies --request request.json` — one request
    - `pdp bench policies --format json > bench.json` — to compare with another day

    Exit codes: 0 measured, 1 errors in the policies, 2 no request to measure, or policies or settings that
    cannot be read.
    """
    place = locate(path, config)
    if request is not None and only:
        stop("give one of `--request` and `-k`", "see `pdp bench --help`")
    if request is None and now is not None:
        stop("a test says itself what time it is", "leave out `--now`, or give a request with `--request`")
    program, load = _loaded(place)
    left_out = 0
    if request is not None:
        asked = [given(place, program, read_request(request), read_time(now))]
    else:
        asked, left_out = requests_of_tests(place, only)
    source = f"the tests in {place.path}" if request is None else request
    paces = _measure(place, program, asked, seconds)
    measured = Measured(place, program, load, len(asked), left_out, source, paces)
    if format is Format.json:
        typer.echo(_document(measured))
    else:
        _table(measured)


def _loaded(place: Place) -> tuple[Program, float]:
    """The program that is served, and the seconds it took to load."""
    from pdp.language.parse import parse
    from pdp.language.source import Source

    # The parser is made once a process, whatever the policies are.
    parse(Source("", "", ""))
    began = perf_counter()
    program = serving(place)
    return program, perf_counter() - began


def _measure(place: Place, program: Program, asked: list[Asked], seconds: float) -> dict[str, Pace]:
    from rich.console import Console

    from pdp.decide import decide
    from pdp.point import OPERATOR, DecisionPoint

    point = DecisionPoint(program, place.settings)

    def answer(body: bytes, now: datetime) -> bytes:
        return point.answer(body, OPERATOR, now=now)

    lanes = {
        "decide": Lane(decide, [(program, one.request, one.facts) for one in asked]),
        "answer": Lane(answer, [(one.body, one.now) for one in asked]),
        "yardstick": Lane(lambda body: json.dumps(json.loads(body)), [(one.body,) for one in asked]),
    }
    console = Console(stderr=True)
    if not console.is_terminal:
        return measure(lanes, seconds)
    with console.status(f"measuring for {seconds:g} s"):
        return measure(lanes, seconds)


def _ratio(measured: Measured, lane: str) -> float:
    """How long a lane takes beside the yardstick."""
    return measured.paces["yardstick"].per_second / measured.paces[lane].per_second


def _document(measured: Measured) -> str:
    document = {
        "policies": {
            "path": str(measured.place.path),
            "rules": len(measured.program.rules),
            "digest": measured.program.digest,
            "load_seconds": round(measured.load, 6),
        },
        "requests": {"count": measured.requests, "left_out": measured.left_out},
        **{
            lane: {**asdict(pace), "of_yardstick": round(_ratio(measured, lane), 4)}
            for lane, pace in measured.paces.items()
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _table(measured: Measured) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("", "a second", "p50", "p99", "max", "of yardstick"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for lane, pace in measured.paces.items():
        times = [_duration(nanoseconds) for nanoseconds in (pace.p50_ns, pace.p99_ns, pace.max_ns)]
        share = f"{_ratio(measured, lane):.2f}×" if lane != "yardstick" else ""
        table.add_row(LANES[lane], f"{pace.per_second:,.0f}", *times, share)
    console.print(table)
    paint = painter(sys.stdout)
    size = count(len(measured.program.rules), "rule")
    typer.echo(f"{size} loaded in {_duration(round(measured.load * 1e9))}")
    source = "standard input" if measured.source == STANDARD_INPUT else measured.source
    typer.echo(f"{count(measured.requests, 'request')} of {source}")
    if measured.left_out:
        left_out = count(measured.left_out, "test")
        typer.echo(f"{paint('note:', 'doubt')} {left_out} left out: no rule is asked about what they request")


def _duration(nanoseconds: int) -> str:
    """`412 ns`, `53.1 µs`, `2.40 ms`: three digits and a unit."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            number = nanoseconds / size
            return f"{number:.{2 if number < 10 else 1 if number < 100 else 0}f} {unit}"
    return f"{nanoseconds} ns"
