"""From `@owner("…")` and its kin to `Annotations`. Knows no rules.

Whether a sunset has passed is for `lint`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time

from pdp.language import syntax
from pdp.language.source import Span
from pdp.language.suggest import suggest
from pdp.rules.rules import Annotations
from pdp.rules.scope import Scope

_KNOWN = ("owner", "control", "sunset", "since", "ticket")


def annotated(nodes: Sequence[syntax.Annotation], scope: Scope, spans: dict[str, Span]) -> Annotations:
    """What the annotations of one rule say. Adds where its dates stand to `spans`."""
    owner = ticket = ""
    controls: tuple[str, ...] = ()
    since = sunset = None
    seen: set[str] = set()
    for node in nodes:
        name = node.name.text
        if name not in _KNOWN:
            hint = suggest(name, _KNOWN, "@") or f"there are {', '.join(f'`@{known}`' for known in _KNOWN)}"
            scope.tell("PDP212", node.name.span, f"there is no annotation `@{name}`", hint)
            continue
        if name in seen:
            scope.tell("PDP206", node.name.span, f"`@{name}` stands twice on one rule")
        seen.add(name)
        match name:
            case "owner":
                owner = _text(node, scope)
            case "ticket":
                ticket = _text(node, scope)
            case "control":
                controls = _texts(node, scope)
            case "since":
                since = _date(node, scope)
                spans["since"] = node.span
            case _:
                sunset = _date(node, scope)
                spans["sunset"] = node.span
    if since is not None and sunset is not None and sunset <= since:
        scope.tell("PDP321", spans["sunset"], "this sunset is not after the rule's `@since`")
    return Annotations(owner, controls, ticket, since, sunset)


def _text(node: syntax.Annotation, scope: Scope) -> str:
    match node.arguments:
        case (syntax.Text(value),) if value:
            return value
        case _:
            scope.tell(
                "PDP321", node.span, f'`@{node.name.text}` takes one text, as in `@{node.name.text}("…")`'
            )
            return ""


def _texts(node: syntax.Annotation, scope: Scope) -> tuple[str, ...]:
    texts = tuple(a.value for a in node.arguments if isinstance(a, syntax.Text) and a.value)
    if not texts or len(texts) != len(node.arguments):
        scope.tell("PDP321", node.span, '`@control` takes one or more texts, as in `@control("NHI7:2025")`')
    return texts


def _date(node: syntax.Annotation, scope: Scope) -> datetime | None:
    match node.arguments:
        case (syntax.Timestamp(value),) if value.time() == time():
            return value
        case _:
            message = f"`@{node.name.text}` takes one date, as in `@{node.name.text}(2027-03-31)`"
            scope.tell("PDP321", node.span, message)
            return None
