"""From trees to a policy set: what is left out, and what a check depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from pdp.load import compile
from pdp.rules.check import CheckedModule, Environment, check, check_module, interface, merge, still_holds
from pdp.rules.scope import MAX_DEPTH
from rules.policies import checked, condition, environment, module, told

BASE = {
    "common": 'let office = "berlin" let night = 3',
    "shop": 'use common forbid closed { when audience == common.office because "x" }',
    "far": 'use shop as s forbid away { caller any because "x" }',
}


def test_the_policy_set_of_modules_is_in_the_order_of_identities() -> None:
    text = 'forbid z { because "x" } assert y { never allow when true } assert b { never allow when true }'
    policies, found = check([module("m", text), module("a", 'forbid z { because "x" }')])
    assert found == ()
    assert [rule.identity for rule in policies.rules] == ["a.z", "m.z"]
    assert [one.identity for one in policies.asserts] == ["m.b", "m.y"]


@pytest.mark.parametrize(
    "wrong",
    [
        'forbid it { when nothing because "x" }',
        "forbid it { caller any }",
        'forbid it { caller nobody because "x" }',
        'forbid it { require log { level: nothing } because "x" }',
        "assert it { never allow when nothing }",
        'test "it" { context { nothing: 1 } expect deny }',
    ],
)
def test_what_is_wrong_is_left_out_and_the_rest_stays(wrong: str) -> None:
    found = checked(f'{wrong} forbid other {{ because "x" }} assert another {{ never allow when true }}')
    assert len(found.diagnostics) == 1
    assert [rule.identity for rule in found.policies.rules] == ["m.other"]
    assert [one.identity for one in found.policies.asserts] == ["m.another"]
    assert found.policies.cases == ()


@pytest.mark.parametrize(
    "clause",
    [
        "caller names",
        "caller any in group names",
        "when matches(caller.id, context.loose)",
        "when caller.id like context.loose",
        "when ip(context.loose) in context.loose",
        "when any x in context.loose: has x",
        "when (context.loose + 1 ?? 2) > 3",
    ],
)
def test_no_rule_is_left_out_in_silence_where_attributes_are_dynamic(clause: str) -> None:
    """A forbid that went missing, or that matched nobody, would let through what it was written to stop."""
    found = checked(f'let names = context.loose forbid it {{ {clause} because "x" }}', strict=False)
    assert len(found.errors) == 1
    assert found.policies.rules == ()


def test_of_two_rules_of_one_name_the_first_counts() -> None:
    found = checked('forbid it { caller human because "x" } forbid it { caller agent because "x" }')
    (rule,) = found.policies.rules
    assert rule.head.kind == "human"


def test_a_second_file_of_one_module_has_nothing_to_say() -> None:
    first, second = module("m", 'forbid a { because "x" }'), module("m", 'forbid b { because "x" }')
    elsewhere = replace(second, span=second.span._replace(path="z.policy"))
    policies, found = check([first, elsewhere])
    assert [rule.identity for rule in policies.rules] == ["m.a"]
    assert [one.code for one in found] == ["PDP213"]


# What need not be checked again.


class Set:
    """Modules that change one at a time; an interface is kept for as long as its text stays."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.trees = {name: module(name, text) for name, text in texts.items()}
        self.interfaces = {name: interface(tree) for name, tree in self.trees.items()}

    def change(self, name: str, text: str) -> None:
        self.trees[name] = module(name, text)
        self.interfaces[name] = interface(self.trees[name])

    def environment(self) -> Environment:
        return merge(list(self.interfaces.values()))[0]

    def check(self, name: str) -> CheckedModule:
        return check_module(self.trees[name], self.environment())


@pytest.mark.parametrize(
    ("changed", "text", "holds"),
    [
        ("shop", BASE["shop"], {"common"}),
        ("common", BASE["common"].replace("3", "4"), set()),
        ("far", BASE["far"], {"common", "shop"}),
        ("new", 'forbid it { because "x" }', {"common", "shop", "far"}),
        ("new", "schema { context { risk: int } }", set()),
    ],
)
def test_a_check_holds_until_something_that_it_read_changes(changed: str, text: str, holds: set[str]) -> None:
    policies = Set(BASE)
    before = {name: policies.check(name) for name in BASE}
    assert all(still_holds(one, policies.environment()) for one in before.values())
    policies.change(changed, text)
    now = policies.environment()
    assert {name for name, one in before.items() if name != changed and still_holds(one, now)} == holds


def test_a_module_with_tests_or_mistakes_depends_on_all() -> None:
    for text in ('test "t" { expect deny }', "fixture f { }", "let a = nothing", "use nowhere"):
        policies = Set({**BASE, "m": text})
        one = policies.check("m")
        policies.change("far", BASE["far"])
        assert not still_holds(one, policies.environment())


def test_a_missing_module_that_appears_is_another_environment() -> None:
    policies = Set({"a": "use b let x = b.y", "b": "use c let y = 1"})
    one = policies.check("a")
    assert still_holds(one, policies.environment())
    policies.change("c", "let z = 1")
    assert not still_holds(one, policies.environment())


# How large and how deep.


@pytest.mark.parametrize("first", ["caller.depth > 1", 'task.owner == "x"'])
def test_chains_of_lets_are_bounded(first: str) -> None:
    text = f"let a0 = {first} " + " ".join(f"let a{n} = not a{n - 1}" for n in range(1, 150))
    assert set(told(text)) == {
        f"PDP317 with its lets and defs in place this is more than {MAX_DEPTH} levels deep"
    }


def test_the_deepest_condition_goes_through_all_that_comes_after() -> None:
    nots = "not " * 60
    given = f"let deep = {nots} (caller.depth > 1)"
    found = checked(f'{given} forbid it {{ when {nots} deep because "x" }}')
    assert len(compile(found).rules) == 1


def test_a_chain_within_a_chain_is_one_chain() -> None:
    given = "let both = caller.depth > 1 and caller.depth < 9 let one = caller.depth == 0 or task.active"
    assert condition("both and credential.bound", given=given) == condition(
        "caller.depth > 1 and caller.depth < 9 and credential.bound"
    )
    assert condition("credential.bound or one", given=given) == condition(
        "credential.bound or caller.depth == 0 or task.active"
    )


def test_an_environment_has_each_module_after_those_that_it_uses() -> None:
    order = environment(BASE).order
    assert order.index("common") < order.index("shop") < order.index("far")
