"""Lets and defs in place of their names: found, checked once by themselves, and inlined where they are used.

Knows `infer` only as the function it is given: the two call each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pdp.language import syntax
from pdp.language.diagnostic import Diagnostic, has_errors
from pdp.language.source import Span
from pdp.language.suggest import suggest
from pdp.rules.agree import as_written, fits, has_unknown
from pdp.rules.calls import wrong_count
from pdp.rules.environment import Environment
from pdp.rules.interface import ROOTS, Interface
from pdp.rules.operators import literal_member, named
from pdp.rules.scope import Scope, TooLarge
from pdp.rules.terms import Const, Term, Variable
from pdp.schema.functions import FUNCTIONS
from pdp.schema.types import UNKNOWN, Type

Infer = Callable[[syntax.Expression, Scope, bool], Term]


class Use(NamedTuple):
    """The definition `name` of the module behind `interface`."""

    interface: Interface
    name: str


@dataclass(frozen=True, slots=True)
class Body:
    """What is known of a definition by itself. `term` is None where every use must be read in its own place;
    `memory` has the terms of a def for constant arguments (the one part that grows).
    """

    right: bool
    diagnostics: tuple[Diagnostic, ...] = ()
    term: Term | None = None
    plain: bool = False
    size: int = 0
    depth: int = 0
    memory: dict[tuple[Term, ...], tuple[Term, int, int]] = field(default_factory=dict)


_WRONG = Body(right=False)


def find(node: syntax.Name, scope: Scope, also: Iterable[str] = ()) -> Use | None:
    """The let or def that `node` names, dotted or not; None where there is none and that was told.

    `also`: what else could be meant in its place.
    """
    interface = scope.interface
    alias, dot, name = node.text.rpartition(".")
    if not dot:
        if name in interface.definitions:
            return Use(interface, name)
        _unknown(node, scope, also)
        return None
    if alias not in interface.uses and alias.partition(".")[0] in ROOTS:
        scope.tell("PDP202", node.span, f"there is no function `{node.text}`")
        return None
    other = used(alias, node.span, scope)
    if other is None or name in other.lost:
        return None  # told where it cannot be read
    if name not in other.definitions:
        hint = suggest(name, other.definitions)
        scope.tell("PDP201", node.span, f"`{other.module}` declares no `{name}`", hint)
        return None
    return Use(other, name)


def used(alias: str, span: Span, scope: Scope) -> Interface | None:
    """The module that is called `alias` here; None where there is none and that was told."""
    interface = scope.interface
    use = interface.uses.get(alias)
    if use is not None:
        return scope.environment.interfaces.get(use.module.text)  # None was told where the module is named
    if alias not in interface.lost:  # told where it is used
        message = f"`{alias}` is no module that this one uses"
        scope.tell("PDP201", span, message, suggest(alias, interface.uses) or _offer(alias, scope))
    return None


def _unknown(node: syntax.Name, scope: Scope, also: Iterable[str]) -> None:
    name, interface = node.text, scope.interface
    if name in interface.lost:
        return
    if name in interface.uses:
        scope.tell("PDP214", node.span, f"`{name}` is a module", f"name what it declares: `{name}.…`")
    elif name in FUNCTIONS:
        scope.tell("PDP214", node.span, f"`{name}` is a function", f"call it: `{name}(…)`")
    else:
        known = [*also, *scope.names, *interface.definitions, *ROOTS, *interface.uses, "true", "false"]
        hint = suggest(name, known) or _offer(name, scope)
        scope.tell("PDP201", node.span, f"there is nothing called `{name}` here", hint)


def _offer(alias: str, scope: Scope) -> str:
    """The `use` that would make `alias` a module."""
    modules = scope.environment.interfaces
    found = next((module for module in modules if module.rpartition(".")[2] == alias), None)
    return f"write `use {found}`" if found is not None else ""


def let(use: Use, node: syntax.Name, scope: Scope, infer: Infer, absent: bool) -> Term:
    """The value of a let in place of its name."""
    definition = use.interface.definitions[use.name]
    if isinstance(definition, syntax.Def):
        hint = f"give it its arguments: `{node.text}(…)`"
        return scope.wrong("PDP214", node.span, f"`{node.text}` takes arguments", hint)
    body = of(scope.environment, use)
    if not body.right:
        return scope.nothing(node.span)
    if body.term is not None:
        scope.grow(body.size, body.depth)
        return body.term
    return _inline(use, definition.value, {}, node.span, scope, infer, absent)


def apply(
    use: Use, node: syntax.Call, arguments: tuple[Term, ...], scope: Scope, infer: Infer, absent: bool
) -> Term:
    """The body of a def in place of its call."""
    definition = use.interface.definitions[use.name]
    if isinstance(definition, syntax.Let):
        return scope.wrong("PDP214", node.function.span, f"`{use.name}` takes no arguments")
    parameters = use.interface.parameters[use.name]
    if len(arguments) != len(parameters):
        return scope.wrong(
            "PDP309", node.span, wrong_count(node.function.text, len(parameters), len(arguments))
        )
    body = of(scope.environment, use)
    names: dict[str, Term] = {}
    right = body.right
    for parameter, type, written, argument in zip(
        definition.parameters, parameters, node.arguments, arguments, strict=True
    ):
        right = _argument(use, parameter, type, written, argument, scope) and right
        names[parameter.name.text] = _as(argument, type)
    if not right:
        return scope.nothing(node.span)
    if body.plain and all(isinstance(argument, Const) for argument in arguments):
        # Shared by all who write the same arguments, so the constants stand where the parameters do.
        for parameter in definition.parameters:
            names[parameter.name.text] = replace(names[parameter.name.text], span=parameter.span)
        return _remembered(use, definition.body, body, arguments, names, node, scope, infer)
    return _inline(use, definition.body, names, node.span, scope, infer, absent)


def _argument(
    use: Use, parameter: syntax.Parameter, type: Type, node: syntax.Expression, argument: Term, scope: Scope
) -> bool:
    if not literal_member(node, argument, type, scope):
        return False
    if fits(argument.type, as_written(type) if isinstance(argument, Const) else type):
        return True
    message = f"`{parameter.name.text}` of `{use.name}` is {named(type)}, not {named(argument.type)}"
    scope.tell("PDP310", node.span, message)
    return False


def _as(argument: Term, type: Type) -> Term:
    """The argument seen as its parameter's type, so that a body means the same for all who use it.

    What only a request will tell stays open; a constant of open type is an empty set, which holds nothing
    else.
    """
    if type == UNKNOWN or (has_unknown(argument.type) and not isinstance(argument, Const)):
        return argument
    return replace(argument, type=type)


def _remembered(
    use: Use, node: syntax.Expression, body: Body, arguments: tuple[Term, ...], names: dict[str, Term],
    at: syntax.Call, scope: Scope, infer: Infer,
) -> Term:  # fmt: skip
    found = body.memory.get(arguments)
    if found is None:
        size, deepest = scope.size, scope.deepest
        scope.deepest = scope.depth
        term = _inline(use, node, names, at.span, scope, infer, False)
        found = body.memory[arguments] = (term, scope.size - size, scope.deepest - scope.depth)
        scope.deepest = max(deepest, scope.deepest)
        return term
    scope.grow(found[1], found[2])
    return found[0]


def _inline(
    use: Use, node: syntax.Expression, names: dict[str, Term], span: Span, scope: Scope, infer: Infer,
    absent: bool,
) -> Term:  # fmt: skip
    outer = scope.interface, scope.names, scope.report
    report = scope.report

    def relay(found: Diagnostic) -> None:
        if found.severity == "error":  # a warning was told where the definition stands
            report(Diagnostic(found.code, span, f"in `{use.name}`: {found.message}", found.hint))

    scope.interface, scope.names, scope.report = use.interface, names, relay
    scope.inlined += 1
    term = infer(node, scope, absent)
    scope.inlined -= 1
    scope.interface, scope.names, scope.report = outer
    return term


def of(environment: Environment, use: Use) -> Body:
    """A definition by itself; one that uses itself, or that was not prepared for that reason, is wrong."""
    body: Body = environment.bodies.get((use.interface.module, use.name), _WRONG)
    return body


def prepare(environment: Environment, infer: Infer) -> None:
    """Check every definition by itself, each after those it uses: a mistake is told once, there."""
    for module in environment.order:
        interface = environment.interfaces[module]
        for name in interface.definitions:
            environment.bodies[module, name] = _by_itself(environment, interface, name, infer)


def _by_itself(environment: Environment, interface: Interface, name: str, infer: Infer) -> Body:
    if name in interface.circular:
        return _WRONG
    definition = interface.definitions[name]
    found: list[Diagnostic] = []
    scope = Scope(environment, interface, found.append, lenient=True)
    node = definition.value if isinstance(definition, syntax.Let) else definition.body
    types = interface.parameters.get(name, ())
    if isinstance(definition, syntax.Def):
        for parameter, type in zip(definition.parameters, types, strict=True):
            name = parameter.name.text
            scope.names.setdefault(name, Variable(name, span=parameter.span, type=type))
    # A parameter whose type or name was told to be wrong says nothing of the arguments.
    scope.broken = any(map(has_unknown, types))
    right = not scope.broken
    try:
        term = infer(node, scope, False)
    except TooLarge as limit:
        problem = Diagnostic("PDP317", definition.name.span, str(limit), "say the same in fewer steps")
        return Body(right=False, diagnostics=(*found, problem))
    right = right and not has_errors(found)
    plain = not found and not scope.contextual and not scope.quantified
    kept = term if plain and isinstance(definition, syntax.Let) else None
    return Body(right, tuple(found), kept, plain, scope.size, scope.deepest)
