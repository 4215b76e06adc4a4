"""The compiled program and its index decide as the interpreter does: values and failures alike.

As a test, the same examples come each time. `PDP_EXAMPLES=20000 pytest tests/program/test_agrees.py` looks at
as many policy sets, and at others each time; `--hypothesis-seed` then chooses which.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from generated import rules
from generated.choices import Choices, choices, seeded
from generated.documents import document
from generated.facts import facts, read_by, request, terms_of
from generated.written import written
from hypothesis import HealthCheck, given, settings
from msgspec import Struct, structs

from pdp.access.facts import Facts
from pdp.access.request import Limits, Request
from pdp.access.values import Failed
from pdp.decide import decide
from pdp.gather import asserted
from pdp.language.source import Source
from pdp.load import Checked, check_sources, compile
from pdp.loader import Level, Stages
from pdp.program.program import Builder, Program, build
from pdp.rules.interpret import interpret
from pdp.rules.rules import PolicySet
from pdp.rules.terms import Term
from pdp.schema.functions import FUNCTIONS

# What is unsafe is legal, and generated policies care for neither.
UNSAFE: dict[str, Level] = {f"PDP40{number}": "off" for number in range(1, 6)}
LIMITS = Limits(body=1 << 20)
_EXPLORED = int(os.environ.get("PDP_EXAMPLES", "0"))


def examples(usual: int) -> Callable[[Callable[[Choices], None]], Callable[..., None]]:
    """Examples for a test: the first `usual` seeds, always the same; or as many others as were asked for.

    Seeds are many times faster; hypothesis, which makes those others, finds a small example of what fails.
    """

    def decorate(test: Callable[[Choices], None]) -> Callable[..., None]:
        if _EXPLORED:
            chosen = settings(
                max_examples=_EXPLORED,
                derandomize=False,
                deadline=None,
                # A policy set with its requests is a large example, and made of many choices.
                suppress_health_check=list(HealthCheck),
            )
            return chosen(given(choices())(test))

        def each() -> None:
            for seed in range(usual):
                try:
                    test(seeded(seed))
                except BaseException as error:
                    error.add_note(f"with `seeded({seed})`; PDP_EXAMPLES=1000 may find a smaller example")
                    raise

        each.__name__ = test.__name__
        return each

    return decorate


# What is compared: a decision as it is, with `1`, `1.0` and `true` told apart, and the order of what has one.


def exact(value: Any) -> Any:
    if isinstance(value, Struct):
        return type(value), [exact(getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, dict):
        return dict, [(name, exact(member)) for name, member in value.items()]
    if isinstance(value, tuple):
        return tuple, [exact(member) for member in value]
    if isinstance(value, frozenset):
        return frozenset, sorted((type(member).__name__, repr(member)) for member in value)
    return type(value), repr(value)


def asked(choices: Choices, policies: PolicySet, most: int = 20) -> list[Facts]:
    """Requests to a policy set, by what is true for them."""
    read = read_by(policies)
    return [facts(choices, read, strict=policies.schema.strict) for _ in range(choices.number(1, most))]


def assert_agree(program: Program, policies: PolicySet, about: Sequence[Facts]) -> None:
    """That `program` decides on each of the facts as `policies` mean, and leaves them as they were."""
    for one in about:
        before = exact(one)
        decided = decide(program, request(one), one)
        meant = structs.replace(interpret(policies, one), policy=program.digest)
        assert exact(decided) == exact(meant), one
        assert exact(one) == before


def check(sources: Sequence[Source], *, strict: bool) -> Checked:
    """What generated text says: all of it is legal."""
    checked = check_sources(sources, strict=strict, lower=UNSAFE)
    assert not checked.diagnostics, [(each.message, sources) for each in checked.diagnostics]
    return checked


@examples(150)
def test_rules_decide_as_they_mean(choices: Choices) -> None:
    policies = rules.policy_set(choices, choices.one((rules.BROAD, rules.USUAL)))
    about = asked(choices, policies)
    program = build(policies, {}, "sha256:0")
    assert_agree(program, policies, about)
    # Again and backwards, for what a program remembers of requests must not show.
    assert_agree(program, policies, about[::-1])
    assert_agree(build(policies, {}, "sha256:1", shared=False), policies, about)


@examples(80)
def test_policy_text_decides_as_it_was_meant(choices: Choices) -> None:
    policies = rules.policy_set(choices, choices.one((rules.BROAD, rules.USUAL)))
    about = asked(choices, policies)
    checked = check(written(policies, choices), strict=policies.schema.strict)
    assert [rule.identity for rule in checked.policies.rules] == [rule.identity for rule in policies.rules]
    assert_agree(compile(checked), policies, about)


@examples(25)
def test_of_many_rules_the_index_finds_those_that_apply_and_no_others(choices: Choices) -> None:
    # Too many choices for hypothesis to make each of them; it may still find out which rules it takes.
    every = rules.policy_set(seeded(choices.number(0, 2**32)), rules.MANY)
    first = choices.number(0, len(every.rules) - 1)
    policies = replace(every, rules=every.rules[first : first + choices.number(1, len(every.rules))])
    assert_agree(build(policies, {}, "sha256:0"), policies, asked(choices, policies))


@examples(20)
def test_the_order_of_files_and_of_what_stands_in_them_does_not_matter(choices: Choices) -> None:
    policies = rules.policy_set(choices)
    about = asked(choices, policies)
    for _ in range(2):
        checked = check(written(policies, choices), strict=policies.schema.strict)
        assert checked.policies.schema == policies.schema
        assert_agree(compile(checked), policies, about)


@examples(15)
def test_what_is_kept_of_one_policy_set_does_not_show_in_the_next(choices: Choices) -> None:
    stages = Stages(strict=False, lower=UNSAFE)
    builder = Builder()
    for _ in range(3):
        policies = rules.policy_set(choices, strict=False)
        about = asked(choices, policies, most=8)
        assert_agree(builder.build(policies, {}, "sha256:0"), policies, about)
        texts = [(source.path, source.module, source.text.encode()) for source in written(policies, choices)]
        assert_agree(stages.compile(stages.check(texts)), policies, about)


@examples(50)
def test_a_request_in_json_is_decided_as_its_facts_are(choices: Choices) -> None:
    policies = rules.policy_set(choices)
    program = build(policies, {}, "sha256:0")
    for one in asked(choices, policies):
        body = json.dumps(document(one), ensure_ascii=choices.chance(50))
        parsed = Request.parse(body.encode(), LIMITS)
        gathered = asserted(program, parsed, now=one.now)
        decided = decide(program, parsed, gathered)
        assert exact(decided) == exact(structs.replace(interpret(policies, gathered), policy=program.digest))


def test_answers_do_not_depend_on_the_order_in_which_python_keeps_sets() -> None:
    told = set()
    for seed in ("1", "2"):
        path = os.pathsep.join((str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")))
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-m", "generated.answers", "12"]
        told.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(told) == 1
    assert told.pop().count(b'"decision":') == 120


def test_what_is_generated_reaches_everything_there_is() -> None:
    """Were it otherwise, the properties above would hold for less than they say."""
    reached: set[object] = set()
    codes: Counter[str | None] = Counter()
    for seed in range(150):
        choices = seeded(seed)
        policies = rules.policy_set(choices, choices.one((rules.BROAD, rules.USUAL)))
        for term in terms_of(policies):
            names = (getattr(term, name, None) for name in ("function", "operator", "kind"))
            reached.update((type(term), *names))
        for one in asked(choices, policies):
            decision = interpret(policies, one)
            codes[decision.code] += 1
            reached.update(failure.kind for failure in decision.failures)
            reached.update(duty.name for duty in (*decision.obligations, *decision.advice))
    assert reached >= {
        *get_args(Term), *(FUNCTIONS.keys() - {"ip"}), *Failed.KINDS, *rules.DUTIES,
        "==", "<", "<=", ">", ">=", "+", "-", "*", "any", "all",
        "set", "key", "network", "networks", "dynamic",
    }  # fmt: skip
    assert min(codes[None], codes["no_rule"], codes["forbidden"]) > codes.total() / 10
