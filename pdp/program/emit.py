"""From code to Python functions, at the policy's own lines and columns.

Emits `ast` nodes and no text, so there is nothing to escape, and a traceback or tracer shows the policy line.
Knows the operations of `lower` and nothing of terms. The safety of generated code rests on this: it holds the
few kinds of nodes below and calls what `runtime` lists.

A function takes the facts, and its constants as defaults: functions of one shape share one code object.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any, Final, TypeAlias, TypedDict

from pdp.language.source import Source, Span
from pdp.program.lower import Code
from pdp.program.runtime import GLOBALS

Emitted: TypeAlias = Callable[..., Any]
"""`function(facts)`: raises `Failed`, or `KeyError` with the name of a member that is not there."""

_COMPARE: Final[dict[str, type[ast.cmpop]]] = {
    "==": ast.Eq, "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE, "in": ast.In,
}  # fmt: skip
_COMPUTE: Final[dict[str, type[ast.operator]]] = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult}


class _Where(TypedDict):
    """Where a node stands, as `ast` wants it: lines from 1, columns from 0 in bytes of UTF-8."""

    lineno: int
    col_offset: int
    end_lineno: int
    end_col_offset: int


def bind(code: CodeType, name: str, constants: Sequence[Any]) -> Emitted:
    """The function of shared code with constants of its own."""
    return FunctionType(code, GLOBALS, name, tuple(constants))


def test_code(
    name: str, guards: Sequence[Code], slots: int, places: Sequence[Span], sources: Mapping[str, Source]
) -> CodeType:
    """The code that gives whether every guard holds. A guard is `(place, wanted, code)`.

    Each guard is a statement of its own, so that a tracer sees the clauses that were reached.
    """
    emit = _Emit(places, sources)
    body: list[ast.stmt] = []
    for at, wanted, code in guards:
        where = emit.where(at)
        test = emit.of(code)
        ends = ast.UnaryOp(ast.Not(), test, **where) if wanted else test
        leave = ast.Return(ast.Constant(False, **where), **where)
        body.append(ast.If(ends, [leave], [], **where))
    where = emit.where(0)
    body.append(ast.Return(ast.Constant(True, **where), **where))
    return emit.function(name, body, slots)


def values_code(
    name: str,
    values: Sequence[tuple[str, Code]],
    slots: int,
    places: Sequence[Span],
    sources: Mapping[str, Source],
) -> CodeType:
    """The code that gives a dict of values, evaluated in order. Place 0 is the whole."""
    emit = _Emit(places, sources)
    where = emit.where(0)
    keys: list[ast.expr | None] = [ast.Constant(key, **where) for key, _ in values]
    return emit.function(
        name, [ast.Return(ast.Dict(keys, [emit.of(code) for _, code in values], **where), **where)], slots
    )


class _Emit:
    def __init__(self, places: Sequence[Span], sources: Mapping[str, Source]) -> None:
        self._places = places
        self._sources = sources
        self._path = places[0].path
        # What was inlined from another file has no line here, and takes that of what stands around it.
        self._last = self._locate(places[0])

    def function(self, name: str, body: list[ast.stmt], slots: int) -> CodeType:
        where = self.where(0)
        names = ["facts", *(f"k{slot}" for slot in range(slots))]
        parameters = ast.arguments(
            posonlyargs=[],
            args=[ast.arg(one, **where) for one in names],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        )
        definition = ast.FunctionDef(name, parameters, body, [], **where)
        made = compile(ast.Module([definition], []), self._path or "<policy>", "exec", dont_inherit=True)
        return next(one for one in made.co_consts if isinstance(one, CodeType))

    def where(self, at: int) -> _Where:
        """Where a place is."""
        span = self._places[at]
        if span.path == self._path:
            self._last = self._locate(span)
        return self._last

    def _locate(self, span: Span) -> _Where:
        source = self._sources.get(span.path)
        if source is None:
            return {"lineno": 1, "col_offset": 0, "end_lineno": 1, "end_col_offset": 0}
        start, end = source.place(span.start), source.place(span.end)
        return {
            "lineno": start.line,
            "col_offset": len(source.line(start.line)[: start.column - 1].encode()),
            "end_lineno": end.line,
            "end_col_offset": len(source.line(end.line)[: end.column - 1].encode()),
        }

    def of(self, code: Code) -> ast.expr:
        """The expression for `code`."""
        operation, at, *rest = code
        where = self.where(at)
        match operation:
            case "constant":
                return _name(f"k{rest[0]}", where)
            case "text":
                return ast.Constant(rest[0], **where)
            case "fact":
                return ast.Attribute(_name("facts", where), rest[0], ast.Load(), **where)
            case "variable" | "kept":
                return _name(rest[0], where)
            case "missing":
                return _name("MISSING", where)
            case "member":
                return ast.Subscript(self.of(rest[0]), ast.Constant(rest[1], **where), ast.Load(), **where)
            case "get":
                record, name, fallback = rest
                get = ast.Attribute(self.of(record), "get", ast.Load(), **where)
                return ast.Call(get, [ast.Constant(name, **where), self.of(fallback)], [], **where)
            case "there":
                return ast.Compare(self.of(rest[0]), [ast.IsNot()], [_name("MISSING", where)], **where)
            case "keep":
                target = ast.Name(rest[0], ast.Store(), **where)
                return ast.NamedExpr(target, self.of(rest[1]), **where)
            case "call":
                return ast.Call(_name(rest[0], where), self._all(rest[1:]), [], **where)
            case "apply":
                return ast.Call(_name(f"k{rest[0]}", where), [self.of(rest[1])], [], **where)
            case "method":
                name, subject, argument = rest
                method = ast.Attribute(self.of(subject), name, ast.Load(), **where)
                return ast.Call(method, [self.of(argument)], [], **where)
            case "compare":
                operator, left, right = rest
                return ast.Compare(self.of(left), [_COMPARE[operator]()], [self.of(right)], **where)
            case "compute":
                operator, left, right = rest
                return ast.BinOp(self.of(left), _COMPUTE[operator](), self.of(right), **where)
            case "minus":
                return ast.UnaryOp(ast.USub(), self.of(rest[0]), **where)
            case "not":
                return ast.UnaryOp(ast.Not(), self.of(rest[0]), **where)
            case "and":
                return ast.BoolOp(ast.And(), self._all(rest), **where)
            case "or":
                return ast.BoolOp(ast.Or(), self._all(rest), **where)
            case "if":
                condition, then, otherwise = self._all(rest)
                return ast.IfExp(condition, then, otherwise, **where)
            case "each":
                kind, variable, over, condition = rest
                return self._each(kind, variable, over, condition, where)
            case _:
                raise AssertionError(operation)

    def _all(self, codes: Sequence[Code]) -> list[ast.expr]:
        return [self.of(code) for code in codes]

    def _each(self, kind: str, variable: str, over: Code, condition: Code, where: _Where) -> ast.expr:
        # A function and not a comprehension, for those do not let their parts keep values.
        members = self.of(over)
        asked = ast.Lambda(_parameters([variable], where), self.of(condition), **where)
        outcomes = ast.Call(_name("map", where), [asked, members], [], **where)
        return ast.Call(_name(kind, where), [outcomes], [], **where)


def _parameters(names: Sequence[str], where: _Where) -> ast.arguments:
    arguments = [ast.arg(name, **where) for name in names]
    return ast.arguments(posonlyargs=[], args=arguments, kwonlyargs=[], kw_defaults=[], defaults=[])


def _name(name: str, where: _Where) -> ast.Name:
    return ast.Name(name, ast.Load(), **where)
