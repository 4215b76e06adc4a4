"""Section 2: operators, guards, `let` and `def`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from language_examples.said import NOW, SCHEMA, applies, changed, codes, value
from pdp.language.parse import parse
from pdp.language.source import Source


def tree(expression: str) -> Any:
    """An expression as it is understood; parentheses leave no trace but their effect."""
    module, found = parse(Source("m.policy", "m", f"let a = {expression}"))
    assert found == ()
    return module.declarations


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("if a then b else c or d", "if a then b else (c or d)"),
        ("if a then b else if c then d else e", "if a then b else (if c then d else e)"),
        ("any x in xs: x and b or c", "any x in xs: ((x and b) or c)"),
        ("all x in xs: any y in ys: x == y", "all x in xs: (any y in ys: (x == y))"),
        ("a or b and c", "a or (b and c)"),
        ("a and b or c and d", "(a and b) or (c and d)"),
        ("not a and b", "(not a) and b"),
        ("not a == b", "not (a == b)"),
        ("not not a", "not (not a)"),
        ("a and has b.c", "a and (has b.c)"),
        ("a == b ?? c", "a == (b ?? c)"),
        ("a ?? b + c", "a ?? (b + c)"),
        ("a ?? b ?? c", "a ?? (b ?? c)"),
        ("a + b < c + d", "(a + b) < (c + d)"),
        ("a - b - c", "(a - b) - c"),
        ("a + b * c", "a + (b * c)"),
        ("-a * b", "(-a) * b"),
        ("-a.b", "-(a.b)"),
        ('-a["b"].c', '-((a["b"]).c)'),
        ("-f(x) + y", "(-(f(x))) + y"),
        ('a like "b" and c in d', '(a like "b") and (c in d)'),
    ],
)
def test_operators_bind_so(written: str, means: str) -> None:
    assert tree(written) == tree(means)


@pytest.mark.parametrize(
    "written",
    [
        "a or if b then c else d",
        "a + if b then 1 else 2",
        "a and any x in xs: x",
        "not all x in xs: x",
        "1 < 2 < 3",
        "a == b == c",
        "a in b in c",
        'a like "b" == true',
        "has a.b == true",
        "has a.b ?? c",
    ],
)
def test_some_stand_in_parentheses_where_they_are_operands(written: str) -> None:
    assert codes(f"let z = {written}") == ["PDP101"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('"a" in resource.tags', True),
        ('"z" in resource.tags', False),
        ('"day" in resource.limits', True),
        ('resource.from in ip("10.0.0.0/8")', True),
        ('ip("10.1.0.0/16") in ip("10.0.0.0/8")', True),
        ('ip("10.0.0.0/8") in ip("10.1.0.0/16")', False),
        ('resource.from in [ip("192.0.2.0/24"), ip("10.1.0.0/16")]', True),
        ('ip("::1") in ip("0.0.0.0/0")', False),
        ('resource.id like "o-*"', True),
        ('resource.id like "*1"', True),
        ('resource.id like "*"', True),
        ('resource.id like "o"', False),
        ('resource.id like "o-?"', False),
        (r'"a*b" like "a\*b"', True),
        (r'"axb" like "a\*b"', False),
        ('resource.note like "a*"', True),
        ("1 + 2 - 4", -1),
        ("resource.age + 30m", timedelta(hours=2)),
        ("resource.age - 2h", timedelta(minutes=-30)),
        ("now + 5m", NOW + timedelta(minutes=5)),
        ("now - 5m", NOW - timedelta(minutes=5)),
        ("now - resource.due", timedelta(0)),
        ("2 * 3 * 0.5", 3.0),
        ("2 * resource.age", timedelta(hours=3)),
        ("resource.age * 0.5", timedelta(minutes=45)),
        ("-resource.age < 0s", True),
        ("resource.amount != 7", False),
        ('"a" < "b" and "b" <= "b" and not ("a" > "b")', True),
        ("resource.due >= 2026-11-24", True),
        ("90s == 1m30s", True),
    ],
)
def test_what_an_operator_gives(expression: str, expected: Any) -> None:
    assert value(expression) == expected


def test_there_is_no_division_and_no_recursion() -> None:
    assert codes("let a = 1 / 2") == ["PDP112"]
    assert codes("def f(n: int) = f(n - 1) > 0") == ["PDP205"]


@pytest.mark.parametrize(
    "guarded",
    [
        "when has resource.ticket and resource.ticket == \"t\"",
        "when has resource.ticket when resource.ticket == \"t\"",
        "unless not has resource.ticket when resource.ticket == \"t\"",
        "when (if has resource.ticket then resource.ticket == \"t\" else false)",
        "when not (not has resource.ticket) and resource.ticket == \"t\"",
        "unless not has resource.ticket or resource.ticket != \"t\"",
        "when resource.ticket ?? \"\" == \"t\"",
        "when has resource.ticket when (any x in caller.groups: resource.ticket == \"t\")",
    ],
)  # fmt: skip
def test_a_guarded_attribute_may_be_read(guarded: str) -> None:
    assert not applies(f"resource order {guarded}")
    assert applies(f"resource order {guarded}", changed(resource={"ticket": "t"}))


@pytest.mark.parametrize(
    "unguarded",
    [
        "when resource.ticket == \"t\"",
        "when has resource.ticket or resource.ticket == \"t\"",
        "when resource.ticket == \"t\" when has resource.ticket",
        "when not has resource.ticket and resource.ticket == \"t\"",
        "unless has resource.ticket when resource.ticket == \"t\"",
        "when (if has resource.ticket then true else resource.ticket == \"t\")",
        "when has resource.note or has resource.ticket when resource.ticket == \"t\"",
    ],
)  # fmt: skip
def test_reading_an_optional_attribute_unguarded_is_an_error(unguarded: str) -> None:
    told = codes(f'{SCHEMA}forbid a {{ resource order {unguarded} because "x" }}')
    assert told[-1] == "PDP305"


def test_any_and_all_run_over_sets_and_the_keys_of_maps_in_sorted_order() -> None:
    assert value('any x in resource.tags: x == "b"', given="") is True
    assert value("all x in resource.counts: x <= 3") is True
    assert value("any k in resource.limits: resource.limits[k] == 2") is True
    assert value("all k in resource.limits: resource.limits[k] > 2") is False
    assert value("any x in caller.groups: all y in resource.tags: x != y") is True
    # 1 decides before 3 overflows; and the other way round 1 overflows before 3 could decide.
    assert value("any x in resource.counts: x == 1 or x + 9_223_372_036_854_775_806 > 0") is True
    assert value("any x in resource.counts: x == 3 or x + 9_223_372_036_854_775_807 > 0") == "fails: overflow"
