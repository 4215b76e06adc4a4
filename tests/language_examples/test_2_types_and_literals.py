"""Section 2: types and literals, in the policy and in the JSON of a request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from language_examples.said import ORDER, REQUEST, SCHEMA, applies, changed, codes, facts_of, value
from pdp.access.request import RequestError
from pdp.access.values import parse_ip
from pdp.language.source import Source
from pdp.load import check_sources
from pdp.load import compile as compiled

DAY = datetime(2026, 11, 24, tzinfo=UTC)
PROGRAM = compiled(check_sources([Source("m.policy", "m", SCHEMA)]))


def stated(**attributes: Any) -> Any:
    """What a request's values become, by the order's schema; a word for a request that is refused."""
    (name,) = attributes
    try:
        return facts_of(PROGRAM, changed(resource=attributes)).resource[name]
    except RequestError as error:
        return f"refused at {error.pointer}"


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("true", True),
        ("false", False),
        ("10_000", 10_000),
        ("-3", -3),
        ("9_223_372_036_854_775_807", 2**63 - 1),
        ("-9_223_372_036_854_775_808", -(2**63)),
        ("0.75", 0.75),
        ("1e3", 1000.0),
        (r'"\" \\ \n \t \u{1F600}"', '" \\ \n \t 😀'),
        ("500ms", timedelta(milliseconds=500)),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("7d", timedelta(days=7)),
        ("2026-11-24", DAY),
        ("2026-11-24T10:00:00Z", DAY.replace(hour=10)),
        ("2026-11-24T10:00:00+02:00", DAY.replace(hour=8)),
        ('ip("10.0.0.1")', parse_ip("10.0.0.1")),
        ('ip("10.0.0.0/8")', parse_ip("10.0.0.0/8")),
        ('ip("2001:db8::/32")', parse_ip("2001:db8::/32")),
        ('["a", "b"]', frozenset({"a", "b"})),
        ("[]", frozenset()),
    ],
)
def test_a_literal_is_written_so(literal: str, expected: Any) -> None:
    found = value(literal)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("attribute", "json", "expected"),
    [
        ("amount", 2**63 - 1, 2**63 - 1),
        ("amount", -(2**63), -(2**63)),
        ("amount", 1.0, "refused at /resource/amount"),
        ("amount", "1", "refused at /resource/amount"),
        ("price", 3, 3.0),
        ("price", float("nan"), "refused at /resource/price"),
        ("price", float("inf"), "refused at /resource/price"),
        ("note", "ü", "ü"),
        ("kind", "standard", "standard"),
        ("kind", "pickup", "refused at /resource/kind"),
        ("age", "1h30m", timedelta(minutes=90)),
        ("age", 5400, timedelta(minutes=90)),
        ("age", 0.5, timedelta(milliseconds=500)),
        ("due", "2026-11-24T12:00:00+02:00", DAY.replace(hour=10)),
        ("due", 1795478400, DAY),
        ("due", "2026-11-24 12:00", "refused at /resource/due"),
        ("from", "::ffff:10.1.2.3", parse_ip("10.1.2.3")),
        ("from", "10.1.2.3/8", "refused at /resource/from"),
        ("tags", ["a", "b", "a"], frozenset({"a", "b"})),
        ("tags", "a", "refused at /resource/tags"),
        ("tags", ["a", 1], "refused at /resource/tags/1"),
        ("limits", {"day": 1}, {"day": 1}),
        ("limits", {"day": "1"}, "refused at /resource/limits/day"),
        ("inner", {"flat": "x"}, {"flat": "x"}),
        ("inner", {"deep": 1, "flat": "x"}, "refused at /resource/inner/deep"),
    ],
)
def test_a_value_of_json_is_read_by_its_declared_type(attribute: str, json: Any, expected: Any) -> None:
    found = stated(**{attribute: json})
    assert found == expected
    assert type(found) is type(expected)


def test_an_integer_beyond_64_bits_is_a_failure_and_never_wraps() -> None:
    with pytest.raises(RequestError):
        facts_of(PROGRAM, changed(resource={"amount": 2**63}))
    assert value("resource.amount + 9_223_372_036_854_775_807") == "fails: overflow"
    assert value("resource.amount * 9_223_372_036_854_775_807") == "fails: overflow"
    assert value("-(-9_223_372_036_854_775_807 - resource.amount + 6)") == "fails: overflow"
    assert value("resource.price * 1e308 * 10") == "fails: overflow"


@pytest.mark.parametrize("operator", ["==", "!="])
def test_floats_have_no_equality(operator: str) -> None:
    assert codes(f"{SCHEMA}let a = resource.price {operator} 0.5") == ["PDP303"]
    assert codes(f"{SCHEMA}let a = 1 {operator} 0.5") == ["PDP303"]


def test_an_int_widens_to_a_float_in_arithmetic_and_comparison() -> None:
    assert value("resource.amount + resource.price") == 9.5
    assert value("resource.amount * 0.5") == 3.5
    assert value("resource.price < resource.amount") is True
    assert value("7 >= 7.0") is True
    assert value("if resource.paid then 1 else 0.5") == 1


def test_texts_are_compared_by_code_point_and_never_normalised() -> None:
    composed, decomposed = "\u00e9", "e\u0301"
    order = changed(resource={"note": composed})
    assert value(f'resource.note == "{composed}"', order) is True
    assert value(f'resource.note == "{decomposed}"', order) is False
    assert value('"Z" < "a" and "a" < "é" and "z" < "é" and "\\u{FFFF}" < "\\u{1F600}"') is True


def test_a_v4_mapped_address_equals_its_v4_address() -> None:
    assert value('ip("::ffff:10.0.0.1") == ip("10.0.0.1")') is True
    assert value('ip("::ffff:10.0.0.0/104") == ip("10.0.0.0/8")') is True
    assert value('resource.from in ip("10.0.0.0/8")', changed(resource={"from": "::ffff:10.9.9.9"})) is True


def test_in_a_set_duplicates_collapse_and_order_never_matters() -> None:
    assert value('["a", "b", "a"] == ["b", "a"]') is True
    assert value("len([1, 1, 1])") == 1
    assert value('resource.tags == ["b", "a"]') is True
    reordered = changed(resource={"tags": ["a", "b"]})
    assert facts_of(PROGRAM, REQUEST).resource["tags"] == facts_of(PROGRAM, reordered).resource["tags"]


def test_a_map_is_read_by_key_and_in_guards_the_key() -> None:
    assert value('"day" in resource.limits and resource.limits["day"] > 9') is True
    assert value('"week" in resource.limits and resource.limits["week"] > 9') is False
    assert value('resource.limits["week"] ?? 0') == 0
    unguarded = 'forbid a { resource order when resource.limits["day"] > 9 because "x" }'
    assert codes(SCHEMA + unguarded) == ["PDP305"]


def test_a_record_is_nested_and_a_question_mark_makes_an_attribute_optional() -> None:
    inner = changed(resource={"inner": {"flat": "x"}})
    deep = changed(resource={"inner": {"flat": "x", "deep": "y"}})
    assert value('resource.inner.deep ?? "-"') == "-"
    assert value('resource.inner.deep ?? "-"', inner) == "-"
    assert value('resource.inner.deep ?? "-"', deep) == "y"
    assert applies('resource order when has resource.inner when resource.inner.flat == "x"', inner)


def test_comparing_an_enum_with_any_other_literal_is_an_error() -> None:
    rule = 'forbid a {{ resource order when {} because "x" }}'
    assert codes(SCHEMA + rule.format('resource.kind == "express"')) == []
    for other in ('resource.kind == "expres"', 'resource.kind != "x"', '"x" == resource.kind',
                  'resource.kind in ["standard", "x"]', 'caller.kind == "robot"'):  # fmt: skip
        assert codes(SCHEMA + rule.format(other)) == ["PDP304"]


def test_the_order_of_the_examples_has_every_type() -> None:
    assert set(facts_of(PROGRAM).resource) == {*ORDER}
