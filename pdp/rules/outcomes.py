"""What a folded term can come to: whether it can fail, and whether it can be true or false.

A cautious answer where that is not plain: it may. Knows the types of terms, and nothing of what is known of a
request.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, assert_never

from pdp.access.values import Ip
from pdp.rules.agree import MEMBERS, NUMBERS, ORDERED, alike, fits, has_float, has_unknown
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
from pdp.schema.functions import FUNCTIONS, Function
from pdp.schema.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    IP,
    STRING,
    TIMESTAMP,
    Enum,
    MapOf,
    RecordOf,
    SetOf,
    Type,
)  # fmt: skip

_CONDITIONS = (Has, Not, And, Or, Compare, In, Quantify)
_OF_VALUE: Final[dict[type, Type]] = {
    bool: BOOL, int: INT, float: FLOAT, str: STRING, timedelta: DURATION, datetime: TIMESTAMP, Ip: IP,
}  # fmt: skip
_ALWAYS_THERE = {
    "caller": ("id", "kind", "groups", "actors", "depth"),
    "credential": ("form", "binding", "bound", "verified", "audiences", "scopes"),
    "action": ("name",),
    "resource": ("type", "id"),
    "task": ("active",),
}
_CAN_FAIL = ("path_like", "hour", "weekday", "date")


def _type(term: Term) -> Type:
    """The type of the value of `term`; `UNKNOWN` where only a request will tell."""
    if isinstance(term, Const):
        return _OF_VALUE.get(type(term.value), term.type)
    return BOOL if isinstance(term, _CONDITIONS) else term.type


def is_condition(term: Term) -> bool:
    """Whether the value of `term` is a bool for sure."""
    return _type(term) == BOOL


def _cannot_fail(term: Term) -> bool:
    """Whether `term` has a value for every request; a cautious no where that is not plain."""
    match term:
        case Const() | Root() | Variable():
            return True
        case Member():
            root = term.record
            return isinstance(root, Root) and term.name in _ALWAYS_THERE.get(root.name, ())
        case Has():
            return _is_plain_chain(term.operand)
        case Default():
            return _is_plain_chain(term.operand) and _cannot_fail(term.fallback)
        case Not() | And() | Or() | If() | Compare() | In() | SetTerm() | Call():
            return _is_typed(term) and all(map(_cannot_fail, parts(term)))
        case Item() | Arithmetic() | Negative() | Quantify():
            return False
        case _:
            assert_never(term)


def surely(term: Term) -> bool:
    return is_condition(term) and _cannot_fail(term)


def _is_typed(term: Not | And | Or | If | Compare | In | SetTerm | Call) -> bool:
    """Whether the operands of `term` are of types that it takes, for sure: a constant may be a branch that
    was chosen where nothing was known of the other one.
    """
    types = [_type(part) for part in parts(term)]
    if any(map(has_unknown, types)):
        return False
    match term:
        case Not() | And() | Or():
            return all(type == BOOL for type in types)
        case If():
            return types[0] == BOOL
        case Compare(operator="=="):
            return alike(*types) and not any(map(has_float, types))
        case Compare():
            return ORDERED.issuperset(types) and (types[0] == types[1] or set(types) <= set(NUMBERS))
        case In():
            return _may_hold(types[1], types[0])
        case SetTerm():
            return all(_is_member(type) and alike(types[0], type) for type in types)
        case Call():
            return term.function not in _CAN_FAIL and _takes(FUNCTIONS[term.function], types)
        case _:
            assert_never(term)


def _may_hold(container: Type, item: Type) -> bool:
    match container:
        case SetOf(member):
            return _is_member(item) and alike(item, member)
        case MapOf():
            return fits(item, STRING)
        case _:
            return item == container == IP


def _is_member(type: Type) -> bool:
    return isinstance(type, Enum) or type in MEMBERS


def _takes(function: Function, types: list[Type]) -> bool:
    return all(
        any(_takes_one(wanted, type) for wanted in parameter.types)
        for parameter, type in zip(function.parameters, types, strict=True)
    )


def _takes_one(wanted: Type, type: Type) -> bool:
    return isinstance(type, SetOf) if isinstance(wanted, SetOf) else fits(type, wanted)


def _is_plain_chain(term: Term) -> bool:
    """Whether `term` reads members of records only, so that looking for it never fails."""
    while isinstance(term, Member):
        term = term.record
        if not isinstance(term, Root) and not isinstance(term.type, RecordOf):
            return False
    return isinstance(term, Root)


def can_be(term: Term, outcome: bool) -> bool:
    """Whether the folded condition `term` may come out as `outcome`; a yes where that is not plain."""
    return outcome in _outcomes(term)


_NEVER: Final[frozenset[bool]] = frozenset()
_EITHER: Final = frozenset((False, True))


def _outcomes(term: Term) -> frozenset[bool]:
    """Both at once: an `if` needs both of its condition, and to ask twice would double with every level."""
    match term:
        case Const():
            return frozenset((term.value,)) if isinstance(term.value, bool) else _NEVER
        case Not():
            return frozenset(not outcome for outcome in _outcomes(term.operand))
        case And() | Or():
            # An `and` is false by one operand, reached where those before it can be true; `or` the reverse.
            goes_on = isinstance(term, And)
            found = _NEVER
            for operand in term.operands:
                here = _outcomes(operand)
                found |= here - {goes_on}
                if goes_on not in here:
                    return found
            return found | {goes_on}
        case If():
            condition = _outcomes(term.condition)
            then = _outcomes(term.then) if True in condition else _NEVER
            return then | (_outcomes(term.otherwise) if False in condition else _NEVER)
        case Default():
            return _outcomes(term.operand) | _outcomes(term.fallback)
        case Quantify():
            return _NEVER if _fails(term.over) else _outcomes(term.condition) | {term.kind == "all"}
        case In(container=Const(value=frozenset() as members)) if not members:
            return frozenset((False,))
        case _:
            return _NEVER if _fails(term) else _EITHER


def _fails(term: Term) -> bool:
    """Whether the folded `term` fails for every request: constants that folding could not make a value of."""
    match term:
        case Const() | Root() | Variable() | Member(record=Root()) | Has():
            return False
        case Compare() | In() | Arithmetic() | Negative() | Call() | SetTerm() | Member() | Item():
            inner = parts(term)
            return any(map(_fails, inner)) or all(isinstance(part, Const) for part in inner)
        case _:
            return False
