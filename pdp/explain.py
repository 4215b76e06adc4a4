"""Why: a decision told as rules and clauses, each with its value and the policy line it stands on.

Knows the policies as they were checked and the interpreter's trace; knows no terminal and no request format.
It says nothing that the decision does not: the decision is taken elsewhere, this only shows what was there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pdp.access.decision import FORBIDDEN, NO_RULE, Decision, failure_words
from pdp.access.facts import Facts
from pdp.access.values import Failed, Ip, in_order
from pdp.language.source import Source, Span
from pdp.rules.interpret import NOT_REACHED, Trace, consider, matches, trace
from pdp.rules.rules import Condition, Duty, Effect, Head, PolicySet, Rule
from pdp.rules.terms import Compare, Const, Has, In, Member, Not, Quantify, Root, Term, parts

State = Literal["holds", "lacks", "fails", "not reached"]
Verdict = Literal["applies", "does not apply", "fails"]


@dataclass(frozen=True, slots=True)
class Line:
    """Where something stands: path, line and column (from 1), and its own text on one line."""

    path: str
    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a condition and what it came to: a literal, `fails: …` or `not reached`."""

    at: Line
    value: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a rule. `kind` is its word, or `since`, `sunset`; `value` what the request has there."""

    kind: str
    at: Line
    state: State
    value: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One rule, clause by clause in the order of evaluation. `lacks`: what kept it from applying."""

    rule: str
    effect: Effect
    verdict: Verdict
    because: str
    at: Line
    clauses: tuple[Clause, ...]

    @property
    def lacks(self) -> tuple[Clause, ...]:
        return tuple(clause for clause in self.clauses if clause.state in ("lacks", "fails"))


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and its rules: those that decided, those that failed, and for a deny the nearest permit.

    `asked` holds further rules that the caller wanted told, whatever they came to.
    """

    decision: Decision
    deciding: tuple[Told, ...]
    failed: tuple[Told, ...]
    nearest: Told | None
    asked: tuple[Told, ...]


def explain(
    policies: PolicySet,
    sources: Mapping[str, Source],
    facts: Facts | None,
    decision: Decision,
    *,
    also: Sequence[str] = (),
) -> Explanation:
    """Tells `decision`, which `policies` gave on `facts`. `also` names further rules to tell, by identity.

    The nearest permit of a deny is the one whose head matches, or else misses in the fewest clauses; of those
    the one with the fewest clauses that do not hold; of those the first by identity. Of a request that was
    refused (`facts` may be None) no rule was asked, and none is told.
    """
    if facts is None or decision.code not in (None, NO_RULE, FORBIDDEN):
        return Explanation(decision, (), (), None, ())
    told = {name: tell(rule, sources, facts) for name, rule in _named(policies, decision, also)}
    failing = {failure.rule for failure in decision.failures} - set(decision.rules)
    near = nearest_permit(policies.rules, facts) if decision.decision == "deny" else None
    return Explanation(
        decision,
        tuple(told[name] for name in decision.rules if name in told),
        tuple(told[name] for name in sorted(failing) if name in told),
        None if near is None else tell(near, sources, facts),
        tuple(told[name] for name in also if name in told),
    )


def _named(policies: PolicySet, decision: Decision, also: Sequence[str]) -> Iterator[tuple[str, Rule]]:
    wanted = {*decision.rules, *(failure.rule for failure in decision.failures), *also}
    return ((rule.identity, rule) for rule in policies.rules if rule.identity in wanted)


def nearest_permit(rules: Sequence[Rule], facts: Facts) -> Rule | None:
    """The permit that lacks least (see `explain`), or None where there is no permit at all."""
    # Heads are cheap and conditions are not: only the permits whose heads miss least are looked at closely.
    least: list[Rule] = []
    fewest = len(_HEAD) + 1
    for rule in rules:
        if rule.effect == "permit":
            missed = sum(not matches(head, facts) for _, head in heads(rule.head))
            if missed < fewest:
                fewest, least = missed, []
            if missed == fewest:
                least.append(rule)
    return min(least, key=lambda rule: (_lacking(rule, facts), rule.identity), default=None)


def _lacking(rule: Rule, facts: Facts) -> int:
    return sum(_state(one, trace(one.term, facts)) != "holds" for one in rule.conditions) + sum(
        state != "holds" for _, state, _ in _dates(rule, facts)
    )


# ── one rule ────────────────────────────────────────────────────────────────────────────────────────


def tell(rule: Rule, sources: Mapping[str, Source], facts: Facts) -> Told:
    """One rule, clause by clause. A condition behind one that does not hold is told where it has a value."""
    clauses = [*_head_clauses(rule, sources, facts), *_date_clauses(rule, sources, facts)]
    stopped = False
    for condition in rule.conditions:
        clause = _condition_clause(condition, sources, facts)
        # What a failed guard stood before may fail only because nobody would have come there.
        if stopped and clause.state == "fails":
            clause = Clause(clause.kind, clause.at, "not reached", "", ())
        stopped = stopped or clause.state != "holds"
        clauses.append(clause)
    reached = all(clause.state == "holds" for clause in clauses)
    clauses += [_duty_clause(duty, sources, facts, reached) for duty in rule.duties]
    answer = consider(rule, facts)
    verdict: Verdict = "applies" if answer.applies else "fails" if answer.failed else "does not apply"
    return Told(
        rule.identity, rule.effect, verdict, rule.because, _line(sources, rule.spans["name"]), tuple(clauses)
    )


_HEAD = ("caller", "audience", "action", "resource")


def heads(head: Head) -> tuple[tuple[str, Head], ...]:
    """A head as one head a clause, so that each can be asked for itself."""
    return (
        ("caller", Head(kind=head.kind, callers=head.callers, groups=head.groups)),
        ("audience", Head(audiences=head.audiences)),
        ("action", Head(actions=head.actions)),
        ("resource", Head(resource_type=head.resource_type, resource_ids=head.resource_ids)),
    )


def _head_clauses(rule: Rule, sources: Mapping[str, Source], facts: Facts) -> Iterator[Clause]:
    for kind, head in heads(rule.head):
        if kind in rule.spans:
            state: State = "holds" if matches(head, facts) else "lacks"
            yield Clause(kind, _line(sources, rule.spans[kind]), state, _request_has(kind, head, facts), ())


def _request_has(kind: str, head: Head, facts: Facts) -> str:
    match kind:
        case "caller":
            name = f"{facts.caller['kind']} {shown(facts.caller['id'])}"
            return f"{name} in {shown(facts.caller['groups'])}" if head.groups is not None else name
        case "audience":
            return shown(facts.audience)
        case "action":
            return shown(facts.action["name"])
        case _:
            named = facts.resource["type"] or "none"
            return f"{named} {shown(facts.resource['id'])}" if facts.resource["id"] else str(named)


def _dates(rule: Rule, facts: Facts) -> Iterator[tuple[str, State, str]]:
    since, sunset = rule.annotations.since, rule.annotations.sunset
    if since is not None:
        yield "since", "holds" if facts.now >= since else "lacks", f"now is {shown(facts.now)}"
    if sunset is not None and rule.effect == "permit":
        yield "sunset", "holds" if facts.now < sunset else "lacks", f"now is {shown(facts.now)}"


def _date_clauses(rule: Rule, sources: Mapping[str, Source], facts: Facts) -> Iterator[Clause]:
    dates = {"since": rule.annotations.since, "sunset": rule.annotations.sunset}
    place = _line(sources, rule.spans["name"])
    for kind, state, value in _dates(rule, facts):
        text = f"@{kind}({shown(dates[kind])})"
        yield Clause(kind, Line(place.path, place.line, place.column, text), state, value, ())


def _condition_clause(condition: Condition, sources: Mapping[str, Source], facts: Facts) -> Clause:
    traced = trace(condition.term, facts)
    kind = "unless" if condition.negated else "when"
    return Clause(
        kind,
        _line(sources, condition.span),
        _state(condition, traced),
        _outcome(traced),
        _inside(traced, sources),
    )


def _state(condition: Condition, traced: Trace) -> State:
    if not isinstance(traced.outcome, bool):
        return "fails"
    return "holds" if traced.outcome != condition.negated else "lacks"


def _duty_clause(duty: Duty, sources: Mapping[str, Source], facts: Facts, reached: bool) -> Clause:
    kind = "require" if duty.force else "advise"
    at = _line(sources, duty.span)
    if not reached:
        return Clause(kind, at, "not reached", "", ())
    traced = [(name, trace(term, facts)) for name, term in duty.values]
    failed = any(isinstance(one.outcome, Failed) for _, one in traced)
    value = ", ".join(f"{name}: {_outcome(one)}" for name, one in traced)
    steps = tuple(step for _, one in traced for step in _steps(one, sources)) if failed else ()
    return Clause(kind, at, "fails" if failed else "holds", f"{{ {value} }}" if value else "{ }", steps)


# ── the parts of a condition ────────────────────────────────────────────────────────────────────────


def _inside(traced: Trace, sources: Mapping[str, Source]) -> tuple[Step, ...]:
    """The steps of a term's parts, in the order of evaluation."""
    if isinstance(traced.term, Quantify):
        return _members(traced.term, traced, sources)
    return tuple(step for child in traced.children for step in _steps(child, sources))


def _steps(traced: Trace, sources: Mapping[str, Source]) -> tuple[Step, ...]:
    """The step of one term; none for a constant or a whole root, which tell nobody anything."""
    term = traced.term
    if isinstance(term, Const) or (isinstance(term, Root) and term.name not in ("audience", "now")):
        return ()
    # `a.b.c` is told by its value; that `a.b` is a record on the way there goes without saying.
    leaf = _is_leaf(term) or traced.outcome is NOT_REACHED
    return (Step(_line(sources, term.span), _outcome(traced), () if leaf else _inside(traced, sources)),)


def _is_leaf(term: Term) -> bool:
    return isinstance(term, Member | Has) or (isinstance(term, Not) and _is_leaf(term.operand))


def _members(term: Quantify, traced: Trace, sources: Mapping[str, Source]) -> tuple[Step, ...]:
    """The set that an `any` or `all` runs over, then each member it was asked of."""
    over = [step for child in traced.children if child.term is term.over for step in _steps(child, sources)]
    asked = [c for c in traced.children if c.term is term.condition and c.outcome is not NOT_REACHED]
    # The last one asked is the one that decided.
    told = asked if len(asked) <= MEMBERS else [*asked[: MEMBERS - 1], asked[-1]]
    at = _line(sources, term.condition.span)
    return (
        *over,
        *(
            Step(
                Line(at.path, at.line, at.column, f"{at.text} for {shown(child.variables[term.variable])}"),
                _outcome(child),
                _inside(child, sources),
            )
            for child in told
        ),
    )


def _outcome(traced: Trace) -> str:
    outcome: Any = traced.outcome
    if outcome is NOT_REACHED:
        return "not reached"
    if isinstance(outcome, Failed):
        return f"fails: {failure_words(outcome.kind, outcome.what)}"
    return shown(outcome) + _compared(traced)


def _compared(traced: Trace) -> str:
    """Both sides of a comparison, where its text does not show one: a `let` or parameter stands for it."""
    term = traced.term
    if not isinstance(term, Compare | In):
        return ""
    sides = parts(term)
    if not any(isinstance(side, Const) and not _within(side.span, term.span) for side in sides):
        return ""
    values = {id(child.term): child.outcome for child in traced.children}
    left, right = (shown(values[id(side)]) for side in sides)
    return f" ({left} {term.operator if isinstance(term, Compare) else 'in'} {right})"


def _within(inner: Span, outer: Span) -> bool:
    return inner.path == outer.path and outer.start <= inner.start and inner.end <= outer.end


def _line(sources: Mapping[str, Source], span: Span) -> Line:
    source = sources.get(span.path)
    if source is None:
        return Line(span.path, 1, 1, "")
    line, column = source.place(span.start)
    return Line(span.path, line, column, " ".join(source.text[span.start : span.end].split()))


# ── values as literals ──────────────────────────────────────────────────────────────────────────────

# How many members of a set, and of an `any` or `all`, are told: more is a wall and not an explanation.
MEMBERS = 10


def shown(value: Any) -> str:
    """A value as a policy would write it; long sets end in a count."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case timedelta():
            return _duration(value)
        case datetime():
            return _timestamp(value)
        case Ip():
            return f'ip("{value}")'
        case frozenset():
            members = in_order(value)
            more = f", … {len(members):,} members" if len(members) > MEMBERS else ""
            return f"[{', '.join(map(shown, members[:MEMBERS]))}{more}]"
        case dict():
            entries = ", ".join(f"{name}: {shown(inner)}" for name, inner in value.items())
            return f"{{ {entries} }}" if entries else "{ }"
        case _:
            return str(value)


def _duration(value: timedelta) -> str:
    left = abs(value) // timedelta(microseconds=1)
    text = ""
    for unit, size in _UNITS:
        amount, left = divmod(left, size)
        text += f"{amount}{unit}" if amount else ""
    if left:
        text += f"{left}us"  # finer than the language writes, but a request may say it
    return ("-" if value < timedelta(0) else "") + (text or "0s")


_UNITS = (
    ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000),
)  # fmt: skip


def _timestamp(value: datetime) -> str:
    text = value.isoformat().replace("+00:00", "Z")
    return text.removesuffix("T00:00:00Z")
