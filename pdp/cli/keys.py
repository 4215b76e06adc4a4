"""`pdp keys`: the keys that sign what is minted: which there are, and their change out of turn."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pdp.cli.kept import check_format, settings_of, state_file
from pdp.cli.policies import ConfigOption
from pdp.cli.terminal import painter, stop

if TYPE_CHECKING:
    from pdp.tasks.signing import SigningKeys

app = typer.Typer(
    help="List, rotate and retire the keys that sign what is minted.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

FormatOption = Annotated[str, typer.Option(help="`text` or `json`.")]
Record = dict[str, Any]


@app.callback()
def keys() -> None:
    pass


@app.command("list")
def list_keys(config: ConfigOption = None, format: FormatOption = "text") -> None:
    """Show each key: what it is for now, since when it is published, and when it signs.

    - `pdp keys list`
    - `pdp keys list --config pdp.toml --format json`

    Exit codes: 0 a key signs, 1 none does, 2 no valid settings or state.
    """
    with _opened(config, format) as keys:
        _tell(keys, time.time(), format)


@app.command()
def rotate(config: ConfigOption = None, format: FormatOption = "text") -> None:
    """Have the next key sign from now on, out of turn.

    Every process that serves learns of it within a second. What was signed before is still good. Where the
    next key was not published for long, it is told when the last of those who fetched the keys before it will
    have fetched them again; until then they may refuse what it signs.

    - `pdp keys rotate`

    Exit codes: 0 it signs, 2 no valid settings or state, or no other key.
    """
    with _opened(config, format) as keys:
        now = time.time()
        keys.rotate(now)
        _tell(keys, now, format)


@app.command()
def retire(
    kid: Annotated[str, typer.Argument(metavar="KID", help="The key, as `pdp keys list` calls it.")],
    compromised: Annotated[
        bool, typer.Option("--compromised", help="Publish it no more, too: what it signed is worth nothing.")
    ] = False,
    config: ConfigOption = None,
    format: FormatOption = "text",
) -> None:
    """Sign with a key no more. If it is the one that signs now, the next one does.

    What it signed is still good, unless it is compromised.

    - `pdp keys retire NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --compromised`

    Exit codes: 0 it is retired and another signs, 1 there is no such key, or none signs now, 2 no valid
    settings or state.
    """
    with _opened(config, format) as keys:
        now = time.time()
        if not keys.retire(kid, now, compromised=compromised):
            _fail(f"there is no key `{kid}`")
        _tell(keys, now, format)


@contextmanager
def _opened(config: Any, format: str) -> Iterator[SigningKeys]:
    """The signing keys of the settings; exit code 2 where they cannot be had."""
    from pdp.state.sqlite import SqliteStore
    from pdp.state.store import StoreError
    from pdp.tasks.signing import signing_keys

    check_format(format)
    settings = settings_of(config)
    path = state_file(settings, "signing keys are kept in the state, and it has no file")
    try:
        store = SqliteStore(path)
        try:
            yield signing_keys(settings.mint, path, store)
        finally:
            store.close()
    except StoreError as error:
        stop(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo(f"{painter(sys.stderr)('error:', 'bad')} {message}", err=True)
    raise typer.Exit(1)


def _tell(keys: SigningKeys, seconds: float, format: str) -> None:
    from pdp.tasks.keyring import NEVER, state

    known = keys.known(seconds)
    told = [
        {
            "kid": key.kid,
            "state": state(key, known, seconds),
            "algorithm": key.algorithm,
            "published": _time(key.published),
            "known": _time(key.published + keys.max_age),
            "signs": None if key.begins == NEVER else _time(key.begins),
            "until": None if key.until is None else _time(key.until),
            "kept": "elsewhere" if key.kept is None else "wrapped" if key.kept else "no more",
        }
        for key in known
    ]
    if format == "json":
        typer.echo(json.dumps({"keys": told}, indent=2))
    else:
        now = _time(seconds)
        for one in told:
            typer.echo(_line(one, now))
    if not any(one["state"] == "signing" for one in told):
        _fail("no key signs")


def _line(one: Record, now: str) -> str:
    match one["state"]:
        case "next":
            style, when = "doubt", f"from {one['signs']}" if one["signs"] else "when it is told to"
        case "signing":
            style, when = "good", f"since {one['signs']}"
            # Times in one form sort as texts.
            when += f", known everywhere from {one['known']}" if one["known"] > now else ""
        case _:
            style = "faint"
            when = f"published until {one['until']}" if one["until"] else "about to be retired"
    shown = painter(sys.stdout)(f"{one['state']:<8}", style)
    return f"{shown} {one['kid']} {one['algorithm']:<6} {when}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
