"""What the author wrote, as a tree: one node per production of `grammar/policy.lark`, same names, same order.

Untyped and unresolved. Spans stand outside equality, so `parse(format(tree)) == tree`. Comments are not
nodes; `Module.comments` holds them for the formatter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from pdp.language.source import Span

NOWHERE = Span("", 0, 0)


@dataclass(frozen=True, slots=True)
class Node:
    """Any node of the tree."""

    span: Span = field(compare=False, repr=False, kw_only=True, default=NOWHERE)


# ── module ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name where it is used or declared, possibly dotted (`common.office`)."""

    text: str


@dataclass(frozen=True, slots=True)
class Module(Node):
    """A file. `name` is its dotted module name; declarations in the order written.

    `lost` holds what the declarations that could not be read would have been called, a schema `schema`: that
    it is not there was told with the reason, and is no second mistake of whoever uses it.
    """

    name: str
    declarations: tuple[Declaration, ...]
    comments: tuple[Comment, ...] = field(compare=False, default=())
    lost: frozenset[str] = field(compare=False, default=frozenset())


@dataclass(frozen=True, slots=True)
class Comment(Node):
    """`# …` up to the end of its line, with the `#`."""

    text: str


@dataclass(frozen=True, slots=True)
class Use(Node):
    """`use teams.ledger as l`."""

    module: Name
    alias: Name | None


@dataclass(frozen=True, slots=True)
class Schema(Node):
    """`schema { caller {…} action "glob" {…} resource name {…} context {…} }`."""

    entries: tuple[SchemaEntry, ...]


@dataclass(frozen=True, slots=True)
class SchemaEntry(Node):
    """`root` is caller, action, resource or context; `key` the action glob or the resource type."""

    root: Literal["caller", "action", "resource", "context"]
    key: Text | Name | None
    record: RecordType


@dataclass(frozen=True, slots=True)
class NamedType(Node):
    """`bool`, `int`, `float`, `string`, `duration`, `timestamp`, `ip`."""

    name: str


@dataclass(frozen=True, slots=True)
class SetType(Node):
    """`set<T>`."""

    member: TypeNode


@dataclass(frozen=True, slots=True)
class MapType(Node):
    """`map<T>`."""

    value: TypeNode


@dataclass(frozen=True, slots=True)
class EnumType(Node):
    """`"a" | "b"`."""

    members: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class RecordType(Node):
    """`{ a: int, b?: string }`."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Field(Node):
    """`name?: type`."""

    name: Name
    optional: bool
    type: TypeNode


@dataclass(frozen=True, slots=True)
class Let(Node):
    """`let name = expression`."""

    name: Name
    value: Expression


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """`limit: duration`."""

    name: Name
    type: TypeNode


@dataclass(frozen=True, slots=True)
class Def(Node):
    """`def name(parameters) = expression`."""

    name: Name
    parameters: tuple[Parameter, ...]
    body: Expression


# ── rules ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Annotation(Node):
    """`@control("NHI7:2025", "PR.AA-05")`, `@sunset(2027-03-31)`."""

    name: Name
    arguments: tuple[Constant, ...]


@dataclass(frozen=True, slots=True)
class Rule(Node):
    """`permit name { … }` or `forbid name { … }`."""

    annotations: tuple[Annotation, ...]
    effect: Literal["permit", "forbid"]
    name: Name
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class CallerClause(Node):
    """`caller [kind] [patterns] [in group "g", …]`; `kind` is None where unsaid, `any` where said."""

    kind: Literal["workload", "human", "agent", "anonymous", "any"] | None
    patterns: tuple[Text | Name, ...]
    groups: tuple[Text | Name, ...]


@dataclass(frozen=True, slots=True)
class AudienceClause(Node):
    """`audience "a", …`; empty `values` means `any`."""

    values: tuple[Text | Name, ...]


@dataclass(frozen=True, slots=True)
class ActionClause(Node):
    """`action "entry.*", …`; empty `patterns` means `any`."""

    patterns: tuple[Text | Name, ...]


@dataclass(frozen=True, slots=True)
class ResourceClause(Node):
    """`resource type ["id-pattern", …]`; `type` may be dotted (`ledger.entry`), and None means `any`."""

    type: Name | None
    patterns: tuple[Text | Name, ...]


@dataclass(frozen=True, slots=True)
class When(Node):
    """`when condition`, or `unless condition` with `negated`."""

    condition: Expression
    negated: bool


@dataclass(frozen=True, slots=True)
class Require(Node):
    """`require name { key: value, … }`, or `advise` with `force` false."""

    name: Name
    values: RecordExpression
    force: bool


@dataclass(frozen=True, slots=True)
class Because(Node):
    """`because "…"`."""

    text: Text


# ── asserts and tests ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Assert(Node):
    """`assert name { never allow when condition because "…" }`, or `always allow when …`."""

    name: Name
    quantity: Literal["never", "always"]
    condition: Expression
    because: Because | None


@dataclass(frozen=True, slots=True)
class Fixture(Node):
    """`fixture name { clauses }`."""

    name: Name
    clauses: tuple[TestClause, ...]


@dataclass(frozen=True, slots=True)
class Test(Node):
    """`test "name" using a, b { clauses }`."""

    name: Text
    using: tuple[Name, ...]
    clauses: tuple[TestClause, ...]


@dataclass(frozen=True, slots=True)
class TestCaller(Node):
    """`caller workload "id" { groups: ["g"], team: "x" }`; kind, id and record may each be left out."""

    kind: Literal["workload", "human", "agent", "anonymous"] | None
    id: Expression | None
    record: RecordExpression | None


@dataclass(frozen=True, slots=True)
class TestAudience(Node):
    """`audience "ledger"`."""

    value: Expression


@dataclass(frozen=True, slots=True)
class TestAction(Node):
    """`action "entry.create" { dry_run: true }`."""

    value: Expression
    record: RecordExpression | None


@dataclass(frozen=True, slots=True)
class TestResource(Node):
    """`resource ledger_entry "e-1" { amount: 10 }`."""

    type: Name
    id: Expression | None
    record: RecordExpression | None


@dataclass(frozen=True, slots=True)
class TestRecord(Node):
    """`credential { … }`, `task { … }`, `context { … }`."""

    root: Literal["credential", "task", "context"]
    record: RecordExpression


@dataclass(frozen=True, slots=True)
class TestNow(Node):
    """`now 2026-11-24T10:00:00Z`."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Row(Node):
    """`(10, allow)`: one cell per name; `allow` and `deny` are `Outcome` cells."""

    cells: tuple[Expression | Outcome, ...]


@dataclass(frozen=True, slots=True)
class Table(Node):
    """`for amount, outcome in [ (10, allow), (20_000, deny) ]`."""

    names: tuple[Name, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Outcome(Node):
    """`allow` or `deny`."""

    value: Literal["allow", "deny"]


@dataclass(frozen=True, slots=True)
class Expect(Node):
    """`expect allow|deny|NAME [by rule, …] [reason code] [require name, …]`; a `Name` is a table column.

    `rules` None means that nothing was said of them. A rule, code or require may be a table column too.
    """

    outcome: Outcome | Name
    rules: tuple[Name, ...] | None
    reason: Name | None
    requires: tuple[Name, ...]


# ── expressions ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Bool(Node):
    """`true`, `false`."""

    value: bool


@dataclass(frozen=True, slots=True)
class Int(Node):
    """`10_000`: never negative here, `-3` is `Negate(Int(3))`; range is the checker's."""

    value: int


@dataclass(frozen=True, slots=True)
class Float(Node):
    """`0.75`."""

    value: float


@dataclass(frozen=True, slots=True)
class Text(Node):
    """`"…"` with its escapes resolved."""

    value: str


@dataclass(frozen=True, slots=True)
class Duration(Node):
    """`1h30m`."""

    value: timedelta


@dataclass(frozen=True, slots=True)
class Timestamp(Node):
    """`2026-11-24`, `2026-11-24T10:00:00Z`: in UTC."""

    value: datetime


@dataclass(frozen=True, slots=True)
class SetExpression(Node):
    """`[a, b]`."""

    members: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class RecordExpression(Node):
    """`{ key: value, … }`: in `require`, `advise` and tests only."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Entry(Node):
    """`key: value`; in a test a value may itself be a record."""

    key: Name
    value: Expression | RecordExpression


@dataclass(frozen=True, slots=True)
class If(Node):
    """`if c then a else b`."""

    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Quantifier(Node):
    """`any x in xs: condition`, `all x in xs: condition`."""

    kind: Literal["any", "all"]
    variable: Name
    over: Expression
    condition: Expression


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`or and == != < <= > >= in like ?? + - *`: the operator as written."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Not(Node):
    """`not x`."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Negate(Node):
    """`-x`."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Has(Node):
    """`has resource.ticket`."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    """`object.name`."""

    object: Expression
    name: Name


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`object["key"]`."""

    object: Expression
    key: Expression


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`function(arguments)`; `function` may be dotted (`common.fresh`)."""

    function: Name
    arguments: tuple[Expression, ...]


Constant: TypeAlias = Bool | Int | Float | Text | Duration | Timestamp
Expression: TypeAlias = (
    Constant | Name | SetExpression | If | Quantifier | Binary | Not | Negate | Has | Attribute | Index | Call
)
TypeNode: TypeAlias = NamedType | SetType | MapType | EnumType | RecordType
Clause: TypeAlias = CallerClause | AudienceClause | ActionClause | ResourceClause | When | Require | Because
TestClause: TypeAlias = (
    TestCaller | TestAudience | TestAction | TestResource | TestRecord | TestNow | Table | Expect
)
Declaration: TypeAlias = Use | Schema | Let | Def | Rule | Assert | Fixture | Test
