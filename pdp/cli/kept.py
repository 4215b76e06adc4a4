"""The state that a command works on: the file that the settings name. Exit code 2 where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pdp.cli.policies import DEFAULT
from pdp.cli.terminal import stop

if TYPE_CHECKING:
    from pdp.settings import Settings


def settings_of(config: Path | None) -> Settings:
    """The settings that a command without policies works by."""
    from pdp.settings import SettingsError, find, read

    try:
        return read(config or find(DEFAULT))
    except SettingsError as error:
        stop(str(error), "`pdp config check` tells each problem on its own")


def state_file(settings: Settings, without: str) -> Path:
    """The file of the state. `without` is what to say where the settings name none."""
    path = settings.state.path
    if path is None:
        stop(without, "set `path` of `[state]`")
    if not path.is_file():
        stop(f"there is no `{path}`", "`pdp serve` makes it")
    return path


def check_format(format: str) -> None:
    """Ends the command where there is no such format."""
    if format not in ("text", "json"):
        stop(f"`{format}` is no format", "use --format text or --format json")
