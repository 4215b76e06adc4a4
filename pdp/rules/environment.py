"""What a module is checked in: the interfaces of all modules and the schema they declare together.

Knows declarations and no expressions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pdp.language.diagnostic import Diagnostic
from pdp.language.source import Span
from pdp.rules.agree import same, same_attribute
from pdp.rules.attributes import Roots
from pdp.rules.globs import overlap
from pdp.rules.interface import Entry, Interface, ordered
from pdp.schema.schema import ACTION, CALLER, EMPTY, RESOURCE, Schema
from pdp.schema.types import Attribute, RecordOf

_BUILT_IN = {"caller": CALLER, "action": ACTION, "resource": RESOURCE, "context": EMPTY}


@dataclass(frozen=True, slots=True, eq=False)
class Environment:
    """All interfaces by module, the merged schema, and what `infer` learned about lets and defs (`bodies`,
    the one part that grows; it depends on nothing but the rest). `order` has each module after those it uses.
    `warn`: what no schema declares is told and still read, where the schema is not strict.
    """

    interfaces: dict[str, Interface]
    order: tuple[str, ...]
    schema: Schema
    roots: Roots
    obligations: frozenset[str] = frozenset()
    warn: bool = False
    bodies: dict[tuple[str, str], Any] = field(default_factory=dict)


def merge(
    interfaces: Sequence[Interface], *, strict: bool = True, warn: bool = False, max_rules: int = 100_000
) -> tuple[Environment, tuple[Diagnostic, ...]]:
    """The environment of `interfaces`, and what is wrong between modules: circles, and types at odds."""
    found: list[Diagnostic] = []
    known: dict[str, Interface] = {}
    for each in sorted(interfaces, key=lambda interface: (interface.module, interface.span.path)):
        if each.module in known and each.module:  # that a path names no module is told with its file
            message = f"`{known[each.module].span.path}` is the module `{each.module}` too"
            found.append(Diagnostic("PDP213", Span(each.span.path, 0, 0), message))
        known.setdefault(each.module, each)
    graph = {
        name: [use.module.text for use in each.uses.values() if use.module.text in known]
        for name, each in known.items()
    }
    order, circles = ordered(graph)
    found += [_circle(known, circle) for circle in circles]
    schema = _Merge(found)
    for each in known.values():
        for entry in each.entries:
            schema.add(each.module, entry)
    # What a schema that cannot be read declares may be anything.
    merged = schema.done(strict and not any("schema" in each.lost for each in known.values()))
    found += _too_many(known.values(), max_rules)
    obligations = frozenset(name for each in known.values() for name in each.obligations)
    return Environment(known, tuple(order), merged, Roots(merged), obligations, warn), tuple(found)


def _circle(known: dict[str, Interface], circle: list[str]) -> Diagnostic:
    following = circle[1] if len(circle) > 1 else circle[0]
    use = next(use for use in known[circle[0]].uses.values() if use.module.text == following)
    way = " uses ".join(f"`{name}`" for name in (*circle, circle[0]))
    return Diagnostic("PDP204", use.module.span, f"a circle of `use`: {way}")


def _too_many(interfaces: Iterable[Interface], max_rules: int) -> list[Diagnostic]:
    count = 0
    for each in interfaces:
        count += len(each.rules)
        if count > max_rules:
            span = list(each.rules.values())[max_rules - count]
            return [Diagnostic("PDP324", span, f"a policy set has at most {max_rules:_} rules")]
    return []


@dataclass(slots=True)
class _Merge:
    """Declarations so far. Maps each root and key to attributes, with the module and place of each."""

    found: list[Diagnostic]
    records: dict[tuple[str, str], dict[str, tuple[Attribute, str]]] = field(default_factory=dict)
    actions: dict[str, list[tuple[str, Attribute, str]]] = field(default_factory=dict)

    def add(self, module: str, entry: Entry) -> None:
        record = self.records.setdefault((entry.root, entry.key), {})
        for name, attribute in entry.record.attributes:
            if _BUILT_IN[entry.root].get(name) is not None:
                message = f"`{entry.root}.{name}` is built in and cannot be declared again"
                self.found.append(Diagnostic("PDP210", entry.spans[name], message))
                continue
            before = record.get(name)
            if before is not None:
                if not same_attribute(before[0], attribute):
                    self._conflict(entry, name, attribute, before[0], before[1])
                continue
            if entry.root == "action" and self._action_conflict(module, entry, name, attribute):
                continue
            record[name] = (attribute, module)

    def done(self, strict: bool) -> Schema:
        def of(root: str) -> dict[str, RecordOf]:
            return {
                key: RecordOf(tuple(sorted((name, a) for name, (a, _) in record.items())))
                for (r, key), record in sorted(self.records.items())
                if r == root
            }

        return Schema(
            of("caller").get("", EMPTY), of("action"), of("resource"),
            of("context").get("", EMPTY), strict,
        )  # fmt: skip

    def _action_conflict(self, module: str, entry: Entry, name: str, attribute: Attribute) -> bool:
        """Two globs that share an action name must give an attribute one type."""
        others = self.actions.setdefault(name, [])
        for glob, other, where in others:
            if not same(other.type, attribute.type) and overlap(glob, entry.key):
                self._conflict(entry, name, attribute, other, where)
                return True
        others.append((entry.key, attribute, module))
        return False

    def _conflict(self, entry: Entry, name: str, now: Attribute, before: Attribute, module: str) -> None:
        message = f"`{name}` is `{_written(before)}` in the schema of `{module}`, and `{_written(now)}` here"
        hint = "one attribute has one type in all modules"
        self.found.append(Diagnostic("PDP209", entry.spans[name], message, hint))


def _written(attribute: Attribute) -> str:
    return f"{attribute.type}{' (optional)' if attribute.optional else ''}"
