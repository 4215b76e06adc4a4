"""How types go together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.rules.agree import alike, as_written, fits, has_float, has_unknown, join, same, same_attribute
from pdp.schema.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    IP,
    STRING,
    UNKNOWN,
    Enum,
    MapOf,
    SetOf,
    Type,
    optional,
    record,
)  # fmt: skip

AB, BA, ABC, CD = Enum(("a", "b")), Enum(("b", "a")), Enum(("a", "b", "c")), Enum(("c", "d"))
TYPES = st.recursive(
    st.sampled_from([BOOL, INT, FLOAT, STRING, DURATION, IP, UNKNOWN, AB, BA, ABC, CD]),
    lambda inner: st.one_of(
        inner.map(SetOf),
        inner.map(MapOf),
        st.builds(lambda one, other: record(a=one, b=optional(other)), inner, inner),
    ),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("given_", "wanted", "expected"),
    [
        (INT, FLOAT, True),
        (FLOAT, INT, False),
        (INT, STRING, False),
        (UNKNOWN, IP, True),
        (IP, UNKNOWN, True),
        (AB, ABC, True),
        (ABC, AB, False),
        (AB, BA, True),
        (AB, STRING, True),
        (STRING, AB, False),
        (AB, INT, False),
        (SetOf(AB), SetOf(STRING), True),
        (SetOf(STRING), SetOf(AB), False),
        (SetOf(INT), INT, False),
        (MapOf(INT), MapOf(FLOAT), True),
        (MapOf(STRING), MapOf(FLOAT), False),
        (record(a=INT), record(a=FLOAT), True),
        (record(a=INT, b=STRING), record(a=INT), True),
        (record(a=INT), record(a=INT, b=STRING), False),
        (record(a=INT), record(a=INT, b=optional(STRING)), True),
        (record(a=optional(INT)), record(a=INT), False),
        (record(a=STRING), record(a=INT), False),
        (record(a=INT), MapOf(INT), False),
    ],
)
def test_what_stands_where_another_type_is_asked_for(given_: Type, wanted: Type, expected: bool) -> None:
    assert fits(given_, wanted) is expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (INT, FLOAT, True),
        (AB, STRING, True),
        (AB, ABC, True),
        (ABC, CD, True),
        (AB, CD, False),
        (SetOf(ABC), SetOf(CD), True),
        (SetOf(INT), SetOf(STRING), False),
        (INT, SetOf(INT), False),
        (DURATION, INT, False),
    ],
)
def test_what_can_be_equal(left: Type, right: Type, expected: bool) -> None:
    assert alike(left, right) is expected
    assert alike(right, left) is expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (INT, INT, INT),
        (INT, FLOAT, FLOAT),
        (FLOAT, INT, FLOAT),
        (AB, CD, Enum(("a", "b", "c", "d"))),
        (AB, STRING, STRING),
        (SetOf(INT), SetOf(INT), SetOf(INT)),
        (SetOf(AB), SetOf(CD), SetOf(Enum(("a", "b", "c", "d")))),
        (SetOf(INT), SetOf(STRING), None),
        (INT, STRING, None),
        (UNKNOWN, BOOL, UNKNOWN),
        (STRING, UNKNOWN, UNKNOWN),
        (SetOf(UNKNOWN), SetOf(STRING), SetOf(UNKNOWN)),
        (MapOf(INT), MapOf(FLOAT), MapOf(FLOAT)),
    ],
)
def test_the_one_type_of_two_branches(left: Type, right: Type, expected: Type | None) -> None:
    assert join(left, right) == expected


def test_a_type_that_has_floats_has_no_equality() -> None:
    assert has_float(FLOAT)
    assert has_float(SetOf(FLOAT))
    assert has_float(MapOf(FLOAT))
    assert not has_float(MapOf(INT))


def test_what_only_a_request_will_tell() -> None:
    assert has_unknown(SetOf(UNKNOWN))
    assert has_unknown(MapOf(UNKNOWN))
    assert has_unknown(record(a=INT, b=UNKNOWN))
    assert not has_unknown(record(a=INT, b=SetOf(AB)))


def test_an_enum_is_written_as_text() -> None:
    assert as_written(AB) == STRING
    assert as_written(SetOf(AB)) == SetOf(STRING)
    assert as_written(MapOf(INT)) == MapOf(INT)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (AB, BA, True),
        (AB, ABC, False),
        (SetOf(AB), SetOf(BA), True),
        (MapOf(AB), MapOf(BA), True),
        (MapOf(AB), SetOf(AB), False),
        (record(a=AB), record(a=BA), True),
        (record(a=AB), record(b=AB), False),
        (record(a=AB), record(a=optional(AB)), False),
        (INT, FLOAT, False),
    ],
)
def test_two_declarations_say_the_same(left: Type, right: Type, expected: bool) -> None:
    assert same(left, right) is expected


def test_two_declarations_agree_in_being_optional() -> None:
    assert same_attribute(optional(AB), optional(BA))
    assert not same_attribute(optional(AB), record(a=AB).attributes[0][1])


@given(TYPES, TYPES)
def test_a_join_takes_both_and_no_more_is_claimed_than_is_known(left: Type, right: Type) -> None:
    both = join(left, right)
    if both is not None:
        assert fits(left, both)
        assert fits(right, both)
        assert has_unknown(both) or not (has_unknown(left) and has_unknown(right))


@given(TYPES, TYPES)
def test_agreement_is_mutual(left: Type, right: Type) -> None:
    assert fits(left, left)
    assert alike(left, right) == alike(right, left)
    assert same(left, right) == same(right, left)
    assert not fits(left, right) or alike(left, right)
