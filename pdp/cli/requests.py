"""The request a command is given: bytes from a file or standard input, and the time it is decided at.

Knows no policies. What cannot be read ends the command with exit code 2.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pdp.cli.terminal import stop

if TYPE_CHECKING:
    from pdp.access.request import RequestError

STANDARD_INPUT = "-"

REQUEST_HELP = "The request as JSON, as `/decide` takes it; `-` reads standard input."
NowOption = Annotated[
    str | None,
    typer.Option(
        "--now",
        metavar="TIME",
        help="Decide as of this time, as in `2026-11-24T10:00:00Z` or `2026-11-24`. Left out: now.",
        show_default=False,
    ),
]


def read_request(path: str) -> bytes:
    """The bytes of a request."""
    try:
        return sys.stdin.buffer.read() if path == STANDARD_INPUT else Path(path).read_bytes()
    except OSError as error:
        stop(f"cannot read `{path}`: {(error.strerror or 'unknown').lower()}")


def read_time(text: str | None) -> datetime | None:
    """The instant that `--now` names."""
    from pdp.access.request import RequestError
    from pdp.testing.cases import parse_time

    if text is None:
        return None
    try:
        return parse_time(text)
    except RequestError as error:
        stop(f"`--now {text}`: {error.detail}")


def refuse(error: RequestError) -> NoReturn:
    """End the command because the request is none."""
    stop(f"the request is not valid: {error.pointer} {error.detail}".replace(":  ", ": "))
