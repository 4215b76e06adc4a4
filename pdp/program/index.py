"""Which rules a request can concern, found without asking all of them.

A rule is posted under its audiences, actions and resource type; where many share these, also under the
caller's id or path, the resource's id or a group. The index may give a rule too many and never one too few:
each rule's code tests again what the index did not (`Posting.audience`, `Posting.action`).

Knows heads and not what rules say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from operator import attrgetter
from typing import Final, Generic, TypeAlias, TypeVar

from pdp.access.facts import Facts
from pdp.access.patterns import SPIFFE, exact, glob, literal_prefix
from pdp.program.patterns import Patterns, exact_caller
from pdp.rules.rules import Head

R = TypeVar("R")
Key = tuple[str | None, str | None, str | None]
"""Audience, action or glob, and resource type; None stands for any."""

# A rule for many audiences and actions would be posted under each pair of them, and a let may give thousands
# to many rules; beyond this many it is posted as if it were for any, and its code does the rest.
MOST_POSTINGS: Final = 64
# Up to this many rules are asked faster than told apart.
FEW: Final = 3
# Names come from outside: what is remembered of them must not grow with them, in number or in length.
REMEMBERED: Final = 16_384
LONGEST_REMEMBERED: Final = 256
ANY: Final = (None,)


@dataclass(frozen=True, slots=True)
class Posting:
    """Where a rule is found: each audience with each action (`exact`) or glob. No request finds it twice.

    `audience` and `action` tell whether finding it proves that clause; where not, its code must test it.
    """

    exact: tuple[Key, ...]
    globs: tuple[Key, ...]
    audience: bool
    action: bool


Posted: TypeAlias = tuple[Head, Posting, tuple[R]]
"""A head, where it is posted, and its rule as the place of one that is alone there."""


def posting(head: Head) -> Posting:
    """Where a rule with this head is posted."""
    audiences: Sequence[str | None] = ANY if head.audiences is None else head.audiences
    actions: Sequence[str | None] = ANY
    globs: Sequence[str] = ()
    if head.actions is not None and _apart(head.actions):
        actions = [name for name in map(exact, head.actions) if name is not None]
        globs = [pattern for pattern in head.actions if exact(pattern) is None]
    while len(audiences) * (len(actions) + len(globs)) > MOST_POSTINGS:
        if len(audiences) > len(actions) + len(globs):
            audiences = ANY
        else:
            actions, globs = ANY, ()
    types = (head.resource_type,)
    return Posting(
        tuple(product(audiences, actions, types)),
        tuple(product(audiences, globs, types)),
        audience=head.audiences is None or audiences is not ANY,
        action=head.actions is None or actions is not ANY,
    )


def _apart(patterns: Sequence[str]) -> bool:
    """Whether no name can match two of `patterns`; a cautious no where that is not plain."""
    wild = [pattern for pattern in patterns if exact(pattern) is None]
    if not wild:
        return True
    if len(patterns) > MOST_POSTINGS:
        return False
    starts = sorted(literal_prefix(pattern) for pattern in wild)
    if any(after.startswith(before) for before, after in pairwise(starts)):
        return False
    names = [name for name in map(exact, patterns) if name is not None]
    return not any(glob(pattern)(name) for pattern in wild for name in names)


class Leaf(Generic[R]):
    """The rules under one key, told apart by the narrowest of their other clauses. Not changed once made."""

    __slots__ = (
        "_by_group", "_by_id", "_by_path", "_by_resource", "_longest", "_only_ids", "_rest", "_twice",
    )  # fmt: skip

    def __init__(self, rules: Iterable[tuple[Head, R]]) -> None:
        by_id: dict[str, list[R]] = {}
        by_path: dict[str, list[R]] = {}
        by_resource: dict[str, list[R]] = {}
        by_group: dict[str, list[R]] = {}
        rest: dict[str | None, list[R]] = {}
        # Whether a rule may be found twice: by two patterns of its callers, or by two groups.
        self._twice = False
        for head, rule in rules:
            if (callers := _callers(head.callers)) is not None:
                ids, paths = callers
                for name in ids:
                    by_id.setdefault(name, []).append(rule)
                for path in paths:
                    by_path.setdefault(path, []).append(rule)
                self._twice |= bool(paths) and len(ids) + len(paths) > 1
            elif (names := _all_exact(head.resource_ids)) is not None:
                for name in names:
                    by_resource.setdefault(name, []).append(rule)
            elif head.groups is not None and len(head.groups) <= MOST_POSTINGS:
                for name in head.groups:
                    by_group.setdefault(name, []).append(rule)
                self._twice |= len(head.groups) > 1
            else:
                rest.setdefault(head.kind, []).append(rule)
        self._by_id, self._by_path = _frozen(by_id), _frozen(by_path)
        self._by_resource, self._by_group = _frozen(by_resource), _frozen(by_group)
        self._rest = _frozen(rest)
        self._longest = max(map(len, by_path), default=0)
        self._only_ids = not (by_path or by_resource or by_group or rest)

    def find(self, facts: Facts) -> Sequence[R]:
        """The rules that a request with these facts can concern, each once."""
        caller = facts.caller
        if self._only_ids:
            return self._by_id.get(caller["id"], ())
        found = [*self._rest.get(None, ()), *self._rest.get(caller["kind"], ())]
        if self._by_id:
            found += self._by_id.get(caller["id"], ())
        if self._by_path:
            # An id may be long, and all slashes; no path is longer than the longest.
            name, longest = caller["id"], self._longest
            at = name.find("/", len(SPIFFE), longest)
            while at > 0:
                found += self._by_path.get(name[: at + 1], ())
                at = name.find("/", at + 1, longest)
        if self._by_resource:
            found += self._by_resource.get(facts.resource["id"], ())
        if self._by_group:
            for group in caller["groups"]:
                found += self._by_group.get(group, ())
        return list(dict.fromkeys(found)) if self._twice else found


def _callers(patterns: Sequence[str] | None) -> tuple[set[str], set[str]] | None:
    """How callers are posted: ids, and parts of SPIFFE IDs up to a first wildcard; None if they are not."""
    if patterns is None or len(patterns) > MOST_POSTINGS:
        return None
    ids: set[str] = set()
    paths: set[str] = set()
    for pattern in patterns:
        name = exact_caller(pattern)
        if name is not None:
            ids.add(name)
        elif pattern.startswith(SPIFFE):
            start = literal_prefix(pattern)
            paths.add(start[: start.rindex("/") + 1])
        else:
            return None
    return ids, paths


def _all_exact(patterns: Sequence[str] | None) -> set[str] | None:
    if patterns is None or len(patterns) > MOST_POSTINGS:
        return None
    names = {name for name in map(exact, patterns) if name is not None}
    return names if len(names) == len(patterns) else None


K = TypeVar("K")


def _frozen(table: dict[K, list[R]]) -> dict[K, tuple[R, ...]]:
    return {key: tuple(rules) for key, rules in table.items()}


@dataclass(frozen=True, slots=True)
class _Several(Generic[R]):
    """What lies under several keys: few rules of each, and leaves."""

    few: tuple[R, ...]
    leaves: tuple[Leaf[R], ...]

    def find(self, facts: Facts) -> Sequence[R]:
        found = [*self.few]
        for leaf in self.leaves:
            found += leaf.find(facts)
        return found


Found: TypeAlias = tuple[R, ...] | Leaf[R] | _Several[R]
"""A few rules as they are, or more to be told apart."""


class Index(Generic[R]):
    """All rules of a policy set, to be found by request. `known`, a bounded cache, is the one thing that
    changes: what an audience, action and resource type led to.
    """

    __slots__ = ("_exact", "_globs", "_patterns", "known")

    def __init__(self, rules: Sequence[Posted[R]]) -> None:
        self._exact = _table(rules, attrgetter("exact"))
        self._globs = _table([one for one in rules if one[1].globs], attrgetter("globs"))
        self._patterns = Patterns(sorted({key[1] for key in self._globs if key[1] is not None}), glob)
        self.known: dict[tuple[str, str, str], Found[R]] = {}

    def look_up(self, audience: str, action: str, resource_type: str) -> Found[R]:
        """What is not `known` yet: all rules that such a request can concern, in no order, each once."""
        few: list[R] = []
        leaves: list[Leaf[R]] = []
        patterns = self._patterns.matching(action)
        for table, names in ((self._exact, (action, None)), (self._globs, patterns)):
            for key in product((audience, None), names, (resource_type, None)):
                place = table.get(key, ())
                if isinstance(place, tuple):
                    few += place
                else:
                    leaves.append(place)
        found: Found[R] = tuple(few)
        if leaves:
            found = leaves[0] if len(leaves) == 1 and not few else _Several(tuple(few), tuple(leaves))
        size = len(few) + len(leaves)
        if size <= MOST_POSTINGS and len(audience) + len(action) + len(resource_type) <= LONGEST_REMEMBERED:
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            self.known[audience, action, resource_type] = found
        return found


def _table(
    rules: Sequence[Posted[R]], keys: Callable[[Posting], tuple[Key, ...]]
) -> dict[Key, tuple[R, ...] | Leaf[R]]:
    # Nearly every rule is alone where it is posted: what it has of its own is its place there.
    table: dict[Key, tuple[R, ...] | Leaf[R]] = {}
    crowds: dict[Key, list[tuple[Head, R]]] = {}
    for one in rules:
        for key in keys(one[1]):
            if table.setdefault(key, one[2]) is not one[2]:
                crowds[key] = []
    for head, posted, (rule,) in rules if crowds else ():
        for key in keys(posted):
            if key in crowds:
                crowds[key].append((head, rule))
    for key, crowd in crowds.items():
        table[key] = Leaf(crowd) if len(crowd) > FEW else tuple([rule for _, rule in crowd])
    return table
