"""`python -m benchmarks.run [CLAIM …]`: measures, prints tables with ratios, writes results and their chart.

An aim that is missed is told and ends nothing. A peer that decides other than pdp ends the run: the two do
different work then, and no ratio means anything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter

from rich.console import Console

from benchmarks.chart import draw
from benchmarks.measure import Progress, Scale
from benchmarks.peers import Missing, Wrong
from benchmarks.report import Outcome, keep, show

CLAIMS = ("decide", "growth", "service", "load", "evidence", "tokens")
RESULTS = Path(__file__).parent / "results.json"


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 when all was measured, 1 when it could not be, 2 for wrong usage."""
    asked = _arguments(arguments)
    # Where nobody looks at a terminal the tables keep their columns all the same.
    console = Console(width=None if sys.stdout.isatty() else 150)
    began = perf_counter()
    for name in asked.claims or CLAIMS:
        claim: Callable[[Progress, Scale], Outcome] = import_module(f"benchmarks.{name}").run
        try:
            outcome = claim(_progress(name), asked.scale)
        except (Missing, Wrong) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        show(console, outcome)
        if asked.results is not None:
            results = keep(asked.results, name, outcome)
            asked.results.with_suffix(".svg").write_text(draw(results))
    console.print(f"in {perf_counter() - began:.0f} s", style="dim", highlight=False)
    return 0


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run", description="Measure pdp beside its peers, in the same run."
    )
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=f"{', '.join(CLAIMS)}; left out: all")
    parser.add_argument(
        "--scale",
        type=Scale,
        choices=list(Scale),
        default=Scale.usual,
        help="`quick` only shows that all works; `whole` also loads what takes minutes",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="write results here, the chart beside; left out: benchmarks/results.json, nowhere if quick",
    )
    asked = parser.parse_args(arguments)
    for name in asked.claims:
        if name not in CLAIMS:
            parser.error(f"there is no claim `{name}`: {', '.join(CLAIMS)}")
    if asked.results is None and asked.scale is not Scale.quick:
        asked.results = RESULTS
    return asked


def _progress(name: str) -> Progress:
    """One line on standard error for each step, so that a run of minutes is seen to move."""
    return lambda step: print(f"  {name}: {step} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
