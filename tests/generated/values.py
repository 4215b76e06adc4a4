"""Typed terms that give values: read, written, computed, chosen. Legal where they stand, guards included.

A type asked for is the type given, or one that can stand in its place; where policies are not strict, any
part may be of unknown type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from generated import estate
from generated.choices import Choices
from generated.estate import INNER, LITERALS, MAPS, MEMBERS, SCALARS
from generated.places import Place, declared, places
from generated.typed import call, computed, either, item_of, member_of, stands_for
from pdp.rules.agree import join
from pdp.rules.known import Known, when
from pdp.rules.terms import Const, Default, If, Member, Negative, Root, SetTerm, Term, Variable
from pdp.schema.functions import WEEKDAYS
from pdp.schema.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    STRING,
    TIMESTAMP,
    UNKNOWN,
    Basic,
    Enum,
    MapOf,
    RecordOf,
    SetOf,
    Type,
)

WEEKDAY = Enum(WEEKDAYS)


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


@dataclass
class Values:
    """Makes terms by `choices`. `_bound` counts variables, so that each has a name of its own."""

    choices: Choices
    strict: bool
    _bound: int = field(default=0)

    def value(self, known: Known, depth: int) -> Term:
        """A term of any type, as duties have them."""
        types = (*SCALARS, *map(SetOf, MEMBERS), MapOf(INT), INNER)
        return self.term(self.choices.one(types), Scope(known, depth))

    def term(self, type: Type, scope: Scope) -> Term:
        """A term of the type, no deeper than the scope allows."""
        choices = self.choices
        if not self.strict and choices.chance(15):
            return self._unknown(scope)
        if scope.depth <= 0 or choices.chance(20):
            return self._leaf(type, scope)
        scope = replace(scope, depth=scope.depth - 1)
        return choices.one(self._makers(type))(type, scope)

    def _makers(self, type: Type) -> Sequence[Callable[[Type, Scope], Term]]:
        either = (self._fallback, self._if)
        match type:
            case SetOf():
                return (self._set, self._set, *either)
            case Basic("int"):
                return (self._arithmetic, self._negative, self._length, self._zoned, *either)
            case Basic("float"):
                return (self._arithmetic, self._negative, *either)
            case Basic("string"):
                return (self._lower, *either)
            case Basic("duration"):
                return (self._duration, self._duration, self._negative, *either)
            case Basic("timestamp"):
                return (self._timestamp, self._zoned, *either)
            case _:
                return (self._leaf, *either)

    def _places(self, type: Type, scope: Scope) -> tuple[Place, ...]:
        return places(type, scope.known, self.strict)

    # What is there without an operator.

    def _leaf(self, type: Type, scope: Scope) -> Term:
        choices = self.choices
        near = [
            term
            for term in (*scope.focus, *scope.variables)
            if stands_for(term.type, type) and declared(term, scope.known, self.strict)
        ]
        if near and choices.chance(70):
            return choices.one(near)
        if choices.chance(55):
            readable = [place.term for place in self._places(type, scope) if place.readable(scope.known)]
            if readable:
                return choices.one(readable)
        # Not within one another: of literal sets that are too many, the checker would tell.
        large = isinstance(type, SetOf) and type.member in estate.MANY and not scope.variables
        if large and choices.number(0, 399) == 399:
            return Const(estate.MANY[type.member], type=type)
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
        pool = member.members if isinstance(member, Enum) else LITERALS[member]
        values = frozenset(self.choices.some(pool, 0, 4))
        return Const(
            values, type=SetOf((STRING if isinstance(member, Enum) else member) if values else UNKNOWN)
        )

    def _unknown(self, scope: Scope) -> Term:
        bound = [variable for variable in scope.variables if variable.type == UNKNOWN]
        return self.choices.one(bound) if bound and self.choices.chance(50) else self._undeclared(scope)

    def _undeclared(self, scope: Scope) -> Term:
        """What no schema declares, or something within it."""
        choices = self.choices
        root = choices.one(("context", "resource", "caller", "action"))
        term: Term = Member(Root(root), choices.one(estate.UNDECLARED))  # type: ignore[arg-type]
        if choices.chance(15):
            return member_of(term, choices.one(("deep", "count", "a")))
        return item_of(term, self._key(scope)) if choices.chance(15) else term

    # What may be absent, and what is done about it.

    def _perhaps(self, type: Type, scope: Scope) -> Term | None:
        """A place of the type that may be absent, whether or not it is known to be there."""
        choices = self.choices
        if not self.strict and choices.chance(8):
            return self._undeclared(scope)
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
            return item_of(item_of(self._leaf(MapOf(MapOf(BOOL)), scope), self._key(scope)), self._key(scope))
        within: dict[Type, str] = {INT: "count", BOOL: "deep", STRING: "note"}
        if type in within and choices.chance(30):
            return member_of(item_of(self._leaf(MapOf(INNER), scope), self._key(scope)), within[type])
        if MapOf(type) in MAPS and type != BOOL:
            return item_of(self._leaf(MapOf(type), scope), self._key(scope))
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
        both = either(operand, fallback) if operand is not None else None
        return Default(operand, fallback, type=both) if operand is not None and both is not None else fallback

    def _if(self, type: Type, scope: Scope) -> Term:
        condition = self.term(BOOL, scope)
        then = self.term(type, scope.knowing(condition, True))
        otherwise = self.term(type, scope.knowing(condition, False))
        both = either(then, otherwise)
        return If(condition, then, otherwise, type=both) if both is not None else then

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
        return computed(operator, self._operand(sides[0], scope), self._operand(sides[1], scope), type)

    def _duration(self, type: Type, scope: Scope) -> Term:
        operator, left, right = self.choices.one((
            ("+", DURATION, DURATION), ("-", DURATION, DURATION), ("-", TIMESTAMP, TIMESTAMP),
            ("*", INT, DURATION), ("*", DURATION, INT), ("*", FLOAT, DURATION), ("*", DURATION, FLOAT),
        ))  # fmt: skip
        return computed(operator, self._operand(left, scope), self._operand(right, scope), type)

    def _timestamp(self, type: Type, scope: Scope) -> Term:
        operator, left, right = self.choices.one(
            (("+", TIMESTAMP, DURATION), ("-", TIMESTAMP, DURATION), ("+", DURATION, TIMESTAMP))
        )
        return computed(operator, self._operand(left, scope), self._operand(right, scope), type)

    def _negative(self, type: Type, scope: Scope) -> Term:
        operand = self._operand(type, scope)
        return Negative(operand, type=operand.type)

    def _zoned(self, type: Type, scope: Scope) -> Term:
        name = {INT: "hour", TIMESTAMP: "date"}.get(type, "weekday")
        return call(
            name, self._operand(TIMESTAMP, scope), Const(self.choices.near(estate.ZONES), type=STRING)
        )

    def _length(self, _: Type, scope: Scope) -> Term:
        type = self.choices.one((STRING, SetOf(STRING), MapOf(INT), SetOf(INT), MapOf(INNER)))
        return call("len", self.term(type, scope))

    def _lower(self, _: Type, scope: Scope) -> Term:
        return call("lower", self.term(STRING, scope))

    def _set(self, type: Type, scope: Scope) -> Term:
        assert isinstance(type, SetOf)
        terms = tuple(self.term(type.member, scope) for _ in range(self.choices.number(1, 3)))
        member: Type | None = terms[0].type
        for term in terms[1:]:
            member = join(member, term.type) if member is not None else None
        if any(term.type == UNKNOWN for term in terms):
            member = UNKNOWN
        return SetTerm(terms, type=SetOf(member)) if member is not None else self._literal(type, scope)
