"""Fixtures, tables and what a test expects: each mistake once, and columns wherever a name stands."""

from __future__ import annotations

import pytest

from rules.policies import checked, told

GIVEN = 'use shop forbid closed { because "x" require log {} }'
SHOP = {"shop": 'forbid shut { because "x" }'}


def test_a_mistake_in_a_fixture_is_told_once_and_by_none_of_its_users() -> None:
    tests = " ".join(f'test "{name}" using wrong {{ expect deny }}' for name in "ab")
    text = f"fixture wrong {{ context {{ nothing: 1 }} }} {tests}"
    assert told(text) == ["PDP504 no schema declares `context.nothing`"]


def test_what_a_missing_fixture_would_have_stated_is_not_missed_too() -> None:
    text = 'test "a" using nothing { credential { binding: "dpop" } expect deny }'
    assert told(text) == ["PDP507 there is no fixture `nothing`"]


@pytest.mark.parametrize(
    "text",
    [
        'test "a" { context { risk: nothing } expect deny }',
        'test "a" { for x in [(nothing)] context { risk: x } expect deny }',
        'let wrong = nothing test "a" { context { risk: wrong } expect deny }',
        'test "a" { context { risk: nothing + 1 } expect deny }',
        'test "a" { for x in [(nothing + 1)] context { risk: x } expect deny }',
    ],
)
def test_a_name_that_means_nothing_is_told_once(text: str) -> None:
    assert told(f"schema {{ context {{ risk: int }} }} {text}") == [
        "PDP201 there is nothing called `nothing` here"
    ]


@pytest.mark.parametrize(
    ("cells", "rules"),
    [
        ("(closed, log, forbidden, deny)", ("m.closed",)),
        ('("shut", "log", "no_rule", deny)', ("shop.shut",)),
        ("(shop.shut, log, no_rule, deny)", ("shop.shut",)),
    ],
)
def test_rules_codes_and_obligations_may_be_columns(cells: str, rules: tuple[str, ...]) -> None:
    table = f"for rule, duty, why, outcome in [{cells}]"
    expect = "expect outcome by rule reason why require duty"
    found = checked(f'{GIVEN} test "a" {{ {table} {expect} }}', others=SHOP)
    assert found.diagnostics == ()
    (case,) = found.policies.cases
    assert case.expect.rules == rules
    assert case.expect.requires == ("log",)
    assert case.expect.decision == "deny"
    assert case.expect.code in ("forbidden", "no_rule")


@pytest.mark.parametrize(
    ("name", "found"),
    [("closed", "m.closed"), ("shut", "shop.shut"), ("shop.shut", "shop.shut"), ("m.closed", "m.closed")],
)
def test_a_rule_is_named_short_where_it_is_near_and_else_by_its_module(name: str, found: str) -> None:
    (case,) = checked(f'{GIVEN} test "a" {{ expect deny by {name} }}', others=SHOP).policies.cases
    assert case.expect.rules == (found,)


def test_a_resource_of_another_type_leaves_the_attributes_of_the_first_behind() -> None:
    text = """schema { resource order { amount: int } resource box { weight: int } }
    fixture order { resource order "o-1" { amount: 1 } }
    test "a" using order { resource box { weight: 2 } expect deny }"""
    (case,) = checked(text).policies.cases
    assert case.resource == {"type": "box", "id": "o-1", "weight": 2}


def test_the_end_of_a_task_replaces_the_end_of_a_fixture() -> None:
    text = """fixture short { task { owner: "a", expires_in: 1m } }
    test "a" using short { task { expires: 2026-02-01 } expect deny }"""
    (case,) = checked(text).policies.cases
    assert set(case.task or {}) == {"owner", "expires"}


@pytest.mark.parametrize(
    "stated",
    [
        "for x in [(context.any)]",
        "credential { age: context.any, lifetime: 5m }",
        "context { any: context.any }",
    ],
)
def test_what_only_a_request_has_is_no_constant_even_where_policies_are_not_strict(stated: str) -> None:
    (found,) = told(f'test "a" {{ {stated} expect deny }}', strict=False)
    assert found.startswith("PDP503")


def test_a_clause_may_leave_out_the_id() -> None:
    text = """schema { caller { team: string } resource box { weight: int } }
    fixture alice { caller human "alice" resource box "b-1" }
    test "a" using alice { caller { team: "x" } resource box { weight: 1 } expect deny }"""
    (case,) = checked(text).policies.cases
    assert case.caller == {"id": "alice", "kind": "human", "team": "x"}
    assert case.resource == {"type": "box", "id": "b-1", "weight": 1}
