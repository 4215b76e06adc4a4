"""`pdp config`: every setting as it is in force, and every problem with its cure."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pdp.settings import Settings, read


def test_show_prints_what_is_in_force_as_a_file_that_can_be_read(
    run: Any, estate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (estate / "pdp.toml").write_text(
        '[server]\nport = 9000\n[[enforcement_point]]\nname = "gw"\nmay_assert = ["task"]\n'
    )
    monkeypatch.setenv("PDP_STANDING__AFTER", "5m")
    result = run("config", "show")
    assert result.exit_code == 0
    told = tomllib.loads(result.output)
    assert told["server"]["port"] == 9000
    assert told["standing"] == {"after": "5m"}
    assert told["enforcement_point"] == [
        {"name": "gw", "addresses": [], "unix": False, "may_assert": ["task"], "certificates": False}
    ]
    in_force = read(estate / "pdp.toml")
    monkeypatch.delenv("PDP_STANDING__AFTER")
    (estate / "shown.toml").write_text(result.output)
    assert read(Path("shown.toml")).model_dump(exclude={"policies"}) == in_force.model_dump(
        exclude={"policies"}
    )


def test_show_prints_json_too(run: Any) -> None:
    result = run("config", "show", "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.output) == Settings().model_dump(mode="json", exclude_none=True)


def test_show_knows_no_other_format(run: Any) -> None:
    result = run("config", "show", "--format", "yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "`yaml` is no format" in result.stderr
    assert "--format toml or --format json" in result.stderr


def test_show_of_settings_that_cannot_be_is_wrong_usage(run: Any, estate: Path) -> None:
    (estate / "pdp.toml").write_text("[server]\nprot = 1\n")
    result = run("config", "show")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "server.prot: is no setting (did you mean `port`?)" in result.stderr
    assert "pdp config check" in result.stderr


def test_check_is_silent_about_what_is_well(run: Any, estate: Path) -> None:
    assert run("config", "check").output == "no file, only defaults and environment: ok\n"
    (estate / "pdp.toml").write_text("[server]\nport = 9000\n")
    result = run("config", "check")
    assert (result.exit_code, result.output) == (0, "pdp.toml: ok\n")
    (estate / "other.toml").write_text("")
    result = run("config", "check", "--config", "other.toml")
    assert (result.exit_code, result.output) == (0, "other.toml: ok\n")


def test_check_tells_every_problem_with_its_cure(run: Any, estate: Path) -> None:
    (estate / "pdp.toml").write_text("[server]\nprot = 1\nport = 70000\n[limits]\nbody = 0\n")
    result = run("config", "check")
    assert result.exit_code == 1
    assert result.output == (
        "pdp.toml: server.port: must be at most 65535\n"
        "pdp.toml: server.prot: is no setting\n"
        "  hint: did you mean `port`?\n"
        "pdp.toml: limits.body: must be at least 1\n"
        "3 problems\n"
    )


def test_check_of_the_environment_alone_tells_its_problems(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDP_SERVER__PROT", "1")
    result = run("config", "check")
    assert result.exit_code == 1
    assert (
        result.output
        == "PDP_SERVER__PROT: is no setting\n  hint: did you mean `PDP_SERVER__PORT`?\n1 problem\n"
    )


def test_check_of_a_file_that_is_not_there_is_wrong_usage(run: Any) -> None:
    result = run("config", "check", "--config", "nowhere.toml")
    assert result.exit_code == 2
    assert "cannot be read: No such file or directory" in result.output
