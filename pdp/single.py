"""What loading does with one file: parse it, check it, look for what is dangerous in it.

Knows neither other files, but for what they offer, nor what was done before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pdp.files import TEST_SUFFIX
from pdp.language import syntax
from pdp.language.diagnostic import Diagnostic
from pdp.language.parse import decode, parse
from pdp.language.source import Source, Span
from pdp.rules.check import CheckedModule, check_module
from pdp.rules.environment import Environment
from pdp.rules.interface import Interface, interface
from pdp.rules.lint import lint_rule


@dataclass(slots=True)
class Parsed:
    """A file as parsed. `tree` is what changes: dropped once it was checked, and made again if it is needed.

    Without `tests` its tests and fixtures are left out of it.
    """

    source: Source
    interface: Interface
    found: tuple[Diagnostic, ...]
    tests: bool
    tree: syntax.Module | None


def parsed(path: str, module: str, data: bytes, *, tests: bool) -> Parsed:
    """The file with these bytes, and what is wrong with it by itself."""
    source, wrong = decode(path, module, data)
    tree, found = _parse(source, tests)
    return Parsed(source, interface(tree), (*wrong, *found, *_misplaced(source, tree)), tests, tree)


def checked(file: Parsed, environment: Environment) -> CheckedModule:
    """The module of `file`, checked together with all others."""
    tree = file.tree or _parse(file.source, file.tests)[0]
    file.tree = None
    return check_module(tree, environment)


def _parse(source: Source, tests: bool) -> tuple[syntax.Module, tuple[Diagnostic, ...]]:
    tree, found = parse(source)
    if not tests:
        kept = [each for each in tree.declarations if not isinstance(each, syntax.Test | syntax.Fixture)]
        tree = replace(tree, declarations=tuple(kept))
    return tree, found


def dangers(module: CheckedModule, today: datetime) -> tuple[Diagnostic, ...]:
    """The safety findings about the rules of `module`."""
    return tuple(finding for rule in module.rules for finding in lint_rule(rule, today))


def _misplaced(source: Source, tree: syntax.Module) -> list[Diagnostic]:
    """What the name of a file forbids: no name at all, and rules where a server would never see them."""
    found = []
    if not source.module:
        message = f"`{source.path}` names no module"
        hint = "call files and folders by lower case letters, digits and `_`, a letter first"
        found.append(Diagnostic("PDP215", Span(source.path, 0, 0), message, hint))
    if source.path.endswith(TEST_SUFFIX):
        for declaration in tree.declarations:
            if isinstance(declaration, syntax.Rule | syntax.Schema):
                what = "a rule" if isinstance(declaration, syntax.Rule) else "a schema"
                message = f"{what} stands in a test file, which a server never loads"
                found.append(
                    Diagnostic("PDP512", declaration.span, message, "move it to the module that is served")
                )
    return found
