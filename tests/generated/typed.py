"""Terms with the types that the checker gives them, for compiled code may rest on those."""

from __future__ import annotations

from typing import Literal

from pdp.rules.agree import NUMBERS, alike, has_float, join
from pdp.rules.terms import And, Arithmetic, Call, Const, Item, Member, Or, SetTerm, Term
from pdp.schema.functions import FUNCTIONS
from pdp.schema.types import BOOL, FLOAT, INT, IP, UNKNOWN, Enum, MapOf, RecordOf, SetOf, Type


def member_of(record: Term, name: str) -> Term:
    """`record.name`."""
    attribute = record.type.get(name) if isinstance(record.type, RecordOf) else None
    return Member(record, name, type=attribute.type if attribute is not None else UNKNOWN)


def item_of(map: Term, key: Term) -> Term:
    """`map[key]`."""
    return Item(map, key, type=map.type.value if isinstance(map.type, MapOf) else UNKNOWN)


def either(one: Term, other: Term) -> Type | None:
    """The type of a value that is one of the two; an empty set is a set of what the other holds."""
    for this, that in ((one, other), (other, one)):
        if isinstance(this, Const) and this.value == frozenset() and isinstance(that.type, SetOf):
            return that.type
    return join(one.type, other.type)


def stands_for(given: Type, wanted: Type) -> bool:
    """Whether a term of the type given may be taken where another is wanted."""
    return given in (wanted, UNKNOWN) or (given, wanted) == (INT, FLOAT)


def comparable(left: Term, right: Term, other: Type | None = None) -> bool:
    """Whether the checker lets the two meet: no float, map or record, and no literal that an enum lacks.

    `other` stands for the type of `right` where its members are meant.
    """
    one, two = left.type, right.type if other is None else other
    if any(has_float(type) or isinstance(type, (MapOf, RecordOf)) for type in (one, two)):
        return False
    if not alike(one, two):
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


def conjunction(operands: tuple[Term, ...]) -> Term:
    """`a and b`: flat, as the checker makes it."""
    flat = (part for each in operands for part in (each.operands if isinstance(each, And) else (each,)))
    return And(tuple(flat), type=BOOL)


def disjunction(operands: tuple[Term, ...]) -> Term:
    """`a or b`, as flat."""
    flat = (part for each in operands for part in (each.operands if isinstance(each, Or) else (each,)))
    return Or(tuple(flat), type=BOOL)


def call(name: str, *arguments: Term) -> Term:
    """A call of a built-in function."""
    return Call(name, arguments, type=FUNCTIONS[name].result)


def computed(operator: Literal["+", "-", "*"], left: Term, right: Term, type: Type) -> Term:
    """`left + right` and its kin; `type` is theirs where they are no numbers."""
    if left.type in NUMBERS and right.type in NUMBERS:
        type = INT if left.type == right.type == INT else FLOAT
    elif UNKNOWN in (left.type, right.type):
        type = UNKNOWN
    return Arithmetic(operator, left, right, type=type)


def in_kind(container: Type) -> Literal["set", "key", "network", "networks", "dynamic"]:
    """Which `in` looks into such a container."""
    match container:
        case SetOf(member):
            return "networks" if member == IP else "set"
        case MapOf():
            return "key"
        case _:
            return "network" if container == IP else "dynamic"
