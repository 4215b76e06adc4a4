"""A log that several append to: each hears all the others told, in order and once, whenever it asks."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.state import exchange
from pdp.state.exchange import Exchange
from pdp.state.memory import MemoryStore
from pdp.state.store import Entry, StoreError, name

NOW = 1_000_000.0


def nothing() -> Entry:
    return Entry(b"")


def tell(place: Exchange, batch: bytes) -> None:
    place.hear(NOW)
    assert place.tell(Entry(batch), nothing, NOW)


def test_a_log_that_is_new_says_nothing() -> None:
    assert Exchange(MemoryStore(), "a").hear(NOW) == (True, [])


def test_each_hears_what_the_others_told_and_not_itself() -> None:
    store = MemoryStore()
    one, other = Exchange(store, "a"), Exchange(store, "a")
    tell(one, b"1")
    assert other.hear(NOW) == (True, [b"1"])
    tell(other, b"2")
    assert other.hear(NOW) == (False, [])
    assert one.hear(NOW) == (False, [b"2"])


def test_logs_of_other_names_are_others() -> None:
    store = MemoryStore()
    tell(Exchange(store, "a"), b"1")
    assert Exchange(store, "b").hear(NOW) == (True, [])


def test_who_has_not_heard_the_last_may_not_tell() -> None:
    store = MemoryStore()
    one, other = Exchange(store, "a"), Exchange(store, "a")
    one.hear(NOW)
    tell(other, b"1")
    assert not one.tell(Entry(b"2"), nothing, NOW)
    assert one.hear(NOW) == (False, [b"1"])
    assert one.tell(Entry(b"2"), nothing, NOW)
    assert other.hear(NOW) == (False, [b"2"])


def test_a_batch_that_has_ended_is_not_heard() -> None:
    store = MemoryStore()
    one = Exchange(store, "a")
    one.hear(NOW)
    assert one.tell(Entry(b"1", NOW + 10), nothing, NOW)
    assert Exchange(store, "a").hear(NOW + 10) == (True, [])


def test_what_is_no_log_is_an_error() -> None:
    store, head = MemoryStore(), name("a", "head")
    assert store.commit(store.read([head], NOW), {head: Entry(b"\xc1")}, NOW)
    with pytest.raises(StoreError, match="what it holds is no log of a"):
        Exchange(store, "a").hear(NOW)


@given(st.lists(st.tuples(st.sampled_from(["hear", "tell", "begin"]), st.integers(0, 2)), max_size=80))
def test_whoever_asks_knows_all_that_was_told(steps: list[tuple[str, int]]) -> None:
    # Each knows a set of numbers; a batch is one of them, and the whole all that were told.
    store, told = MemoryStore(), list[int]()
    places = [Exchange(store, "a") for _ in range(3)]
    known: list[list[int]] = [[] for _ in range(3)]

    def hear(who: int) -> None:
        anew, batches = places[who].hear(NOW)
        numbers = [number for batch in batches for number in batch]
        known[who] = numbers if anew else known[who] + numbers
        assert known[who] == told

    with patch.object(exchange, "_BATCHES", 4):
        for step, who in steps:
            if step == "begin":
                places[who], known[who] = Exchange(store, "a"), []
            hear(who)
            if step == "tell":
                number = len(told)
                assert places[who].tell(Entry(bytes([number])), lambda: Entry(bytes(told)), NOW)
                told.append(number)
                known[who].append(number)
        for who in range(3):
            hear(who)
    assert len(store) <= 3 * 4 + 6
