"""A list of ids in pages: all of them, in order, from wherever it goes on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.state.memory import MemoryStore
from pdp.state.store import Entry, Snapshot, StoreError
from pdp.tasks.index import Index

NOW = 1_000.0


def filled(*ends: float) -> tuple[Index, MemoryStore]:
    """A list of as many ids as there are ends, numbered in their order."""
    index, store = Index("listed"), MemoryStore()
    for number, end in enumerate(ends):
        head = store.read([index.head], NOW).entries[index.head]
        changes = index.added(head, str(number), end)
        assert store.commit(Snapshot({**dict.fromkeys(changes), index.head: head}), changes, NOW)
    return index, store


def listed(index: Index, store: MemoryStore, after: int | None = None, seconds: float = NOW) -> list[str]:
    """The ids, the last first; each is at its place."""
    found = []
    for first, ids in index.pages(store, after, seconds):
        assert [int(one) for one in ids] == list(range(first, first + len(ids)))
        found += reversed(ids)
    return found


@given(st.integers(0, 150), st.none() | st.integers(0, 200))
def test_all_are_listed_the_last_first_from_any_place(count: int, after: int | None) -> None:
    index, store = filled(*[NOW + 60] * count)
    begin = count if after is None else min(after, count)
    assert listed(index, store, after) == [str(number) for number in reversed(range(begin))]


@given(st.lists(st.integers(1, 100).map(lambda lives: NOW + lives), max_size=150), st.integers(0, 120))
def test_what_may_not_be_forgotten_yet_is_listed(ends: list[float], passed: int) -> None:
    index, store = filled(*ends)
    there = listed(index, store, seconds=NOW + passed)
    assert {str(number) for number, end in enumerate(ends) if end > NOW + passed} <= set(there)
    assert there == [] or passed < 100


def test_two_lists_are_two() -> None:
    index, store = filled(NOW + 60)
    other = Index("listed", "of", "somebody")
    assert other.head != index.head
    assert listed(other, store) == []


def test_what_cannot_be_read_is_an_error() -> None:
    index, store = filled(NOW + 60)
    head = store.read([index.head], NOW)
    assert store.commit(head, {index.head: Entry(b"\xc1")}, NOW)
    with pytest.raises(StoreError, match="a list that cannot be read"):
        listed(index, store)
