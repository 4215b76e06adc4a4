"""The values a policy computes with, as Python values. Knows nothing of policies or requests.

| policy type | Python value                                                             |
| ----------- | ------------------------------------------------------------------------ |
| bool        | `bool`                                                                   |
| int         | `int`, always within 64 bits                                             |
| float       | `float`, always finite                                                   |
| string,enum | `str`                                                                    |
| duration    | `datetime.timedelta` (resolution: one microsecond)                       |
| timestamp   | `datetime.datetime`, always with `tzinfo=UTC`                            |
| ip          | `Ip`: an address or a network                                            |
| set<T>      | `frozenset`                                                              |
| map<T>      | `dict` with string keys, never mutated                                   |
| record      | `dict` from attribute name to value, never mutated; absent means no key  |
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any, Literal, TypeAlias, TypeVar

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1
# `any` and `all` within one another visit at most this many members in all: an evaluation ends, and soon.
# Two sets of the thousand members that a request may bring can be held against each other.
VISIT_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Ip:
    """An IP address or network: the inclusive range `first` to `last` of one family (4 or 6).

    A v4-mapped v6 address is held as its v4 address, so the two compare equal.
    """

    family: int
    first: int
    last: int

    def __contains__(self, other: Ip) -> bool:
        return self.family == other.family and self.first <= other.first and other.last <= self.last

    def __str__(self) -> str:
        bits = 32 if self.family == 4 else 128
        address = ipaddress.IPv4Address if self.family == 4 else ipaddress.IPv6Address
        if self.first == self.last:
            return str(address(self.first))
        prefix = bits - (self.last - self.first).bit_length()
        return f"{address(self.first)}/{prefix}"


Scalar: TypeAlias = bool | int | float | str | timedelta | datetime | Ip
Value: TypeAlias = "Scalar | frozenset[Any] | Mapping[str, Any]"
Record: TypeAlias = dict[str, Any]


class Failed(Exception):
    """An expression has no value for this request.

    `kind` is one of `KINDS`; `what` names the attribute, function or operator, never a value of the request.
    """

    KINDS = ("absent", "overflow", "path", "type", "limit")

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(kind, what)
        self.kind = kind
        self.what = what


@lru_cache(maxsize=4096)
def parse_ip(text: str) -> Ip:
    """The address or network that `text` writes; `ValueError` when it writes none.

    A network must not have host bits set, and a zone index (`%eth0`) is refused: both have two readings.
    """
    if "%" in text:
        raise ValueError("an address with a zone index")
    network = ipaddress.ip_network(text)
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.version == 6 and first >> 32 == 0xFFFF and last >> 32 == 0xFFFF:
        return Ip(4, first & 0xFFFFFFFF, last & 0xFFFFFFFF)
    return Ip(network.version, first, last)


def sort_key(value: Any) -> Any:
    """A key that orders the members of one set: the same on every machine."""
    if isinstance(value, Ip):
        return (value.family, value.first, value.last)
    return value


def in_order(values: Iterable[Any]) -> list[Any]:
    """Members of a set or keys of a map in the order in which policies visit them."""
    return sorted(values, key=sort_key)


# The operators, on values whose types may be unknown: the one place that says what they mean. The interpreter
# uses them for all terms; generated code where known types do not let it use Python's own.

_NUMBERS = (int, float)
_ORDERED = (int, float, str, timedelta, datetime)
_ORDER = {"<": lt, "<=": le, ">": gt, ">=": ge}
_COMPARABLE = (bool, int, str, timedelta, datetime, Ip, frozenset, dict)
_MEMBERS = {bool, int, float, str, timedelta, datetime, Ip}
_SUMS = {
    *((one, other) for one in _NUMBERS for other in _NUMBERS),
    (timedelta, timedelta), (datetime, timedelta), (timedelta, datetime),
}  # fmt: skip
_DIFFERENCES = {*_SUMS, (datetime, datetime)} - {(timedelta, datetime)}
_PRODUCTS = {
    *((one, other) for one in _NUMBERS for other in _NUMBERS),
    *((number, timedelta) for number in _NUMBERS), *((timedelta, number) for number in _NUMBERS),
}  # fmt: skip


def truth(value: Any, what: str) -> bool:
    """`value` where a condition is needed: fails `type` unless it is a bool."""
    if not isinstance(value, bool):
        raise Failed("type", what)
    return value


def member(record: Any, name: str) -> Any:
    """`record.name`: fails `absent` where it is not there, and `type` on what is no record."""
    if not isinstance(record, dict):
        raise Failed("type", name)
    if name not in record:
        raise Failed("absent", name)
    return record[name]


def item(map: Any, key: Any) -> Any:
    """`map[key]`: fails `absent` where it is not there. A key may come from the request, so none is named."""
    if not isinstance(map, dict) or not isinstance(key, str):
        raise Failed("type", "key")
    if key not in map:
        raise Failed("absent", "key")
    return map[key]


def compare(operator: Literal["==", "<", "<=", ">", ">="], left: Any, right: Any) -> bool:
    """Fails `type` for operands of two types, for the order of what has none, and for `==` on a float."""
    one, other = type(left), type(right)
    if operator == "==":
        if one is not other or one not in _COMPARABLE:
            raise Failed("type", operator)
        return bool(left == right)
    if one not in _ORDERED or (one is not other and not (one in _NUMBERS and other in _NUMBERS)):
        raise Failed("type", operator)
    return bool(_ORDER[operator](left, right))


def contains(container: Any, item: Any) -> bool:
    """`item in container`: a member of a set, a key of a map, an address within a network or a set of them.

    Fails `type` for another container, and for an item that such a container cannot hold.
    """
    match container, item:
        case Ip(), Ip():
            return item in container
        case dict(), str():
            return item in container
        case frozenset(), _ if type(item) in _COMPARABLE and type(item) is not dict:
            family = type(item)
            # Python finds `True` in `{1}`, and a set of addresses holds what lies within a member.
            if any(type(member) is not family for member in container):
                raise Failed("type", "in")
            return any(item in network for network in container) if family is Ip else item in container
    raise Failed("type", "in")


def set_of(members: Iterable[Any]) -> frozenset[Any]:
    """A set literal. Fails `type` for members of several types, which have no order, or what no set holds."""
    made = tuple(members)
    types = {*map(type, made)}
    if len(types) > 1 or not types <= _MEMBERS:
        raise Failed("type", "[]")
    return frozenset(made)


_Members = TypeVar("_Members", bound=Sized)


def bounded(members: _Members, kind: Literal["any", "all"], times: int) -> _Members:
    """`members`, unless it is too much to visit them so many times: that fails `limit`.

    Those around count with all members that they run over, however soon they are settled: whether a request
    is too large does not depend on what its members are.
    """
    if len(members) * times > VISIT_LIMIT:
        raise Failed("limit", kind)
    return members


def visited(values: Any, kind: Literal["any", "all"], times: int = 1) -> list[Any]:
    """What `any` or `all` visits: members of a set or keys of a map, in order; fails as `bounded` does."""
    if not isinstance(values, (frozenset, dict)):
        raise Failed("type", kind)
    try:
        return in_order(bounded(values, kind, times))
    except TypeError:  # members of several types, or of one without order
        raise Failed("type", kind) from None


def in_range(value: Any, operator: str) -> Any:
    """The result of arithmetic; fails `overflow` for an int outside 64 bits or a float that is not finite."""
    if isinstance(value, int):
        if not INT_MIN <= value <= INT_MAX:
            raise Failed("overflow", operator)
    elif isinstance(value, float) and not isfinite(value):
        raise Failed("overflow", operator)
    return value


def add(left: Any, right: Any) -> Any:
    """`left + right` on numbers, durations, and a timestamp and a duration."""
    if (type(left), type(right)) not in _SUMS:
        raise Failed("type", "+")
    try:
        return in_range(left + right, "+")
    except OverflowError:
        raise Failed("overflow", "+") from None


def subtract(left: Any, right: Any) -> Any:
    """`left - right` on numbers, durations and timestamps, and a duration from a timestamp."""
    if (type(left), type(right)) not in _DIFFERENCES:
        raise Failed("type", "-")
    try:
        return in_range(left - right, "-")
    except OverflowError:
        raise Failed("overflow", "-") from None


def multiply(left: Any, right: Any) -> Any:
    """`left * right` on numbers, and a number and a duration."""
    if (type(left), type(right)) not in _PRODUCTS:
        raise Failed("type", "*")
    try:
        return in_range(left * right, "*")
    except OverflowError:
        raise Failed("overflow", "*") from None


def negate(operand: Any) -> Any:
    """`-operand` on a number or a duration."""
    if type(operand) not in (int, float, timedelta):
        raise Failed("type", "-")
    try:
        return in_range(-operand, "-")
    except OverflowError:
        raise Failed("overflow", "-") from None


__all__ = [
    "INT_MAX", "INT_MIN", "UTC", "VISIT_LIMIT", "Failed", "Ip", "Record", "Scalar", "Value",
    "add", "bounded", "compare", "contains", "in_order", "in_range", "item", "member", "multiply", "negate",
    "parse_ip", "set_of", "sort_key", "subtract", "truth", "visited",
]  # fmt: skip
