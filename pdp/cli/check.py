"""`pdp check`: every finding about policy text, for people and for machines."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pdp.cli.policies import ConfigOption, PathArgument, check_policies, locate
from pdp.cli.terminal import count, has_color, painter

if TYPE_CHECKING:
    from pdp.load import Checked


class Format(StrEnum):
    """How findings are written."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"


def check(
    path: PathArgument = None,
    format: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            help="`text` for people, `json`, `sarif` for code scanners, `github` for annotations.",
        ),
    ] = Format.text,
    config: ConfigOption = None,
) -> None:
    """Find every mistake in a folder of policies, tests included.

    All problems of all files are told at once, each with its code, its place and, where known, the cure.

    Examples:

    - `pdp check` — the folder that `pdp.toml` names, else `policies`
    - `pdp check teams/ledger.policy` — one file
    - `pdp check policies --format sarif > findings.sarif` — for a code scanner
    - `pdp check policies --format github` — annotations in a GitHub workflow

    Exit codes: 0 no errors (warnings may be told), 1 errors, 2 the policies or settings cannot be read.
    """
    from pdp.language import render

    checked = check_policies(locate(path, config))
    match format:
        case Format.text:
            if checked.diagnostics:
                color = has_color(sys.stdout)
                typer.echo(render.text(checked.diagnostics, checked.sources, color=color) + "\n")
            typer.echo(_summary(checked))
        case Format.json:
            typer.echo(render.json(checked.diagnostics, checked.sources))
        case Format.sarif:
            typer.echo(render.sarif(checked.diagnostics, checked.sources))
        case Format.github:
            if checked.diagnostics:
                typer.echo(render.github(checked.diagnostics, checked.sources))
    raise typer.Exit(1 if checked.errors else 0)


def _summary(checked: Checked) -> str:
    paint = painter(sys.stdout)
    errors, warnings = len(checked.errors), len(checked.diagnostics) - len(checked.errors)
    size = f"{count(len(checked.policies.rules), 'rule')} in {count(len(checked.sources), 'file')}"
    if not checked.diagnostics:
        return f"{paint('no problems', 'good')}: {size}"
    found = [count(errors, "error")] * bool(errors) + [count(warnings, "warning")] * bool(warnings)
    return f"{paint(', '.join(found), 'bad' if errors else 'doubt')}: {size}"
