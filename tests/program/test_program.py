"""A program: what its rules share, what it keeps of the one before, and where its code stands."""

from __future__ import annotations

import gc
import random
import sys
import traceback
import weakref
from dataclasses import FrozenInstanceError
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any

import pytest
from generated.estate import NOW

from pdp.access.decision import Decision
from pdp.access.facts import Facts
from pdp.access.request import Request
from pdp.decide import decide
from pdp.gather import asserted
from pdp.language.source import Source, Span
from pdp.load import Checked, check_folder, check_sources, compile
from pdp.loader import Level
from pdp.program.program import Builder, Program, build
from pdp.program.runtime import CALLABLE
from pdp.rules.rules import Annotations, Condition, Head, PolicySet, Rule
from pdp.rules.terms import (
    Compare,
    Const,
    Member,
    Root,
    Term,
)
from pdp.schema.schema import Schema
from pdp.schema.types import INT, record

UNSAFE: dict[str, Level] = {f"PDP40{number}": "off" for number in range(1, 6)}
SCHEMA = """\
schema {
  resource entry { amount: int, owner?: string, path: string }
  context { limits: map<int>, names: set<string>, text: string }
}
"""


def check(**texts: str) -> Checked:
    """Policy texts by module, checked; their lines begin at the schema's end."""
    texts = {"schema_of_all": SCHEMA, **texts}
    sources = [Source(f"{module}.policy", module, text) for module, text in texts.items()]
    checked = check_sources(sources, lower=UNSAFE)
    assert not checked.diagnostics, checked.diagnostics
    return checked


def code(program: Program, identity: str) -> Any:
    """The function that tells whether a rule applies."""
    return next(rule.applies for rule in program.rules if rule.identity == identity)


def ask(program: Program, **changes: Any) -> tuple[Request, Facts]:
    given = {
        "caller": {"id": "alice", "kind": "human"},
        "audience": "ledger",
        "action": "entry.create",
        "resource": {"type": "entry", "id": "e-1", "amount": 10, "path": "/orders"},
        "context": {"limits": {"day": 5}, "names": ["a", "b"], "text": "x"},
    }
    request = Request.parse({**given, **changes})
    return request, asserted(program, request, now=NOW)


def decided(program: Program, **changes: Any) -> Decision:
    return decide(program, *ask(program, **changes))


HEAD = 'caller human audience "ledger" action "entry.create" resource entry'

# What rules share.


def test_rules_of_one_shape_share_their_code_and_differ_in_their_constants_only():
    program = compile(
        check(
            m=f"""
            permit small {{ {HEAD} when resource.amount < 10 }}
            permit large {{ {HEAD} when resource.amount < 10_000 }}
            """
        )
    )
    small, large = code(program, "m.small"), code(program, "m.large")
    assert small.__code__ is large.__code__
    assert (small.__name__, large.__name__) == ("m.small", "m.large")
    assert (small.__defaults__, large.__defaults__) == (("human", 10), ("human", 10_000))
    assert decided(program).rules == ("m.large",)


def test_a_shape_is_what_a_rule_asks_and_neither_its_names_nor_its_place_nor_its_effect():
    program = compile(
        check(
            m=f"permit a {{ {HEAD} when resource.amount < 10 }}",
            n='forbid b { when resource.amount < 7 resource entry action "x" caller human because "b" }',
            o=f"permit c {{ {HEAD} when resource.amount <= 10 }}",
        )
    )
    a, b, c = (code(program, identity).__code__ for identity in ("m.a", "n.b", "o.c"))
    assert a is b
    assert a is not c


def test_duties_of_one_shape_share_their_code_too():
    program = compile(
        check(
            m=f"""
            permit a {{ {HEAD} require log {{ level: "high", amount: resource.amount }} }}
            permit b {{ {HEAD} advise tell {{ level: "low", amount: resource.amount }} require log {{ }} }}
            """
        )
    )
    (high,), (low, empty) = (rule.duties for rule in program.rules)
    codes = [duty.values.__code__ for duty in (high, low, empty)]
    assert codes[0] is codes[1]
    assert codes[0] is not codes[2]
    values = [
        {duty.name: duty.values for duty in decided(program).obligations},
        decided(program).advice[0].values,
    ]
    assert values == [{"log": {}}, {"level": "low", "amount": 10}]


def test_thousands_of_rules_of_one_shape_have_one_code():
    text = "\n".join(f"permit r{at} {{ {HEAD} when resource.amount < {at} }}" for at in range(2_000))
    program = compile(check(m=text))
    assert len({id(rule.applies.__code__) for rule in program.rules}) == 1  # type: ignore[attr-defined]
    assert len(decided(program).rules) == 2_000 - 11


# Order.


def test_rules_stand_in_the_order_of_their_identities_whatever_the_order_of_the_text():
    rules = [f"permit r{at} {{ {HEAD} }}\n" for at in range(20)]
    texts = {"b": rules[:5], "a": rules[5:12], "c": rules[12:]}
    shuffled = random.Random(7)
    orders = set()
    for _ in range(5):
        for module in texts.values():
            shuffled.shuffle(module)
        modules = shuffled.sample(sorted(texts), 3)
        program = compile(check(**{module: "".join(texts[module]) for module in modules}))
        orders.add(tuple(rule.identity for rule in program.rules))
    (order,) = orders
    assert list(order) == sorted(order)


# What is kept of the program before.


AMOUNTS = Schema(resources={"entry": record(amount=INT)})


class Estate:
    """One builder, and the rules that were given to it last."""

    def __init__(self, **rules: Rule) -> None:
        self.builder = Builder()
        self.rules = rules

    def build(self, **changes: Rule) -> Program:
        self.rules |= changes
        rules = tuple(rule for _, rule in sorted(self.rules.items()))
        return self.builder.build(PolicySet(AMOUNTS, rules, (), ()), {}, f"sha256:{len(changes)}")


def made(identity: str, term: Term = Const(True)) -> Rule:  # noqa: B008 — terms are frozen
    here = Span("m.policy", 0, 1)
    return Rule(
        identity, "permit", Head(), (Condition(term, False, here),), (), "", Annotations(), {"name": here}
    )


def test_rules_that_did_not_change_are_the_same_objects_in_the_next_program():
    estate = Estate(a=made("m.a"), b=made("m.b"))
    before = estate.build()
    after = estate.build(c=made("m.c"))
    assert [rule.identity for rule in after.rules] == ["m.a", "m.b", "m.c"]
    assert [old is new for old, new in zip(before.rules, after.rules, strict=False)] == [True, True]


def test_a_rule_that_changed_is_made_anew_and_decides_anew():
    estate = Estate(a=made("m.a"), b=made("m.b", Const(False)))
    before = estate.build()
    after = estate.build(b=made("m.b"))
    assert before.rules[0] is after.rules[0]
    assert before.rules[1] is not after.rules[1]
    assert decided(before).rules == ("m.a",)
    assert decided(after).rules == ("m.a", "m.b")


def test_each_program_answers_with_its_own_digest():
    estate = Estate(a=made("m.a"))
    before, after = estate.build(), estate.build(a=made("m.a"))
    assert [decided(program).policy for program in (before, after)] == ["sha256:0", "sha256:1"]


def test_a_rule_that_is_gone_is_found_no_more_and_nothing_of_it_is_kept():
    estate = Estate(
        a=made("m.a"), b=made("m.b", Compare("<", Const(1), Member(Root("resource"), "amount", type=INT)))
    )
    before = estate.build()
    gone = weakref.ref(code(before, "m.b").__code__)
    del estate.rules["b"]
    after = estate.build()
    assert decided(after).rules == ("m.a",)
    del before
    gc.collect()
    assert gone() is None


def test_a_shape_that_comes_back_is_compiled_again():
    few = made("m.b", Compare("<", Const(1), Member(Root("resource"), "amount", type=INT)))
    estate = Estate(a=made("m.a"), b=few)
    for _ in range(3):
        assert decided(estate.build(b=few)).rules == ("m.a", "m.b")
        assert decided(estate.build(b=made("m.b", Const(False)))).rules == ("m.a",)


# A program does not change.


def test_a_program_cannot_be_changed():
    program = compile(check(m=f"permit a {{ {HEAD} require log {{ }} }}"))
    for thing, name in (
        (program, "rules"),
        (program.rules[0], "applies"),
        (program.rules[0].duties[0], "values"),
    ):
        with pytest.raises(FrozenInstanceError):
            setattr(thing, name, ())


def test_what_one_rule_alone_decides_is_told_at_load():
    program = compile(check(m=f'permit a {{ {HEAD} because "why" }} forbid b {{ action "x" because "no" }}'))
    assert decided(program) is decided(program) is program.alone[program.rules[0]]
    assert decided(program).reasons[0].because == "why"
    assert decided(program, action="x") is program.alone[program.rules[1]]
    assert (program.alone[program.rules[1]].decision, program.alone[program.rules[1]].code) == (
        "deny",
        "forbidden",
    )
    assert decided(program, action="y") is program.silent
    assert (program.silent.decision, program.silent.code, program.silent.policy) == (
        "deny",
        "no_rule",
        program.digest,
    )


# Where code stands.

LINES = """\
let small = resource.amount < 10

permit first {
  caller   human
  audience "ledger"
  action   "entry.create"
  resource entry
  when     context.text == "x"
  when     small
           or context.text == "y"
  require  log {
    amount: resource.amount
  }
}
permit second {
  caller   human
  audience "ledger"
  action   "entry.create"
  resource entry
  when     context.text == "x"
}
permit third {
  caller   human
  audience "ledger"
  action   "entry.create"
  resource entry
  when     context.text == "z"
  when     any name in context.names:
           name == "a"
}
"""


def lines(program: Program, **changes: Any) -> dict[str, list[int]]:
    """The policy lines that a decision ran, in their order, by the function that they are in."""
    request, facts = ask(program, **changes)
    seen: dict[str, list[int]] = {}

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename != "m.policy":
            return None
        if event == "line":
            seen.setdefault(frame.f_code.co_name, []).append(frame.f_lineno)
        return trace

    # Coverage traces, too, and goes on afterwards.
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        decide(program, request, facts)
    finally:
        sys.settrace(before)
    return seen


def apart(text: str, path: str = "m.policy") -> Program:
    """The program of a text, each rule with code of its own."""
    checked = check(m=text)
    sources = {path: Source(path, "m", text)}
    return build(checked.policies, sources, checked.digest, shared=False)


def test_a_tracer_sees_the_lines_of_the_clauses_that_were_reached_and_of_no_others():
    program = apart(LINES)
    # Lines 1, 9 and 10: a let stands where it was written, and what it was put into around it.
    assert lines(program) == {"m.first": [4, 8, 1, 10, 9], "m.second": [16, 20, 15], "m.third": [23, 27]}
    assert lines(program, caller={"id": "x", "kind": "agent"}) == {
        "m.first": [4],
        "m.second": [16],
        "m.third": [23],
    }


def test_a_tracer_sees_duties_and_what_is_asked_of_each_member():
    program = apart(LINES)
    seen = lines(program, resource={"type": "entry", "id": "e-1", "amount": 5})
    # A rule that applies ends where it began, at its name.
    assert seen["m.first"] == [4, 8, 1, 3, 11, 12, 11]
    seen = lines(program, context={"text": "z", "names": ["b", "a"]})
    assert (seen["m.third"], seen["<lambda>"]) == ([23, 27, 28, 22], [29, 28])


def test_code_that_is_shared_stands_at_the_first_rule_of_its_shape():
    program = compile(check(m=LINES))
    assert lines(program)["m.second"] == [16, 20, 15]
    twice = "".join(f"permit {name} {{\n{HEAD}\n}}\n" for name in ("a", "b"))
    assert lines(compile(check(m=twice))) == {"m.a": [2, 1, 2, 1]}
    assert lines(apart(twice)) == {"m.a": [2, 1], "m.b": [5, 4]}


def test_a_traceback_shows_the_line_of_the_policy_that_failed(tmp_path):
    path = tmp_path / "m.policy"
    path.write_text(SCHEMA + LINES)
    checked = check_folder(tmp_path, lower=UNSAFE)
    program = build(checked.policies, checked.sources, checked.digest, shared=False)
    _, facts = ask(program, resource={"type": "entry", "id": "e-1"})
    with pytest.raises(KeyError) as caught:
        code(program, "m.first")(facts)
    shown = "".join(traceback.format_exception(caught.value))
    assert f'File "{path}", line 5, in m.first\n    let small = resource.amount < 10\n' in shown


# What code can reach.


def test_generated_code_sees_no_builtins_and_no_names_but_those_of_the_runtime():
    program = compile(check(m=LINES, n=f'permit r {{ {HEAD} when matches(context.text, "[a-z]+") }}'))
    functions = [rule.applies for rule in program.rules]
    functions += [duty.values for rule in program.rules for duty in rule.duties]
    assert len(functions) == 5
    for function in functions:
        assert function.__builtins__ == {}
        for made in codes(function.__code__):
            assert set(made.co_names) <= {*CALLABLE, *Facts.__struct_fields__, "MISSING", "get"}


# What is large is still small.


def codes(code: CodeType) -> list[CodeType]:
    """A code with those within it."""
    return [code, *(inner for one in code.co_consts if isinstance(one, CodeType) for inner in codes(one))]


def size(condition: str, lets: str = "") -> int:
    """How much code a condition becomes."""
    program = compile(check(m=f"{lets}\npermit r {{ {HEAD} when {condition} }}"))
    return sum(len(made.co_code) for made in codes(code(program, "m.r").__code__))


def deep(step: str, innermost: str, levels: int) -> str:
    """A condition in a condition, that often; `#` is a variable and `@` a number of each level's own."""
    for level in range(levels):
        innermost = step.replace("…", innermost).replace("#", f"name_{level}").replace("@", str(level))
    return innermost


@pytest.mark.parametrize(
    ("step", "deepest"),
    [
        ("not (… or resource.amount < 3)", 30),
        ("(if … then resource.amount < 3 else resource.amount > 5)", 60),
        ("(if … then false else resource.amount > 5)", 60),
        ("(if resource.amount > @ then resource.amount < 5 else …)", 60),
        ("(any # in context.names: # == context.text and …)", 30),
        ("((if … then 1 else 2) + resource.amount < 5)", 20),
        ("((context.limits[if … then context.text else caller.id] ?? resource.amount) < 5)", 12),
        ("(has context.limits[if … then context.text else caller.id])", 20),
    ],
)
def test_what_is_as_deep_as_can_be_becomes_code_that_grows_with_its_depth(step, deepest):
    small, middle, large = (size(deep(step, "resource.amount < 4", deepest // by)) for by in (4, 2, 1))
    assert small < middle < large
    assert large - middle <= 2.1 * (middle - small)


@pytest.mark.parametrize(
    ("step", "levels"),
    [
        ("(if … then resource.amount < 3 else resource.amount > 5)", 60),
        ("(any # in context.names: # == context.text and …)", 30),
        ("((context.limits[if … then context.text else caller.id] ?? resource.amount) < 5)", 12),
        ("(has context.limits[if … then context.text else caller.id])", 20),
    ],
)
def test_a_let_as_deep_as_can_be_may_stand_as_deep_in_a_rule(step, levels):
    let = f"let inner = {deep(step, 'resource.amount < 4', levels)}"
    twice = size(deep(step.replace("#", "other_#"), "inner", levels), let)
    assert twice > 1.5 * size("inner", let)


def test_defs_that_use_each_other_twice_become_code_that_grows_with_what_they_say():
    lets = "def said0(n: int) = resource.amount == n\n"
    sizes = []
    for level in range(1, 10):
        lets += f"def said{level}(n: int) = said{level - 1}(n) or said{level - 1}(n + {2**level})\n"
        sizes.append(size(f"said{level}(0)", lets))
    # The last has five hundred alternatives; with twice as many it would have too many parts.
    assert all(after <= 2.1 * before for before, after in pairwise(sizes))
    assert sizes[-1] > 100 * sizes[0]


def test_ten_thousand_literal_members_are_a_constant_and_no_code():
    names = ", ".join(f'"name-{number}"' for number in range(10_000))
    assert size(f"context.text in [{names}]") == size('context.text in ["name-1", "name-2"]')


def test_ten_thousand_callers_of_one_rule_are_a_constant_and_no_code():
    def said(count: int) -> int:
        callers = ", ".join(f'"team-{number}-*"' for number in range(count))
        lets = f"let callers = [{callers}]\npermit s {{ {HEAD.replace('human', 'human callers')} }}\n"
        program = compile(check(m=lets))
        assert decided(program, caller={"id": f"team-{count - 1}-x", "kind": "human"}).rules == ("m.s",)
        return len(code(program, "m.s").__code__.co_code)

    assert said(10_000) == said(4)


def test_many_rules_for_many_audiences_and_actions_are_posted_under_few_keys():
    lets = ""
    for what in ("audiences", "actions"):
        names = ", ".join(f'"{what}{number}"' for number in range(500))
        lets += f"let {what} = [{names}]\n"
    rules = "".join(
        f"permit r{at} {{ caller human audience audiences action actions }}\n" for at in range(200)
    )
    program = compile(check(m=lets + rules))
    assert len(decided(program, audience="audiences7", action="actions499").rules) == 200
    assert decided(program, audience="audiences7") is program.silent
