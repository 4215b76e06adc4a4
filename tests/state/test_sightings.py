"""Where a credential was seen, counted the same by all who share a store, as of the last time."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pdp.state import exchange, sightings
from pdp.state.memory import MemoryStore
from pdp.state.sightings import SOURCES, Sightings
from pdp.state.sqlite import SqliteStore
from pdp.state.store import Changes, Entry, Snapshot, Store, StoreError, name

NOW = 1_000_000.0
END = NOW + 3_600


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    kinds = {"memory": MemoryStore, "sqlite": lambda: SqliteStore(tmp_path / "state.db", durable=False)}
    with closing(kinds[request.param]()) as made:
        yield made


def test_a_credential_is_first_seen_once_from_one_peer() -> None:
    assert Sightings().saw(b"a", "10.0.0.1", END, NOW) == (0, 1)


def test_uses_are_earlier_ones_and_a_peer_counts_once() -> None:
    seen = Sightings()
    said = [seen.saw(b"a", source, END, NOW) for source in ("one", "one", "two", "one", "three")]
    assert said == [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3)]


def test_credentials_are_counted_apart() -> None:
    seen = Sightings()
    seen.saw(b"a", "one", END, NOW)
    assert seen.saw(b"b", "two", END, NOW) == (0, 1)


def test_peers_are_counted_up_to_a_limit() -> None:
    seen = Sightings()
    said = [seen.saw(b"a", str(number), END, NOW) for number in range(10_000)]
    assert [sources for _, sources in said[: SOURCES + 1]] == [*range(1, SOURCES + 1), SOURCES]
    assert said[-1] == (9_999, SOURCES)
    assert len(seen._peers) <= sightings._PEERS


def test_no_name_of_a_peer_reaches_the_store(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        seen = Sightings(store=store)
        seen.saw(b"the identity", "a peer with a name", END, NOW)
        seen.share(NOW)
        data = path.read_bytes() + Path(f"{path}-wal").read_bytes()
    assert b"the identity" in data
    assert b"a peer" not in data


def test_sharing_with_nobody_changes_nothing() -> None:
    seen = Sightings()
    seen.saw(b"a", "one", END, NOW)
    seen.share(NOW)
    assert seen.saw(b"a", "one", END, NOW) == (1, 1)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from("xyz"), st.integers(0, 3)), max_size=120),
    st.integers(1, 6),
)
def test_without_a_store_it_is_a_table_of_so_many_credentials(
    steps: list[tuple[int, str, int]], room: int
) -> None:
    seen, seconds, forgotten = Sightings(room=room), int(NOW), 0
    table: OrderedDict[bytes, tuple[int, list[str]]] = OrderedDict()
    for number, source, passes in steps:
        seconds += passes
        # A credential of many ends is as many credentials.
        expires = int(NOW) + number * 11
        if expires <= seconds:
            continue
        identity = b"%d" % number
        if identity not in table:
            for ended in [known for known, (end, _) in table.items() if end <= seconds]:
                del table[ended]
            if len(table) >= room:
                table.popitem(last=False)
                forgotten += 1
            table[identity] = (expires, [])
        sources = table[identity][1]
        sources.append(source)
        assert seen.saw(identity, source, expires, seconds) == (len(sources) - 1, len(set(sources)))
        assert seen.forgotten == forgotten
        assert len(seen._known) <= room


@pytest.mark.parametrize("shared", [True, False])
def test_a_flood_of_credentials_takes_no_more_than_the_room(store: Store, shared: bool) -> None:
    seen = Sightings(room=50, store=store if shared else None)
    for number in range(5_000):
        seen.saw(b"%d" % number, "one", END + number, NOW)
    assert seen.forgotten == 4_950
    assert len(seen._known) == 50
    assert len(seen._pending) <= 50
    assert len(seen._ends._keys) <= 50
    seen.share(NOW)
    assert Sightings(store=store).saw(b"4999", "one", END, NOW) == (0, 1)


def test_others_know_after_both_have_shared(store: Store) -> None:
    one, other = Sightings(store=store), Sightings(store=store)
    one.saw(b"a", "x", END, NOW)
    one.saw(b"a", "y", END, NOW)
    assert other.saw(b"a", "y", END, NOW) == (0, 1)
    one.share(NOW)
    other.share(NOW)
    assert other.saw(b"a", "z", END, NOW) == (3, 3)
    other.share(NOW)
    one.share(NOW)
    assert one.saw(b"a", "x", END, NOW) == (4, 3)


def test_others_know_also_what_they_have_not_seen_themselves(store: Store) -> None:
    one, other = Sightings(store=store), Sightings(store=store)
    one.saw(b"a", "x", END, NOW)
    one.share(NOW)
    other.share(NOW)
    assert other.saw(b"a", "x", END, NOW) == (1, 1)


def test_who_begins_later_hears_it_all(store: Store) -> None:
    for _ in range(3):
        seen = Sightings(store=store)
        seen.share(NOW)
        seen.saw(b"a", "x", END, NOW)
        seen.share(NOW)
    late = Sightings(store=store)
    late.share(NOW)
    assert late.saw(b"a", "y", END, NOW) == (3, 2)


def test_what_has_ended_is_not_heard_of(store: Store) -> None:
    one, other = Sightings(store=store), Sightings(store=store)
    one.saw(b"a", "x", NOW + 1, NOW)
    one.saw(b"b", "x", END, NOW)
    one.share(NOW)
    other.share(NOW + 1)
    assert list(other._known) == [b"b"]


def test_sources_of_all_together_stop_at_the_limit_too(store: Store) -> None:
    many = [Sightings(store=store) for _ in range(4)]
    for _ in range(2):
        for place, seen in enumerate(many):
            for number in range(40):
                seen.saw(b"a", f"{place} {number}", END, NOW)
            seen.share(NOW)
    assert [seen.saw(b"a", "0 0", END, NOW)[1] for seen in many] == [SOURCES] * 4
    assert max(len(seen._known[b"a"].elsewhere) for seen in many) <= SOURCES


def test_the_log_in_the_store_does_not_grow_with_time() -> None:
    store = MemoryStore()
    one, other = Sightings(store=store), Sightings(store=store)
    for number in range(5_000):
        one.saw(b"a", "x", END, NOW)
        one.share(NOW)
        if number % 100 == 0:
            other.share(NOW)
    assert len(store) < 3 * exchange._BATCHES
    other.share(NOW)
    late = Sightings(store=store)
    late.share(NOW)
    assert late.saw(b"a", "x", END, NOW) == other.saw(b"a", "x", END, NOW) == (5_000, 1)


@pytest.mark.parametrize("field", ["head", "batch"])
def test_what_is_no_log_is_an_error(field: str) -> None:
    store = MemoryStore()
    one, other = Sightings(store=store), Sightings(store=store)
    one.saw(b"a", "x", END, NOW)
    one.share(NOW)
    key = name("sightings", "head") if field == "head" else name("sightings", "batch", "0")
    assert store.commit(store.read([key], NOW), {key: Entry(b"\xc1")}, NOW)
    with pytest.raises(StoreError, match="no log of sightings"):
        other.share(NOW)
    assert other.saw(b"a", "x", END, NOW) == (0, 1)


def test_a_store_without_an_answer_has_no_sightings(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    store.close()
    with pytest.raises(StoreError):
        Sightings(store=store)


class Faulty(MemoryStore):
    """A store that can be told to fail: at once, or when it is to change."""

    fails = ""

    def read(self, keys: Collection[bytes], seconds: float) -> Snapshot:
        if self.fails == "read":
            raise StoreError("it cannot be read")
        return super().read(keys, seconds)

    def commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        if self.fails == "commit":
            raise StoreError("it cannot be written")
        return self.fails != "race" and super().commit(snapshot, changes, seconds)


@pytest.mark.parametrize("fails", ["read", "commit", "race"])
def test_what_could_not_be_told_is_told_the_next_time(fails: str) -> None:
    store = Faulty()
    one, other = Sightings(store=store), Sightings(store=store)
    one.saw(b"a", "x", END, NOW)
    store.fails = fails
    for _ in range(3):
        with pytest.raises(StoreError):
            one.share(NOW)
    assert one.saw(b"a", "y", END, NOW) == (1, 2)
    store.fails = ""
    one.share(NOW)
    other.share(NOW)
    assert other.saw(b"a", "z", END, NOW) == (2, 3)


def test_a_store_that_is_away_makes_no_memory_grow() -> None:
    store = Faulty()
    seen = Sightings(room=20, store=store)
    store.fails = "read"
    for number in range(2_000):
        seen.saw(b"%d" % number, "x", END, NOW)
        with pytest.raises(StoreError):
            seen.share(NOW)
    assert len(seen._known) == 20
    assert len(seen._pending) <= 20


IDENTITIES = st.sampled_from([b"a", b"b", b"c"])
WHO = st.integers(0, 2)


class SharersAgree(RuleBasedStateMachine):
    """Three processes over one store that begin anew, fall behind and fail, against plain counts."""

    @initialize()
    def begin(self) -> None:
        # So that the whole is written, and what is before it dropped, every few batches.
        self.patch = patch.object(exchange, "_BATCHES", 3)
        self.patch.start()
        self.store = Faulty()
        self.seen = [Sightings(store=self.store) for _ in range(3)]
        self.all: dict[bytes, list[str]] = defaultdict(list)
        # Of each: what it saw, how much of that it has told, and what it has heard.
        self.own: list[dict[bytes, list[str]]] = [defaultdict(list) for _ in range(3)]
        self.told: list[dict[bytes, int]] = [defaultdict(int) for _ in range(3)]
        self.heard: list[dict[bytes, list[str]]] = [defaultdict(list) for _ in range(3)]
        # What was told by all, with who did.
        self.log: dict[bytes, list[tuple[int, str]]] = defaultdict(list)
        self.lives = [0, 1, 2]

    def teardown(self) -> None:
        self.patch.stop()

    @rule(who=WHO, identity=IDENTITIES, source=st.sampled_from(["x", "y", "z", "w"]))
    def saw(self, who: int, identity: bytes, source: str) -> None:
        known = [*self.own[who][identity], *self.heard[who][identity]]
        expected = len(known), len({*known, source})
        assert self.seen[who].saw(identity, source, END, NOW) == expected
        self.own[who][identity].append(source)

    @rule(who=WHO)
    def share(self, who: int) -> None:
        self.seen[who].share(NOW)
        for identity in (b"a", b"b", b"c"):
            new = self.own[who][identity][self.told[who][identity] :]
            self.told[who][identity] += len(new)
            self.heard[who][identity] = [
                source for life, source in self.log[identity] if life != self.lives[who]
            ]
            self.log[identity] += [(self.lives[who], source) for source in new]

    @rule(who=WHO)
    def fails_to_share(self, who: int) -> None:
        self.store.fails = "read"
        with pytest.raises(StoreError):
            self.seen[who].share(NOW)
        self.store.fails = ""

    @precondition(lambda self: max(self.lives) < 8)
    @rule(who=WHO)
    def begins_anew(self, who: int) -> None:
        self.seen[who] = Sightings(store=self.store)
        self.own[who], self.told[who], self.heard[who] = (
            defaultdict(list),
            defaultdict(int),
            defaultdict(list),
        )
        self.lives[who] = max(self.lives) + 1


TestSharersAgree = SharersAgree.TestCase
TestSharersAgree.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)


def test_no_count_is_lost_while_it_is_shared_by_another_thread(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / "state.db", durable=False) for _ in range(2)]
    both = [Sightings(store=store) for store in stores]
    counted, many = threading.Event(), 20_000

    def count(seen: Sightings, who: int) -> None:
        for number in range(many):
            seen.saw(b"%d" % (number % 100), f"{who} {number % 7}", END, NOW)

    def share(seen: Sightings) -> None:
        while not counted.is_set():
            seen.share(NOW)

    counting = [threading.Thread(target=count, args=(seen, who)) for who, seen in enumerate(both)]
    sharing = [threading.Thread(target=share, args=(seen,)) for seen in both]
    for thread in (*counting, *sharing):
        thread.start()
    for thread in counting:
        thread.join()
    counted.set()
    for thread in sharing:
        thread.join()
    for seen in (*both, both[0]):
        seen.share(NOW)
    late = Sightings(store=stores[0])
    late.share(NOW)
    for number in range(100):
        for seen in (*both, late):
            assert seen.saw(b"%d" % number, "0 0", END, NOW) == (2 * many // 100, 14)
    for store in stores:
        store.close()


def test_credentials_that_come_and_go_while_others_are_heard_of_stay_within_the_room(store: Store) -> None:
    one, other = Sightings(room=100, store=store), Sightings(room=100, store=store)
    done = threading.Event()

    def share() -> None:
        while not done.is_set():
            other.share(NOW)
            one.share(NOW)

    thread = threading.Thread(target=share)
    thread.start()
    for number in range(10_000):
        for seen, who in ((one, "one"), (other, "other")):
            assert seen.saw(b"%s %d" % (who.encode(), number), who, END, NOW) == (0, 1)
    done.set()
    thread.join()
    for seen in (one, other):
        assert len(seen._known) == 100
        assert set(seen._known) == {key for keys in seen._ends._keys.values() for key in keys}
