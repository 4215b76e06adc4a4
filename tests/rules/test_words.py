"""The labels of table rows."""

from __future__ import annotations

import pytest

from rules.policies import checked


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("allow", "allow"),
        ('"some text"', "some text"),
        ("true", "true"),
        ("false", "false"),
        ("9_999", "9999"),
        ("20_000", "20_000"),
        ("0.5", "0.5"),
        ("90s", "1m30s"),
        ("1d2h3m4s5ms", "1d2h3m4s5ms"),
        ("0s", "0s"),
        ("2026-11-24", "2026-11-24"),
        ("2026-11-24T12:00:00+02:00", "2026-11-24T10:00:00Z"),
        ("limit", "limit"),
        ("common.limit", "common.limit"),
        ("-3", "-3"),
        ("-5m", "-5m"),
        ('["a", "b"]', "[a, b]"),
        ('ip("10.0.0.1")', "ip(10.0.0.1)"),
        ("1 + 2", "…"),
    ],
)
def test_a_cell_is_shown_as_it_was_written_and_short(cell: str, words: str) -> None:
    text = f'use common let limit = 3 test "it" {{ for x in [({cell})] expect deny }}'
    if cell == "allow":
        text = text.replace("expect deny", "expect x")
    (case,) = checked(text, others={"common": "let limit = 3"}).policies.cases
    assert case.label == f"it [1: {words}]"
