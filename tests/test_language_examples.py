"""The example that LANGUAGE.md begins with, in full: it is legal, its test passes and its assert holds.

What the sections of that page say one by one stands in `language_examples/`, a file a section.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pdp.load import check_folder, compile
from pdp.settings import Settings
from pdp.testing.cases import written
from pdp.testing.report import summarize
from pdp.testing.run import run

POLICIES = Path(__file__).parent / "language_examples" / "policies"
CHECKED = check_folder(POLICIES, today=datetime(2026, 11, 24, tzinfo=UTC))


def test_the_example_is_a_legal_program() -> None:
    assert CHECKED.diagnostics == ()
    assert [rule.identity for rule in CHECKED.policies.rules] == [
        "payments.legacy_partner_feed",
        "payments.outside_office",
        "payments.write_entry",
    ]


def test_the_test_of_the_example_passes_and_no_request_breaks_its_assert() -> None:
    program = compile(CHECKED)
    results = list(run(program, Settings(), written(CHECKED.policies.cases)))
    report = summarize(CHECKED.policies, results, CHECKED.sources, seconds=0, complete=True)
    assert [result.trial.label for result in results] == ["payments writes while its task runs"]
    assert [result.decision.rules for result in results if result.decision] == [("payments.write_entry",)]
    assert report.passed
