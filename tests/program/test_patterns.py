"""Many patterns at once, held to each of them by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.access.patterns import caller_pattern, glob
from pdp.program.patterns import Patterns, any_of, exact_caller

NAMES = st.text("ab.*\\", max_size=6)


@given(st.lists(NAMES, unique=True, max_size=8), NAMES)
def test_the_patterns_that_match_are_found_and_no_others(patterns, name):
    matching = {pattern for pattern in patterns if glob(pattern)(name)}
    found = Patterns(patterns, glob).matching(name)
    assert sorted(found) == sorted(matching)
    assert any_of(tuple(patterns), glob)(name) is bool(matching)


def test_a_name_is_tried_with_the_patterns_that_begin_as_it_does():
    tried = []

    def noted(pattern):
        return lambda name: tried.append(pattern) or glob(pattern)(name)

    patterns = Patterns([*(f"team-{number:03}.*" for number in range(1000)), "*.read"], noted)
    assert patterns.matching("team-500.read") == ["*.read", "team-500.*"]
    assert sorted(tried) == ["*.read", "team-500.*"]


def test_callers_are_matched_by_their_own_patterns():
    teams = any_of(("spiffe://prod.example/ns/*/sa/api", "agent-*"), caller_pattern)
    assert teams("spiffe://prod.example/ns/pay/sa/api")
    assert teams("agent-7")
    assert not teams("spiffe://prod.example/ns/pay/sub/sa/api")


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("alice", "alice"),
        ("al*", None),
        ("al\\*", "al*"),
        ("spiffe://prod.example/ns/pay", "spiffe://prod.example/ns/pay"),
        ("spiffe://prod.example/ns/*", None),
        ("spiffe://prod.example/**", None),
    ],
)
def test_a_caller_pattern_without_a_wildcard_is_one_caller(pattern, name):
    assert exact_caller(pattern) == name
