"""From `test` and `fixture` to cases ready to run: fixtures merged, tables unrolled, names resolved.

Values are checked against the schema here, and typed by it where a case is run. Knows no decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

from pdp.language import syntax
from pdp.language.diagnostic import Diagnostic, has_errors
from pdp.language.suggest import suggest
from pdp.rules.environment import Environment
from pdp.rules.expectations import candidates, expectation, used
from pdp.rules.interface import Interface
from pdp.rules.rules import Case
from pdp.rules.scope import Scope
from pdp.rules.setup import SetUp
from pdp.rules.words import cell_words

Cells = dict[str, syntax.Expression | syntax.Outcome]
Report = Callable[[Diagnostic], None]


def cases(
    module: syntax.Module, here: Interface, environment: Environment, report: Report
) -> tuple[Case, ...]:
    """The cases of all tests of `module`, in the order written. A test with a mistake gives none."""
    for fixture in here.fixtures.values():
        _check_fixture(fixture, here, environment, report)
    found: list[Case] = []
    for declaration in module.declarations:
        if isinstance(declaration, syntax.Test):
            wrong: list[Diagnostic] = []
            its = _test(declaration, here, environment, wrong.append)
            for diagnostic in dict.fromkeys(wrong):
                report(diagnostic)
            if not has_errors(wrong):
                found += its
    return tuple(found)


def _check_fixture(
    fixture: syntax.Fixture, here: Interface, environment: Environment, report: Report
) -> None:
    """A fixture by itself, so that its mistakes are told where no test uses it, and told once."""
    _once(fixture.clauses, report)
    for clause in fixture.clauses:
        if isinstance(clause, (syntax.Table, syntax.Expect)):
            what = "a table" if isinstance(clause, syntax.Table) else "`expect`"
            report(Diagnostic("PDP507", clause.span, f"{what} stands in a test, not in a fixture"))
    scope = Scope(environment, here, report)
    SetUp().add(fixture.clauses, scope)


def _test(node: syntax.Test, here: Interface, environment: Environment, report: Report) -> list[Case]:
    _once(node.clauses, report)
    fixtures = [
        pair for name in node.using if (pair := _fixture(name, here, environment, report)) is not None
    ]
    table = next((c for c in node.clauses if isinstance(c, syntax.Table)), None)
    expect = next((c for c in node.clauses if isinstance(c, syntax.Expect)), None)
    if expect is None:
        report(
            Diagnostic(
                "PDP501", node.name.span, "this test expects nothing", "write `expect allow` or `expect deny`"
            )
        )
        return []
    shared = SetUp()
    for fixture, where in fixtures:
        # What is wrong in a fixture was told with the fixture.
        shared.add(fixture.clauses, Scope(environment, where, _silent))
    found = []
    for row, cells in enumerate(_rows(table, report) if table is not None else [Cells()], 1):
        scope = Scope(environment, here, report)
        scope.names = {}
        set_up = shared.copy()
        set_up.add(node.clauses, scope, cells)
        label = node.name.value
        if table is not None:
            label += f" [{row}: {', '.join(cell_words(cell) for cell in cells.values())}]"
        expected = expectation(expect, cells, here, environment, report)
        # What a fixture that is not there would have stated is not missing too.
        if expected is not None and len(fixtures) == len(node.using):
            found.append(
                set_up.case(here.module, label, row if table is not None else 0, expected, node, scope)
            )
    return found


def _silent(_: Diagnostic) -> None:
    pass


def _once(clauses: Sequence[syntax.TestClause], report: Report) -> None:
    seen: set[str] = set()
    for clause in clauses:
        name = _clause_name(clause)
        if name in seen:
            report(Diagnostic("PDP502", clause.span, f"`{name}` stands here twice"))
        seen.add(name)


def _clause_name(clause: syntax.TestClause) -> str:
    match clause:
        case syntax.TestCaller():
            return "caller"
        case syntax.TestAudience():
            return "audience"
        case syntax.TestAction():
            return "action"
        case syntax.TestResource():
            return "resource"
        case syntax.TestRecord(root):
            return root
        case syntax.TestNow():
            return "now"
        case syntax.Table():
            return "for"
        case syntax.Expect():
            return "expect"
        case _:
            assert_never(clause)


def _fixture(
    name: syntax.Name, here: Interface, environment: Environment, report: Report
) -> tuple[syntax.Fixture, Interface] | None:
    """A fixture of this module, or of one that it uses: `ledger.nightly`, or short where only one has it."""
    for where, short in candidates(name.text, here, environment):
        if short in where.fixtures:
            return where.fixtures[short], where
        if short in where.lost:
            return None
    known = [*here.fixtures, *(f for other in used(here, environment) for f in other.fixtures)]
    report(Diagnostic("PDP507", name.span, f"there is no fixture `{name.text}`", suggest(name.text, known)))
    return None


def _rows(table: syntax.Table, report: Report) -> Iterable[Cells]:
    names: list[str] = []
    for name in table.names:
        if name.text in names:
            report(Diagnostic("PDP206", name.span, f"this table has two columns `{name.text}`"))
        names.append(name.text)
    if not table.rows:
        report(Diagnostic("PDP510", table.span, "a table without rows tests nothing"))
    for row in table.rows:
        if len(row.cells) != len(names):
            message = f"this row has {_count(row.cells, 'cell')} for {_count(names, 'column')}"
            report(Diagnostic("PDP510", row.span, message))
        else:
            yield dict(zip(names, row.cells, strict=True))


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
