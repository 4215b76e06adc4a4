"""From terms to code: the few operations that Python can carry out, chosen by the types of their operands.

Where the types are known, Python's own operators mean what the language means; elsewhere the functions of
`runtime` check what comes. Knows neither Python's syntax trees nor rules.

Code is a tree of tuples, so that code of one shape is equal and is made only once: each constant of a term is
a numbered slot, and stands in `constants`. Each node begins with its operation and the number of its place:

| operation    | then                              | stands for                                        |
| ------------ | --------------------------------- | ------------------------------------------------- |
| `constant`   | slot                              | the constant in a slot                            |
| `text`       | text                              | a name that is part of the shape                  |
| `fact`       | root                              | `facts.root`                                      |
| `variable`   | name                              | the variable of an `each`                         |
| `member`     | record, name                      | `record["name"]`: a `KeyError` is an absence      |
| `get`        | record, name, fallback            | `record.get("name", fallback)`                    |
| `part`       | code, name                        | `code.name`, of an address                        |
| `missing`    |                                   | what stands for an attribute that is not there    |
| `there`      | code                              | whether it is another thing than `missing`        |
| `keep`       | name, code                        | `code`, which `kept` gives again                  |
| `kept`       | name                              |                                                   |
| `call`       | function, *codes                  | a function of `runtime`                           |
| `apply`      | slot, code                        | the function in a slot                            |
| `method`     | name, code, code                  | a method of a text or a set                       |
| `compare`    | operator, left, right             |                                                   |
| `compute`    | operator, left, right             | arithmetic                                        |
| `minus`      | code                              |                                                   |
| `not`        | code                              |                                                   |
| `and`, `or`  | *codes                            |                                                   |
| `if`         | condition, then, otherwise        |                                                   |
| `each`       | kind, variable, over, condition   | `any` or `all`                                    |
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias, assert_never

from pdp.access.values import Ip, in_order
from pdp.language.source import Span
from pdp.program.runtime import within
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
from pdp.schema.types import Basic, Enum, MapOf, RecordOf, SetOf, Type

Code: TypeAlias = tuple[Any, ...]
Family: TypeAlias = Literal[
    "bool", "int", "float", "string", "duration", "timestamp", "ip", "set", "dict", "unknown"
]

_NUMBERS: Final = ("int", "float")
_ORDERED: Final = ("int", "float", "string", "duration", "timestamp")
# What a set holds that Python looks up as the language does. Addresses are within one another.
_MEMBERS: Final = ("bool", "int", "string", "duration", "timestamp")
_ARITHMETIC: Final = {"+": "add", "-": "subtract", "*": "multiply"}
# Functions whose prepared pattern is itself a function from text to bool.
_PATTERNS: Final = ("like", "matches")
_METHODS: Final = {"starts_with": "startswith", "ends_with": "endswith"}


class Lowering:
    """The code of one function that stands at `whole`, place 0. What grows: `constants` by slot, `places` by
    number."""

    def __init__(self, whole: Span) -> None:
        self.constants: list[Any] = []
        self.places: list[Span] = [whole]
        self._variables: dict[str, str] = {}
        # How often the quantifiers around have the current term evaluated; None outside of all.
        self._times: Code | None = None
        self._kept = 0

    def at(self, span: Span) -> int:
        """The number of a place."""
        self.places.append(span)
        return len(self.places) - 1

    def constant(self, value: Any, at: int) -> Code:
        """Code for a value that is known now."""
        # What many rules name is one object for all of them: less to hold, and soon in the processor's cache.
        if type(value) is str:
            value = sys.intern(value)
        elif type(value) is timedelta:
            value = _one(value)
        self.constants.append(value)
        return ("constant", at, len(self.constants) - 1)

    def apply(self, function: Any, code: Code, at: int) -> Code:
        """Code that calls a function that is known now."""
        self.constants.append(function)
        return ("apply", at, len(self.constants) - 1, code)

    def condition(self, term: Term, what: str) -> Code:
        """Code for a term where a bool is needed; it fails `type` for `what` where it is none."""
        code = self.of(term)
        if family(term) == "bool":
            return code
        at = code[1]
        return ("call", at, "truth", code, ("text", at, what))

    def of(self, term: Term) -> Code:
        """Code that gives the value of `term`, or fails as it fails."""
        at = self.at(term.span)
        match term:
            case Const():
                return self.constant(term.value, at)
            case Root():
                return ("fact", at, term.name)
            case Variable():
                return ("variable", at, self._variables[term.name])
            case Member():
                record = self.of(term.record)
                if family(term.record) == "dict":
                    return ("member", at, record, term.name)
                return ("call", at, "member", record, ("text", at, term.name))
            case Item():
                return ("call", at, "item", self.of(term.map), self.of(term.key))
            case Has():
                return self._has(term, at)
            case Default():
                return self._default(term, at)
            case Not():
                return ("not", at, self.condition(term.operand, "not"))
            case And():
                return ("and", at, *(self.condition(operand, "and") for operand in term.operands))
            case Or():
                return ("or", at, *(self.condition(operand, "or") for operand in term.operands))
            case If():
                condition = self.condition(term.condition, "if")
                return ("if", at, condition, self.of(term.then), self.of(term.otherwise))
            case Compare():
                return self._compare(term, at)
            case In():
                return self._in(term, at)
            case Arithmetic():
                return self._arithmetic(term, at)
            case Negative():
                operand = self.of(term.operand)
                if family(term.operand) in _NUMBERS:
                    return ("call", at, "in_range", ("minus", at, operand), ("text", at, "-"))
                return ("call", at, "negate", operand)
            case Call():
                return self._call(term, at)
            case SetTerm():
                return ("call", at, "set_of", *(self.of(member) for member in term.members))
            case Quantify():
                return self._quantify(term, at)
            case _:
                assert_never(term)

    # What may be absent.

    def _has(self, term: Has, at: int) -> Code:
        operand = term.operand
        if isinstance(operand, Member) and _is_record(operand.record):
            return ("compare", at, "in", ("text", at, operand.name), self.of(operand.record))
        return ("there", at, self._find(operand))

    def _default(self, term: Default, at: int) -> Code:
        operand = term.operand
        fallback = term.fallback
        if isinstance(operand, Member) and _is_record(operand.record) and isinstance(fallback, Const):
            return ("get", at, self.of(operand.record), operand.name, self.of(fallback))
        name = self._name()
        present = ("there", at, ("keep", at, name, self._find(operand)))
        return ("if", at, present, ("kept", at, name), self.of(fallback))

    def _find(self, term: Term) -> Code:
        """Code that gives the value of `term`, or `missing` where a member or item of its chain is absent."""
        match term:
            case Member() if _is_record(term.record):
                at = self.at(term.span)
                return ("get", at, self.of(term.record), term.name, ("missing", at))
            case Member():
                at = self.at(term.span)
                return ("call", at, "find_member", self._find(term.record), ("text", at, term.name))
            case Item():
                # The key is evaluated only where there is a map.
                at, name = self.at(term.span), self._name()
                present = ("there", at, ("keep", at, name, self._find(term.map)))
                found = ("call", at, "find_item", ("kept", at, name), self.of(term.key))
                return ("if", at, present, found, ("missing", at))
            case _:
                return self.of(term)

    def _name(self) -> str:
        self._kept += 1
        return f"kept{self._kept}"

    # Operators and functions.

    def _compare(self, term: Compare, at: int) -> Code:
        left, right = self.of(term.left), self.of(term.right)
        one, other = family(term.left), family(term.right)
        if term.operator == "==":
            native = one == other and one not in ("float", "unknown")
        else:
            native = (one == other and one in _ORDERED) or (one in _NUMBERS and other in _NUMBERS)
        if native:
            return ("compare", at, term.operator, left, right)
        return ("call", at, "compare", ("text", at, term.operator), left, right)

    def _in(self, term: In, at: int) -> Code:
        item, container = term.item, term.container
        one = family(item)
        members = _member_family(container)
        if one == members == "ip" and isinstance(container, Const):
            return self.apply(within(container.value), self.of(item), at)
        if one == family(container) == "ip" and isinstance(container, Const):
            return self._within(self.of(item), container.value, at)
        if one == family(container) == "ip" or (one == members and one in _MEMBERS):
            return ("compare", at, "in", self.of(item), self.of(container))
        return ("call", at, "is_in", self.of(item), self.of(container))

    def _within(self, item: Code, network: Ip, at: int) -> Code:
        """What `Ip.__contains__` tells, which takes three times as long to call."""
        name = self._name()
        kept = ("kept", at, name)
        parts = (network.family, network.first, network.last)
        family, first, last = (self.constant(part, at) for part in parts)
        return (
            "and",
            at,
            ("compare", at, "==", ("part", at, ("keep", at, name, item), "family"), family),
            ("compare", at, "<=", first, ("part", at, kept, "first")),
            ("compare", at, "<=", ("part", at, kept, "last"), last),
        )

    def _arithmetic(self, term: Arithmetic, at: int) -> Code:
        left, right = self.of(term.left), self.of(term.right)
        if family(term.left) in _NUMBERS and family(term.right) in _NUMBERS:
            result = ("compute", at, term.operator, left, right)
            return ("call", at, "in_range", result, ("text", at, term.operator))
        return ("call", at, _ARITHMETIC[term.operator], left, right)

    def _call(self, term: Call, at: int) -> Code:
        name, arguments = term.function, term.arguments
        families = [family(argument) for argument in arguments]
        prepare = FUNCTIONS[name].prepare
        if name in _PATTERNS and families[0] == "string":
            pattern = _literal(arguments[1])
            return self.apply(prepare[1](pattern), self.of(arguments[0]), at)
        codes = [
            self.constant(prepare[position](_literal(argument)), self.at(argument.span))
            if position in prepare
            else self.of(argument)
            for position, argument in enumerate(arguments)
        ]
        if name in _METHODS and families == ["string", "string"]:
            return ("method", at, _METHODS[name], *codes)
        if name == "subset" and families == ["set", "set"]:
            return ("compare", at, "<=", *codes)
        if name == "overlaps" and families == ["set", "set"]:
            return ("not", at, ("method", at, "isdisjoint", *codes))
        if name == "len" and families[0] in ("string", "set", "dict"):
            return ("call", at, "len", *codes)
        return ("call", at, f"call_{name}", *codes)

    def _quantify(self, term: Quantify, at: int) -> Code:
        outside = self._variables, self._times
        members = self._visited(term, at)
        if _quantifies(term.condition):
            name = self._name()
            members = ("keep", at, name, members)
            size = ("call", at, "len", ("kept", at, name))
            self._times = ("compute", at, "*", size, self._times) if self._times else size
        variable = f"each{len(self._variables)}"
        self._variables = {**self._variables, term.variable: variable}
        condition = self.condition(term.condition, term.kind)
        self._variables, self._times = outside
        return ("each", at, term.kind, variable, members, condition)

    def _visited(self, term: Quantify, at: int) -> Code:
        """Code for what `term` runs over, in order. Makes `_times` a name where those within ask for it."""
        over, kind = term.over, ("text", at, term.kind)
        if isinstance(over, Const) and _member_family(over) != "unknown":
            function, members = "bounded", self.constant(tuple(in_order(over.value)), self.at(over.span))
        else:
            function, members = "visited", self.of(over)
        times = self._times
        if times is None and function == "bounded":
            return members  # a literal set by itself is never too large
        if times is None:
            return ("call", at, function, members, kind)
        if _quantifies(term.condition):
            name = self._name()
            times, self._times = ("keep", at, name, times), ("kept", at, name)
        return ("call", at, function, members, kind, times)


@lru_cache(maxsize=1_024)
def _one(value: timedelta) -> timedelta:
    """The first that was seen of those that equal `value`."""
    return value


def _quantifies(term: Term) -> bool:
    """Whether there is an `any` or `all` in `term`."""
    return isinstance(term, Quantify) or any(map(_quantifies, parts(term)))


def _is_record(term: Term) -> bool:
    """Whether `term` is a record that every request has."""
    return isinstance(term, Root) and family(term) == "dict"


# Families of types: what one Python type holds.


def family(term: Term) -> Family:
    """The family of the value of `term`; `unknown` where only a request will tell."""
    match term:
        case Const():
            return _OF_VALUE[type(term.value)]
        case Root():
            return "string" if term.name == "audience" else "timestamp" if term.name == "now" else "dict"
        case Has() | Not() | And() | Or() | Compare() | In() | Quantify():
            return "bool"
        case SetTerm():
            return "set"
        case _:
            return _family_of_type(term.type)


def _family_of_type(type: Type) -> Family:
    match type:
        case Basic():
            return type.name  # type: ignore[return-value]  # the names of basic types are families
        case Enum():
            return "string"
        case SetOf():
            return "set"
        case MapOf() | RecordOf():
            return "dict"
        case _:
            assert_never(type)


_OF_VALUE: Final[dict[type, Family]] = {
    bool: "bool", int: "int", float: "float", str: "string", timedelta: "duration", datetime: "timestamp",
    Ip: "ip", frozenset: "set", dict: "dict",
}  # fmt: skip


def _member_family(container: Term) -> Family:
    """The family of what a set holds, or of the keys of a map; `unknown` where it may hold several."""
    if isinstance(container, Const):
        # A literal's members are looked at, not its type: seen as a parameter, it has the parameter's.
        kinds = set(map(type, container.value)) if isinstance(container.value, frozenset) else set()
        return _OF_VALUE[kinds.pop()] if len(kinds) == 1 else "unknown"
    match container.type:
        case SetOf():
            return _family_of_type(container.type.member)
        case MapOf():
            return "string"
        case _:
            return "unknown"


def _literal(term: Term) -> str:
    assert isinstance(term, Const)
    value: str = term.value
    return value
