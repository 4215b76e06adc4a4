"""What is known at a place of a condition: which optional attributes are there, and what is asked about.

Conditions teach: after `has resource.ticket and`, the ticket is there; after `resource.type == "order" and`,
the resource is an order. Guards are compared as terms, so two spellings of one attribute are one. Knows
terms; neither syntax nor the schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import product
from operator import and_, or_
from typing import TypeAlias, assert_never

from pdp.rules.globs import covers, literally, overlap
from pdp.rules.terms import (
    And,
    Arithmetic,
    Call,
    Compare,
    Const,
    Default,
    Has,
    If,
    In,
    Item,
    Member,
    Negative,
    Not,
    Or,
    Quantify,
    Root,
    SetTerm,
    Term,
    Variable,
)  # fmt: skip

TASK = Member(Root("task"), "id")
RESOURCE_TYPE = Member(Root("resource"), "type")
ACTION_NAME = Member(Root("action"), "name")
_TASK_ACTIVE = Member(Root("task"), "active")


# A name matches one of them.
Globs: TypeAlias = tuple[str, ...]
# How many tests each side of an `or` is remembered by, the last ones: each is joined with each.
_MOST = 4


@dataclass(frozen=True, slots=True)
class Known:
    """What is certain: terms that are `present`, the resource's type is one of `types` (None: of any), the
    action's name matches one glob of each of `actions`. `TASK` in `present` stands for every member of a task
    that is not optional. `types` is empty where the type was told to be wrong.
    """

    present: frozenset[Term] = frozenset()
    types: frozenset[str] | None = None
    actions: tuple[Globs, ...] = ()

    def __and__(self, other: Known) -> Known:
        """Both hold."""
        if other is NOTHING:
            return self
        if self is NOTHING:
            return other
        types = self.types
        if other.types is not None:
            # Two tests that no request meets are for `lint` to tell; here the later one is what is read by.
            types = other.types if types is None else types & other.types or other.types
        return Known(self.present | other.present, types, _both(self.actions, other.actions))

    def __or__(self, other: Known) -> Known:
        """One of the two holds."""
        if self is NOTHING or other is NOTHING:
            return NOTHING
        types = None if self.types is None or other.types is None else self.types | other.types
        return Known(self.present & other.present, types, _either(self.actions, other.actions))


NOTHING = Known()


def _both(one: tuple[Globs, ...], other: tuple[Globs, ...]) -> tuple[Globs, ...]:
    """What is left of tests of the name that all hold: none that says no more than another one.

    Of two tests that no name meets, which are for `lint` to tell, the later one is what is read by.
    """
    left = tuple(a for a in one if not any(_within_globs(b, a) or not _meet(a, b) for b in other))
    return (*left, *(b for b in other if not any(_within_globs(a, b) for a in left)))


def _either(one: tuple[Globs, ...], other: tuple[Globs, ...]) -> tuple[Globs, ...]:
    """What holds where all tests of `one` do, and where all of `other` do."""
    found: tuple[Globs, ...] = ()
    for a, b in product(one[-_MOST:], other[-_MOST:]):
        found = _both(found, ((*a, *(glob for glob in b if glob not in a)),))
    return found


def _within_globs(narrow: Globs, wide: Globs) -> bool:
    return all(any(covers(w, n) for w in wide) for n in narrow)


def _meet(one: Globs, other: Globs) -> bool:
    return any(overlap(a, b) for a in one for b in other)


def when(term: Term, outcome: bool) -> Known:
    """What is known once `term` has turned out as `outcome`."""
    return _taught(term)[outcome]


def _taught(term: Term) -> tuple[Known, Known]:
    """What is known once `term` has turned out false, and once it has turned out true.

    Both at once: an `if` needs both of its condition, and to ask twice would double with every level.
    """
    match term:
        case Not(operand):
            false, true = _taught(operand)
            return true, false
        case And(operands):
            falses, trues = zip(*map(_taught, operands), strict=True)
            return reduce(or_, falses), reduce(and_, trues)
        case Or(operands):
            falses, trues = zip(*map(_taught, operands), strict=True)
            return reduce(and_, falses), reduce(or_, trues)
        case If(condition, then, otherwise):
            no, yes = _taught(condition)
            first = [yes & known for known in _taught(then)]
            second = [no & known for known in _taught(otherwise)]

            def either(outcome: bool) -> Known:
                if isinstance(otherwise, Const) and otherwise.value is not outcome:
                    return first[outcome]
                if isinstance(then, Const) and then.value is not outcome:
                    return second[outcome]
                return first[outcome] | second[outcome]

            return either(False), either(True)
        case Has(operand):
            return NOTHING, Known(_chain_present(operand))
        case Member():
            return NOTHING, Known(frozenset((TASK,))) if term == _TASK_ACTIVE else NOTHING
        case In(kind, item, container):
            return NOTHING, _within(kind, item, container)
        case Compare("==", left, Const(bool() as value)) | Compare("==", Const(bool() as value), left):
            false, true = _taught(left)
            return (false, true) if value else (true, false)
        case Compare("==", left, right):
            return NOTHING, _equal(left, right) & _equal(right, left)
        case Call("like", (subject, Const(pattern))):
            return NOTHING, Known(actions=((pattern,),)) if subject == ACTION_NAME else NOTHING
        case (
            Const() | Root() | Variable() | Item() | Default() | Compare() | Arithmetic() | Negative()
            | Call() | SetTerm() | Quantify()
        ):  # fmt: skip
            return NOTHING, NOTHING
        case _:
            assert_never(term)


def _chain_present(term: Term) -> frozenset[Term]:
    present = set()
    while isinstance(term, (Member, Item)):
        present.add(term)
        below = term.record if isinstance(term, Member) else term.map
        if isinstance(below, Root) and below.name == "task":
            present.add(TASK)
        term = below
    return frozenset(present)


def _within(kind: str, item: Term, container: Term) -> Known:
    if kind == "key":
        return Known(frozenset((Item(container, item),)))
    if kind == "set" and isinstance(container, Const):
        if item == RESOURCE_TYPE:
            return Known(types=frozenset(container.value))
        if item == ACTION_NAME:
            return Known(actions=(tuple(map(literally, sorted(container.value))),))
    return NOTHING


def _equal(left: Term, right: Term) -> Known:
    if isinstance(right, Const) and isinstance(right.value, str):
        if left == RESOURCE_TYPE:
            return Known(types=frozenset((right.value,)))
        if left == ACTION_NAME:
            return Known(actions=((literally(right.value),),))
    return NOTHING
