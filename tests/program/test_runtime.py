"""What generated code may call."""

from __future__ import annotations

import builtins

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.access.values import Failed, parse_ip
from pdp.program.runtime import CALLABLE, GLOBALS, MISSING, find_item, find_member, is_in, set_of, within
from pdp.schema.functions import FUNCTIONS


def failure(function, *arguments):
    with pytest.raises(Failed) as caught:
        function(*arguments)
    return caught.value.kind, caught.value.what


def test_generated_code_sees_no_builtins_but_these():
    assert GLOBALS["__builtins__"] == {}
    seen = {name for name, value in GLOBALS.items() if value is getattr(builtins, name, None)}
    assert seen == {"all", "any", "len", "map"}


def test_every_built_in_function_can_be_called():
    assert {f"call_{name}" for name in FUNCTIONS} <= CALLABLE.keys()


def test_a_member_is_found_in_a_record_that_has_it():
    assert find_member({"a": 1}, "a") == 1
    assert find_member({"a": 1}, "b") is MISSING


def test_nothing_is_found_in_what_is_missing():
    assert find_member(MISSING, "a") is MISSING


def test_a_member_of_what_is_no_record_is_a_failure_and_no_absence():
    assert failure(find_member, 7, "a") == ("type", "a")


def test_an_item_is_found_by_its_key():
    assert find_item({"a": 1}, "a") == 1
    assert find_item({"a": 1}, "b") is MISSING


@pytest.mark.parametrize(("map", "key"), [(7, "a"), ({"a": 1}, 7), (frozenset("a"), "a")])
def test_what_is_no_map_or_no_key_is_a_failure_that_names_neither(map, key):
    assert failure(find_item, map, key) == ("type", "key")


def test_membership_takes_the_item_first():
    assert is_in("a", frozenset("ab"))
    assert not is_in("a", {"b": 1})
    assert failure(is_in, 1, frozenset("ab")) == ("type", "in")


def test_a_set_holds_plain_values_and_no_records():
    assert set_of(1, 2, 1) == frozenset({1, 2})
    assert failure(set_of, 1, {}) == ("type", "[]")


# Addresses that are near each other, so that networks nest, touch and miss.
_SMALL = st.integers(0, 31)
_V4 = st.builds(
    lambda at, bits: parse_ip(f"10.0.0.{at >> bits << bits}/{32 - bits}"), _SMALL, st.integers(0, 5)
)
_V6 = st.builds(
    lambda at, bits: parse_ip(f"::{at >> bits << bits:x}/{128 - bits}"), _SMALL, st.integers(0, 5)
)
_ANY = st.one_of(
    _V4, _V6, st.sampled_from([parse_ip(text) for text in ("0.0.0.0/0", "::/0", "::ffff:10.0.0.3")])
)


@given(st.frozensets(_ANY, max_size=12), _ANY)
def test_within_finds_what_asking_each_network_finds(networks, item):
    assert within(networks)(item) is any(item in network for network in networks)
