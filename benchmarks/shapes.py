"""Policy sets of three shapes, for `growth`: all rules alike, no two alike, all for one audience and action.

Every rule has five conditions that hold for the request made for it, so that deciding it reads all of them.
The same count gives the same text, always. Knows the policy language and not how it is compiled.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import estate

SEED = 20_260_101

SCHEMA = """\
schema {
  resource ledger_entry {
    amount: int, currency: string, labels: set<string>, region: string, weight: float, ticket?: string
  }
  context { source_ip: ip, risk: float, device: string, hops: int }
}
"""
# What every request says; conditions are made to hold for it.
_ASSERTED = {
    "binding": "mtls", "age": 60, "lifetime": 3600, "scopes": ["entries:write", "entries:read"],
}  # fmt: skip
_RESOURCE = {
    "amount": 50, "currency": "EUR", "labels": ["eu", "audited"], "region": "eu-west-1", "weight": 0.5,
}  # fmt: skip
_CONTEXT = {"source_ip": "10.1.2.3", "risk": 0.25, "device": "managed-laptop", "hops": 2}


@dataclass(frozen=True, slots=True)
class Shape:
    """A name, a line on what it is, and the rule of each number. `audience` is that of a rule's number."""

    name: str
    about: str
    rules: Callable[[int], Iterator[str]]
    audience: Callable[[int], str]

    def write(self, folder: Path, count: int) -> None:
        """A policy folder of `count` rules."""
        estate.write(folder, list(self.rules(count)), SCHEMA)

    def request(self, number: int) -> dict[str, Any]:
        """The request that rule `number` allows."""
        return {
            "caller": {"id": _caller(number), "kind": "workload"},
            "credential": {"asserted": _ASSERTED},
            "audience": self.audience(number),
            "action": estate.ACTION,
            "resource": {"type": "ledger_entry", "id": f"e-{number}", **_RESOURCE},
            "context": _CONTEXT,
        }


def alike(count: int) -> Iterator[str]:
    """The estate's rules: one shape, other constants."""
    return (estate.rule(grant) for grant in estate.grants(count))


def different(count: int) -> Iterator[str]:
    """Rules of which no two have the same conditions, constants left aside."""
    maker = _Maker(random.Random(SEED))
    for number in range(count):
        yield _rule(number, _own(number), maker.conditions())


def crowded(count: int) -> Iterator[str]:
    """Rules for one audience and one action: only their callers tell them apart."""
    for number in range(count):
        yield _rule(
            number,
            _ONE,
            [
                "credential.age <= 300s",
                '"entries:write" in credential.scopes',
                'context.source_ip in ip("10.0.0.0/8")',
                f"resource.amount <= {10_000 + number}",
            ],
        )


_ONE = "ledger"


def _own(number: int) -> str:
    return f"ledger-{number}"


SHAPES = (
    Shape(
        "one shape", "the same conditions with other constants, each rule for its own audience", alike, _own
    ),
    Shape("all different", "no two rules with the same conditions", different, _own),
    Shape(
        "one bucket", "all rules for one audience and action, told apart by caller", crowded, lambda _: _ONE
    ),
)


def _caller(number: int) -> str:
    return estate.Grant(number).caller


def _rule(number: int, audience: str, conditions: list[str]) -> str:
    # A permit checks its credential first, whatever else it asks for.
    lines = "".join(f"  when     {condition}\n" for condition in ["credential.bound", *conditions])
    return (
        f"\npermit write_{number} {{\n"
        f'  caller   workload "{_caller(number)}"\n  audience "{audience}"\n  action   "{estate.ACTION}"\n'
        f"  resource ledger_entry\n{lines}}}\n"
    )


class _Maker:
    """Makes conditions that hold, and notes the shapes that were made, so that none comes twice."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._seen: set[tuple[str, ...]] = set()

    def conditions(self) -> list[str]:
        while True:
            made = [self._true(1) for _ in range(4)]
            shape = tuple(shape for _, shape in made)
            if shape not in self._seen:
                self._seen.add(shape)
                return [text for text, _ in made]

    def _true(self, depth: int) -> tuple[str, str]:
        """A condition that holds, and the same without its constants."""
        form = self._chance.randrange(7) if depth else 0
        if form < 3:
            return self._atom(True)
        if form == 3:
            return self._join("({} or {})", self._false(depth - 1), self._true(depth - 1))
        if form == 4:
            return self._join("({} and {})", self._true(depth - 1), self._true(depth - 1))
        if form == 5:
            return self._join("not ({})", self._false(depth - 1))
        parts = (self._true(depth - 1), self._true(depth - 1), self._false(depth - 1))
        return self._join("(if {} then {} else {})", *parts)

    def _false(self, depth: int) -> tuple[str, str]:
        form = self._chance.randrange(4) if depth else 0
        if form < 2:
            return self._atom(False)
        if form == 2:
            return self._join("({} and {})", self._true(depth - 1), self._false(depth - 1))
        return self._join("({} or {})", self._false(depth - 1), self._false(depth - 1))

    def _atom(self, holds: bool) -> tuple[str, str]:
        pattern, low, high = self._chance.choice(_TRUE if holds else _FALSE)
        return pattern.format(self._chance.randint(low, high)), pattern

    @staticmethod
    def _join(form: str, *parts: tuple[str, str]) -> tuple[str, str]:
        return form.format(*(text for text, _ in parts)), form.format(*(shape for _, shape in parts))


# What holds for every request, and what does not, whichever number within the bounds is put in.
_TRUE = (
    ("resource.amount <= {}", 50, 10_000),
    ("resource.amount + 10 < {}", 100, 10_000),
    ("resource.weight < {}.5", 1, 99),
    ('resource.currency in ["EUR", "C{}"]', 1, 999),
    ('resource.currency != "C{}"', 1, 999),
    ('"audited" in resource.labels and len(resource.labels) < {}', 3, 99),
    ('not ("hold-{}" in resource.labels)', 1, 999),
    ('(resource.region like "eu-*-{}" or resource.region == "eu-west-1")', 2, 9),
    ('(resource.ticket ?? "none-{}") != ""', 1, 999),
    ("credential.age <= {}s", 60, 3_600),
    ("credential.lifetime - credential.age > {}s", 1, 900),
    ('"entries:write" in credential.scopes and len(credential.scopes) < {}', 3, 99),
    ('subset(["entries:write"], credential.scopes) and resource.amount > -{}', 1, 99),
    ('context.source_ip in [ip("10.0.0.0/8"), ip("172.16.{}.0/24")]', 0, 255),
    ('not (context.source_ip in ip("192.168.{}.0/24"))', 0, 255),
    ("context.risk < 0.{}", 50, 99),
    ("context.hops < {}", 3, 99),
    ('starts_with(context.device, "managed") and context.hops != {}', 10, 99),
    ('(any label in resource.labels: label != "l{}")', 1, 999),
    ('(all scope in credential.scopes: scope != "s{}")', 1, 999),
)  # fmt: skip
_FALSE = (
    ("resource.amount > {}", 50, 10_000),
    ('resource.currency == "C{}"', 1, 999),
    ('"hold-{}" in resource.labels', 1, 999),
    ("has resource.ticket and resource.amount < {}", 1, 999),
    ('resource.region like "us-*-{}"', 1, 9),
    ("credential.age > {}s", 60, 3_600),
    ('"admin:{}" in credential.scopes', 1, 999),
    ('context.source_ip in ip("192.168.{}.0/24")', 0, 255),
    ("context.risk >= 0.{}", 50, 99),
    ("context.hops >= {}", 3, 99),
    ('ends_with(context.device, "-{}")', 1, 999),
    ('(any label in resource.labels: label == "l{}")', 1, 999),
)
