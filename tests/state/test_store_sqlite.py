"""What only a file can do: be shared, outlive its writer, and be something else or forbidden."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pdp.state import sqlite
from pdp.state.sqlite import VERSION, SqliteStore
from pdp.state.store import Entry, Snapshot, StoreError

NOW = 1_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A process of its own, that has stores."""
    opening = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from pdp.state.sqlite import SqliteStore\n"
        "from pdp.state.store import Entry, Snapshot, StoreError\n"
    )
    command = [sys.executable, "-c", opening + script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run(script: str, *arguments: object) -> str:
    with start(script, *arguments) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said


def put(store: SqliteStore, key: bytes, value: bytes) -> None:
    assert store.commit(store.read([key], NOW), {key: Entry(value)}, NOW)


def get(store: SqliteStore, key: bytes) -> Entry | None:
    return store.read([key], NOW).entries[key]


def test_two_stores_of_one_file_are_one_store(path: Path) -> None:
    with closing(SqliteStore(path)) as one, closing(SqliteStore(path, durable=False)) as other:
        put(one, b"a", b"1")
        assert get(other, b"a") == Entry(b"1")
        snapshot = one.read([b"a"], NOW)
        put(other, b"a", b"2")
        assert not one.commit(snapshot, {b"a": Entry(b"3")}, NOW)


def test_opening_a_file_once_more_leaves_the_locks_of_who_has_it_open(path: Path) -> None:
    # Who closes last copies the log into the file and removes it; one that has it open is to be noticed.
    with closing(SqliteStore(path)) as store:
        put(store, b"a", b"1")
        SqliteStore(path).close()
        run("SqliteStore(Path(sys.argv[1])).close()", path)
        assert Path(f"{path}-wal").exists()
        put(store, b"b", b"2")
        script = "print(SqliteStore(Path(sys.argv[1])).read([b'a', b'b'], 0).entries[b'b'].value)"
        assert run(script, path) == "b'2'\n"


def test_processes_that_count_in_one_file_lose_no_count(path: Path) -> None:
    script = """
store = SqliteStore(Path(sys.argv[1]), durable=False)
for _ in range(200):
    while True:
        snapshot = store.read([b"count"], 0)
        entry = snapshot.entries[b"count"]
        count = 0 if entry is None else int(entry.value)
        if store.commit(snapshot, {b"count": Entry(b"%d" % (count + 1))}, 0):
            break
store.close()
"""
    processes = [start(script, path) for _ in range(3)]
    for process in processes:
        with process:
            process.communicate(timeout=60)
        assert process.returncode == 0
    with closing(SqliteStore(path)) as store:
        assert get(store, b"count") == Entry(b"600")


# The second for long enough that the log is copied into the file meanwhile.
@pytest.mark.parametrize(("durable", "commits"), [(True, 50), (False, sqlite._COPY + 200)])
def test_what_was_acknowledged_is_there_when_the_writer_is_killed(
    path: Path, durable: bool, commits: int
) -> None:
    script = """
store = SqliteStore(Path(sys.argv[1]), durable=sys.argv[2] == "True")
for number in range(1_000_000):
    key = b"%d" % number
    assert store.commit(Snapshot({key: None}), {key: Entry(key * 50)}, 0)
    print(number, flush=True)
"""
    with start(script, path, durable) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(commits)]
        process.kill()
        told += map(int, process.stdout.read().split())
    with closing(SqliteStore(path)) as store:
        keys = [b"%d" % number for number in told]
        assert store.read(keys, NOW) == Snapshot({key: Entry(key * 50) for key in keys})


def test_it_is_readable_by_its_owner_alone(path: Path) -> None:
    mask = os.umask(0)
    try:
        with closing(SqliteStore(path)) as store:
            put(store, b"a", b"1")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(mask)
    assert modes == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}


@pytest.mark.parametrize(
    "odd",
    [":memory:", "file:state?mode=memory", "a b%20#?.db", "ü\N{SNOWMAN}.db", os.fsdecode(b"\xff.db"), "-x"],
)
def test_a_path_means_a_file_whatever_is_in_it(
    odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(SqliteStore(Path(odd))) as one, closing(SqliteStore(tmp_path / odd)) as other:
        put(one, b"a", b"1")
        assert get(other, b"a") == Entry(b"1")
    assert os.listdir(tmp_path) == [odd]


def make(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_a_file_of_another_version_is_refused(path: Path) -> None:
    SqliteStore(path).close()
    make(path, f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StoreError, match="was written by another version of pdp"):
        SqliteStore(path)


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE entry (key)", "PRAGMA user_version = 2", "PRAGMA application_id = 7"]
)
def test_a_database_of_something_else_is_refused_and_left_as_it_is(path: Path, statement: str) -> None:
    make(path, "CREATE TABLE other (a)", statement)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is a database of something else"):
        SqliteStore(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["state.db"]


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_text("policy, secret\n" * 500)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="cannot be used: file is not a database"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    with closing(SqliteStore(path)) as store:
        put(store, b"a", b"1")


@pytest.mark.parametrize("bad", [".", "missing/state.db", "file/state.db", "a\0b", "x" * 300])
def test_a_path_where_no_file_can_be_is_refused(bad: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore(tmp_path / bad)


def test_a_file_that_is_damaged_is_refused_when_it_is_read(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        for number in range(200):
            put(store, b"%d" % number, b"x" * 100)
    whole = path.read_bytes()
    path.write_bytes(whole[:1_024] + b"\xa5" * (len(whole) - 1_024))
    with closing(SqliteStore(path)) as store, pytest.raises(StoreError, match="malformed"):
        store.read([b"7"], NOW)


def test_what_may_not_be_written_is_refused() -> None:
    # By a process without the rights that the one running the tests may have.
    script = """
import tempfile
folder = Path(tempfile.mkdtemp())
SqliteStore(folder / "state.db").close()
os.chmod(folder / "state.db", 0o444)
os.chmod(folder, 0o555)
parent = os.fork()
if parent:
    os.waitpid(parent, 0)
    os.chmod(folder, 0o755)
    os.unlink(folder / "state.db")
    os.rmdir(folder)
    sys.exit()
if os.getuid() == 0:
    os.setuid(65534)
for name in ("state.db", "new.db"):
    try:
        SqliteStore(folder / name)
    except StoreError as error:
        print(str(error).replace(str(folder), ""))
"""
    said = run(script).splitlines()
    assert said[0] == "`/state.db` cannot be used: attempt to write a readonly database"
    assert said[1].startswith("`/new.db` cannot be opened: ")
    assert "Permission denied" in said[1]


def test_a_full_disk_is_an_error_and_spoils_nothing(path: Path) -> None:
    script = """
import resource
store = SqliteStore(Path(sys.argv[1]))
store.commit(Snapshot({b"a": None}), {b"a": Entry(b"1")}, 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    store.commit(Snapshot({b"b": None}), {b"b": Entry(b"2" * 200_000)}, 0)
except StoreError as error:
    print("refused")
print(store.read([b"a", b"b"], 0).entries[b"b"])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.commit(Snapshot({b"b": None}), {b"b": Entry(b"3")}, 0))
"""
    assert run(script, path).split() == ["refused", "None", "True"]
    with closing(SqliteStore(path)) as store:
        assert store.read([b"a", b"b"], NOW).entries == {b"a": Entry(b"1"), b"b": Entry(b"3")}


def test_waiting_for_another_writer_has_an_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.05)
    with closing(SqliteStore(path)) as store, closing(sqlite3.connect(path)) as other:
        snapshot = store.read([b"a"], NOW)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.commit(snapshot, {b"a": Entry(b"1")}, NOW)
        # Who reads waits for nobody.
        assert get(store, b"a") is None
        other.rollback()
        assert store.commit(snapshot, {b"a": Entry(b"1")}, NOW)


def test_opening_waits_for_a_writer_and_gives_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteStore(path).close()
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.05)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="cannot be used: database is locked"):
            SqliteStore(path)


def test_processes_that_open_a_file_that_is_not_there_yet_all_have_it(path: Path) -> None:
    script = """
print("ready", flush=True)
sys.stdin.readline()
store = SqliteStore(Path(sys.argv[1]), durable=False)
key = sys.argv[2].encode()
print(store.commit(Snapshot({key: None}), {key: Entry(b"")}, 0))
"""
    processes = [start(script, path, number) for number in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        with process:
            assert process.communicate(timeout=60) == ("True\n", None)


def test_a_process_that_was_forked_is_refused_and_the_other_goes_on(path: Path) -> None:
    script = """
store = SqliteStore(Path(sys.argv[1]))
forked = os.fork()
if not forked:
    for use in (lambda: store.read([b"a"], 0), lambda: store.commit(Snapshot({}), {}, 0)):
        try:
            use()
        except StoreError as error:
            print(error, flush=True)
    store.close()
    own = SqliteStore(Path(sys.argv[1]))
    print(own.commit(Snapshot({b"b": None}), {b"b": Entry(b"2")}, 0), flush=True)
    own.close()
    sys.exit()
os.waitpid(forked, 0)
print(store.commit(Snapshot({b"a": None}), {b"a": Entry(b"1")}, 0))
"""
    refused = "a store cannot be used by a process that was forked after it was opened"
    assert run(script, path).splitlines() == [refused, refused, "True", "True"]
    with closing(SqliteStore(path)) as store:
        assert store.read([b"a", b"b"], NOW).entries == {b"a": Entry(b"1"), b"b": Entry(b"2")}


def test_one_that_is_closed_has_no_answer(path: Path) -> None:
    store = SqliteStore(path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.read([b"a"], NOW)
    with pytest.raises(StoreError, match="closed"):
        store.commit(Snapshot({}), {}, NOW)


def test_the_log_begins_anew_while_commits_go_on(path: Path) -> None:
    with closing(SqliteStore(path, durable=False)) as store:
        for number in range(6 * sqlite._COPY):
            put(store, b"%d" % (number % 300), b"x" * 200)
            if number % sqlite._COPY == 0 and store._copying.ident is not None:
                store._copying.join()
        written = 6 * sqlite._COPY * sqlite._PAGE
        assert Path(f"{path}-wal").stat().st_size < written / 3


def test_what_has_long_ended_takes_no_room_in_the_file(path: Path) -> None:
    with closing(SqliteStore(path, durable=False)) as store:
        for number in range(2_000):
            key = b"%d" % number
            assert store.commit(Snapshot({key: None}), {key: Entry(b"", NOW + number)}, NOW + number)
        for number in range(1_000):
            assert store.commit(Snapshot({}), {}, NOW + 10_000 + number)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM entry").fetchone() == (0,)
