"""The world of generated policies: its schema, the names in it, and values of every type with the extremes.

The first entries of each tuple are the usual ones (see `Choices.near`): policies and requests meet there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pdp.access.values import INT_MAX, INT_MIN, parse_ip
from pdp.schema.schema import Schema
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
    SetOf,
    Type,
    optional,
    record,
)

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
_US, _MS, _DAY = timedelta(microseconds=1), timedelta(milliseconds=1), timedelta(days=1)

# Types.

LEVEL = Enum(("low", "mid", "high"))
MORE = record(x=INT, tags=optional(SetOf(STRING)))
INNER = record(deep=BOOL, count=INT, note=optional(STRING), more=optional(MORE))

SCHEMA = Schema(
    caller=record(team=optional(STRING), clearance=INT, home=optional(IP), roles=SetOf(LEVEL)),
    actions={
        "entry.*": record(dry=optional(BOOL), weight=INT),
        "*.read": record(fields=optional(SetOf(STRING))),
    },
    resources={
        "entry": record(
            amount=INT, rate=FLOAT, owner=STRING, open=BOOL, labels=SetOf(STRING), level=LEVEL,
            made=TIMESTAMP, ticket=optional(STRING), limit=optional(INT), inner=INNER,
            limits=MapOf(INT), size=INT,
        ),
        "order": record(amount=INT, owner=optional(STRING), size=STRING, inner=optional(INNER), path=STRING),
        "bare": record(),
    },
    context=record(
        flag=BOOL, count=INT, risk=FLOAT, text=STRING, path=STRING, span=DURATION, time=TIMESTAMP, ip=IP,
        level=LEVEL, words=SetOf(STRING), numbers=SetOf(INT), nets=SetOf(IP), levels=SetOf(LEVEL),
        times=SetOf(TIMESTAMP), spans=SetOf(DURATION), flags=SetOf(BOOL), inner=INNER,
        counts=MapOf(INT), names=MapOf(STRING), risks=MapOf(FLOAT), lists=MapOf(SetOf(STRING)),
        inners=MapOf(INNER), nested=MapOf(MapOf(BOOL)),
        flag_maybe=optional(BOOL), count_maybe=optional(INT), risk_maybe=optional(FLOAT),
        text_maybe=optional(STRING), span_maybe=optional(DURATION), time_maybe=optional(TIMESTAMP),
        ip_maybe=optional(IP), level_maybe=optional(LEVEL), words_maybe=optional(SetOf(STRING)),
        inner_maybe=optional(INNER),
        counts_maybe=optional(MapOf(INT)),
    ),
)  # fmt: skip

# Attributes that no schema declares, read where it is not strict.
UNDECLARED = ("loose", "odd", "stray")
# What a type of its own for each condition, operand or duty is chosen from.
SCALARS: tuple[Type, ...] = (STRING, INT, BOOL, FLOAT, DURATION, TIMESTAMP, IP, LEVEL)
MEMBERS: tuple[Type, ...] = (STRING, INT, IP, LEVEL, BOOL, DURATION, TIMESTAMP)
MAPS: tuple[MapOf, ...] = (
    MapOf(INT), MapOf(STRING), MapOf(FLOAT), MapOf(SetOf(STRING)), MapOf(INNER), MapOf(MapOf(BOOL)),
    MapOf(BOOL),
)  # fmt: skip

# Names.

KINDS = ("workload", "human", "agent", "anonymous")
WORKLOADS = (
    "spiffe://prod.example/ns/pay/sa/api", "spiffe://prod.example/ns/pay/sa/batch-1",
    "spiffe://prod.example/ns/ops/sa/api", "spiffe://prod.example/ns/ops/sa/api/v2", "spiffe://prod.example/ns",
    "spiffe://prod.example", "spiffe://test.example/ns/pay/sa/api", "spiffe://prod.example/NS/pay/sa/api",
    "spiffe://prod.example.evil/ns/pay/sa/api",
)  # fmt: skip
# No SPIFFE IDs, though they begin like one: no pattern but their own text may match them.
MALFORMED = (
    "spiffe://prod.example/ns//sa/api", "spiffe://prod.example/ns/pay/sa/", "spiffe://", "spiffe://prod.example/",
    "spiffe://prod.example/ns/../sa/api", "spiffe://PROD.example/ns/pay/sa/api", "spiffe://*/ns",
)  # fmt: skip
CALLERS = (
    "alice", "bob@mail.example", WORKLOADS[0], "agent-7", WORKLOADS[1], WORKLOADS[2], "al", "partner-feed",
    "alicebob", "*", "a*e", "älice", "ALICE", "spiffe:/x", *WORKLOADS[3:],
)  # fmt: skip
CALLER_PATTERNS = (
    WORKLOADS[0], "alice", "spiffe://prod.example/**", "spiffe://prod.example/ns/*/sa/*",
    "spiffe://prod.example/ns/pay/**", "spiffe://prod.example/ns/pay/sa/batch-*", "al*", "*",
    "spiffe://prod.example/*", "spiffe://prod.example", "spiffe://prod.example/ns/*/sa/api/**",
    "spiffe://prod.example/n*s/p*y/*/*", "*@mail.example", "a*e", "a\\*e", "*e*o*", "\\*", "partner-feed",
    "**", "spiffe://test.example/ns/*/sa/api", *WORKLOADS[1:5],
)  # fmt: skip
GROUPS = ("staff", "admins", "ops", "", "Staff", "déjà")
AUDIENCES = ("ledger", "orders", "web", "Ledger", "ledger.v2", "lëdger")
ACTIONS = (
    "entry.create", "entry.read", "order.read", "entry.reverse", "order.create", "entry", "read", "entry.",
    ".read", "entry.read.all", "order.entry.read", "entry.*", "*", "ENTRY.CREATE",
)  # fmt: skip
ACTION_PATTERNS = (
    "entry.create", "entry.*", "*.read", "entry.read", "order.*", "*", "e*e", "entry.c*e", "*entry*", "entry",
    "order.*.read", "*.*.*", "entry.\\*", "\\*", "**", "*e", "entry.re*", "read", "e*a*ad",
)  # fmt: skip
RESOURCES = ("entry", "order", "bare", "")
RESOURCE_IDS = ("e-1", "e-22", "o/1", "", "*", "e-*", "E-1", "é", "e-1\n", "x" * 70, "/orders/1")
RESOURCE_PATTERNS = ("e-1", "e-*", "*", "*1", "o/*", "e-\\*", "*-*2", "**", "\\**", "/orders/*", "é")
TASK_ACTIONS = ACTIONS[:5]
# More alternatives than an index can want to keep apart: the usual names are among them.
MANY_CALLERS = (*CALLERS[:3], *(f"c-{n}" for n in range(80)), "c-*")
MANY_AUDIENCES = (*AUDIENCES[:3], *(f"svc-{n}" for n in range(70)))
MANY_ACTIONS = (*ACTIONS[:3], *(f"do.{n}" for n in range(70)), "do.*", "*.read")
MANY_IDS = (*RESOURCE_IDS[:3], *(f"r-{n}" for n in range(70)))

# Values. `VALUES` come with requests; `LITERALS` are those that a policy can write.

KEYS = ("a", "b", "day", "", "A", "é", "😀", "a.b", "__class__", "x y", '"', "a\nb", "\x00")
PATHS = (
    "/orders/1", "/orders/1/items", "/orders", "/", "/orders/%31", "/orders/%zz", "/orders//1", "/orders/..",
    "orders", "/orders/%2e%2e/1", "/orders/a%2fb", "/orders/é", "/orders/%C3%A9", "/orders/%ff",
    "/orders/1?x", "/orders/;x", "/orders/1/items/2/3", "",
)  # fmt: skip
_TEXTS = (
    "a", "b", "", "abc", "ab", "A", "é", "e\u0301", "ß", "İ", "😀", "a*b", "a*", "axb", "\\", '"',
    "a\nb", "\t", "low", "zz", "entry.create", "day", "{x}",
)  # fmt: skip
_IPS = tuple(
    parse_ip(text)
    for text in (
        "10.0.0.1", "10.0.0.0/8", "::1", "10.1.2.3", "::ffff:10.0.0.1", "0.0.0.0/0", "::/0", "2001:db8::/32",
        "2001:db8::7", "10.0.0.1/32", "255.255.255.255", "::ffff:10.0.0.0/104", "192.168.0.0/16",
    )
)  # fmt: skip
# Around these a rule begins (`@since`) or ends (`@sunset`).
DATES = (
    datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC), datetime(2027, 3, 31, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC),
)  # fmt: skip
_TIMES = (
    NOW, *DATES[:2], NOW + timedelta(hours=1), DATES[2], datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC), datetime(2026, 1, 1, 4, 59, 59, 999999, tzinfo=UTC), *DATES[3:],
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
)  # fmt: skip
_SPANS = (
    timedelta(0), timedelta(minutes=5), timedelta(hours=1), timedelta(seconds=1), _MS, timedelta(minutes=15),
    _DAY, -timedelta(minutes=5), timedelta(days=3_000_000), timedelta(days=999_999_999),
    -timedelta(days=999_999_999),
)  # fmt: skip
NOWS = (*_TIMES, *(date - _US for date in DATES[:3]), *(date + _US for date in DATES[:3]))
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Etc/GMT+12")

LITERALS: dict[Type, tuple[Any, ...]] = {
    BOOL: (True, False),
    INT: (1, 0, 2, 5, -1, 10_000, 2**53, INT_MAX, INT_MIN, INT_MAX - 1, 2**62, 3_037_000_500),
    FLOAT: (0.5, 1.0, 0.0, -1.5, 2.0, -0.0, 1e308, -1e308, 5e-324, 2.0**53, 2.0**63, 9.3),
    STRING: (*_TEXTS, PATHS[0]),
    DURATION: _SPANS,
    TIMESTAMP: _TIMES,
    IP: _IPS,
    LEVEL: LEVEL.members,
}
# Where arithmetic fails, or just does not.
EXTREMES: dict[Type, tuple[Any, ...]] = {
    INT: (INT_MAX, INT_MIN, 2**62, 3_037_000_500, 2, -1),
    FLOAT: (1e308, -1e308, 2.0, 2.0**63, -1.5),
    DURATION: (_SPANS[-2], _SPANS[-1], _SPANS[-3], _MS),
    TIMESTAMP: (_TIMES[-1], DATES[3], DATES[4], NOW),
}
VALUES: dict[Type, tuple[Any, ...]] = {
    **LITERALS,
    DURATION: (*_SPANS, _US, -_US, timedelta.max, timedelta.min, timedelta(seconds=1.5)),
    TIMESTAMP: NOWS,
    STRING: (*LITERALS[STRING], *PATHS[1:6], *CALLERS[:2], "\x00", "a" * 300),
}
# More than `any` and `all` visit for each of as many others; a decision point may be set to let them in.
MANY: dict[Type, frozenset[Any]] = {STRING: frozenset(map(str, range(1001))), INT: frozenset(range(1001))}
MANY_KEYS = tuple(map(str, range(1001)))

GLOBS = ("a*", "*", "a", "*b", "", "a\\*b", "*a*", "**", "é*", "*\n*", "/orders/*", "\\", "a*b*c", "a*b*b")
EXPRESSIONS = ("[a-z]+", ".*", "a|b", "(?i)AB?C?", "", "(?s).+", "[^a]", "\\pL+", "a{1,2}b?")
PATH_PATTERNS = ("/orders/{id}", "/orders/**", "/", "/orders/*/items", "/**", "/orders/1", "/orders/é")
