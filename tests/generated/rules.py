"""Rules with every kind of head, date, condition and duty, and the policy sets that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from generated import estate
from generated.choices import Choices
from generated.conditions import Conditions
from pdp.language.source import Span
from pdp.rules.known import NOTHING, Known, when
from pdp.rules.rules import Annotations, Condition, Duty, Effect, Head, PolicySet, Rule
from pdp.rules.terms import NOWHERE, Call, Const, Term
from pdp.schema.functions import FUNCTIONS

MODULES = ("pay", "ops", "teams.web")
DUTIES = ("log", "mask", "tell")
SPANS: dict[str, Span] = dict.fromkeys(("rule", "name"), NOWHERE)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a policy set looks: how many rules it has, how deep their terms, and in percent how full they are.

    `heads` tells how many of them may ask for anything at all.
    """

    least: int = 1
    most: int = 7
    depth: int = 4
    heads: int = 100
    conditions: int = 65
    duties: int = 45


USUAL = Shape()
# Rules that every request concerns: what they say of it is evaluated each time.
BROAD = Shape(least=2, most=7, heads=10, conditions=95, duties=30)
# Many rules over few names: what an index must find, and what it must not.
MANY = Shape(least=200, most=300, depth=1, conditions=6, duties=3)


def policy_set(choices: Choices, shape: Shape = USUAL, *, strict: bool | None = None) -> PolicySet:
    """A policy set on the schema of `estate`; a third of them read attributes that it does not declare."""
    strict = choices.number(0, 2) < 2 if strict is None else strict
    conditions = Conditions(choices, strict)
    count = choices.number(shape.least, shape.most)
    rules: list[Rule] = []
    for at in range(count):
        # The number last, so that the sorted order is not the order in which rules are made.
        identity = f"{choices.one(MODULES)}.{choices.one('rqa')}{at}"
        if rules and choices.chance(20):
            rules.append(varied(choices.one(rules), identity, choices))
        else:
            rules.append(_rule(choices, conditions, shape, identity))
    rules.sort(key=lambda rule: rule.identity)
    return PolicySet(replace(estate.SCHEMA, strict=strict), tuple(rules), (), ())


def _rule(choices: Choices, conditions: Conditions, shape: Shape, identity: str) -> Rule:
    effect: Effect = choices.one(("permit", "permit", "permit", "forbid"))
    head = _head(choices, forbid=effect == "forbid") if choices.chance(shape.heads) else Head()
    known = _known(head)
    tests: list[Condition] = []
    while len(tests) < 3 and choices.chance(shape.conditions if not tests else shape.conditions // 2):
        term = conditions.condition(known, choices.number(min(1, shape.depth), shape.depth))
        negated = choices.chance(30)
        tests.append(Condition(term, negated, NOWHERE))
        known = known & when(term, not negated)
    if effect == "forbid":
        # Its duties are carried out where a condition fails, too: then only the head tells what it is about.
        known = replace(known, types=_known(head).types, actions=_known(head).actions)
    duties: list[Duty] = []
    while len(duties) < 3 and choices.chance(shape.duties):
        duties.append(_duty(choices, conditions, known, shape.depth - 1))
    annotations = _annotations(choices)
    because = ""
    if effect == "forbid" or annotations.sunset is not None or choices.chance(30):
        because = choices.one(("so it is", 'a "reason"', "weil’s so ist 😀"))
    return Rule(identity, effect, head, tuple(tests), tuple(duties), because, annotations, SPANS)


def varied(rule: Rule, identity: str, choices: Choices) -> Rule:
    """A rule of the same shape with other names and constants: it may share code and must not share those."""
    head = rule.head if rule.head == Head() else _head(choices, forbid=rule.effect == "forbid")
    head = replace(head, actions=rule.head.actions, resource_type=rule.head.resource_type)
    if rule.head.resource_type is None:
        head = replace(head, resource_ids=None)
    # One change for all places of a constant, for one that is guarded must stay so.
    changes: dict[Term, Term] = {}
    return replace(
        rule,
        identity=identity,
        effect=choices.one((rule.effect, "forbid")) if rule.because and not rule.duties else rule.effect,
        head=head,
        conditions=tuple(
            replace(each, term=_varied(each.term, changes, choices)) for each in rule.conditions
        ),
        duties=tuple(
            replace(duty, values=tuple((name, _varied(term, changes, choices)) for name, term in duty.values))
            for duty in rule.duties
        ),
        annotations=_annotations(choices) if rule.because else rule.annotations,
    )


def _varied(term: Term, changes: dict[Term, Term], choices: Choices) -> Term:
    match term:
        case Const():
            if term not in changes:
                changes[term] = _other(term, choices)
            return changes[term]
        case Call(function, arguments) if FUNCTIONS[function].prepare:
            return replace(term, arguments=(_varied(arguments[0], changes, choices), *arguments[1:]))
        case _:
            inner = {
                field.name: _varied_part(getattr(term, field.name), changes, choices)
                for field in fields(term)
                if field.name not in ("span", "type")
            }
            return replace(term, **inner)


def _varied_part(part: Any, changes: dict[Term, Term], choices: Choices) -> Any:
    if isinstance(part, tuple):
        return tuple(_varied(each, changes, choices) for each in part)
    return part if isinstance(part, str) else _varied(part, changes, choices)


def _other(term: Const, choices: Choices) -> Const:
    """Another constant of the same type. A text stays: it may be one of an enum's or name what is read."""
    if isinstance(term.value, (str, frozenset)) or choices.chance(30):
        return term
    return replace(term, value=choices.near(estate.LITERALS[term.type]))


def _known(head: Head) -> Known:
    """What the head makes certain, as the checker sees it."""
    if head.resource_type is None and head.actions is None:
        return NOTHING
    types = None if head.resource_type is None else frozenset((head.resource_type,))
    return Known(types=types, actions=() if head.actions is None else (head.actions,))


def _head(choices: Choices, *, forbid: bool) -> Head:
    """Each clause says `any`, one name, or several; a forbid says `any` less often."""
    anyone = 45 if forbid else 70

    def names(pool: Sequence[str], many: Sequence[str], most: int) -> tuple[str, ...]:
        if choices.number(0, 59) == 59:
            return tuple(many[: choices.one((9, 65, len(many)))])
        return choices.some(pool, 1, most)

    kind = choices.near(estate.KINDS) if choices.chance(20) else None
    callers = groups = None
    if kind != "anonymous":
        callers = None if choices.chance(anyone) else names(estate.CALLER_PATTERNS, estate.MANY_CALLERS, 3)
        groups = names(estate.GROUPS[:3], estate.GROUPS[:3], 2) if choices.chance(15) else None
    audiences = None if choices.chance(anyone) else names(estate.AUDIENCES, estate.MANY_AUDIENCES, 2)
    actions = None if choices.chance(anyone) else names(estate.ACTION_PATTERNS, estate.MANY_ACTIONS, 3)
    resource_type = resource_ids = None
    if choices.chance(40):
        resource_type = choices.near(estate.RESOURCES[:3])
        resource_ids = names(estate.RESOURCE_PATTERNS, estate.MANY_IDS, 3) if choices.chance(30) else None
    return Head(kind, callers, groups, audiences, actions, resource_type, resource_ids)


def _duty(choices: Choices, conditions: Conditions, known: Known, depth: int) -> Duty:
    names = choices.some(("level", "amount", "who", "when"), 0, 2)
    values: tuple[tuple[str, Term], ...] = tuple(
        (name, conditions.value(known, choices.number(0, max(depth, 0)))) for name in names
    )
    return Duty(choices.one(DUTIES), values, choices.chance(60), NOWHERE)


def _annotations(choices: Choices) -> Annotations:
    since: datetime | None = choices.near(estate.DATES) if choices.chance(12) else None
    sunset: datetime | None = choices.near(estate.DATES) if choices.chance(20) else None
    if since is not None and sunset is not None and sunset <= since:
        sunset = None
    return Annotations(owner="me" if choices.chance(10) else "", since=since, sunset=sunset)
