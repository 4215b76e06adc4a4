"""`pdp state`: the file in which a service keeps what it acknowledged: whether it is whole, and its room."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pdp.cli.kept import check_format, settings_of, state_file
from pdp.cli.policies import ConfigOption
from pdp.cli.terminal import count, painter, stop

if TYPE_CHECKING:
    from pdp.state.upkeep import Condition

app = typer.Typer(
    help="Check the file of the state, and give back its room.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

FormatOption = Annotated[str, typer.Option(help="`text` or `json`.")]


@app.callback()
def state() -> None:
    pass


@app.command()
def check(config: ConfigOption = None, format: FormatOption = "text") -> None:
    """Read the whole file, and tell whether all of it is sound. Services may go on meanwhile.

    - `pdp state check`
    - `pdp state check --config pdp.toml --format json`

    Exit codes: 0 it is sound, 1 it is damaged or of another version, 2 no valid settings, or no state.
    """
    from pdp.state.store import StoreError
    from pdp.state.upkeep import examine

    check_format(format)
    path = state_file(settings_of(config), "the state has no file")
    try:
        found = examine(path, time.time())
    except StoreError as error:
        stop(f"`{path}` is no state: {error}")
    if format == "json":
        typer.echo(json.dumps(_told(path, found), indent=2))
    else:
        paint = painter(sys.stdout)
        typer.echo(f"{paint(str(path), 'strong')}: {_text(found)}")
        for problem in found.problems:
            typer.echo(f"  {paint('problem:', 'bad')} {problem}")
        typer.echo(count(len(found.problems), "problem") if found.problems else "it is sound")
    raise typer.Exit(1 if found.problems else 0)


@app.command()
def vacuum(config: ConfigOption = None, format: FormatOption = "text") -> None:
    """Take away what has ended, and make the file as small as can be.

    A service takes away what has ended by itself, and uses its room again; this is for a file that was once
    much larger than it will be. While it runs, nothing can be written: services deny what they would have to
    remember, which for a large file is longer than a moment.

    - `pdp state vacuum`

    Exit codes: 0 it is done, 1 the file is damaged or in use, 2 no valid settings, or no state.
    """
    from pdp.state.store import StoreError
    from pdp.state.upkeep import examine
    from pdp.state.upkeep import vacuum as make_small

    check_format(format)
    path = state_file(settings_of(config), "the state has no file")
    try:
        examine(path, time.time())
    except StoreError as error:
        stop(f"`{path}` is no state: {error}")
    try:
        before, after = make_small(path, time.time())
    except StoreError as error:
        typer.echo(f"{painter(sys.stderr)('error:', 'bad')} {error}", err=True)
        raise typer.Exit(1) from None
    if format == "json":
        typer.echo(json.dumps({"before": _told(path, before), "after": _told(path, after)}, indent=2))
    else:
        typer.echo(f"{painter(sys.stdout)(str(path), 'strong')}: {_text(before)}")
        typer.echo(f"  now: {_text(after)}")


def _told(path: Path, found: Condition) -> dict[str, Any]:
    return {"path": str(path), **asdict(found)}


def _text(found: Condition) -> str:
    entries = count(found.entries, "entry", "entries")
    return (
        f"{entries}, {found.ended:,} of them ended, in {found.size:,} bytes of which {found.free:,} are free"
    )
