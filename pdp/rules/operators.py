"""The types of operators, and what to say when they do not fit. Knows nothing of what operands are."""

from __future__ import annotations

from pdp.language import syntax
from pdp.language.suggest import suggest
from pdp.rules.agree import NUMBERS, ORDERED, alike, fits, has_float
from pdp.rules.scope import Scope
from pdp.rules.terms import Const, In, Term
from pdp.schema.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    IP,
    STRING,
    TIMESTAMP,
    UNKNOWN,
    Enum,
    MapOf,
    RecordOf,
    SetOf,
    Type,
)  # fmt: skip

_SUMS = {
    ("+", DURATION, DURATION): DURATION,
    ("+", TIMESTAMP, DURATION): TIMESTAMP,
    ("+", DURATION, TIMESTAMP): TIMESTAMP,
    ("-", DURATION, DURATION): DURATION,
    ("-", TIMESTAMP, DURATION): TIMESTAMP,
    ("-", TIMESTAMP, TIMESTAMP): DURATION,
    ("*", INT, DURATION): DURATION,
    ("*", FLOAT, DURATION): DURATION,
    ("*", DURATION, INT): DURATION,
    ("*", DURATION, FLOAT): DURATION,
}  # fmt: skip


def arithmetic(node: syntax.Binary, left: Type, right: Type, scope: Scope) -> Type:
    """The type of `left + right`, `-` or `*`."""
    if left in NUMBERS and right in NUMBERS:
        return INT if left == right == INT else FLOAT
    if UNKNOWN in (left, right):
        return UNKNOWN
    found = _SUMS.get((node.operator, left, right))  # type: ignore[arg-type]  # a miss is the point
    if found is None:
        hint = "texts cannot be joined" if node.operator == "+" and left == right == STRING else ""
        message = f"`{node.operator}` has no meaning between {named(left)} and {named(right)}"
        scope.tell("PDP301", node.span, message, hint)
        return UNKNOWN
    return found


def negative(node: syntax.Negate, type: Type, scope: Scope) -> Type:
    """The type of `-operand`."""
    if type in (INT, FLOAT, DURATION, UNKNOWN):
        return type
    scope.tell("PDP301", node.span, f"`-` has no meaning for {named(type)}")
    return UNKNOWN


def equal(node: syntax.Binary, left: Term, right: Term, scope: Scope) -> None:
    """Check the operands of `==` and `!=`."""
    one, two = left.type, right.type
    if has_float(one) or has_float(two):
        hint = "compare with `<`, `<=`, `>` or `>=`"
        scope.tell("PDP303", node.span, f"`{node.operator}` has no meaning for floats", hint)
    elif isinstance(one, (MapOf, RecordOf)) or isinstance(two, (MapOf, RecordOf)):
        which = one if isinstance(one, (MapOf, RecordOf)) else two
        scope.tell("PDP302", node.span, f"`{node.operator}` has no meaning for {named(which)}")
    elif not literal_member(node.left, left, two, scope) or not literal_member(node.right, right, one, scope):
        pass
    elif not alike(one, two):
        _apart(node, one, two, scope)


def order(node: syntax.Binary, left: Type, right: Type, scope: Scope) -> None:
    """Check the operands of `<`, `<=`, `>` and `>=`."""
    for type in (left, right):
        if type != UNKNOWN and type not in ORDERED:
            scope.tell("PDP302", node.span, f"`{node.operator}` has no meaning for {named(type)}")
            return
    if UNKNOWN not in (left, right) and left != right and not (left in NUMBERS and right in NUMBERS):
        _apart(node, left, right, scope)


def _apart(node: syntax.Binary, left: Type, right: Type, scope: Scope) -> None:
    hint = ""
    if IP in (left, right) and STRING in (left, right):
        hint = 'write an address as `ip("10.0.0.1")`'
    elif isinstance(left, SetOf) or isinstance(right, SetOf):
        hint = "`in` asks for a member of a set"
    scope.tell("PDP302", node.span, f"`{node.operator}` compares {named(left)} with {named(right)}", hint)


def literal_member(node: syntax.Node, term: Term, wanted: Type, scope: Scope) -> bool:
    """Check a literal where an enum is `wanted`, or a set of one: each text must be a member of the enum."""
    if not isinstance(term, Const) or term.type == UNKNOWN:
        return True
    match wanted, term.value:
        case Enum(members), str() as text:
            wrong = [] if text in members else [text]
        case SetOf(Enum(members)), frozenset() as texts:
            wrong = sorted(text for text in texts if isinstance(text, str) and text not in members)
        case _:
            return True
    places = {text.value: text for text in _texts(node)}
    for text in wrong:
        message = f'`"{text}"` is none of {Enum(members)}'
        scope.tell("PDP304", places.get(text, node).span, message, suggest(text, members))
    return not wrong


def _texts(node: syntax.Node) -> list[syntax.Text]:
    if not isinstance(node, syntax.SetExpression):
        return []
    return [member for member in node.members if isinstance(member, syntax.Text)]


def within(node: syntax.Binary, item: Term, container: Term, scope: Scope) -> Term:
    """`item in container`, told apart by the container."""
    match container.type:
        case SetOf(member):
            if member == IP:
                if fits(item.type, IP):
                    return In("networks", item, container, span=node.span, type=BOOL)
            elif _within_set(node, item, container, member, scope):
                return In("set", item, container, span=node.span, type=BOOL)
            else:
                return In("set", item, container, span=node.span, type=UNKNOWN)
        case MapOf():
            if fits(item.type, STRING):
                return In("key", item, container, span=node.span, type=BOOL)
            message = f"the keys of a map are text, and this is {named(item.type)}"
            return scope.wrong("PDP313", node.left.span, message)
        case type if type == IP:
            if fits(item.type, IP):
                return In("network", item, container, span=node.span, type=BOOL)
        case type if type == UNKNOWN:
            return In("dynamic", item, container, span=node.span, type=BOOL)
        case type:
            hint = "`contains(text, part)` looks for text in text" if type == STRING else ""
            return scope.wrong(
                "PDP313", node.right.span, f"`in` takes a set, map or network, not {named(type)}", hint
            )
    hint = 'write an address as `ip("10.0.0.1")`' if item.type == STRING else ""
    return scope.wrong(
        "PDP313", node.left.span, f"only an ip is within a network, not {named(item.type)}", hint
    )


def _within_set(node: syntax.Binary, item: Term, container: Term, member: Type, scope: Scope) -> bool:
    known = literal_member(node.left, item, member, scope)
    if not literal_member(node.right, container, SetOf(item.type), scope) or not known:
        return False
    if not has_float(item.type) and alike(item.type, member):
        return True
    scope.tell("PDP313", node.span, f"`in` looks for {named(item.type)} in {named(container.type)}")
    return False


def named(type: Type) -> str:
    """A type in the words of a message."""
    match type:
        case RecordOf():
            return "a record"
        case _:
            return f"`{type}`"
