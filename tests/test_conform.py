"""From JSON to policy values, by declared type: what is taken, what is refused and where."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.access.values import INT_MAX, INT_MIN, parse_ip
from pdp.answer import encode_json, plain
from pdp.conform import Unfit, attribute_converters, attributes, converter, dynamic
from pdp.language.parse import parse
from pdp.language.source import Source
from pdp.language.syntax import Duration
from pdp.schema.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    IP,
    STRING,
    TIMESTAMP,
    UNKNOWN,
    Enum,
    MapOf,
    SetOf,
    optional,
    record,
)

DURATION_WANTED = 'must be a duration such as "1h30m", or seconds as a number'
TIMESTAMP_WANTED = 'must be a timestamp such as "2026-11-24T10:00:00Z", or epoch seconds as a number'
ENTRY = record(amount=INT, note=optional(STRING), lines=MapOf(record(tax=FLOAT)))
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
COLOR = Enum(("red", "green"))


def told(value):
    """A value as JSON: an int and the float that is equal to it are told apart."""
    return encode_json(plain(value))


def refusal(convert, value):
    with pytest.raises(Unfit) as caught:
        convert(value)
    return caught.value.pointer, caught.value.detail


@pytest.mark.parametrize(
    ("declared", "given", "value"),
    [
        (BOOL, True, True),
        (INT, INT_MIN, INT_MIN),
        (INT, INT_MAX, INT_MAX),
        (FLOAT, 0.75, 0.75),
        (FLOAT, 2, 2.0),
        (STRING, "", ""),
        (STRING, "e\u0301", "e\u0301"),
        (COLOR, "green", "green"),
        (DURATION, "1d2h3m4s5ms", timedelta(1, 4, 0, 5, 3, 2)),
        (DURATION, "90s", timedelta(seconds=90)),
        (DURATION, "5ms", timedelta(milliseconds=5)),
        (DURATION, "2m5ms", timedelta(minutes=2, milliseconds=5)),
        (DURATION, "0s", timedelta(0)),
        (DURATION, 90, timedelta(seconds=90)),
        (DURATION, -0.5, timedelta(seconds=-0.5)),
        (DURATION, timedelta(1), timedelta(1)),
        (TIMESTAMP, "2026-11-24T10:00:00Z", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        (TIMESTAMP, "2026-11-24t10:00:00z", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        (TIMESTAMP, "2026-11-24T10:00:00.5+02:00", datetime(2026, 11, 24, 8, 0, 0, 500_000, tzinfo=UTC)),
        (TIMESTAMP, "2026-11-24T10:00:00.1234567-01:00", NOON.replace(hour=11, microsecond=123_456)),
        (TIMESTAMP, 0, datetime(1970, 1, 1, tzinfo=UTC)),
        (TIMESTAMP, -1.5, datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)),
        (IP, "10.1.2.3", parse_ip("10.1.2.3")),
        (IP, "2001:db8::/32", parse_ip("2001:db8::/32")),
        (IP, "::ffff:10.1.2.3", parse_ip("10.1.2.3")),
        (IP, parse_ip("::1"), parse_ip("::1")),
        (SetOf(STRING), [], frozenset()),
        (SetOf(STRING), ["b", "a", "b"], frozenset("ab")),
        (SetOf(STRING), ("a",), frozenset("a")),
        (SetOf(FLOAT), [1, 1.0, 2.5], frozenset({1.0, 2.5})),
        (SetOf(IP), frozenset({"10.0.0.0/8"}), frozenset({parse_ip("10.0.0.0/8")})),
        (MapOf(INT), {"a": 1, "": 2}, {"a": 1, "": 2}),
        (ENTRY, {"amount": 1, "lines": {"x": {"tax": 1}}}, {"amount": 1, "lines": {"x": {"tax": 1.0}}}),
    ],
)  # fmt: skip
def test_a_value_of_the_declared_type_is_taken(declared, given, value):
    taken = converter(declared)(given)
    assert taken == value
    assert type(taken) is type(value)
    assert told(taken) == told(value)


def test_a_time_of_any_zone_is_held_in_utc():
    here = datetime(2026, 11, 24, 10, tzinfo=timezone(timedelta(hours=2)))
    assert converter(TIMESTAMP)(here).tzinfo is UTC
    assert converter(TIMESTAMP)("2026-11-24T10:00:00+02:00").tzinfo is UTC


@pytest.mark.parametrize(
    ("declared", "given", "pointer", "detail"),
    [
        (BOOL, 1, "", "must be true or false"),
        (BOOL, None, "", "must be true or false"),
        (INT, True, "", "must be an integer"),
        (INT, 1.0, "", "must be an integer"),
        (INT, "1", "", "must be an integer"),
        (INT, INT_MAX + 1, "", "is an integer beyond 64 bits"),
        (INT, INT_MIN - 1, "", "is an integer beyond 64 bits"),
        (FLOAT, True, "", "must be a number"),
        (FLOAT, "1", "", "must be a number"),
        (FLOAT, float("nan"), "", "is not a finite number"),
        (FLOAT, float("inf"), "", "is not a finite number"),
        (STRING, 1, "", "must be a string"),
        (STRING, None, "", "must be a string"),
        (COLOR, "blue", "", 'must be one of "red", "green"'),
        (COLOR, [], "", 'must be one of "red", "green"'),
        (DURATION, "", "", DURATION_WANTED),
        (DURATION, "5", "", DURATION_WANTED),
        (DURATION, "-5m", "", DURATION_WANTED),
        (DURATION, "5m1h", "", DURATION_WANTED),
        (DURATION, "1.5h", "", DURATION_WANTED),
        (DURATION, "٥m", "", DURATION_WANTED),
        (DURATION, "0" * 64 + "m", "", DURATION_WANTED),
        (DURATION, True, "", DURATION_WANTED),
        (DURATION, None, "", DURATION_WANTED),
        (DURATION, "9999999999d", "", "is a longer duration than can be held"),
        (DURATION, INT_MAX, "", "is a longer duration than can be held"),
        (DURATION, -1e300, "", "is a longer duration than can be held"),
        (TIMESTAMP, "2026-11-24", "", TIMESTAMP_WANTED),
        (TIMESTAMP, "2026-11-24T10:00:00", "", TIMESTAMP_WANTED),
        (TIMESTAMP, "2026-11-24 10:00:00Z", "", TIMESTAMP_WANTED),
        (TIMESTAMP, "2026-11-24T10:00Z", "", TIMESTAMP_WANTED),
        (TIMESTAMP, "2026-11-24T24:00:00Z", "", TIMESTAMP_WANTED),
        (TIMESTAMP, "2026-11-24T23:59:60Z", "", TIMESTAMP_WANTED),
        (TIMESTAMP, "2026-11-24T10:00:00+01:60", "", TIMESTAMP_WANTED),
        (TIMESTAMP, "2026-11-24T10:00:00+24:00", "", TIMESTAMP_WANTED),
        (TIMESTAMP, "2026-11-24T10:00:00.Z", "", TIMESTAMP_WANTED),
        (TIMESTAMP, "2026-11-24T10:00:00Z\n", "", TIMESTAMP_WANTED),
        (TIMESTAMP, "٢٠٢٦-11-24T10:00:00Z", "", TIMESTAMP_WANTED),
        (TIMESTAMP, datetime(2026, 11, 24), "", TIMESTAMP_WANTED),
        (TIMESTAMP, True, "", TIMESTAMP_WANTED),
        (TIMESTAMP, "2026-02-30T10:00:00Z", "", "is not a time that the calendar has"),
        (TIMESTAMP, "0000-01-01T00:00:00Z", "", "is not a time that the calendar has"),
        (TIMESTAMP, "0001-01-01T00:00:00+01:00", "", "is not a time that the calendar has"),
        (TIMESTAMP, 1e12, "", "is not a time that the calendar has"),
        (TIMESTAMP, INT_MIN, "", "is not a time that the calendar has"),
        (IP, "10.0.0.1/8", "", "must be an IP address or network"),
        (IP, "fe80::1%eth0", "", "must be an IP address or network"),
        (IP, "host", "", "must be an IP address or network"),
        (IP, "0" * 65, "", "must be an IP address or network"),
        (IP, 167_772_161, "", "must be an IP address or network"),
        (SetOf(STRING), "a", "", "must be an array"),
        (SetOf(STRING), {"a": 1}, "", "must be an array"),
        (SetOf(STRING), ["a", 1], "/1", "must be a string"),
        (SetOf(STRING), [["a"]], "/0", "must be a string"),
        (SetOf(INT), [1, True], "/1", "must be an integer"),
        (SetOf(INT), list(range(1_001)), "", "has more than 1000 members"),
        (SetOf(STRING), ["a"] * 1_001, "", "has more than 1000 members"),
        (SetOf(ENTRY), [{}], "", "must hold plain values"),
        (MapOf(INT), [], "", "must be an object"),
        (MapOf(INT), {"a/b": "x"}, "/a~1b", "must be an integer"),
        (ENTRY, [], "", "must be an object"),
        (ENTRY, {"lines": {"x": {"tax": None}}}, "/lines/x/tax", "must be a number"),
        (ENTRY, {"note": None}, "/note", "must be a string"),
    ],
)
def test_a_value_of_another_type_is_refused_where_it_stands(declared, given, pointer, detail):
    assert refusal(converter(declared), given) == (pointer, detail)


def test_how_many_members_a_set_holds_can_be_set_wherever_it_stands():
    for declared, value, at in [
        (SetOf(INT), [1, 1, 1], ""),
        (MapOf(SetOf(INT)), {"a": [1, 2, 3]}, "/a"),
        (record(ids=SetOf(INT)), {"ids": [1, 2, 3]}, "/ids"),
        (UNKNOWN, [1, 2, 3], ""),
    ]:
        assert refusal(converter(declared, set_members=2), value) == (at, "has more than 2 members")
        assert converter(declared, set_members=3)(value)


def test_what_a_record_does_not_declare_is_ignored():
    table = attribute_converters(ENTRY)
    assert attributes(table, {"amount": 1, "other": [None], "": {}}) == {"amount": 1}


# Where policies are not strict.


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (1, 1),
        ("a", "a"),
        (True, True),
        ([], frozenset()),
        (["b", "a", "b"], frozenset("ab")),
        ([1, 2.5], frozenset({1.0, 2.5})),
        ({"a": {"b": [1]}}, {"a": {"b": frozenset({1})}}),
        (frozenset({timedelta(1)}), frozenset({timedelta(1)})),
    ],
)
def test_what_no_schema_declares_is_taken_as_it_comes(given, value):
    assert told(dynamic()(given)) == told(value)


@pytest.mark.parametrize(
    ("given", "pointer", "detail"),
    [
        (None, "", "must not be null"),
        ({"a": {"b/c": None}}, "/a/b~1c", "must not be null"),
        ([1, None], "/1", "must be a plain value"),
        ([["a"]], "/0", "must be a plain value"),
        ([{}], "/0", "must be a plain value"),
        ([1, True], "", "must hold values of one type"),
        ([1, "a"], "", "must hold values of one type"),
        ([1.0, False], "", "must hold values of one type"),
        (["a"] * 1_001, "", "has more than 1000 members"),
    ],
)
def test_what_is_no_value_is_refused_though_no_schema_declares_it(given, pointer, detail):
    assert refusal(dynamic(), given) == (pointer, detail)


# Both ways.


DURATIONS = st.timedeltas(timedelta(days=-90_000), timedelta(days=90_000)) | st.timedeltas(timedelta(0)).map(
    lambda value: value - value % timedelta(milliseconds=1)
)
TIMES = st.datetimes(timezones=st.just(UTC))
IPS = st.sampled_from(["10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "::/0", "::1", "2001:db8::/32", "::/16"]).map(
    parse_ip
)
TYPED = st.sampled_from(
    [
        (BOOL, st.booleans()),
        (INT, st.integers(INT_MIN, INT_MAX)),
        (FLOAT, st.floats(allow_nan=False, allow_infinity=False)),
        (STRING, st.text(max_size=5)),
        (COLOR, st.sampled_from(COLOR.members)),
        (DURATION, DURATIONS),
        (TIMESTAMP, TIMES),
        (IP, IPS),
    ]
)


@st.composite
def typed(draw):
    """A type and a policy value of it."""
    member, values = draw(TYPED)
    match draw(st.sampled_from(["plain", "set", "map", "record"])):
        case "set":
            return SetOf(member), draw(st.frozensets(values, max_size=4))
        case "map":
            return MapOf(member), draw(st.dictionaries(st.text(max_size=3), values, max_size=3))
        case "record":
            return record(a=member, b=optional(member)), draw(
                st.fixed_dictionaries({"a": values}, optional={"b": values})
            )
        case _:
            return member, draw(values)


@given(typed())
def test_a_value_told_in_json_is_read_as_that_value(case):
    declared, value = case
    assert converter(declared)(json.loads(told(value))) == value
    assert told(converter(declared)(json.loads(told(value)))) == told(value)


@given(typed())
def test_a_value_is_taken_as_it_is(case):
    declared, value = case
    assert converter(declared)(value) == value


@given(
    st.lists(
        st.tuples(st.sampled_from("0123456789"), st.sampled_from(["d", "h", "m", "s", "ms", "", "."])),
        max_size=6,
    )
)
def test_a_duration_is_written_in_json_as_in_a_policy(parts):
    text = "".join(digit + unit for digit, unit in parts)
    tree, found = parse(Source("a.policy", "a", f"let limit = {text}"))
    written = (
        [let.value.value for let in tree.declarations if isinstance(let.value, Duration)] if not found else []
    )
    try:
        taken = [converter(DURATION)(text)]
    except Unfit:
        taken = []
    assert taken == written
