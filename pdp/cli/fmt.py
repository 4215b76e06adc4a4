"""`pdp fmt`: policies in one layout."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pdp.cli.policies import PathArgument
from pdp.cli.terminal import Paint, count, has_color, painter, stop

if TYPE_CHECKING:
    from pdp.files import PolicyFile
    from pdp.language.diagnostic import Diagnostic
    from pdp.language.source import Source


def fmt(
    path: PathArgument = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if a file would be changed.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Change nothing; show what would be changed.")] = False,
) -> None:
    """Bring policies into the one layout that all policies have. Comments stay where they belong.

    A file with a syntax error is left as it is. `-` formats standard input to standard output.

    Examples:

    - `pdp fmt` — every file below `policies`
    - `pdp fmt teams/ledger.policy` — one file
    - `pdp fmt policies --check --diff` — for continuous integration

    Exit codes: 0 all is well, 1 a file would be changed (`--check`) or cannot be parsed, 2 unreadable.
    """
    from pdp.files import read_files

    changed: list[str] = []
    broken = 0
    paint = painter(sys.stdout)
    path = path or _default()
    if path == Path("-"):
        _stream()
        return
    try:
        files = read_files(path, tests=True)
    except OSError as error:
        stop(f"cannot read `{error.filename or path}`: {(error.strerror or 'unknown').lower()}")
    if not files:
        stop(f"there is no policy in `{path}`", "the name of a policy file ends in `.policy`")
    for file in files:
        old, new = _formatted(file.path, file.module, file.data)
        if new is None:
            broken += 1
        elif new != old:
            changed.append(file.path)
            if diff:
                typer.echo("".join(_diff(file, old, new, paint)), nl=False)
            elif check:
                typer.echo(f"would be formatted: {file.path}")
            else:
                _write(Path(file.path), new)
                typer.echo(f"formatted: {file.path}")
    verb = "would be formatted" if check or diff else "formatted"
    typer.echo(
        f"{count(len(changed), 'file')} {verb}, {len(files) - len(changed) - broken} left as they were"
    )
    raise typer.Exit(1 if broken or (check and changed) else 0)


def _default() -> Path:
    from pdp.cli.policies import locate

    return locate(None, None).path


def _stream() -> None:
    old, new = _formatted("standard input", "stdin", sys.stdin.buffer.read())
    typer.echo(old if new is None else new, nl=False)
    raise typer.Exit(1 if new is None else 0)


def _formatted(path: str, module: str, data: bytes) -> tuple[str, str | None]:
    """The text as it is, and as it should be; None where it cannot be parsed, which is told."""
    from pdp.language.format import format
    from pdp.language.parse import decode, parse

    source, problems = decode(path, module, data)
    if problems:
        _tell(source, problems)
        return source.text, None
    tree, problems = parse(source)
    if problems:
        _tell(source, problems)
        return source.text, None
    text = format(tree, source)
    if parse(type(source)(path, module, text))[0] != tree:
        # A layout that changes the meaning would be our defect; the author's file must not suffer for it.
        stop(f"`{path}` was left as it is: formatting it would change its meaning", "please report this")
    return source.text, text.replace("\n", "\r\n") if "\r\n" in source.text else text


def _tell(source: Source, problems: tuple[Diagnostic, ...]) -> None:
    from pdp.language.render import text

    # With an empty line behind it, for the problems of the next file or the summary.
    typer.echo(text(problems, {source.path: source}, color=has_color(sys.stderr)) + "\n", err=True)


def _diff(file: PolicyFile, old: str, new: str, paint: Paint) -> Iterator[str]:
    styles = {"+": "good", "-": "bad", "@": "place"}
    for line in unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), file.path, f"{file.path} (formatted)"
    ):
        text = line.removesuffix("\n")
        yield (paint(text, styles[line[0]]) if line[0] in styles else text) + "\n"


def _write(path: Path, text: str) -> None:
    """Replaces the file as a whole, so that nobody (a server that watches it, say) reads half of it."""
    target = path.resolve()
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
            os.chmod(name, target.stat().st_mode & 0o7777)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        stop(f"cannot write `{path}`: {(error.strerror or 'unknown').lower()}")
