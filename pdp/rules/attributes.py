"""Which attributes the eight roots have at a place, given what is known there. Knows schema and no syntax.

A resource's attributes depend on its type and an action's on its name; where those are not known, an
attribute counts as one that may be absent, because for some requests it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from pdp.rules.agree import same
from pdp.rules.globs import covers, overlap
from pdp.rules.known import Globs, Known
from pdp.schema.schema import ACTION, CALLER, CREDENTIAL, RESOURCE, TASK, Schema
from pdp.schema.types import UNKNOWN, Attribute, RecordOf, Type


class Reading(NamedTuple):
    """What reading a root's member means: `some` names who declares it where not everyone does."""

    type: Type
    optional: bool
    some: tuple[str, ...] = ()
    conflict: bool = False


@dataclass(slots=True)
class Roots:
    """The schema as the checker asks it. `_read` and `_actions` are its memory: the fields that change."""

    schema: Schema
    fixed: dict[str, dict[str, Attribute]] = field(init=False)
    resources: dict[str, dict[str, Attribute]] = field(init=False)
    _read: dict[tuple[str, frozenset[str] | None], Reading | None] = field(init=False, default_factory=dict)
    _actions: dict[tuple[Globs, ...], dict[str, Reading]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        schema = self.schema
        self.fixed = {
            "caller": dict(CALLER.attributes + schema.caller.attributes),
            "credential": dict(CREDENTIAL.attributes),
            "task": dict(TASK.attributes),
            "context": dict(schema.context.attributes),
            "resource": dict(RESOURCE.attributes),
            "action": dict(ACTION.attributes),
        }
        self.resources = {name: dict(r.attributes) for name, r in schema.resources.items()}

    def of_type(self, type: str) -> frozenset[str]:
        """What `Known.types` is where a resource is of `type`: empty where that was told to be undeclared."""
        return frozenset((type,)) if type in self.resources or not self.schema.strict else frozenset()

    def read(self, root: str, name: str, known: Known) -> Reading | None:
        """The member `name` of `root`; None where nothing declares it."""
        found = self.fixed[root].get(name)
        if found is not None:
            return Reading(found.type, found.optional)
        if root == "resource" and known.types is not None and not known.types:
            return Reading(UNKNOWN, optional=False)
        if root == "resource":
            key = (name, known.types)
            if key not in self._read:
                self._read[key] = self._resource(name, known.types)
            return self._read[key]
        if root == "action":
            return self._action(known.actions).get(name)
        return None

    def names(self, root: str, known: Known) -> list[str]:
        """Every member that `root` may have, for hints."""
        names = list(self.fixed[root])
        if root == "resource":
            types = self.resources if known.types is None else known.types
            names += [name for t in types for name in self.resources.get(t, ())]
        if root == "action":
            names += self._action(known.actions)
        return names

    def record(self, root: str, known: Known) -> RecordOf:
        """The whole root as a record."""
        attributes = {}
        for name in self.names(root, known):
            reading = self.read(root, name, known)
            if reading is not None and not reading.conflict:
                attributes[name] = Attribute(reading.type, reading.optional)
        return RecordOf(tuple(sorted(attributes.items())))

    def _resource(self, name: str, types: Iterable[str] | None) -> Reading | None:
        asked = sorted(self.resources if types is None else types)
        found = [(t, a) for t in asked if (a := self.resources.get(t, {}).get(name)) is not None]
        every = types is not None and len(found) == len(asked)
        return self._together([(f"resource {t}", a) for t, a in found], every) if found else None

    def _action(self, tests: tuple[Globs, ...]) -> dict[str, Reading]:
        memory = self._actions.get(tests)
        if memory is None:
            memory = self._actions[tests] = self._read_action(tests or (("*",),))
        return memory

    def _read_action(self, tests: tuple[Globs, ...]) -> dict[str, Reading]:
        declared = self.schema.actions
        near = [d for d in declared if all(any(overlap(d, p) for p in asked) for asked in tests)]
        names = {name for d in near for name, _ in declared[d].attributes}
        readings = {}
        for name in names:
            found = [(d, a) for d in near if (a := declared[d].get(name)) is not None]
            # A name is sure to have the attribute when it passes a test whose every glob is covered by one
            # declaration that requires it.
            required = [d for d, a in found if not a.optional]
            reading = self._together(
                [(f'action "{d}"', a) for d, a in found], _cover([d for d, _ in found], tests)
            )
            readings[name] = reading._replace(optional=not _cover(required, tests))
        return readings

    def _together(self, found: list[tuple[str, Attribute]], every: bool) -> Reading:
        type = found[0][1].type
        conflict = any(not same(a.type, type) for _, a in found)
        optional = not every or any(a.optional for _, a in found)
        some = () if every and not conflict else tuple(who for who, _ in found)
        if some and not self.schema.strict:
            # Where nobody declares it, it is there too, and of any type.
            return Reading(UNKNOWN, optional, some)
        return Reading(type, optional, some, conflict)


def _cover(declared: Collection[str], tests: Iterable[Globs]) -> bool:
    """Whether each name that passes all `tests` matches one of `declared`, as far as one test alone shows."""
    return any(all(any(covers(d, p) for d in declared) for p in asked) for asked in tests)
