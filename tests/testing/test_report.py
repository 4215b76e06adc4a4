"""The report as JSON: everything a program needs to show it again."""

from __future__ import annotations

import json
from typing import Any

from pdp.testing.report import json_text

POLICY = """\
permit read { caller any audience "docs" action "read" when credential.bound because "Bound readers" }
assert closed { never allow when audience == "docs" because "x" }
test "passes" {
  caller workload "w" credential { binding: "mtls", age: 1m, lifetime: 5m } audience "docs" action "read"
  expect allow
}
test "fails" { audience "docs" action "read" expect allow }
"""


def test_the_document_tells_tests_counterexamples_and_coverage(tested: Any) -> None:
    document = json.loads(json_text(tested(POLICY, "{}")))
    assert document["passed"] is False
    assert document["summary"] == {
        "tests": 3, "passed": 1, "failed": 1, "errors": 1, "asserts": 1, "seconds": 0.25,
    }  # fmt: skip
    passes, fails, defect = document["tests"]
    assert passes["decision"]["reasons"] == [{"rule": "m.read", "because": "Bound readers"}]
    assert fails["at"] == {"path": "m.policy", "line": 7, "column": fails["at"]["column"]}
    assert fails["problems"] == ["expected allow, was decided deny (no_rule)"]
    assert (defect["status"], defect["decision"]) == ("error", None)
    (example,) = document["counterexamples"]
    assert (example["assert"], example["claim"], example["test"]) == ("m.closed", "never allow", "passes")
    assert document["coverage"] == {"rules": 1, "never_applied": [], "never_spared": []}


def test_a_selection_has_no_coverage(tested: Any) -> None:
    assert json.loads(json_text(tested(POLICY, complete=False)))["coverage"] is None


def test_a_passing_run_passes(tested: Any) -> None:
    assert tested(POLICY[: POLICY.index("assert")]).passed
