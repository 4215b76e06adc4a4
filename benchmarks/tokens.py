"""Tokens that end with their work: how fast they are exchanged, how soon one is refused that was revoked, and
what a state full of revocations and tasks costs a decision.

Beside an exchange stands the floor that nobody is under: `cryptography` checking two signatures and making
one. Revoked is in one process and decided in another. Decisions are timed with an empty and a full state, in
turns.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from math import ceil
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, perf_counter, process_time, time
from timeit import Timer
from typing import Any

from benchmarks import estate
from benchmarks.credentials import AUDIENCE, ISSUER, LIFETIME, Authority, Credential
from benchmarks.filled import fill
from benchmarks.measure import FEWEST, ROUNDS, Contender, Progress, Scale, Timing, quiet, race
from benchmarks.office import TASK, URL, Office, program, task, trust
from benchmarks.peers import Wrong
from benchmarks.report import Aim, Outcome, Table, duration, size, times
from benchmarks.verifiers import FLOOR, signatures
from pdp import DecisionPoint
from pdp.evidence.refusals import CREDENTIAL_REVOKED
from pdp.evidence.verify import Presented, Verifier
from pdp.point import OPERATOR
from pdp.program.program import Program
from pdp.service.minting import TOKEN
from pdp.state.sqlite import SqliteStore
from pdp.state.store import Entry, Store, name
from pdp.tasks.known import OWN, Knowledge
from pdp.tasks.revocation import Revocations
from pdp.tasks.tasks import Tasks

# So many tokens are exchanged in one turn, and so many decided about.
COUNT = 48
QUICK = 3
REVOKED, QUICK_REVOKED = 100, 5
# Revocations and tasks in the full state.
FULL, QUICK_FULL = (1_000_000, 100_000), (1_000, 100)
# What another process does not know of by then it will not know of (seconds).
_LONGEST = 10.0
# With a full state there are at least so many of the decisions that there are with an empty one.
_SHARE = 0.8
_EMPTY_STATE, _FULL_STATE = "empty", "full"
_REMEMBERED, _FORGOTTEN, _FOR_TASK = (
    "nothing has changed since",
    "another process has committed",
    "a token for a task",
)
_OTHERS = name("another process")

_Times = dict[str, Timing]


def run(progress: Progress, scale: Scale) -> Outcome:
    """The claim, measured."""
    authority = Authority()
    rules = program(authority)
    revocations, tasks = QUICK_FULL if scale is Scale.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        progress("tokens are exchanged")
        exchanged = _exchanged(authority, Path(folder, "office"), scale)
        progress(f"{revocations:,} revocations and {tasks:,} tasks are made")
        empty, full = Path(folder, _EMPTY_STATE), Path(folder, _FULL_STATE)
        began = perf_counter()
        length = _filled(full, authority, revocations, tasks)
        filled = perf_counter() - began
        progress("decisions, with an empty and a full state")
        decided = _decided(authority, rules, {_EMPTY_STATE: empty, _FULL_STATE: full}, scale)
        progress("revoked in one process, decided in another")
        revoked = _revoked(authority, rules, full, QUICK_REVOKED if scale is Scale.quick else REVOKED)
    return Outcome(
        tables=[_exchange_table(exchanged), _revoked_table(revoked), _decided_table(decided)],
        aims=[_never_allowed(revoked), *_beside_empty(decided)],
        figures={
            "exchange": {one: asdict(timing) for one, timing in exchanged.items()},
            "revocation": {
                "rounds": len(revoked),
                "asked": _quantiles([one.asked for one in revoked]),
                "acknowledged": _quantiles([one.acknowledged for one in revoked]),
                "allowed": sum(one.allowed for one in revoked),
            },
            "state": {"revocations": revocations, "tasks": tasks, "bytes": length, "seconds": filled},
            "decisions": {
                case: {state: asdict(timing) for state, timing in timings.items()}
                for case, timings in decided.items()
            },
        },
        notes=(
            "Processor time, median of the rounds; ± is half of what their middle half spans.",
            "An exchange is of an ES256 token that nobody has seen before, with its proof, for a token of a"
            f" task, over a SQLite file. `{FLOOR}`: two are verified and one is made.",
            f"The full state has {revocations:,} revocations and {tasks:,} tasks in {size(length)}, made in"
            f" {duration(filled)}; the empty one has the one task that is asked about.",
            "Revoked by another process in the full state, with a flush to disk, while this one decides"
            " without a pause; these are times of a clock. Denied before it was acknowledged is 0.",
        ),
    )


# Tokens are exchanged.


def _exchanged(authority: Authority, path: Path, scale: Scale) -> dict[str, Timing]:
    count, rounds = (QUICK, FEWEST) if scale is Scale.quick else (COUNT, ROUNDS)
    # Nothing can be shown twice, and the first turn does not count.
    shown = authority.credentials(count * (rounds + 1), URL + TOKEN, aud=OWN)
    seconds: dict[str, list[float]] = {FLOOR: [], "pdp": []}
    with closing(Office(authority, path)) as office, quiet():
        for first in range(0, len(shown), count):
            batch = shown[first : first + count]
            exchange = "for one in shown: exchange(one)"
            names = {"shown": batch, "exchange": office.exchange}
            for one in (_floor(authority, batch), Contender("pdp", exchange, names)):
                taken = Timer(one.statement, timer=process_time, globals=dict(one.names)).timeit(1)
                seconds[one.name].append(taken / count)
    return {contender: Timing.of(taken[1:]) for contender, taken in seconds.items()}


def _floor(authority: Authority, shown: Sequence[Credential]) -> Contender:
    """The signatures of tokens and proofs are checked, and as many tokens are signed."""
    checked = signatures.start(authority).proved(shown)
    names = {**checked.names, "signer": authority.key, "tokens": [one.token for one in shown]}
    return Contender(FLOOR, f"{checked.statement}\nfor token in tokens: signer.sign(token, scheme)", names)


# Decisions are made with a state that is empty, and with one that is full.


def _filled(path: Path, authority: Authority, revocations: int, tasks: int) -> int:
    presented = Presented(authority.token(0).decode("ascii"), "Bearer")
    evidence = Verifier(trust(authority)).verify(presented, AUDIENCE, authority.now)
    return fill(path, authority, evidence, revocations, tasks)


def _decided(
    authority: Authority, rules: Program, paths: Mapping[str, Path], scale: Scale
) -> dict[str, _Times]:
    """By case and state."""
    token, for_task = (_body(one) for one in (authority.token(0), authority.token(1, task=TASK)))
    with ExitStack() as stack:
        points: dict[str, DecisionPoint] = {}
        others: dict[str, Store] = {}
        for state, path in paths.items():
            store, others[state] = (stack.enter_context(closing(SqliteStore(path))) for _ in range(2))
            Tasks(store).open(task(TASK, authority), authority.now.timestamp())
            points[state] = _point(authority, rules, store)
            for body in (token, for_task):
                _check(_answered(points[state], body), None)
        with quiet():
            return {
                _REMEMBERED: race(_contenders(points, token), scale),
                _FORGOTTEN: _disturbed(points, others, token, scale),
                _FOR_TASK: race(_contenders(points, for_task), scale),
            }


def _contenders(points: Mapping[str, DecisionPoint], body: bytes) -> list[Contender]:
    return [
        Contender(state, "answer(body, gateway)", {"answer": one.answer, "body": body, "gateway": OPERATOR})
        for state, one in points.items()
    ]


def _disturbed(
    points: Mapping[str, DecisionPoint], others: Mapping[str, Store], body: bytes, scale: Scale
) -> dict[str, Timing]:
    """Before each decision somebody else commits something, which is not timed."""
    count, rounds = (QUICK, FEWEST) if scale is Scale.quick else (COUNT, ROUNDS)
    seconds: dict[str, list[float]] = {state: [] for state in points}
    for _ in range(rounds):
        for state, point in points.items():
            taken = 0.0
            for _ in range(count):
                _commit(others[state])
                began = process_time()
                point.answer(body, OPERATOR)
                taken += process_time() - began
            seconds[state].append(taken / count)
    return {state: Timing.of(taken) for state, taken in seconds.items()}


def _commit(store: Store) -> None:
    now = time()
    if not store.commit(store.read((_OTHERS,), now), {_OTHERS: Entry(os.urandom(8))}, now):
        raise Wrong("a commit was lost that nobody else made")


# Tokens are revoked in one process, while another decides.


@dataclass(frozen=True, slots=True)
class _Seen:
    """One revocation: seconds from when it was asked for, and acknowledged, until a decision denied, and how
    many decisions allowed that began after it was acknowledged."""

    asked: float
    acknowledged: float
    allowed: int


def _revoked(authority: Authority, rules: Program, path: Path, rounds: int) -> list[_Seen]:
    with closing(SqliteStore(path)) as store, _revoker(path) as revoker:
        point = _point(authority, rules, store)
        return [
            _seen(
                point, _body(authority.token(number, jti=f"revoked-{number}")), f"revoked-{number}", revoker
            )
            for number in range(rounds)
        ]


def _seen(point: DecisionPoint, body: bytes, token: str, revoker: Connection) -> _Seen:
    _check(_answered(point, body), None)
    decided: list[tuple[float, float, bool]] = []
    revoker.send(token)
    until = monotonic() + _LONGEST
    known = False
    # One decision at least begins when it is known that the revocation was acknowledged.
    while not known or decided[-1][2]:
        known = revoker.poll()
        began = monotonic()
        answer = _answered(point, body)
        decided.append((began, monotonic(), answer["decision"] == "allow"))
        if began > until:
            raise Wrong("what was revoked in one process is allowed in another")
    _check(answer, CREDENTIAL_REVOKED)
    asked, acknowledged = revoker.recv()
    denied = next(ended for _, ended, allowed in decided if not allowed)
    late = sum(allowed for began, _, allowed in decided if began > acknowledged)
    return _Seen(denied - asked, max(0.0, denied - acknowledged), late)


@contextmanager
def _revoker(path: Path) -> Iterator[Connection]:
    """A process that revokes tokens by the ids that it is sent, and tells when it began and was done."""
    here, there = Pipe()
    process = get_context("spawn").Process(target=_revoke, args=(path, there))
    process.start()
    there.close()
    try:
        here.recv()
        yield here
    finally:
        # At the end of what it reads it ends itself.
        here.close()
        process.join()


def _revoke(path: Path, asked: Connection) -> None:
    with closing(SqliteStore(path)) as store:
        revocations = Revocations(store)
        asked.send("ready")
        while True:
            try:
                token = asked.recv()
            except EOFError:
                return
            # One clock for all processes.
            began, now = monotonic(), time()
            until = now + LIFETIME
            revocations.revoke(
                "token", ISSUER, token, before=until, by="operator", reason="it was seen elsewhere",
                until=until, seconds=now,
            )  # fmt: skip
            asked.send((began, monotonic()))


# What both ask.


def _point(authority: Authority, rules: Program, store: Store) -> DecisionPoint:
    return DecisionPoint(rules, verifier=Verifier(trust(authority)), knowledge=Knowledge(store))


def _body(token: bytes) -> bytes:
    request = {
        "audience": AUDIENCE,
        "action": estate.ACTION,
        "resource": {"type": estate.RESOURCE, "id": "e-1", "amount": 10},
        "context": {"source_ip": "10.1.2.3"},
        "credential": {"token": token.decode("ascii"), "scheme": "Bearer"},
    }
    return json.dumps(request).encode()


def _answered(point: DecisionPoint, body: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(point.answer(body, OPERATOR))
    return answer


def _check(answer: Mapping[str, Any], code: str | None) -> None:
    """Raises `Wrong` unless the answer is to allow, or a denial for this reason."""
    if (answer["decision"], answer.get("code")) != ("allow" if code is None else "deny", code):
        raise Wrong(f"pdp does not decide as it should: {answer}")


# What is told.


def _exchange_table(exchanged: Mapping[str, Timing]) -> Table:
    floor = exchanged[FLOOR].median
    rows = [
        [one, _cell(timing), f"{1 / timing.median:,.0f}", times(timing.median / floor)]
        for one, timing in exchanged.items()
    ]
    return Table("Exchanging a token, one core", ["", "each", "a second", "of the floor"], rows)


def _revoked_table(revoked: Sequence[_Seen]) -> Table:
    found = {
        "since it was asked for": [one.asked for one in revoked],
        "since it was acknowledged": [one.acknowledged for one in revoked],
    }
    rows = [
        [since, *(duration(seconds) for seconds in _quantiles(seconds).values())]
        for since, seconds in found.items()
    ]
    return Table("Revoked in one process, denied in another", ["", "p50", "p99", "longest"], rows)


def _decided_table(decided: Mapping[str, _Times]) -> Table:
    rows = [
        [
            case,
            *(f"{1 / timing.median:,.0f}  {_cell(timing)}" for timing in timings.values()),
            f"{_share(timings):.0%}",
        ]
        for case, timings in decided.items()
    ]
    states = (f"{state} state" for state in (_EMPTY_STATE, _FULL_STATE))
    return Table("Decisions a second by a token seen before", ["", *states, "of the empty"], rows)


def _cell(timing: Timing) -> str:
    return f"{duration(timing.median)} ±{timing.spread / 2:.0%}"


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    p50, p99 = (ordered[ceil(part * len(ordered)) - 1] for part in (0.5, 0.99))
    return {"p50": p50, "p99": p99, "longest": ordered[-1]}


def _share(timings: Mapping[str, Timing]) -> float:
    """How many of the decisions of an empty state there are with a full one."""
    return timings[_EMPTY_STATE].median / timings[_FULL_STATE].median


def _never_allowed(revoked: Sequence[_Seen]) -> Aim:
    allowed = sum(one.allowed for one in revoked)
    measured = f"{allowed} in {len(revoked)} revocations"
    return Aim("no decision allows that begins after a revocation was acknowledged", measured, allowed == 0)


def _beside_empty(decided: Mapping[str, _Times]) -> list[Aim]:
    return [
        Aim(
            f"{case}: with a full state at least {_SHARE:.0%} of the decisions",
            f"{_share(timings):.0%}",
            _share(timings) >= _SHARE,
        )
        for case, timings in decided.items()
    ]
