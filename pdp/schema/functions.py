"""The one table of built-in functions: for checker, interpreter, emitter, editor and manual alike.

Knows values and types, no syntax and no terms. A new function is an entry of `FUNCTIONS`, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import re2  # type: ignore[import-untyped]  # it ships no types

from pdp.access import patterns
from pdp.access.values import UTC, Failed, Ip, Value, parse_ip
from pdp.schema.types import BOOL, INT, IP, STRING, TIMESTAMP, UNKNOWN, Basic, Enum, MapOf, SetOf, Type

# Stands for one type, the same wherever it stands in the parameters of one function.
MEMBER = Basic("T")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Parameter:
    """`types` are alternatives. An argument for a `literal` parameter is written in the policy as text."""

    name: str
    types: tuple[Type, ...]
    literal: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A built-in: `call` takes the arguments in order and gives a value, or raises `values.Failed`.

    `prepare` holds, by position, what turns a literal argument into the object that `call` takes in its
    place; it raises `ValueError` with a sentence for the author of a bad literal. `example` is a legal
    expression.
    """

    name: str
    parameters: tuple[Parameter, ...]
    result: Type
    call: Callable[..., Value]
    summary: str
    example: str
    prepare: Mapping[int, Callable[[str], Any]] = field(default_factory=dict)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """The names of all time zones of the `tzdata` package."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The time zone `name`, from the `tzdata` package only: the machine's own zones may differ from it."""
    if name not in zone_names():
        raise ValueError(f"there is no time zone `{name}`")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@lru_cache(maxsize=4096)
def expression(pattern: str) -> Callable[[str], bool]:
    """Whether a whole text matches the RE2 expression `pattern`, in time linear in the text."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        match = re2.compile(pattern, options).fullmatch
    except re2.error as error:
        problem = error.args[0]
        problem = problem.decode("utf-8", "replace") if isinstance(problem, bytes) else str(problem)
        raise ValueError(f"`{pattern}` is no RE2 expression: {problem}") from None
    return lambda text: match(text) is not None


def _network(text: str) -> Ip:
    try:
        return parse_ip(text)
    except ValueError:
        pass
    try:
        parse_ip(text.split("/", 1)[0])
    except ValueError:
        raise ValueError(f"`{text}` is no IP address or network") from None
    if "/" in text and text.split("/", 1)[1].isdigit():
        raise ValueError(f"`{text}` is no network: it has bits set behind its prefix, or too long a prefix")
    raise ValueError(f"`{text}` is no IP address or network")


def _text(value: Any, function: str) -> str:
    if not isinstance(value, str):
        raise Failed("type", function)
    return value


def _set(value: Any, function: str) -> frozenset[Any]:
    if not isinstance(value, frozenset):
        raise Failed("type", function)
    return value


def _like(text: Any, matches: patterns.Matcher) -> bool:
    return matches(_text(text, "like"))


def _len(value: Any) -> int:
    if not isinstance(value, str | frozenset | dict):
        raise Failed("type", "len")
    return len(value)


def _lower(text: Any) -> str:
    return _text(text, "lower").lower()


def _starts_with(text: Any, start: Any) -> bool:
    return _text(text, "starts_with").startswith(_text(start, "starts_with"))


def _ends_with(text: Any, end: Any) -> bool:
    return _text(text, "ends_with").endswith(_text(end, "ends_with"))


def _contains(text: Any, part: Any) -> bool:
    return _text(part, "contains") in _text(text, "contains")


def _matches(text: Any, fits: Callable[[str], bool]) -> bool:
    return fits(_text(text, "matches"))


def _subset(inner: Any, outer: Any) -> bool:
    return _set(inner, "subset") <= _set(outer, "subset")


def _overlaps(one: Any, other: Any) -> bool:
    return not _set(one, "overlaps").isdisjoint(_set(other, "overlaps"))


def _path_like(path: Any, matches: patterns.Matcher) -> bool:
    try:
        return matches(_text(path, "path_like"))
    except ValueError:
        raise Failed("path", "path_like") from None


def _local(time: Any, zone: ZoneInfo, function: str) -> datetime:
    if not isinstance(time, datetime):
        raise Failed("type", function)
    try:
        return time.astimezone(zone)
    except OverflowError:
        raise Failed("overflow", function) from None


def _hour(time: Any, zone: ZoneInfo) -> int:
    return _local(time, zone, "hour").hour


def _weekday(time: Any, zone: ZoneInfo) -> str:
    return WEEKDAYS[_local(time, zone, "weekday").weekday()]


def _date(time: Any, zone: ZoneInfo) -> datetime:
    local = _local(time, zone, "date")
    return datetime(local.year, local.month, local.day, tzinfo=UTC)


def _same(value: Ip) -> Ip:
    return value


_TEXT = (STRING,)
_PATTERN = Parameter("pattern", _TEXT, literal=True)
_TIME = (Parameter("time", (TIMESTAMP,)), Parameter("zone", _TEXT, literal=True))
_SET = (SetOf(MEMBER),)

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Function(
            "like", (Parameter("text", _TEXT), _PATTERN), BOOL, _like,
            "Whether the whole text matches a glob: `*` is any run of characters, `\\*` a star. "
            "Written `text like pattern`.",
            'resource.id like "invoice-*"', {1: patterns.glob},
        ),
        Function(
            "len", (Parameter("value", (STRING, SetOf(UNKNOWN), MapOf(UNKNOWN))),), INT, _len,
            "How many characters a text, members a set or keys a map has.",
            "len(caller.groups) <= 10",
        ),
        Function(
            "lower", (Parameter("text", _TEXT),), STRING, _lower,
            "The text in lower case, by the rules of Unicode.",
            'lower(resource.id) == "readme"',
        ),
        Function(
            "starts_with", (Parameter("text", _TEXT), Parameter("start", _TEXT)), BOOL, _starts_with,
            "Whether the text begins with `start`.",
            "starts_with(resource.id, caller.id)",
        ),
        Function(
            "ends_with", (Parameter("text", _TEXT), Parameter("end", _TEXT)), BOOL, _ends_with,
            "Whether the text ends with `end`.",
            'ends_with(caller.id, "@example.com")',
        ),
        Function(
            "contains", (Parameter("text", _TEXT), Parameter("part", _TEXT)), BOOL, _contains,
            "Whether `part` stands somewhere in the text.",
            'contains(resource.id, "secret")',
        ),
        Function(
            "matches", (Parameter("text", _TEXT), _PATTERN), BOOL, _matches,
            "Whether the whole text matches a regular expression in RE2 syntax.",
            'matches(resource.id, "[a-z]+-[0-9]{4}")', {1: expression},
        ),
        Function(
            "subset", (Parameter("inner", _SET), Parameter("outer", _SET)), BOOL, _subset,
            "Whether each member of `inner` is a member of `outer`.",
            'subset(credential.scopes, ["read", "write"])',
        ),
        Function(
            "overlaps", (Parameter("one", _SET), Parameter("other", _SET)), BOOL, _overlaps,
            "Whether the two sets have a member in common.",
            'overlaps(caller.groups, ["admins", "operators"])',
        ),
        Function(
            "ip", (Parameter("address", _TEXT, literal=True),), IP, _same,
            "The IP address or network that a text writes, v4 or v6.",
            'ip("10.1.2.3") in ip("10.0.0.0/8")', {0: _network},
        ),
        Function(
            "path_like", (Parameter("path", _TEXT), _PATTERN), BOOL, _path_like,
            "Whether a URL path matches a pattern segment by segment: `*` or `{name}` is one segment, a last "
            "`**` any number. A path with two readings is a failure.",
            'path_like(resource.id, "/orders/{id}/**")', {1: patterns.path_pattern},
        ),
        Function(
            "hour", _TIME, INT, _hour,
            "The hour of the day, 0 to 23, in a time zone.",
            'hour(now, "Europe/Berlin") >= 8', {1: zone},
        ),
        Function(
            "weekday", _TIME, Enum(WEEKDAYS), _weekday,
            "The day of the week in a time zone, `mon` to `sun`.",
            'weekday(now, "Europe/Berlin") in ["sat", "sun"]', {1: zone},
        ),
        Function(
            "date", _TIME, TIMESTAMP, _date,
            "The calendar day in a time zone, as a date.",
            'date(now, "Europe/Berlin") in [2026-12-24, 2026-12-31]', {1: zone},
        ),
    )
}  # fmt: skip
