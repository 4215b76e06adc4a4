"""Types of expressions: what branches have in common, what sets hold, what an unknown agrees with."""

from __future__ import annotations

import pytest

from pdp.language.build import MAX_MEMBERS
from pdp.rules.infer import expression
from pdp.rules.scope import Scope
from pdp.rules.terms import Const, SetTerm
from pdp.schema.types import DURATION, FLOAT, INT, STRING, TIMESTAMP, UNKNOWN, Enum, SetOf, Type
from rules.policies import checked, condition, environment, module, told

KINDS = Enum(("workload", "human", "agent", "anonymous"))


def typed(text: str) -> Type:
    """The type of an expression, in a module that may read what no schema declares."""
    tree = module("m", f"let it = {text}")
    found = environment({"m": f"let it = {text}"})
    (declaration,) = tree.declarations
    return expression(declaration.value, Scope(found, found.interfaces["m"], _refused)).type


def _refused(diagnostic: object) -> None:
    raise AssertionError(diagnostic)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("if task.active then 1 else 0.5", FLOAT),
        ("if task.active then [] else [1]", SetOf(INT)),
        ("if task.active then [1] else []", SetOf(INT)),
        ("if task.active then [] else caller.groups", SetOf(STRING)),
        ("if task.active then [] else []", SetOf(UNKNOWN)),
        ("if task.active then caller.kind else \"x\"", STRING),
        ("caller.issuer ?? \"\"", STRING),
        ("[caller.kind]", SetOf(KINDS)),
        ("[caller.kind, \"x\"]", SetOf(STRING)),
        ("[1, caller.depth]", SetOf(INT)),
        ("-(1 + 0.5)", FLOAT),
        ("1 * 5m", DURATION),
        ("now - 5m", TIMESTAMP),
        ("now - now", DURATION),
    ],
)  # fmt: skip
def test_the_type_of_an_expression(text: str, expected: Type) -> None:
    assert typed(text) == expected


def test_a_literal_set_is_one_constant() -> None:
    assert condition("caller.depth in [1, 2, 1]").container == Const(frozenset({1, 2}))
    assert isinstance(condition("1 in [1, caller.depth]").container, SetTerm)


def test_ten_thousand_constants_are_one_part_of_a_condition() -> None:
    numbers = ", ".join(map(str, range(10_000)))
    assert told(f'forbid it {{ when caller.depth in [{numbers}] because "x" }}') == []
    addresses = ", ".join(f'ip("10.0.{n // 256}.{n % 256}")' for n in range(6_000))
    text = (
        f'schema {{ context {{ from: ip }} }} forbid it {{ when context.from in [{addresses}] because "x" }}'
    )
    assert told(text) == []


def numbers(count: int) -> str:
    return f"[{', '.join(map(str, range(count)))}]"


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        (f"any x in {numbers(MAX_MEMBERS)}: x == 0", True),
        (f"any x in {numbers(1_000)}: all y in {numbers(1_000)}: x == y", True),
        (f"any x in {numbers(1_001)}: all y in {numbers(1_000)}: x == y", False),
        (f"any x in {numbers(1_001)}: all y in [caller.depth, {numbers(999)[1:]}: x == y", False),
        (f"any x in {numbers(101)}: all y in {numbers(100)}: any z in {numbers(100)}: x == y", False),
        # What only a request will tell counts there; and what is not within one another, not together.
        (f"any x in caller.groups: any y in {numbers(MAX_MEMBERS)}: len(x) == y", True),
        (f"(any x in {numbers(2_000)}: x == 1) and (any y in {numbers(2_000)}: y == 1)", True),
        # A def counts where it is used.
        (f"any x in {numbers(1_000)}: one_of_many(x)", True),
        (f"any x in {numbers(1_001)}: one_of_many(x)", False),
    ],
)
def test_literal_sets_as_large_as_they_come_are_visited_but_not_each_for_each_of_another(
    condition: str, fits: bool
) -> None:
    text = f"def one_of_many(it: int) = any one in {numbers(1_000)}: one == it"
    limit = "PDP317 this visits members of its literal sets more than 1_000_000 times"
    assert told(f'{text} forbid it {{ when {condition} because "x" }}') == ([] if fits else [limit])


def test_a_set_of_what_only_a_request_will_tell_is_of_unknown_members() -> None:
    text = 'forbid it { when "a" in [context.any, "a"] because "x" }'
    (rule,) = checked(text, strict=False).policies.rules
    assert rule.conditions[0].term.container.type == SetOf(UNKNOWN)
    assert told('forbid it { when 1 in [context.any, "a", 2] because "x" }', strict=False) == [
        "PDP312 the members of a set have one type, and `string` and `int` do not go together"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "nothing + 1 > 2",
        "-nothing > 2",
        "nothing == 1",
        "nothing < 1",
        "nothing in [1]",
        "1 in nothing",
        "not nothing",
        "nothing and true",
        "if nothing then true else false",
        "if true then nothing else 1 > 2",
        "nothing ?? 1 == 1",
        "has nothing.more",
        'nothing["a"] == 1',
        "nothing.more == 1",
        "any x in nothing: x > 1",
        'lower(nothing) == "x"',
        "overlaps(nothing, caller.groups)",
        "caller.id like nothing",
        "[nothing, 1] == [2]",
        "hour(now, nothing) > 1",
    ],
)
def test_what_was_told_to_be_wrong_agrees_with_everything(text: str) -> None:
    assert told(f'forbid it {{ when {text} because "x" }}') == [
        "PDP201 there is nothing called `nothing` here"
    ]


def test_a_head_may_name_a_let_of_one_text_and_any_resource() -> None:
    (rule,) = checked('let shop = "shop" forbid it { audience shop resource any because "x" }').policies.rules
    assert rule.head.audiences == ("shop",)
    assert rule.head.resource_type is None
