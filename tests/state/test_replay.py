"""Used once: of all that present the same, in any number at any time, exactly one is first."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from pdp.state.memory import MemoryStore
from pdp.state.replay import Outcome, Replay, Use
from pdp.state.sqlite import SqliteStore
from pdp.state.store import GRACE, Entry, Snapshot, Store, StoreError, name

NOW = 1_000_000.0
WINDOW = 65.0


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    kinds = {"memory": MemoryStore, "sqlite": lambda: SqliteStore(tmp_path / "state.db", durable=False)}
    with closing(kinds[request.param]()) as made:
        yield made


@pytest.fixture
def replay(store: Store) -> Replay:
    return Replay(store)


def proof(id: str, holder: str = "key", *, at: float = NOW, life: float = WINDOW) -> Use:
    return Use(("proof", holder, id), at, at + life, holder)


def test_the_second_time_is_seen(replay: Replay) -> None:
    assert replay.use([proof("1")], NOW) == "first"
    assert replay.use([proof("1")], NOW) == "seen"


def test_it_is_seen_for_as_long_as_it_would_be_accepted(replay: Replay) -> None:
    assert replay.use([proof("1")], NOW) == "first"
    assert replay.use([proof("1")], NOW + WINDOW - 0.001) == "seen"


def test_from_its_end_on_it_is_not_accepted_anyway(replay: Replay) -> None:
    assert replay.use([proof("1")], NOW + WINDOW) == "seen"
    assert replay.use([proof("1", life=float("nan"))], NOW) == "seen"
    assert replay.use([proof("1")], NOW) == "first"


def test_it_is_still_seen_when_the_clock_was_ahead_and_is_set_back(replay: Replay) -> None:
    assert replay.use([proof("1")], NOW) == "first"
    for number in range(100):
        replay.use([proof(f"other {number}", at=NOW + WINDOW + GRACE - 1)], NOW + WINDOW + GRACE - 1)
    assert replay.use([proof("1")], NOW) == "seen"


def test_it_is_another_ones_for_another_holder(replay: Replay) -> None:
    assert replay.use([proof("1", "alice")], NOW) == "first"
    assert replay.use([proof("1", "bob")], NOW) == "first"


def test_nothing_to_use_is_first_each_time(replay: Replay) -> None:
    assert [replay.use([], NOW), replay.use([], NOW)] == ["first", "first"]


def test_all_of_a_request_are_used_in_one_step(replay: Replay) -> None:
    assert replay.use([proof("1"), proof("2", "other")], NOW) == "first"
    assert replay.use([proof("2", "other")], NOW) == "seen"
    assert replay.use([proof("1")], NOW) == "seen"


def test_the_same_twice_in_one_request_is_seen_and_not_used(replay: Replay) -> None:
    assert replay.use([proof("1"), proof("1")], NOW) == "seen"
    assert replay.use([proof("1")], NOW) == "first"


REFUSED: list[tuple[Outcome, Use]] = [
    ("seen", proof("used")),
    ("seen", proof("ended", at=NOW - WINDOW)),
    ("full", proof("new", "busy")),
    ("before", proof("old", at=NOW - 11, life=100)),
]


@pytest.mark.parametrize(("outcome", "bad"), REFUSED, ids=lambda value: str(value)[:6])
@pytest.mark.parametrize("last", [True, False])
def test_one_that_is_refused_uses_none_of_the_others_up(
    store: Store, outcome: Outcome, bad: Use, last: bool
) -> None:
    replay = Replay(store, quota=2, begun=NOW - 10, ahead=0)
    assert replay.use([proof("used")], NOW) == "first"
    assert replay.use([proof("1", "busy"), proof("2", "busy")], NOW) == "first"
    good = proof("good", "good")
    assert replay.use([good, bad] if last else [bad, good], NOW) == outcome
    assert replay.use([good], NOW) == "first"


def test_a_holder_has_its_quota_and_takes_nothing_of_anothers(store: Store) -> None:
    replay = Replay(store, quota=3)
    said = [replay.use([proof(str(number), "alice")], NOW) for number in range(5)]
    assert said == ["first", "first", "first", "full", "full"]
    assert replay.use([proof("1", "bob")], NOW) == "first"


def test_a_quota_counts_each_of_a_request(store: Store) -> None:
    replay = Replay(store, quota=3)
    assert replay.use([proof("1"), proof("2")], NOW) == "first"
    assert replay.use([proof("3"), proof("4")], NOW) == "full"
    assert replay.use([proof("3")], NOW) == "first"


def test_all_holders_share_the_room(store: Store) -> None:
    replay = Replay(store, room=3)
    said = [replay.use([proof("1", f"holder {number}")], NOW) for number in range(5)]
    assert said == ["first", "first", "first", "full", "full"]


def test_a_large_room_is_filled_nearly_whole_and_never_over() -> None:
    replay = Replay(MemoryStore(), room=4_096)
    said = [replay.use([proof("1", f"holder {number}")], NOW) for number in range(5_000)]
    assert said[:3_500] == ["first"] * 3_500
    assert said.count("first") <= 4_096


def test_what_is_remembered_is_not_given_up_for_what_is_new(store: Store) -> None:
    replay = Replay(store, room=10, quota=5)
    victim = proof("victim", "victim")
    assert replay.use([victim], NOW) == "first"
    for number in range(100):
        replay.use([proof(str(number), f"attacker {number % 9}")], NOW)
    assert replay.use([victim], NOW) == "seen"
    assert replay.use([proof("another", "victim")], NOW) == "full"


def test_there_is_room_again_when_what_filled_it_has_ended(store: Store) -> None:
    replay = Replay(store, quota=2)
    assert replay.use([proof("1"), proof("2")], NOW) == "first"
    assert replay.use([proof("3", at=NOW + WINDOW - 1)], NOW + WINDOW - 1) == "full"
    later = NOW + WINDOW * 1.25
    assert replay.use([proof("3", at=later)], later) == "first"


def test_an_hour_counts_for_an_hour_and_a_minute_for_a_minute(store: Store) -> None:
    replay = Replay(store, quota=10)
    assert replay.use([proof(f"token {number}", life=3_600) for number in range(5)], NOW) == "first"
    for minute in range(0, 3_600, 90):
        at = NOW + minute
        said = [replay.use([proof(f"{at} {number}", at=at, life=60)], at) for number in range(7)]
        assert said == ["first"] * 5 + ["full"] * 2
    assert replay.use([proof("token 4", life=3_600)], NOW + 3_599) == "seen"


STEPS = st.lists(
    st.tuples(
        st.floats(0, 40),
        st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.1, 9_000)), min_size=1, max_size=3),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 8), st.integers(1, 12))
def test_quota_and_room_bound_what_is_live_and_refuse_no_sooner_than_they_say(
    steps: list[tuple[float, list[tuple[str, float]]]], quota: int, room: int
) -> None:
    replay, seconds = Replay(MemoryStore(), quota=quota, room=room), NOW
    used: list[Use] = []

    def exceeded(uses: list[Use], longer: bool) -> bool:
        counted = [
            use.holder
            for use in uses
            if use.expires + (max(8.0, (use.expires - use.issued) / 4) if longer else 0.0) > seconds
        ]
        return len(counted) > room or any(counted.count(holder) > quota for holder in "ab")

    for number, (passes, presented) in enumerate(steps):
        seconds += passes
        uses = [
            proof(f"{number} {place}", holder, at=seconds, life=life)
            for place, (holder, life) in enumerate(presented)
        ]
        if replay.use(uses, seconds) == "first":
            used += uses
            assert not exceeded(used, longer=False)
        else:
            assert exceeded([*used, *uses], longer=True)
    assert all(replay.use([use], seconds) == "seen" for use in used)


def test_a_count_of_many_lives_stays_small() -> None:
    store, counter = MemoryStore(), name("holder", "key")
    replay = Replay(store)
    for number in range(5_000):
        use = proof(str(number), at=NOW + number, life=1 + number * 37 % 86_400)
        assert replay.use([use], NOW + number) == "first"
    counted = store.read([counter], NOW).entries[counter]
    assert counted is not None
    assert len(counted.value) < 1_000


def test_memory_holds_no_more_than_is_live_and_its_grace() -> None:
    store = MemoryStore()
    replay = Replay(store)
    for number in range(20_000):
        at = NOW + number / 10
        assert replay.use([proof(str(number), str(number), at=at)], at) == "first"
    # Each with its holder's count; ten a second for the time that they are kept.
    assert len(store) < 2 * 10 * (WINDOW * 1.25 + GRACE) + 200


def test_what_was_made_before_a_memory_began_may_have_been_used_before() -> None:
    replay = Replay(MemoryStore(), begun=NOW, ahead=5)
    assert replay.use([proof("1", at=NOW - 1)], NOW) == "before"
    # By a clock that was five seconds ahead, it was made before, too.
    assert replay.use([proof("1", at=NOW + 4.999)], NOW) == "before"
    assert replay.use([proof("1", at=NOW + 5)], NOW) == "first"


@given(
    st.floats(0, 60).flatmap(lambda ahead: st.tuples(st.just(ahead), st.floats(-ahead, ahead))),
    st.floats(0, 600),
    st.floats(0, 600),
)
def test_no_restart_of_a_memory_lets_anything_be_used_twice(
    clock: tuple[float, float], down: float, later: float
) -> None:
    ahead, wrong = clock
    use = proof("1", at=NOW + wrong, life=WINDOW + ahead)
    assert Replay(MemoryStore(), begun=NOW - 1_000, ahead=ahead).use([use], NOW) == "first"
    restarted = Replay(MemoryStore(), begun=NOW + down + 0.001, ahead=ahead)
    assert restarted.use([use], NOW + down + 0.001 + later) in ("before", "seen")


def test_a_store_that_outlives_its_process_needs_no_beginning(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        assert Replay(store).use([proof("1")], NOW) == "first"
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        assert Replay(store).use([proof("1")], NOW) == "seen"
        assert Replay(store).use([proof("2", at=NOW - 60)], NOW) == "first"


def test_a_store_without_an_answer_has_none_for_a_replay(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    store.close()
    with pytest.raises(StoreError):
        Replay(store).use([proof("1")], NOW)


def test_a_count_that_is_none_is_an_error(store: Store) -> None:
    counter = name("holder", "key")
    assert store.commit(Snapshot({counter: None}), {counter: Entry(b"\xff\xff")}, NOW)
    with pytest.raises(StoreError, match="a count is no count"):
        Replay(store).use([proof("1")], NOW)


class Crowded(MemoryStore):
    """A store in which another use of the same holder is always a little faster."""

    turns = 0

    def read(self, keys: Collection[bytes], seconds: float) -> Snapshot:
        snapshot = super().read(keys, seconds)
        self.turns += 1
        counter = name("holder", "key")
        counted = {counter: Entry(msgpack.encode({int(seconds) + 80: self.turns}))}
        assert self.commit(super().read([counter], seconds), counted, seconds)
        return snapshot


def test_who_loses_every_race_is_refused() -> None:
    store = Crowded()
    assert Replay(store).use([proof("1")], NOW) == "full"
    assert 1 < store.turns < 1_000


@pytest.mark.parametrize("many", [2, 8])
def test_of_threads_that_present_the_same_one_is_first(store: Store, many: int) -> None:
    replay, rounds = Replay(store), 50
    firsts: list[list[int]] = [[] for _ in range(many)]
    barrier = threading.Barrier(many)

    def present(mine: list[int]) -> None:
        for number in range(rounds):
            barrier.wait()
            if replay.use([proof(str(number)), proof(str(number), "other")], NOW) == "first":
                mine.append(number)

    threads = [threading.Thread(target=present, args=(mine,)) for mine in firsts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for mine in firsts for number in mine) == list(range(rounds))


def test_of_processes_that_present_the_same_one_is_first(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from pdp.state.replay import Replay, Use
from pdp.state.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]), durable=False)
replay = Replay(store)
print("ready", flush=True)
sys.stdin.readline()
for number in range(200):
    use = Use(("proof", str(number)), 0, 100, "key")
    print(number, replay.use([use], 1))
store.close()
"""
    command = [sys.executable, "-c", script, str(tmp_path / "state.db")]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said: list[list[str]] = []
    for process in processes:
        with process:
            said += [line.split() for line in process.communicate(timeout=60)[0].splitlines()]
        assert process.returncode == 0
    assert len(said) == 4 * 200
    assert {outcome for _, outcome in said} == {"first", "seen"}
    assert sorted(int(number) for number, outcome in said if outcome == "first") == list(range(200))
