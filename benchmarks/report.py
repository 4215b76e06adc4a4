"""What a claim comes to: tables and aims for people, figures for machines. Knows of no measuring."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

ABSENT = "not measured: see below"
"""Stands where a peer's figures would."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under columns; all but the first column are set to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Aim:
    """What was to be reached and what was measured. `met` is None where it could not be told."""

    text: str
    measured: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One claim, measured. `figures` are JSON, in seconds, bytes and counts; `notes` are sentences."""

    tables: Sequence[Table]
    aims: Sequence[Aim]
    figures: dict[str, Any]
    notes: Sequence[str] = field(default=())


def show(console: Console, outcome: Outcome) -> None:
    """Prints a claim."""
    for table in outcome.tables:
        # Not cut where it is wider than the terminal: a number without its unit says nothing.
        grid = Grid(title=table.title, title_justify="left", title_style="bold", header_style="bold")
        for number, column in enumerate(table.columns):
            grid.add_column(column, justify="right" if number else "left", no_wrap=True)
        for row in table.rows:
            grid.add_row(*map(Text, row))
        console.print(grid)
    for note in outcome.notes:
        console.print(Text(f"  {note}", style="dim"))
    for aim in outcome.aims:
        word, style = {True: ("met", "green"), False: ("MISSED", "red"), None: ("not told", "yellow")}[
            aim.met
        ]
        console.print(
            Text(f"  {word:<8} ", style=style).append(f"{aim.text}: {aim.measured}", style="default")
        )
    console.print()


def document(outcome: Outcome) -> dict[str, Any]:
    """A claim as JSON."""
    aims = [{"aim": aim.text, "measured": aim.measured, "met": aim.met} for aim in outcome.aims]
    return {"machine": machine(), "figures": outcome.figures, "aims": aims, "notes": list(outcome.notes)}


def keep(path: Path, name: str, outcome: Outcome) -> dict[str, Any]:
    """Writes a claim into the results at `path`, beside the claims that are there; gives all of them."""
    results = json.loads(path.read_text()) if path.exists() else {}
    results[name] = document(outcome)
    path.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    return results


def absences(missing: Mapping[str, str]) -> list[str]:
    """The notes on peers that were not measured, or not everywhere, and why."""
    return [f"{name}: {reason}" for name, reason in missing.items()]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "pdp": version("pdp"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def duration(seconds: float) -> str:
    """`412 ns`, `2.03 µs`, `53.1 µs`, `1.25 s`: three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{_three(seconds / size)} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def size(count: float) -> str:
    """`812 B`, `1.93 KiB`, `14.2 MiB`."""
    for unit, unit_size in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if abs(count) >= unit_size:
            return f"{_three(count / unit_size)} {unit}"
    return f"{count:.0f} B"


def times(ratio: float) -> str:
    """`0.85×`, `12.4×`, `2,400×`."""
    return f"{_three(ratio)}×"


def _three(number: float) -> str:
    return f"{number:,.{2 if abs(number) < 10 else 1 if abs(number) < 100 else 0}f}"
