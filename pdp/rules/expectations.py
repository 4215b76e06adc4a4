"""From `expect …` to an `Expectation`: columns filled in, rules and obligations found by name.

Knows the names of all modules and nothing of the request that the test states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from pdp.language import syntax
from pdp.language.diagnostic import Diagnostic
from pdp.language.suggest import suggest
from pdp.rules.environment import Environment
from pdp.rules.interface import Interface
from pdp.rules.rules import Expectation

Cells = Mapping[str, syntax.Expression | syntax.Outcome]
Report = Callable[[Diagnostic], None]


def expectation(
    node: syntax.Expect, cells: Cells, here: Interface, environment: Environment, report: Report
) -> Expectation | None:
    """What the test expects in the row `cells`; None where that could not be read."""
    outcome = _outcome(node.outcome, cells, report)
    rules = None
    if node.rules is not None:
        rules = tuple(_rule(_filled(name, cells), here, environment, report) for name in node.rules)
    requires = tuple(_filled(name, cells) for name in node.requires)
    for name in requires:
        # A rule that could not be read may be the one that requires it.
        unread = any(each.lost for each in environment.interfaces.values())
        if name.text not in environment.obligations and not unread:
            hint = suggest(name.text, environment.obligations)
            report(Diagnostic("PDP509", name.span, f"no rule requires `{name.text}`", hint))
    code = None
    if node.reason is not None:
        code = _filled(node.reason, cells).text
        if outcome == "allow":
            report(Diagnostic("PDP511", node.reason.span, "an allow has no reason code"))
    if outcome is None:
        return None
    return Expectation(outcome, rules, code, tuple(name.text for name in requires))


def _outcome(
    node: syntax.Outcome | syntax.Name, cells: Cells, report: Report
) -> Literal["allow", "deny"] | None:
    cell = cells.get(node.text) if isinstance(node, syntax.Name) else node
    if isinstance(cell, syntax.Outcome):
        return cell.value
    hint = "write `allow` or `deny`, or name a column of the table that has them"
    if cell is None:
        assert isinstance(node, syntax.Name)
        report(Diagnostic("PDP511", node.span, f"`{node.text}` is neither an outcome nor a column", hint))
    else:
        report(Diagnostic("PDP511", cell.span, "this cell is expected, so it is `allow` or `deny`"))
    return None


def _filled(name: syntax.Name, cells: Cells) -> syntax.Name:
    """The name itself, or what its column says in this row."""
    match cells.get(name.text):
        case syntax.Name() as cell:
            return cell
        case syntax.Text(value) as cell:
            return syntax.Name(value, span=cell.span)
        case syntax.Attribute(syntax.Name(module), rule) as cell:
            return syntax.Name(f"{module}.{rule.text}", span=cell.span)
        case _:
            return name


def _rule(name: syntax.Name, here: Interface, environment: Environment, report: Report) -> str:
    for where, short in candidates(name.text, here, environment):
        if short in where.rules or short in where.lost:
            return f"{where.module}.{short}"
    known = [*here.rules, *(rule for other in used(here, environment) for rule in other.rules)]
    report(Diagnostic("PDP508", name.span, f"there is no rule `{name.text}`", suggest(name.text, known)))
    return name.text


def candidates(name: str, here: Interface, environment: Environment) -> Iterator[tuple[Interface, str]]:
    """The modules in which to look for `name`, nearest first, with its name there.

    A short name is of this module, else of one that it uses; `ledger.x` is of the module used as `ledger`,
    else of the module with that whole name.
    """
    module, dot, short = name.rpartition(".")
    if not dot:
        yield here, name
        for other in used(here, environment):
            yield other, name
        return
    use = here.uses.get(module)
    for target in (use.module.text if use is not None else "", module):
        if target in environment.interfaces:
            yield environment.interfaces[target], short


def used(here: Interface, environment: Environment) -> list[Interface]:
    """The modules that `here` uses itself."""
    names = (use.module.text for use in here.uses.values())
    return [environment.interfaces[name] for name in names if name in environment.interfaces]
