"""The policies a command works on: where they are, under which settings, and whether they are sound.

Knows where policies and `pdp.toml` are looked for. What it cannot open ends the command with exit code 2.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pdp.cli.terminal import has_color, stop

if TYPE_CHECKING:
    from pdp.language.diagnostic import Diagnostic
    from pdp.language.source import Source
    from pdp.load import Checked
    from pdp.point import DecisionPoint
    from pdp.program.program import Program
    from pdp.settings import Settings

DEFAULT = Path("policies")

PathArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PATH]",
        help="A folder of policies, or one file. Left out: the `path` of `pdp.toml`, else `policies`.",
        show_default=False,
    ),
]
PoliciesOption = Annotated[
    Path | None,
    typer.Option(
        "--policies",
        "-p",
        metavar="PATH",
        help="A folder of policies, or one file. Left out: the `path` of `pdp.toml`, else `policies`.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The settings. Left out: `pdp.toml` here, else beside the policies.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the policies are, and the settings that hold for them."""

    path: Path
    settings: Settings


def locate(path: Path | None, config: Path | None) -> Place:
    """The policies at `path`, or those that the settings name. Exit code 2 where there are none."""
    from pdp.settings import SettingsError, find, read

    try:
        settings = read(config or find(path or DEFAULT))
    except SettingsError as error:
        where = f"{error.path}: " if error.path else ""
        stop("the settings cannot be used\n" + "\n".join(f"  {where}{problem}" for problem in error.problems))
    path = path or settings.policies.path
    if not path.exists():
        stop(f"there is no `{path}`", "name the folder of your policies, as in `pdp check my/policies`")
    return Place(path, settings)


def check_policies(place: Place, *, serving: bool = False) -> Checked:
    """Everything at a place, checked, tests too. Exit code 2 where it cannot be read or holds no policy.

    With `serving`, findings count as they do for a server, which a passed sunset does not stop.
    """
    from pdp.load import SERVING, check_folder

    options = place.settings.policies
    lower = {**SERVING, **options.lower} if serving else options.lower
    try:
        checked = check_folder(place.path, strict=options.strict, max_rules=options.max_rules, lower=lower)
    except OSError as error:
        stop(f"cannot read `{error.filename or place.path}`: {(error.strerror or 'unknown').lower()}")
    if not checked.sources:
        stop(f"there is no policy in `{place.path}`", "the name of a policy file ends in `.policy`")
    return checked


def sound(checked: Checked) -> Program:
    """The program of checked policies. Exit code 1, with every error told, where they have any."""
    from pdp.load import compile

    if checked.errors:
        _tell(checked.errors, checked.sources)
    return compile(checked)


def serving(place: Place) -> Program:
    """The program that a server would load: without tests, and so without what is wrong in them."""
    from pdp.language.diagnostic import PolicyError
    from pdp.load import SERVING, Loader

    options = place.settings.policies
    lower = {**SERVING, **options.lower}
    try:
        loader = Loader(place.path, strict=options.strict, max_rules=options.max_rules, lower=lower)
        return loader.load()
    except PolicyError as error:
        _tell([one for one in error.diagnostics if one.severity == "error"], error.sources)
    except OSError as error:
        stop(f"cannot read `{error.filename or place.path}`: {(error.strerror or 'unknown').lower()}")


def deciding(place: Place, program: Program) -> DecisionPoint:
    """The point that decides for a command, as a server would, but that nothing is used up by it.

    The keys of who is believed are read now; what was revoked and how tasks stand is asked of the state.
    """
    import asyncio

    from pdp.point import DecisionPoint
    from pdp.state.memory import MemoryStore
    from pdp.state.replay import Replay
    from pdp.state.sqlite import SqliteStore
    from pdp.state.store import Store, StoreError
    from pdp.state.untouched import Untouched
    from pdp.tasks.known import Knowledge
    from pdp.trusted import Trusted

    settings = place.settings
    trusted = Trusted(settings)
    asyncio.run(trusted.sources.first())
    state = settings.state.path
    store: Store = MemoryStore()
    if state is not None and state.exists():
        try:
            store = SqliteStore(state)
        except StoreError as error:
            stop(f"the state cannot be used: {error}")
    untouched = Untouched(store)
    return DecisionPoint(
        program,
        settings,
        verifier=trusted.verifier,
        replay=Replay(untouched),
        knowledge=Knowledge(untouched),
    )


def _tell(errors: Sequence[Diagnostic], sources: Mapping[str, Source]) -> NoReturn:
    from pdp.language.render import text

    typer.echo(text(errors, sources, color=has_color(sys.stderr)), err=True)
    raise typer.Exit(1)
