"""`pdp check` on a small estate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BROKEN = """\
permit odd {
  caller any
  audience "ledger"
  action "entry.read"
  when credential.bund
}
"""


def test_sound_policies_have_no_problems(run: Any, golden: Any) -> None:
    result = run("check", "policies")
    assert result.exit_code == 0
    golden("check.txt", result.output)


def test_the_folder_may_be_left_out(run: Any) -> None:
    assert run("check").output == run("check", "policies").output


def test_every_problem_is_told_with_its_place(run: Any, estate: Path, golden: Any) -> None:
    (estate / "policies/broken.policy").write_text(BROKEN)
    (estate / "policies/worse.policy").write_text("permit {")
    result = run("check", "policies")
    assert result.exit_code == 1
    golden("check-broken.txt", result.output)


def test_one_file_is_checked_alone(run: Any) -> None:
    result = run("check", "policies/common.policy")
    assert (result.exit_code, "in 1 file" in result.output) == (0, True)


def test_findings_come_as_json_sarif_and_github_annotations(run: Any, estate: Path) -> None:
    (estate / "policies/broken.policy").write_text(BROKEN)
    found = run("check", "policies", "--format", "json")
    assert found.exit_code == 1
    assert "credential" in json.dumps(json.loads(found.output))
    sarif = json.loads(run("check", "policies", "--format", "sarif").output)
    assert sarif["version"] == "2.1.0"
    assert sarif["runs"][0]["results"]
    assert "::error file=policies/broken.policy,line=5" in run("check", "-f", "github").output


def test_without_findings_github_is_silent(run: Any) -> None:
    assert run("check", "-f", "github").output == ""


def test_settings_beside_the_policies_lower_findings(run: Any, estate: Path) -> None:
    (estate / "policies/feed.policy").write_text(
        'permit feed { caller workload "w" audience "ledger" action "feed" }'
    )
    assert run("check", "policies").exit_code == 1
    (estate / "policies/pdp.toml").write_text('[policies]\nlower = { PDP402 = "warning" }\n')
    result = run("check", "policies")
    assert result.exit_code == 0
    assert "1 warning: " in result.output


def test_no_folder_is_no_finding_but_wrong_usage(run: Any) -> None:
    result = run("check", "nowhere")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: there is no `nowhere`\nhint: ")


def test_a_folder_without_policies_is_wrong_usage(run: Any, estate: Path) -> None:
    (estate / "empty").mkdir()
    result = run("check", "empty")
    assert result.exit_code == 2
    assert "there is no policy in `empty`" in result.stderr


def test_settings_that_cannot_be_used_are_wrong_usage(run: Any, estate: Path) -> None:
    (estate / "pdp.toml").write_text("[policies]\nstrickt = true\n")
    result = run("check")
    assert result.exit_code == 2
    assert "pdp.toml: policies.strickt: is no setting (did you mean `strict`?)" in result.stderr
    assert run("check", "--config", "nowhere.toml").exit_code == 2


def test_a_file_that_cannot_be_read_is_wrong_usage(run: Any, estate: Path) -> None:
    (estate / "policies/gone.policy").symlink_to("nowhere")
    result = run("check")
    assert result.exit_code == 2
    assert "cannot read `policies/gone.policy`: no such file or directory" in result.stderr


def test_an_unknown_format_is_wrong_usage(run: Any) -> None:
    assert run("check", "--format", "xml").exit_code == 2
