"""What policies mean, in plain code: the reference that compiled programs are held to. Knows no index.

Everything here can be read beside LANGUAGE.md, sections 2 to 5. It is written to be obviously right, not
fast; what it decides, `decide` decides the same, failures included. Its `trace` feeds `explain`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, assert_never

from pdp.access import values
from pdp.access.decision import FORBIDDEN, NO_RULE, Decision, Failure, Obligation, Reason
from pdp.access.facts import Facts
from pdp.access.patterns import caller_pattern, glob
from pdp.access.values import Failed, truth
from pdp.rules.rules import Condition, Duty, Head, PolicySet, Rule
from pdp.rules.terms import (
    And,
    Arithmetic,
    Call,
    Compare,
    Const,
    Default,
    Has,
    If,
    In,
    Item,
    Member,
    Negative,
    Not,
    Or,
    Quantify,
    Root,
    SetTerm,
    Term,
    Variable,
    parts,
)
from pdp.schema.functions import FUNCTIONS

Variables = Mapping[str, Any]
NO_VARIABLES: Final[Variables] = {}


def interpret(policies: PolicySet, facts: Facts) -> Decision:
    """The decision on `facts` by every rule of `policies` (section 5); its `policy` is left empty.

    1. Every rule is asked. 2. A forbid that applies denies. 3. Else a permit that applies allows. 4. Else no
    rule speaks for the request, and that denies. Failures are named whatever the decision.
    """
    # 1.
    answers = [consider(rule, facts) for rule in sorted(policies.rules, key=lambda rule: rule.identity)]
    failures = tuple(
        Failure(answer.rule.identity, answer.failed.kind, answer.failed.what)
        for answer in answers
        if answer.failed is not None
    )
    forbids = [answer for answer in answers if answer.applies and answer.rule.effect == "forbid"]
    permits = [answer for answer in answers if answer.applies and answer.rule.effect == "permit"]
    # 2. and 3. and 4.
    deciding = forbids or permits
    return Decision(
        decision="allow" if permits and not forbids else "deny",
        code=FORBIDDEN if forbids else None if permits else NO_RULE,
        rules=tuple(answer.rule.identity for answer in deciding),
        reasons=tuple(Reason(answer.rule.identity, answer.rule.because) for answer in deciding),
        obligations=tuple(duty for answer in deciding for duty in answer.obligations),
        advice=tuple(duty for answer in deciding for duty in answer.advice),
        failures=failures,
        policy="",
    )


# Rules.


@dataclass(frozen=True, slots=True)
class Answer:
    """What one rule says to one request: whether it applies, with which duties, and what failed first."""

    rule: Rule
    applies: bool
    failed: Failed | None = None
    obligations: tuple[Obligation, ...] = ()
    advice: tuple[Obligation, ...] = ()


def consider(rule: Rule, facts: Facts) -> Answer:
    """Whether `rule` applies.

    1. Its head matches and its dates are met, else it does not apply. 2. Its conditions hold: a false one
    ends it, a failing one makes a forbid apply and a permit not. 3. Its duties have values: a failing
    obligation makes a permit not apply; any other failing duty is left out.
    """
    # 1.
    if not (matches(rule.head, facts) and active(rule, facts.now)):
        return Answer(rule, applies=False)
    forbid = rule.effect == "forbid"
    failed: Failed | None = None
    # 2.
    try:
        if not all(holds(condition, facts) for condition in rule.conditions):
            return Answer(rule, applies=False)
    except Failed as failure:
        # A forbid that cannot be ruled out stands; a permit that cannot be shown does not.
        if not forbid:
            return Answer(rule, applies=False, failed=failure)
        failed = failure
    # 3.
    done: list[tuple[Duty, Obligation]] = []
    permitted = True
    for duty in rule.duties:
        try:
            contents = {name: evaluate(term, facts) for name, term in duty.values}
        except Failed as failure:
            failed = failed or failure
            permitted = permitted and not duty.force
        else:
            done.append((duty, Obligation(duty.name, rule.identity, contents)))
    if not (forbid or permitted):
        return Answer(rule, applies=False, failed=failed)
    return Answer(
        rule,
        applies=True,
        failed=failed,
        obligations=tuple(obligation for duty, obligation in done if duty.force),
        advice=tuple(obligation for duty, obligation in done if not duty.force),
    )


def matches(head: Head, facts: Facts) -> bool:
    """Whether each clause of `head` matches the request; a clause that says `any` (None) always does."""
    caller, resource = facts.caller, facts.resource
    return (
        head.kind in (None, caller["kind"])
        and (head.callers is None or any(caller_pattern(p)(caller["id"]) for p in head.callers))
        and (head.groups is None or not caller["groups"].isdisjoint(head.groups))
        and (head.audiences is None or facts.audience in head.audiences)
        and (head.actions is None or any(glob(p)(facts.action["name"]) for p in head.actions))
        and head.resource_type in (None, resource["type"])
        and (head.resource_ids is None or any(glob(p)(resource["id"]) for p in head.resource_ids))
    )


def active(rule: Rule, now: datetime) -> bool:
    """Whether `now` is within the rule's dates. A sunset ends permits only: no forbid goes quiet alone."""
    since, sunset = rule.annotations.since, rule.annotations.sunset
    if since is not None and now < since:
        return False
    return rule.effect == "forbid" or sunset is None or now < sunset


def holds(condition: Condition, facts: Facts) -> bool:
    """Whether a `when` is true or an `unless` is false; raises `Failed`."""
    if condition.negated:
        return not truth(evaluate(condition.term, facts), "unless")
    return truth(evaluate(condition.term, facts), "when")


# Terms.


def evaluate(term: Term, facts: Facts, variables: Variables = NO_VARIABLES, times: int = 1) -> Any:
    """The value of `term`; raises `Failed` where it has none.

    `variables` are those of the quantifiers around it, which ask for it up to so many `times`.
    """
    return _step(term, facts, variables, times, partial(_value, facts))


def _value(facts: Facts, term: Term, variables: Variables, times: int) -> Any:
    return evaluate(term, facts, variables, times)


class NotReached:
    """The outcome of a term that was not evaluated, because what stands left of it had decided."""


NOT_REACHED: Final = NotReached()


@dataclass(frozen=True, slots=True)
class Trace:
    """How a term came to its outcome: a value, a `Failed` or `NOT_REACHED`, with the same of its parts.

    The condition of an `any` or `all` stands in `children` once for each member it was asked of; `variables`
    tells which. The operand of a `has` is looked for, not evaluated, and has no trace.
    """

    term: Term
    outcome: Any
    children: tuple[Trace, ...]
    variables: Variables


def trace(term: Term, facts: Facts, variables: Variables = NO_VARIABLES, times: int = 1) -> Trace:
    """What `evaluate` does on `term`, step by step. Never raises `Failed`: that is an outcome here."""
    children: list[Trace] = []

    def value(part: Term, inner: Variables, often: int) -> Any:
        child = trace(part, facts, inner, often)
        children.append(child)
        if isinstance(child.outcome, Failed):
            raise child.outcome
        return child.outcome

    try:
        outcome = _step(term, facts, variables, times, value)
    except Failed as failed:
        outcome = failed
    if not isinstance(term, Has):
        reached = [child.term for child in children]
        for part in parts(term):
            at = next((at for at, other in enumerate(reached) if other is part), None)
            if at is None:
                children.append(Trace(part, NOT_REACHED, (), variables))
            else:
                del reached[at]  # one term may stand in two places, where a `let` was inlined twice
    return Trace(term, outcome, tuple(children), variables)


def _step(
    term: Term,
    facts: Facts,
    variables: Variables,
    times: int,
    value: Callable[[Term, Variables, int], Any],
) -> Any:
    """The meaning of each kind of term; `value` gives its parts' values, and is asked for those needed."""

    def of(part: Term) -> Any:
        return value(part, variables, times)

    match term:
        case Const():
            return term.value
        case Root():
            return getattr(facts, term.name)
        case Variable():
            return variables[term.name]
        case Member():
            return values.member(of(term.record), term.name)
        case Item():
            return values.item(of(term.map), of(term.key))
        case Has():
            return _find(term.operand, facts, variables, times) is not _MISSING
        case Default():
            present = _find(term.operand, facts, variables, times) is not _MISSING
            return of(term.operand if present else term.fallback)
        case Not():
            return not truth(of(term.operand), "not")
        case And():
            return all(truth(of(operand), "and") for operand in term.operands)
        case Or():
            return any(truth(of(operand), "or") for operand in term.operands)
        case If():
            return of(term.then if truth(of(term.condition), "if") else term.otherwise)
        case Compare():
            return values.compare(term.operator, of(term.left), of(term.right))
        case In():
            item = of(term.item)
            return values.contains(of(term.container), item)
        case Arithmetic():
            return _ARITHMETIC[term.operator](of(term.left), of(term.right))
        case Negative():
            return values.negate(of(term.operand))
        case Call():
            function = FUNCTIONS[term.function]
            arguments = [of(argument) for argument in term.arguments]
            for at, prepare in function.prepare.items():
                arguments[at] = prepare(arguments[at])
            return function.call(*arguments)
        case SetTerm():
            return values.set_of([of(member) for member in term.members])
        case Quantify():
            quantity = any if term.kind == "any" else all
            members = values.visited(of(term.over), term.kind, times)
            often = times * len(members)
            return quantity(
                truth(value(term.condition, {**variables, term.variable: member}, often), term.kind)
                for member in members
            )
        case _:
            assert_never(term)


_ARITHMETIC = {"+": values.add, "-": values.subtract, "*": values.multiply}
_MISSING: Final = object()


def _find(term: Term, facts: Facts, variables: Variables, times: int) -> Any:
    """The value of `term`, or `_MISSING` where a member or item along its chain is absent.

    Keys of a map are not on the chain: one that fails, fails.
    """
    match term:
        case Member():
            record = _find(term.record, facts, variables, times)
            if record is _MISSING:
                return _MISSING
            if not isinstance(record, dict):
                raise Failed("type", term.name)
            return record.get(term.name, _MISSING)
        case Item():
            mapping = _find(term.map, facts, variables, times)
            if mapping is _MISSING:
                return _MISSING
            key = evaluate(term.key, facts, variables, times)
            if not isinstance(mapping, dict) or not isinstance(key, str):
                raise Failed("type", "key")
            return mapping.get(key, _MISSING)
        case _:
            return evaluate(term, facts, variables, times)
