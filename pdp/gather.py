"""From a request, or from the clauses of a test, to the facts that rules read (LANGUAGE.md section 3).

Knows the schema and which members follow from others (`bound`, `remaining`, `standing`, `active`, `depth`,
`trust_domain`). Verifies nothing: what `asserted` takes is the word of whoever asked, and whether that word
may be taken is the decision point's question. Where there is evidence, such a word may only add to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct

from pdp.access.facts import Facts
from pdp.access.patterns import check_spiffe_id, glob
from pdp.access.request import Request, RequestError
from pdp.access.values import Record
from pdp.conform import SET_MEMBERS, Convert, Unfit, attribute_converters, attributes, converter, dynamic
from pdp.evidence.evidence import Evidence
from pdp.evidence.refusals import CLAIM_INVALID, CONTRADICTION, EvidenceError
from pdp.rules.rules import Case
from pdp.schema import schema as builtin
from pdp.schema.schema import Schema
from pdp.schema.types import DURATION, RecordOf

STANDING_AFTER = timedelta(minutes=15)
_ZERO = timedelta(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: frozenset[str] = frozenset()

ANONYMOUS: Record = {"id": "", "kind": "anonymous", "groups": _NOTHING, "actors": _NOTHING, "depth": 0}
NO_CREDENTIAL: Record = {
    "form": "none", "binding": "none", "bound": False, "verified": False,
    "audiences": _NOTHING, "scopes": _NOTHING,
}  # fmt: skip
NO_TASK: Record = {"active": False}
_ALONE: Record = {"groups": _NOTHING, "actors": _NOTHING, "depth": 0}
_ASSERTED: Record = {
    "form": "asserted", "binding": "none", "verified": False,
    "audiences": _NOTHING, "scopes": _NOTHING, "uses": 0, "sources": 1,
}  # fmt: skip

# How many names of actions, and how many credentials, a table remembers: they come from outside, memory does
# not grow with them.
_REMEMBERED = 4_096


class HasSchema(Protocol):
    """A program, as far as facts are concerned."""

    @property
    def schema(self) -> Schema: ...


class _Proved(Struct, frozen=True, gc=False):
    """What is the same each time a credential is presented: its caller, typed, those of its own members that
    are, and when it was issued. `proved` is the caller as verified: one verification makes one."""

    proved: dict[str, Any]
    caller: Record
    credential: Record
    issued: datetime


@dataclass(frozen=True, slots=True)
class Table:
    """The converters of one schema. Two fields change, and are bounded caches: `seen` by action name, and
    `proved` by credential."""

    caller: dict[str, Convert]
    credential: dict[str, Convert]
    task: dict[str, Convert]
    actions: tuple[tuple[Callable[[str], bool], dict[str, Convert]], ...]
    resources: dict[str, dict[str, Convert]]
    context: dict[str, Convert]
    undeclared: dict[str, Convert]
    set_members: int
    seen: dict[str, dict[str, Convert]] = field(default_factory=dict)
    proved: dict[bytes, _Proved] = field(default_factory=dict)

    def action(self, name: str) -> dict[str, Convert]:
        """The attributes of the action `name`: those of every declaration whose pattern it matches."""
        table = self.seen.get(name)
        if table is None:
            table = self.undeclared.copy()
            for matches, declared in self.actions:
                if matches(name):
                    # The first declaration in sorted order wins, so that the result never depends on files.
                    table.update({k: v for k, v in declared.items() if k not in table})
            if len(self.seen) >= _REMEMBERED:
                self.seen.clear()
            self.seen[name] = table
        return table


class _Undeclared(dict[str, Convert]):
    """Converters of a schema that is not strict: what nobody declared is taken as it comes, by `take`."""

    def __init__(self, declared: Mapping[str, Convert], take: Convert) -> None:
        super().__init__(declared)
        self.take = take

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, self.take)

    def copy(self) -> _Undeclared:
        return _Undeclared(self, self.take)


def table_of(source: Schema | HasSchema, *, set_members: int = SET_MEMBERS) -> Table:
    """The table of a schema, made once for each schema object."""
    schema = source if isinstance(source, Schema) else source.schema
    known = _TABLES.get(id(schema))
    if known is not None and known[0] is schema and known[1].set_members == set_members:
        return known[1]
    made = _table(schema, set_members)
    if len(_TABLES) >= 8:
        _TABLES.clear()
    _TABLES[id(schema)] = (schema, made)
    return made


# By identity: a schema holds dictionaries and cannot be hashed. The schema is kept with its table, so that
# its identity cannot be given to another one.
_TABLES: dict[int, tuple[Schema, Table]] = {}


def _table(schema: Schema, set_members: int) -> Table:
    def of(declared: RecordOf) -> dict[str, Convert]:
        return attribute_converters(declared, set_members=set_members)

    take = dynamic(set_members)

    def make(declared: dict[str, Convert]) -> dict[str, Convert]:
        return declared if schema.strict else _Undeclared(declared, take)

    return Table(
        caller=make(of(schema.caller) | of(builtin.CALLER)),
        credential=of(builtin.CREDENTIAL),
        task=of(builtin.TASK),
        actions=tuple((glob(pattern), of(declared)) for pattern, declared in sorted(schema.actions.items())),
        resources={name: make(of(declared)) for name, declared in schema.resources.items()},
        context=make(of(schema.context)),
        undeclared=make({}),
        set_members=set_members,
    )


_TASK = attribute_converters(builtin.TASK)


def asserted(
    source: Schema | HasSchema,
    request: Request,
    *,
    now: datetime,
    standing_after: timedelta = STANDING_AFTER,
    tasks: Mapping[str, Mapping[str, Any]] | None = None,
) -> Facts:
    """The facts of a request whose asserted members are taken at their word.

    `now` is an aware datetime, the one reading for the whole decision. A task given by its id is looked up in
    `tasks` (members as in a request). Raises `RequestError` for what the schema does not fit.
    """
    known = {name: known_task({**task, "id": name}) for name, task in (tasks or {}).items()}
    return gather(table_of(source), request, now.astimezone(UTC), standing_after, known)


def gather(
    table: Table,
    request: Request,
    now: datetime,
    standing_after: timedelta,
    tasks: Mapping[str, Record],
    evidence: Evidence | None = None,
    seen: tuple[int, int] = (0, 1),
) -> Facts:
    """`asserted`, with the table at hand, `now` in UTC, and the tasks as `known_task` made them.

    With `evidence` caller and credential are what it proves; `seen` is how often and from how many peers its
    credential was seen. Raises `EvidenceError` too: for claims that the schema does not fit, and for
    assertions that contradict what is proved.
    """
    task = request.task
    if evidence is not None and evidence.task is not None:
        task = _same_task(task, evidence.task)
    task_facts = NO_TASK
    if isinstance(task, str):
        known = tasks.get(task)
        if known is None:
            raise RequestError("/task", "no task with this id is known")
        task_facts = _at(known, now)
    elif task is not None:
        task_facts = _at(known_task(task, table.task), now)
    credential = NO_CREDENTIAL
    if evidence is not None:
        proved = _proved(table, evidence)
        credential = _presented(proved, evidence, seen, task_facts, now, standing_after)
    elif request.credential is not None:
        if "asserted" not in request.credential:
            raise RequestError("/credential", "was presented, and is not verified here")
        credential = _ASSERTED.copy()
        _taken(table.credential, request.credential["asserted"], "/credential/asserted", credential)
        _complete(credential, task_facts, now, standing_after, "/credential/asserted")
    action = {}
    if request.action_attributes:
        action = _taken(table.action(request.action), request.action_attributes, "/action")
    action["name"] = request.action
    resource = {}
    if request.resource:
        declared = table.resources.get(request.resource_type, table.undeclared)
        resource = _taken(declared, request.resource, "/resource")
    resource["type"] = request.resource_type
    resource["id"] = request.resource_id
    if evidence is not None:
        caller = proved.caller
        if request.caller is not None:
            caller = _added(table, evidence, caller, request.caller)
    else:
        caller = ANONYMOUS if request.caller is None else _caller(table, request.caller)
    return Facts(
        caller,
        credential,
        request.audience,
        action,
        resource,
        task_facts,
        _taken(table.context, request.context, "/context") if request.context else {},
        now,
    )


def _same_task(asserted: str | dict[str, Any] | None, proved: str) -> str | dict[str, Any]:
    """The task that a credential is for; an enforcement point may tell more of it, and of no other."""
    if asserted is None:
        return proved
    if (asserted if isinstance(asserted, str) else asserted.get("id")) != proved:
        raise EvidenceError(CONTRADICTION)
    return asserted


def _proved(table: Table, evidence: Evidence) -> _Proved:
    """What evidence proves whenever its credential is presented, typed once for each verification."""
    known = table.proved.get(evidence.identity)
    # After the same verification only how it is presented may differ.
    if known is None or known.proved is not evidence.caller:
        try:
            caller = _caller(table, evidence.caller)
        except RequestError:
            # The issuer's mistake, and none of whoever asks.
            raise EvidenceError(CLAIM_INVALID) from None
        credential: Record = {
            "form": evidence.form,
            "verified": True,
            "audiences": frozenset(evidence.audiences),
            "scopes": frozenset(evidence.scopes),
            "lifetime": timedelta(seconds=evidence.expires - evidence.issued),
        }
        if evidence.issuer is not None:
            credential["issuer"] = evidence.issuer
        if evidence.id is not None:
            credential["id"] = evidence.id
        known = _Proved(evidence.caller, caller, credential, _EPOCH + timedelta(seconds=evidence.issued))
        if len(table.proved) >= _REMEMBERED:
            table.proved.clear()
        table.proved[evidence.identity] = known
    return known


def _presented(
    proved: _Proved,
    evidence: Evidence,
    seen: tuple[int, int],
    task: Record,
    now: datetime,
    standing_after: timedelta,
) -> Record:
    """The credential's facts. `now` may lie before its issuing by what clocks may differ: it is new then."""
    credential = proved.credential.copy()
    credential["binding"] = evidence.binding
    age = now - proved.issued
    credential["age"] = age if age > _ZERO else _ZERO
    credential["uses"], credential["sources"] = seen
    _complete(credential, task, now, standing_after, "/credential")
    return credential


def _added(table: Table, evidence: Evidence, proved: Record, asserted: Mapping[str, Any]) -> Record:
    """The caller that is proved, and what the enforcement point says of it beside (LANGUAGE.md section 3:
    what contradicts evidence is refused, never merged). What is the issuer's to tell, and it leaves out, the
    caller does not have."""
    caller = proved.copy()
    for name, value in _taken(table.caller, asserted, "/caller").items():
        if name in evidence.caller or name in evidence.told or name in _PROVED:
            if caller.get(name) != value:
                raise EvidenceError(CONTRADICTION)
        else:
            caller[name] = value
    return caller


def stated(source: Schema | HasSchema, case: Case, *, standing_after: timedelta = STANDING_AFTER) -> Facts:
    """The facts that a test states (LANGUAGE.md section 7). Raises `RequestError` for what does not fit."""
    table = table_of(source)
    now = case.now.astimezone(UTC)
    task = NO_TASK
    if case.task is not None:
        task = dict(case.task)
        if "expires_in" in task:
            ends_in = _taken(_EXPIRES_IN, {"expires_in": task.pop("expires_in")}, "/task")
            if "expires" in task:
                raise RequestError("/task/expires_in", "stands beside `expires`: one of the two is enough")
            try:
                task["expires"] = now + ends_in["expires_in"]
            except OverflowError:
                raise RequestError("/task/expires_in", "ends after the calendar does") from None
        for name in sorted(task.keys() - (_TASK.keys() - {"active"})):
            raise RequestError(f"/task/{name}", "cannot be stated of a task")
        task = _at(known_task({"id": "", **task}, table.task), now)
    credential = NO_CREDENTIAL
    if case.credential is not None:
        for name in sorted(case.credential.keys() - _STATED):
            why = "follows from the others" if name in table.credential else "is no member of a credential"
            raise RequestError(f"/credential/{name}", why)
        credential = {
            "form": "jwt", "binding": "none", "verified": True,
            "audiences": _NOTHING, "scopes": _NOTHING, "uses": 0, "sources": 1,
        }  # fmt: skip
        credential.update(_taken(table.credential, case.credential, "/credential"))
        for name in ("age", "lifetime"):
            if name not in credential:
                raise RequestError(f"/credential/{name}", "is missing")
        _complete(credential, task, now, standing_after, "/credential")
    resource_type = case.resource.get("type", "")
    named = {"type": resource_type, "id": case.resource.get("id", "")}
    return Facts(
        _caller(table, case.caller),
        credential,
        case.audience,
        {**_taken(table.action(case.action["name"]), case.action, "/action"), "name": case.action["name"]},
        {**_taken(table.resources.get(resource_type, table.undeclared), case.resource, "/resource"), **named},
        task,
        _taken(table.context, case.context, "/context"),
        now,
    )


# What a test may state of a credential; the others follow from these.
_STATED = {name for name, _ in builtin.CREDENTIAL.attributes} - {"bound", "remaining", "standing"}
_EXPIRES_IN = {"expires_in": converter(DURATION)}


def _taken(
    table: Mapping[str, Convert], values: Mapping[str, Any], at: str, record: Record | None = None
) -> Record:
    try:
        return attributes(table, values, record)
    except Unfit as unfit:
        raise RequestError(at + unfit.pointer, unfit.detail) from None


def _caller(table: Table, values: Mapping[str, Any]) -> Record:
    caller = _taken(table.caller, values, "/caller", _ALONE.copy())
    kind = caller.get("kind")
    if kind is None:
        raise RequestError("/caller/kind", "is missing")
    name = caller.get("id")
    if kind == "anonymous":
        for member in sorted(caller.keys() & _NAMED):
            if caller[member]:
                raise RequestError(f"/caller/{member}", "an anonymous caller has none")
        caller["id"] = ""
        return caller
    if not name:
        raise RequestError("/caller/id", "is missing" if name is None else "must not be empty")
    if name.startswith("spiffe://"):
        domain = _trust_domain(name)
        if caller.setdefault("trust_domain", domain) != domain:
            raise RequestError("/caller/trust_domain", "is not the trust domain of the caller's id")
    # The chain is a list where it comes in: an actor that acted twice is two steps of it.
    if "actors" in values:
        steps = len(values["actors"])
        if "depth" not in values:
            caller["depth"] = steps
    if caller["depth"] < len(caller["actors"]):
        raise RequestError("/caller/depth", "is less than the number of actors")
    return caller


@lru_cache(maxsize=4_096)
def _trust_domain(name: str) -> str:
    try:
        check_spiffe_id(name)
    except ValueError as error:
        raise RequestError("/caller/id", str(error)) from None
    return name[len("spiffe://") :].partition("/")[0]


_NAMED = frozenset(("id", "issuer", "trust_domain", "groups", "on_behalf_of", "actors", "depth"))
# What evidence says even by leaving it out: nobody may add an issuer or an actor to what was proved.
_PROVED = _NAMED - {"groups"} | {"kind"}


def known_task(values: Mapping[str, Any], converters: Mapping[str, Convert] = _TASK) -> Record:
    """A task's members, typed, all but whether it is active. Raises `RequestError`."""
    task: Record = {"actions": _NOTHING, "audiences": _NOTHING}
    task.update(_taken(converters, values, "/task"))
    for name in ("id", "expires"):
        if name not in task:
            raise RequestError(f"/task/{name}", "is missing")
    return task


def _at(task: Record, now: datetime) -> Record:
    """The task at a time: active when it has begun, has not ended and is not used up."""
    started = task.get("started")
    uses_left = task.get("uses_left")
    # One that is known to have ended before its time is told so.
    active = task.get("active", True) and (
        task["expires"] > now and (started is None or started <= now) and (uses_left is None or uses_left > 0)
    )
    return {**task, "active": active}


def _complete(credential: Record, task: Record, now: datetime, standing_after: timedelta, at: str) -> None:
    """Adds what follows: `bound`, `remaining`, `standing` (LANGUAGE.md section 3)."""
    age, lifetime = credential["age"], credential["lifetime"]
    if age < _ZERO:
        raise RequestError(f"{at}/age", "must not be negative")
    if lifetime < _ZERO:
        raise RequestError(f"{at}/lifetime", "must not be negative")
    bound = credential["binding"] != "none"
    remaining = lifetime - age
    credential["bound"] = bound
    credential["remaining"] = remaining
    # Compared as what is left, not as an instant: now + remaining may lie beyond the calendar.
    credential["standing"] = not bound and (
        not task["active"] or remaining > task["expires"] - now or lifetime > standing_after
    )
