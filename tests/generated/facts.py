"""What is true for a request: records of the declared types, with much absent, and each extreme now and then.

Only what a policy set reads is made, for nothing else can matter to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from generated import estate
from generated.choices import Choices
from generated.estate import LITERALS, NOW, VALUES
from pdp.access.facts import Facts
from pdp.access.patterns import glob, trust_domain
from pdp.access.request import Request
from pdp.access.values import Record
from pdp.gather import ANONYMOUS, NO_CREDENTIAL, NO_TASK
from pdp.rules.rules import PolicySet
from pdp.rules.terms import Member, Term, parts
from pdp.schema import schema as builtin
from pdp.schema.types import (
    BOOL,
    FLOAT,
    INT,
    STRING,
    Attribute,
    Enum,
    MapOf,
    RecordOf,
    SetOf,
    Type,
)

# The names that built-in members hold, where they are not just any text.
_SETS_OF_NAMES = {"groups": estate.GROUPS, "actions": estate.TASK_ACTIONS, "audiences": estate.AUDIENCES}


def terms_of(policies: PolicySet) -> list[Term]:
    """Every term in the rules of `policies`."""
    terms: list[Term] = []
    for rule in policies.rules:
        terms += (condition.term for condition in rule.conditions)
        terms += (term for duty in rule.duties for _, term in duty.values)
    for term in terms:
        terms += parts(term)  # the list grows as it is gone over
    return terms


def read_by(policies: PolicySet) -> frozenset[str]:
    """The names of all members that the rules of `policies` read."""
    return frozenset(term.name for term in terms_of(policies) if isinstance(term, Member))


def facts(choices: Choices, read: Collection[str], *, strict: bool) -> Facts:
    """Facts of a request to policies on the schema of `estate` that read the members `read`."""
    return _Maker(choices, read, strict).facts()


def request(facts: Facts) -> Request:
    """The request that the facts are about, as far as it has parts of its own."""
    action, resource = facts.action, facts.resource
    return Request(
        facts.audience, action["name"], {}, resource["type"], resource["id"], {}, None, None, None, {}
    )


class _Maker:
    def __init__(self, choices: Choices, read: Collection[str], strict: bool) -> None:
        self.choices = choices
        self.read = read
        self.strict = strict

    def facts(self) -> Facts:
        choices = self.choices
        audience = choices.near(estate.AUDIENCES)
        return Facts(
            self._caller(), self._credential(), audience, self._action(), self._resource(), self._task(),
            self._record(estate.SCHEMA.context) | self._stray(),
            NOW if choices.chance(50) else choices.one(estate.NOWS),
        )  # fmt: skip

    def _caller(self) -> Record:
        choices = self.choices
        kind = choices.near(estate.KINDS)
        declared = self._record(estate.SCHEMA.caller) | self._stray()
        if kind == "anonymous":
            return {**declared, **ANONYMOUS}
        name = choices.near(estate.WORKLOADS if kind == "workload" and choices.chance(75) else estate.CALLERS)
        if choices.number(0, 49) == 49:
            name = choices.one(estate.MALFORMED)
        caller = {
            **declared,
            "id": name,
            "kind": kind,
            "groups": frozenset(choices.some(estate.GROUPS, 0, 3)),
        }
        domain = trust_domain(name)
        if domain is not None:
            caller["trust_domain"] = domain
        caller |= self._built_in(builtin.CALLER, ("issuer", "on_behalf_of", "trust_domain"))
        actors = frozenset(choices.some(estate.CALLERS, 0, 2)) if "actors" in self.read else frozenset()
        return {**caller, "actors": actors, "depth": len(actors)}

    def _credential(self) -> Record:
        choices = self.choices
        if not self.read & builtin_names(builtin.CREDENTIAL) or choices.chance(12):
            return NO_CREDENTIAL
        optional = self._built_in(builtin.CREDENTIAL, ("issuer", "id"))
        credential = self._record(
            RecordOf(tuple((n, a) for n, a in builtin.CREDENTIAL.attributes if not a.optional)), absent=0
        )
        # What is always there may be read without a thought.
        return {**NO_CREDENTIAL, **credential, **optional}

    def _task(self) -> Record:
        choices = self.choices
        if not self.read & builtin_names(builtin.TASK) or choices.chance(35):
            return NO_TASK
        task = {
            "id": "t-1",
            "actions": frozenset(),
            "audiences": frozenset(),
            "expires": NOW,
            **self._record(builtin.TASK),
        }
        return {**task, "active": choices.chance(70)}

    def _action(self) -> Record:
        name = self.choices.near(estate.ACTIONS)
        declared: dict[str, Attribute] = {}
        for pattern, record in estate.SCHEMA.actions.items():
            if glob(pattern)(name):
                declared |= dict(record.attributes)
        others = {
            n for record in estate.SCHEMA.actions.values() for n, _ in record.attributes
        } - declared.keys()
        return {**self._record(RecordOf(tuple(declared.items()))), **self._stray(others), "name": name}

    def _resource(self) -> Record:
        choices = self.choices
        type = choices.near(estate.RESOURCES)
        if type == "":
            return {"type": "", "id": ""}
        declared = estate.SCHEMA.resources[type]
        every = {n for record in estate.SCHEMA.resources.values() for n, _ in record.attributes}
        others = every - {n for n, _ in declared.attributes}
        return {
            **self._record(declared), **self._stray(others),
            "type": type, "id": choices.near(estate.RESOURCE_IDS),
        }  # fmt: skip

    # Attributes.

    def _record(self, declared: RecordOf, absent: int = 8) -> Record:
        record = {}
        for name, attribute in declared.attributes:
            if name in self.read and not self.choices.chance(40 if attribute.optional else absent):
                record[name] = self._value(attribute.type, name)
        return record

    def _built_in(self, declared: RecordOf, names: Iterable[str]) -> Record:
        return self._record(RecordOf(tuple((n, a) for n, a in declared.attributes if n in names)))

    def _stray(self, names: Collection[str] = ()) -> Record:
        """What no schema declares, of any type at all; kept only where policies are not strict."""
        if self.strict:
            return {}
        return {
            name: self._any()
            for name in (*estate.UNDECLARED, *sorted(names))
            if name in self.read and not self.choices.chance(20)
        }

    def _value(self, type: Type, name: str) -> Any:
        choices = self.choices
        match type:
            case SetOf(member):
                if member in estate.MANY and choices.number(0, 39) == 39:
                    return estate.MANY[member]
                return frozenset(choices.some(_SETS_OF_NAMES.get(name) or _pool(member), 0, 4))
            case MapOf(value):
                if choices.number(0, 39) == 39:
                    return dict.fromkeys(estate.MANY_KEYS, self._value(value, ""))
                return {key: self._value(value, "") for key in choices.some(estate.KEYS, 0, 4)}
            case RecordOf():
                return self._record(type)
            case _:
                if name == "path" or (type == STRING and choices.chance(5)):
                    return choices.near(estate.PATHS)
                return choices.near(_pool(type))

    def _any(self, depth: int = 2) -> Any:
        """A value as JSON has them, or, where a test states it, of any other type."""
        choices = self.choices
        match choices.number(0, 9 if depth else 7):
            case 0 | 1 | 2 | 3:
                return choices.near(_pool(choices.one((STRING, INT, BOOL, FLOAT))))
            case 4:
                return choices.near(_pool(choices.one(estate.SCALARS)))
            case 5 | 6:
                pool = _pool(choices.one((STRING, INT, BOOL, FLOAT, *estate.MEMBERS)))
                return frozenset(choices.near(pool) for _ in range(choices.number(0, 3)))
            case 7:
                return frozenset(choices.some(LITERALS[STRING], 0, 3))
            case _:
                names = choices.some(("deep", "count", "a", "b", "note"), 0, 3)
                return {name: self._any(depth - 1) for name in names}


def builtin_names(record: RecordOf) -> frozenset[str]:
    return frozenset(name for name, _ in record.attributes)


def _pool(type: Type) -> tuple[Any, ...]:
    return type.members if isinstance(type, Enum) else VALUES[type]
