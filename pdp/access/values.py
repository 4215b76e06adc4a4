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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1


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


__all__ = [
    "INT_MAX", "INT_MIN", "UTC", "Failed", "Ip", "Record", "Scalar", "Value",
    "in_order", "parse_ip", "sort_key",
]  # fmt: skip
