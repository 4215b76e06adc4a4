"""Signing keys follow each other, and no token is lost: by the clock, by hand, by many, by a kill."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack
from msgspec.structs import replace

from pdp.evidence.jws import decode
from pdp.evidence.keys import KeySet, parse_jwks, thumbprint
from pdp.minted import KEYS_LIMIT, MintTable, Schedule
from pdp.state.memory import MemoryStore
from pdp.state.sqlite import SqliteStore
from pdp.state.store import Entry, Snapshot, Store, StoreError, name
from pdp.tasks.keyring import NEVER, Known, entry_of, known_of, signing, state
from pdp.tasks.signing import FRESH, SigningKeys, signing_keys
from pdp.tasks.wrap import ALGORITHMS, Given, Private, SigningError, Wrapped, read_private

NOW = 1_000_000.0
SCHEDULE = Schedule()
RECORD = name("signing keys")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    kinds = {"memory": MemoryStore, "sqlite": lambda: SqliteStore(tmp_path / "state.db", durable=False)}
    with closing(kinds[request.param]()) as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db.key"


@pytest.fixture
def keys(store: Store, file: Path) -> SigningKeys:
    return SigningKeys(store, SCHEDULE, Wrapped(file, "ES256"))


def published(keys: SigningKeys, seconds: float) -> KeySet:
    return parse_jwks(keys.jwks(seconds), use="sig", algorithms=ALGORITHMS)


def states(keys: SigningKeys, seconds: float) -> list[str]:
    known = keys.known(seconds)
    return [state(key, known, seconds) for key in known]


def holds(keys: SigningKeys, kid: str, data: bytes, signature: bytes, seconds: float) -> bool:
    key = published(keys, seconds).get(kid)
    return key is not None and key.holds(data, signature)


# 1. By the clock.


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_at_first_a_key_is_made_and_signs_at_once(store: Store, file: Path, algorithm: str) -> None:
    keys = SigningKeys(store, SCHEDULE, Wrapped(file, algorithm))
    key = keys.current(NOW)
    assert key.algorithm == algorithm
    assert holds(keys, key.kid, b"said", key.sign(b"said"), NOW)
    assert states(keys, NOW) == ["signing"]


def test_whoever_asks_for_the_keys_first_is_not_left_without(keys: SigningKeys) -> None:
    assert [*published(keys, NOW).keys] == [keys.current(NOW).kid]


def test_the_set_is_what_the_standard_calls_keys_and_written_in_one_way(keys: SigningKeys) -> None:
    keys.tend(NOW)
    keys.tend(NOW + SCHEDULE.active - SCHEDULE.publish)
    written = keys.jwks(NOW + SCHEDULE.active)
    members = json.loads(written)["keys"]
    assert [sorted(member) for member in members] == [["alg", "crv", "kid", "kty", "use", "x", "y"]] * 2
    assert all(member["kid"] == thumbprint(member) for member in members)
    assert written == json.dumps({"keys": members}, sort_keys=True, separators=(",", ":")).encode()


def test_a_key_is_published_then_signs_then_is_published_still_then_is_gone(keys: SigningKeys) -> None:
    first = keys.current(NOW).kid
    ahead, over = NOW + SCHEDULE.active - SCHEDULE.publish, NOW + SCHEDULE.active
    keys.tend(ahead - 1)
    assert states(keys, ahead - 1) == ["signing"]
    keys.tend(ahead)
    assert states(keys, ahead) == ["signing", "next"]
    second = keys.known(ahead)[1].kid
    assert keys.current(over - 0.001).kid == first
    # By the clock alone: nobody has tended them yet.
    assert keys.current(over).kid == second
    assert states(keys, over) == ["retired", "signing"]
    keys.tend(over)
    assert [*published(keys, over + SCHEDULE.keep - 0.001).keys] == [first, second]
    assert [*published(keys, over + SCHEDULE.keep).keys] == [second]
    keys.tend(over + SCHEDULE.keep)
    assert [key.kid for key in keys.known(over)] == [second]


def test_who_tends_late_publishes_the_next_key_ahead_all_the_same(keys: SigningKeys) -> None:
    first, late = keys.current(NOW).kid, NOW + 30 * SCHEDULE.active
    keys.tend(late)
    assert keys.current(late + SCHEDULE.publish - 1).kid == first
    assert keys.current(late + SCHEDULE.publish).kid != first


def test_nothing_is_left_of_a_private_key_that_signs_no_more(keys: SigningKeys) -> None:
    keys.tend(NOW)
    keys.rotate(NOW + 1)
    assert [bool(key.kept) for key in keys.known(NOW)] == [False, True]


def test_tending_changes_nothing_while_nothing_is_due(store: Store, keys: SigningKeys) -> None:
    keys.tend(NOW)
    before = store.read([RECORD], NOW)
    keys.tend(NOW + SCHEDULE.active - SCHEDULE.publish - 1)
    assert store.read([RECORD], NOW) == before


def test_a_clock_that_is_set_back_leaves_nobody_without_a_key(keys: SigningKeys) -> None:
    first = keys.current(NOW).kid
    keys.tend(NOW + SCHEDULE.active - SCHEDULE.publish)
    keys.tend(NOW + SCHEDULE.active)
    second = keys.current(NOW + SCHEDULE.active).kid
    assert keys.current(NOW + SCHEDULE.active - 10).kid == second
    assert keys.current(NOW - 10).kid == second
    assert first in published(keys, NOW).keys


class Counted(MemoryStore):
    """A store that counts how often it is read."""

    reads = 0

    def read(self, keys: Collection[bytes], seconds: float) -> Snapshot:
        self.reads += 1
        return super().read(keys, seconds)


def test_the_store_is_read_once_a_second_however_much_is_signed(file: Path) -> None:
    store = Counted()
    keys = SigningKeys(store, SCHEDULE, Wrapped(file, "ES256"))
    keys.current(NOW)
    store.reads = 0
    for step in range(10_000):
        keys.current(NOW + step / 1_000)
        keys.jwks(NOW + step / 1_000)
    assert store.reads <= 10


def test_what_another_process_changes_is_known_a_second_later(store: Store, file: Path) -> None:
    one, other = (SigningKeys(store, SCHEDULE, Wrapped(file, "ES256")) for _ in range(2))
    assert one.current(NOW).kid == other.current(NOW).kid
    made = one.rotate(NOW + 0.5)
    assert one.current(NOW + 0.5).kid == made.kid
    assert other.current(NOW + FRESH).kid == made.kid


# 2. Nothing is lost.


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    lifetime, cache, leeway = draw(st.integers(1, 60)), draw(st.integers(0, 30)), draw(st.integers(1, 5))
    publish = cache + leeway + draw(st.sampled_from([0, 0, 10]))
    keep = lifetime + cache + leeway + draw(st.sampled_from([0, 0, 10]))
    active = max(publish, keep // (KEYS_LIMIT - 2) + 1) + draw(st.integers(0, 60))
    return Schedule(lifetime, publish, active, keep, cache, leeway)


# Some time passes, or all until the first, second, … of the moments that are to come.
STEPS = st.lists(
    st.tuples(
        st.floats(0, 3) | st.floats(0, 120) | st.integers(0, 4),
        st.sampled_from(["", "", "", "tend", "tend", "rotate", "retire", "retire next"]),
        st.booleans(),
    ),
    min_size=10,
    max_size=60,
)


def moments(keys: SigningKeys, ends: Collection[float], now: float) -> list[float]:
    """When something changes next, and just before it: a key is due, begins or is gone, a token ends."""
    schedule = keys.schedule
    changes = [*ends]
    for key in keys.known(now):
        changes += [key.begins, key.begins + schedule.active - schedule.publish, key.until or now]
    around = {change + by for change in changes for by in (-0.001, 0.0)}
    return sorted(moment for moment in around if moment > now)


@pytest.fixture(scope="module")
def shared_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "key"


@settings(max_examples=200)
@given(schedules(), STEPS, st.booleans())
def test_every_token_holds_for_whoever_has_keys_that_are_not_too_old(
    shared_file: Path,
    schedule: Schedule,
    steps: list[tuple[float | int, str, bool]],
    by_hand: bool,
) -> None:
    """Two processes sign, publish and tend; a consumer may have fetched the keys from either, at any moment
    that is at most `max_age` before it verifies. By hand alone, it may have to fetch them once more."""
    store = MemoryStore()
    both = [SigningKeys(store, schedule, Wrapped(shared_file, "ES256")) for _ in range(2)]
    now = NOW
    signed: list[tuple[float, str, float]] = []
    fetched: list[tuple[float, Collection[str]]] = []
    since: dict[str, float] = {}
    for after, act, which in steps:
        if isinstance(after, float):
            now += after
        else:
            to_come = moments(both[0], {expires for _, _, expires in signed}, now)
            now = to_come[min(after, len(to_come) - 1)] if to_come else now
        keys, other = both[which], both[not which]
        if act == "tend":
            keys.tend(now)
        elif by_hand and act and len(keys.known(now)) < KEYS_LIMIT:
            change(keys, act, now)
        key = keys.current(now)
        if key.kid not in since:
            since[key.kid] = next(one.published for one in keys.known(now) if one.kid == key.kid)
            assert holds(keys, key.kid, b"said", key.sign(b"said"), now)
        signed.append((now, key.kid, now + schedule.lifetime))
        fetched += [(now, published(one, now).keys) for one in (keys, other)]
    for at, kid, expires in signed:
        earliest = at - both[0].max_age
        if by_hand:
            earliest = max(earliest, since[kid] + FRESH)
        for when, kids in fetched:
            if earliest <= when < expires:
                assert kid in kids


def change(keys: SigningKeys, act: str, now: float) -> None:
    """Something that an operator does."""
    if act == "rotate":
        keys.rotate(now)
    else:
        wanted = "next" if act == "retire next" else "signing"
        known = keys.known(now)
        for key in known:
            if state(key, known, now) == wanted:
                keys.retire(key.kid, now)


@given(*[st.integers(0, 100)] * 6)
def test_a_schedule_by_which_tokens_would_be_lost_is_none(
    lifetime: int, publish: int, active: int, keep: int, cache: int, leeway: int
) -> None:
    sound = (
        min(lifetime, publish, active, keep, leeway) >= 1
        and publish >= cache + leeway
        and active >= publish
        and keep >= lifetime + cache + leeway
        and keep // active + 3 <= KEYS_LIMIT
    )
    try:
        Schedule(lifetime, publish, active, keep, cache, leeway)
    except ValueError:
        assert not sound
    else:
        assert sound


# 3. By hand.


def test_rotating_has_the_key_sign_that_was_published_ahead(keys: SigningKeys) -> None:
    first = keys.current(NOW)
    ahead = NOW + SCHEDULE.active - SCHEDULE.publish
    keys.tend(ahead)
    following = keys.known(ahead)[1]
    made = keys.rotate(ahead + 10)
    assert (made.kid, made.published, made.begins) == (following.kid, ahead, ahead + 10)
    assert keys.current(ahead + 10).kid == following.kid
    assert holds(keys, first.kid, b"said", first.sign(b"said"), ahead + 10 + SCHEDULE.keep - 1)


def test_rotating_makes_a_key_where_none_was_published(keys: SigningKeys) -> None:
    first = keys.current(NOW).kid
    made = keys.rotate(NOW + 10)
    assert (made.published, made.begins) == (NOW + 10, NOW + 10)
    assert [*published(keys, NOW + 10).keys] == [first, made.kid]


def test_rotating_the_first_time_makes_one_key(keys: SigningKeys) -> None:
    made = keys.rotate(NOW)
    assert [key.kid for key in keys.known(NOW)] == [made.kid]


def test_a_key_that_is_made_out_of_turn_signs_as_long_as_any(keys: SigningKeys) -> None:
    keys.tend(NOW)
    made = keys.rotate(NOW + 1_000)
    keys.tend(NOW + 1_000 + SCHEDULE.active - SCHEDULE.publish)
    assert keys.current(NOW + 999 + SCHEDULE.active).kid == made.kid
    assert keys.current(NOW + 1_000 + SCHEDULE.active).kid != made.kid


def test_no_more_keys_are_published_than_are_read(keys: SigningKeys) -> None:
    for step in range(KEYS_LIMIT):
        keys.rotate(NOW + step)
    before = keys.known(NOW)
    with pytest.raises(SigningError, match="too many keys are published"):
        keys.rotate(NOW + KEYS_LIMIT)
    assert keys.known(NOW) == before
    assert len(published(keys, NOW + KEYS_LIMIT).keys) == KEYS_LIMIT
    # Some are gone by then, and there is room.
    keys.rotate(NOW + SCHEDULE.keep + 5)


def test_with_too_many_published_the_next_waits_and_the_last_signs_on(store: Store, file: Path) -> None:
    schedule = Schedule(keep=20 * SCHEDULE.active)
    keys = SigningKeys(store, schedule, Wrapped(file, "ES256"))
    last = [keys.rotate(NOW + step).kid for step in range(KEYS_LIMIT)][-1]
    keys.tend(NOW + 10 * schedule.active)
    assert len(keys.known(NOW)) == KEYS_LIMIT
    assert keys.current(NOW + 10 * schedule.active).kid == last
    keys.tend(NOW + 1 + schedule.keep)
    assert states(keys, NOW + 1 + schedule.keep)[-2:] == ["signing", "next"]


def test_retiring_the_key_that_signs_has_the_next_one_sign(keys: SigningKeys) -> None:
    first = keys.current(NOW)
    ahead = NOW + SCHEDULE.active - SCHEDULE.publish
    keys.tend(ahead)
    following = keys.known(ahead)[1].kid
    assert keys.retire(first.kid, ahead + 1)
    assert keys.current(ahead + 1).kid == following
    assert holds(keys, first.kid, b"said", first.sign(b"said"), ahead + SCHEDULE.keep)
    assert first.kid not in published(keys, ahead + 1 + SCHEDULE.keep).keys


def test_retiring_the_only_key_makes_another(keys: SigningKeys) -> None:
    first = keys.current(NOW).kid
    assert keys.retire(first, NOW + 1)
    assert keys.current(NOW + 1).kid != first
    assert states(keys, NOW + 1) == ["retired", "signing"]


@pytest.mark.parametrize("before", ["signing", "next", "retired"])
def test_a_compromised_key_is_published_no_more_whatever_it_was(
    store: Store, file: Path, before: str
) -> None:
    keys = SigningKeys(store, Schedule(keep=100_000), Wrapped(file, "ES256"))
    keys.rotate(NOW)
    keys.rotate(NOW + 1)
    now = NOW + 1 + SCHEDULE.active - SCHEDULE.publish
    keys.tend(now)
    assert states(keys, now) == ["retired", "signing", "next"]
    kid = next(key.kid for key, one in zip(keys.known(now), states(keys, now), strict=True) if one == before)
    assert keys.retire(kid, now, compromised=True)
    assert kid not in published(keys, now).keys
    assert keys.current(now).kid != kid
    assert keys.current(now).kid in published(keys, now).keys


def test_a_key_that_is_retired_once_more_is_published_no_longer_for_it(keys: SigningKeys) -> None:
    first = keys.current(NOW).kid
    keys.retire(first, NOW)
    before = keys.known(NOW)
    assert keys.retire(first, NOW + 100)
    assert keys.known(NOW) == before


def test_a_key_that_nobody_knows_is_not_retired(keys: SigningKeys) -> None:
    keys.tend(NOW)
    before = keys.known(NOW)
    assert not keys.retire("nobody", NOW, compromised=True)
    assert keys.known(NOW) == before


# 4. By many.


def test_of_many_that_tend_at_the_same_moment_all_have_the_same_keys(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / "state.db", durable=False) for _ in range(8)]
    # Each with its own, as processes have: the file of the key is made once, too.
    all_keys = [SigningKeys(one, SCHEDULE, Wrapped(tmp_path / "key", "ES256")) for one in stores]
    moments = [NOW + day * SCHEDULE.active - ahead for day in range(3) for ahead in (SCHEDULE.publish, 0)]
    barrier = threading.Barrier(len(stores))
    said: list[list[tuple[str, bytes]]] = [[] for _ in stores]

    def work(which: int) -> None:
        for moment in moments:
            barrier.wait()
            all_keys[which].tend(moment)
            barrier.wait()
            said[which].append((all_keys[which].current(moment).kid, all_keys[which].jwks(moment)))

    threads = [threading.Thread(target=work, args=(which,)) for which in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [said[0]] * len(stores)
    assert len(said[0]) == len(moments)
    for one in stores:
        one.close()


def test_of_many_that_rotate_at_once_each_is_told_a_key_that_is_known(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / "state.db", durable=False) for _ in range(6)]
    all_keys = [SigningKeys(one, SCHEDULE, Wrapped(tmp_path / "key", "ES256")) for one in stores]
    told: list[str] = []

    def work(which: int) -> None:
        told.extend(all_keys[which].rotate(NOW + which + step / 8).kid for step in range(5))

    threads = [threading.Thread(target=work, args=(which,)) for which in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 30
    assert set(told) <= {key.kid for key in all_keys[0].known(NOW)}
    for one in stores:
        one.close()


# 5. By a kill.

ROTATING = """
import os, sys
from pathlib import Path
from pdp.minted import Schedule
from pdp.state.sqlite import SqliteStore
from pdp.tasks.signing import SigningKeys
from pdp.tasks.wrap import Wrapped

for line in sys.stdin:
    folder, begin = line.split()
    begun, begins = os.pipe()
    forked = os.fork()
    if not forked:
        os.read(begun, 1)
        path = Path(folder) / "state.db"
        schedule = Schedule(lifetime=1, publish=2, active=2, keep=40, cache=0, leeway=1)
        keys = SigningKeys(SqliteStore(path), schedule, Wrapped(path.with_name("key"), "ES256"))
        now = float(begin)
        while True:
            now += 2
            print(f"{now} {keys.rotate(now).kid}", flush=True)
    print(f"begun {forked}", flush=True)
    os.write(begins, b"!")
    os.waitpid(forked, 0)
    print("gone", flush=True)
"""


def test_a_process_that_is_killed_while_it_rotates_loses_no_key_that_it_told(tmp_path: Path) -> None:
    schedule = Schedule(lifetime=1, publish=2, active=2, keep=40, cache=0, leeway=1)
    chance = random.Random(7)
    rotated = 0
    with subprocess.Popen(
        [sys.executable, "-c", ROTATING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        now = NOW
        for turn in range(50):
            # Each second time from the beginning, when there is no file yet and no key to wrap with.
            folder = tmp_path / (f"new-{turn}" if turn % 2 else "kept")
            folder.mkdir(exist_ok=True)
            process.stdin.write(f"{folder} {now}\n")
            process.stdin.flush()
            lines = [process.stdout.readline().strip()]
            forked = int(lines[0].split()[1])
            some = chance.choice([0, 0, 1, 3, 6])
            lines += [process.stdout.readline().strip() for _ in range(some)]
            time.sleep(chance.uniform(0, 0.02))
            os.kill(forked, signal.SIGKILL)
            while lines[-1] != "gone":
                lines.append(process.stdout.readline().strip())
            told = [line.split() for line in lines if line[0].isdigit()]
            rotated += len(told)
            latest = max([now, *(float(at) for at, _ in told)])
            with closing(SqliteStore(folder / "state.db", durable=False)) as store:
                keys = SigningKeys(store, schedule, Wrapped(folder / "key", "ES256"))
                kids = {key.kid for key in keys.known(latest)}
                assert {kid for at, kid in told if float(at) > latest - schedule.keep} <= kids
                if told:
                    # What it told last signs, or what it had come to when it was killed.
                    known = keys.known(latest + 2)
                    last = signing(known, latest + 2)
                    assert last is not None
                    assert last.kid == told[-1][1] or last.begins == latest + 2
                key = keys.current(latest + 2)
                assert holds(keys, key.kid, b"said", key.sign(b"said"), latest + 2)
            now = latest + 2
        process.stdin.close()
    assert process.returncode == 0
    assert rotated > 50


# 6. Wrapped.


def test_the_file_of_the_key_is_its_owners_alone_and_there_once(keys: SigningKeys, file: Path) -> None:
    keys.tend(NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    keys.rotate(NOW + 1)
    assert file.read_bytes() == before
    assert [path for path in file.parent.iterdir() if path.name.startswith("state.db.key")] == [file]


def test_a_private_key_is_not_in_the_store_for_who_has_not_the_key(store: Store, keys: SigningKeys) -> None:
    signer = keys.current(NOW).signer
    assert isinstance(signer, Private)
    entry = store.read([RECORD], NOW).entries[RECORD]
    assert entry is not None
    number = signer.key.private_numbers().private_value.to_bytes(32)  # type: ignore[union-attr]
    assert number not in entry.value


def again(store: Store, file: Path) -> SigningKeys:
    return SigningKeys(store, SCHEDULE, Wrapped(file, "ES256"))


def test_keys_are_there_after_a_restart(store: Store, keys: SigningKeys, file: Path) -> None:
    assert again(store, file).current(NOW).kid == keys.current(NOW).kid


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.unlink(), "is not there: bring back what the signing keys were wrapped with"),
        (lambda file: file.write_bytes(bytes(32)), "is not what the signing keys were wrapped with"),
        (lambda file: file.write_bytes(b"short"), "holds no key of 32 bytes"),
        (lambda file: file.write_bytes(bytes(33)), "holds no key of 32 bytes"),
        (lambda file: (file.unlink(), file.mkdir()), "cannot be used: Is a directory"),
    ],
    ids=["missing", "other", "short", "long", "folder"],
)
def test_without_the_key_they_were_wrapped_with_nothing_signs_and_nothing_is_made(
    store: Store, keys: SigningKeys, file: Path, change: object, message: str
) -> None:
    keys.tend(NOW)
    before, jwks = store.read([RECORD], NOW), keys.jwks(NOW)
    assert callable(change)
    change(file)
    there = file.exists()
    for later in (NOW + 1, NOW + SCHEDULE.active):
        for act in (SigningKeys.current, SigningKeys.tend, SigningKeys.rotate):
            with pytest.raises(SigningError, match=message):
                act(again(store, file), later)
    assert store.read([RECORD], NOW) == before
    assert file.exists() == there
    # Who verifies what was signed is not to suffer for it.
    assert again(store, file).jwks(NOW) == jwks


def test_keys_whose_wrapping_is_lost_can_be_retired_and_others_made(
    store: Store, keys: SigningKeys, file: Path
) -> None:
    lost = keys.current(NOW).kid
    file.unlink()
    assert again(store, file).retire(lost, NOW + 1)
    fresh = again(store, file)
    assert fresh.current(NOW + 1).kid != lost
    assert [*published(fresh, NOW + 1).keys] == [lost, fresh.current(NOW + 1).kid]


@pytest.mark.parametrize("member", ["kid", "algorithm", "published", "begins", "kept"])
def test_a_wrapped_key_is_for_its_name_and_times_alone(
    store: Store, keys: SigningKeys, file: Path, member: str
) -> None:
    keys.tend(NOW)
    ahead = NOW + SCHEDULE.active - SCHEDULE.publish
    keys.tend(ahead)
    one, other = keys.known(ahead)
    moved = {"published": NOW - 5.0, "begins": NOW - 5.0, "algorithm": "EdDSA"}.get(member)
    wrong = replace(one, **{member: getattr(other, member) if moved is None else moved})
    put(store, (wrong,))
    with pytest.raises(SigningError, match="is not what the signing keys were wrapped with"):
        again(store, file).current(ahead)


def put(store: Store, known: Known) -> None:
    snapshot = store.read([RECORD], NOW)
    assert store.commit(snapshot, {RECORD: entry_of(known)}, NOW)


@pytest.mark.parametrize("value", [b"", b"\xc1", msgpack.encode([1]), msgpack.encode([1, [["kid"]]])])
def test_what_is_no_record_of_keys_is_left_alone(store: Store, keys: SigningKeys, value: bytes) -> None:
    assert store.commit(store.read([RECORD], NOW), {RECORD: Entry(value)}, NOW)
    for act in (SigningKeys.current, SigningKeys.jwks, SigningKeys.tend, SigningKeys.rotate):
        with pytest.raises(StoreError, match="holds signing keys that cannot be read"):
            act(keys, NOW)
    assert store.read([RECORD], NOW).entries == {RECORD: Entry(value)}


def test_keys_of_another_version_are_left_alone(store: Store, keys: SigningKeys) -> None:
    entry = Entry(msgpack.encode([2, []]))
    assert store.commit(store.read([RECORD], NOW), {RECORD: entry}, NOW)
    with pytest.raises(StoreError, match="were written by another version of pdp"):
        keys.tend(NOW)


def test_what_is_known_comes_back_as_it_was_kept(keys: SigningKeys) -> None:
    # Whole numbers, too, are times.
    keys.tend(int(NOW))
    keys.rotate(int(NOW) + 1)
    known = keys.known(NOW)
    assert known_of(entry_of(known)) == known
    assert SigningKeys(keys._store, SCHEDULE, keys._source).current(NOW + 2).kid == known[1].kid


# 7. Held elsewhere.


def pem(path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def kid_of(path: Path) -> str:
    return thumbprint(read_private(path).jwk)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [
        pem(tmp_path / "1.pem", ec.generate_private_key(ec.SECP256R1())),
        pem(tmp_path / "2.pem", ed25519.Ed25519PrivateKey.generate()),
    ]


def given_files(store: Store, *files: Path) -> SigningKeys:
    return SigningKeys(store, SCHEDULE, Given(*map(read_private, files)))


def test_a_key_from_a_file_signs_and_does_not_rotate_by_itself(store: Store, files: list[Path]) -> None:
    keys = given_files(store, files[0])
    for year in range(3):
        now = NOW + year * 365 * 86_400
        keys.tend(now)
        key = keys.current(now)
        assert (key.kid, key.algorithm) == (kid_of(files[0]), "ES256")
        assert holds(keys, key.kid, b"said", key.sign(b"said"), now)
    assert [key.kept for key in keys.known(NOW)] == [None]
    with pytest.raises(SigningError, match="there is no other key to sign with"):
        keys.rotate(NOW + 1)
    assert keys.current(NOW).kid == kid_of(files[0])


def test_the_next_file_is_published_and_signs_when_it_is_told_to(store: Store, files: list[Path]) -> None:
    keys = given_files(store, *files)
    first, second = map(kid_of, files)
    assert keys.current(NOW).kid == first
    keys.tend(NOW)
    assert [*published(keys, NOW + 1).keys] == [first, second]
    assert keys.known(NOW)[1].begins == NEVER
    keys.rotate(NOW + 10)
    key = keys.current(NOW + 10)
    assert (key.kid, key.algorithm) == (second, "EdDSA")
    # The first is left out of the settings, and is published for as long as it must be.
    alone = given_files(store, files[1])
    alone.tend(NOW + 20)
    assert [*published(alone, NOW + 9 + SCHEDULE.keep).keys] == [first, second]
    assert [*published(alone, NOW + 10 + SCHEDULE.keep).keys] == [second]


def test_another_file_in_its_place_signs_at_once_and_the_first_is_published_still(
    store: Store, files: list[Path]
) -> None:
    given_files(store, files[0]).tend(NOW)
    keys = given_files(store, files[1])
    assert keys.current(NOW + 1).kid == kid_of(files[1])
    assert [*published(keys, NOW + 1).keys] == [kid_of(one) for one in files]
    # Who has the first file alone must not take over again.
    with pytest.raises(SigningError, match="those that were given are retired"):
        given_files(store, files[0]).current(NOW + 2)
    assert keys.current(NOW + 3).kid == kid_of(files[1])


@pytest.mark.parametrize("compromised", [False, True])
def test_a_file_whose_key_is_retired_never_signs_again(
    store: Store, files: list[Path], compromised: bool
) -> None:
    keys = given_files(store, files[0])
    kid = keys.current(NOW).kid
    assert keys.retire(kid, NOW, compromised=compromised)
    for later in (NOW, NOW + 1e6):
        keys.tend(later)
        with pytest.raises(SigningError, match="those that were given are retired"):
            given_files(store, files[0]).current(later)
    assert (kid in published(keys, NOW).keys) == (not compromised)


def test_from_a_file_to_keys_made_here_and_back_no_token_is_lost(
    store: Store, file: Path, files: list[Path]
) -> None:
    first = given_files(store, files[0]).current(NOW)
    made = again(store, file).current(NOW + 1)
    back = given_files(store, files[1])
    last = back.current(NOW + 2)
    for key in (first, made, last):
        assert holds(back, key.kid, b"said", key.sign(b"said"), NOW + SCHEDULE.keep)


def test_a_next_key_of_another_kind_makes_way_for_the_next_file(
    store: Store, keys: SigningKeys, files: list[Path]
) -> None:
    keys.tend(NOW)
    ahead = NOW + SCHEDULE.active - SCHEDULE.publish
    keys.tend(ahead)
    given = given_files(store, *files)
    given.tend(ahead + 1)
    assert states(given, ahead + 1) == ["retired", "retired", "signing", "next"]
    assert given.current(NOW + 2 * SCHEDULE.active).kid == kid_of(files[0])


def broken() -> bytes:
    """A key's file of which only the frame is left."""
    key = ec.generate_private_key(ec.SECP256R1())
    first, *_, last = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).splitlines()
    return b"\n".join((first, b"AAAA", last, b""))


@pytest.mark.parametrize(
    "content",
    [
        b"", broken(),
        ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65_537, 2_048),
    ],
    ids=["empty", "broken", "P-384", "RSA"],
)  # fmt: skip
def test_a_file_with_no_such_key_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "key.pem"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        assert isinstance(content, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        pem(path, content)
    with pytest.raises(SigningError, match="holds no private key for ES256 or EdDSA"):
        read_private(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="cannot be read: No such file or directory"):
        read_private(tmp_path / "none.pem")


ELSEWHERE = """
import sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
key = Ed25519PrivateKey.generate()
print(key.public_key().public_bytes_raw().hex(), flush=True)
for line in sys.stdin:
    print(key.sign(bytes.fromhex(line)).hex(), flush=True)
"""


class Elsewhere:
    """A signer whose key never is in this process."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", ELSEWHERE]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.public = bytes.fromhex(self._read())

    @property
    def jwk(self) -> dict[str, str]:
        from tests.evidence.world import b64

        return {"kty": "OKP", "crv": "Ed25519", "x": b64(self.public), "use": "sig"}

    def sign(self, data: bytes) -> bytes:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{data.hex()}\n")
        self.process.stdin.flush()
        return bytes.fromhex(self._read())

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def test_a_signer_in_another_process_signs_and_its_key_is_published(store: Store) -> None:
    signer = Elsewhere()
    with signer.process:
        keys = SigningKeys(store, SCHEDULE, Given(signer))
        key = keys.current(NOW)
        assert holds(keys, key.kid, b"said", key.sign(b"said"), NOW)
        assert "use" not in keys.known(NOW)[0].jwk
        assert signer.process.stdin is not None
        signer.process.stdin.close()


class Lying(Private):
    """A signer that signs as DER, as most devices and services do."""

    def sign(self, data: bytes) -> bytes:
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        from cryptography.hazmat.primitives.hashes import SHA256

        return self.key.sign(data, ec.ECDSA(SHA256()))


class Unfit(Private):
    """A signer with a public key of another kind."""

    @property
    def jwk(self) -> dict[str, str]:
        return {"kty": "oct", "k": "AAAA"}


@pytest.mark.parametrize(
    ("kind", "message"), [(Lying, "does not sign with its key"), (Unfit, "is none for ES256 or EdDSA")]
)
def test_a_signer_that_cannot_sign_is_found_out_before_it_is_asked_to(
    kind: type[Private], message: str
) -> None:
    with pytest.raises(SigningError, match=message):
        Given(kind(ec.generate_private_key(ec.SECP256R1())))


# 8. As the settings have it.


def test_the_key_file_is_beside_the_state_unless_it_is_named(tmp_path: Path) -> None:
    for table, expected in (
        (MintTable(), tmp_path / "state.db.key"),
        (MintTable(key_file=tmp_path / "named"), tmp_path / "named"),
    ):
        signing_keys(table, tmp_path / "state.db", MemoryStore()).current(NOW)
        assert expected.exists()


def test_files_that_the_settings_name_are_what_signs(tmp_path: Path, files: list[Path]) -> None:
    keys = signing_keys(MintTable(signing_key=files[0], next_key=files[1]), tmp_path, MemoryStore())
    keys.tend(NOW)
    assert keys.current(NOW).kid == kid_of(files[0])
    assert states(keys, NOW) == ["signing", "next"]
    assert len(decode(keys.known(NOW)[1].jwk["x"])) == 32


def test_a_key_that_is_made_can_be_named_on_a_command_line(tmp_path: Path) -> None:
    source = Wrapped(tmp_path / "key", "ES256")
    made = [source.fresh(()) for _ in range(300)]
    assert not any(thumbprint(signer.jwk).startswith("-") for signer in made if signer is not None)
