"""Expressions and types as documents to lay out: parentheses stand exactly where precedence demands them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar, assert_never

from pdp.language.layout import SOFT, SPACE, Broken, Doc, Group, align, breaks, group, indent
from pdp.language.literals import quoted
from pdp.language.syntax import (
    Attribute,
    Binary,
    Bool,
    Call,
    Duration,
    Entry,
    EnumType,
    Expression,
    Field,
    Float,
    Has,
    If,
    Index,
    Int,
    MapType,
    Name,
    NamedType,
    Negate,
    Node,
    Not,
    Quantifier,
    RecordExpression,
    RecordType,
    SetExpression,
    SetType,
    Text,
    Timestamp,
    TypeNode,
)
from pdp.language.written import Written

N = TypeVar("N", bound=Node)

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")

# How tightly each binds, as the grammar nests its productions. An operand that binds less needs parentheses.
_LOOSEST = 0
_OR, _AND, _NOT, _COMPARISON, _DEFAULT, _SUM, _PRODUCT, _NEGATE, _POSTFIX = range(1, 10)
_BINDS = {
    "or": _OR, "and": _AND, "??": _DEFAULT, "+": _SUM, "-": _SUM, "*": _PRODUCT,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "like"), _COMPARISON),
}  # fmt: skip


def expression(node: Expression, written: Written, least: int = _LOOSEST) -> Doc:
    """`node`, in parentheses where it binds less than `least`."""
    binds, first = _binding(node)
    if binds < least:
        gap = written.before(first.span.start, opening=True)
        bare = _bare(node, written, chained=False)
        last = written.before(node.span.end - 1)
        return group("(", indent(*gap, SOFT, bare, *last), SOFT, ")")
    return _bare(node, written, chained=least > _LOOSEST)


def _operand(node: Expression, written: Written, least: int) -> Doc:
    """`node` as an operand. Few readers know how tightly `??` binds: it has parentheses without need."""
    default = isinstance(node, Binary) and node.operator == "??"
    return expression(node, written, max(least, _SUM) if default else least)


def _binding(node: Expression) -> tuple[int, Node]:
    """How tightly `node` binds, and the first part of it: its own span begins with its parentheses."""
    match node:
        case If():
            return _LOOSEST, node.condition
        case Quantifier():
            return _LOOSEST, node.variable
        case Binary():
            return _BINDS[node.operator], node.left
        case Not():
            return _NOT, node.operand
        case Has():
            return _COMPARISON, node.operand
        case Negate():
            return _NEGATE, node.operand
        case _:
            return _POSTFIX, node


def _bare(node: Expression, written: Written, *, chained: bool) -> Doc:
    match node:
        case Bool() | Int() | Float() | Text() | Duration() | Timestamp():
            return written.literal(node)
        case Name():
            return node.text
        case SetExpression():
            return listed("[]", node.members, within(node), written, expression)
        case If():
            return _if(node, written)
        case Quantifier():
            over = _operand(node.over, written, _DEFAULT)
            gap = written.before(node.condition.span.start)
            head = f"{node.kind} {node.variable.text} in ", over, ":"
            return group(align(head, indent(*gap, SPACE, expression(node.condition, written))))
        case Binary():
            if _BINDS[node.operator] == _COMPARISON:
                return _comparison(node, written)
            return _chain(node, written, chained)
        case Not():
            return "not ", _operand(node.operand, written, _NOT)
        case Negate():
            return "-", expression(node.operand, written, _NEGATE)
        case Has():
            return "has ", expression(node.operand, written, _POSTFIX)
        case Attribute():
            return expression(node.object, written, _POSTFIX), ".", node.name.text
        case Index():
            return expression(node.object, written, _POSTFIX), "[", expression(node.key, written), "]"
        case Call():
            place = node.function.span.end, node.span.end - 1
            return node.function.text, listed("()", node.arguments, place, written, expression)
        case _:
            assert_never(node)


def _if(node: If, written: Written) -> Doc:
    docs: list[Doc] = ["if ", expression(node.condition, written)]
    for word, branch in (("then ", node.then), ("else ", node.otherwise)):
        gap = written.before(branch.span.start)
        docs.append(indent(*gap, SPACE, word, expression(branch, written)))
    return group(align(*docs))


def _comparison(node: Binary, written: Written) -> Doc:
    left = _operand(node.left, written, _DEFAULT)
    if hugs(node.right):
        return left, f" {node.operator} ", _operand(node.right, written, _DEFAULT)
    gap = written.before(node.right.span.start)
    right = _operand(node.right, written, _DEFAULT)
    return group(align(left, indent(*gap, SPACE, f"{node.operator} ", right)))


def _chain(node: Binary, written: Written, chained: bool) -> Doc:
    """Operands of one precedence below each other, each behind its operator; an inner chain further in."""
    binds = _BINDS[node.operator]
    # What binds as the chain itself is part of it, or stands where it does not belong to it.
    (_, first), *others = _operands(node, binds)
    head = _operand(first, written, binds + 1)
    tail: list[Doc] = []
    for operator, operand in others:
        gap = written.before(operand.span.start)
        tail += (*gap, SPACE, f"{operator} ", _operand(operand, written, binds + 1))
    return group(align(head, indent(*tail) if chained else tuple(tail)))


def _operands(node: Binary, binds: int) -> list[tuple[str, Expression]]:
    """The operands of a chain, each with the operator before it."""
    operands: list[tuple[str, Expression]] = []
    inner: Expression = node
    if binds == _DEFAULT:  # the one operator that groups from the right
        operator = ""
        while isinstance(inner, Binary) and _BINDS[inner.operator] == binds:
            operands.append((operator, inner.left))
            operator, inner = inner.operator, inner.right
        return [*operands, (operator, inner)]
    while isinstance(inner, Binary) and _BINDS[inner.operator] == binds:
        operands.append((inner.operator, inner.right))
        inner = inner.left
    return [("", inner), *reversed(operands)]


def hugs(node: Expression) -> bool:
    """Whether `node` ends in brackets that may break while what stands before them stays where it is."""
    match node:
        case SetExpression() | Call():
            return True
        case Not():
            return hugs(node.operand)
        case Binary():
            return _BINDS[node.operator] == _COMPARISON and hugs(node.right)
        case _:
            return False


# ── brackets ────────────────────────────────────────────────────────────────────────────────────────

# What stands behind a wider column would be too far from its own.
_WIDEST_COLUMN = 40


def pad(column: int, width: int) -> Doc:
    """What brings a part of `width` to the width of its column, where the parts stand below each other."""
    return Broken(" " * (column - width) if column <= _WIDEST_COLUMN else "")


def listed(
    brackets: str,
    nodes: Sequence[N],
    place: tuple[int, int],
    written: Written,
    say: Callable[[N, Written], Doc],
    *,
    blank: bool = False,
) -> Doc:
    """`nodes` in brackets: on one line, or each on its own, as they are where the author began a new line.

    `place` holds the offsets where to look for the opening bracket, and before which the last comments stand.
    With `blank` the brackets keep off what is in them.
    """
    opening, closing = brackets[0], brackets[1]
    start, end = place
    line = SPACE if blank else SOFT
    inside: list[Doc] = []
    for node in nodes:
        comma = (",",) if inside else ()
        gap = written.before(node.span.start, opening=not inside)
        inside += (*comma, *gap, SPACE if inside else line, say(node, written))
    last = written.before(end, opening=not inside)
    if not inside and not last:
        return brackets
    parts = opening, indent(*inside, Broken(",") if inside else "", *last), line, closing
    return Group(parts, breaks(parts) or (bool(inside) and written.begins_line(opening, start)))


def within(node: Node) -> tuple[int, int]:
    """The place of the brackets that are the first and the last character of `node`."""
    return node.span.start, node.span.end - 1


def record(node: RecordExpression, written: Written) -> Doc:
    width = max((len(_key(entry.key)) for entry in node.entries), default=0)

    def say(entry: Entry, written: Written) -> Doc:
        key, value = _key(entry.key), entry.value
        told = record(value, written) if isinstance(value, RecordExpression) else expression(value, written)
        return f"{key}: ", pad(width, len(key)), told

    return listed("{}", node.entries, within(node), written, say, blank=True)


def _key(name: Name) -> str:
    return name.text if _NAME.match(name.text) else quoted(name.text)


# ── types ───────────────────────────────────────────────────────────────────────────────────────────


def type_(node: TypeNode, written: Written) -> Doc:
    match node:
        case NamedType():
            return node.name
        case SetType():
            return "set<", type_(node.member, written), ">"
        case MapType():
            return "map<", type_(node.value, written), ">"
        case EnumType():
            first, *others = (written.literal(member) for member in node.members)
            return group(align(first, *((SPACE, f"| {other}") for other in others)))
        case RecordType():
            return record_type(node, written)
        case _:
            assert_never(node)


def record_type(node: RecordType, written: Written) -> Doc:
    width = max((len(_named(field)) for field in node.fields), default=0)

    def say(field: Field, written: Written) -> Doc:
        name = _named(field)
        return name, pad(width, len(name)), type_(field.type, written)

    return listed("{}", node.fields, within(node), written, say, blank=True)


def _named(field: Field) -> str:
    return f"{field.name.text}{'?' if field.optional else ''}: "
