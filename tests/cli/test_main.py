"""The command itself: what it offers, how it ends, and what it does not load."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest

from pdp.cli.main import COMMANDS, app


def test_help_names_every_command_and_where_to_start(run: Any) -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f" {name} " in result.output
    assert "pdp check policies" in result.output


def test_without_arguments_help_is_shown_and_the_usage_was_wrong(run: Any) -> None:
    result = run()
    assert result.exit_code == 2
    assert "Start here" in result.output


@pytest.mark.parametrize("command", ["check", "test", "fmt", "decide", "explain", "bench"])
def test_the_help_of_a_command_has_examples_and_exit_codes(run: Any, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"pdp {command}" in result.output
    assert "Exit codes" in result.output


def test_a_misspelt_command_gets_a_suggestion(run: Any) -> None:
    result = run("chek")
    assert result.exit_code == 2
    assert "Did you mean 'check'?" in result.output


def test_version_says_which_pdp_this_is(run: Any) -> None:
    assert run("version").output.startswith(f"pdp {version('pdp')} (Python 3.")


def test_shells_can_complete_commands_and_options() -> None:
    def completed(words: str) -> str:
        environment = {"_PDP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "1"}
        script = "from pdp.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout

    assert completed("pdp ex").split() == ["explain"]
    assert {"check", "test", "fmt"} <= set(completed("pdp ").split())


def test_checking_loads_no_server(estate: Any) -> None:
    script = (
        "import sys; sys.argv = ['pdp', 'check', 'policies']\n"
        "from pdp.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('uvicorn', 'fastapi', 'uvloop', 'watchfiles') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_command_table_stands_behind_the_app() -> None:
    from typer.main import get_command

    group: Any = get_command(app)
    assert len(group.commands) == len(list(group.commands))
    group.commands["extra"] = group.commands["version"]
    assert group.commands["extra"].name == "version"
    del group.commands["extra"]
