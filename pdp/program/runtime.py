"""What generated code may call: this table is its whole world, for it sees no builtins.

The operations on values are those of `access.values` and of the table of built-in functions; what is added
here is how an attribute is looked for that may be absent, and sets prepared at load.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from pdp.access import values
from pdp.access.values import Failed, Ip
from pdp.schema.functions import FUNCTIONS


class _Missing:
    """Stands for an attribute that is not there, while it is looked for."""


MISSING: Final = _Missing()


def find_member(record: Any, name: str) -> Any:
    """`record.name`, or `MISSING` where it or `record` is not there. Fails `type` on what is no record."""
    if record is MISSING:
        return MISSING
    if not isinstance(record, dict):
        raise Failed("type", name)
    return record.get(name, MISSING)


def find_item(map: Any, key: Any) -> Any:
    """`map[key]`, or `MISSING`. Fails `type` where there is no map, or no key."""
    if not isinstance(map, dict) or not isinstance(key, str):
        raise Failed("type", "key")
    return map.get(key, MISSING)


def is_in(item: Any, container: Any) -> bool:
    """`item in container`; the order of the arguments is the order in which they are evaluated."""
    return values.contains(container, item)


def set_of(*members: Any) -> frozenset[Any]:
    """A set literal of these members."""
    return values.set_of(members)


@lru_cache(maxsize=1_024)
def within(networks: frozenset[Ip]) -> Callable[[Ip], bool]:
    """Whether an address or network lies within one of `networks`, found by bisection.

    Networks are nested or apart, never half over each other, so without the nested ones the last that begins
    at or before an address is the only one that can hold it.
    """
    outer: dict[int, list[Ip]] = {4: [], 6: []}
    for network in sorted(networks, key=lambda one: (one.first, -one.last)):
        before = outer[network.family]
        if not before or network.last > before[-1].last:
            before.append(network)
    starts = {family: [one.first for one in found] for family, found in outer.items()}

    def holds(item: Ip) -> bool:
        at = bisect_right(starts[item.family], item.first) - 1
        return at >= 0 and item.last <= outer[item.family][at].last

    return holds


CALLABLE: Final[dict[str, Any]] = {
    "add": values.add,
    "all": all,
    "any": any,
    "bounded": values.bounded,
    "compare": values.compare,
    "find_item": find_item,
    "find_member": find_member,
    "in_range": values.in_range,
    "is_in": is_in,
    "item": values.item,
    "len": len,
    "map": map,
    "member": values.member,
    "multiply": values.multiply,
    "negate": values.negate,
    "set_of": set_of,
    "subtract": values.subtract,
    "truth": values.truth,
    "visited": values.visited,
} | {f"call_{name}": function.call for name, function in FUNCTIONS.items()}

GLOBALS: Final[dict[str, Any]] = {"__builtins__": {}, "MISSING": MISSING, **CALLABLE}
