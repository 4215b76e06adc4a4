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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from math import ceil
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, perf_counter, process_time, time
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
# A decision that waits longer for a revocation will not see it (seconds).
_LONGEST = 10.0
# A full state may cost so much of the decisions that an empty one allows.
_SHARE = 0.8
_EMPTY_STATE, _FULL_STATE = "empty", "full"
_REMEMBERED, _FORGOTTEN, _FOR_TASK = (
    "nothing has changed since",
    "another process has committed",
    "a token for a task",
)
_OTHERS = name("another process")

_Times = dict[str, dict[str, Timing]]


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
            "exchange": {name: asdict(timing) for name, timing in exchanged.items()},
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
    batches = [shown[first : first + count] for first in range(0, len(shown), count)]
    seconds: dict[str, list[float]] = {FLOOR: [], "pdp": []}
    with closing(Office(authority, path)) as office, quiet():
        for batch in batches:
            floor = _floor(authority, batch)
            for contender, work in ((FLOOR, floor), ("pdp", lambda batch=batch: _all(office, batch))):
                began = process_time()
                work()
                seconds[contender].append((process_time() - began) / count)
    return {contender: Timing.of(taken[1:]) for contender, taken in seconds.items()}


def _all(office: Office, batch: Sequence[Credential]) -> None:
    for shown in batch:
        office.exchange(shown)


def _floor(authority: Authority, batch: Sequence[Credential]) -> Callable[[], None]:
    """The signatures of a batch, and one more for each."""
    checked = signatures.start(authority).proved(batch)
    names = {**checked.names, "key": authority.key, "shown": [one.token for one in batch]}
    code = compile(
        f"{checked.statement}\nfor token in shown: key_of_ours.sign(token, scheme)", "<benchmark>", "exec"
    )
    names["key_of_ours"] = names.pop("key")
    return lambda: exec(code, names)
