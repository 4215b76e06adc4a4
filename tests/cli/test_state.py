"""`pdp state`: whether a state is sound, and the room of what has ended."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from cli.conftest import Run
from pdp.state.sqlite import VERSION, SqliteStore
from pdp.state.store import GRACE, Entry, Snapshot, name


@pytest.fixture
def path(estate: Path) -> Path:
    """A state of 500 entries, 300 of which have long ended."""
    (estate / "policies" / "pdp.toml").write_text('[state]\npath = "../state.db"\n')
    path, ended = estate / "state.db", time.time() - 2 * GRACE
    entries = {name(str(n)): Entry(bytes(200), ended if n < 300 else None) for n in range(500)}
    with closing(SqliteStore(path)) as store:
        assert store.commit(Snapshot(dict.fromkeys(entries)), entries, ended - 1)
    return path


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()


def test_a_sound_state_is_told_to_be(run: Run, path: Path) -> None:
    result = run("state", "check")
    assert result.exit_code == 0
    assert "state.db: 500 entries, 300 of them ended, in " in result.output
    assert result.output.endswith("it is sound\n")
    told = json.loads(run("state", "check", "--format", "json").output)
    assert told.pop("path").endswith("state.db")
    assert told.pop("size") > 100_000
    assert told == {"version": VERSION, "entries": 500, "ended": 300, "free": 0, "problems": []}


def test_one_that_is_in_use_can_be_checked_and_made_small(run: Run, path: Path) -> None:
    key = name("new")
    with closing(SqliteStore(path)) as store:
        assert run("state", "check").exit_code == 0
        result = run("state", "vacuum", "--format", "json")
        assert result.exit_code == 0
        told = json.loads(result.output)
        assert (told["before"]["entries"], told["after"]["entries"], told["after"]["ended"]) == (500, 200, 0)
        assert told["after"]["size"] < told["before"]["size"] / 2
        # What has not ended is there, and whoever has it open goes on.
        assert store.read([name("400")], 0).entries[name("400")] == Entry(bytes(200))
        assert store.commit(store.read([key], 0), {key: Entry(b"1")}, 0)
    assert run("state", "check").exit_code == 0
    assert "now: 201 entries, 0 of them ended" in run("state", "vacuum").output


def test_what_ended_a_moment_ago_is_kept_for_a_clock_that_is_set_back(run: Run, path: Path) -> None:
    key, ended = name("just now"), time.time() - GRACE / 2
    with closing(SqliteStore(path)) as store:
        assert store.commit(Snapshot({key: None}), {key: Entry(b"", ended)}, ended - 1)
        assert run("state", "vacuum").exit_code == 0
        assert store.read([key], ended - 1).entries[key] == Entry(b"", ended)


def test_a_damaged_state_is_told_by_what_is_wrong(run: Run, path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:40_960] + b"\xa5" * 4_096 + data[45_056:])
    result = run("state", "check")
    assert result.exit_code == 1
    assert "problem:" in result.output
    assert json.loads(run("state", "check", "--format", "json").output)["problems"]
    small = run("state", "vacuum")
    assert small.exit_code == 1
    assert small.stderr.startswith("error: ")
    assert path.read_bytes() == data[:40_960] + b"\xa5" * 4_096 + data[45_056:]


def test_one_of_another_version_is_told_and_left_as_it_is(run: Run, path: Path) -> None:
    execute(path, f"PRAGMA user_version = {VERSION + 1}")
    result = run("state", "check")
    assert result.exit_code == 1
    assert "written by another version of pdp" in result.output
    assert run("state", "vacuum").exit_code == 1


def test_one_that_another_process_writes_is_left_alone(
    run: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdp.state.upkeep._PATIENCE", 0.05)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert run("state", "check").exit_code == 0
        result = run("state", "vacuum")
        other.rollback()
    assert result.exit_code == 1
    assert "locked" in result.stderr


@pytest.mark.parametrize("command", ["check", "vacuum"])
def test_where_there_is_no_state_none_is_made(run: Run, estate: Path, command: str) -> None:
    settings = estate / "policies" / "pdp.toml"
    settings.write_text("")
    assert "the state has no file" in run("state", command).stderr
    settings.write_text('[state]\npath = "../state.db"\n')
    result = run("state", command)
    assert result.exit_code == 2
    assert "there is no `policies/../state.db`" in result.stderr
    assert not (estate / "state.db").exists()
    execute(estate / "state.db", "CREATE TABLE other (a)")
    result = run("state", command)
    assert result.exit_code == 2
    assert "it is a file of something else" in result.stderr
    (estate / "state.db").write_text("no database at all" * 100)
    assert run("state", command).exit_code == 2
    settings.write_text("[stat]")
    assert run("state", command).exit_code == 2
    assert run("state", command, "--format", "xml").exit_code == 2
