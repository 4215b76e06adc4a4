"""A policy set as code: immutable, named by its content, asked by `decide`.

Knows how a checked rule becomes functions, and which of them can be shared or kept. What the functions do is
`lower`'s and `emit`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import CodeType
from weakref import WeakValueDictionary

from pdp.access.decision import FORBIDDEN, NO_RULE, Decision, Outcome, Reason
from pdp.language.source import Source
from pdp.program.emit import Emitted, bind, guards_code, values_code
from pdp.program.guards import Guard, guards
from pdp.program.index import Index, Posted, Posting, posting
from pdp.program.lower import Code, Lowering
from pdp.rules.fold import fold
from pdp.rules.rules import Duty, PolicySet, Rule
from pdp.schema.schema import Schema


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
    because: str
    applies: Emitted
    duties: tuple[CompiledDuty, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A compiled policy set. `rules` are sorted by identity; `digest` (`sha256:…`) names the content.

    `alone` has what each rule decides where no other applies, its duties left aside, and `silent` is the
    decision where none does. Both are made once, `alone` when first asked for.
    """

    schema: Schema
    rules: tuple[CompiledRule, ...]
    index: Index[CompiledRule]
    alone: Mapping[CompiledRule, Decision]
    silent: Decision
    digest: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """A rule and what was made of it."""

    rule: Rule
    posted: Posted[CompiledRule]


Shape = tuple[str, tuple[Guard, ...] | tuple[tuple[str, Code], ...]]
"""What functions have in common that can share their code: everything but constants and places."""


@dataclass(slots=True)
class Builder:
    """Builds one program after the other, and makes of each only what is new. Both fields are caches.

    Shared code stands at the lines of the first rule that had its shape, and is gone with the last; with
    `shared` false each rule has code of its own, at its own lines, as tracers and debuggers want it.
    """

    shared: bool = True
    _codes: WeakValueDictionary[Shape, CodeType] = field(default_factory=WeakValueDictionary)
    _kept: dict[str, _Kept] = field(default_factory=dict)

    def build(self, policies: PolicySet, sources: Mapping[str, Source], digest: str) -> Program:
        """The program of a policy set whose check found no errors. `sources` tell where lines begin."""
        kept: dict[str, _Kept] = {}
        for rule in policies.rules:
            known = self._kept.get(rule.identity)
            if known is None or known.rule is not rule:
                found = posting(rule.head)
                known = _Kept(rule, (rule.head, found, (self._rule(rule, found, sources),)))
            kept[rule.identity] = known
        self._kept = kept
        posted = [one.posted for one in kept.values()]
        return Program(
            policies.schema,
            tuple([rule for _, _, (rule,) in posted]),
            Index(posted),
            _Alone(digest),
            Decision("deny", NO_RULE, (), (), (), (), (), digest),
            digest,
        )

    def _rule(self, rule: Rule, posted: Posting, sources: Mapping[str, Source]) -> CompiledRule:
        duties = [
            CompiledDuty(duty.name, duty.force, self._values(rule, duty, sources)) for duty in rule.duties
        ]
        applies = self._applies(rule, posted, sources)
        return CompiledRule(rule.identity, rule.effect == "forbid", rule.because, applies, tuple(duties))

    def _applies(self, rule: Rule, posted: Posting, sources: Mapping[str, Source]) -> Emitted:
        lowering = Lowering(rule.spans["name"])
        tests = guards(rule, posted, lowering)
        shape = ("guards", tests)
        code = self._codes.get(shape) if self.shared else None
        if code is None:
            code = self._codes[shape] = guards_code(rule.identity, tests, lowering, sources)
        return bind(code, rule.identity, lowering.constants)

    def _values(self, rule: Rule, duty: Duty, sources: Mapping[str, Source]) -> Emitted:
        lowering = Lowering(duty.span)
        values = tuple((name, lowering.of(fold(term))) for name, term in duty.values)
        shape = ("values", values)
        code = self._codes.get(shape) if self.shared else None
        if code is None:
            code = self._codes[shape] = values_code(rule.identity, values, lowering, sources)
        return bind(code, rule.identity, lowering.constants)


def build(policies: PolicySet, sources: Mapping[str, Source], digest: str, *, shared: bool = True) -> Program:
    """The program of a policy set whose check found no errors (see `Builder`)."""
    return Builder(shared).build(policies, sources, digest)


class _Alone(dict[CompiledRule, Decision]):
    """What each rule decides alone, under the digest of its program; filled as it is asked."""

    __slots__ = ("_digest",)

    def __init__(self, digest: str) -> None:
        self._digest = digest

    def __missing__(self, rule: CompiledRule) -> Decision:
        outcome: Outcome = "deny" if rule.forbids else "allow"
        code = FORBIDDEN if rule.forbids else None
        reasons = (Reason(rule.identity, rule.because),)
        made = self[rule] = Decision(outcome, code, (rule.identity,), reasons, (), (), (), self._digest)
        return made
