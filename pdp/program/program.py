"""A policy set as code: immutable, named by its content, asked by `decide`.

Knows how a checked rule becomes functions, and which of them can be shared or kept. What the functions do is
`lower`'s and `emit`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from pdp.access.decision import FORBIDDEN, Outcome, Reason
from pdp.access.patterns import caller_pattern, exact, glob
from pdp.language.source import Source
from pdp.program.emit import Emitted, bind, test_code, values_code
from pdp.program.index import Index, Posting, exact_caller, posting
from pdp.program.lower import Code, Lowering
from pdp.rules.fold import fold
from pdp.rules.rules import Duty, PolicySet, Rule
from pdp.schema.schema import Schema

Shape = tuple[Any, ...]
"""What functions have in common that can share their code: everything but constants and places."""


@dataclass(frozen=True, slots=True, eq=False)
class CompiledDuty:
    """An obligation (`force`) or advice: `values(facts)` gives its values or fails."""

    name: str
    force: bool
    values: Emitted


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """One rule as code. `applies(facts)` tells whether it applies, or fails; see `emit.Emitted`.

    It tests what the index does not: a request for another audience, action or resource type is none of its
    business.
    """

    identity: str
    forbids: bool
    applies: Emitted
    duties: tuple[CompiledDuty, ...]
    # What a decision says where this rule alone decides.
    outcome: Outcome
    code: str | None
    alone: tuple[str, ...]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A compiled policy set. `rules` are sorted by identity; `digest` (`sha256:…`) names the content."""

    schema: Schema
    rules: tuple[CompiledRule, ...]
    index: Index[CompiledRule]
    digest: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """A rule and what was made of it."""

    rule: Rule
    posted: Posting
    compiled: CompiledRule


@dataclass(slots=True)
class Builder:
    """Builds one program after the other, and makes of each only what is new. Both fields are caches.

    Shared code stands at the lines of the first rule that had its shape; with `shared` false each rule has
    code of its own, at its own lines, as tracers and debuggers want it.
    """

    shared: bool = True
    _codes: dict[Shape, CodeType] = field(default_factory=dict)
    _kept: dict[str, _Kept] = field(default_factory=dict)

    def build(self, policies: PolicySet, sources: Mapping[str, Source], digest: str) -> Program:
        """The program of a policy set whose check found no errors. `sources` tell where lines begin."""
        kept: dict[str, _Kept] = {}
        for rule in policies.rules:
            known = self._kept.get(rule.identity)
            if known is None or known.rule is not rule:
                posted = posting(rule.head)
                known = _Kept(rule, posted, self._rule(rule, posted, sources))
            kept[rule.identity] = known
        self._kept = kept
        index = Index((one.rule.head, one.posted, one.compiled) for one in kept.values())
        return Program(policies.schema, tuple(one.compiled for one in kept.values()), index, digest)

    def _rule(self, rule: Rule, posted: Posting, sources: Mapping[str, Source]) -> CompiledRule:
        forbids = rule.effect == "forbid"
        duties = [
            CompiledDuty(duty.name, duty.force, self._values(rule, duty, sources)) for duty in rule.duties
        ]
        return CompiledRule(
            rule.identity,
            forbids,
            self._applies(rule, posted, sources),
            tuple(duties),
            "deny" if forbids else "allow",
            FORBIDDEN if forbids else None,
            (rule.identity,),
            (Reason(rule.identity, rule.because),),
        )

    def _applies(self, rule: Rule, posted: Posting, sources: Mapping[str, Source]) -> Emitted:
        lowering = Lowering()
        lowering.at(rule.spans["name"])
        guards = (*_head(rule, posted, lowering), *_conditions(rule, lowering))
        shape = ("test", *guards)
        code = self._codes.get(shape)
        if code is None or not self.shared:
            slots = len(lowering.constants)
            code = test_code(rule.identity, guards, slots, lowering.places, sources)
            self._codes[shape] = code
        return bind(code, rule.identity, lowering.constants)

    def _values(self, rule: Rule, duty: Duty, sources: Mapping[str, Source]) -> Emitted:
        lowering = Lowering()
        lowering.at(duty.span)
        values = tuple((name, lowering.of(fold(term))) for name, term in duty.values)
        shape = ("values", *values)
        code = self._codes.get(shape)
        if code is None or not self.shared:
            slots = len(lowering.constants)
            code = values_code(rule.identity, values, slots, lowering.places, sources)
            self._codes[shape] = code
        return bind(code, rule.identity, lowering.constants)


def build(policies: PolicySet, sources: Mapping[str, Source], digest: str, *, shared: bool = True) -> Program:
    """The program of a policy set whose check found no errors (see `Builder`)."""
    return Builder(shared).build(policies, sources, digest)


Guard = tuple[int, bool, Code]
"""The place of a clause, the outcome it wants, and its code."""


def _conditions(rule: Rule, lowering: Lowering) -> list[Guard]:
    guards: list[Guard] = []
    for condition in rule.conditions:
        at = lowering.at(condition.span)
        code = lowering.condition(fold(condition.term), "unless" if condition.negated else "when")
        guards.append((at, not condition.negated, code))
    return guards


def _head(rule: Rule, posted: Posting, lowering: Lowering) -> list[Guard]:
    """What of the head, and of the rule's dates, finding the rule did not prove."""
    head, notes, guards = rule.head, rule.annotations, list[Guard]()

    def at(clause: str) -> int:
        return lowering.at(rule.spans.get(clause, rule.spans["name"]))

    def test(code: Code) -> None:
        guards.append((code[1], True, code))

    def within(values: Sequence[str], subject: Code, here: int) -> Code:
        if len(values) == 1:
            return ("compare", here, "==", subject, lowering.constant(values[0], here))
        return ("compare", here, "in", subject, lowering.constant(frozenset(values), here))

    def named(root: str, name: str, here: int) -> Code:
        return ("member", here, ("fact", here, root), name)

    def matched(patterns: Sequence[str], subject: Code, here: int, *, caller: bool = False) -> Code:
        names = [name for p in patterns if (name := (exact_caller if caller else exact)(p)) is not None]
        wild = [p for p in patterns if (exact_caller if caller else exact)(p) is None]
        codes = [within(names, subject, here)] if names else []
        codes += [lowering.apply((caller_pattern if caller else glob)(p), subject, here) for p in wild]
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
        apart = ("method", here, "isdisjoint", groups, lowering.constant(frozenset(head.groups), here))
        test(("not", here, apart))
    if head.resource_ids is not None:
        here = at("resource")
        test(matched(head.resource_ids, named("resource", "id", here), here))
    if notes.since is not None:
        here = at("since")
        test(("compare", here, "<=", lowering.constant(notes.since, here), ("fact", here, "now")))
    if notes.sunset is not None and rule.effect != "forbid":
        here = at("sunset")
        test(("compare", here, "<", ("fact", here, "now"), lowering.constant(notes.sunset, here)))
    return guards
