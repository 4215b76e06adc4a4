"""What a module offers to others: its schema entries, lets and defs, and the names of the rest.

Reads one module and nothing else, so an interface can be kept for as long as its file does not change.
Knows neither terms nor what is behind a `use`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from pdp.language import syntax
from pdp.language.diagnostic import Diagnostic
from pdp.language.source import Span
from pdp.rules.declared import declared_record, declared_type
from pdp.schema.functions import FUNCTIONS
from pdp.schema.types import UNKNOWN, RecordOf, Type

ROOTS = ("caller", "credential", "audience", "action", "resource", "task", "context", "now")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a `schema`: `spans` tells where the key (`""`) and each attribute stand."""

    root: str
    key: str
    record: RecordOf
    spans: Mapping[str, Span]


@dataclass(frozen=True, slots=True, eq=False)
class Interface:
    """One module, seen from outside. Two are the same when they are one object.

    `definitions` stand in an order in which each comes after those it uses; those in `circular` use
    themselves. `diagnostics` are the findings that need no other module. `lost` is what could not be read.
    """

    module: str
    span: Span
    uses: dict[str, syntax.Use]
    entries: tuple[Entry, ...]
    definitions: dict[str, syntax.Let | syntax.Def]
    parameters: dict[str, tuple[Type, ...]]
    circular: frozenset[str]
    rules: dict[str, Span]
    obligations: frozenset[str]
    fixtures: dict[str, syntax.Fixture]
    diagnostics: tuple[Diagnostic, ...]
    lost: frozenset[str]


def interface(module: syntax.Module) -> Interface:
    """What `module` offers. Never fails: what is wrong is told, and the first of two equal names counts."""
    found: list[Diagnostic] = []
    report = found.append
    uses: dict[str, syntax.Use] = {}
    entries: list[Entry] = []
    definitions: dict[str, syntax.Let | syntax.Def] = {}
    parameters: dict[str, tuple[Type, ...]] = {}
    named: dict[str, Span] = {}
    rules: dict[str, Span] = {}
    obligations: set[str] = set()
    fixtures: dict[str, syntax.Fixture] = {}
    tests: dict[str, Span] = {}
    for declaration in module.declarations:
        match declaration:
            case syntax.Use(used, alias):
                name = alias or syntax.Name(used.text.rpartition(".")[2], span=used.span)
                if _free(name, uses.keys() | definitions.keys(), report):
                    uses[name.text] = declaration
            case syntax.Schema():
                entries += (_entry(entry, report) for entry in declaration.entries)
            case syntax.Let(name) | syntax.Def(name):
                if _free(name, uses.keys() | definitions.keys(), report):
                    definitions[name.text] = declaration
                    if isinstance(declaration, syntax.Def):
                        parameters[name.text] = _parameters(declaration, report)
            case syntax.Rule() | syntax.Assert():
                _once(declaration.name.text, declaration.name.span, named, "", report)
                if isinstance(declaration, syntax.Rule):
                    rules.setdefault(declaration.name.text, declaration.name.span)
                    obligations.update(
                        c.name.text for c in declaration.clauses if isinstance(c, syntax.Require) and c.force
                    )
            case syntax.Fixture(name):
                if name.text in fixtures:
                    report(Diagnostic("PDP206", name.span, f"the fixture `{name.text}` is declared twice"))
                else:
                    fixtures[name.text] = declaration
            case syntax.Test(label):
                _once(label.value, label.span, tests, "the test ", report)
            case _:
                assert_never(declaration)
    order, circles = ordered({name: _references(d, definitions) for name, d in definitions.items()})
    for circle in circles:
        way = " uses ".join(f"`{name}`" for name in (*circle, circle[0]))
        report(
            Diagnostic("PDP205", definitions[circle[0]].name.span, f"a definition may not use itself: {way}")
        )
    return Interface(
        module.name, module.span, uses, tuple(entries), {name: definitions[name] for name in order},
        parameters, frozenset(name for circle in circles for name in circle), rules,
        frozenset(obligations), fixtures, tuple(found), module.lost,
    )  # fmt: skip


def _free(name: syntax.Name, taken: Collection[str], report: Callable[[Diagnostic], None]) -> bool:
    """Whether `name` can be given to a value of this module."""
    if name.text in ROOTS:
        report(Diagnostic("PDP207", name.span, f"`{name.text}` is a part of every request"))
    elif name.text in FUNCTIONS:
        report(Diagnostic("PDP207", name.span, f"`{name.text}` is a built-in function"))
    elif name.text in taken:
        report(Diagnostic("PDP206", name.span, f"`{name.text}` is declared twice"))
    else:
        return True
    return False


def _once(
    name: str, span: Span, names: dict[str, Span], what: str, report: Callable[[Diagnostic], None]
) -> None:
    if name in names:
        report(Diagnostic("PDP206", span, f"{what}`{name}` is declared twice"))
    else:
        names[name] = span


def _entry(entry: syntax.SchemaEntry, report: Callable[[Diagnostic], None]) -> Entry:
    key = entry.key
    text = key.value if isinstance(key, syntax.Text) else key.text if key is not None else ""
    spans = {"": key.span if key is not None else entry.span}
    for each in entry.record.fields:
        spans.setdefault(each.name.text, each.name.span)
    return Entry(entry.root, text, declared_record(entry.record, report), spans)


def _parameters(node: syntax.Def, report: Callable[[Diagnostic], None]) -> tuple[Type, ...]:
    names: set[str] = set()
    types = []
    for parameter in node.parameters:
        type = declared_type(parameter.type, report)
        # The second of two equal names stands for nothing, so nothing is asked of its argument.
        types.append(type if _free(parameter.name, names, report) else UNKNOWN)
        names.add(parameter.name.text)
    return tuple(types)


def _references(node: syntax.Let | syntax.Def, definitions: Mapping[str, object]) -> list[str]:
    """The definitions of the same module that `node` names, without recursion: trees may be deep."""
    found: dict[str, None] = {}
    stack: list[syntax.Node] = [node.value if isinstance(node, syntax.Let) else node.body]
    while stack:
        match stack.pop():
            case syntax.Name(text):
                found[text] = None
            case syntax.SetExpression(members):
                stack += members
            case syntax.If(condition, then, otherwise):
                stack += (condition, then, otherwise)
            case syntax.Quantifier(_, _, over, condition):
                stack += (over, condition)
            case syntax.Binary(_, left, right):
                stack += (left, right)
            case syntax.Not(operand) | syntax.Negate(operand) | syntax.Has(operand):
                stack.append(operand)
            case syntax.Attribute(object):
                stack.append(object)
            case syntax.Index(object, key):
                stack += (object, key)
            case syntax.Call(function, arguments):
                stack += (function, *arguments)
            case _:
                pass
    return [name for name in found if name in definitions]


def ordered(graph: Mapping[str, Iterable[str]]) -> tuple[list[str], list[list[str]]]:
    """The nodes of `graph` with each after those it points to, and every circle that was met on the way.

    Each circle begins with its first node in alphabetical order; no walk through `graph` is endless once
    the nodes named in the circles are left out.
    """
    order: list[str] = []
    circles: list[list[str]] = []
    path: dict[str, int] = {}
    done: set[str] = set()
    for start in sorted(graph):
        if start in done:
            continue
        path[start] = 0
        stack = [(start, iter(graph[start]))]
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                path.pop(node)
                done.add(node)
                order.append(node)
            elif following in path:
                circle = list(path)[path[following] :]
                first = circle.index(min(circle))
                circles.append(circle[first:] + circle[:first])
            elif following not in done:
                path[following] = len(path)
                stack.append((following, iter(graph[following])))
    return order, circles
