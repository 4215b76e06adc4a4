"""The decision log: whole lines of what a replay needs, off the request's way, and no loss in silence."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.access.facts import Facts
from pdp.access.request import Request
from pdp.answer import Answer, Encoder, encode_json
from pdp.conform import Convert, attribute_converters, attributes
from pdp.decide import decide
from pdp.evidence.refusals import EvidenceError
from pdp.language.source import Source
from pdp.load import check_sources, compile
from pdp.point import OPERATOR, DecisionPoint, check_expiry, denial
from pdp.schema import schema as builtin
from pdp.settings import EnforcementPoint, Settings, Task
from pdp.state.audit import STDOUT, DecisionLog, line
from tests.evidence.world import METHOD, URI, World
from tests.evidence.world import NOW as VERIFIED

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
POLICY = """
schema {
  caller   { team?: string }
  action   "entry.*" { dry_run?: bool }
  resource entry { amount: int, labels: set<string>, due?: timestamp, limits?: map<int>, price?: float,
                   parts?: { size: int, shade?: string } }
  context  { source_ip?: ip, idle?: duration }
}
permit write {
  caller   any
  audience "ledger"
  action   "entry.create"
  resource entry
  when     credential.bound and resource.amount <= 10
  require  log { amount: resource.amount, labels: resource.labels, idle: context.idle ?? 1m }
  advise   tell { remaining: credential.remaining }
}
forbid far {
  unless  context.source_ip ?? ip("10.0.0.1") in ip("10.0.0.0/8")
  because "From here alone"
}
forbid late {
  when    resource.type == "entry" and (resource.due ?? now) < now
  because "It is too late"
}
forbid sized {
  when    has resource.parts and resource.parts.size > 3
  because "Too large a part"
}
"""


def program_of(text: str, *, strict: bool = True) -> Any:
    sources = [Source("m.policy", "m", text)]
    return compile(check_sources(sources, today=NOW, strict=strict, lower={"PDP402": "off", "PDP405": "off"}))


PROGRAM = program_of(POLICY)
SETTINGS = Settings(
    task=(Task(id="t-1", actions=("entry.create",), expires=datetime(2027, 1, 1, tzinfo=UTC)),)
)
REQUEST: dict[str, Any] = {
    "caller": {"id": "alice", "kind": "human", "team": "blue", "password": "hunter2"},
    "credential": {"asserted": {"binding": "mtls", "age": "1m", "lifetime": "5m", "scopes": ["b", "a"]}},
    "audience": "ledger",
    "action": {"name": "entry.create", "dry_run": True, "token": "hunter2"},
    "resource": {"type": "entry", "id": "e-1", "amount": 1, "labels": ["b", "a"], "secret": "hunter2",
                 "parts": {"size": 1, "secret": "hunter2"}, "limits": {"day": 1}},
    "task": "t-1",
    "context": {"source_ip": "10.1.2.3", "cookie": "hunter2"},
}  # fmt: skip


def answers(*requests: dict[str, Any], settings: Settings = SETTINGS) -> list[Answer]:
    point = DecisionPoint(PROGRAM, settings)
    return [point.evaluate(Request.parse(request), OPERATOR, now=NOW) for request in requests]


def answer(number: int = 0) -> Answer:
    return answers({**REQUEST, "audience": f"a-{number}"})[0]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.jsonl"


Opened = Callable[..., DecisionLog]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """`opened(to, queue=…)`: a decision log, closed in the end."""
    made: list[DecisionLog] = []

    def opening(to: Path | str, **options: Any) -> DecisionLog:
        made.append(DecisionLog(str(to), **options))
        return made[-1]

    yield opening
    for log in made:
        log.close()


# A line


def test_a_line_holds_what_a_replay_needs() -> None:
    [made] = answers(REQUEST)
    told = json.loads(line(made))
    assert line(made).endswith(b"}\n")
    assert line(made).count(b"\n") == 1
    assert told.keys() == {"id", "now", "peer", "policy", "request", "facts", "decision"}
    assert (told["id"], told["now"], told["peer"]) == (made.id, "2026-11-24T10:00:00Z", "operator")
    assert told["policy"] == PROGRAM.digest
    assert told["facts"]["now"] == told["now"]
    assert told["facts"]["credential"]["remaining"] == "4m"
    assert told["decision"] == {
        "decision": "allow",
        "code": None,
        "rules": ["m.write"],
        "reasons": [{"rule": "m.write", "because": ""}],
        "obligations": [
            {"name": "log", "rule": "m.write", "values": {"amount": 1, "labels": ["a", "b"], "idle": "1m"}}
        ],
        "advice": [{"name": "tell", "rule": "m.write", "values": {"remaining": "4m"}}],
        "failures": [],
    }


def test_a_line_holds_nothing_that_no_schema_declares() -> None:
    [made] = answers(REQUEST)
    assert b"hunter2" not in line(made)
    told = json.loads(line(made))
    assert told["request"] == {
        "caller": {"id": "alice", "kind": "human", "team": "blue"},
        "credential": REQUEST["credential"],
        "audience": "ledger",
        "action": {"name": "entry.create", "dry_run": True},
        "resource": {"type": "entry", "id": "e-1", "amount": 1, "labels": ["b", "a"], "parts": {"size": 1},
                     "limits": {"day": 1}},
        "task": "t-1",
        "context": {"source_ip": "10.1.2.3"},
        "request": None,
    }  # fmt: skip


def test_of_a_request_that_was_refused_unread_only_names_are_kept() -> None:
    unread = {**REQUEST, "task": "t-2", "caller": {"id": 7, "kind": "human", "team": ["hunter2"]}}
    [made] = answers(unread)
    told = json.loads(line(made))
    assert told["facts"] is None
    assert told["decision"]["code"] == "task_unknown"
    assert told["request"] == {
        "caller": {"kind": "human"},
        "credential": None,
        "audience": "ledger",
        "action": "entry.create",
        "resource": {"type": "entry", "id": "e-1"},
        "task": "t-2",
    }
    bare = {"audience": "ledger", "action": "x", "task": {"id": "t", "expires": 0, "owner": "hunter2"}}
    [made] = answers({**bare, "caller": None, "task": "t-2"})
    assert json.loads(line(made))["request"]["caller"] == {}


# What was presented

WORLD = World()
KINDS = ("bearer", "dpop", "mtls", "jwt_svid", "x509", "xfcc", "wit")
MESH = EnforcementPoint(name="mesh", may_assert=("task",), certificates=True)


def presenting(kind: str, token: str | None = None) -> dict[str, Any]:
    """A request that presents a credential of a kind, or `token` in its place."""
    made = WORLD.present(kind, {})
    found = {
        "token": made.token if token is None else token, "scheme": made.scheme,
        "certificate": made.certificate, "xfcc": made.xfcc,
    }  # fmt: skip
    proofs = {"dpop": list(made.dpop), "wpt": made.wpt}
    credential: dict[str, Any] = {name: text for name, text in found.items() if text is not None}
    credential["proofs"] = {name: proof for name, proof in proofs.items() if proof}
    return {
        "audience": "ledger", "action": "entry.create", "credential": credential,
        "request": {"method": METHOD, "uri": URI, "peer": "client"},
    }  # fmt: skip


def presented(request: dict[str, Any]) -> Answer:
    point = DecisionPoint(PROGRAM, SETTINGS, verifier=WORLD.verifier())
    return point.evaluate(Request.parse(request), MESH, now=VERIFIED)


def texts(credential: dict[str, Any]) -> list[str]:
    """Everything that a credential presents."""
    proofs = credential["proofs"]
    named = (credential.get(name) for name in ("token", "certificate", "xfcc"))
    return [text for text in (*named, proofs.get("wpt"), *proofs.get("dpop", ())) if text is not None]


def secrets_of(text: str) -> set[str]:
    """What of a presented text nobody may read elsewhere: each run of twelve characters of a token's
    signature, or of a certificate."""
    certificate = re.search(r"BEGIN CERTIFICATE-----(.*?)-----END", unquote(text), re.DOTALL)
    held = text.rpartition(".")[2] if certificate is None else certificate[1]
    return {held[at : at + 12] for at in range(len(held) - 11)}


def digest(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_credential_that_was_verified_is_told_by_its_digests(kind: str) -> None:
    request = presenting(kind)
    made = presented(request)
    assert made.facts is not None
    credential, told = request["credential"], json.loads(line(made))["request"]
    assert told["request"] == {"method": METHOD, "uri": URI, "peer": "client"}
    expected = {
        name: digest(credential[name]) for name in ("token", "certificate", "xfcc") if name in credential
    }
    for name, proof in credential["proofs"].items():
        expected[name] = digest(proof) if isinstance(proof, str) else [digest(one) for one in proof]
    assert told["credential"] == {"presented": sorted(credential), **expected}


@given(
    st.sampled_from(KINDS),
    st.sampled_from(["verified", "cut", "strange", "in the URI", "in the path", "asserted beside"]),
    st.data(),
)
def test_nothing_that_was_presented_is_in_a_line(kind: str, what: str, data: st.DataObject) -> None:
    request = presenting(kind)
    held = texts(request["credential"])
    text = data.draw(st.sampled_from(held))
    match what:
        case "cut" if "token" in request["credential"]:
            request["credential"]["token"] = request["credential"]["token"][data.draw(st.integers(0, 50)) :]
        case "strange":
            request["audience"] = "other"
        case "in the URI":
            request["request"]["uri"] = f"https://a:{text}@ledger.example/entries?token={text}#{text}"
        case "in the path":
            request["request"]["uri"] = f"https:a:{text}@ledger.example/entries"
        case "asserted beside":
            request |= {"context": {"cookie": text}, "caller": {"id": "x", "kind": "human", "token": text}}
    written = line(presented(request)).decode()
    for one in held:
        assert not any(secret in written for secret in secrets_of(one))
    if "token" in request["credential"]:
        assert json.loads(written)["request"]["credential"]["token"] == digest(request["credential"]["token"])


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("https://ledger.example:8443/entries/7?token=hunter2", "https://ledger.example:8443/entries/7"),
        ("https://ledger.example?token=hunter2", "https://ledger.example"),
        ("https://ledger.example/#hunter2", "https://ledger.example/"),
        ("https://alice:hunter2@ledger.example/@scope/a@1", "https://ledger.example/@scope/a@1"),
        ("https://[::1]:1/", "https://[::1]:1/"),
        ("/entries?token=hunter2", "/entries"),
        ("//alice:hunter2@ledger.example/", ""),
        ("https:alice:hunter2@ledger.example/", ""),
        ("https://alice:hunter2", ""),
        ("https://alice:hunter2/x@ledger.example/", ""),
        ("https://alice\\hunter2@ledger.example", "https://ledger.example"),
        ("hunter2://ledger.example/", "hunter2://ledger.example/"),
        ("a:hunter2://ledger.example/", ""),
        ("hunter2", ""),
    ],
)
def test_a_uri_is_told_without_what_secrets_are_put_in(uri: str, told: str) -> None:
    request = {**presenting("bearer"), "request": {"uri": uri}}
    assert json.loads(line(presented(request)))["request"]["request"] == {"uri": told}


@given(st.lists(st.sampled_from([*"a@:/?#\\[]%.", "https://", "hunter2", "//"]), min_size=1, max_size=9))
def test_a_uri_never_tells_its_query_fragment_or_password(parts: list[str]) -> None:
    request = {**presenting("bearer"), "request": {"uri": "".join(parts)}}
    uri = json.loads(line(presented(request)))["request"]["request"]["uri"]
    assert not {"?", "#"} & set(uri)
    assert "@" not in uri.partition("://")[2].partition("/")[0]


# The replay


def facts_from(told: dict[str, Any], program: Any) -> Facts:
    """The facts of a line, typed by the schema of the policies that its digest names."""
    schema = program.schema

    def typed(name: str, *tables: dict[str, Convert]) -> dict[str, Any]:
        return attributes({key: take for table in tables for key, take in table.items()}, told[name])

    of = attribute_converters
    declared = [of(record) for _, record in sorted(schema.actions.items(), reverse=True)]
    return Facts(
        typed("caller", of(schema.caller), of(builtin.CALLER)),
        typed("credential", of(builtin.CREDENTIAL)),
        told["audience"],
        typed("action", *declared, of(builtin.ACTION)),
        typed(
            "resource",
            of(schema.resources.get(told["resource"]["type"], builtin.EMPTY)),
            of(builtin.RESOURCE),
        ),
        typed("task", of(builtin.TASK)),
        typed("context", of(schema.context)),
        datetime.fromisoformat(told["now"]),
    )


def replayed(told: dict[str, Any]) -> bytes:
    """The decision of a line, made again from its facts alone."""
    programs = {PROGRAM.digest: PROGRAM}
    program = programs[told["policy"]]
    facts = facts_from(told["facts"], program)
    asked = Request(
        facts.audience,
        facts.action["name"],
        {},
        facts.resource["type"],
        facts.resource["id"],
        {},
        None,
        None,
        None,
        {},
    )
    try:
        check_expiry(facts)
        decision = decide(program, asked, facts)
    except EvidenceError as refused:
        decision = denial(refused.code, program.digest)
    return Encoder().encode(Answer(told["id"], facts.now, told["peer"], asked, facts, decision))


SECONDS = st.floats(0, 1e6).map(lambda seconds: round(seconds, 6))
REQUESTS = st.fixed_dictionaries(
    {
        "caller": st.none()
        | st.sampled_from([REQUEST["caller"], {"kind": "agent", "id": "spiffe://a.example/b"}]),
        "credential": st.none()
        | st.fixed_dictionaries(
            {
                "asserted": st.fixed_dictionaries(
                    {"age": SECONDS | st.just("1m"), "lifetime": SECONDS | st.just("5m")},
                    optional={"binding": st.sampled_from(["none", "mtls"]), "issuer": st.text()},
                )
            }
        ),
        "audience": st.just("ledger"),
        "action": st.just("entry.create") | st.just(REQUEST["action"]),
        "resource": st.fixed_dictionaries(
            {"type": st.just("entry"), "id": st.text(max_size=3)},
            optional={
                "amount": st.integers(-(2**63), 12),
                "labels": st.lists(st.text(max_size=3), max_size=3),
                "due": st.sampled_from(["2026-11-24T10:00:00.000001Z", "2026-11-24T09:59:59Z", 0, 4e9]),
                "limits": st.dictionaries(st.text(max_size=2), st.integers(0, 9), max_size=2),
                "price": st.floats(allow_nan=False, allow_infinity=False),
                "parts": st.fixed_dictionaries(
                    {}, optional={"size": st.integers(1, 6), "shade": st.text(max_size=2)}
                ),
                "other": st.text(),
            },
        ),
        "task": st.sampled_from(
            [None, "t-1", {"id": "t", "expires": "2026-11-24T10:01:00Z", "uses_left": 1}]
        ),
        "context": st.fixed_dictionaries(
            {},
            optional={
                "source_ip": st.sampled_from(["10.1.2.3", "::1", "::ffff:10.0.0.0/104"]),
                "idle": SECONDS,
            },
        ),
    }
)


@given(REQUESTS)
def test_a_line_is_decided_again_byte_for_byte(request: dict[str, Any]) -> None:
    [made] = answers(request)
    told = json.loads(line(made))
    assert replayed(told) == Encoder().encode(made)
    assert encode_json(json.loads(replayed(told))["rules"]) == encode_json(told["decision"]["rules"])


# The writer


def test_every_answer_is_written_in_order(path: Path, opened: Opened) -> None:
    log = opened(path)
    for number in range(1_000):
        log.record(answer(number))
    log.close()
    assert [told["request"]["audience"] for told in lines(path)] == [f"a-{number}" for number in range(1_000)]
    assert log.counts() == (1_000, 0)


def test_a_file_that_is_there_is_continued(path: Path, opened: Opened) -> None:
    for number in range(3):
        log = opened(path)
        log.record(answer(number))
        log.close()
    assert [told["request"]["audience"] for told in lines(path)] == ["a-0", "a-1", "a-2"]


def test_a_line_that_was_cut_spoils_no_other(path: Path, opened: Opened) -> None:
    path.write_bytes(b'{"id":"cut of')
    log = opened(path)
    log.record(answer())
    log.close()
    cut, whole = path.read_bytes().splitlines()
    assert cut == b'{"id":"cut of'
    assert json.loads(whole)["request"]["audience"] == "a-0"


def test_the_file_is_readable_by_its_owner_alone(path: Path, opened: Opened) -> None:
    opened(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path, opened: Opened) -> None:
    with pytest.raises(OSError, match="No such file"):
        opened(tmp_path / "nowhere" / "decisions.jsonl")
    with pytest.raises(OSError, match="directory"):
        opened(tmp_path)


def test_closing_twice_is_harmless_and_what_comes_later_is_lost_and_said_so(
    path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    log = opened(path)
    log.close()
    log.record(answer())
    log.close()
    assert log.counts() == (0, 1)
    assert "1 decisions are missing from the decision log" in caplog.text


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A pipe that nobody reads, and the end to read it from."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def drain(reader: int) -> bytes:
    held = b""
    while True:
        try:
            part = os.read(reader, 1 << 20)
        except BlockingIOError:
            return held
        if not part:
            return held
        held += part


def test_a_writer_that_is_stuck_keeps_nobody_waiting_and_its_losses_are_counted(
    stuck: tuple[Path, int], opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    path, reader = stuck
    log = opened(path, queue=50)
    made = answer()
    with caplog.at_level(logging.ERROR, "pdp.decision_log"):
        for _ in range(2_000):
            log.record(made)
        _, lost = log.counts()
        # Of 2,000 lines of a kilobyte a pipe holds some sixty, and the queue and the writer's hand the rest.
        assert lost >= 1_000
        assert "decisions are missing from the decision log" in caplog.text
        log.close(patience=0.1)
    written, lost = log.counts()
    assert written + lost == 2_000
    drain(reader)


def test_a_queue_that_has_room_again_takes_more(stuck: tuple[Path, int], opened: Opened) -> None:
    path, reader = stuck
    log = opened(path, queue=10)
    made = answer()
    for _ in range(500):
        log.record(made)
    _, lost = log.counts()
    assert lost > 0
    held = b""
    ended = threading.Event()
    closing = threading.Thread(target=lambda: (log.close(), ended.set()))
    closing.start()
    while not ended.is_set():
        held += drain(reader)
    closing.join()
    held += drain(reader)
    written, lost = log.counts()
    assert written + lost == 500
    assert len([json.loads(one) for one in held.splitlines()]) == written


def test_a_file_that_was_moved_away_is_begun_anew(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdp.state.audit._LOOK", 0.0)
    log = opened(path)
    log.record(answer(1))
    until_written(log, 1)
    moved = path.with_suffix(".1")
    path.rename(moved)
    log.record(answer(2))
    until_written(log, 2)
    assert [told["request"]["audience"] for told in lines(moved)] == ["a-1"]
    assert [told["request"]["audience"] for told in lines(path)] == ["a-2"]


def test_while_there_can_be_no_new_file_lines_are_lost_and_counted(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pdp.state.audit._LOOK", 0.0)
    folder = path.parent / "logs"
    folder.mkdir()
    log = opened(folder / "d.jsonl")
    log.record(answer(1))
    until_written(log, 1)
    folder.rename(path.parent / "old")
    log.record(answer(2))
    until_written(log, 1, lost=1)
    folder.mkdir()
    log.record(answer(3))
    until_written(log, 2, lost=1)
    assert [told["request"]["audience"] for told in lines(folder / "d.jsonl")] == ["a-3"]
    assert "missing from the decision log: No such file or directory" in caplog.text


def until_written(log: DecisionLog, written: int, lost: int = 0) -> None:
    waited = threading.Event()
    for _ in range(3_000):
        if log.counts() == (written, lost):
            return
        waited.wait(0.01)
    pytest.fail(f"{log.counts()} were written and lost")


def test_a_disk_that_fills_up_cuts_one_line_and_spoils_no_other(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [answer(number) for number in range(6)]
    room = len(line(made[0])) + len(line(made[1])) + 40
    real = os.write

    def full(file: int, data: Any) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(28, "No space left on device")
        done = real(file, bytes(data[:room]))
        room -= done
        return done

    monkeypatch.setattr("pdp.state.audit.os.write", full)
    log = opened(path)
    for one in made[:4]:
        log.record(one)
    until_written(log, 2, lost=2)
    room = 10**9
    log.record(made[4])
    log.record(made[5])
    until_written(log, 4, lost=2)
    first, second, cut, *rest = path.read_bytes().splitlines()
    assert cut == line(made[2])[:40]
    assert [json.loads(one)["request"]["audience"] for one in (first, second, *rest)] == [
        "a-0",
        "a-1",
        "a-4",
        "a-5",
    ]


def test_an_answer_that_cannot_be_told_is_lost_alone(
    path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    [made] = answers(REQUEST)
    odd = Answer(made.id, made.now, made.peer, made.request, Facts(*[object()] * 8), made.decision)  # type: ignore[arg-type]
    log = opened(path)
    for one in (made, odd, made):
        log.record(one)
    log.close()
    assert (len(lines(path)), log.counts()) == (2, (2, 1))
    assert "a decision could not be written down" in caplog.text


def test_standard_output_may_be_shared_line_by_line(
    tmp_path: Path, opened: Opened, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    turns = tmp_path / "turns"
    logs = [opened(STDOUT, turns=turns) for _ in range(2)]
    for number in range(600):
        logs[number % 2].record(answer(number))
    for log in logs:
        log.close()
    told = [json.loads(one) for one in capfdbinary.readouterr().out.splitlines()]
    assert len(told) == 600
    assert {one["request"]["audience"] for one in told} == {f"a-{number}" for number in range(600)}


def test_durations_of_facts_are_told_exactly(path: Path) -> None:
    [made] = answers({**REQUEST, "credential": {"asserted": {"age": 0.000001, "lifetime": "7300d"}}})
    assert made.facts is not None
    told = json.loads(line(made))["facts"]["credential"]["remaining"]
    assert timedelta(seconds=told) == made.facts.credential["remaining"]
