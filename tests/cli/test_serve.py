"""`pdp serve`, as far as it can be told without a server; `tests/service` starts real ones."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from pdp.cli.serve import read
from pdp.settings import Settings


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere",), "there are no policies at nowhere"),
        (("--config", "nowhere.toml"), "cannot be read: No such file or directory"),
        (("--port", "70000"), "server.port: must be at most 65535"),
        (("--workers", "0"), "server.workers: must be at least 1"),
        (("--uds", "pdp.sock", "--port", "1"), "--uds listens on a socket instead of --host and --port"),
        (("--uds", "pdp.sock", "--host", "::1"), "--uds listens on a socket instead of --host and --port"),
        (("--uds", "nowhere/pdp.sock"), "cannot listen on nowhere/pdp.sock: No such file or directory"),
        (("--host", "nowhere.invalid"), "cannot listen on nowhere.invalid port 8181: "),
    ],
)
def test_what_cannot_be_served_is_wrong_usage(run: Any, arguments: tuple[str, ...], says: str) -> None:
    result = run("serve", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_all_problems_of_the_settings_are_told(run: Any, estate: Path) -> None:
    (estate / "pdp.toml").write_text("[server]\nprot = 1\n[limits]\nbody = 0\n")
    result = run("serve")
    assert result.exit_code == 2
    assert result.stderr == (
        "pdp.toml: server.prot: is no setting (did you mean `port`?)\n"
        "error: pdp.toml: limits.body: must be at least 1\n"
    )


def test_a_port_that_is_taken_comes_with_a_cure(run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("serve", "--port", port)
    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in result.stderr
    assert "choose another with --port" in result.stderr


def test_options_win_over_the_file_and_the_argument_over_its_path(estate: Path) -> None:
    (estate / "policies/pdp.toml").write_text(
        '[server]\nport = 1\nworkers = 2\n[policies]\npath = "elsewhere"\n'
    )
    made = read(Path("policies"), None, {"port": 3})
    assert (made.server.port, made.server.workers, made.policies.path) == (3, 2, Path("policies"))


def test_without_any_word_the_policies_here_are_served_on_loopback(estate: Path) -> None:
    assert read(None, None, {}) == Settings()
    (estate / "pdp.toml").write_text('[policies]\npath = "policies/payments.policy"\n')
    assert read(None, None, {}).policies.path == Path("policies/payments.policy")


def test_its_help_teaches(run: Any) -> None:
    result = run("serve", "--help")
    assert result.exit_code == 0
    for word in ("/decide", "/readyz", "SIGHUP", "SIGTERM", "--workers", "--uds", "enforcement points"):
        assert word in result.output
