"""From the head clauses of a rule to its `Head`: patterns checked, lets of strings in place, each once.

Knows no conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from pdp.access.patterns import check_caller_pattern
from pdp.language import syntax
from pdp.language.source import Span
from pdp.language.suggest import suggest
from pdp.rules import definitions
from pdp.rules.infer import expression
from pdp.rules.rules import Head, Kind
from pdp.rules.scope import Scope
from pdp.rules.terms import Const
from pdp.schema.schema import KINDS
from pdp.schema.types import UNKNOWN

HeadClause = syntax.CallerClause | syntax.AudienceClause | syntax.ActionClause | syntax.ResourceClause
_Check = Callable[[str], None]


def head(clauses: Sequence[syntax.Clause], scope: Scope, spans: dict[str, Span]) -> Head:
    """The head of a rule. Adds where each clause stands to `spans`: what is not there was left out."""
    kind: Kind | None = None
    callers = groups = audiences = actions = resource_ids = None
    resource_type = None
    for clause in clauses:
        match clause:
            case syntax.CallerClause():
                if _once("caller", clause, spans, scope):
                    kind = None if clause.kind in (None, "any") else cast("Kind", clause.kind)
                    also = ("any", *KINDS) if clause.kind is None else ()
                    callers = _texts(clause.patterns, check_caller_pattern, scope, also)
                    groups = _texts(clause.groups, _not_empty, scope)
                    _check_anonymous(clause, scope)
            case syntax.AudienceClause(values):
                if _once("audience", clause, spans, scope):
                    audiences = _texts(values, _plain, scope)
            case syntax.ActionClause(patterns):
                if _once("action", clause, spans, scope):
                    actions = _texts(patterns, _not_empty, scope)
            case syntax.ResourceClause(type, patterns):
                if _once("resource", clause, spans, scope):
                    resource_type = named_type(type, scope) if type is not None else None
                    resource_ids = _texts(patterns, _not_empty, scope)
            case _:
                pass
    return Head(kind, callers, groups, audiences, actions, resource_type, resource_ids)


def _once(name: str, clause: HeadClause, spans: dict[str, Span], scope: Scope) -> bool:
    if name in spans:
        scope.tell("PDP319", clause.span, f"a rule has one `{name}` clause", "list alternatives with commas")
        return False
    spans[name] = clause.span
    return True


def _check_anonymous(clause: syntax.CallerClause, scope: Scope) -> None:
    if clause.kind == "anonymous" and (clause.patterns or clause.groups):
        message = "an anonymous caller has no id and no groups, so this matches nobody"
        scope.tell("PDP318", (clause.patterns or clause.groups)[0].span, message)


def named_type(node: syntax.Name, scope: Scope) -> str:
    """The resource type that `node` names; `ledger.entry` is `entry`, which the schema of `ledger` declares.

    What names none stays as it is written: nothing more is told of what no schema declares.
    """
    alias, dot, name = node.text.rpartition(".")
    if dot:
        module = definitions.used(alias, node.span, scope)
        if module is None or "schema" in module.lost:
            return node.text
        declared = [entry.key for entry in module.entries if entry.root == "resource"]
        if name in declared:
            return name
        message = f"`{module.module}` declares no resource type `{name}`"
        scope.tell("PDP208", node.span, message, suggest(name, declared))
        return node.text
    roots = scope.environment.roots
    if name not in roots.resources and roots.schema.strict:
        hint = suggest(name, roots.resources) or f"declare it: `resource {name} {{ … }}` in a schema"
        scope.tell("PDP208", node.span, f"no schema declares the resource type `{name}`", hint)
    return name


def _texts(
    nodes: Sequence[syntax.Text | syntax.Name], check: _Check, scope: Scope, also: Sequence[str] = ()
) -> tuple[str, ...] | None:
    """The texts that `nodes` write, lets in place, each once; None where there are none."""
    if not nodes:
        return None
    found: dict[str, None] = {}
    for node in nodes:
        texts = (node.value,) if isinstance(node, syntax.Text) else _let(node, scope, also)
        for text in texts:
            try:
                check(text)
            except ValueError as problem:
                scope.tell("PDP318", node.span, str(problem))
            found[text] = None
    return tuple(found)


def _let(node: syntax.Name, scope: Scope, also: Sequence[str]) -> Sequence[str]:
    """The text or texts of a let, a set in sorted order."""
    if definitions.find(node, scope, also) is None:
        return ()
    term = expression(node, scope)
    if isinstance(term, Const) and term.type != UNKNOWN:
        if isinstance(term.value, str):
            return (term.value,)
        if isinstance(term.value, frozenset) and term.value and all(isinstance(v, str) for v in term.value):
            return sorted(term.value)
    if term.type != UNKNOWN or not scope.broken:
        scope.tell("PDP318", node.span, f"`{node.text}` is not a let of one or more literal texts")
    return ()


def _not_empty(text: str) -> None:
    if not text:
        raise ValueError("an empty pattern matches nothing")


def _plain(text: str) -> None:
    if not text:
        raise ValueError("an empty audience is nobody's name")
    if "*" in text:
        raise ValueError(
            f"`{text}` has a `*`, and an audience has no patterns: name it in full, or write `any`"
        )
