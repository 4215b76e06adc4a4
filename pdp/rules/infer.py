"""From an expression to a typed term: names resolved, types checked, optional attributes guarded, lets and
defs in place. Tells what is wrong and never raises; where something was wrong the term's type is `UNKNOWN`.

Knows one expression at a time, and nothing of rules, heads or tests.
"""

from __future__ import annotations

from typing import Literal, assert_never, cast

from pdp.access.values import INT_MAX, VISIT_LIMIT
from pdp.language import syntax
from pdp.language.source import Span
from pdp.rules import definitions, operators, places
from pdp.rules.agree import MEMBERS, join
from pdp.rules.calls import call
from pdp.rules.known import Known, when
from pdp.rules.operators import named
from pdp.rules.scope import Scope, TooLarge
from pdp.rules.terms import (
    And,
    Arithmetic,
    Compare,
    Const,
    Default,
    Has,
    If,
    Item,
    Negative,
    Not,
    Or,
    Quantify,
    SetTerm,
    Term,
    Variable,
)  # fmt: skip
from pdp.schema.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    STRING,
    TIMESTAMP,
    UNKNOWN,
    Enum,
    MapOf,
    SetOf,
    Type,
)  # fmt: skip

# The type of `[]`.
_EMPTY = SetOf(UNKNOWN)


def expression(node: syntax.Expression, scope: Scope) -> Term:
    """The term of a whole expression. What it teaches is for the caller to add to `scope.known`."""
    names, interface, report, known = scope.names, scope.interface, scope.report, scope.known
    inlined = scope.inlined
    scope.size = scope.depth = scope.deepest = 0
    scope.visits = 1
    try:
        return infer(node, scope)
    except TooLarge as limit:
        scope.names, scope.interface, scope.report, scope.known = names, interface, report, known
        scope.inlined = inlined
        return scope.wrong("PDP317", node.span, str(limit), "say the same in fewer steps")


def condition(node: syntax.Expression, scope: Scope) -> Term:
    """The term of a whole expression that must be a bool."""
    term = expression(node, scope)
    _expect_bool(node, term, scope)
    return term


def infer(node: syntax.Expression, scope: Scope, absent: bool = False) -> Term:
    """The term of `node`; with `absent` it may be an attribute that is not there (under `has` and `??`)."""
    scope.grow(1, 1)
    scope.depth += 1
    span = node.span
    term: Term
    match node:
        case syntax.Attribute():
            term = _attribute(node, scope, absent)
        case syntax.Name():
            term = _name(node, scope, absent)
        case syntax.Binary():
            term = _binary(node, scope)
        case syntax.Text(value):
            term = Const(value, span=span, type=STRING)
        case syntax.Call():
            term = _call(node, scope, absent)
        case syntax.Int(value):
            term = _int(value, span, scope)
        case syntax.Bool(value):
            term = Const(value, span=span, type=BOOL)
        case syntax.Duration(value):
            term = Const(value, span=span, type=DURATION)
        case syntax.SetExpression():
            term = _set(node, scope)
        case syntax.Not(operand):
            inner = infer(operand, scope)
            _expect_bool(operand, inner, scope)
            term = Not(inner, span=span, type=BOOL)
        case syntax.Has():
            term = _has(node, scope)
        case syntax.Index():
            term = _index(node, scope, absent)
        case syntax.If():
            term = _if(node, scope)
        case syntax.Quantifier():
            term = _quantifier(node, scope)
        case syntax.Negate():
            term = _negate(node, scope)
        case syntax.Timestamp(value):
            term = Const(value, span=span, type=TIMESTAMP)
        case syntax.Float(value):
            term = Const(value, span=span, type=FLOAT)
        case _:
            assert_never(node)
    scope.depth -= 1
    return term


def _expect_bool(node: syntax.Expression, term: Term, scope: Scope) -> None:
    if term.type != BOOL and term.type != UNKNOWN:
        scope.tell("PDP308", node.span, f"a condition is true or false, and this is {named(term.type)}")


def _int(value: int, span: Span, scope: Scope) -> Term:
    if value > INT_MAX:
        return scope.wrong("PDP316", span, f"this number does not fit in 64 bits, at most {INT_MAX:_}")
    return Const(value, span=span, type=INT)


# Names and attributes.


def _name(node: syntax.Name, scope: Scope, absent: bool) -> Term:
    name = node.text
    local = scope.names.get(name)
    if local is not None:
        if isinstance(local, Variable):
            return Variable(local.name, span=node.span, type=local.type)
        return local
    root = places.root(node, scope)
    if root is not None:
        return root
    use = definitions.find(node, scope)
    if use is None:
        return scope.nothing(node.span)
    return definitions.let(use, node, scope, infer, absent)


def _attribute(node: syntax.Attribute, scope: Scope, absent: bool) -> Term:
    object = node.object
    if isinstance(object, syntax.Name) and object.text not in scope.names:
        root = places.bare_root(object)
        if root is not None:
            scope.grow(1, 1)
            return places.member(node, root, scope, absent)
        if object.text in scope.interface.uses:
            dotted = syntax.Name(f"{object.text}.{node.name.text}", span=node.span)
            return _name(dotted, scope, absent)
    return places.member(node, infer(object, scope, absent), scope, absent)


def _index(node: syntax.Index, scope: Scope, absent: bool) -> Term:
    map = infer(node.object, scope, absent)
    return places.item(node, map, infer(node.key, scope), scope, absent)


def _call(node: syntax.Call, scope: Scope, absent: bool) -> Term:
    name = node.function.text
    if "." in name or name in scope.interface.definitions or name in scope.interface.lost:
        use = definitions.find(node.function, scope)
        arguments = tuple(infer(argument, scope) for argument in node.arguments)
        if use is None:
            return scope.nothing(node.span)
        return definitions.apply(use, node, arguments, scope, infer, absent)
    return call(node, tuple(infer(argument, scope) for argument in node.arguments), scope)


def _has(node: syntax.Has, scope: Scope) -> Term:
    operand = node.operand
    if isinstance(operand, syntax.Name) and operand.text == "task":
        return places.has_task(node)
    term = infer(operand, scope, absent=True)
    if not places.optional(operand, term, scope, "has"):
        return scope.nothing(node.span)
    return Has(term, span=node.span, type=BOOL)


# Operators.


def _binary(node: syntax.Binary, scope: Scope) -> Term:
    operator, span = node.operator, node.span
    if operator in ("and", "or"):
        return _chain(node, scope)
    if operator == "??":
        return _default(node, scope)
    left = infer(node.left, scope)
    right = infer(node.right, scope)
    match operator:
        case "==":
            operators.equal(node, left, right, scope)
            return Compare("==", left, right, span=span, type=BOOL)
        case "!=":
            operators.equal(node, left, right, scope)
            return Not(Compare("==", left, right, span=span, type=BOOL), span=span, type=BOOL)
        case "<" | "<=" | ">" | ">=":
            operators.order(node, left.type, right.type, scope)
            return Compare(operator, left, right, span=span, type=BOOL)
        case "in":
            return operators.within(node, left, right, scope)
        case "like":
            name = syntax.Name("like", span=span)
            return call(syntax.Call(name, (node.left, node.right), span=span), (left, right), scope)
        case _:
            type = operators.arithmetic(node, left.type, right.type, scope)
            return Arithmetic(cast(Literal["+", "-", "*"], operator), left, right, span=span, type=type)


def _chain(node: syntax.Binary, scope: Scope) -> Term:
    """`a and b and c`, read as one: each operand knows what those before it taught."""
    conjunction = node.operator == "and"
    nodes: list[syntax.Expression] = [node.right]
    left = node.left
    while isinstance(left, syntax.Binary) and left.operator == node.operator:
        nodes.append(left.right)
        left = left.left
    nodes.append(left)
    nodes.reverse()
    before = scope.known
    terms: list[Term] = []
    last = len(nodes) - 1
    for at, each in enumerate(nodes):
        term = infer(each, scope)
        _expect_bool(each, term, scope)
        if at < last:
            scope.known = scope.known & when(term, conjunction)
        if isinstance(term, And if conjunction else Or):
            terms.extend(term.operands)
        else:
            terms.append(term)
    scope.known = before
    kind = And if conjunction else Or
    return kind(tuple(terms), span=node.span, type=BOOL)


def _default(node: syntax.Binary, scope: Scope) -> Term:
    operand = infer(node.left, scope, absent=True)
    fallback = infer(node.right, scope)
    if not places.optional(node.left, operand, scope, "??"):
        return scope.nothing(node.span)
    type = _either(operand, fallback)
    if type is None:
        message = f"`??` gives {named(operand.type)} or {named(fallback.type)}: it must be one type"
        return scope.wrong("PDP315", node.span, message)
    return Default(operand, fallback, span=node.span, type=type)


def _if(node: syntax.If, scope: Scope) -> Term:
    test = infer(node.condition, scope)
    _expect_bool(node.condition, test, scope)
    before = scope.known
    scope.known = before & when(test, True)
    then = infer(node.then, scope)
    scope.known = before & when(test, False)
    otherwise = infer(node.otherwise, scope)
    scope.known = before
    type = _either(then, otherwise)
    if type is None:
        message = f"`if` gives {named(then.type)} or {named(otherwise.type)}: it must be one type"
        return scope.wrong("PDP315", node.span, message)
    return If(test, then, otherwise, span=node.span, type=type)


def _either(one: Term, other: Term) -> Type | None:
    """The type of a value that is one of the two: an empty literal set is a set of what the other holds."""
    for this, that in ((one, other), (other, one)):
        if isinstance(this, Const) and this.type == _EMPTY and isinstance(that.type, SetOf):
            return that.type
    return join(one.type, other.type)


def _negate(node: syntax.Negate, scope: Scope) -> Term:
    operand = node.operand
    if isinstance(operand, syntax.Int) and operand.value == INT_MAX + 1:
        return Const(-operand.value, span=node.span, type=INT)
    term = infer(operand, scope)
    type = operators.negative(node, term.type, scope)
    # The least int has no opposite; every other literal has.
    if isinstance(term, Const) and type in (INT, FLOAT, DURATION) and term.value != -INT_MAX - 1:
        return Const(-term.value, span=node.span, type=type)
    return Negative(term, span=node.span, type=type)


# Sets.


def _set(node: syntax.SetExpression, scope: Scope) -> Term:
    span = node.span
    if all(isinstance(member, syntax.Text) for member in node.members):
        # By far the most common set.
        texts = frozenset(member.value for member in node.members if isinstance(member, syntax.Text))
        return Const(texts, span=span, type=SetOf(STRING if texts else UNKNOWN))
    terms = tuple(_member(member, scope) for member in node.members)
    known: Type | None = None
    for member, term in zip(node.members, terms, strict=True):
        if term.type == UNKNOWN:
            continue
        if not isinstance(term.type, Enum) and term.type not in MEMBERS:
            return scope.wrong("PDP312", member.span, f"a set has no members of type {named(term.type)}")
        both = join(term.type, known or term.type)
        if both is None:
            types = f"{named(known or term.type)} and {named(term.type)}"
            message = f"the members of a set have one type, and {types} do not go together"
            return scope.wrong("PDP312", member.span, message)
        known = both
    if known is None or any(term.type == UNKNOWN for term in terms):
        known = UNKNOWN
    if all(isinstance(term, Const) for term in terms):
        return Const(frozenset(t.value for t in terms if isinstance(t, Const)), span=span, type=SetOf(known))
    return SetTerm(terms, span=span, type=SetOf(known))


def _member(node: syntax.Expression, scope: Scope) -> Term:
    """A member of a set. Constants make no condition longer: how many a set has is limited by itself."""
    size = scope.size
    term = infer(node, scope)
    if isinstance(term, Const):
        scope.size = size
    return term


def _quantifier(node: syntax.Quantifier, scope: Scope) -> Term:
    over = infer(node.over, scope)
    match over.type:
        case SetOf(member):
            type = member
        case MapOf():
            type = STRING
        case other:
            type = UNKNOWN
            if other != UNKNOWN:
                message = f"`{node.kind}` runs over a set or the keys of a map, not {named(other)}"
                scope.tell("PDP314", node.over.span, message)
    name = node.variable.text
    _check_free(node.variable, scope)
    own = name
    number = 2
    while own in scope.taken:
        own = f"{name}_{number}"
        number += 1
    scope.taken.add(own)
    scope.quantified = True
    variable = Variable(own, span=node.variable.span, type=type)
    names, known, visits = scope.names, scope.known, scope.visits
    scope.names = {**names, name: variable}
    if isinstance(over.type, MapOf):
        scope.known = known & Known(frozenset((Item(over, variable),)))
    scope.visits *= _literal_members(over)
    if scope.visits > VISIT_LIMIT:
        raise TooLarge(f"this visits members of its literal sets more than {VISIT_LIMIT:_} times")
    inner = infer(node.condition, scope)
    _expect_bool(node.condition, inner, scope)
    scope.names, scope.known, scope.visits = names, known, visits
    return Quantify(node.kind, own, over, inner, span=node.span, type=BOOL)


def _literal_members(over: Term) -> int:
    """How many members a literal set has; 1 for what only a request will tell."""
    match over:
        case Const(value=frozenset() as members):
            return len(members)
        case SetTerm(members):
            return len(members)
        case _:
            return 1


def _check_free(name: syntax.Name, scope: Scope) -> None:
    """A variable that hid another name would let a reader mistake the one for the other."""
    text = name.text
    interface = scope.interface
    if text in scope.names or text in interface.definitions or text in interface.uses:
        scope.tell("PDP207", name.span, f"`{text}` already means something here", "choose another name")
