"""What of a term is settled before any request comes: constant folding and partial evaluation.

A folded term means the same as the term, failures included: what could fail first is kept, so `f and false`
is only `false` where `f` cannot fail. Knows no rules and no heads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, assert_never

from pdp.access.facts import Facts
from pdp.access.values import Failed, visited
from pdp.rules.interpret import evaluate
from pdp.rules.outcomes import can_be, is_condition, surely
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
    parts,
)
from pdp.schema.types import BOOL

# What is known of a request: terms and their values. A term that stands in it does not fail. Terms of other
# kinds than these are not looked up, for each look-up goes over the whole term.
Known = Mapping[Term, Any]
_KNOWABLE = (Member, Item, Has, Compare, In, Call, Root, Variable)
NOTHING: Final[Known] = {}
# Is known within the condition of an `any` or `all`; no term of a policy is equal to it.
_QUANTIFIED: Final = Variable("")
_Node = TypeVar("_Node", bound=Term)


def fold(term: Term, known: Known = NOTHING) -> Term:
    """A term of the same meaning for every request of which `known` is true, as small as is easily found.

    What an operand of `and`, `or` or `if` says is known where it was true (or false), so the second `x` of
    `x and not x` folds too.
    """
    if known and isinstance(term, _KNOWABLE) and term in known:
        return _constant(term, known[term])
    match term:
        case Const() | Root() | Variable():
            return term
        case Member():
            return term if isinstance(term.record, Root) else _rebuilt(term, record=fold(term.record, known))
        case Item():
            return _rebuilt(term, map=fold(term.map, known), key=fold(term.key, known))
        case Has():
            return _constant(term, True) if known and term.operand in known else term
        case Default():
            return _fold_default(term, known)
        case Not():
            return _fold_not(term, known)
        case And() | Or():
            return _fold_chain(term, known)
        case If():
            return _fold_if(term, known)
        case Compare() | Arithmetic():
            return _settled(_rebuilt(term, left=fold(term.left, known), right=fold(term.right, known)))
        case In():
            inner = _rebuilt(term, item=fold(term.item, known), container=fold(term.container, known))
            return _settled(inner)
        case Negative():
            return _settled(_rebuilt(term, operand=fold(term.operand, known)))
        case Call():
            return _settled(_rebuilt(term, arguments=_fold_all(term.arguments, known)))
        case SetTerm():
            return _settled(_rebuilt(term, members=_fold_all(term.members, known)))
        case Quantify():
            return _fold_quantify(term, known)
        case _:
            assert_never(term)


def never_true(term: Term, known: Known = NOTHING) -> bool:
    """Whether `term` is true for no request of which `known` is true: it is always false, or fails."""
    return not can_be(fold(term, known), True)


def never_false(term: Term, known: Known = NOTHING) -> bool:
    """Whether `term` is false for no request of which `known` is true: it is always true, or fails."""
    return not can_be(fold(term, known), False)


def learn(term: Term, outcome: bool, known: Known) -> Known:
    """What is known where `known` is and the condition `term` came out as `outcome`."""
    learned = dict(known)
    _learn(term, outcome, learned)
    return learned


def learn_both(term: Term, folded: Term, outcome: bool, known: Known) -> Known:
    """`learn` from a condition as it was written, and from what folding with `known` left of it."""
    learned = learn(term, outcome, known)
    return learned if folded is term else learn(folded, outcome, learned)


def _learn(term: Term, outcome: bool, learned: dict[Term, Any]) -> None:
    match term:
        case Not():
            _learn(term.operand, not outcome, learned)
        case And() | Or():
            if outcome is isinstance(term, And):
                for operand in term.operands:
                    _learn(operand, outcome, learned)
        case Compare(operator="=="):
            if outcome and isinstance(term.right, Const):
                learned[term.left] = term.right.value
            if outcome and isinstance(term.left, Const):
                learned[term.right] = term.left.value
            learned[term] = outcome
        case Member() | Item() | Has() | Compare() | In() | Call() | Variable():
            learned[term] = outcome
        case _:
            pass


# Folding.


def _constant(term: Term, value: Any) -> Const:
    return Const(value, span=term.span, type=term.type)


def _rebuilt(term: _Node, **changed: Any) -> _Node:
    """`term` with some parts changed; the same object where none is."""
    for name, part in changed.items():
        if getattr(term, name) is not part:
            return replace(term, **changed)
    return term


def _fold_all(terms: tuple[Term, ...], known: Known) -> tuple[Term, ...]:
    folded = tuple(fold(term, known) for term in terms)
    return terms if all(new is old for new, old in zip(folded, terms, strict=True)) else folded


def _settled(term: Term) -> Term:
    """The value of `term` where its parts are constants; `term` itself where that fails."""
    for part in parts(term):
        if not isinstance(part, Const):
            return term
    try:
        return _constant(term, evaluate(term, _NO_FACTS))
    except (Failed, ValueError):  # a bad literal is told where it is checked
        return term


# Constants read no facts, so these are never looked at.
_NO_FACTS = Facts({}, {}, "", {}, {}, {}, {}, datetime(2026, 1, 1, tzinfo=UTC))


def _fold_default(term: Default, known: Known) -> Term:
    present = fold(Has(term.operand, type=BOOL), known)
    if isinstance(present, Const):
        return fold(term.operand if present.value else term.fallback, known)
    return _rebuilt(term, fallback=fold(term.fallback, known))


def _fold_not(term: Not, known: Known) -> Term:
    operand = fold(term.operand, known)
    match operand:
        case Const(value=bool()):
            return _constant(term, not operand.value)
        case Not() if is_condition(operand.operand):
            return operand.operand
        case _:
            return _rebuilt(term, operand=operand)


def _fold_chain(term: And | Or, known: Known) -> Term:
    goes_on = isinstance(term, And)  # the outcome of an operand with which the next one is reached
    kept: list[Term] = []
    for at, operand in enumerate(term.operands, start=1):
        folded = fold(operand, known)
        kept += folded.operands if isinstance(folded, And | Or) and type(folded) is type(term) else (folded,)
        if isinstance(kept[-1], Const) and kept[-1].value is (not goes_on):
            break
        if at < len(term.operands):
            known = learn_both(operand, folded, goes_on, known)
    last = kept[-1]
    if isinstance(last, Const) and last.value is (not goes_on) and all(map(surely, kept[:-1])):
        return _constant(term, not goes_on)
    kept = [part for part in kept if not (isinstance(part, Const) and part.value is goes_on)]
    if not kept:
        return _constant(term, goes_on)
    if len(kept) == 1 and is_condition(kept[0]):
        return kept[0]
    if len(kept) == 1:  # of unknown type: it is the chain that fails where it is no condition
        kept.insert(0, _constant(term, goes_on))
    return _rebuilt(term, operands=_same_or(term.operands, kept))


def _same_or(old: tuple[Term, ...], new: Iterable[Term]) -> tuple[Term, ...]:
    made = tuple(new)
    return old if len(old) == len(made) and all(a is b for a, b in zip(old, made, strict=True)) else made


def _fold_if(term: If, known: Known) -> Term:
    condition = fold(term.condition, known)
    if isinstance(condition, Const) and isinstance(condition.value, bool):
        return fold(term.then if condition.value else term.otherwise, known)
    return _rebuilt(
        term,
        condition=condition,
        then=fold(term.then, learn_both(term.condition, condition, True, known)),
        otherwise=fold(term.otherwise, learn_both(term.condition, condition, False, known)),
    )


def _fold_quantify(term: Quantify, known: Known) -> Term:
    condition = fold(term.condition, {**known, _QUANTIFIED: True})
    folded = _rebuilt(term, over=fold(term.over, known), condition=condition)
    if not isinstance(folded.over, Const):
        return folded
    try:
        members = visited(folded.over.value, term.kind)
    except Failed:
        return folded
    if not members:
        return _constant(term, term.kind == "all")
    # Within another one it fails where the two together visit too many, which only a request will tell.
    if isinstance(condition, Const) and isinstance(condition.value, bool) and _QUANTIFIED not in known:
        return _constant(term, condition.value)
    return folded
