"""Values and the operators on them, where the language is stricter than Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.access import values
from pdp.access.values import INT_MAX, INT_MIN, VISIT_LIMIT, Failed, Ip, parse_ip

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOME = parse_ip("10.0.0.1")
ANY_VALUE = [True, 1, 1.5, "a", MINUTE, NOW, HOME, frozenset({"a"}), {"a": 1}]


def failure(call, *arguments):
    with pytest.raises(Failed) as caught:
        call(*arguments)
    assert caught.value.kind in Failed.KINDS
    return caught.value.kind, caught.value.what


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except Failed as failed:
        return failed.kind


# Addresses


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::1", "::1"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ],
)
def test_an_address_or_network_is_shown_as_its_shortest_text(text, shown):
    assert str(parse_ip(text)) == shown
    assert parse_ip(shown) == parse_ip(text)


@pytest.mark.parametrize("text", ["", "a", "10.0.0.1/8", "10.0.0", "010.0.0.1", "fe80::1%eth0", "1.2.3.4/33"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_ip(text)


def test_an_address_is_within_networks_of_its_family():
    assert HOME in parse_ip("10.0.0.0/8")
    assert parse_ip("10.0.0.0/8") in parse_ip("10.0.0.0/8")
    assert parse_ip("10.0.0.0/8") not in HOME
    assert HOME not in parse_ip("::/0")
    assert parse_ip("::ffff:10.0.0.1") in parse_ip("10.0.0.0/8")


@given(st.permutations(["10.0.0.2", "10.0.0.1", "::1", "10.0.0.0/8"]))
def test_addresses_have_one_order(texts):
    ordered = [str(ip) for ip in values.in_order(map(parse_ip, texts))]
    assert ordered == ["10.0.0.0/8", "10.0.0.1", "10.0.0.2", "::1"]


# Conditions, records and maps


def test_only_a_bool_is_a_condition():
    assert values.truth(True, "when") is True
    assert values.truth(False, "when") is False
    for value in ANY_VALUE[1:]:
        assert failure(values.truth, value, "when") == ("type", "when")


def test_a_member_is_there_or_absent():
    assert values.member({"a": 1}, "a") == 1
    assert failure(values.member, {}, "a") == ("absent", "a")
    assert failure(values.member, "a", "a") == ("type", "a")


def test_an_item_is_there_or_absent_and_its_key_is_not_told():
    assert values.item({"a": 1}, "a") == 1
    assert failure(values.item, {}, "a") == ("absent", "key")
    assert failure(values.item, frozenset({"a"}), "a") == ("type", "key")
    assert failure(values.item, {"a": 1}, 1) == ("type", "key")


# Comparison


@pytest.mark.parametrize("left", ANY_VALUE)
@pytest.mark.parametrize("right", ANY_VALUE)
def test_only_values_of_one_type_are_equal_or_not(left, right):
    if left is right and not isinstance(left, float):
        assert values.compare("==", left, right) is True
    else:
        assert failure(values.compare, "==", left, right) == ("type", "==")


def test_values_of_one_type_may_differ():
    assert values.compare("==", "a", "b") is False
    assert values.compare("==", frozenset({1, 2}), frozenset({2, 1})) is True


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("left", ANY_VALUE)
@pytest.mark.parametrize("right", ANY_VALUE)
def test_order_is_for_numbers_texts_durations_and_timestamps(operator, left, right):
    numbers = type(left) in (int, float) and type(right) in (int, float)
    if numbers or (left is right and type(left) in (str, timedelta, datetime)):
        assert values.compare(operator, left, right) is eval(f"left {operator} right")
    else:
        assert failure(values.compare, operator, left, right) == ("type", operator)


def test_numbers_compare_exactly():
    assert values.compare("<", 2**53, float(2**53)) is False
    assert values.compare(">", 2**53 + 1, float(2**53)) is True


# Membership


def test_membership():
    assert values.contains(frozenset({"a"}), "a") is True
    assert values.contains(frozenset({"a"}), "b") is False
    assert values.contains(frozenset(), "b") is False
    assert values.contains({"a": 1}, "a") is True
    assert values.contains(parse_ip("10.0.0.0/8"), HOME) is True
    assert values.contains(frozenset({parse_ip("::/0"), parse_ip("10.0.0.0/8")}), HOME) is True
    assert values.contains(frozenset({parse_ip("11.0.0.0/8")}), HOME) is False
    assert values.contains(frozenset({frozenset({"a"})}), frozenset({"a"})) is True


@pytest.mark.parametrize(
    ("container", "item"),
    [
        (frozenset({1}), True), (frozenset({True}), 1), (frozenset({1}), 1.0), (frozenset({1, "a"}), "a"),
        (frozenset({"a"}), {}), (frozenset(), 1.0), ({"a": 1}, 1), (HOME, "10.0.0.1"), ("abc", "a"), (1, 1),
    ],
)  # fmt: skip
def test_what_a_container_cannot_hold_is_not_asked_of_it(container, item):
    assert failure(values.contains, container, item) == ("type", "in")


def test_a_set_holds_plain_values_of_one_type():
    assert values.set_of([2, 1, 2]) == {1, 2}
    assert values.set_of([]) == frozenset()
    for members in ([1, True], [1, 1.0], ["a", 1], [{}], [frozenset()]):
        assert failure(values.set_of, members) == ("type", "[]")


def test_members_are_visited_in_order():
    assert values.visited(frozenset({"b", "a"}), "any") == ["a", "b"]
    assert values.visited({"b": 1, "a": 2}, "all") == ["a", "b"]
    assert values.visited(frozenset(range(10_000)), "any") == list(range(10_000))


@given(st.integers(0, 1_500), st.integers(0, 1_500))
def test_members_are_visited_many_times_up_to_a_limit(size, times):
    found = outcome(values.bounded, range(size), "any", times)
    assert found == ("limit" if size * times > VISIT_LIMIT else range(size))


def test_too_many_members_or_members_without_order_are_not_visited():
    assert failure(values.visited, frozenset(range(1_001)), "any", 1_000) == ("limit", "any")
    assert failure(values.visited, frozenset({1, "a"}), "all") == ("type", "all")
    assert failure(values.visited, "abc", "all") == ("type", "all")


# Arithmetic


@given(st.integers(INT_MIN, INT_MAX), st.integers(INT_MIN, INT_MAX))
def test_integers_are_exact_or_fail(left, right):
    for operator, function in (("+", values.add), ("-", values.subtract), ("*", values.multiply)):
        exact = eval(f"left {operator} right")
        if INT_MIN <= exact <= INT_MAX:
            assert function(left, right) == exact
        else:
            assert failure(function, left, right) == ("overflow", operator)


@given(*[st.floats(allow_nan=False, allow_infinity=False) | st.integers(INT_MIN, INT_MAX)] * 2)
def test_numbers_stay_finite_or_fail(left, right):
    for function in (values.add, values.subtract, values.multiply):
        result = outcome(function, left, right)
        assert result == "overflow" or result - result == 0


def test_dates_and_durations():
    assert values.add(NOW, MINUTE) == values.add(MINUTE, NOW) == NOW + MINUTE
    assert values.add(MINUTE, MINUTE) == 2 * MINUTE
    assert values.subtract(NOW, NOW) == timedelta(0)
    assert values.subtract(NOW, MINUTE) == NOW - MINUTE
    assert values.multiply(MINUTE, 2) == values.multiply(2, MINUTE) == 2 * MINUTE
    assert values.multiply(MINUTE, 0.5) == timedelta(seconds=30)
    assert values.negate(MINUTE) == -MINUTE
    assert values.negate(5) == -5
    assert values.negate(0.5) == -0.5


def test_dates_and_durations_out_of_range_overflow():
    assert failure(values.add, NOW, timedelta.max) == ("overflow", "+")
    assert failure(values.subtract, NOW, timedelta.max) == ("overflow", "-")
    assert failure(values.multiply, timedelta.max, 2) == ("overflow", "*")
    assert failure(values.negate, timedelta.max) == ("overflow", "-")
    assert failure(values.negate, INT_MIN) == ("overflow", "-")
    assert failure(values.multiply, 1e308, 10) == ("overflow", "*")


@pytest.mark.parametrize(
    ("function", "left", "right", "operator"),
    [
        (values.add, "a", "b", "+"), (values.add, True, 1, "+"), (values.add, NOW, NOW, "+"),
        (values.add, MINUTE, 1, "+"), (values.subtract, MINUTE, NOW, "-"),
        (values.subtract, frozenset(), frozenset(), "-"), (values.multiply, "a", 3, "*"),
        (values.multiply, MINUTE, MINUTE, "*"), (values.multiply, True, MINUTE, "*"),
    ],
)  # fmt: skip
def test_arithmetic_on_other_types_fails(function, left, right, operator):
    assert failure(function, left, right) == ("type", operator)


def test_only_numbers_and_durations_are_negated():
    for value in (True, "a", NOW, HOME):
        assert failure(values.negate, value) == ("type", "-")


def test_an_address_is_a_value_like_others():
    assert Ip(4, 1, 2) == Ip(4, 1, 2)
    assert len({parse_ip("::ffff:1.2.3.4"), parse_ip("1.2.3.4")}) == 1
