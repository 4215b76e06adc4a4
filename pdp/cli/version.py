"""`pdp version`: which pdp this is."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed

import typer


def version() -> None:
    """Show the version of pdp and of the Python that runs it."""
    typer.echo(f"pdp {installed('pdp')} (Python {platform.python_version()})")
