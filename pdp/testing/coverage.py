"""Which rules the tests exercise, both ways: one test lets the rule apply, and one leaves it not applying.

A rule is left not applying only by a request that is for one of its audiences and one of its actions: that
a rule about ledgers says nothing of a warehouse shows nothing. (A rule that asks for nothing else is left by
any request.) Knows nothing of decisions: a permit applies here even where a forbid decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pdp.access.facts import Facts
from pdp.rules.interpret import consider, matches
from pdp.rules.rules import Head, Rule


@dataclass(frozen=True, slots=True)
class Coverage:
    """`never_applied` and `never_spared` are rules in order of identity."""

    rules: int
    never_applied: tuple[Rule, ...]
    never_spared: tuple[Rule, ...]

    @property
    def complete(self) -> bool:
        return not self.never_applied and not self.never_spared


def coverage(rules: Sequence[Rule], asked: Iterable[Facts]) -> Coverage:
    """What requests with these facts exercise of the rules."""
    by_audience: dict[str | None, list[Rule]] = {}
    for rule in rules:
        for audience in rule.head.audiences or (None,):
            by_audience.setdefault(audience, []).append(rule)
    applied: set[str] = set()
    spared: set[str] = set()
    plain = [rule for rule in rules if _asks_for_nothing_else(rule)]
    for facts in asked:
        for rule in (*by_audience.get(facts.audience, ()), *by_audience.get(None, ())):
            if rule.identity in applied and rule.identity in spared:
                continue
            if matches(Head(actions=rule.head.actions), facts):
                (applied if consider(rule, facts).applies else spared).add(rule.identity)
        spared.update(rule.identity for rule in plain if not consider(rule, facts).applies)
        plain = [rule for rule in plain if rule.identity not in spared]
    return Coverage(
        len(rules),
        tuple(rule for rule in rules if rule.identity not in applied),
        tuple(rule for rule in rules if rule.identity not in spared),
    )


def _asks_for_nothing_else(rule: Rule) -> bool:
    head, times = rule.head, rule.annotations
    return (
        head.kind is None
        and head.callers is None
        and head.groups is None
        and head.resource_type is None
        and not rule.conditions
        and times.since is None
        and (times.sunset is None or rule.effect == "forbid")
    )
