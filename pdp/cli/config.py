"""`pdp config`: what is configured, and whether it can be."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from pdp import settings as configuration
from pdp.cli.terminal import count, painter, stop
from pdp.settings import Settings, SettingsError

app = typer.Typer(
    help="Show or check the configuration: `pdp.toml` and the environment.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Config = Annotated[
    Path | None, typer.Option("--config", help="The configuration.", show_default="pdp.toml, if there is one")
]


@app.command()
def show(
    config: Config = None, format: Annotated[str, typer.Option(help="`toml` or `json`.")] = "toml"
) -> None:
    """Print every setting as it is in force, defaults and environment included."""
    if format not in ("toml", "json"):
        stop(f"`{format}` is no format", "use --format toml or --format json")
    settings = _read(config)
    values = settings.model_dump(mode="json", exclude_none=True)
    typer.echo(json.dumps(values, indent=2) if format == "json" else toml(values), nl=format == "json")


@app.command()
def check(config: Config = None) -> None:
    """Tell every problem of the configuration. Exit code 0 when there is none, else 1."""
    path = config or configuration.find()
    try:
        configuration.read(path)
    except SettingsError as error:
        paint = painter(sys.stdout)
        where = f"{error.path}: " if error.path is not None else ""
        for problem in error.problems:
            typer.echo(f"{where}{paint(problem.key, 'strong')}: {problem.message}")
            if problem.hint:
                typer.echo(f"  {paint('hint:', 'doubt')} {problem.hint}")
        typer.echo(count(len(error.problems), "problem"))
        raise typer.Exit(2 if path is not None and not path.is_file() else 1) from None
    typer.echo(f"{path or 'no file, only defaults and environment'}: ok")


def _read(config: Path | None) -> Settings:
    try:
        return configuration.read(config or configuration.find())
    except SettingsError as error:
        stop(str(error), "`pdp config check` tells each problem on its own")


def toml(values: dict[str, Any]) -> str:
    """Settings as the text of a `pdp.toml`."""
    lines: list[str] = []
    for section, content in values.items():
        tables = content if isinstance(content, list) else [content]
        for table in tables:
            head = f"[[{section}]]" if isinstance(content, list) else f"[{section}]"
            lines.append(head)
            lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
            lines.append("")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        # Keys that people name, as audiences and claims are, may hold any sign.
        inner = ", ".join(f"{_toml(key)} = {_toml(member)}" for key, member in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, datetime):
        return value.isoformat()
    # JSON's escapes of strings, numbers and booleans are TOML's too, which wants one more.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
