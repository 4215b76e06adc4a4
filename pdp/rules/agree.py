"""How types go together: what fits where, what can be compared, what two branches have in common.

Knows types alone: no syntax, no terms, no messages. `UNKNOWN` agrees with everything.
"""

from __future__ import annotations

from pdp.schema.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    IP,
    STRING,
    TIMESTAMP,
    UNKNOWN,
    Attribute,
    Basic,
    Enum,
    MapOf,
    RecordOf,
    SetOf,
    Type,
)  # fmt: skip

NUMBERS = (INT, FLOAT)
ORDERED = frozenset((INT, FLOAT, STRING, DURATION, TIMESTAMP))
# No floats: their equality surprises. No sets, maps or records: their members have no order to visit them in.
MEMBERS = frozenset((BOOL, INT, STRING, DURATION, TIMESTAMP, IP))


def fits(given: Type, wanted: Type) -> bool:
    """Whether a value of the type `given` may stand where `wanted` is asked for."""
    if given is wanted or given == wanted or UNKNOWN in (given, wanted):
        return True
    match given, wanted:
        case Basic(), Basic():
            return given == INT and wanted == FLOAT
        case Enum(members), Enum(others):
            return set(members) <= set(others)
        case Enum(), Basic():
            return wanted == STRING
        case SetOf(member), SetOf(other):
            return fits(member, other)
        case MapOf(value), MapOf(other):
            return fits(value, other)
        case RecordOf(), RecordOf():
            return _record_fits(given, wanted)
        case _:
            return False


def _record_fits(given: RecordOf, wanted: RecordOf) -> bool:
    for name, attribute in wanted.attributes:
        found = given.get(name)
        if found is None:
            if not attribute.optional:
                return False
        elif (found.optional and not attribute.optional) or not fits(found.type, attribute.type):
            return False
    return True


def as_written(type: Type) -> Type:
    """The type of a literal that stands where `type` is asked for: an enum is written as text."""
    match type:
        case Enum():
            return STRING
        case SetOf(member):
            return SetOf(as_written(member))
        case _:
            return type


def alike(left: Type, right: Type) -> bool:
    """Whether `==` between the two can ever be asked: int with float, enum with string, set with set."""
    if fits(left, right) or fits(right, left):
        return True
    if isinstance(left, Enum) and isinstance(right, Enum):
        return not set(left.members).isdisjoint(right.members)
    return isinstance(left, SetOf) and isinstance(right, SetOf) and alike(left.member, right.member)


def join(left: Type, right: Type) -> Type | None:
    """The one type of a value that is either `left` or `right`, or None where there is none.

    What is unknown stays so: compiled code checks no value whose type it is told.
    """
    if left is right or left == right:
        return left
    if UNKNOWN in (left, right):
        return UNKNOWN
    if isinstance(left, Enum) and isinstance(right, Enum):
        return Enum((*left.members, *(m for m in right.members if m not in left.members)))
    if isinstance(left, SetOf) and isinstance(right, SetOf):
        member = join(left.member, right.member)
        return None if member is None else SetOf(member)
    if fits(left, right):
        return right
    if fits(right, left):
        return left
    return None


def has_float(type: Type) -> bool:
    """Whether equality of this type would compare floats."""
    match type:
        case SetOf(member):
            return has_float(member)
        case MapOf(value):
            return has_float(value)
        case _:
            return type == FLOAT


def has_unknown(type: Type) -> bool:
    """Whether only a request will tell of what type a value is, or what its members are."""
    match type:
        case SetOf(member):
            return has_unknown(member)
        case MapOf(value):
            return has_unknown(value)
        case RecordOf(attributes):
            return any(has_unknown(attribute.type) for _, attribute in attributes)
        case _:
            return type == UNKNOWN


def same(left: Type, right: Type) -> bool:
    """Whether two declarations say the same type; the order of an enum's members does not matter."""
    match left, right:
        case Enum(members), Enum(others):
            return set(members) == set(others)
        case SetOf(member), SetOf(other):
            return same(member, other)
        case MapOf(value), MapOf(other):
            return same(value, other)
        case RecordOf(attributes), RecordOf(others):
            return [n for n, _ in attributes] == [n for n, _ in others] and all(
                same_attribute(a, b) for (_, a), (_, b) in zip(attributes, others, strict=True)
            )
        case _:
            return left == right


def same_attribute(left: Attribute, right: Attribute) -> bool:
    """Whether two declarations of one attribute agree, in type and in being optional."""
    return left.optional == right.optional and same(left.type, right.type)
