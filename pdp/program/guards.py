"""What of a rule its code must test: clauses that finding the rule does not prove, dates, conditions.

Knows rules and how a name is matched. What a test costs and looks like is `lower`'s and `emit`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pdp.access.patterns import caller_pattern, exact, glob
from pdp.program.index import FEW, Posting
from pdp.program.lower import Code, Lowering
from pdp.program.patterns import any_of, exact_caller
from pdp.rules.fold import fold
from pdp.rules.rules import Rule

Guard = tuple[int, bool, Code]
"""The place of a clause, the outcome it wants, and its code."""


def guards(rule: Rule, posted: Posting, lowering: Lowering) -> tuple[Guard, ...]:
    """The tests of `rule` in their order, where `posted` says what finding it proves."""
    return (*_head(rule, posted, lowering), *_dates(rule, lowering), *_conditions(rule, lowering))


def _head(rule: Rule, posted: Posting, lowering: Lowering) -> list[Guard]:
    head = rule.head
    found: list[Guard] = []

    def at(clause: str) -> int:
        return lowering.at(rule.spans.get(clause, rule.spans["name"]))

    def test(code: Code) -> None:
        found.append((code[1], True, code))

    def named(root: str, name: str, here: int) -> Code:
        return ("member", here, ("fact", here, root), name)

    def within(names: Sequence[str], subject: Code, here: int) -> Code:
        if len(names) == 1:
            return ("compare", here, "==", subject, lowering.constant(names[0], here))
        return ("compare", here, "in", subject, lowering.constant(_set(tuple(names)), here))

    def matched(patterns: Sequence[str], subject: Code, here: int, *, caller: bool = False) -> Code:
        only, compile = (exact_caller, caller_pattern) if caller else (exact, glob)
        names = [name for name in map(only, patterns) if name is not None]
        wild = tuple(pattern for pattern in patterns if only(pattern) is None)
        matchers = [any_of(wild, compile)] if len(wild) > FEW else [compile(pattern) for pattern in wild]
        codes = [within(names, subject, here)] if names else []
        codes += [lowering.apply(matches, subject, here) for matches in matchers]
        return codes[0] if len(codes) == 1 else ("or", here, *codes)

    if not posted.audience and head.audiences is not None:
        here = at("audience")
        test(within(head.audiences, ("fact", here, "audience"), here))
    if not posted.action and head.actions is not None:
        here = at("action")
        test(matched(head.actions, named("action", "name", here), here))
    if head.kind is not None:
        here = at("caller")
        test(within([head.kind], named("caller", "kind", here), here))
    if head.callers is not None:
        here = at("caller")
        test(matched(head.callers, named("caller", "id", here), here, caller=True))
    if head.groups is not None:
        here = at("caller")
        groups = named("caller", "groups", here)
        apart = ("method", here, "isdisjoint", groups, lowering.constant(_set(head.groups), here))
        test(("not", here, apart))
    if head.resource_ids is not None:
        here = at("resource")
        test(matched(head.resource_ids, named("resource", "id", here), here))
    return found


def _dates(rule: Rule, lowering: Lowering) -> list[Guard]:
    since, sunset = rule.annotations.since, rule.annotations.sunset
    found: list[Guard] = []
    at = lowering.at(rule.spans["name"])
    now = ("fact", at, "now")
    if since is not None:
        found.append((at, True, ("compare", at, "<=", lowering.constant(since, at), now)))
    # A sunset ends permits only: no forbid goes quiet alone.
    if sunset is not None and rule.effect != "forbid":
        found.append((at, True, ("compare", at, "<", now, lowering.constant(sunset, at))))
    return found


def _conditions(rule: Rule, lowering: Lowering) -> list[Guard]:
    found: list[Guard] = []
    for condition in rule.conditions:
        at = lowering.at(condition.span)
        code = lowering.condition(fold(condition.term), "unless" if condition.negated else "when")
        found.append((at, not condition.negated, code))
    return found


@lru_cache(maxsize=1_024)
def _set(names: tuple[str, ...]) -> frozenset[str]:
    """One set for all rules that name the same let."""
    return frozenset(names)
