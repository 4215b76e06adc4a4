"""Lets and defs: found by name, checked by themselves once, and inlined where they are used."""

from __future__ import annotations

import pytest

from pdp.language.parse import parse
from pdp.language.source import Source
from pdp.rules.check import check
from pdp.schema.types import INT, UNKNOWN, SetOf
from rules.policies import checked, condition, told

SCHEMA = "schema { resource order { amount: int, ticket?: string } resource parcel { amount: string } }"


def codes_of_broken(**texts: str) -> list[str]:
    """The codes that a check tells of modules of which some declarations could not be read."""
    trees = [parse(Source(f"{name}.policy", name, text))[0] for name, text in texts.items()]
    return [found.code for found in check(trees)[1]]


@pytest.mark.parametrize(
    "use",
    [
        'forbid it { when lost because "x" }',
        'forbid it { when lost(3) because "x" }',
        'forbid it { caller lost because "x" }',
        'forbid it { when gone.office because "x" }',
        'forbid it { when gone.open(3) because "x" }',
        'forbid it { caller gone.office because "x" }',
        'forbid it { when other.lost because "x" }',
        'forbid it { when other.lost(1) because "x" }',
    ],
)
def test_what_could_not_be_read_is_missed_by_nobody(use: str) -> None:
    lost = "let lost = \nuse gone as\nuse other\n"
    assert codes_of_broken(m=f"{lost}{use}", other="let lost = \n") == []


def test_what_never_was_is_missed_all_the_same() -> None:
    broken = 'let lost = \nforbid it { when found because "x" }'
    assert codes_of_broken(m=broken) == ["PDP201"]


@pytest.mark.parametrize(
    ("definition", "use"),
    [
        ("let amount = resource.amount", "amount > 1"),
        ("def over(n: int) = resource.amount > n", "over(1)"),
    ],
)
def test_what_a_definition_reads_depends_on_where_it_is_used(definition: str, use: str) -> None:
    text = f'{SCHEMA} {definition} forbid it {{ HEAD when {use} because "x" }}'
    assert told(text.replace("HEAD", "resource order")) == []
    (found,) = told(text.replace("HEAD", ""))
    assert found.startswith("PDP322 in `")
    assert "different types" in found


def test_a_mistake_in_a_definition_is_told_there_and_by_none_of_its_users() -> None:
    uses = " ".join(f'forbid r{n} {{ when wrong and also because "x" }}' for n in range(3))
    assert told(f'let wrong = caller.depth == "x" let also = wrong and true {uses}') == [
        "PDP302 `==` compares `int` with `string`"
    ]


def test_a_warning_in_a_definition_is_told_there_alone() -> None:
    lower = {"PDP406": "warning"}
    text = 'let hot = context.heat > 3 forbid a { when hot because "x" } forbid b { when hot because "x" }'
    found = checked(text, lower=lower)
    assert [(one.code, one.severity) for one in found.diagnostics] == [("PDP406", "warning")]
    assert [rule.identity for rule in found.policies.rules] == ["m.a", "m.b"]


def test_a_def_whose_parameters_are_wrong_says_nothing_of_its_arguments() -> None:
    assert told('def f(a: nothing) = a > 1 forbid it { when f("x") because "x" }') == [
        "PDP211 there is no type `nothing`"
    ]
    assert told('def f(a: int, a: string) = a > 1 forbid it { when f(1, "x") because "x" }') == [
        "PDP206 `a` is declared twice"
    ]
    assert told("def f(a: nothing) = has a") == ["PDP211 there is no type `nothing`"]


def test_arguments_are_seen_as_their_parameters_are_declared() -> None:
    given = 'def half(a: float) = a * 0.5 > 1 def named(a: string) = a == "x"'
    assert told(f'{given} forbid it {{ when half(caller.depth) because "x" }}') == []
    assert told(f'{given} forbid it {{ when named(caller.kind) because "x" }}') == []


def test_what_only_a_request_will_tell_is_as_open_behind_a_parameter() -> None:
    given = "def has_one(a: set<int>) = 1 in a def none(a: set<int>) = a == []"
    text = f'{given} forbid it {{ when has_one([context.loose]) or none([context.loose]) because "x" }}'
    term = checked(text, strict=False).policies.rules[0].conditions[0].term
    assert [term.operands[0].container.type, term.operands[1].left.type] == [SetOf(UNKNOWN), SetOf(UNKNOWN)]
    assert condition("has_one([])", given=given).container.type == SetOf(INT)


def test_variables_of_a_definition_that_is_used_twice_are_two() -> None:
    given = "def has_prefix(p: string) = any g in caller.groups: starts_with(g, p)"
    term = condition('has_prefix("a") and has_prefix("b")', given=given)
    names = {quantifier.variable for quantifier in term.operands}
    assert len(names) == 2


def test_constant_arguments_share_one_term() -> None:
    given = "def fresh(limit: duration) = credential.bound and credential.age <= limit"
    found = checked(
        f'{given} forbid a {{ when fresh(5m) because "x" }} forbid b {{ when fresh(5m) because "x" }}'
    )
    one, other = (rule.conditions[0].term for rule in found.policies.rules)
    assert one is other


def test_a_whole_root_may_be_an_argument() -> None:
    given = f"{SCHEMA} def mine(r: {{ id: string }}, c: {{ bound: bool }}) = c.bound and r.id == caller.id"
    assert condition("mine(resource, credential)", given=given) == condition(
        "credential.bound and resource.id == caller.id"
    )


def test_what_is_absent_for_some_users_is_no_whole_root_for_them() -> None:
    given = f"{SCHEMA} def large(r: {{ amount: int }}) = r.amount > 1"
    assert told(f'{given} forbid it {{ resource order when large(resource) because "x" }}') == []
    (found,) = told(f'{given} forbid it {{ when large(resource) because "x" }}')
    assert found.startswith("PDP310 `r` of `large` is a record")


def test_what_is_wrong_in_a_definition_is_no_second_mistake_in_heads_and_literals() -> None:
    wrong = ["PDP201 there is nothing called `nothing` here"]
    assert told('let wrong = nothing forbid it { caller wrong because "x" }') == wrong
    assert told('let wrong = nothing forbid it { when caller.id like wrong because "x" }') == wrong


def test_a_parameter_is_read_by_its_type() -> None:
    assert told("def f(r: { flat: string, deep?: string }) = has r.deep and r.deep == r.flat") == []
    assert told("def f(r: { flat: string }) = has r.flat") == ["PDP306 `r.flat` is not optional"]
