"""`pdp revoke`: what was issued counts no longer, from this moment on, with all that came of it."""

from __future__ import annotations

import getpass
import json
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from pdp.cli.kept import check_format, settings_of, state_file
from pdp.cli.policies import ConfigOption
from pdp.cli.terminal import stop

# What more than one party lives by: a slip of the hand must not end it.
_MASS = frozenset({"issuer", "all"})
# What is revoked by these was meant for good: whatever says later that it was issued after is no better.
_FOR_GOOD = frozenset({"token", "credential", "key", "task"})


def revoke(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="`token`, `credential`, `caller`, `party`, `issuer`, `key`, `client`, `task`, `all`; or "
            "what an issuer says of a subject: `subject`, `session`, `email`, `tenant`.",
        ),
    ],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="What it is called; see below.")
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Revoke what was issued before, as in 2026-11-25T10:00:00Z. Left out: now; for good where "
            "the kind is `token`, `credential`, `key` or `task`.",
            show_default=False,
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept beside.")] = "",
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it may be forgotten. Left out: never.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Needed for `issuer` and `all`.")] = False,
    config: ConfigOption = None,
    format: Annotated[str, typer.Option(help="`text` or `json`.")] = "text",
) -> None:
    """Revoke credentials, and whatever was exchanged for them.

    When the command has ended, no worker on this machine allows anything with them. Nothing takes a
    revocation back; who is let in again gets what is issued later.

    - `pdp revoke token https://sts.example 7f1c…` — a token, by its issuer and id
    - `pdp revoke caller spiffe://prod.example/ns/batch/sa/nightly` — all of a caller; `party`: also where
      others act for it, or acted before
    - `pdp revoke key NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs` — all that a key signed, or is bound to
    - `pdp revoke issuer https://sts.example --before 2026-11-25T10:00:00Z --yes` — all it issued until then
    - `pdp revoke all --yes` — everything

    Exit codes: 0 it is revoked, 2 it cannot be: no valid settings or state, or not what the kind takes.
    """
    from pdp.state.sqlite import SqliteStore
    from pdp.state.store import StoreError
    from pdp.tasks.outbox import Outbox
    from pdp.tasks.revocation import FIELDS, KINDS, Revocations

    check_format(format)
    known = next((one for one in KINDS if one == kind), None)
    if known is None:
        stop(f"`{kind}` is nothing to revoke by", f"use one of {', '.join(KINDS)}")
    values = names or []
    if len(values) != FIELDS[known] or not all(values):
        stop(f"`{kind}` takes {_count(FIELDS[known])}, and got {len(values)}", "see `pdp revoke --help`")
    if known in _MASS and not yes:
        stop(f"`pdp revoke {kind}` revokes for many at once", "say --yes if that is what you mean")
    now = time.time()
    earliest = float("inf") if known in _FOR_GOOD else now
    if before is not None:
        earliest = _time(before, "--before")
    ends = None if until is None else _time(until, "--until")
    if ends is not None and ends <= now:
        stop("`--until` has passed", "nothing would be revoked")
    settings = settings_of(config)
    path = state_file(settings, "revocations are kept in the state, and it has no file")
    try:
        store = SqliteStore(path)
        try:
            Revocations(store, Outbox(settings.receiver)).revoke(
                known, *values, before=earliest, by=_who(), reason=reason, until=ends, seconds=now
            )
        finally:
            store.close()
    except StoreError as error:
        stop(str(error))
    said = None if earliest == float("inf") else _text(earliest)
    if format == "json":
        told = {"kind": kind, "names": values, "before": said, "until": None if ends is None else _text(ends)}
        typer.echo(json.dumps({**told, "reason": reason, "by": _who()}, indent=2))
    else:
        when = "for good" if said is None else f"issued before {said}"
        typer.echo(f"revoked: {' '.join((kind, *values))}, {when}")


def _time(text: str, option: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        stop(f"`{option} {text}` is no time with its offset", "write it as 2026-11-25T10:00:00Z")
    return found.timestamp()


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _who() -> str:
    try:
        return f"operator {getpass.getuser()}"
    except (OSError, KeyError):
        return "operator"


def _count(number: int) -> str:
    return {0: "no name", 1: "one name", 2: "two names"}[number]
