"""Section 2: paths, built-in functions, `let` and `def`, and how much a set may hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from language_examples.said import ANYONE, NOW, SCHEMA, changed, checked, codes, facts_of, value
from pdp.access.request import Request, RequestError
from pdp.load import compile
from pdp.point import OPERATOR, DecisionPoint
from pdp.schema.functions import FUNCTIONS
from pdp.settings import Limits, Settings


def at(path: str, pattern: str) -> Any:
    """Whether a path that a request names is matched."""
    return value(f'path_like(resource.note, "{pattern}")', changed(resource={"note": path}))


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("/orders/7", "/orders/{id}", True),
        ("/orders/7", "/orders/*", True),
        ("/orders/7/lines", "/orders/{id}", False),
        ("/orders/7", "/orders/{id}/**", True),
        ("/orders/7/lines/1", "/orders/{id}/**", True),
        ("/orders", "/orders/{id}/**", False),
        ("/order%73/7", "/orders/{id}", True),
        ("/orders/%2537", "/orders/{id}", True),
        ("/Orders/7", "/orders/{id}", False),
    ],
)
def test_a_path_is_matched_segment_by_segment_decoded_once(path: str, pattern: str, expected: bool) -> None:
    assert at(path, pattern) is expected


@pytest.mark.parametrize(
    "path",
    ["/orders/../users", "/orders/./7", "/orders//7", "/orders/", "/orders/a%2Fb", "/orders/%2e%2e/users",
     "/orders\\7", "/orders/%00", "/orders/a%0Ab", "/orders/%FF", "/orders/%7", "orders/7"],
)  # fmt: skip
def test_a_path_with_two_readings_is_a_failure(path: str) -> None:
    assert at(path, "/**") == "fails: path"


def test_a_double_star_stands_last() -> None:
    assert codes('let a = path_like("/x", "/**/x")') == ["PDP311"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("len(resource.tags)", 2),
        ("len(resource.limits)", 2),
        ('len("\\u{1F600}é")', 2),
        ('lower("ÄBC")', "äbc"),
        ('starts_with(resource.id, "o-")', True),
        ('ends_with(resource.id, "-2")', False),
        ('contains(caller.id, "/ns/shop/")', True),
        ('matches(resource.id, "[a-z]-[0-9]+")', True),
        ('matches(resource.id, "[a-z]")', False),
        ('subset(resource.tags, ["a", "b", "c"])', True),
        ('subset(["a", "c"], resource.tags)', False),
        ('overlaps(resource.tags, ["b", "z"])', True),
        ("overlaps(resource.tags, [])", False),
        ('hour(now, "Europe/Berlin")', 11),
        ('hour(now, "UTC")', 10),
        ('weekday(now, "UTC")', "tue"),
        ('weekday(2026-11-22T23:30:00Z, "Europe/Berlin")', "mon"),
        ('date(2026-11-22T23:30:00Z, "Europe/Berlin")', datetime(2026, 11, 23, tzinfo=UTC)),
    ],
)
def test_what_a_function_gives(expression: str, expected: Any) -> None:
    assert value(expression) == expected


def test_the_days_of_the_week_are_named_so() -> None:
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    assert [value(f'weekday(2026-11-{23 + day}, "UTC")') for day in range(7)] == days
    assert codes('let a = weekday(now, "UTC") == "monday"') == ["PDP304"]


@pytest.mark.parametrize("beyond", ["(a)\\\\1", "a(?=b)", "(?<!a)b", "("])
def test_an_expression_of_another_syntax_than_re2_is_an_error(beyond: str) -> None:
    assert codes(f'let a = matches("x", "{beyond}")') == ["PDP311"]


def test_the_functions_are_those_and_no_more() -> None:
    named = "len lower starts_with ends_with contains matches subset overlaps ip path_like hour weekday date"
    assert FUNCTIONS.keys() - {"like"} == set(named.split())


@pytest.mark.parametrize(
    "function",
    [
        "matches(resource.id, {})",
        "path_like(resource.id, {})",
        "resource.id like {}",
        "hour(now, {}) > 1",
        "ip({}) == now",
    ],
)
def test_patterns_zones_and_addresses_are_literals(function: str) -> None:
    assert codes(f"let a = {function.format('caller.id')}") == ["PDP311"]


def test_let_names_a_value_or_condition_and_def_one_with_typed_parameters() -> None:
    given = "let small = resource.amount < limit let limit = 10 def above(n: int) = resource.amount > n"
    assert value("small", given=given) is True
    assert value("above(7)", given=given) is False
    assert value("above(limit - 5)", given=given) is True
    assert codes(f"{SCHEMA}{given} let wrong = above(5m)") == ["PDP310"]


def test_neither_may_be_circular() -> None:
    assert codes("let a = b let b = a") == ["PDP205"]
    assert codes("def a(n: int) = b(n) def b(n: int) = a(n)") == ["PDP205"]


def test_both_are_inlined_and_leave_no_trace() -> None:
    head = f"{SCHEMA}permit a {{ {ANYONE} resource order when {{}} }}"
    given = "let limit = 10 def above(n: int) = resource.amount > n and credential.bound "
    plain = checked(head.replace("{}", "resource.amount > 10 and credential.bound")).policies.rules[0]
    named = checked(given + head.replace("{}", "above(limit)")).policies.rules[0]
    assert [replace(condition, span=plain.spans["name"]) for condition in named.conditions] == [
        replace(condition, span=plain.spans["name"]) for condition in plain.conditions
    ]


def test_an_input_set_holds_at_most_a_thousand_members() -> None:
    program = compile(checked(SCHEMA))
    full = facts_of(program, changed(resource={"counts": list(range(1_000))}))
    assert len(full.resource["counts"]) == 1_000
    with pytest.raises(RequestError, match="/resource/counts"):
        facts_of(program, changed(resource={"counts": list(range(1_001))}))


@pytest.mark.parametrize("size", [1_000, 1_001, 3_000])
def test_any_and_all_run_over_input_sets_as_large_as_they_are_let_in(size: int) -> None:
    settings = Settings(limits=Limits(members=3_000, set_members=3_000))
    counts = changed(resource={"counts": list(range(size))})

    def outcome(condition: str) -> str | None:
        text = f"{SCHEMA}permit it {{ {ANYONE} resource order when {condition} }}"
        point = DecisionPoint(compile(checked(text)), settings)
        made = point.evaluate(Request.parse(counts, point.limits), OPERATOR, now=NOW).decision
        return made.failures[0].kind if made.failures else made.decision

    assert outcome("all x in resource.counts: x < 3_000") == "allow"
    assert outcome(f"any x in resource.counts: x == {size}") == "deny"
    # Each for each of a thousand others, a thousand are enough: every evaluation ends, and soon.
    pairs = "any x in resource.counts: all y in resource.counts: x <= y"
    assert outcome(pairs) == ("allow" if size == 1_000 else "limit")


def test_any_and_all_run_over_literal_sets_as_large_as_they_come() -> None:
    members = ", ".join(map(str, range(10_000)))
    assert value(f"any x in [{members}]: x == resource.amount") is True
    assert value(f"all x in [{members}]: x < 9_999") is False
    assert value(f"any c in resource.counts: any x in [{members}]: x == c") is True
    assert codes(f"let a = any x in [{members}]: any y in [{members}]: x == y") == ["PDP317"]
