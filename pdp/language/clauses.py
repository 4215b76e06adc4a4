"""Declarations and their clauses as documents to lay out: blocks with one clause a line, keywords aligned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar, assert_never

from pdp.language.expressions import (
    expression,
    hugs,
    listed,
    pad,
    record,
    record_type,
    type_,
    within,
)
from pdp.language.layout import (
    BLANK,
    HARD,
    SPACE,
    WIDTH,
    Doc,
    Trailing,
    align,
    group,
    indent,
    lay_out,
)
from pdp.language.syntax import (
    ActionClause,
    Assert,
    AudienceClause,
    Because,
    CallerClause,
    Clause,
    Constant,
    Declaration,
    Def,
    Expect,
    Expression,
    Fixture,
    Let,
    Name,
    Node,
    Outcome,
    Parameter,
    RecordExpression,
    Require,
    ResourceClause,
    Row,
    Rule,
    Schema,
    SchemaEntry,
    Table,
    Test,
    TestAction,
    TestAudience,
    TestCaller,
    TestClause,
    TestNow,
    TestRecord,
    TestResource,
    Text,
    Use,
    When,
)
from pdp.language.written import Written

N = TypeVar("N", bound=Node)
Said: TypeAlias = tuple[str, Doc]
"""The keyword of a clause, to be aligned (`""` where it is not), and what stands behind it."""


def declaration(node: Declaration, written: Written) -> Doc:
    head: Doc
    match node:
        case Use():
            return f"use {node.module.text}" + (f" as {node.alias.text}" if node.alias else "")
        case Schema():
            return _block("schema", node.entries, node.span.end - 1, written, _schema_entry)
        case Let():
            return _defined(f"let {node.name.text} =", node.value, written)
        case Def():
            # Where the bracket closes is not known; a comment before it stands before the body, too.
            place = node.name.span.end, 0
            head = f"def {node.name.text}", listed("()", node.parameters, place, written, _parameter), " ="
            return _defined(head, node.body, written)
        case Rule():
            head = (*_annotations(node, written), f"{node.effect} {node.name.text}")
            return _block(head, node.clauses, node.span.end - 1, written, _clause)
        case Assert():
            return _assert(node, written)
        case Fixture():
            head = f"fixture {node.name.text}"
            return _block(head, node.clauses, node.span.end - 1, written, _test_clause)
        case Test():
            using = (" using ", _several(node.using, written)) if node.using else ()
            head = "test ", written.literal(node.name), *using
            return _block(head, node.clauses, node.span.end - 1, written, _test_clause)
        case _:
            assert_never(node)


def _defined(head: Doc, value: Expression, written: Written) -> Doc:
    if hugs(value):
        return head, " ", expression(value, written)
    gap = written.before(value.span.start)
    return head, group(indent(*gap, SPACE, expression(value, written)))


def _parameter(node: Parameter, written: Written) -> Doc:
    return f"{node.name.text}: ", type_(node.type, written)


def _annotations(rule: Rule, written: Written) -> tuple[Doc, ...]:
    """The annotations of a rule on a line of their own, or on one each."""
    docs: list[Doc] = []
    for node in rule.annotations:
        gap = written.before(node.span.start)
        place = node.name.span.end, node.span.end - 1
        arguments = listed("()", node.arguments, place, written, _argument)
        docs += (*gap, SPACE if docs else "", f"@{node.name.text}", arguments)
    return (group(*docs), *written.before(rule.name.span.start), HARD) if docs else ()


def _argument(node: Constant, written: Written) -> Doc:
    return written.literal(node)


def _assert(node: Assert, written: Written) -> Doc:
    def say(part: Expression | Because, written: Written) -> Said:
        if isinstance(part, Because):
            return "", ("because ", written.literal(part.text))
        return "", (f"{node.quantity} allow when ", expression(part, written))

    parts = (node.condition, node.because) if node.because else (node.condition,)
    return _block(f"assert {node.name.text}", parts, node.span.end - 1, written, say)


def _block(
    head: Doc, nodes: Sequence[N], end: int, written: Written, say: Callable[[N, Written], Said]
) -> Doc:
    inside: list[Doc] = []
    rows: list[tuple[tuple[Doc, ...], str, Doc]] = []
    for node in nodes:
        gap = written.before(node.span.start, opening=not rows)
        first = not rows and all(isinstance(doc, Trailing) for doc in gap)
        line = BLANK if written.apart(node.span.start) and not first else HARD
        word, value = say(node, written)
        # A comment inside that has no line of its own there goes above.
        above = [doc for comment in written.take(node.span.end) for doc in (comment.text, HARD)]
        rows.append(((*gap, line, *above), word, value))
    width = max((len(word) for _, word, _ in rows), default=0)
    for front, word, value in rows:
        inside += (*front, f"{word:<{width}} " if word and value else word, value)
    inside += written.before(end, opening=not rows)
    return (head, " {", indent(*inside), HARD, "}") if inside else (head, " {}")


def _schema_entry(node: SchemaEntry, written: Written) -> Said:
    key = "" if node.key is None else f"{_pattern(node.key, written)} "
    return node.root, (key, record_type(node.record, written))


# ── rules ───────────────────────────────────────────────────────────────────────────────────────────


def _clause(node: Clause, written: Written) -> Said:
    match node:
        case CallerClause():
            return "caller", _caller(node, written)
        case AudienceClause():
            return "audience", _several(node.values, written) if node.values else "any"
        case ActionClause():
            return "action", _several(node.patterns, written) if node.patterns else "any"
        case ResourceClause():
            named = "any" if node.type is None else node.type.text
            return "resource", (named, " ", _several(node.patterns, written)) if node.patterns else named
        case When():
            return "unless" if node.negated else "when", expression(node.condition, written)
        case Require():
            values = record(node.values, written)
            return "require" if node.force else "advise", (f"{node.name.text} ", values)
        case Because():
            return "because", written.literal(node.text)
        case _:
            assert_never(node)


def _caller(node: CallerClause, written: Written) -> Doc:
    parts: list[Doc] = [node.kind] if node.kind else []
    if node.patterns:
        parts += (" " if parts else "", _several(node.patterns, written))
    if node.groups:
        parts += (SPACE if parts else "", "in group ", _several(node.groups, written))
    return group(align(*parts)) if parts else ""


def _several(nodes: Sequence[Text | Name], written: Written) -> Doc:
    """Patterns with commas between them, on one line or below each other."""
    first, *others = nodes
    docs: list[Doc] = [_pattern(first, written)]
    for node in others:
        docs += (",", *written.before(node.span.start), SPACE, _pattern(node, written))
    return group(align(*docs))


def _pattern(node: Text | Name, written: Written) -> str:
    return node.text if isinstance(node, Name) else written.literal(node)


# ── tests ───────────────────────────────────────────────────────────────────────────────────────────


def _test_clause(node: TestClause, written: Written) -> Said:
    match node:
        case TestCaller():
            return "caller", _stated(node.kind, node.id, node.record, written)
        case TestAudience():
            return "audience", expression(node.value, written)
        case TestAction():
            return "action", _stated(None, node.value, node.record, written)
        case TestResource():
            return "resource", _stated(node.type.text, node.id, node.record, written)
        case TestRecord():
            return node.root, record(node.record, written)
        case TestNow():
            return "now", expression(node.value, written)
        case Table():
            return "", _table(node, written)
        case Expect():
            return "expect", _expect(node, written)
        case _:
            assert_never(node)


def _stated(
    word: str | None, id: Expression | None, values: RecordExpression | None, written: Written
) -> Doc:
    parts: list[Doc] = [word] if word else []
    if id is not None:
        parts += (" " if parts else "", expression(id, written))
    if values is not None:
        parts += (" " if parts else "", record(values, written))
    return tuple(parts) if parts else ""


def _table(node: Table, written: Written) -> Doc:
    names = ", ".join(name.text for name in node.names)
    widths = _columns(node, written.silent())

    def say(row: Row, written: Written) -> Doc:
        if len(row.cells) != len(widths):
            return listed("()", row.cells, within(row), written, _cell)
        docs: list[Doc] = []
        for cell, width in zip(row.cells, widths, strict=True):
            doc = _cell(cell, written)
            docs += (doc, ", ", pad(width, len(lay_out(doc))))
        return "(", *docs[:-2], ")"

    place = node.names[-1].span.end, node.span.end - 1
    return f"for {names} in ", listed("[]", node.rows, place, written, say)


def _columns(node: Table, written: Written) -> list[int]:
    """The widths of the columns, if the rows below each other make a table; `[]` if they do not."""
    rows = [[lay_out(_cell(cell, written)) for cell in row.cells] for row in node.rows]
    if len({len(row) for row in rows}) != 1 or any("\n" in cell for row in rows for cell in row):
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return widths if sum(widths) + 2 * len(widths) <= WIDTH - 8 else []


def _cell(node: Expression | Outcome, written: Written) -> Doc:
    return node.value if isinstance(node, Outcome) else expression(node, written)


def _expect(node: Expect, written: Written) -> Doc:
    outcome = node.outcome
    docs: list[Doc] = [outcome.value if isinstance(outcome, Outcome) else outcome.text]
    if node.rules is not None:
        docs += (SPACE, "by ", _several(node.rules, written))
    if node.reason is not None:
        docs += (SPACE, f"reason {node.reason.text}")
    if node.requires:
        docs += (SPACE, "require ", _several(node.requires, written))
    return group(align(*docs))
