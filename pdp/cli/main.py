"""`pdp`: the table of commands. One file per command; a command is imported when it is asked for.

Knows what the commands are called and nothing of what they do, so that `pdp check` never pays for a server.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

# In the order in which a newcomer needs them.
COMMANDS = {
    "check": ("pdp.cli.check", "check"),
    "test": ("pdp.cli.test", "run_tests"),
    "fmt": ("pdp.cli.fmt", "fmt"),
    "decide": ("pdp.cli.decide", "decide"),
    "explain": ("pdp.cli.explain", "explain"),
    "serve": ("pdp.cli.serve", "serve"),
    "config": ("pdp.cli.config", "app"),
    "trust": ("pdp.cli.trust", "app"),
    "keys": ("pdp.cli.keys", "app"),
    "revoke": ("pdp.cli.revoke", "revoke"),
    "state": ("pdp.cli.state", "app"),
    "bench": ("pdp.cli.bench", "bench"),
    "version": ("pdp.cli.version", "version"),
}


class _Commands(MutableMapping[str, Any]):
    """The commands by name, each imported on first use."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            module, attribute = COMMANDS[name]
            self._made[name] = _command(name, getattr(import_module(module), attribute))
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, (module, _) in COMMANDS.items() if find_spec(module) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _command(name: str, declared: Any) -> Any:
    """A command from what its file declares: a function, or a typer app for a command with commands below."""
    if not isinstance(declared, typer.Typer):
        holder = _app(add_completion=False)
        holder.command(name)(declared)
        declared = holder
    command = get_command(declared)
    command.name = name
    return command


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()


def _app(**options: Any) -> typer.Typer:
    return typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False, **options)


app = _app(cls=_Group, name="pdp", no_args_is_help=True)
app.info.context_settings = {"help_option_names": ["-h", "--help"]}


@app.callback(context_settings={"help_option_names": ["-h", "--help"]})
def pdp() -> None:
    """A policy decision point: who may do what, to which service, in which context, for which task.

    Start here:

    - `pdp check policies` — find every mistake in a folder of policies
    - `pdp test policies` — run the tests written beside the rules
    - `pdp decide --policies policies --request request.json` — decide one request
    - `pdp explain --policies policies --request request.json` — and see why
    - `pdp serve policies` — answer requests over HTTP

    Exit codes: 0 all is well, 1 findings or failures, 2 the command itself could not run.
    """


def main() -> None:
    """The entry point of the `pdp` script."""
    # A policy may hold any character; a terminal that cannot show one must not stop the report.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app(prog_name="pdp")
