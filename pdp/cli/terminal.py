"""What the commands say to people: colour only on a terminal, errors on one line. Knows no policies."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn, TextIO, TypeAlias

import typer

Paint: TypeAlias = Callable[[str, str], str]
"""`paint(text, style)`: the text in a style of `STYLES`, or as it is where there is no colour."""

STYLES = {
    "good": "32",
    "bad": "31",
    "doubt": "33",
    "strong": "1",
    "faint": "2",
    "place": "36",
}


def has_color(stream: TextIO) -> bool:
    """Whether to colour what is written to `stream`: a terminal, and nobody asked not to (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painter(stream: TextIO) -> Paint:
    """How to paint for `stream`."""
    return _painted if has_color(stream) else _plain


def stop(message: str, hint: str = "") -> NoReturn:
    """End the command as one that could not run: exit code 2."""
    paint = painter(sys.stderr)
    typer.echo(f"{paint('error:', 'bad')} {message}", err=True)
    if hint:
        typer.echo(f"{paint('hint:', 'doubt')} {hint}", err=True)
    raise typer.Exit(2)


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 rule`, `2 rules`, `1,000 rules`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _painted(text: str, style: str) -> str:
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m"


def _plain(text: str, style: str) -> str:
    return text
