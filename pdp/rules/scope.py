"""Where an expression stands while it is read: the names it sees, what is known there, whom to tell.

Knows no expressions. One scope serves one rule, assert or test; `infer` changes it and puts it back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pdp.language.diagnostic import Diagnostic
from pdp.language.source import Span
from pdp.rules.environment import Environment
from pdp.rules.interface import Interface
from pdp.rules.known import NOTHING, Known
from pdp.rules.terms import Const, Term
from pdp.schema.types import UNKNOWN

# A condition with all its lets and defs in place. Far beyond any that a person reads; a chain of lets that
# each use the one before twice would otherwise double with every line.
MAX_SIZE = 10_000
# Deep enough for 64 levels in a rule and as many in what it uses; every later stage may recurse this far.
MAX_DEPTH = 128


class TooLarge(Exception):
    """An expression outgrew a limit; the message is for its author. Never leaves `infer`."""


@dataclass(slots=True)
class Scope:
    """`names` holds parameters, variables and table columns as the terms that stand for them.

    `lenient` is for a let or def by itself: whether what it reads is there depends on who uses it. `inlined`
    counts the definitions around the current expression, `visits` how often the literal sets around it are
    gone over. `contextual` is set when a term depends on what is known here, `quantified` when it has
    variables of its own, `broken` when it holds a term without meaning. `taken` are the names of its
    variables, `undeclared` what was told to be declared by no schema, `unguarded` the roots of which a guard
    was told to be wrong: what it was to guard is no second mistake.
    """

    environment: Environment
    interface: Interface
    report: Callable[[Diagnostic], None]
    names: dict[str, Term] = field(default_factory=dict)
    known: Known = NOTHING
    lenient: bool = False
    inlined: int = 0
    visits: int = 1
    contextual: bool = False
    quantified: bool = False
    size: int = 0
    depth: int = 0
    deepest: int = 0
    taken: set[str] = field(default_factory=set)
    undeclared: set[str] = field(default_factory=set)
    unguarded: set[str] = field(default_factory=set)
    broken: bool = False

    def tell(self, code: str, span: Span, message: str, hint: str = "") -> None:
        self.report(Diagnostic(code, span, message, hint))

    def wrong(self, code: str, span: Span, message: str, hint: str = "") -> Term:
        """Tell, and give the term that agrees with everything."""
        self.report(Diagnostic(code, span, message, hint))
        return self.nothing(span)

    def nothing(self, span: Span) -> Term:
        """The term that agrees with everything: it stands where an error was told."""
        self.broken = True
        return Const("", span=span, type=UNKNOWN)

    def grow(self, size: int, depth: int) -> None:
        """Count a term of `size` nodes that is `depth` deep at the current place."""
        self.size += size
        if self.size > MAX_SIZE:
            raise TooLarge(f"with its lets and defs in place this has more than {MAX_SIZE:_} parts")
        depth += self.depth
        if depth > self.deepest:
            if depth > MAX_DEPTH:
                raise TooLarge(f"with its lets and defs in place this is more than {MAX_DEPTH} levels deep")
            self.deepest = depth
