"""How deep a tree is nested, told without recursion, so that everything after the parser may recurse."""

from __future__ import annotations

from pdp.language.diagnostic import Diagnostic
from pdp.language.syntax import Node

MAX_DEPTH = 64


def too_deep(declaration: Node) -> Diagnostic | None:
    """The finding when expressions or types in `declaration` nest too deep, at the first such place."""
    # A declaration and its clauses are two levels that nobody would call nesting.
    stack: list[tuple[Node, int]] = [(declaration, -2)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            message = f"this nests deeper than {MAX_DEPTH} levels"
            hint = "name parts of it with `let` or `def`, or use several `when`"
            return Diagnostic("PDP108", node.span, message, hint)
        # Each level writes something, so what is written in a few characters is nested a few levels deep. One
        # level may not: the enum of a single text.
        if node.span[2] - node.span[1] < MAX_DEPTH - depth:
            continue
        names: tuple[str, ...] = node.__match_args__
        for name in names:
            child = getattr(node, name)
            if isinstance(child, Node):
                stack.append((child, depth + 1))
            elif type(child) is tuple:
                stack.extend((each, depth + 1) for each in reversed(child) if isinstance(each, Node))
    return None
