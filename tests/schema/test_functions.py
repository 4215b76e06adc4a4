"""The table of built-ins."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest

from pdp.access.values import Failed, parse_ip
from pdp.schema.functions import FUNCTIONS, MEMBER, zone, zone_names
from pdp.schema.types import UNKNOWN, Enum, MapOf, SetOf

EVE = datetime(2026, 12, 24, 23, 30, tzinfo=UTC)


def call(name, *arguments):
    """What the function gives, its literal arguments prepared."""
    function = FUNCTIONS[name]
    assert len(arguments) == len(function.parameters)
    return function.call(*(function.prepare.get(at, lambda v: v)(a) for at, a in enumerate(arguments)))


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("like", ("invoice-7", "invoice-*"), True),
        ("like", ("order-7", "invoice-*"), False),
        ("len", ("aé🙂",), 3),
        ("len", (frozenset({1, 2}),), 2),
        ("len", ({"a": 1},), 1),
        ("lower", ("ÀÉİ",), "àéi̇"),
        ("starts_with", ("abc", "ab"), True),
        ("starts_with", ("abc", "bc"), False),
        ("ends_with", ("abc", "bc"), True),
        ("ends_with", ("abc", "ab"), False),
        ("contains", ("abc", "b"), True),
        ("contains", ("abc", "d"), False),
        ("contains", ("abc", ""), True),
        ("matches", ("ab-1234", "[a-z]+-[0-9]{4}"), True),
        ("matches", ("ab-12345", "[a-z]+-[0-9]{4}"), False),
        ("matches", ("1ab-1234", "[a-z]+-[0-9]{4}"), False),
        ("matches", ("b", "a|b"), True),
        ("matches", ("ab", "a|b"), False),
        ("matches", ("a\n", "a"), False),
        ("matches", ("é", "."), True),
        ("subset", (frozenset({1}), frozenset({1, 2})), True),
        ("subset", (frozenset({3}), frozenset({1, 2})), False),
        ("subset", (frozenset(), frozenset()), True),
        ("overlaps", (frozenset({1, 3}), frozenset({1, 2})), True),
        ("overlaps", (frozenset(), frozenset({1})), False),
        ("ip", ("10.0.0.0/8",), parse_ip("10.0.0.0/8")),
        ("path_like", ("/orders/7/lines", "/orders/{id}/**"), True),
        ("path_like", ("/users/7", "/orders/{id}/**"), False),
        ("hour", (EVE, "Europe/Berlin"), 0),
        ("hour", (EVE, "UTC"), 23),
        ("weekday", (EVE, "Europe/Berlin"), "fri"),
        ("weekday", (EVE, "America/New_York"), "thu"),
        ("date", (EVE, "Europe/Berlin"), datetime(2026, 12, 25, tzinfo=UTC)),
        ("date", (EVE, "America/New_York"), datetime(2026, 12, 24, tzinfo=UTC)),
    ],
)
def test_built_in(name, arguments, expected):
    result = call(name, *arguments)
    assert result == expected
    assert type(result) is type(expected)


def test_every_built_in_is_described():
    for name, function in FUNCTIONS.items():
        assert function.name == name
        assert function.summary.endswith(".")
        assert name in function.example
        for at in function.prepare:
            assert function.parameters[at].literal
        for at, parameter in enumerate(function.parameters):
            assert parameter.types
            assert parameter.literal == (at in function.prepare)


def test_the_table_holds_the_built_ins_of_the_language():
    named = (
        "like len lower starts_with ends_with contains matches subset overlaps ip path_like hour weekday date"
    )
    assert set(FUNCTIONS) == set(named.split())
    assert FUNCTIONS["subset"].parameters[1].types == (SetOf(MEMBER),)
    assert SetOf(UNKNOWN) in FUNCTIONS["len"].parameters[0].types
    assert MapOf(UNKNOWN) in FUNCTIONS["len"].parameters[0].types
    assert FUNCTIONS["weekday"].result == Enum(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("like", (1, "a*")),
        ("len", (1,)),
        ("lower", (1,)),
        ("starts_with", ("a", 1)),
        ("starts_with", (1, "a")),
        ("ends_with", ("a", 1)),
        ("contains", (frozenset({"a"}), "a")),
        ("contains", ("a", 1)),
        ("matches", (1, "a")),
        ("subset", ("a", frozenset("a"))),
        ("subset", (frozenset("a"), "a")),
        ("overlaps", (frozenset("a"), "a")),
        ("path_like", (1, "/a")),
        ("hour", ("now", "UTC")),
        ("weekday", (1, "UTC")),
        ("date", (1, "UTC")),
    ],
)
def test_a_value_of_another_type_fails(name, arguments):
    with pytest.raises(Failed) as caught:
        call(name, *arguments)
    assert (caught.value.kind, caught.value.what) == ("type", name)


def test_a_path_of_two_readings_fails():
    with pytest.raises(Failed) as caught:
        call("path_like", "/orders/../users", "/orders/**")
    assert (caught.value.kind, caught.value.what) == ("path", "path_like")


@pytest.mark.parametrize("name", ["hour", "weekday", "date"])
def test_a_time_that_the_zone_cannot_hold_overflows(name):
    with pytest.raises(Failed) as caught:
        call(name, datetime.max.replace(tzinfo=UTC), "Asia/Tokyo")
    assert (caught.value.kind, caught.value.what) == ("overflow", name)


@pytest.mark.parametrize(
    ("name", "at", "literal", "message"),
    [
        ("matches", 1, "a(", "`a(` is no RE2 expression: missing )"),
        ("matches", 1, r"(a)\1", "is no RE2 expression"),
        ("matches", 1, "(?=a)", "is no RE2 expression"),
        ("path_like", 1, "orders", "a path pattern begins with `/`"),
        ("hour", 1, "Europe/Berln", "there is no time zone `Europe/Berln`"),
        ("hour", 1, "../../etc/passwd", "there is no time zone"),
        ("ip", 0, "10.0.0.1/8", "`10.0.0.1/8` is no network"),
        ("ip", 0, "10.0.0.0/x", "`10.0.0.0/x` is no IP address or network"),
        ("ip", 0, "ten", "`ten` is no IP address or network"),
        ("ip", 0, "fe80::1%eth0", "`fe80::1%eth0` is no IP address or network"),
    ],
)
def test_a_bad_literal_is_told(name, at, literal, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        FUNCTIONS[name].prepare[at](literal)


def test_matches_takes_linear_time():
    began = time.perf_counter()
    assert call("matches", "a" * 50_000 + "b", "(a*)*") is False
    assert time.perf_counter() - began < 1


def test_zones_come_with_the_package_and_keep_their_names():
    assert {"UTC", "Europe/Berlin", "Asia/Kolkata"} <= zone_names()
    assert zone("Europe/Berlin").key == "Europe/Berlin"
    for name in zone_names():
        assert call("hour", EVE, name) in range(24)
