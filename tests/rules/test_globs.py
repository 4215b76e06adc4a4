"""Globs as sets of texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.access.patterns import glob
from pdp.rules.globs import covers, literally, overlap

PATTERNS = st.lists(st.sampled_from(["a", "b", "*", "\\*"]), max_size=5).map("".join)
TEXTS = st.text("ab*", max_size=6)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("*", "order.*", True),
        ("order.*", "order.create", True),
        ("order.*", "order.*.now", True),
        ("order.*", "*", False),
        ("order.create", "order.*", False),
        ("a*", "a\\*", True),
        ("a\\*", "a*", False),
    ],
)
def test_a_glob_covers_another(wide: str, narrow: str, expected: bool) -> None:
    assert covers(wide, narrow) is expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("order.*", "*.create", True),
        ("order.*", "invoice.*", False),
        ("a*c", "*b*", True),
        ("a", "a*", True),
        ("a\\*", "a*", True),
        ("a\\*", "ab", False),
        ("*a", "*b", False),
    ],
)
def test_two_globs_meet(left: str, right: str, expected: bool) -> None:
    assert overlap(left, right) is expected
    assert overlap(right, left) is expected


@given(PATTERNS, PATTERNS, TEXTS)
def test_what_is_said_of_two_globs_is_true_of_every_text(left: str, right: str, text: str) -> None:
    if glob(left)(text) and glob(right)(text):
        assert overlap(left, right)
    if covers(left, right) and glob(right)(text):
        assert glob(left)(text)


@given(PATTERNS)
def test_a_glob_covers_and_meets_itself(pattern: str) -> None:
    assert covers(pattern, pattern)
    assert overlap(pattern, pattern)
    assert covers("*", pattern)


@given(TEXTS, TEXTS)
def test_a_literal_glob_matches_its_text_alone(text: str, other: str) -> None:
    assert glob(literally(text))(text)
    assert glob(literally(text))(other) is (text == other)
