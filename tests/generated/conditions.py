"""Typed conditions of every kind, apt to fail in every way there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from generated import estate
from generated.estate import INNER, MAPS, MEMBERS, SCALARS
from generated.places import declared
from generated.typed import call, comparable, conjunction, disjunction, in_kind, item_of, member_of
from generated.values import WEEKDAY, Scope, Values
from pdp.access.values import INT_MAX
from pdp.rules.known import Known
from pdp.rules.terms import (
    Arithmetic,
    Compare,
    Const,
    Has,
    If,
    In,
    Member,
    Not,
    Quantify,
    Root,
    Term,
    Variable,
)
from pdp.schema import schema as builtin
from pdp.schema.functions import WEEKDAYS
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


@dataclass
class Conditions(Values):
    """Makes conditions, and the values that they are about."""

    def condition(self, known: Known, depth: int) -> Term:
        """A condition; some only teach what those after it may read."""
        scope = Scope(known, depth)
        return self._guard(scope)[0] if self.choices.chance(15) else self.term(BOOL, scope)

    def _leaf(self, type: Type, scope: Scope) -> Term:
        if type == BOOL and self.choices.chance(70):
            return self._plain(scope)
        return super()._leaf(type, scope)

    def _makers(self, type: Type) -> Sequence[Callable[[Type, Scope], Term]]:
        others = super()._makers(type)
        if type != BOOL:
            return others
        return (
            self._compare, self._order, self._within, self._guarded, self._quantify, self._text,
            self._compare, self._order, self._within, self._guarded, self._quantify, self._text,
            self._and, self._or, self._not, self._has, self._sets, self._weekday, self._one_fails,
            self._pairs, *others[1:],
        )  # fmt: skip

    def _has(self, type: Type, scope: Scope) -> Term:
        operand = self._perhaps(self.choices.one((*SCALARS, SetOf(STRING), INNER, MapOf(INT))), scope)
        return Has(operand if operand is not None else _TASK[0], type=BOOL)

    def _guarded(self, type: Type, scope: Scope) -> Term:
        """`has x and …`, `not has x or …`, `"k" in m and …`, `task.active and …`."""
        choices = self.choices
        guard, about = self._guard(scope)
        if choices.chance(35):
            no = Not(guard, type=BOOL)
            return disjunction((no, self._body(about, scope.knowing(no, False))))
        return conjunction((guard, self._body(about, scope.knowing(guard, True))))

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
                return In(in_kind(map.type), key, map, type=BOOL), (item_of(map, key),)
            case _:
                operand = self._perhaps(choices.one((*SCALARS, SetOf(STRING), INNER)), scope)
                if operand is None:
                    return _TASK_ACTIVE, (choices.one(_TASK),)
                return Has(operand, type=BOOL), (operand,)

    # Conditions.

    def _plain(self, scope: Scope) -> Term:
        """A condition of one operator, about something that may be read here."""
        types = (*SCALARS, SetOf(STRING), *MAPS[:2], INNER)
        return self._predicate(super()._leaf(self.choices.one(types), scope), replace(scope, depth=0))

    def _predicate(self, subject: Term, scope: Scope) -> Term:
        """A condition about `subject`, as its type lets it be."""
        choices = self.choices
        type = subject.type
        if type == UNKNOWN:
            type = choices.one((*SCALARS, SetOf(STRING), MapOf(INT), INNER))
        match type:
            case SetOf(member):
                item = self.term(member if member != UNKNOWN else STRING, scope)
                if comparable(item, subject, member):
                    return In(in_kind(subject.type), item, subject, type=BOOL)
            case MapOf():
                return In(in_kind(subject.type), self._key(scope), subject, type=BOOL)
            case RecordOf():
                return Compare(">", member_of(subject, "count"), self.term(INT, scope), type=BOOL)
            case _ if type == IP:
                container = self.term(IP, scope)
                return In(in_kind(container.type), subject, container, type=BOOL)
            case _ if type in (INT, FLOAT, DURATION, TIMESTAMP):
                operator: Literal["<", "<=", ">", ">="] = choices.one(("<=", "<", ">=", ">"))
                return Compare(operator, subject, self.term(type, scope), type=BOOL)
            case _ if type == BOOL:
                return subject
            case _ if subject in _NAMES:
                return Compare("==", subject, Const(choices.near(_NAMES[subject]), type=STRING), type=BOOL)
            case _:
                other = self.term(type, scope)
                if comparable(subject, other):
                    return Compare("==", subject, other, type=BOOL)
        return self._has(BOOL, scope)

    def _compare(self, _: Type, scope: Scope) -> Term:
        type = self.choices.one(_EQUAL)
        left = self.term(type, scope)
        if left in _NAMES and self.choices.chance(80):
            right: Term = Const(self.choices.near(_NAMES[left]), type=STRING)
        else:
            right = self.term(type, scope)
        if not comparable(left, right):
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
        if isinstance(container.type, SetOf) and not comparable(item, container, container.type.member):
            return self._order(BOOL, scope)
        return In(in_kind(container.type), item, container, type=BOOL)

    def _and(self, _: Type, scope: Scope) -> Term:
        return self._chain(scope, True)

    def _or(self, _: Type, scope: Scope) -> Term:
        return self._chain(scope, False)

    def _chain(self, scope: Scope, every: bool) -> Term:
        operands: list[Term] = []
        for _ in range(self.choices.number(2, 3)):
            operands.append(self.term(BOOL, scope))
            scope = scope.knowing(operands[-1], every)
        return (conjunction if every else disjunction)(tuple(operands))

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
            about = (item_of(over, variable), variable)
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

    def _pairs(self, _: Type, scope: Scope) -> Term:
        """The members of a set of the request by pairs, of which there may be too many."""
        choices = self.choices
        type = choices.one((STRING, INT))
        over = self._leaf(SetOf(type), scope)
        if isinstance(over, Const):
            return self._quantify(type, scope)
        self._bound += 2
        one, other = (Variable(f"x{self._bound - at}", type=type) for at in (1, 0))
        same = Compare("==", one, other, type=BOOL)
        kinds: list[Literal["any", "all"]] = [choices.one(("any", "all")) for _ in range(2)]
        inner = Quantify(kinds[0], other.name, over, same, type=BOOL)
        return Quantify(kinds[1], one.name, over, inner, type=BOOL)

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
        return call(name, text, other)

    def _sets(self, _: Type, scope: Scope) -> Term:
        type = SetOf(self.choices.one(MEMBERS))
        one, other = self.term(type, scope), self.term(type, scope)
        if not comparable(one, other):
            return self._order(BOOL, scope)
        return call(self.choices.one(("subset", "overlaps")), one, other)

    def _weekday(self, _: Type, scope: Scope) -> Term:
        day = self._zoned(WEEKDAY, scope)
        if self.choices.chance(50):
            days = Const(frozenset(self.choices.some(WEEKDAYS, 1, 4)), type=SetOf(STRING))
            return In("set", day, days, type=BOOL)
        return Compare("==", day, Const(self.choices.one(WEEKDAYS), type=STRING), type=BOOL)


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
