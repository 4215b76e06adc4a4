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
from pdp.program.lower import Code, Lowering
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


def guards_code(
    name: str, guards: Sequence[tuple[int, bool, Code]], lowering: Lowering, sources: Mapping[str, Source]
) -> CodeType:
    """The code that gives whether every guard holds. A guard is `(place, wanted, code)`.

    Each guard is a statement of its own, so that a tracer sees the clauses that were reached.
    """
    emit = _Emit(lowering, sources)
    body: list[ast.stmt] = []
    for at, wanted, code in guards:
        where = emit.where(at, emit.whole)
        test = emit.of(code, where)
        ends = ast.UnaryOp(ast.Not(), test, **where) if wanted else test
        body.append(ast.If(ends, [ast.Return(ast.Constant(False, **where), **where)], [], **where))
    body.append(ast.Return(ast.Constant(True, **emit.whole), **emit.whole))
    return emit.function(name, body)


def values_code(
    name: str, values: Sequence[tuple[str, Code]], lowering: Lowering, sources: Mapping[str, Source]
) -> CodeType:
    """The code that gives a dict of values, evaluated in order."""
    emit = _Emit(lowering, sources)
    where = emit.whole
    keys: list[ast.expr | None] = [ast.Constant(key, **where) for key, _ in values]
    made = ast.Dict(keys, [emit.of(code, where) for _, code in values], **where)
    return emit.function(name, [ast.Return(made, **where)])


class _Emit:
    """Emits one function. `whole` is where it stands."""

    def __init__(self, lowering: Lowering, sources: Mapping[str, Source]) -> None:
        self._places = lowering.places
        self._slots = len(lowering.constants)
        self._path = self._places[0].path
        self._source = sources.get(self._path, Source(self._path, "", ""))
        self.whole = self._located(self._places[0])

    def function(self, name: str, body: list[ast.stmt]) -> CodeType:
        parameters = _parameters(["facts", *(f"k{slot}" for slot in range(self._slots))], self.whole)
        definition = ast.FunctionDef(name, parameters, body, [], **self.whole)
        made = compile(ast.Module([definition], []), self._path or "<policy>", "exec", dont_inherit=True)
        return next(one for one in made.co_consts if isinstance(one, CodeType))

    def where(self, at: int, around: _Where) -> _Where:
        """Where a place is. What was inlined from another file has no line here: it is where it was put."""
        span = self._places[at]
        return self._located(span) if span.path == self._path else around

    def _located(self, span: Span) -> _Where:
        first, start = self._place(span.start)
        last, end = self._place(span.end)
        return {"lineno": first, "col_offset": start, "end_lineno": last, "end_col_offset": end}

    def _place(self, offset: int) -> tuple[int, int]:
        line, column = self._source.place(offset)
        return line, len(self._source.text[offset - column + 1 : offset].encode())

    def of(self, code: Code, around: _Where) -> ast.expr:
        """The expression for `code`, which stands within what is at `around`."""
        operation, at, *rest = code
        where = self.where(at, around)
        match operation:
            case "constant":
                return _name(f"k{rest[0]}", where)
            case "text":
                return ast.Constant(rest[0], **where)
            case "fact":
                return ast.Attribute(_name("facts", where), rest[0], _LOAD, **where)
            case "variable" | "kept":
                return _name(rest[0], where)
            case "missing":
                return _name("MISSING", where)
            case "member":
                return ast.Subscript(self.of(rest[0], where), ast.Constant(rest[1], **where), _LOAD, **where)
            case "get":
                record, name, fallback = rest
                get = ast.Attribute(self.of(record, where), "get", _LOAD, **where)
                return ast.Call(get, [ast.Constant(name, **where), self.of(fallback, where)], [], **where)
            case "part":
                return ast.Attribute(self.of(rest[0], where), rest[1], _LOAD, **where)
            case "there":
                return ast.Compare(self.of(rest[0], where), [ast.IsNot()], [_name("MISSING", where)], **where)
            case "keep":
                return ast.NamedExpr(
                    ast.Name(rest[0], ast.Store(), **where), self.of(rest[1], where), **where
                )
            case "call":
                arguments = [self.of(argument, where) for argument in rest[1:]]
                return ast.Call(_name(rest[0], where), arguments, [], **where)
            case "apply":
                return ast.Call(_name(f"k{rest[0]}", where), [self.of(rest[1], where)], [], **where)
            case "method":
                name, subject, argument = rest
                method = ast.Attribute(self.of(subject, where), name, _LOAD, **where)
                return ast.Call(method, [self.of(argument, where)], [], **where)
            case "compare":
                operator, left, right = rest
                compared = [_COMPARE[operator]()]
                return ast.Compare(self.of(left, where), compared, [self.of(right, where)], **where)
            case "compute":
                operator, left, right = rest
                return ast.BinOp(self.of(left, where), _COMPUTE[operator](), self.of(right, where), **where)
            case "minus":
                return ast.UnaryOp(ast.USub(), self.of(rest[0], where), **where)
            case "not":
                return ast.UnaryOp(ast.Not(), self.of(rest[0], where), **where)
            case "and" | "or":
                operands = [self.of(operand, where) for operand in rest]
                return ast.BoolOp(ast.And() if operation == "and" else ast.Or(), operands, **where)
            case "if":
                condition, then, otherwise = rest
                test = self.of(condition, where)
                return ast.IfExp(test, self.of(then, where), self.of(otherwise, where), **where)
            case "each":
                kind, variable, over, condition = rest
                # A function and not a comprehension, for those do not let their parts keep values.
                asked = ast.Lambda(_parameters([variable], where), self.of(condition, where), **where)
                outcomes = ast.Call(_name("map", where), [asked, self.of(over, where)], [], **where)
                return ast.Call(_name(kind, where), [outcomes], [], **where)
            case _:
                raise AssertionError(operation)


_LOAD: Final = ast.Load()


def _parameters(names: Sequence[str], where: _Where) -> ast.arguments:
    arguments = [ast.arg(name, **where) for name in names]
    return ast.arguments(posonlyargs=[], args=arguments, kwonlyargs=[], kw_defaults=[], defaults=[])


def _name(name: str, where: _Where) -> ast.Name:
    return ast.Name(name, _LOAD, **where)
