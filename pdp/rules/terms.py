"""What a condition means: one small tree for interpreter, emitter, prover and explanation.

Only `check` makes terms, and they are typed, resolved and free of sugar: `let` and `def` are inlined,
`unless c` is a condition with `negated`, `!=` is `Not(Compare("==", …))`, int operands that meet a float
stay ints (Python compares and adds them exactly as the language does). Who holds a term need not check it
again.

`span` and `type` stand outside equality: two terms that mean the same are equal wherever they stand, which
is what guards (`has x`) compare. An inlined term keeps the span of the `let` or `def` it came from.

The meaning of each node is `interpret.py`; a place that matches over them ends in `assert_never`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, assert_never

from pdp.language.source import Span
from pdp.schema.types import UNKNOWN, Type

NOWHERE = Span("", 0, 0)
RootName = Literal["caller", "credential", "audience", "action", "resource", "task", "context", "now"]


@dataclass(frozen=True, slots=True)
class _Term:
    span: Span = field(compare=False, repr=False, kw_only=True, default=NOWHERE)
    type: Type = field(compare=False, repr=False, kw_only=True, default=UNKNOWN)


@dataclass(frozen=True, slots=True)
class Const(_Term):
    """A value known at load (`values.Value`), a set of such values included.

    Equality must not mix `true`, `1` and `1.0`, so compare and hash constants by `(type(value), value)`.
    """

    value: Any

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Const) and type(self.value) is type(other.value) and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Root(_Term):
    """One of the eight roots; `audience` and `now` are values, the others records."""

    name: RootName


@dataclass(frozen=True, slots=True)
class Variable(_Term):
    """The variable of an enclosing `Quantify`. `check` gives each in a rule a name of its own."""

    name: str


@dataclass(frozen=True, slots=True)
class Member(_Term):
    """`record.name`. Fails `absent` when it is not there."""

    record: Term
    name: str


@dataclass(frozen=True, slots=True)
class Item(_Term):
    """`map[key]`. Fails `absent` when it is not there."""

    map: Term
    key: Term


@dataclass(frozen=True, slots=True)
class Has(_Term):
    """Whether `Member` or `Item` `operand` is there, along its whole chain: `has a.b.c` is false where `a.b`
    is absent. `has task` is `Has(Member(Root("task"), "id"))`. Never fails for absence."""

    operand: Term


@dataclass(frozen=True, slots=True)
class Default(_Term):
    """`operand ?? fallback`: `operand` where `Has(operand)`, else `fallback`, only then reached."""

    operand: Term
    fallback: Term


@dataclass(frozen=True, slots=True)
class Not(_Term):
    operand: Term


@dataclass(frozen=True, slots=True)
class And(_Term):
    """Left to right; what is not reached cannot fail. At least two operands, no `And` directly inside."""

    operands: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Or(_Term):
    """Left to right; what is not reached cannot fail. At least two operands, no `Or` directly inside."""

    operands: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class If(_Term):
    condition: Term
    then: Term
    otherwise: Term


@dataclass(frozen=True, slots=True)
class Compare(_Term):
    """Operands of one type (int and float count as one). With `UNKNOWN` operands a mismatch fails `type`."""

    operator: Literal["==", "<", "<=", ">", ">="]
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class In(_Term):
    """`item in container`, told apart by `kind`.

    `set`: member of a set. `key`: key of a map. `network`: an ip within an ip. `networks`: within any of a
    set of ips. `dynamic`: the container's type is unknown; its value decides, and another value than set,
    map or ip fails `type`.
    """

    kind: Literal["set", "key", "network", "networks", "dynamic"]
    item: Term
    container: Term


@dataclass(frozen=True, slots=True)
class Arithmetic(_Term):
    """Ints outside 64 bits, floats not finite, and dates or durations out of range fail `overflow`."""

    operator: Literal["+", "-", "*"]
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Negative(_Term):
    """`-operand` on a number or duration."""

    operand: Term


@dataclass(frozen=True, slots=True)
class Call(_Term):
    """A built-in of `schema.functions.FUNCTIONS`; `s like "g"` is `Call("like", (s, Const("g")))`.

    Arguments that the table marks literal are `Const`.
    """

    function: str
    arguments: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class SetTerm(_Term):
    """A set literal with a member that is not constant; others are `Const(frozenset)`."""

    members: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Quantify(_Term):
    """`any`/`all` `variable` in `over` (a set, or the keys of a map), in sorted order, stopping early."""

    kind: Literal["any", "all"]
    variable: str
    over: Term
    condition: Term


Term: TypeAlias = (
    Const | Root | Variable | Member | Item | Has | Default | Not | And | Or | If | Compare | In
    | Arithmetic | Negative | Call | SetTerm | Quantify
)  # fmt: skip


def parts(term: Term) -> tuple[Term, ...]:
    """The terms directly inside `term`, in the order in which they are evaluated."""
    match term:
        case Const() | Root() | Variable():
            return ()
        case Member():
            return (term.record,)
        case Has() | Not() | Negative():
            return (term.operand,)
        case Item():
            return (term.map, term.key)
        case Default():
            return (term.operand, term.fallback)
        case And() | Or():
            return term.operands
        case SetTerm():
            return term.members
        case Call():
            return term.arguments
        case If():
            return (term.condition, term.then, term.otherwise)
        case Compare() | Arithmetic():
            return (term.left, term.right)
        case In():
            return (term.item, term.container)
        case Quantify():
            return (term.over, term.condition)
        case _:
            assert_never(term)
