"""Checked rules, asserts and tests: what `check` makes and everything after it reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pdp.language.source import Span
from pdp.rules.terms import Term
from pdp.schema.schema import Schema

Effect = Literal["permit", "forbid"]
Kind = Literal["workload", "human", "agent", "anonymous"]


@dataclass(frozen=True, slots=True)
class Head:
    """Which requests a rule is about. `None` is `any`; a tuple matches when one of its members does.

    `callers` are patterns for `caller.id` (`access.patterns`): SPIFFE ID patterns where they start with
    `spiffe://`, else globs. `groups`: the caller is in at least one. `audiences` are exact. `actions` are
    globs on the dotted name. `resource_ids` are globs and None unless `resource_type` is set.
    A head clause that a forbid leaves out is `None`.
    """

    kind: Kind | None = None
    callers: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    audiences: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    resource_type: str | None = None
    resource_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A `when`, or an `unless` where `negated`. `span` is the whole clause."""

    term: Term
    negated: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Duty:
    """A `require` (`force`) or an `advise`: its values in the order written."""

    name: str
    values: tuple[tuple[str, Term], ...]
    force: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Annotations:
    owner: str = ""
    controls: tuple[str, ...] = ()
    ticket: str = ""
    since: datetime | None = None
    sunset: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One checked rule. `identity` is `module.rule`. `spans` maps a head clause (`caller`, `audience`,
    `action`, `resource`), a date (`since`, `sunset`), `name` and `rule` to where each stands."""

    identity: str
    effect: Effect
    head: Head
    conditions: tuple[Condition, ...]
    duties: tuple[Duty, ...]
    because: str
    annotations: Annotations
    spans: dict[str, Span]


@dataclass(frozen=True, slots=True)
class Assert:
    """`never`/`always allow when condition`. `identity` is `module.name`."""

    identity: str
    quantity: Literal["never", "always"]
    condition: Term
    because: str
    span: Span


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a test expects. `rules` and `requires` are exact sets, rules as identities; None: not said."""

    decision: Literal["allow", "deny"]
    rules: tuple[str, ...] | None
    code: str | None
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One test, or one row of a test's table, ready to run: fixtures merged, table names bound.

    The records hold policy values (`values.Value`) as the test states them, not yet typed by the schema:
    `pdp.gather.stated` does that. `caller` has `id` and `kind` too, `action` has `name`, `resource` `type`
    and `id`. `credential` and `task` are None where the test states none. `row` is 0 outside a table,
    else counts from 1. `label` is the test's name with the row's cells: `big amounts [2: 20_000, deny]`.
    """

    module: str
    label: str
    row: int
    caller: dict[str, Any]
    credential: dict[str, Any] | None
    audience: str
    action: dict[str, Any]
    resource: dict[str, Any]
    task: dict[str, Any] | None
    context: dict[str, Any]
    now: datetime
    expect: Expectation
    span: Span


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Everything that was checked together. Rules and asserts are sorted by identity, cases as written."""

    schema: Schema
    rules: tuple[Rule, ...]
    asserts: tuple[Assert, ...]
    cases: tuple[Case, ...]
