"""What a generated condition may read, and what must be known before. Knows the schema of `estate`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from generated.estate import SCHEMA
from pdp.rules.agree import fits
from pdp.rules.attributes import Roots
from pdp.rules.known import TASK, Globs, Known
from pdp.rules.terms import Member, Quantify, Root, Term, parts
from pdp.schema.types import STRING, TIMESTAMP, UNKNOWN, RecordOf, Type

_ROOTS = {strict: Roots(replace(SCHEMA, strict=strict)) for strict in (True, False)}


@dataclass(frozen=True, slots=True)
class Place:
    """A term that reads the request; each of `guards` must be known to be present, or reading is an error."""

    term: Term
    guards: tuple[Term, ...]

    def readable(self, known: Known) -> bool:
        return known.present.issuperset(self.guards)


_Types = frozenset[str] | None
_Actions = tuple[Globs, ...]


def places(type: Type, known: Known, strict: bool) -> tuple[Place, ...]:
    """Every place whose value can stand where `type` is asked for, given which resource and action it is."""
    return _places(type, known.types, known.actions, strict)


@cache
def _places(type: Type, types: _Types, actions: _Actions, strict: bool) -> tuple[Place, ...]:
    return tuple(place for place in _all_places(types, actions, strict) if fits(place.term.type, type))


@cache
def _all_places(types: _Types, actions: _Actions, strict: bool) -> tuple[Place, ...]:
    known, roots = Known(types=types, actions=actions), _ROOTS[strict]
    found = [Place(Root("audience", type=STRING), ()), Place(Root("now", type=TIMESTAMP), ())]
    for root in ("resource", "context", "caller", "action", "credential", "task"):
        for name in sorted(set(roots.names(root, known))):
            reading = roots.read(root, name, known)
            if reading is None or reading.conflict:
                continue
            term = Member(Root(root), name, type=reading.type)
            if reading.optional:
                found += _within(Place(term, (term,)))
            elif root == "task" and name != "active":
                found.append(Place(term, (TASK,)))
            else:
                found += _within(Place(term, ()))
    return tuple(found)


def declared(term: Term, known: Known, strict: bool) -> bool:
    """Whether all that `term` reads is still declared for the resource and the action that are now known.

    A term with a quantifier is read once only: written twice, it has variables of two names and is two terms.
    """
    if isinstance(term, Quantify):
        return False
    if isinstance(term, Member) and isinstance(term.record, Root):
        return term.type == UNKNOWN or term in _all_terms(known.types, known.actions, strict)
    return all(declared(part, known, strict) for part in parts(term))


@cache
def _all_terms(types: _Types, actions: _Actions, strict: bool) -> frozenset[Term]:
    return frozenset(place.term for place in _all_places(types, actions, strict))


def _within(place: Place) -> list[Place]:
    """The place, and those in the record that it holds."""
    found = [place]
    if isinstance(place.term.type, RecordOf):
        for name, attribute in place.term.type.attributes:
            term = Member(place.term, name, type=attribute.type)
            found += _within(Place(term, (*place.guards, term) if attribute.optional else place.guards))
    return found
