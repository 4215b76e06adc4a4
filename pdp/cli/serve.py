"""`pdp serve`: answer requests over HTTP."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from pdp import settings as configuration
from pdp.cli.terminal import count, stop
from pdp.settings import Settings, SettingsError

log = logging.getLogger("pdp.service")


def serve(
    policies: Annotated[
        Path | None, typer.Argument(help="The policy folder, or one file.", show_default="policies")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="The configuration.", show_default="pdp.toml here, else beside the policies"),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Listen here.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="And on this port.", show_default="8181")] = None,
    uds: Annotated[Path | None, typer.Option(help="Listen on this Unix socket instead.")] = None,
    workers: Annotated[int | None, typer.Option(help="How many processes.", show_default="1")] = None,
) -> None:
    """Answer `POST /decide` over HTTP, and reload the policies when they change.

    Listens on loopback unless told otherwise. A broken edit never stops it: the last good policies keep
    deciding, and the log, `/readyz` and the metric `pdp_policy_stale` say so. SIGHUP reloads, SIGTERM lets
    requests under way finish. Only enforcement points named in the configuration may assert facts.

    - `pdp serve policies` — then see http://127.0.0.1:8181/docs
    - `pdp serve policies --workers 2 --host 0.0.0.0`
    - `PDP_DECISION_LOG__TO=stdout pdp serve policies`
    """
    if uds is not None and (host is not None or port is not None):
        stop("--uds listens on a socket instead of --host and --port", "leave one of them out")
    settings = read(policies, config, _given(host=host, port=port, uds=uds, workers=workers))
    raise typer.Exit(run(settings))


def read(policies: Path | None, config: Path | None, server: dict[str, Any]) -> Settings:
    """The settings a command asked for, or its end with exit code 2."""
    overrides: dict[str, Any] = {"server": server}
    if policies is not None:
        overrides["policies"] = {"path": policies}
    try:
        settings = configuration.read(config or configuration.find(policies), overrides)
    except SettingsError as error:
        where = f"{error.path}: " if error.path is not None else ""
        for problem in error.problems[:-1]:
            typer.echo(f"{where}{problem}", err=True)
        last = error.problems[-1]
        stop(f"{where}{last.key}: {last.message}", last.hint)
    if not settings.policies.path.exists():
        stop(f"there are no policies at {settings.policies.path}", "name the folder: `pdp serve FOLDER`")
    return settings


def run(settings: Settings) -> int:
    """Serve until told to stop; the exit code."""
    # Imported here: `pdp serve --help` needs no server.
    from pdp.service.listen import ListenError, listen
    from pdp.service.serve import serve as serve_alone
    from pdp.service.serve import to_stderr
    from pdp.service.supervisor import supervise

    to_stderr()
    try:
        listener = listen(settings.server)
    except ListenError as error:
        stop(str(error), "choose another with --port" if settings.server.uds is None else "")

    def ready(rules: int) -> None:
        where = listener.address
        log.info("deciding by %s from %s at %s", count(rules, "rule"), settings.policies.path, where)
        if not settings.enforcement_point:
            log.warning("no enforcement point is configured: nobody's credential or word is taken")

    try:
        return (supervise if settings.server.workers > 1 else serve_alone)(settings, listener.socket, ready)
    finally:
        listener.close()


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
