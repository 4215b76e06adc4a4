"""Which rules a request can concern, found without asking all of them.

A rule is posted under its audiences, actions and resource type; where many share these, also under the
caller's id or path, the resource's id or a group. The index may give a rule too many and never one too few:
each rule's code tests again what the index did not (`Posting.audience`, `Posting.action`).

Knows heads and not what rules say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Generic, TypeAlias, TypeVar

from pdp.access.facts import Facts
from pdp.access.patterns import SPIFFE, exact, glob, literal_prefix
from pdp.rules.rules import Head

R = TypeVar("R")
Key = tuple[str | None, str | None, str | None]
"""Audience, action and resource type; None stands for any. Actions with wildcards have keys of their own."""

# A rule for many audiences and actions would be posted under each pair of them; beyond this many it is posted
# as if it were for any, and its code does the rest.
MOST_POSTINGS: Final = 64
# Fewer rules than this are asked faster than told apart.
FEW: Final = 3
# Names come from outside: what is remembered of them must not grow with them.
REMEMBERED: Final = 4_096


@dataclass(frozen=True, slots=True)
class Posting:
    """Where a rule is found: exact keys, and keys whose action is a glob. No request finds it twice there.

    `audience` and `action` tell whether finding it proves that clause; where not, its code must test it.
    """

    keys: tuple[Key, ...]
    globs: tuple[Key, ...]
    audience: bool
    action: bool


def posting(head: Head) -> Posting:
    """Where a rule with this head is posted."""
    audiences: Sequence[str | None] = head.audiences or (None,)
    actions: Sequence[str | None] = head.actions or (None,)
    plain: list[str | None] = [None]
    wild: list[str] = []
    if head.actions is not None and _apart(head.actions):
        plain = list(dict.fromkeys(name for name in map(exact, head.actions) if name is not None))
        wild = [pattern for pattern in head.actions if exact(pattern) is None]
        actions = head.actions
    elif head.actions is not None:
        actions = (None,)
    if len(audiences) * len(actions) > MOST_POSTINGS:
        if len(audiences) > len(actions):
            audiences = (None,)
        else:
            actions, plain, wild = (None,), [None], []
    return Posting(
        tuple((audience, action, head.resource_type) for audience in audiences for action in plain),
        tuple((audience, pattern, head.resource_type) for audience in audiences for pattern in wild),
        audience=head.audiences is None or audiences[0] is not None,
        action=head.actions is None or actions[0] is not None,
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

    __slots__ = ("_by_group", "_by_id", "_by_path", "_by_resource", "_only_ids", "_rest", "_twice")

    def __init__(self, rules: Iterable[tuple[Head, R]]) -> None:
        by_id: dict[str, list[R]] = {}
        by_path: dict[str, list[R]] = {}
        by_resource: dict[str, list[R]] = {}
        by_group: dict[str, list[R]] = {}
        rest: dict[str | None, list[R]] = {}
        self._twice = False
        for head, rule in rules:
            paths = _paths(head.callers)
            ids = _all_exact(head.resource_ids)
            if paths is not None:
                for table, path in paths:
                    (by_id if table == "id" else by_path).setdefault(path, []).append(rule)
                # One caller may match two of its patterns.
                self._twice |= len(paths) > 1
            elif ids is not None:
                for name in ids:
                    by_resource.setdefault(name, []).append(rule)
            elif head.groups is not None:
                for name in head.groups:
                    by_group.setdefault(name, []).append(rule)
                self._twice |= len(head.groups) > 1
            else:
                rest.setdefault(head.kind, []).append(rule)
        self._by_id, self._by_path = _frozen(by_id), _frozen(by_path)
        self._by_resource, self._by_group = _frozen(by_resource), _frozen(by_group)
        self._rest = _frozen(rest)
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
            name = caller["id"]
            at = name.find("/", len(SPIFFE))
            while at > 0:
                found += self._by_path.get(name[: at + 1], ())
                at = name.find("/", at + 1)
        if self._by_resource:
            found += self._by_resource.get(facts.resource["id"], ())
        if self._by_group:
            for group in caller["groups"]:
                found += self._by_group.get(group, ())
        return list(dict.fromkeys(found)) if self._twice else found


def _paths(callers: Sequence[str] | None) -> list[tuple[str, str]] | None:
    """How callers are posted: by id, or by the part of a SPIFFE ID up to its first wildcard; None if not."""
    if callers is None or len(callers) > MOST_POSTINGS:
        return None
    paths: set[tuple[str, str]] = set()
    for pattern in callers:
        name = exact_caller(pattern)
        if name is not None:
            paths.add(("id", name))
        elif pattern.startswith(SPIFFE):
            start = literal_prefix(pattern)
            paths.add(("path", start[: start.rindex("/") + 1]))
        else:
            return None
    return sorted(paths)


def exact_caller(pattern: str) -> str | None:
    """The one caller that a caller pattern matches, or None where it has a wildcard."""
    if pattern.startswith(SPIFFE):
        return None if "*" in pattern else pattern
    return exact(pattern)


def _all_exact(patterns: Sequence[str] | None) -> set[str] | None:
    if patterns is None or len(patterns) > MOST_POSTINGS:
        return None
    names = {exact(pattern) for pattern in patterns}
    return None if None in names else {name for name in names if name is not None}


K = TypeVar("K")


def _frozen(table: dict[K, list[R]]) -> dict[K, tuple[R, ...]]:
    return {key: tuple(rules) for key, rules in table.items()}


Some: TypeAlias = Leaf[R] | tuple[R, ...]
"""A few rules as they are, or more to be told apart."""


class Index(Generic[R]):
    """All rules of a policy set, to be found by request. `_known`, a bounded cache, is the one thing that
    changes: which leaves an audience, action and resource type lead to."""

    __slots__ = ("_exact", "_globs", "_known", "_patterns")

    def __init__(self, rules: Iterable[tuple[Head, Posting, R]]) -> None:
        found: dict[Key, list[tuple[Head, R]]] = {}
        wild: dict[Key, list[tuple[Head, R]]] = {}
        for head, posted, rule in rules:
            entry = (head, rule)
            for key in posted.keys:
                found.setdefault(key, []).append(entry)
            for key in posted.globs:
                wild.setdefault(key, []).append(entry)
        self._exact = {key: _leaf(entries) for key, entries in found.items()}
        self._globs = {key: _leaf(entries) for key, entries in wild.items()}
        self._patterns = _Patterns({key[1] for key in wild if key[1] is not None})
        self._known: dict[tuple[str, str, str], tuple[Some[R], ...]] = {}

    def find(self, audience: str, action: str, resource_type: str, facts: Facts) -> Sequence[R]:
        """The rules that the request can concern, in no particular order, each once."""
        leaves = self._known.get((audience, action, resource_type))
        if leaves is None:
            leaves = self._look_up(audience, action, resource_type)
        if len(leaves) == 1:
            leaf = leaves[0]
            return leaf if isinstance(leaf, tuple) else leaf.find(facts)
        found: list[R] = []
        for leaf in leaves:
            found += leaf if isinstance(leaf, tuple) else leaf.find(facts)
        return found

    def _look_up(self, audience: str, action: str, resource_type: str) -> tuple[Some[R], ...]:
        leaves: list[Some[R]] = []
        few: tuple[R, ...] = ()
        patterns = self._patterns.matching(action)
        for one in (audience, None):
            for type in (resource_type, None):
                places = [self._exact.get((one, name, type)) for name in (action, None)]
                places += [self._globs.get((one, pattern, type)) for pattern in patterns]
                for leaf in places:
                    if isinstance(leaf, tuple) and len(few) + len(leaf) <= FEW * 4:
                        few += leaf
                    elif leaf is not None:
                        leaves.append(leaf)
        made: tuple[Some[R], ...] = (few, *leaves) if few or not leaves else tuple(leaves)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[audience, action, resource_type] = made
        return made


def _leaf(entries: Sequence[tuple[Head, R]]) -> Some[R]:
    return Leaf(entries) if len(entries) > FEW else tuple(rule for _, rule in entries)


class _Patterns:
    """Action globs by what they begin with, so that a name is matched with few of them."""

    def __init__(self, patterns: Iterable[str]) -> None:
        table: dict[str, list[tuple[str, Callable[[str], bool]]]] = {}
        for pattern in sorted(patterns):
            table.setdefault(literal_prefix(pattern), []).append((pattern, glob(pattern)))
        self._table = table
        self._lengths = sorted({len(start) for start in table})

    def matching(self, name: str) -> list[str]:
        """The patterns that `name` matches."""
        return [
            pattern
            for length in self._lengths
            if length <= len(name)
            for pattern, matches in self._table.get(name[:length], ())
            if matches(name)
        ]
