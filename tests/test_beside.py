"""The second process: its answers are the same as those given here, and nothing depends on it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from textwrap import dedent

import pytest

from pdp import beside
from pdp.beside import Beside, Options, Text, serve, share
from pdp.loader import Checked, Stages
from pdp.packed import unpack
from pdp.rules.environment import merge
from pdp.single import checked, dangers, parsed

TODAY = datetime(2026, 6, 15, tzinfo=UTC)
OPTIONS = Options(strict=True, warn=False, max_rules=100, tests=True, today=TODAY)

SHARED = """
schema {
  caller { team?: string }
  resource doc { size: int, tags: set<string>, kept?: duration }
  context { ip: ip }
}
let office = [ip("10.0.0.0/8"), ip("fd00::/8")]
def fresh(limit: duration) = credential.bound and credential.age <= limit
fixture worker { caller workload "w" credential { binding: "mtls", age: 1m, lifetime: 5m } }
"""
MODULE = """
use common
let small = 10 - 3
@owner("o") @control("c") @sunset(2026-07-01)
permit read {
  caller   workload "w", "spiffe://a.example/*" in group "g"
  audience "docs"
  action   "doc.read"
  resource doc "d-*"
  when     common.fresh(5m) and context.ip in common.office and now < 2030-01-01
  when     any t in resource.tags: t like "p-*" or resource.size + small * 2 <= %d
  unless   if has resource.kept then resource.kept > 1h else "x" in resource.tags
  require  log { level: "high", size: -resource.size, tags: ["a", caller.id] }
  advise   tell { team: caller.team ?? "none" }
  because  "Workers read"
}
forbid stop { action "doc.*" when caller.kind == "human" because "no" }
permit loose { caller any audience any action any when resource.id == "x" }
assert never_x { never allow when credential.standing because "no" }
test "reads" using common.worker {
  audience "docs" action "doc.read" resource doc "d-1" { size: 1, tags: ["p-1"] } context { ip: "10.0.0.1" }
  expect allow by read
}
"""
WRONG = """
use common
use nowhere
permit a { caller any audience "x" action "y" when resource.sise > 1 and credential.bound }
permit b { caller "spiffe:///x" when }
permit a { caller any }
let c = common.fresh
"""


def estate(modules: int = 8) -> list[Text]:
    texts = {"common": SHARED, **{f"m{i}": MODULE % i for i in range(modules)}}
    return [(f"p/{name}.policy", name, text.encode()) for name, text in sorted(texts.items())]


BROKEN: list[Text] = [
    *estate(),
    ("p/m3/again.policy", "m3", b"let a = 1"),
    ("p/No Name.policy", "", b"permit x { }"),
    ("p/wrong.policy", "wrong", WRONG.encode()),
    ("p/wrong.test.policy", "wrong.test", WRONG.encode()),
    ("p/no_text.policy", "no_text", b"\xff\xfe"),
]


def check(texts: list[Text], **settings: bool) -> Checked:
    return Stages(**settings).check(texts, TODAY)


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Checked]:
    """Checks with a second process, however little there is to do."""

    def check_together(texts: list[Text], **settings: bool) -> Checked:
        with monkeypatch.context() as patch:
            patch.setattr(beside, "WORTH", 0)
            patch.setattr(beside, "_cores", lambda: 2)
            assert share(texts)
            return check(texts, **settings)

    return check_together


@pytest.mark.parametrize("settings", [{}, {"tests": False}, {"strict": False}], ids=str)
@pytest.mark.parametrize("texts", [estate(), BROKEN], ids=["right", "wrong"])
def test_two_processes_find_what_one_finds(together, texts, settings):
    assert together(texts, **settings) == check(texts, **settings)


def test_what_was_checked_beside_is_kept(monkeypatch):
    monkeypatch.setattr(beside, "WORTH", 0)
    monkeypatch.setattr(beside, "_cores", lambda: 2)
    stages = Stages()
    before = {rule.identity: rule for rule in stages.check(estate(), TODAY).policies.rules}
    changed = [(path, name, data + b"# \n" if name == "m7" else data) for path, name, data in estate()]
    after = stages.check(changed, TODAY).policies.rules
    # Tests read other modules, so only what has none can be kept.
    assert [rule for rule in after if rule.identity.startswith("m7.")] == [
        before["m7.loose"], before["m7.read"], before["m7.stop"]
    ]  # fmt: skip
    served = Stages(tests=False)
    before = {rule.identity: rule for rule in served.check(estate(), TODAY).policies.rules}
    kept = {
        rule.identity for rule in served.check(changed, TODAY).policies.rules if rule is before[rule.identity]
    }
    assert kept == {identity for identity in before if not identity.startswith("m7.")}


def test_a_small_set_is_not_shared():
    assert share(estate()) == ()


def test_the_share_is_less_than_half(monkeypatch):
    monkeypatch.setattr(beside, "WORTH", 0)
    monkeypatch.setattr(beside, "_cores", lambda: 2)
    part = sum(len(data) for _, _, data in share(estate())) / sum(len(data) for _, _, data in estate())
    assert 0.25 < part < 0.5


def test_one_file_is_not_shared(monkeypatch):
    monkeypatch.setattr(beside, "WORTH", 0)
    monkeypatch.setattr(beside, "_cores", lambda: 2)
    assert share(estate()[:1]) == ()


def test_one_core_is_not_shared(monkeypatch):
    monkeypatch.setattr(beside, "WORTH", 0)
    monkeypatch.setattr(beside, "_cores", lambda: 1)
    assert share(estate()) == ()


@pytest.mark.parametrize("affinity", [True, False])
def test_cores_are_counted_on_every_system(monkeypatch, affinity):
    if not affinity:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert beside._cores() >= 1


@pytest.mark.parametrize("executable", [None, "", "/usr/bin/uwsgi", "/opt/app/server"])
def test_a_program_that_is_no_python_is_not_started_again(monkeypatch, executable):
    monkeypatch.setattr(beside, "WORTH", 0)
    monkeypatch.setattr(beside, "_cores", lambda: 2)
    monkeypatch.setattr(sys, "executable", executable)
    assert share(estate()) == ()


def test_a_frozen_program_is_not_started_again(monkeypatch):
    monkeypatch.setattr(beside, "WORTH", 0)
    monkeypatch.setattr(beside, "_cores", lambda: 2)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert share(estate()) == ()


# The other process as it should not be: what runs in place of Python.
BAD = {
    "dies": "exit 1",
    "says nothing": "exec cat > /dev/null",
    "says too little": "head -c 8 /dev/zero; printf abc",
    "says something else": "printf '\\0\\0\\0\\0\\0\\0\\0\\003abc'; exec cat > /dev/null",
    "promises too much": "printf '\\0\\0\\0\\0\\0\\0\\0\\377abc'",
    "promises more than there is": "printf '\\377\\377\\377\\377\\377\\377\\377\\377abc'",
    "does not listen": "exec sleep 600",
}


@pytest.mark.parametrize("script", BAD.values(), ids=BAD)
def test_what_it_does_not_do_is_done_here(together, monkeypatch, tmp_path, script):
    # More than a pipe holds, so that one who does not listen cannot even be asked.
    long = b"# more\n" * 20_000 + MODULE.encode()
    texts = [*BROKEN, ("p/n0.policy", "n0", long), ("p/n1.policy", "n1", long)]
    expected = check(texts)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(beside, "_PATIENCE", 0.2)
    assert together(texts) == expected


def test_a_process_that_cannot_be_started_is_not_missed(together, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert together(BROKEN) == check(BROKEN)


def test_one_that_fails_half_way_is_not_missed(together, monkeypatch, tmp_path):
    # It parses its share, tells so, and is gone.
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -P -c "import os, pdp.beside as b; '
        "b.pack = lambda _: os._exit(1); "
        'b.serve(b.sys.stdin.buffer, b.sys.stdout.buffer)"\n'
    )
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    assert together(BROKEN) == check(BROKEN)


def test_no_process_is_left(monkeypatch):
    with Beside(tuple(estate()), OPTIONS) as other:
        process = other._process
        assert process is not None
        assert process.poll() is None
        assert set(other.offers()) == set(other.paths)
    assert process.returncode is not None
    assert other.offers() == {}


def test_the_main_module_of_a_program_runs_once(tmp_path):
    # As a script without a guard is written.
    script = tmp_path / "program.py"
    script.write_text(
        dedent(
            """
            import sys
            from pdp import beside
            from pdp.loader import Loader
            beside.WORTH, beside._cores = 0, lambda: 2
            answers = []
            take = beside.Beside._answer
            beside.Beside._answer = lambda self, read: answers.append(take(self, read)) or answers[-1]
            print(len(Loader(sys.argv[1]).check().policies.rules), [len(answer) > 0 for answer in answers])
            """
        )
    )
    for _, name, data in estate():
        (tmp_path / f"{name}.policy").write_bytes(data)
    # A module that hides another one in the folder where it runs must not be found.
    (tmp_path / "pickle.py").write_text("raise SystemExit")
    done = subprocess.run(
        [sys.executable, "-P", str(script), "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(beside.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("24 [True, True]\n", "")


def test_it_answers_what_the_loader_would_find():
    mine, others = BROKEN[::2], BROKEN[1::2]
    texts = [parsed(*text, tests=True) for text in others]
    questions, answers = BytesIO(), BytesIO()
    pickle.dump((mine, OPTIONS), questions)
    pickle.dump([file.interface for file in texts], questions)
    questions.seek(0)
    serve(questions, answers)

    answers.seek(0)
    offers = pickle.loads(answers.read(int.from_bytes(answers.read(8))))
    files = [parsed(*text, tests=True) for text in mine]
    assert [found for _, found in offers] == [file.found for file in files]
    assert [offered.module for offered, _ in offers] == [file.interface.module for file in files]

    interfaces = [file.interface for file in (*files, *texts)]
    environment, _ = merge(interfaces, strict=True, max_rules=100)
    modules = unpack(answers.read(int.from_bytes(answers.read(8))), environment)
    for (module, found), file in zip(modules, files, strict=True):
        expected = checked(file, environment)
        assert module.rules == expected.rules
        assert repr(module.rules) == repr(expected.rules)
        assert [rule.conditions for rule in module.rules] == [rule.conditions for rule in expected.rules]
        assert module.diagnostics == expected.diagnostics
        assert module.cases == expected.cases
        assert module.asserts == expected.asserts
        assert module.reads == expected.reads
        assert found == dangers(expected, TODAY)
