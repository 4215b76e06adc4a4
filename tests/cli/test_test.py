"""`pdp test` on a small estate, in which some tests fail and one assert is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest


@pytest.fixture
def passing(estate: Path) -> Path:
    """The estate without what is wrong in it."""
    path = estate / "policies/payments.policy"
    text = path.read_text()
    start = text.index("assert no_reversals")
    path.write_text(text[:start] + text[text.index("fixture writing") :])
    (estate / "policies/payments.test.policy").unlink()
    (estate / "policies/held.cases.json").unlink()
    return estate


def test_failures_tell_what_was_decided_and_how_to_see_why(run: Any, golden: Any) -> None:
    result = run("test", "policies")
    assert result.exit_code == 1
    golden("test.txt", result.output)


def test_the_report_as_json(run: Any, golden: Any) -> None:
    result = run("test", "policies", "--format", "json")
    assert result.exit_code == 1
    golden("test.json", result.output)


def test_what_passes_exits_with_0(run: Any, passing: Path) -> None:
    result = run("test")
    assert result.exit_code == 0
    assert result.output.splitlines()[-1].startswith("5 passed, 1 assert held, 2 of 4 rules exercised")


def test_with_coverage_a_rule_that_is_not_exercised_fails_the_run(run: Any, passing: Path) -> None:
    result = run("test", "--coverage")
    assert result.exit_code == 1
    assert "  payments.read_entry (policies/payments.policy:24)" in result.output


def test_tests_are_selected_by_their_names(run: Any, passing: Path) -> None:
    result = run("test", "-k", "REVERSAL", "--coverage")
    assert (result.exit_code, result.output.splitlines()[-1].partition(",")[0]) == (0, "2 passed")
    assert "no test lets" not in result.output


def test_a_selection_of_nothing_is_wrong_usage(run: Any) -> None:
    result = run("test", "-k", "nothing at all")
    assert (result.exit_code, result.stderr) == (2, "error: no test holds `nothing at all` in its name\n")


def test_no_tests_at_all_is_said(run: Any, estate: Path) -> None:
    (estate / "one").mkdir()
    (estate / "one/a.policy").write_text("let x = 1\n")
    assert (run("test", "one").exit_code, run("test", "one").output) == (0, "no tests\n")


def test_junit_is_written_beside_the_report(run: Any, estate: Path) -> None:
    assert run("test", "--junit", "out.xml").exit_code == 1
    root = Xml.parse(estate / "out.xml").getroot()
    assert root is not None
    assert {suite.get("name") for suite in root} == {"payments", "payments.test", "held", "asserts"}


def test_a_junit_file_that_cannot_be_written_is_wrong_usage(run: Any) -> None:
    result = run("test", "--junit", "no/such/out.xml")
    assert (result.exit_code, result.stderr) == (
        2, "error: cannot write `no/such/out.xml`: no such file or directory\n",
    )  # fmt: skip


def test_errors_in_policies_are_told_instead_of_tests(run: Any, estate: Path) -> None:
    (estate / "policies/broken.policy").write_text("permit {")
    result = run("test")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "policies/broken.policy:1" in result.stderr


def test_a_sunset_that_passed_does_not_stop_tests(run: Any, estate: Path) -> None:
    (estate / "one").mkdir()
    (estate / "one/a.policy").write_text(
        '@sunset(2020-01-01)\npermit a { caller workload "w" audience "a" action "a" because "b" }\n'
        'test "past" { expect deny }\n'
    )
    assert run("check", "one").exit_code == 1
    assert run("test", "one").exit_code == 0


def test_the_settings_say_what_a_standing_credential_is(run: Any, estate: Path) -> None:
    (estate / "one").mkdir()
    (estate / "one/a.policy").write_text(
        'permit a { caller workload "w" audience "a" action "a" unless credential.standing }\n'
        'test "lives long" { caller workload "w" audience "a" action "a"\n'
        "  credential { age: 1m, lifetime: 1h } task { expires_in: 2h } expect allow }\n"
    )
    assert run("test", "one").exit_code == 1
    (estate / "pdp.toml").write_text('[standing]\nafter = "2h"\n')
    assert run("test", "one").exit_code == 0


def test_watching_tests_again_when_a_file_changes(passing: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from pdp.cli.main import main; main()", "test", "--watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        assert "5 passed" in _until(process.stdout, "watching policies")
        time.sleep(0.3)
        path = passing / "policies/payments.policy"
        path.write_text(path.read_text() + '\ntest "one more" { expect deny }\n')
        assert "6 passed" in _until(process.stdout, "watching policies")
        path.write_text("permit {")
        assert "payments.policy:1" in _until(process.stdout, "watching policies")
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def _until(stream: Any, words: str) -> str:
    text = ""
    while words not in text:
        line = stream.readline()
        assert line, text
        text += line
    return text


def test_the_report_names_its_summary(run: Any) -> None:
    summary = json.loads(run("test", "-f", "json").output)["summary"]
    assert (summary["tests"], summary["failed"], summary["errors"]) == (9, 1, 1)
