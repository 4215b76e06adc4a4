"""Calls of built-in functions, checked by the table of `schema.functions`. Knows none of them by meaning."""

from __future__ import annotations

from pdp.language import syntax
from pdp.language.suggest import suggest
from pdp.rules.agree import alike, fits
from pdp.rules.operators import literal_member, named
from pdp.rules.scope import Scope
from pdp.rules.terms import Call, Const, Term
from pdp.schema.functions import FUNCTIONS, MEMBER, Function
from pdp.schema.types import IP, UNKNOWN, SetOf, Type


def call(node: syntax.Call, arguments: tuple[Term, ...], scope: Scope) -> Term:
    """The term of a call of a built-in; an `ip("…")` is the value it writes."""
    name = node.function.text
    function = FUNCTIONS.get(name)
    if function is None:
        known = [*FUNCTIONS, *scope.interface.parameters]
        return scope.wrong(
            "PDP202", node.function.span, f"there is no function `{name}`", suggest(name, known)
        )
    wanted = len(function.parameters)
    if len(arguments) != wanted:
        return scope.wrong("PDP309", node.span, wrong_count(name, wanted, len(arguments)))
    right = True
    member: Type | None = None
    for at, (written, argument) in enumerate(zip(node.arguments, arguments, strict=True)):
        parameter = function.parameters[at]
        if parameter.literal:
            right = _literal(function, at, written, argument, scope) and right
        elif parameter.types == (SetOf(MEMBER),) and isinstance(argument.type, SetOf):
            if member is not None and not alike(member, argument.type.member):
                types = f"{named(member)} and {named(argument.type.member)}"
                message = f"`{name}` compares sets of one type, not of {types}"
                scope.tell("PDP310", node.span, message)
                right = False
            member = argument.type.member
        elif argument.type != UNKNOWN and not any(
            fits(argument.type, type) for type in parameter.types if type != SetOf(MEMBER)
        ):
            _wrong_type(function, at, written, argument, scope)
            right = False
    if not right:
        return scope.nothing(node.span)
    for argument in arguments:
        for literal, other in zip(node.arguments, arguments, strict=True):
            # Texts are compared with an enum only as members of sets: `caller.kind like "w*"` is no mistake.
            if isinstance(argument.type, SetOf) and not literal_member(literal, other, argument.type, scope):
                return scope.nothing(node.span)
    if function.result == IP and isinstance(arguments[0], Const):
        return Const(function.prepare[0](arguments[0].value), span=node.span, type=IP)
    return Call(name, arguments, span=node.span, type=function.result)


def wrong_count(name: str, wanted: int, given: int) -> str:
    """What to say of a call with too many or too few arguments."""
    return f"`{name}` takes {wanted} argument{'' if wanted == 1 else 's'}, not {given}"


def _literal(function: Function, at: int, node: syntax.Expression, argument: Term, scope: Scope) -> bool:
    parameter = function.parameters[at]
    if argument.type == UNKNOWN and scope.broken:
        return False  # told where it was broken
    if not isinstance(argument, Const) or not isinstance(argument.value, str):
        message = f"the {parameter.name} of `{function.name}` is a literal text, known before any request"
        scope.tell("PDP311", node.span, message)
        return False
    try:
        function.prepare[at](argument.value)
    except ValueError as problem:
        scope.tell("PDP311", node.span, str(problem))
        return False
    return True


def _wrong_type(function: Function, at: int, node: syntax.Expression, argument: Term, scope: Scope) -> None:
    parameter = function.parameters[at]
    types = [
        "a set" if isinstance(t, SetOf) else "a map" if "map<" in str(t) else named(t)
        for t in parameter.types
    ]
    message = f"`{parameter.name}` of `{function.name}` is {' or '.join(types)}, not {named(argument.type)}"
    scope.tell("PDP310", node.span, message)
