"""From the values of JSON to the values of policies, by declared type (LANGUAGE.md section 2).

`converter(type)` makes, once per schema, the function that later takes each value. Values that are policy
values already pass as they are, so the clauses of tests go the same way as requests. Knows types and values,
not which members a request has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import Any, TypeAlias, assert_never, cast

from pdp.access.request import escape
from pdp.access.values import INT_MAX, INT_MIN, Ip, parse_ip
from pdp.schema.types import BASIC, UNKNOWN, Basic, Enum, MapOf, RecordOf, SetOf, Type

Convert: TypeAlias = Callable[[Any], Any]

# What one set of a request may hold: rules may walk it, and their time is promised.
SET_MEMBERS = 1_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?\Z", re.ASCII)
# Hours and minutes are told here: what else `fromisoformat` takes differs from one Python to the next.
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_TIMESTAMP = re.compile(
    rf"(\d{{4}}-\d\d-\d\d)[Tt]({_CLOCK}:[0-5]\d)(?:\.(\d{{1,9}}))?(?:[Zz]|([+-]{_CLOCK}))\Z", re.ASCII
)


class Unfit(Exception):
    """A value is not of the declared type. `pointer` leads to it from the value that was converted."""

    def __init__(self, detail: str, pointer: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer


def converter(type: Type, *, set_members: int = SET_MEMBERS) -> Convert:
    """The function that takes a value of JSON and gives the policy value of `type`, or raises `Unfit`."""
    match type:
        case Basic():
            return dynamic(set_members) if type == UNKNOWN else _BASIC[type.name]
        case Enum():
            return _enum(type)
        case SetOf():
            return _set(converter(type.member, set_members=set_members), set_members)
        case MapOf():
            return _map(converter(type.value, set_members=set_members))
        case RecordOf():
            return record_converter(attribute_converters(type, set_members=set_members))
        case _:
            assert_never(type)


def attribute_converters(declared: RecordOf, *, set_members: int = SET_MEMBERS) -> dict[str, Convert]:
    """One converter per declared attribute of a record."""
    return {
        name: converter(attribute.type, set_members=set_members) for name, attribute in declared.attributes
    }


def record_converter(table: Mapping[str, Convert]) -> Convert:
    """Takes an object and gives the record of its declared attributes; the others are ignored."""

    def convert(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise Unfit("must be an object")
        return attributes(table, value)

    return convert


def attributes(
    table: Mapping[str, Convert], values: Mapping[str, Any], record: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The members of `values` that `table` knows, converted. What is absent stays absent.

    With `record` they are put there, over what it has.
    """
    record = {} if record is None else record
    name = ""
    try:
        for name, value in values.items():
            convert = table.get(name)
            if convert is not None:
                record[name] = convert(value)
    except Unfit as unfit:
        raise Unfit(unfit.detail, f"/{escape(name)}{unfit.pointer}") from None
    return record


def dynamic(set_members: int = SET_MEMBERS) -> Convert:
    """Takes the value of an attribute that no schema declares, where `strict = false` lets rules read it.

    An array of plain values of one type is a set, an object a record; a null is refused, as everywhere.
    """

    def convert(value: Any) -> Any:
        kind = type(value)
        if kind is dict:
            return {name: _member(convert, name, member) for name, member in value.items()}
        if kind is list or kind is tuple or kind is frozenset:
            if len(value) > set_members:
                raise Unfit(f"has more than {set_members} members")
            for index, member in enumerate(value):
                if member is None or isinstance(member, list | dict | tuple | frozenset):
                    raise Unfit("must be a plain value", f"/{index}")
            kinds = {*map(type, value)}
            if kinds == {int, float}:
                return frozenset(map(float, value))
            if len(kinds) > 1:
                # `true` and `1` are one member to Python, and which of the two would depend on their order.
                raise Unfit("must hold values of one type")
            return frozenset(value)
        if value is None:
            raise Unfit("must not be null")
        return value

    return convert


@lru_cache(maxsize=4096)
def duration(text: str) -> timedelta:
    """The duration that `1h30m` writes; `Unfit` when the text writes none."""
    found = _DURATION.match(text) if len(text) <= 64 else None
    if found is None:
        raise Unfit('must be a duration such as "1h30m", or seconds as a number')
    days, hours, minutes, seconds, milliseconds = (int(part or 0) for part in found.groups())
    try:
        return timedelta(days, seconds, 0, milliseconds, minutes, hours)
    except OverflowError:
        raise Unfit("is a longer duration than can be held") from None


@lru_cache(maxsize=4096)
def _seconds(value: float) -> timedelta:
    try:
        return timedelta(0, value)
    except (OverflowError, ValueError):
        raise Unfit("is a longer duration than can be held") from None


@lru_cache(maxsize=1024)
def timestamp(text: str) -> datetime:
    """The instant that RFC 3339 text writes, in UTC, cut to microseconds; `Unfit` when it writes none."""
    found = _TIMESTAMP.match(text)
    if found is None:
        raise Unfit('must be a timestamp such as "2026-11-24T10:00:00Z", or epoch seconds as a number')
    day, clock, fraction, offset = found.groups()
    try:
        written = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '')[:6]:0<6}{offset or '+00:00'}")
        return written.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unfit("is not a time that the calendar has") from None


def _bool(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise Unfit("must be true or false")


def _int(value: Any) -> int:
    if type(value) is not int:
        raise Unfit("must be an integer")
    if not INT_MIN <= value <= INT_MAX:
        raise Unfit("is an integer beyond 64 bits")
    return value


def _float(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise Unfit("must be a number")
    if not isfinite(value):
        raise Unfit("is not a finite number")
    return float(value)


def _string(value: Any) -> str:
    if type(value) is not str:
        raise Unfit("must be a string")
    return value


def _duration(value: Any) -> timedelta:
    kind = type(value)
    if kind is str:
        return duration(value)
    if kind is int or kind is float:
        return _seconds(value)
    if kind is timedelta:
        return cast(timedelta, value)
    raise Unfit('must be a duration such as "1h30m", or seconds as a number')


def _timestamp(value: Any) -> datetime:
    if type(value) is str:
        return timestamp(value)
    if type(value) is datetime and value.tzinfo is not None:
        return value.astimezone(UTC)
    if type(value) is int or type(value) is float:
        try:
            return _EPOCH + timedelta(seconds=value)
        except (OverflowError, ValueError):
            raise Unfit("is not a time that the calendar has") from None
    raise Unfit('must be a timestamp such as "2026-11-24T10:00:00Z", or epoch seconds as a number')


def _ip(value: Any) -> Ip:
    if type(value) is Ip:
        return value
    if type(value) is str and len(value) <= 64:
        try:
            return parse_ip(value)
        except ValueError:
            pass
    raise Unfit("must be an IP address or network")


def _enum(type_: Enum) -> Convert:
    members = frozenset(type_.members)
    wanted = "must be one of " + ", ".join(f'"{member}"' for member in type_.members)

    def convert(value: Any) -> str:
        if type(value) is not str or value not in members:
            raise Unfit(wanted)
        return value

    return convert


def _set(member: Convert, limit: int) -> Convert:
    def convert(value: Any) -> frozenset[Any]:
        kind = type(value)
        if kind is not list and kind is not frozenset and kind is not tuple:
            raise Unfit("must be an array")
        if len(value) > limit:
            raise Unfit(f"has more than {limit} members")
        if not value:
            return _NOTHING
        if member is _string:
            for one in value:
                if type(one) is not str:
                    break
            else:
                return frozenset(value)
        converted = []
        for index, one in enumerate(value):
            try:
                converted.append(member(one))
            except Unfit as unfit:
                raise Unfit(unfit.detail, f"/{index}{unfit.pointer}") from None
        try:
            return frozenset(converted)
        except TypeError:
            raise Unfit("must hold plain values") from None

    return convert


def _map(member: Convert) -> Convert:
    def convert(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise Unfit("must be an object")
        return {name: _member(member, name, inner) for name, inner in value.items()}

    return convert


def _member(convert: Convert, name: str, value: Any) -> Any:
    try:
        return convert(value)
    except Unfit as unfit:
        raise Unfit(unfit.detail, f"/{escape(name)}{unfit.pointer}") from None


_NOTHING: frozenset[Any] = frozenset()

_BASIC: dict[str, Convert] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "string": _string,
    "duration": _duration,
    "timestamp": _timestamp,
    "ip": _ip,
}

assert _BASIC.keys() == BASIC.keys()
