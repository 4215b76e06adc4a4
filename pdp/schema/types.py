"""The types of the policy language. Knows no syntax and no values.

`Unknown` agrees with every type: it stands where an error was already told, so one mistake is told once;
with `strict = false` it is also the type of an attribute that no schema declares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Basic:
    """A type without parts, told apart by its name alone."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Enum:
    """One of a few known strings, in the order written."""

    members: tuple[str, ...]

    def __str__(self) -> str:
        return " | ".join(f'"{member}"' for member in self.members)


@dataclass(frozen=True, slots=True)
class SetOf:
    """`set<member>`; the empty literal `[]` is a set of `Unknown`."""

    member: Type

    def __str__(self) -> str:
        return f"set<{self.member}>"


@dataclass(frozen=True, slots=True)
class MapOf:
    """`map<value>` with string keys."""

    value: Type

    def __str__(self) -> str:
        return f"map<{self.value}>"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a record: its type, and whether it may be absent."""

    type: Type
    optional: bool = False

    def __str__(self) -> str:
        return str(self.type)


@dataclass(frozen=True, slots=True)
class RecordOf:
    """A record: its attributes in sorted order of their names."""

    attributes: tuple[tuple[str, Attribute], ...]

    def get(self, name: str) -> Attribute | None:
        """The attribute called `name`, or None."""
        for known, attribute in self.attributes:
            if known == name:
                return attribute
        return None

    def __str__(self) -> str:
        inner = ", ".join(f"{n}{'?' if a.optional else ''}: {a}" for n, a in self.attributes)
        return f"{{ {inner} }}" if inner else "{ }"


Type: TypeAlias = Basic | Enum | SetOf | MapOf | RecordOf

BOOL = Basic("bool")
INT = Basic("int")
FLOAT = Basic("float")
STRING = Basic("string")
DURATION = Basic("duration")
TIMESTAMP = Basic("timestamp")
IP = Basic("ip")
UNKNOWN = Basic("unknown")

BASIC = {t.name: t for t in (BOOL, INT, FLOAT, STRING, DURATION, TIMESTAMP, IP)}


def record(**attributes: Type | Attribute) -> RecordOf:
    """A record type from keyword arguments; a bare type is a required attribute."""
    return RecordOf(
        tuple(
            (name, a if isinstance(a, Attribute) else Attribute(a)) for name, a in sorted(attributes.items())
        )
    )


def optional(type: Type) -> Attribute:
    """An attribute that may be absent."""
    return Attribute(type, optional=True)
