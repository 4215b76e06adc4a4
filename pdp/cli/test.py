"""`pdp test`: the tests of a policy folder, once or whenever something changes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from pdp.cli.policies import ConfigOption, PathArgument, Place, check_policies, locate, sound
from pdp.cli.terminal import painter, stop

if TYPE_CHECKING:
    from pdp.testing.cases import Trial
    from pdp.testing.report import Report
    from pdp.testing.run import Result

# Shorter runs are over before a progress line could be read.
_PATIENCE = 0.5


class Format(StrEnum):
    """How a report is written."""

    text = "text"
    json = "json"


def run_tests(
    path: PathArgument = None,
    only: Annotated[
        str,
        typer.Option(
            "-k",
            metavar="WORDS",
            help="Only tests whose module or name holds these words.",
            show_default=False,
        ),
    ] = "",
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a JUnit XML report, too.", show_default=False),
    ] = None,
    format: Annotated[
        Format, typer.Option("--format", "-f", help="`text` for people, `json` for programs.")
    ] = Format.text,
    coverage: Annotated[
        bool,
        typer.Option(
            "--coverage", help="Fail unless every rule is exercised both ways; name each that is not."
        ),
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Test again whenever a file changes.")] = False,
    config: ConfigOption = None,
) -> None:
    """Run the tests written in policies, in `*.test.policy` and in `*.cases.json`.

    Every assert is tried on the request of every test, and told with the test whose request breaks it. A rule
    is exercised both ways when one test lets it apply, and another, for its audience and action, does not.

    Examples:

    - `pdp test` — every test below `policies`
    - `pdp test policies -k ledger --watch` — some tests, again and again
    - `pdp test policies --junit results.xml --coverage` — for continuous integration

    Exit codes: 0 all passed, 1 a test or assert failed (with `--coverage`: or a rule is not exercised), or
    the policies have errors, 2 the policies or settings cannot be read.
    """
    place = locate(path, config)
    if watch:
        _watch(place, only, junit, format, coverage)
    raise typer.Exit(_once(place, only, junit, format, coverage))


def _once(place: Place, only: str, junit: Path | None, format: Format, coverage: bool) -> int:
    from pdp.cli.outcome import text
    from pdp.testing.cases import read_cases, selected, written
    from pdp.testing.junit import junit as xml
    from pdp.testing.report import json_text, summarize
    from pdp.testing.run import run

    checked = check_policies(place, serving=True)
    program = sound(checked)
    cases, sources = read_cases(place.path)
    trials: Sequence[Trial] = (*written(checked.policies.cases), *cases)
    if only:
        trials = selected(trials, only)
        if not trials:
            stop(f"no test holds `{only}` in its name")
    began = perf_counter()
    results = list(_followed(run(program, place.settings, trials), len(trials)))
    report = summarize(
        checked.policies,
        results,
        checked.sources | sources,
        seconds=perf_counter() - began,
        complete=not only,
    )
    if junit is not None:
        _save(junit, xml(report))
    if format is Format.json:
        typer.echo(json_text(report))
    else:
        typer.echo(text(report, painter(sys.stdout), place=str(place.path), every_rule=coverage))
    return 0 if report.passed and (not coverage or _exercised(report)) else 1


def _exercised(report: Report) -> bool:
    return report.coverage is None or report.coverage.complete


def _followed(results: Iterator[Result], total: int) -> Iterator[Result]:
    """The results, with a progress line on a terminal once the run has lasted a moment."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield from results
        return
    began = perf_counter()
    columns = (TextColumn("testing"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]}"))
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task("testing", total=total, failed="")
    failed = 0
    try:
        for result in results:
            failed += result.status != "passed"
            if not progress.live.is_started and perf_counter() - began > _PATIENCE:
                progress.start()
            progress.update(task, advance=1, failed=f"{failed:,} failed" if failed else "")
            yield result
    finally:
        progress.stop()


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        stop(f"cannot write `{path}`: {(error.strerror or 'unknown').lower()}")


def _watch(place: Place, only: str, junit: Path | None, format: Format, coverage: bool) -> None:
    from watchfiles import watch

    paint = painter(sys.stderr)
    again = iter(watch(place.path, raise_interrupt=False))
    while True:
        with suppress(typer.Exit):  # errors in the policies are told; the next change may cure them
            _once(place, only, junit, format, coverage)
        typer.echo(paint(f"watching {place.path}; end with Ctrl-C", "faint"), err=True)
        if next(again, None) is None:
            raise typer.Exit(0)
