"""`pdp explain`: why, as text and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli.test_decide import NOW, asked


def test_an_allow_is_a_tree_of_its_permits(run: Any, golden: Any) -> None:
    result = run("explain", "--policies", "policies", "--request", "-", *NOW, input=asked())
    assert result.exit_code == 0
    golden("explain-allow.txt", result.output)


def test_a_deny_has_its_nearest_permit_and_what_that_lacked(run: Any, golden: Any) -> None:
    body = asked(resource={"type": "ledger_entry", "id": "e-1", "amount": 20_000, "labels": []})
    result = run("explain", "-r", "-", *NOW, input=body)
    assert result.exit_code == 0
    golden("explain-deny.txt", result.output)


def test_a_forbid_is_told_before_the_permit_that_would_have_allowed(run: Any, golden: Any) -> None:
    result = run("explain", "--test", "a held entry")
    assert result.exit_code == 0
    golden("explain-forbid.txt", result.output)


def test_a_failure_is_told(run: Any, golden: Any) -> None:
    body = asked(resource={"type": "ledger_entry", "id": "e-1", "labels": []})
    golden("explain-failure.txt", run("explain", "-r", "-", *NOW, input=body).output)


def test_a_refused_request_is_told_what_helps(run: Any, golden: Any) -> None:
    golden("explain-refused.txt", run("explain", "-r", "-", *NOW, input=asked(task="t-9")).output)


def test_the_explanation_as_json(run: Any, golden: Any) -> None:
    result = run("explain", "-r", "-", *NOW, "--format", "json", input=asked(audience="warehouse"))
    assert result.exit_code == 0
    golden("explain-deny.json", result.output)


def test_a_rule_may_be_asked_for(run: Any) -> None:
    result = run(
        "explain", "-r", "-", *NOW, "--rule", "outside_office", "--rule", "payments.held", input=asked()
    )
    assert "forbid payments.outside_office (policies/payments.policy:31) does not apply" in result.output
    assert "forbid payments.held (policies/payments.policy:37) does not apply" in result.output


def test_a_rule_that_is_not_there_gets_a_suggestion(run: Any) -> None:
    result = run("explain", "-r", "-", "--rule", "payments.hold", input=asked())
    assert result.exit_code == 2
    assert "there is no rule `payments.hold`" in result.stderr
    assert "did you mean `payments.held`?" in result.stderr


def test_a_rule_of_several_modules_needs_its_module(run: Any, estate: Path) -> None:
    (estate / "policies/more.policy").write_text('forbid held { action "x" because "y" }')
    result = run("explain", "-r", "-", "--rule", "held", input=asked())
    assert result.exit_code == 2
    assert "one of `more.held`, `payments.held`" in result.stderr


def test_a_test_is_found_by_a_part_of_its_name(run: Any) -> None:
    assert run("explain", "--test", "from elsewhere").output.startswith("deny (forbidden)\n")


def test_a_test_that_is_not_one_is_wrong_usage(run: Any) -> None:
    assert "no test is called `nothing`" in run("explain", "--test", "nothing").stderr
    assert "2 tests are called `large`" in run("explain", "--test", "large").stderr
    assert "/expect/outcome" in run("explain", "--test", "misspelt").stderr
    assert run("explain", "--test", "held", *NOW).exit_code == 2


def test_one_of_request_and_test_is_needed(run: Any) -> None:
    assert run("explain").exit_code == 2
    assert run("explain", "-r", "-", "-t", "x", input=asked()).exit_code == 2


def test_without_permits_there_is_none_to_tell(run: Any, estate: Path) -> None:
    (estate / "one.policy").write_text('forbid held { action "x" because "y" }')
    result = run("explain", "-p", "one.policy", "-r", "-", input=b'{"audience": "a", "action": "b"}')
    assert "there is no permit at all" in result.output
