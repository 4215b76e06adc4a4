"""Checked modules as bytes, for another process of this program, and back. Knows their shape and no meaning.

Only for bytes that this program made itself a moment ago: whoever writes them can run code where they are
read.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copyreg import dispatch_table
from dataclasses import fields
from io import BytesIO
from typing import Any, get_args

from pdp.language.diagnostic import Diagnostic
from pdp.language.source import Span
from pdp.rules.check import CheckedModule
from pdp.rules.environment import Environment
from pdp.rules.rules import Annotations, Condition, Duty, Head, Rule
from pdp.rules.terms import Term
from pdp.schema.types import Type

Findings = tuple[Diagnostic, ...]


def pack(modules: list[tuple[CheckedModule, Findings]]) -> bytes:
    """`modules`, each with what was found about it. What they read of others is named, and not packed."""
    file = BytesIO()
    pickler = pickle.Pickler(file, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _TABLE
    pickler.dump(
        [
            (one.module, one.rules, one.asserts, one.cases, one.diagnostics, tuple(one.reads), found)
            for one, found in modules
        ]
    )
    return file.getvalue()


def unpack(data: bytes, environment: Environment) -> list[tuple[CheckedModule, Findings]]:
    """What `pack` made `data` of, in an environment that is equal to theirs."""
    modules = []
    for module, rules, asserts, cases, diagnostics, reads, found in pickle.loads(data):
        known = {name: environment.interfaces.get(name) for name in reads}
        one = CheckedModule(module, rules, asserts, cases, diagnostics, environment.schema, known)
        modules.append((one, found))
    return modules


def _reduced(cls: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """How to make a `cls` again: by a call, which is several times faster than field by field."""
    names = [field.name for field in fields(cls)]
    return lambda value: (cls, tuple([getattr(value, name) for name in names]))


def _reduced_term(cls: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    names = [field.name for field in fields(cls) if not field.kw_only]
    return lambda term: (_term, (cls, term.span, term.type, *[getattr(term, name) for name in names]))


def _term(cls: Callable[..., Term], span: Span, type: Type, *values: Any) -> Term:
    return cls(*values, span=span, type=type)


_TABLE = {
    **dispatch_table,
    **{cls: _reduced(cls) for cls in (Rule, Head, Annotations, Condition, Duty, *get_args(Type))},
    **{cls: _reduced_term(cls) for cls in get_args(Term)},
}
