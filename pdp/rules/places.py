"""Roots, their members and items of maps: what may be read where, and when it may be absent.

Knows what a scope knows; nothing of operators, lets or rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pdp.language import syntax
from pdp.language.diagnostic import Diagnostic
from pdp.language.suggest import suggest
from pdp.rules.agree import fits
from pdp.rules.attributes import Reading
from pdp.rules.interface import ROOTS
from pdp.rules.known import TASK, Known
from pdp.rules.operators import named
from pdp.rules.scope import Scope
from pdp.rules.terms import Has, Item, Member, Root, RootName, Term
from pdp.schema.types import BOOL, STRING, TIMESTAMP, UNKNOWN, MapOf, RecordOf

_ROOTS = frozenset(ROOTS)
_VALUES = {"audience": STRING, "now": TIMESTAMP}


def bare_root(node: syntax.Name) -> Root | None:
    """The root that `node` names, without the type that only a use of it as a whole would need."""
    if node.text in _ROOTS:
        name = cast("RootName", node.text)
        return Root(name, span=node.span, type=_VALUES.get(name, UNKNOWN))
    return None


def root(node: syntax.Name, scope: Scope) -> Root | None:
    """The root that `node` names, as a whole."""
    found = bare_root(node)
    if found is None or found.name in _VALUES:
        return found
    if found.name in ("resource", "action"):
        scope.contextual = True
    return Root(found.name, span=node.span, type=scope.environment.roots.record(found.name, scope.known))


def has_task(node: syntax.Has) -> Term:
    """`has task`."""
    return Has(Member(Root("task"), "id", span=node.span, type=STRING), span=node.span, type=BOOL)


def member(node: syntax.Attribute, record: Term, scope: Scope, absent: bool) -> Term:
    """`record.name`; with `absent` it need not be there."""
    name = node.name.text
    if isinstance(record, Root) and record.name not in _VALUES:
        return _root_member(node, record, scope, absent)
    match record.type:
        case RecordOf() as type:
            attribute = type.get(name)
            if attribute is None:
                known = [known for known, _ in type.attributes]
                message = f"`{written(node.object)}` has no attribute `{name}`"
                return scope.wrong("PDP307", node.name.span, message, suggest(name, known))
            term = Member(record, name, span=node.span, type=attribute.type)
            if attribute.optional:
                _guard(node, term, scope, absent, f"`{written(node)}` may be absent")
            return term
        case MapOf():
            return scope.wrong("PDP307", node.name.span, "a map has no attributes", f'write `["{name}"]`')
        case type if type == UNKNOWN:
            return Member(record, name, span=node.span, type=UNKNOWN)
        case type:
            return scope.wrong("PDP307", node.name.span, f"{named(type)} has no attributes")


def _root_member(node: syntax.Attribute, record: Root, scope: Scope, absent: bool) -> Term:
    root, name = record.name, node.name.text
    roots = scope.environment.roots
    reading = roots.read(root, name, scope.known)
    if root in ("resource", "action") and name not in roots.fixed[root]:
        scope.contextual = True
    if reading is None:
        if (absent or root == "task") and roots.schema.strict:
            scope.unguarded.add(root)
        return _undeclared(node, record, scope)
    if reading.conflict:
        return _conflict(node, record, reading, scope)
    term = Member(record, name, span=node.span, type=reading.type)
    if root == "task" and name != "active" and not reading.optional:
        guarded = TASK in scope.known.present or "task" in scope.unguarded
        if not (absent or scope.lenient or guarded):
            hint = "write `task.active and …` or `has task and …` before it"
            scope.tell("PDP305", node.span, f"`task.{name}` is absent without a task", hint)
        scope.contextual = True
    elif reading.optional:
        what = f"`{written(node)}`"
        if reading.some:
            _guard(
                node,
                term,
                scope,
                absent,
                f"only {_listed(reading.some)} {'has' if len(reading.some) == 1 else 'have'} {what}",
                "PDP322",
                reading.some[0],
            )
        else:
            _guard(node, term, scope, absent, f"{what} may be absent")
    return term


def _guard(
    node: syntax.Attribute | syntax.Index, term: Term, scope: Scope, absent: bool, message: str,
    code: str = "PDP305", some: str = "",
) -> None:  # fmt: skip
    scope.contextual = True
    if absent or scope.lenient or term in scope.known.present or _root_of(term) in scope.unguarded:
        return
    what = written(node)
    hint = f"write `has {what} and …` before it, or `{what} ?? …`"
    if isinstance(node, syntax.Index):
        hint = f"write `{written(node.key)} in {written(node.object)} and …` before it, or `{what} ?? …`"
    elif some.startswith("resource"):
        hint = f'state `{some}` in the rule, or write `resource.type == "{some[9:]}" and …` before it'
    elif some:
        hint = f"state `{some}` in the rule, or write `has {what} and …` before it"
    scope.tell(code, node.span, message, hint)


def _root_of(term: Term) -> str:
    """The root that a member or item is read from; nothing where it is read from something else."""
    while isinstance(term, (Member, Item)):
        term = term.record if isinstance(term, Member) else term.map
    return term.name if isinstance(term, Root) else ""


def _undeclared(node: syntax.Attribute, record: Root, scope: Scope) -> Term:
    root, name = record.name, node.name.text
    roots = scope.environment.roots
    scope.contextual = True
    hint = suggest(name, roots.names(root, scope.known), f"{root}.")
    if root in ("credential", "task"):
        return scope.wrong("PDP307", node.span, f"`{root}` has no attribute `{name}`", hint)
    warn = not roots.schema.strict
    if f"{root}.{name}" not in scope.undeclared and (scope.environment.warn or not warn):
        # Told where a rule reads it first.
        scope.undeclared.add(f"{root}.{name}")
        message = undeclared(root, name, scope.known)
        scope.report(Diagnostic("PDP406", node.span, message, hint, "warning" if warn else "error"))
    if not warn:
        return scope.nothing(node.span)
    return Member(record, name, span=node.span, type=UNKNOWN)


def undeclared(root: str, name: str, known: Known) -> str:
    """What is said of a member of `root` that nothing declares, where so much is known."""
    if root == "resource" and known.types is not None and len(known.types) == 1:
        return f"the schema of `{next(iter(known.types))}` declares no `{name}`"
    if root == "action" and known.actions:
        actions = _listed([f'action "{glob}"' for glob in known.actions[-1]])
        return f"no schema declares `{name}` for {actions}"
    return f"no schema declares `{root}.{name}`"


def _conflict(node: syntax.Attribute, record: Root, reading: Reading, scope: Scope) -> Term:
    term = Member(record, node.name.text, span=node.span, type=UNKNOWN)
    if not scope.lenient:
        message = f"`{written(node)}` has different types in {_listed(reading.some)}"
        scope.tell("PDP322", node.span, message, 'write `resource.type == "…" and …` before it')
    return term


def _listed(names: Sequence[str]) -> str:
    shown = [f"`{name}`" for name in names[:3]]
    if len(names) > 3:
        return f"{', '.join(shown)} and {len(names) - 3} more"
    return " and ".join(shown)


def item(node: syntax.Index, map: Term, key: Term, scope: Scope, absent: bool) -> Term:
    """`map[key]`; with `absent` it need not be there."""
    match map.type:
        case MapOf(value):
            if not fits(key.type, STRING):
                return scope.wrong(
                    "PDP307", node.key.span, f"the keys of a map are text, not {named(key.type)}"
                )
            term = Item(map, key, span=node.span, type=value)
            _guard(node, term, scope, absent, f"`{written(node)}` may be absent")
            return term
        case RecordOf():
            key_hint = f"write `.{node.key.value}`" if isinstance(node.key, syntax.Text) else ""
            return scope.wrong("PDP307", node.span, "only a map is read by key", key_hint)
        case type if type == UNKNOWN:
            return Item(map, key, span=node.span, type=UNKNOWN)
        case type:
            hint = "`in` asks whether a set has a member" if "set<" in str(type) else ""
            return scope.wrong("PDP307", node.span, f"only a map is read by key, not {named(type)}", hint)


def optional(node: syntax.Expression, term: Term, scope: Scope, operator: str) -> bool:
    """Check that `has` or `??` stands at something that can be absent."""
    if not isinstance(term, (Member, Item)):
        if term.type != UNKNOWN or not scope.broken:
            scope.tell("PDP306", node.span, f"`{operator}` takes an attribute or an item of a map")
        return False
    # A definition is shared: what is always there for one of its users may be absent for another.
    if scope.inlined or _may_be_absent(term, scope):
        return True
    hint = f"leave out the `{operator}`: reading what is absent all the same is a failure, which fails closed"
    scope.tell("PDP306", node.span, f"`{written(node)}` is not optional", hint)
    return False


def _may_be_absent(term: Term, scope: Scope) -> bool:
    while isinstance(term, (Member, Item)):
        if isinstance(term, Item) or term.type == UNKNOWN:
            return True
        record = term.record
        if isinstance(record, Root):
            reading = scope.environment.roots.read(record.name, term.name, scope.known)
            return reading is None or reading.optional or (record.name == "task" and term.name != "active")
        attribute = record.type.get(term.name) if isinstance(record.type, RecordOf) else None
        if attribute is None or attribute.optional:
            return True
        term = record
    return False


def written(node: syntax.Node) -> str:
    """A place as its author wrote it, or a word for anything longer."""
    match node:
        case syntax.Name(text):
            return text
        case syntax.Attribute(object, name):
            return f"{written(object)}.{name.text}"
        case syntax.Index(object, key):
            return f"{written(object)}[{written(key)}]"
        case syntax.Text(value):
            return f'"{value}"'
        case _:
            return "…"
