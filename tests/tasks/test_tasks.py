"""Tasks in a store: what is acknowledged is so for everybody, and what has ended stays ended."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from pdp.state.memory import MemoryStore
from pdp.state.sqlite import SqliteStore
from pdp.state.store import Entry, Store, StoreError
from pdp.tasks.revocation import Revocations, revoked_name
from pdp.tasks.task import RUNNING
from pdp.tasks.tasks import DEPTH, KEPT, Now, TaskError, Tasks, task_key
from tests.tasks.made import NOW, made


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    kinds = {"memory": MemoryStore, "sqlite": lambda: SqliteStore(tmp_path / "state.db")}
    with closing(kinds[request.param]()) as opened:
        yield opened


@pytest.fixture
def tasks(store: Store) -> Tasks:
    return Tasks(store)


def code(work: Any, *arguments: Any) -> str | None:
    """Why it is refused; None where it is done."""
    try:
        work(*arguments)
    except TaskError as error:
        return f"{error.code} {error.member}".rstrip()
    return None


def now(tasks: Tasks, task_id: str, seconds: float = NOW) -> str:
    found = tasks.now(task_id, seconds)
    return "unknown" if found is None else found.standing


def everything(_: Now) -> bool:
    return True


def ids(
    tasks: Tasks, *, wanted: Any = everything, seconds: float = NOW, owner: str | None = None, limit: int = 7
) -> list[str]:
    """All that are listed, page by page."""
    found: list[str] = []
    after = None
    while True:
        listed = tasks.list(wanted, seconds, owner=owner, after=after, limit=limit)
        assert len(listed.tasks) <= limit
        found += [one.task.id for one in listed.tasks]
        after = listed.after
        if after is None:
            return found


def test_a_task_is_there_once_it_is_opened(tasks: Tasks) -> None:
    assert tasks.get("t-1", NOW) is None
    assert tasks.line("t-1", NOW) == ()
    tasks.open(made(), NOW)
    assert tasks.get("t-1", NOW) == made()
    assert tasks.now("t-1", NOW) == Now(made(), "active")


@pytest.mark.parametrize("state", ["completed", "cancelled"])
def test_what_has_ended_has_ended(tasks: Tasks, state: Any) -> None:
    tasks.open(made(uses=3), NOW)
    ended = tasks.end("t-1", state, NOW + 1)
    assert (ended.state, ended.ended) == (state, NOW + 1)
    # Told once more, as by a client that had no answer, it is the same.
    assert tasks.end("t-1", state, NOW + 2) == ended
    other: Any = {"completed": "cancelled", "cancelled": "completed"}[state]
    assert code(tasks.end, "t-1", other, NOW + 2) == "ended"
    assert code(tasks.extend, "t-1", NOW + 4_000, NOW + 2) == "ended"
    assert code(tasks.use, "t-1", NOW + 2) == "ended"
    assert code(tasks.open, made("t-2", ancestors=("t-1",), uses=1), NOW + 2) == "ended parent"
    assert tasks.get("t-1", NOW + 3) == ended


def test_its_id_is_never_given_to_another(tasks: Tasks) -> None:
    tasks.open(made(), NOW)
    tasks.end("t-1", "completed", NOW)
    for seconds in (NOW, NOW + 7_200, NOW + 7_200 + KEPT - 1):
        assert code(tasks.open, made(purpose="another"), seconds) == "beyond id"
    assert now(tasks, "t-1") == "completed"
    assert ids(tasks) == ["t-1"]


def test_its_deadline_ends_it_and_what_is_over_is_not_completed(tasks: Tasks) -> None:
    tasks.open(made(), NOW)
    assert now(tasks, "t-1", NOW + 3_600) == "expired"
    assert code(tasks.end, "t-1", "completed", NOW + 3_600) == "ended"
    assert code(tasks.extend, "t-1", NOW + 3_700, NOW + 3_600) == "ended"


def test_its_uses_end_it(tasks: Tasks) -> None:
    tasks.open(made(uses=2), NOW)
    assert [code(tasks.use, "t-1", NOW) for _ in range(3)] == [None, None, "ended"]
    assert now(tasks, "t-1") == "used_up"
    assert code(tasks.extend, "t-1", NOW + 3_700, NOW) == "ended"


def test_what_has_not_begun_is_not_used(tasks: Tasks) -> None:
    tasks.open(made(started=NOW + 1, uses=1), NOW)
    assert code(tasks.use, "t-1", NOW) == "ended"
    assert code(tasks.use, "t-1", NOW + 1) is None


@pytest.mark.parametrize(
    ("expires", "refused"),
    [
        (NOW + 3_601, None),
        (NOW + 7_200, None),
        (NOW + 7_201, "beyond expires"),
        (NOW + 3_600, None),
        (NOW + 10, "beyond expires"),
        (float("nan"), "beyond expires"),
    ],
)
def test_it_is_extended_to_a_later_end_and_no_further_than_its_latest(
    tasks: Tasks, expires: float, refused: str | None
) -> None:
    tasks.open(made(), NOW)
    assert code(tasks.extend, "t-1", expires, NOW) == refused
    task = tasks.get("t-1", NOW)
    assert task is not None
    assert task.expires == (NOW + 3_600 if refused else expires)


def test_a_part_ends_with_the_whole_and_is_extended_no_further(tasks: Tasks) -> None:
    tasks.open(made("whole"), NOW)
    tasks.open(made("part", ancestors=("whole",), expires=NOW + 60), NOW)
    tasks.open(made("piece", ancestors=("part", "whole"), expires=NOW + 60), NOW)
    assert code(tasks.extend, "piece", NOW + 61, NOW) == "beyond expires"
    assert code(tasks.extend, "part", NOW + 3_601, NOW) == "beyond expires"
    assert code(tasks.extend, "part", NOW + 3_600, NOW) is None
    assert code(tasks.extend, "piece", NOW + 3_600, NOW) is None
    tasks.end("whole", "completed", NOW + 1)
    assert now(tasks, "part", NOW + 1) == now(tasks, "piece", NOW + 1) == "parent_ended"
    assert code(tasks.use, "piece", NOW + 1) == code(tasks.end, "part", "completed", NOW + 1) == "ended"


def test_what_a_part_uses_the_whole_has_used(tasks: Tasks) -> None:
    tasks.open(made("whole", uses=3), NOW)
    tasks.open(made("a", uses=2, ancestors=("whole",)), NOW)
    tasks.open(made("b", uses=3, ancestors=("whole",)), NOW)
    assert [code(tasks.use, "a", NOW) for _ in range(3)] == [None, None, "ended"]
    assert [code(tasks.use, "b", NOW) for _ in range(2)] == [None, "ended"]
    assert (now(tasks, "whole"), now(tasks, "b")) == ("used_up", "parent_ended")
    assert code(tasks.open, made("c", uses=1, ancestors=("whole",)), NOW) == "beyond uses"


def test_a_part_names_its_ancestors_as_they_are(tasks: Tasks) -> None:
    tasks.open(made("whole"), NOW)
    tasks.open(made("part", ancestors=("whole",)), NOW)
    for wrong in (("part",), ("whole", "part"), ("none",), ("part", "none"), ("part", "whole", "whole")):
        assert code(tasks.open, made("piece", ancestors=wrong), NOW) == "unknown parent"
    assert tasks.get("piece", NOW) is None
    assert ids(tasks) == ["part", "whole"]


def test_a_part_of_a_part_has_an_end(tasks: Tasks) -> None:
    line: tuple[str, ...] = ()
    for depth in range(DEPTH + 1):
        tasks.open(made(f"t-{depth}", ancestors=line), NOW)
        line = (f"t-{depth}", *line)
    assert code(tasks.open, made("deeper", ancestors=line), NOW) == "beyond parent"
    assert tuple(one.id for one in tasks.line(line[0], NOW)) == line


def test_it_ends_with_the_credential_it_was_opened_with_and_so_do_its_parts(
    store: Store, tasks: Tasks
) -> None:
    tasks.open(made("whole", opened_with=(revoked_name("caller", "batch"), revoked_name("all"))), NOW)
    tasks.open(made("part", ancestors=("whole",)), NOW)

    def revoke(before: float) -> None:
        Revocations(store).revoke(
            "caller", "batch", before=before, by="test", reason="", until=None, seconds=NOW
        )

    # The credential, issued at that time, and not the opening, is what a revocation is about.
    revoke(NOW - 60)
    assert now(tasks, "whole") == now(tasks, "part") == "active"
    revoke(NOW - 59)
    assert now(tasks, "whole") == now(tasks, "part") == "revoked"
    assert code(tasks.use, "part", NOW) == code(tasks.extend, "whole", NOW + 3_700, NOW) == "ended"
    assert code(tasks.open, made("more", ancestors=("whole",)), NOW) == "ended parent"


def test_nothing_is_done_to_what_is_not_there(tasks: Tasks) -> None:
    assert code(tasks.end, "t-1", "completed", NOW) == code(tasks.use, "t-1", NOW) == "unknown"
    assert code(tasks.extend, "t-1", NOW + 1, NOW) == "unknown"


def test_what_ended_long_ago_is_forgotten_and_no_longer_listed(tasks: Tasks) -> None:
    for number in range(40):
        tasks.open(made(f"t-{number}"), NOW)
    gone = NOW + 7_200 + KEPT
    assert len(ids(tasks, seconds=gone - 1)) == 40
    assert now(tasks, "t-1", gone) == "unknown"
    assert ids(tasks, seconds=gone) == []
    tasks.open(made("t-new", expires=gone + 60, latest=gone + 60), gone)
    assert ids(tasks, seconds=gone) == ids(tasks, seconds=gone, owner="batch") == ["t-new"]


def test_one_that_lives_long_does_not_hide_behind_those_that_are_gone(tasks: Tasks) -> None:
    tasks.open(made("old", expires=NOW + 1e8, latest=NOW + 1e8), NOW)
    for number in range(70):
        tasks.open(made(f"t-{number}"), NOW)
    assert ids(tasks, seconds=NOW + 7_200 + KEPT) == ["old"]


@pytest.mark.parametrize("limit", [1, 32, 100])
def test_a_list_goes_on_where_it_ended_whatever_is_opened_meanwhile(tasks: Tasks, limit: int) -> None:
    for number in range(100):
        tasks.open(made(f"t-{number}", owner=f"o-{number % 3}"), NOW)
    first = tasks.list(everything, NOW, limit=limit)
    for number in range(100, 140):
        tasks.open(made(f"t-{number}"), NOW)
    found = [one.task.id for one in first.tasks]
    after = first.after
    while after is not None:
        listed = tasks.list(everything, NOW, after=after, limit=limit)
        found += [one.task.id for one in listed.tasks]
        after = listed.after
    assert found == [f"t-{number}" for number in reversed(range(100))]
    assert ids(tasks, owner="o-1", limit=limit) == [f"t-{n}" for n in reversed(range(100)) if n % 3 == 1]
    assert ids(tasks, owner="nobody") == []


def test_one_list_looks_at_so_many_and_says_where_to_go_on() -> None:
    tasks = Tasks(MemoryStore())
    for number in range(1_200):
        tasks.open(made(f"t-{number}"), NOW)
    oldest = tasks.list(lambda one: one.task.id == "t-0", NOW)
    assert oldest.tasks == ()
    assert oldest.after == 200
    assert ids(tasks, wanted=lambda one: one.task.id in ("t-0", "t-700")) == ["t-700", "t-0"]


def test_what_cannot_be_read_is_an_error(store: Store, tasks: Tasks) -> None:
    key = task_key("t-1")
    assert store.commit(store.read([key], NOW), {key: Entry(b"\xc1")}, NOW)
    with pytest.raises(StoreError, match="a task that cannot be read"):
        tasks.get("t-1", NOW)


# Held against a plain model.

TIMES = st.integers(0, 8_000).map(lambda after: float(after))


@dataclass(eq=False)
class Work:
    """What the model knows of a task."""

    id: str
    owner: str
    whole: Work | None
    credential: str
    expires: float
    latest: float
    uses: int | None
    state: str = "open"

    @property
    def line(self) -> list[Work]:
        return [self, *(self.whole.line if self.whole else ())]


class TasksAreAModel(RuleBasedStateMachine):
    """Tasks in memory and in a file, held against lists and numbers."""

    tasks = Bundle("tasks")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "state.db"
        self.stores: list[Store] = [MemoryStore(), SqliteStore(path, durable=False)]
        self.kept = [Tasks(store) for store in self.stores]
        self.works: list[Work] = []
        self.asked = 0
        self.revoked: set[str] = set()
        self.ended: set[str] = set()
        self.seconds = NOW

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()

    def runs(self, work: Work) -> bool:
        return all(
            one.state == "open" and self.seconds < one.expires and one.uses != 0
            and one.credential not in self.revoked
            for one in work.line
        )  # fmt: skip

    def known(self, work: Work) -> bool:
        return self.seconds < work.latest + KEPT

    def agree(self, expected: str | None, method: str, *arguments: Any) -> None:
        told = {code(getattr(tasks, method), *arguments, self.seconds) for tasks in self.kept}
        assert {one and one.partition(" ")[0] for one in told} == {expected}

    @rule(target=tasks, data=st.data(), owner=st.sampled_from("ab"), lives=TIMES, more=TIMES,
          uses=st.none() | st.integers(1, 4), credential=st.sampled_from("xyz"))  # fmt: skip
    def open(
        self, data: st.DataObject, owner: str, lives: float, more: float, uses: int | None, credential: str
    ) -> Work:
        whole = data.draw(st.none() | st.sampled_from(self.works)) if self.works else None
        expires = self.seconds + lives + 1
        self.asked += 1
        work = Work(f"t-{self.asked}", owner, whole, credential, expires, expires + more, uses)
        expected = None
        if whole is not None:
            beyond = (
                expires > whole.expires or work.latest > whole.latest
                or (whole.uses is not None and (uses is None or uses > whole.uses))
            )  # fmt: skip
            if not self.known(whole):
                expected = "unknown"
            elif beyond or len(work.line) > DEPTH + 1:
                expected = "beyond"
            elif not self.runs(whole):
                expected = "ended"
        self.agree(
            expected, "open",
            made(work.id, owner=owner, may_act=("*",), issued=NOW, started=self.seconds, expires=expires,
                 latest=work.latest, uses=uses, ancestors=tuple(one.id for one in work.line[1:]),
                 opened_with=(revoked_name("client", credential),)),
        )  # fmt: skip
        self.works += [work] if expected is None else []
        return work

    @rule(work=tasks)
    def open_it_again(self, work: Work) -> None:
        if work in self.works and self.known(work):
            self.agree("beyond", "open", made(work.id))

    @rule(work=tasks, state=st.sampled_from(["completed", "cancelled"]))
    def end(self, work: Work, state: str) -> None:
        expected = self.expected(work)
        if expected == "ended" and work.state == state:
            expected = None
        self.agree(expected, "end", work.id, state)
        if expected is None:
            work.state = state

    @rule(work=tasks, by=st.integers(-10, 4_000))
    def extend(self, work: Work, by: float) -> None:
        expires = work.expires + by
        expected = self.expected(work)
        latest = min([work.latest, *(one.expires for one in work.line[1:])])
        if expected is None and expires != work.expires and not work.expires < expires <= latest:
            expected = "beyond"
        self.agree(expected, "extend", work.id, expires)
        if expected is None:
            work.expires = expires

    @rule(work=tasks)
    def use(self, work: Work) -> None:
        expected = self.expected(work)
        self.agree(expected, "use", work.id)
        if expected is None:
            for one in work.line:
                one.uses = None if one.uses is None else one.uses - 1

    @rule(by=TIMES)
    def time_passes(self, by: float) -> None:
        self.seconds += by

    @rule()
    def months_pass(self) -> None:
        self.seconds += KEPT

    @rule(credential=st.sampled_from("xyz"))
    def revoke(self, credential: str) -> None:
        for store in self.stores:
            Revocations(store).revoke("client", credential, before=self.seconds + 1, by="", reason="",
                                      until=None, seconds=self.seconds)  # fmt: skip
        self.revoked.add(credential)

    @rule(limit=st.integers(1, 40), owner=st.none() | st.sampled_from("ab"), running=st.booleans())
    def lists(self, limit: int, owner: str | None, running: bool) -> None:
        expected = [
            work.id
            for work in reversed(self.works)
            if self.known(work) and owner in (None, work.owner) and (self.runs(work) or not running)
        ]
        for tasks in self.kept:
            wanted = (lambda one: one.standing == "active") if running else everything
            told = ids(tasks, wanted=wanted, seconds=self.seconds, owner=owner, limit=limit)
            assert told == expected

    def expected(self, work: Work) -> str | None:
        if work not in self.works or not self.known(work):
            return "unknown"
        return None if self.runs(work) else "ended"

    @invariant()
    def what_is_told_is_so_and_what_has_ended_stays_so(self) -> None:
        for work in self.works if hasattr(self, "works") else ():
            for tasks in self.kept:
                found = tasks.now(work.id, self.seconds)
                if found is None:
                    assert not self.known(work)
                    continue
                assert (found.standing in RUNNING) == self.runs(work)
                assert found.task.uses == work.uses
                assert found.task.expires == work.expires
                assert work.state in ("open", found.standing)
                if found.standing not in RUNNING:
                    self.ended.add(work.id)
            assert work.id not in self.ended or not self.runs(work)


TestTasksAreAModel = TasksAreAModel.TestCase
TestTasksAreAModel.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


# Several processes at once.

OPENING = """
import json, os, random, signal, sys, time
from pathlib import Path
from pdp.state.sqlite import SqliteStore
from pdp.state.store import StoreError
from pdp.tasks.tasks import Tasks, TaskError
from tests.tasks.made import NOW, made

def opened():
    return Tasks(SqliteStore(Path(sys.argv[1])))

def ready():
    print("ready", flush=True)
    sys.stdin.readline()
"""
ROOT = Path(__file__).parents[2]


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OPENING + script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def together(*processes: subprocess.Popen[str]) -> list[Any]:
    """What each of them says, after all have begun at the same moment."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [json.loads(one) for one in told]


USING = """
tasks, used = opened(), []
ready()
while True:
    begun = time.monotonic()
    try:
        tasks.use(sys.argv[2], NOW)
    except TaskError:
        break
    used.append(begun)
print(json.dumps(used))
"""


def test_a_task_of_so_many_uses_is_used_so_often_by_whomever(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        tasks = Tasks(store)
        tasks.open(made("whole", uses=150), NOW)
        tasks.open(made("part", uses=150, ancestors=("whole",)), NOW)
        used = together(*(start(USING, path, one) for one in ("whole", "whole", "part", "part")))
        assert sum(map(len, used)) == 150
        assert now(tasks, "whole") == "used_up"


def test_after_a_completion_is_acknowledged_nothing_is_used(tmp_path: Path) -> None:
    ending = """
tasks = opened()
ready()
time.sleep(float(sys.argv[2]))
tasks.end("whole", "completed", NOW)
print(json.dumps(time.monotonic()))
"""
    for turn in range(4):
        path = tmp_path / f"state-{turn}.db"
        with closing(SqliteStore(path)) as store:
            tasks = Tasks(store)
            tasks.open(made("whole"), NOW)
            tasks.open(made("part", uses=100_000, ancestors=("whole",)), NOW)
            moment = random.uniform(0.02, 0.2)
            ended, *used = together(
                start(ending, path, moment), start(USING, path, "part"), start(USING, path, "part")
            )
            assert all(begun < ended for one in used for begun in one)
            assert now(tasks, "part") == "parent_ended"


# A worker that is killed, again and again, and others that go on with what it left.
KILLED = """
def work(told):
    tasks, chance, mine = opened(), random.Random(), []
    def tell(*what):
        os.write(told, json.dumps(what).encode() + b"\\n")
    while True:
        kind = chance.choice(["open", "open", "use", "extend", "completed", "cancelled"])
        if kind == "open" or not mine:
            one = "%d-%d" % (os.getpid(), time.monotonic_ns())
            tasks.open(made(one, uses=5), NOW)
            mine.append(one)
            tell("open", one, 0)
            continue
        one = chance.choice(mine)
        task = tasks.get(one, NOW)
        try:
            if kind == "use":
                tasks.use(one, NOW)
                tell(kind, one, task.uses - 1)
            elif kind == "extend":
                tasks.extend(one, task.expires + 1, NOW)
                tell(kind, one, task.expires + 1)
            else:
                tasks.end(one, kind, NOW)
                tell(kind, one, 0)
        except TaskError:
            pass

for _ in range(int(sys.argv[2])):
    read, write = os.pipe()
    worker = os.fork()
    if not worker:
        os.close(read)
        work(write)
    os.close(write)
    with os.fdopen(read, "rb") as heard:
        said = [heard.readline() for _ in range(random.randrange(1, 40))]
        time.sleep(random.uniform(0, 0.003))
        os.kill(worker, signal.SIGKILL)
        said += heard.readlines()
    assert os.WTERMSIG(os.waitpid(worker, 0)[1]) == signal.SIGKILL
    sys.stdout.write(b"".join(line for line in said if line.endswith(b"\\n")).decode())
"""


def test_what_was_acknowledged_stays_when_workers_are_killed(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    processes = [start(KILLED, path, 40), start(KILLED, path, 40)]
    lines = [line for process in processes for line in process.communicate(timeout=100)[0].splitlines()]
    told = [json.loads(line) for line in lines]
    assert [process.returncode for process in processes] == [0, 0]
    assert {kind for kind, _, _ in told} == {"open", "use", "extend", "completed", "cancelled"}
    with closing(SqliteStore(path)) as store:
        tasks = Tasks(store)
        listed = ids(tasks, limit=100)
        # What was not acknowledged was done whole, or not at all.
        assert sorted(listed) == sorted(ids(tasks, owner="batch")) == sorted(set(listed))
        assert {one for kind, one, _ in told if kind == "open"} <= set(listed)
        found = {one: tasks.get(one, NOW) for one in listed}
        for kind, one, value in told:
            task = found[one]
            assert task is not None
            if kind == "use":
                assert task.uses is not None
                assert task.uses <= value
            elif kind == "extend":
                assert task.expires >= value
            elif kind != "open":
                assert task.state == kind
