"""From syntax trees to a policy set: names, types and guards checked, lets and defs in place.

Three steps, so that one changed module of many is cheap: `interface` reads a module alone, `merge` puts all
interfaces together, `check_module` checks a module in that environment. Never raises; all that is wrong is
told, and a rule in which something is wrong is left out of the result. Safety findings are for `lint`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from pdp.language import syntax
from pdp.language.diagnostic import Diagnostic, has_errors
from pdp.language.suggest import suggest
from pdp.rules import definitions
from pdp.rules.annotations import annotated
from pdp.rules.cases import cases
from pdp.rules.environment import Environment, merge
from pdp.rules.heads import head
from pdp.rules.infer import condition, expression, infer
from pdp.rules.interface import Interface, interface
from pdp.rules.known import NOTHING, Known, when
from pdp.rules.rules import Assert, Case, Condition, Duty, Head, PolicySet, Rule
from pdp.rules.scope import Scope
from pdp.rules.terms import Term
from pdp.schema.schema import Schema

__all__ = [
    "CheckedModule",
    "Environment",
    "Interface",
    "check",
    "check_module",
    "interface",
    "merge",
    "still_holds",
]


@dataclass(frozen=True, slots=True, eq=False)
class CheckedModule:
    """A module after its check. `schema` and `reads` are what the result depends on besides its text."""

    module: str
    rules: tuple[Rule, ...]
    asserts: tuple[Assert, ...]
    cases: tuple[Case, ...]
    diagnostics: tuple[Diagnostic, ...]
    schema: Schema
    reads: dict[str, Interface | None]


def check(
    modules: Sequence[syntax.Module], *, strict: bool = True, max_rules: int = 100_000
) -> tuple[PolicySet, tuple[Diagnostic, ...]]:
    """The policy set of `modules` and everything that is wrong in them, in the order of places."""
    environment, found = merge([interface(module) for module in modules], strict=strict, max_rules=max_rules)
    return together(environment, found, [check_module(module, environment) for module in modules])


def together(
    environment: Environment, found: Sequence[Diagnostic], checked: Sequence[CheckedModule]
) -> tuple[PolicySet, tuple[Diagnostic, ...]]:
    """The policy set of modules that were checked in one environment."""
    rules = sorted((rule for each in checked for rule in each.rules), key=attrgetter("identity"))
    asserts = sorted((a for each in checked for a in each.asserts), key=attrgetter("identity"))
    tests = tuple(case for each in checked for case in each.cases)
    told = dict.fromkeys([*found, *(d for each in checked for d in each.diagnostics)])
    return PolicySet(environment.schema, tuple(rules), tuple(asserts), tests), tuple(
        sorted(told, key=lambda d: (d.span, d.code, d.message))
    )


def check_module(module: syntax.Module, environment: Environment) -> CheckedModule:
    """The rules, asserts and tests of `module`, and what is wrong in it."""
    if not environment.bodies:
        definitions.prepare(environment, infer)
    here = environment.interfaces[module.name]
    if here.span.path != module.span.path:
        # A second file for one module, which was told.
        return CheckedModule(module.name, (), (), (), (), environment.schema, {})
    found = [*here.diagnostics]
    _check_uses(here, environment, found)
    for name in here.definitions:
        found += definitions.of(environment, definitions.Use(here, name)).diagnostics
    rules: list[Rule] = []
    asserts: list[Assert] = []
    for declaration in module.declarations:
        wrong: list[Diagnostic] = []
        scope = Scope(environment, here, wrong.append)
        if isinstance(declaration, syntax.Rule):
            rule = _rule(declaration, scope)
            first = here.rules[declaration.name.text] == declaration.name.span
            if first and not has_errors(wrong) and not scope.broken:
                rules.append(rule)
        elif isinstance(declaration, syntax.Assert):
            one = _assert(declaration, scope)
            if not has_errors(wrong) and not scope.broken:
                asserts.append(one)
        found += wrong
    tests = cases(module, here, environment, found.append)
    return CheckedModule(
        module.name, tuple(rules), tuple(asserts), tests, tuple(found), environment.schema,
        _reads(module, here, bool(found), environment),
    )  # fmt: skip


def still_holds(checked: CheckedModule, environment: Environment) -> bool:
    """Whether a check of the same text in `environment` would give the same."""
    schema = checked.schema is environment.schema or checked.schema == environment.schema
    return schema and all(environment.interfaces.get(name) is one for name, one in checked.reads.items())


def _reads(
    module: syntax.Module, here: Interface, wrong: bool, environment: Environment
) -> dict[str, Interface | None]:
    """The interfaces that the check depends on: all for tests and hints, else what is used, however far."""
    if wrong or any(isinstance(d, (syntax.Test, syntax.Fixture)) for d in module.declarations):
        return {
            **environment.interfaces,
            **{
                use.module.text: None
                for use in here.uses.values()
                if use.module.text not in environment.interfaces
            },
        }
    reads: dict[str, Interface | None] = {}
    following = [module.name]
    while following:
        name = following.pop()
        if name not in reads:
            reads[name] = found = environment.interfaces.get(name)
            if found is not None:
                following += (use.module.text for use in found.uses.values())
    return reads


def _check_uses(here: Interface, environment: Environment, found: list[Diagnostic]) -> None:
    for use in here.uses.values():
        name = use.module.text
        if name not in environment.interfaces:
            hint = suggest(name, environment.interfaces)
            found.append(Diagnostic("PDP203", use.module.span, f"there is no module `{name}`", hint))


def _rule(node: syntax.Rule, scope: Scope) -> Rule:
    spans = {"name": node.name.span, "rule": node.span}
    its_head = head(node.clauses, scope, spans)
    notes = annotated(node.annotations, scope, spans)
    scope.known = headed = _known(its_head, scope)
    conditions: list[Condition] = []
    because: syntax.Because | None = None
    for clause in node.clauses:
        match clause:
            case syntax.When(test, negated):
                term = condition(test, scope)
                conditions.append(Condition(term, negated, clause.span))
                scope.known = scope.known & when(term, not negated)
            case syntax.Because():
                if because is not None:
                    scope.tell("PDP320", clause.span, "a rule has one `because`")
                because = clause
            case _:
                pass
    # Duties are carried out once every condition holds, wherever they are written; those of a forbid also
    # where one failed, so that which resource and action it is about is certain by its head alone.
    if node.effect == "forbid":
        scope.known = replace(scope.known, types=headed.types, actions=headed.actions)
    duties = [_duty(clause, scope) for clause in node.clauses if isinstance(clause, syntax.Require)]
    if because is None and (node.effect == "forbid" or notes.sunset is not None):
        what = "a forbid" if node.effect == "forbid" else "a rule with a sunset"
        hint = 'write `because "…"`: it is what people read when they are denied'
        if node.effect == "permit":
            hint = 'write `because "…"`: it is what people read when it ends'
        scope.tell("PDP320", node.name.span, f"{what} says why", hint)
    return Rule(
        f"{scope.interface.module}.{node.name.text}", node.effect, its_head, tuple(conditions), tuple(duties),
        because.text.value if because is not None else "", notes, spans,
    )  # fmt: skip


def _known(head: Head, scope: Scope) -> Known:
    """What the head alone makes certain."""
    type = head.resource_type
    if type is None and head.actions is None:
        return NOTHING
    types = None if type is None else scope.environment.roots.of_type(type)
    return Known(types=types, actions=() if head.actions is None else (head.actions,))


def _duty(node: syntax.Require, scope: Scope) -> Duty:
    values: dict[str, Term] = {}
    for entry in node.values.entries:
        key = entry.key.text
        if isinstance(entry.value, syntax.RecordExpression):
            scope.tell("PDP325", entry.value.span, "the values of a duty are plain, not records")
            continue
        term = expression(entry.value, scope)
        if key in values:
            scope.tell("PDP206", entry.key.span, f"`{key}` is given twice")
        values[key] = term
    return Duty(node.name.text, tuple(values.items()), node.force, node.span)


def _assert(node: syntax.Assert, scope: Scope) -> Assert:
    term = condition(node.condition, scope)
    because = node.because.text.value if node.because is not None else ""
    return Assert(f"{scope.interface.module}.{node.name.text}", node.quantity, term, because, node.span)
