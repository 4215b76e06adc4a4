"""Typed terms of every kind: legal where they stand, guards included, and apt to fail in every way there is.

A type asked for is the type given, or one that can stand in its place; where policies are not strict, any part
may be of unknown type. Types are set as the checker sets them, since compiled code may rest on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from generated import estate
from generated.choices import Choices
from generated.estate import INNER, LITERALS, MAPS, MEMBERS, SCALARS
from generated.places import Place, declared, places
from pdp.access.values import INT_MAX
from pdp.rules.agree import NUMBERS, alike, has_float, join
from pdp.rules.known import Known, when
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
)
from pdp.schema import schema as builtin
from pdp.schema.functions import FUNCTIONS, WEEKDAYS
from pdp.schema.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    IP,
    STRING,
    TIMESTAMP,
    UNKNOWN,
    Enum,
    MapOf,
    RecordOf,
    SetOf,
    Type,
)

WEEKDAY = Enum(WEEKDAYS)
KIND, FORM, BINDING = Enum(builtin.KINDS), Enum(builtin.FORMS), Enum(builtin.BINDINGS)
_EQUAL: tuple[Type, ...] = (
    *(type for type in SCALARS if type != FLOAT), KIND, FORM, BINDING, WEEKDAY, *map(SetOf, MEMBERS),
)  # fmt: skip
_ORDERED: tuple[tuple[Type, Type], ...] = (
    (INT, INT), (FLOAT, FLOAT), (INT, FLOAT), (FLOAT, INT), (DURATION, DURATION), (TIMESTAMP, TIMESTAMP),
    (STRING, STRING),
)  # fmt: skip
# The names that places hold, where they are not just any text.
_NAMES: dict[Term, tuple[str, ...]] = {
    Root("audience"): estate.AUDIENCES,
    Member(Root("action"), "name"): estate.ACTIONS,
    Member(Root("resource"), "type"): estate.RESOURCES,
    Member(Root("resource"), "id"): estate.RESOURCE_IDS,
    Member(Root("caller"), "id"): estate.CALLERS,
}
_SETS_OF_NAMES: dict[Term, tuple[str, ...]] = {
    Member(Root("caller"), "groups"): estate.GROUPS,
    Member(Root("task"), "actions"): estate.TASK_ACTIONS,
    Member(Root("credential"), "audiences"): estate.AUDIENCES,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a term stands: what is known there, which variables it sees, and how deep it may still grow.

    `focus` are terms that have just been guarded or bound: what follows should be about them.
    """

    known: Known
    depth: int
    variables: tuple[Variable, ...] = ()
    focus: tuple[Term, ...] = ()

    def knowing(self, term: Term, outcome: bool) -> Scope:
        return replace(self, known=self.known & when(term, outcome))

    def about(self, *terms: Term) -> Scope:
        return replace(self, focus=(*terms, *self.focus[:4]))


@dataclass(slots=True)
class Conditions:
    """Makes terms by `choices`. `_bound` counts variables, so that each has a name of its own."""

    choices: Choices
    strict: bool
    _bound: int = field(default=0)

    def condition(self, known: Known, depth: int) -> Term:
        """A condition; some only teach what those after it may read."""
        scope = Scope(known, depth)
        return self._guard(scope)[0] if self.choices.chance(15) else self.term(BOOL, scope)

    def value(self, known: Known, depth: int) -> Term:
        """A term of any type, as duties have them."""
        types = (*SCALARS, *map(SetOf, MEMBERS), MapOf(INT), INNER)
        return self.term(self.choices.one(types), Scope(known, depth))

    def term(self, type: Type, scope: Scope) -> Term:
        choices = self.choices
        if not self.strict and choices.chance(15):
            return self._unknown(scope)
        if scope.depth <= 0 or choices.chance(20):
            return self._plain(scope) if type == BOOL and choices.chance(70) else self._leaf(type, scope)
        scope = replace(scope, depth=scope.depth - 1)
        return choices.one(self._makers(type))(type, scope)

    def _makers(self, type: Type) -> tuple[Callable[[Type, Scope], Term], ...]:
        either = (self._fallback, self._if)
        match type:
            case SetOf():
                return (self._set, self._set, *either)
            case MapOf() | RecordOf() | Enum():
                return (self._leaf, *either)
            case _:
                return (*_MAKERS[type](self), *either)

    def _places(self, type: Type, scope: Scope) -> tuple[Place, ...]:
        return places(type, scope.known, self.strict)

    # What is there without an operator.

    def _leaf(self, type: Type, scope: Scope) -> Term:
        choices = self.choices
        near = [
            term
            for term in (*scope.focus, *scope.variables)
            if _stands_for(term.type, type) and declared(term, scope.known, self.strict)
        ]
        if near and choices.chance(70):
            return choices.one(near)
        if choices.chance(55):
            readable = [place.term for place in self._places(type, scope) if place.readable(scope.known)]
            if readable:
                return choices.one(readable)
        return self._literal(type, scope)

    def _literal(self, type: Type, scope: Scope) -> Term:
        match type:
            case SetOf(member):
                return self._literal_set(member)
            case Enum(members):
                return Const(self.choices.one(members), type=STRING)
            case MapOf() | RecordOf():
                readable = [place.term for place in self._places(type, scope) if place.readable(scope.known)]
                return self.choices.one(readable)
            case _:
                return Const(self.choices.near(LITERALS[type]), type=type)

    def _literal_set(self, member: Type) -> Term:
        if member in estate.TOO_MANY and self.choices.number(0, 399) == 399:
            return Const(estate.TOO_MANY[member], type=SetOf(member))
        pool = member.members if isinstance(member, Enum) else LITERALS[member]
        values = frozenset(self.choices.some(pool, 0, 4))
        return Const(
            values, type=SetOf((STRING if isinstance(member, Enum) else member) if values else UNKNOWN)
        )

    def _unknown(self, scope: Scope) -> Term:
        choices = self.choices
        bound = [variable for variable in scope.variables if variable.type == UNKNOWN]
        if bound and choices.chance(50):
            return choices.one(bound)
        root = choices.one(("context", "resource", "caller", "action"))
        term: Term = Member(Root(root), choices.one(estate.UNDECLARED))  # type: ignore[arg-type]
        if choices.chance(15):
            return _member(term, choices.one(("deep", "count", "a")))
        return _item(term, self._key(scope)) if choices.chance(15) else term

    # What may be absent, and what is done about it.

    def _perhaps(self, type: Type, scope: Scope) -> Term | None:
        """A place of the type that may be absent, whether or not it is known to be there."""
        choices = self.choices
        if not self.strict and choices.chance(8):
            return self._unknown(scope)
        if choices.chance(40):
            found = self._item(type, scope)
            if found is not None:
                return found
        optional = [place.term for place in self._places(type, scope) if place.guards]
        return choices.one(optional) if optional else self._item(type, scope)

    def _item(self, type: Type, scope: Scope) -> Term | None:
        """An item of a map, or what lies within it."""
        choices = self.choices
        if type == BOOL and choices.chance(30):
            return _item(_item(self._leaf(MapOf(MapOf(BOOL)), scope), self._key(scope)), self._key(scope))
        within: dict[Type, str] = {INT: "count", BOOL: "deep", STRING: "note"}
        if type in within and choices.chance(30):
            return _member(_item(self._leaf(MapOf(INNER), scope), self._key(scope)), within[type])
        if MapOf(type) in MAPS and type != BOOL:
            return _item(self._leaf(MapOf(type), scope), self._key(scope))
        return None

    def _key(self, scope: Scope) -> Term:
        if self.choices.chance(20):
            return (
                self._leaf(STRING, scope) if self.strict or self.choices.chance(50) else self._unknown(scope)
            )
        return Const(self.choices.near(estate.KEYS), type=STRING)

    def _fallback(self, type: Type, scope: Scope) -> Term:
        operand = self._perhaps(type, scope)
        fallback = self.term(type, scope)
        both = _either(operand, fallback) if operand is not None else None
        return Default(operand, fallback, type=both) if operand is not None and both is not None else fallback

    def _if(self, type: Type, scope: Scope) -> Term:
        condition = self.term(BOOL, scope)
        then = self.term(type, scope.knowing(condition, True))
        otherwise = self.term(type, scope.knowing(condition, False))
        both = _either(then, otherwise)
        return If(condition, then, otherwise, type=both) if both is not None else then

    def _has(self, type: Type, scope: Scope) -> Term:
        operand = self._perhaps(self.choices.one((*SCALARS, SetOf(STRING), INNER, MapOf(INT))), scope)
        return Has(operand if operand is not None else _TASK[0], type=BOOL)

    def _guarded(self, type: Type, scope: Scope) -> Term:
        """`has x and …`, `not has x or …`, `"k" in m and …`, `task.active and …`, `resource.type == "t" and …`."""
        choices = self.choices
        guard, about = self._guard(scope)
        if choices.chance(35):
            no = Not(guard, type=BOOL)
            return _or((no, self._body(about, scope.knowing(no, False))))
        return _and((guard, self._body(about, scope.knowing(guard, True))))

    def _body(self, about: tuple[Term, ...], scope: Scope) -> Term:
        """A condition that is mostly about one of the terms given."""
        about = tuple(term for term in about if declared(term, scope.known, self.strict))
        if about and self.choices.chance(60):
            return self._predicate(self.choices.one(about), scope.about(*about))
        return self.term(BOOL, scope.about(*about))

    def _guard(self, scope: Scope) -> tuple[Term, tuple[Term, ...]]:
        choices = self.choices
        match choices.number(0, 5):
            case 0:
                guard = choices.one((Has(Member(Root("task"), "id", type=STRING), type=BOOL), _TASK_ACTIVE))
                return guard, (choices.one(_TASK), choices.one(_TASK))
            case 1:
                name = Const(choices.one(estate.RESOURCES[:3]), type=STRING)
                return Compare("==", _RESOURCE_TYPE, name, type=BOOL), ()
            case 2:
                map = self._leaf(choices.one(MAPS[:-1]), scope)
                key = self._key(scope)
                return In(_in_kind(map.type), key, map, type=BOOL), (_item(map, key),)
            case _:
                operand = self._perhaps(choices.one((*SCALARS, SetOf(STRING), INNER)), scope)
                if operand is None:
                    return _TASK_ACTIVE, (choices.one(_TASK),)
                return Has(operand, type=BOOL), (operand,)

    # Conditions.

    def _plain(self, scope: Scope) -> Term:
        """A condition of one operator, about something that may be read here."""
        types = (*SCALARS, SetOf(STRING), *MAPS[:2], INNER)
        return self._predicate(self._leaf(self.choices.one(types), scope), replace(scope, depth=0))

    def _predicate(self, subject: Term, scope: Scope) -> Term:
        """A condition about `subject`, as its type lets it be."""
        choices = self.choices
        type = subject.type
        if type == UNKNOWN:
            type = choices.one((*SCALARS, SetOf(STRING), MapOf(INT), INNER))
        match type:
            case SetOf(member):
                item = self.term(member if member != UNKNOWN else STRING, scope)
                if _comparable(item, subject, member):
                    return In(_in_kind(subject.type), item, subject, type=BOOL)
            case MapOf():
                return In(_in_kind(subject.type), self._key(scope), subject, type=BOOL)
            case RecordOf():
                return Compare(">", _member(subject, "count"), self.term(INT, scope), type=BOOL)
            case _ if type == IP:
                container = self.term(IP, scope)
                return In(_in_kind(container.type), subject, container, type=BOOL)
            case _ if type in (INT, FLOAT, DURATION, TIMESTAMP):
                operator: Literal["<", "<=", ">", ">="] = choices.one(("<=", "<", ">=", ">"))
                return Compare(operator, subject, self.term(type, scope), type=BOOL)
            case _ if type == BOOL:
                return subject
            case _ if subject in _NAMES:
                return Compare("==", subject, Const(choices.near(_NAMES[subject]), type=STRING), type=BOOL)
            case _:
                other = self.term(type, scope)
                if _comparable(subject, other):
                    return Compare("==", subject, other, type=BOOL)
        return self._has(BOOL, scope)

    def _compare(self, _: Type, scope: Scope) -> Term:
        type = self.choices.one(_EQUAL)
        left = self.term(type, scope)
        if left in _NAMES and self.choices.chance(80):
            right: Term = Const(self.choices.near(_NAMES[left]), type=STRING)
        else:
            right = self.term(type, scope)
        if not _comparable(left, right):
            return self._order(type, scope)
        equal = Compare("==", left, right, type=BOOL)
        return Not(equal, type=BOOL) if self.choices.chance(30) else equal

    def _order(self, _: Type, scope: Scope) -> Term:
        operator: Literal["<", "<=", ">", ">="] = self.choices.one(("<=", "<", ">=", ">"))
        left, right = self.choices.one(_ORDERED)
        one, other = self.term(left, scope), self.term(right, scope)
        if isinstance(one.type, Enum) or isinstance(other.type, Enum):
            return self._text(BOOL, scope)
        return Compare(operator, one, other, type=BOOL)

    def _within(self, _: Type, scope: Scope) -> Term:
        choices = self.choices
        match choices.number(0, 4):
            case 0:
                container, item = self.term(IP, scope), self.term(IP, scope)
            case 1:
                container, item = self.term(SetOf(IP), scope), self.term(IP, scope)
            case 2:
                container, item = self.term(choices.one(MAPS[:-1]), scope), self._key(scope)
            case 3:
                place, names = choices.one(tuple(_NAMES.items()))
                item = replace(place, type=STRING)
                container = Const(frozenset(choices.some(names, 1, 3)), type=SetOf(STRING))
                if choices.chance(40):
                    place, names = choices.one(tuple(_SETS_OF_NAMES.items()))
                    item = Const(choices.near(names), type=STRING)
                    readable = place in {
                        p.term for p in self._places(SetOf(STRING), scope) if p.readable(scope.known)
                    }
                    container = replace(place, type=SetOf(STRING)) if readable else container
            case _:
                type = choices.one(MEMBERS)
                container, item = self.term(SetOf(type), scope), self.term(type, scope)
        if isinstance(container.type, SetOf) and not _comparable(item, container, container.type.member):
            return self._order(BOOL, scope)
        return In(_in_kind(container.type), item, container, type=BOOL)

    def _and(self, _: Type, scope: Scope) -> Term:
        return self._chain(scope, True)

    def _or(self, _: Type, scope: Scope) -> Term:
        return self._chain(scope, False)

    def _chain(self, scope: Scope, conjunction: bool) -> Term:
        operands: list[Term] = []
        for _ in range(self.choices.number(2, 3)):
            operands.append(self.term(BOOL, scope))
            scope = scope.knowing(operands[-1], conjunction)
        return (_and if conjunction else _or)(tuple(operands))

    def _not(self, _: Type, scope: Scope) -> Term:
        return Not(self.term(BOOL, scope), type=BOOL)

    def _quantify(self, _: Type, scope: Scope) -> Term:
        choices = self.choices
        over = self.term(
            choices.one((SetOf(STRING), SetOf(INT), *MAPS[:-1], *map(SetOf, MEMBERS[2:]))), scope
        )
        match over.type:
            case SetOf(member):
                type = member
            case MapOf():
                type = STRING
            case _:
                type = UNKNOWN
        self._bound += 1
        variable = Variable(f"x{self._bound}", type=type)
        inner = replace(scope, variables=(variable, *scope.variables))
        about: tuple[Term, ...] = (variable,)
        if isinstance(over.type, MapOf):
            about = (_item(over, variable), variable)
            inner = replace(inner, known=inner.known & Known(frozenset(about[:1])))
        kind: Literal["any", "all"] = choices.one(("any", "all"))
        return Quantify(kind, variable.name, over, self._body(about, inner), type=BOOL)

    def _one_fails(self, _: Type, scope: Scope) -> Term:
        """`any` or `all` that fails at some members and is settled by others: which come first shows."""
        choices = self.choices
        type = choices.one(MEMBERS)
        over = self.term(SetOf(type), scope)
        member = over.type.member if isinstance(over.type, SetOf) else UNKNOWN
        self._bound += 1
        variable = Variable(f"x{self._bound}", type=member)
        inner = replace(scope, depth=0, variables=(variable, *scope.variables))
        kind: Literal["any", "all"] = choices.one(("any", "all"))
        condition = If(self._predicate(variable, inner), _FAILS, Const(kind == "any", type=BOOL), type=BOOL)
        return Quantify(kind, variable.name, over, condition, type=BOOL)

    def _text(self, _: Type, scope: Scope) -> Term:
        choices = self.choices
        name = choices.one(("like", "starts_with", "ends_with", "contains", "matches", "path_like"))
        text = self.term(STRING, scope)
        pools = {"like": estate.GLOBS, "matches": estate.EXPRESSIONS, "path_like": estate.PATH_PATTERNS}
        if name == "path_like" and choices.chance(75):
            text = choices.one(_PATHS)
        if name == "like" and choices.chance(30):
            text, pools = _ACTION_NAME, {"like": estate.ACTION_PATTERNS}
        other = Const(choices.near(pools[name]), type=STRING) if name in pools else self.term(STRING, scope)
        return _call(name, text, other)

    def _sets(self, _: Type, scope: Scope) -> Term:
        type = SetOf(self.choices.one(MEMBERS))
        one, other = self.term(type, scope), self.term(type, scope)
        if not _comparable(one, other):
            return self._order(BOOL, scope)
        return _call(self.choices.one(("subset", "overlaps")), one, other)

    # Values.

    def _operand(self, type: Type, scope: Scope) -> Term:
        """A term, or one of the extremes at which arithmetic fails."""
        if self.choices.chance(30):
            return Const(self.choices.one(estate.EXTREMES[type]), type=type)
        return self.term(type, scope)

    def _arithmetic(self, type: Type, scope: Scope) -> Term:
        operator: Literal["+", "-", "*"] = self.choices.one(("+", "-", "*"))
        sides = (
            self.choices.one(((FLOAT, INT), (INT, FLOAT), (FLOAT, FLOAT))) if type == FLOAT else (INT, INT)
        )
        return _sum(operator, self._operand(sides[0], scope), self._operand(sides[1], scope), type)

    def _duration(self, type: Type, scope: Scope) -> Term:
        operator, left, right = self.choices.one((
            ("+", DURATION, DURATION), ("-", DURATION, DURATION), ("-", TIMESTAMP, TIMESTAMP), ("*", INT, DURATION),
            ("*", DURATION, INT), ("*", FLOAT, DURATION), ("*", DURATION, FLOAT),
        ))  # fmt: skip
        return _sum(operator, self._operand(left, scope), self._operand(right, scope), type)

    def _timestamp(self, type: Type, scope: Scope) -> Term:
        operator, left, right = self.choices.one(
            (("+", TIMESTAMP, DURATION), ("-", TIMESTAMP, DURATION), ("+", DURATION, TIMESTAMP))
        )
        return _sum(operator, self._operand(left, scope), self._operand(right, scope), type)

    def _negative(self, type: Type, scope: Scope) -> Term:
        operand = self._operand(type, scope)
        return Negative(operand, type=operand.type)

    def _zoned(self, type: Type, scope: Scope) -> Term:
        name = {INT: "hour", TIMESTAMP: "date"}.get(type, "weekday")
        return _call(
            name, self._operand(TIMESTAMP, scope), Const(self.choices.near(estate.ZONES), type=STRING)
        )

    def _weekday(self, _: Type, scope: Scope) -> Term:
        day = self._zoned(WEEKDAY, scope)
        if self.choices.chance(50):
            days = Const(frozenset(self.choices.some(WEEKDAYS, 1, 4)), type=SetOf(STRING))
            return In("set", day, days, type=BOOL)
        return Compare("==", day, Const(self.choices.one(WEEKDAYS), type=STRING), type=BOOL)

    def _length(self, _: Type, scope: Scope) -> Term:
        type = self.choices.one((STRING, SetOf(STRING), MapOf(INT), SetOf(INT), MapOf(INNER)))
        return _call("len", self.term(type, scope))

    def _lower(self, _: Type, scope: Scope) -> Term:
        return _call("lower", self.term(STRING, scope))

    def _set(self, type: Type, scope: Scope) -> Term:
        assert isinstance(type, SetOf)
        terms = tuple(self.term(type.member, scope) for _ in range(self.choices.number(1, 3)))
        member: Type | None = terms[0].type
        for term in terms[1:]:
            member = join(member, term.type) if member is not None else None
        if any(term.type == UNKNOWN for term in terms):
            member = UNKNOWN
        return SetTerm(terms, type=SetOf(member)) if member is not None else self._literal(type, scope)


_FAILS = Compare(
    ">",
    Arithmetic("+", Const(INT_MAX, type=INT), Const(1, type=INT), type=INT),
    Const(0, type=INT),
    type=BOOL,
)
_TASK_ACTIVE = Member(Root("task"), "active", type=BOOL)
_ACTION_NAME = Member(Root("action"), "name", type=STRING)
_RESOURCE_TYPE = Member(Root("resource"), "type", type=STRING)
_TASK = tuple(
    Member(Root("task"), name, type=attribute.type)
    for name, attribute in builtin.TASK.attributes
    if not attribute.optional
)
_PATHS = (Member(Root("context"), "path", type=STRING), Member(Root("resource"), "id", type=STRING))

_MAKERS: dict[Type, Callable[[Conditions], tuple[Callable[[Type, Scope], Term], ...]]] = {
    BOOL: lambda c: (
        c._compare, c._order, c._within, c._guarded, c._quantify, c._text, c._and, c._or, c._not, c._has, c._sets,
        c._weekday, c._compare, c._order, c._within, c._guarded, c._quantify, c._text, c._one_fails,
    ),
    INT: lambda c: (c._arithmetic, c._arithmetic, c._negative, c._length, c._zoned),
    FLOAT: lambda c: (c._arithmetic, c._negative),
    STRING: lambda c: (c._lower,),
    DURATION: lambda c: (c._duration, c._duration, c._negative),
    TIMESTAMP: lambda c: (c._timestamp, c._zoned),
    IP: lambda c: (c._leaf,),
}  # fmt: skip


def _member(record: Term, name: str) -> Term:
    attribute = record.type.get(name) if isinstance(record.type, RecordOf) else None
    return Member(record, name, type=attribute.type if attribute is not None else UNKNOWN)


def _item(map: Term, key: Term) -> Term:
    return Item(map, key, type=map.type.value if isinstance(map.type, MapOf) else UNKNOWN)


def _either(one: Term, other: Term) -> Type | None:
    """The type of a value that is one of the two; an empty set is a set of what the other holds."""
    for this, that in ((one, other), (other, one)):
        if isinstance(this, Const) and this.value == frozenset() and isinstance(that.type, SetOf):
            return that.type
    return join(one.type, other.type)


def _stands_for(given: Type, wanted: Type) -> bool:
    return given in (wanted, UNKNOWN) or (given, wanted) == (INT, FLOAT)


def _comparable(left: Term, right: Term, other: Type | None = None) -> bool:
    """Whether the checker lets the two meet: no floats, maps and records, and no literal that an enum lacks."""
    one, two = left.type, right.type if other is None else other
    if any(has_float(type) or isinstance(type, (MapOf, RecordOf)) for type in (one, two)) or not alike(
        one, two
    ):
        return False
    return _texts(left) <= _members(two, _texts(left)) and _texts(right) <= _members(one, _texts(right))


def _texts(term: Term) -> frozenset[str]:
    """The literal texts that `term` is, or has as members."""
    match term:
        case Const(str() as text):
            return frozenset((text,))
        case Const(frozenset() as members):
            return frozenset(member for member in members if isinstance(member, str))
        case SetTerm(terms):
            return frozenset().union(*map(_texts, terms))
        case _:
            return frozenset()


def _members(type: Type, otherwise: frozenset[str]) -> frozenset[str]:
    """What a text of the type can be; `otherwise` where it can be any."""
    if isinstance(type, SetOf):
        type = type.member
    return frozenset(type.members) if isinstance(type, Enum) else otherwise


def _and(operands: tuple[Term, ...]) -> Term:
    """Flat, as the checker makes it."""
    flat = (part for each in operands for part in (each.operands if isinstance(each, And) else (each,)))
    return And(tuple(flat), type=BOOL)


def _or(operands: tuple[Term, ...]) -> Term:
    flat = (part for each in operands for part in (each.operands if isinstance(each, Or) else (each,)))
    return Or(tuple(flat), type=BOOL)


def _call(name: str, *arguments: Term) -> Term:
    return Call(name, arguments, type=FUNCTIONS[name].result)


def _sum(operator: Literal["+", "-", "*"], left: Term, right: Term, type: Type) -> Term:
    if left.type in NUMBERS and right.type in NUMBERS:
        type = INT if left.type == right.type == INT else FLOAT
    elif UNKNOWN in (left.type, right.type):
        type = UNKNOWN
    return Arithmetic(operator, left, right, type=type)


def _in_kind(container: Type) -> Literal["set", "key", "network", "networks", "dynamic"]:
    match container:
        case SetOf(member):
            return "networks" if member == IP else "set"
        case MapOf():
            return "key"
        case _:
            return "network" if container == IP else "dynamic"
