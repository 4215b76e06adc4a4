"""What every store keeps to: one contract, and the behaviour of a plain dictionary."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pdp.state import sqlite
from pdp.state.memory import MemoryStore
from pdp.state.sqlite import SqliteStore
from pdp.state.store import GRACE, Entry, Snapshot, Store, name

NOW = 1_000_000.0


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    kinds = {"memory": MemoryStore, "sqlite": lambda: SqliteStore(tmp_path / "state.db", durable=False)}
    with closing(kinds[request.param]()) as made:
        yield made


def put(store: Store, key: bytes, entry: Entry | None, seconds: float = NOW) -> None:
    assert store.commit(store.read([key], seconds), {key: entry}, seconds)


def get(store: Store, key: bytes, seconds: float = NOW) -> Entry | None:
    return store.read([key], seconds).entries[key]


def test_what_was_never_committed_is_none(store: Store) -> None:
    assert store.read([b"a", b"b"], NOW).entries == {b"a": None, b"b": None}


def test_what_was_committed_is_read_by_all_its_keys(store: Store) -> None:
    entries = {b"b": Entry(b"2", NOW + 1), b"a": Entry(b"1"), b"": Entry(b"")}
    assert store.commit(store.read(list(entries), NOW), entries, NOW)
    assert store.read([b"c", *entries], NOW).entries == {b"c": None, **entries}


def test_the_order_of_keys_and_saying_one_twice_mean_nothing(store: Store) -> None:
    put(store, b"a", Entry(b"1"))
    assert store.read([b"b", b"a", b"b"], NOW) == store.read([b"a", b"b"], NOW)
    snapshot = store.read([b"b", b"a"], NOW)
    assert store.commit(snapshot, {b"a": Entry(b"2"), b"b": Entry(b"3")}, NOW)
    assert store.read([b"a", b"b"], NOW).entries == {b"a": Entry(b"2"), b"b": Entry(b"3")}


def test_second_of_two_commits_from_one_snapshot_loses(store: Store) -> None:
    snapshot = store.read([b"a", b"b"], NOW)
    assert store.commit(snapshot, {b"a": Entry(b"1")}, NOW)
    assert not store.commit(snapshot, {b"a": Entry(b"2"), b"b": Entry(b"2")}, NOW)
    assert store.read([b"a", b"b"], NOW).entries == {b"a": Entry(b"1"), b"b": None}


def test_a_commit_loses_also_where_another_changed_what_it_only_read(store: Store) -> None:
    snapshot = store.read([b"read", b"written"], NOW)
    put(store, b"read", Entry(b"other"))
    assert not store.commit(snapshot, {b"written": Entry(b"1")}, NOW)
    assert get(store, b"written") is None


def test_an_end_is_part_of_what_a_race_is_about(store: Store) -> None:
    put(store, b"a", Entry(b"1", NOW + 10))
    snapshot = store.read([b"a"], NOW)
    put(store, b"a", Entry(b"1", NOW + 20))
    assert not store.commit(snapshot, {b"a": None}, NOW)


def test_commits_to_different_keys_do_not_race(store: Store) -> None:
    one, other = store.read([b"a"], NOW), store.read([b"b"], NOW)
    assert store.commit(one, {b"a": Entry(b"1")}, NOW)
    assert store.commit(other, {b"b": Entry(b"2")}, NOW)


def test_none_takes_away(store: Store) -> None:
    put(store, b"a", Entry(b"1", NOW + 10))
    put(store, b"a", None)
    put(store, b"a", None)
    assert get(store, b"a") is None


def test_changes_of_nothing_are_made_if_all_is_still_so(store: Store) -> None:
    snapshot = store.read([b"a"], NOW)
    assert store.commit(snapshot, {}, NOW)
    put(store, b"a", Entry(b"1"))
    assert not store.commit(snapshot, {}, NOW)


def test_an_entry_stands_until_just_before_its_end(store: Store) -> None:
    put(store, b"a", Entry(b"1", NOW + 10))
    assert get(store, b"a", NOW + 9.999) == Entry(b"1", NOW + 10)
    assert get(store, b"a", NOW + 10) is None


def test_one_without_end_stands_for_good(store: Store) -> None:
    put(store, b"a", Entry(b"1"))
    assert get(store, b"a", NOW * 1_000) == Entry(b"1")


def test_an_entry_that_ended_since_it_was_read_is_another_state(store: Store) -> None:
    put(store, b"a", Entry(b"1", NOW + 10))
    snapshot = store.read([b"a"], NOW)
    assert not store.commit(snapshot, {b"a": Entry(b"2")}, NOW + 10)


def test_the_place_of_what_has_ended_is_free(store: Store) -> None:
    put(store, b"a", Entry(b"1", NOW + 10))
    put(store, b"a", Entry(b"2", NOW + 30), NOW + 20)
    assert get(store, b"a", NOW + 20) == Entry(b"2", NOW + 30)


def test_a_clock_that_is_set_back_finds_again_what_had_not_ended_then(store: Store) -> None:
    put(store, b"a", Entry(b"1", NOW + 10))
    for number in range(200):
        put(store, b"%d" % number, Entry(b"", NOW + 1e6), NOW + 9 + GRACE)
    assert get(store, b"a", NOW) == Entry(b"1", NOW + 10)


def test_what_has_long_ended_is_taken_away(store: Store) -> None:
    for number in range(1_000):
        put(store, name("old", str(number)), Entry(b"", NOW + number / 100))
    for number in range(1_000):
        put(store, b"new", Entry(b"%d" % number, NOW + 1e6), NOW + 10 + GRACE + number)
    # Only what nobody should ever do shows it: asking for a time before the grace.
    keys = [name("old", str(number)) for number in range(1_000)]
    assert set(store.read(keys, NOW).entries.values()) == {None}
    assert get(store, b"new") == Entry(b"999", NOW + 1e6)


def test_values_and_keys_may_be_large_and_any_bytes(store: Store) -> None:
    value, key = bytes(range(256)) * 20_000, bytes(range(256)) * 40
    put(store, key, Entry(value, NOW + 1))
    assert get(store, key) == Entry(value, NOW + 1)


def test_a_snapshot_may_have_a_thousand_keys(store: Store) -> None:
    entries = {name(str(number)): Entry(b"%d" % number) for number in range(1_000)}
    snapshot = store.read(list(entries), NOW)
    assert store.commit(snapshot, entries, NOW)
    assert store.read(list(entries), NOW) == Snapshot(entries)
    assert store.commit(Snapshot(entries), dict.fromkeys(entries), NOW)
    assert store.read(list(entries), NOW) == snapshot


FIELDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=5)


@given(FIELDS, FIELDS)
def test_two_lists_of_fields_share_a_key_if_they_are_the_same(one: list[str], other: list[str]) -> None:
    assert (name(*one) == name(*other)) == (one == other)


@given(FIELDS.filter(len), st.data())
def test_cutting_the_same_text_into_other_fields_gives_another_key(
    fields: list[str], data: st.DataObject
) -> None:
    text = "".join(fields)
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    cut = [text[begin:end] for begin, end in zip([0, *at], [*at, len(text)], strict=True)]
    assert (name(*cut) == name(*fields)) == (cut == fields)


KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
ENDS = st.none() | st.floats(-400, 800).map(lambda after: NOW + after)


class StoresAreADictionary(RuleBasedStateMachine):
    """Memory and SQLite, held against a dictionary that forgets nothing, by a clock that goes back,
    too."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.patch = patch.object(sqlite, "_SWEEP", 2)
        self.patch.start()
        path = Path(self.folder.name) / "state.db"
        # Two connections to one file: whichever is asked, it is one store.
        self.stores: list[Store] = [MemoryStore(), SqliteStore(path, durable=False)]
        self.others: list[Store] = [self.stores[0], SqliteStore(path, durable=False)]
        self.model: dict[bytes, Entry] = {}
        self.seconds = self.latest = NOW
        self.held: list[tuple[list[Snapshot], dict[bytes, Entry | None]]] = []

    def teardown(self) -> None:
        for store in (*self.stores, *self.others):
            store.close()
        self.patch.stop()
        self.folder.cleanup()

    def live(self, key: bytes) -> Entry | None:
        entry = self.model.get(key)
        ended = entry is None or (entry.expires is not None and entry.expires <= self.seconds)
        return None if ended else entry

    @rule(by=st.floats(0, 500))
    def time_passes(self, by: float) -> None:
        self.seconds += by
        self.latest = max(self.latest, self.seconds)

    @rule(by=st.floats(0, GRACE))
    def the_clock_is_set_back(self, by: float) -> None:
        self.seconds = max(self.latest - GRACE, self.seconds - by)

    @rule(keys=st.lists(KEYS, max_size=4), other=st.booleans())
    def read(self, keys: list[bytes], other: bool) -> None:
        expected = {key: self.live(key) for key in keys}
        snapshots = [store.read(keys, self.seconds) for store in (self.others if other else self.stores)]
        assert [snapshot.entries for snapshot in snapshots] == [expected, expected]
        self.held.append((snapshots, expected))

    @rule(
        data=st.data(), values=st.lists(st.binary(max_size=3) | st.none(), min_size=4, max_size=4), end=ENDS
    )
    def commit(self, data: st.DataObject, values: list[bytes | None], end: float | None) -> None:
        if not self.held:
            return
        snapshots, read = data.draw(st.sampled_from(self.held))
        changes = {
            key: None if value is None else Entry(value, end)
            for key, value in zip(sorted(read), values, strict=False)
        }
        wins = all(self.live(key) == entry for key, entry in read.items())
        for store, snapshot in zip(self.stores, snapshots, strict=True):
            assert store.commit(snapshot, changes, self.seconds) == wins
        if wins:
            for key, entry in changes.items():
                self.model.pop(key, None)
                if entry is not None:
                    self.model[key] = entry


TestStoresAreADictionary = StoresAreADictionary.TestCase
TestStoresAreADictionary.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
