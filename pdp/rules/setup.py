"""What a test states of its request: clauses gathered record by record, values checked against the schema.

Knows neither what the test expects nor how a case is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pdp.access.values import parse_ip
from pdp.language import syntax
from pdp.language.source import Span
from pdp.language.suggest import suggest
from pdp.rules.agree import fits
from pdp.rules.fold import fold
from pdp.rules.globs import literally
from pdp.rules.heads import named_type
from pdp.rules.infer import expression
from pdp.rules.known import Known
from pdp.rules.operators import literal_member, named
from pdp.rules.places import undeclared
from pdp.rules.rules import Case, Expectation
from pdp.rules.scope import Scope
from pdp.rules.terms import Const
from pdp.schema.schema import CREDENTIAL, TASK
from pdp.schema.types import (
    DURATION,
    IP,
    STRING,
    TIMESTAMP,
    UNKNOWN,
    Attribute,
    Enum,
    MapOf,
    RecordOf,
    SetOf,
    Type,
)  # fmt: skip

START = datetime(2026, 1, 1, tzinfo=UTC)
_CONSTANT = "a test states constants: it is known before it runs"
Cells = Mapping[str, syntax.Expression | syntax.Outcome]
Find = Callable[[str], Type | None]


class Members(NamedTuple):
    """What a record of a test may state: the type of each member (None: there is none), the names there are,
    and what is said of another.
    """

    find: Find
    names: Iterable[str]
    lacks: Callable[[str], str]


_COMPUTED = {
    "credential": {
        "bound": "state `binding`, and it follows",
        "remaining": "state `age` and `lifetime`, and it follows",
        "standing": "it follows from the other members, the task and `now`",
    },
    "task": {"active": "state `expires` or `expires_in`, and it follows"},
    "caller": {"id": 'write `caller workload "…"`', "kind": 'write `caller workload "…"`'},
    "action": {"name": 'write `action "…"`'},
    "resource": {"type": 'write `resource type "id"`', "id": 'write `resource type "id"`'},
}
_CREDENTIAL: dict[str, Type] = {
    n: a.type for n, a in CREDENTIAL.attributes if n not in _COMPUTED["credential"]
}
_TASK: dict[str, Type] = {n: a.type for n, a in TASK.attributes if n != "active"} | {"expires_in": DURATION}
_OF_EVIDENCE = {
    "credential": Members(_CREDENTIAL.get, _CREDENTIAL, lambda name: f"`credential` has no `{name}`"),
    "task": Members(_TASK.get, _TASK, lambda name: f"`task` has no `{name}`"),
}


@dataclass(slots=True)
class SetUp:
    """The request so far; later clauses win, member by member. `places` tells where a clause stands,
    `misnamed` which records state a member that there is not: it may be one that is missing.
    """

    kind: str | None = None
    id: str | None = None
    audience: str = ""
    action: str = ""
    type: str = ""
    resource_id: str = ""
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    now: datetime = START
    places: dict[str, Span] = field(default_factory=dict)
    misnamed: set[str] = field(default_factory=set)

    def copy(self) -> SetUp:
        records = {root: dict(record) for root, record in self.records.items()}
        return replace(self, records=records, places=dict(self.places), misnamed=set(self.misnamed))

    def add(self, clauses: Sequence[syntax.TestClause], scope: Scope, cells: Cells | None = None) -> None:
        """Take in the clauses of a fixture or test; `cells` binds the names of its table's columns."""
        columns = cells or {}
        for name, cell in columns.items():
            if not isinstance(cell, syntax.Outcome):
                self._bind(name, cell, clauses, scope)
        for clause in clauses:
            match clause:
                case syntax.TestCaller(kind, id, record):
                    self.places["caller"] = clause.span
                    self.kind = kind or self.kind
                    if id is not None:
                        self.id = _text(id, scope)
                    self._record("caller", record, _declared("caller", Known(), scope), scope)
                case syntax.TestAudience(value):
                    self.audience = _text(value, scope)
                case syntax.TestAction(value, record):
                    self.action = _text(value, scope)
                    known = Known(actions=((literally(self.action),),))
                    self._record("action", record, _declared("action", known, scope), scope)
                case syntax.TestResource(type, id, record):
                    self._resource(type, scope)
                    if id is not None:
                        self.resource_id = _text(id, scope)
                    known = Known(types=scope.environment.roots.of_type(self.type))
                    self._record("resource", record, _declared("resource", known, scope), scope)
                case syntax.TestRecord(root, record):
                    self.places[root] = clause.span
                    members = _OF_EVIDENCE.get(root) or _declared("context", Known(), scope)
                    self._record(root, record, members, scope)
                case syntax.TestNow(value):
                    self.now = _now(value, scope)
                case _:
                    pass

    def case(
        self, module: str, label: str, row: int, expect: Expectation, node: syntax.Test, scope: Scope
    ) -> Case:
        """The finished case; tells what is missing from it."""
        kind, id = self.kind or "anonymous", self.id or ""
        if self.kind is None and id:
            hint = "write `caller workload`, `human` or `agent`"
            scope.tell("PDP506", self.places["caller"], "a caller with an id has a kind", hint)
        if self.kind == "anonymous" and id:
            scope.tell("PDP506", self.places["caller"], "an anonymous caller has no id")
        credential, task = self.records.get("credential"), self.records.get("task")
        if credential is not None and credential.get("form") != "none":
            missing = [name for name in ("age", "lifetime") if name not in credential]
            if missing and "credential" not in self.misnamed:
                message = f"this credential states no {' and no '.join(f'`{name}`' for name in missing)}"
                hint = "write for instance `age: 1m, lifetime: 5m`"
                scope.tell("PDP506", self.places["credential"], message, hint)
        ends = {"expires", "expires_in"}
        if task is not None and ends.isdisjoint(task) and "task" not in self.misnamed:
            scope.tell(
                "PDP506",
                self.places["task"],
                "this task states no end",
                "write for instance `expires_in: 5m`",
            )
        record = self.records.get
        return Case(
            module, label, row, {"id": id, "kind": kind, **record("caller", {})}, credential, self.audience,
            {"name": self.action, **record("action", {})},
            {"type": self.type, "id": self.resource_id, **record("resource", {})},
            task, record("context", {}), self.now, expect, node.span,
        )  # fmt: skip

    def _bind(
        self, name: str, cell: syntax.Expression, clauses: Sequence[syntax.TestClause], scope: Scope
    ) -> None:
        """A cell that names a rule, code or obligation is for `expect` alone."""
        for clause in clauses:
            if isinstance(clause, syntax.Expect):
                said = (*(clause.rules or ()), *clause.requires, clause.reason, clause.outcome)
                if any(isinstance(each, syntax.Name) and each.text == name for each in said):
                    return
        message = "a cell is a constant: a test is known before it runs"
        constant = _constant(cell, message, scope) or Const("", span=cell.span, type=UNKNOWN)
        scope.names = {**scope.names, name: constant}

    def _resource(self, name: syntax.Name, scope: Scope) -> None:
        type = named_type(name, scope)
        if type != self.type:
            # Attributes of another type would mean nothing here.
            self.records.pop("resource", None)
        self.type = type

    def _record(
        self, root: str, node: syntax.RecordExpression | None, members: Members, scope: Scope
    ) -> None:
        if node is None:
            return
        mine = self.records.setdefault(root, {})
        if any(members.find(entry.key.text) is None for entry in node.entries):
            self.misnamed.add(root)
        if root == "task" and any(entry.key.text in ("expires", "expires_in") for entry in node.entries):
            mine.pop("expires", None)
            mine.pop("expires_in", None)
        mine.update(_entries(node, root, members, scope))


def _declared(root: str, known: Known, scope: Scope) -> Members:
    roots = scope.environment.roots

    def find(name: str) -> Type | None:
        reading = roots.read(root, name, known)
        if reading is None:
            return None if roots.schema.strict else UNKNOWN
        return UNKNOWN if reading.conflict else reading.type

    return Members(find, roots.names(root, known), lambda name: undeclared(root, name, known))


def _entries(node: syntax.RecordExpression, what: str, members: Members, scope: Scope) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in node.entries:
        key = entry.key.text
        computed = _COMPUTED.get(what, {}).get(key)
        type = members.find(key)
        if key in found:
            scope.tell("PDP206", entry.key.span, f"`{key}` is given twice")
        if computed is not None:
            scope.tell("PDP504", entry.key.span, f"`{key}` is not stated as a member of `{what}`", computed)
            continue
        if type is None:
            scope.tell("PDP504", entry.key.span, members.lacks(key), suggest(key, members.names))
            type = UNKNOWN
        found[key] = _value(entry.value, type, scope)
    return found


def _value(node: syntax.Expression | syntax.RecordExpression, wanted: Type, scope: Scope) -> Any:
    """The value that a test states, which must fit its declared type, or be text that is read as it."""
    if isinstance(node, syntax.RecordExpression):
        if isinstance(wanted, RecordOf):
            attributes = dict(wanted.attributes)
            return _entries(node, "", _within(lambda name: _type(attributes.get(name)), attributes), scope)
        if isinstance(wanted, MapOf) or wanted == UNKNOWN:
            inner = wanted.value if isinstance(wanted, MapOf) else UNKNOWN
            return _entries(node, "", _within(lambda _: inner), scope)
        scope.tell("PDP505", node.span, f"this should be {named(wanted)}, not a record")
        return {}
    constant = _constant(node, _CONSTANT, scope)
    if constant is None:
        return ""
    _check(constant, wanted, scope)
    return constant.value


def _within(find: Find, names: Iterable[str] = ()) -> Members:
    return Members(find, names, lambda name: f"this record has no `{name}`")


def _now(node: syntax.Expression, scope: Scope) -> datetime:
    """The time that a test states. Text is none: what a request may write, nobody would read here."""
    constant = _constant(node, _CONSTANT, scope)
    if constant is None or isinstance(constant.value, datetime):
        return START if constant is None else constant.value
    hint = "write it without quotes, as in `now 2026-11-24T10:00:00Z`" if constant.type == STRING else ""
    scope.tell("PDP505", node.span, f"this should be {named(TIMESTAMP)}, not {named(constant.type)}", hint)
    return START


def _type(attribute: Attribute | None) -> Type | None:
    return attribute.type if attribute is not None else None


def _constant(node: syntax.Expression, message: str, scope: Scope) -> Const | None:
    """The constant that `node` comes to; tells `message` where there is none, and nothing else was wrong."""
    scope.broken = False
    term = expression(node, scope)
    folded = fold(term)
    if isinstance(folded, Const):
        return replace(folded, span=term.span, type=term.type)
    if not scope.broken:
        scope.tell("PDP503", node.span, message)
    return None


def _check(constant: Const, wanted: Type, scope: Scope) -> None:
    given = constant.type
    node = syntax.Node(span=constant.span)
    if isinstance(wanted, Enum) and given == STRING:
        literal_member(node, constant, wanted, scope)
    elif isinstance(wanted, SetOf) and isinstance(given, SetOf):
        for value in sorted(constant.value, key=str):
            _check(Const(value, span=constant.span, type=given.member), wanted.member, scope)
    elif given == STRING and wanted == IP:
        try:
            parse_ip(constant.value)
        except ValueError:
            scope.tell("PDP505", constant.span, f'`"{constant.value}"` is no IP address or network')
    elif given == STRING and wanted in (DURATION, TIMESTAMP):
        pass  # read as in a request, when the case is run
    elif not fits(given, wanted):
        scope.tell("PDP505", constant.span, f"this should be {named(wanted)}, not {named(given)}")


def _text(node: syntax.Expression, scope: Scope) -> str:
    value = _value(node, STRING, scope)
    return value if isinstance(value, str) else ""
