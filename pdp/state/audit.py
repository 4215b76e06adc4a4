"""The decision log: every answer as one line of JSON, written off the request's way.

Knows what a replay needs (request, facts, `now`, policy digest, decision) and what a log must not hold. A
request never waits for it: what does not fit the queue, or cannot be written, is counted as lost and said so.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from pdp.answer import Answer, duty_record, encode_json, facts_record, timestamp_text

log = logging.getLogger("pdp.decision_log")

STDOUT = "stdout"
# A writer that lags writes this many lines at a time, and looks for a rotated file as often as this.
_BATCH = 256
_LOOK = 1.0
# How often a loss is said, however many there are.
_SAY = 10.0
_END = ord("\n")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")


class DecisionLog:
    """The log of one process. `record` may be called from the event loop; one thread writes.

    `close` writes what is waiting, for at most `patience` seconds, and counts the rest as lost.
    """

    def __init__(self, to: str, *, queue: int = 10_000, turns: Path | None = None) -> None:
        """`to` is `stdout` or the path of a file to append to. `OSError` when it cannot be opened.

        `turns` is a file that several processes lock in turn where they share one standard output: a pipe, in
        which long writes would mix.
        """
        self._path = None if to == STDOUT else Path(to)
        self._file = 1 if self._path is None else _open(self._path)
        self._cut = _is_cut(self._file)
        self._turns = None if turns is None else turns.open("ab")
        self._limit = queue
        self._waiting: deque[Answer] = deque()
        self._wake = threading.Event()
        self._ending = False
        self._deadline = 0.0
        self._in_hand = 0
        self._written = 0
        self._overflowed = 0
        self._failed = 0
        self._said = -_SAY
        self._told = 0
        self._looked = 0.0
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._thread.start()

    def record(self, answer: Answer) -> None:
        """Have an answer written, soon; or count it as lost."""
        if len(self._waiting) >= self._limit or self._ending:
            self._overflowed += 1
            # The writer may be stuck, and then cannot say so itself.
            self._tell()
            return
        self._waiting.append(answer)
        if not self._wake.is_set():
            self._wake.set()

    def counts(self) -> tuple[int, int]:
        """How many lines were written and lost so far."""
        return self._written, self._overflowed + self._failed

    def close(self, patience: float = 5.0) -> None:
        """Write what is waiting and stop. Safe to call twice."""
        self._deadline = time.monotonic() + patience
        self._ending = True
        self._wake.set()
        self._thread.join(patience)
        # A write that blocks (a full pipe) must not keep the process from ending.
        self._overflowed += len(self._waiting)
        self._waiting.clear()
        if self._thread.is_alive():
            self._overflowed += self._in_hand
        else:
            if self._path is not None and self._file >= 0:
                os.close(self._file)
                self._file = -1
            if self._turns is not None:
                self._turns.close()
        self._tell(now=True)

    def _run(self) -> None:
        while True:
            self._wake.wait(0.5)
            self._wake.clear()
            while self._waiting and not (self._ending and time.monotonic() > self._deadline):
                self._in_hand = min(_BATCH, len(self._waiting))
                self._write([self._waiting.popleft() for _ in range(self._in_hand)])
                self._in_hand = 0
            self._tell()
            if self._ending:
                return

    def _write(self, batch: list[Answer]) -> None:
        lines = []
        for answer in batch:
            try:
                lines.append(line(answer))
            except Exception:
                log.exception("a decision could not be written down")
                self._failed += 1
        data, done, first = b"", 0, 0
        try:
            self._follow()
            # A line that was cut is closed, so that it spoils no other.
            first = int(self._cut)
            data = b"\n" * first + b"".join(lines)
            # Whole lines in one write: appends of several workers to one file do not mix.
            with self._turn():
                while done < len(data):
                    done += os.write(self._file, memoryview(data)[done:])
            self._cut = False
            self._written += len(lines)
        except OSError as error:
            # Lines that went out whole are written; the one that was cut and all after it are lost.
            whole = data.count(b"\n", first, done)
            self._cut = data[done - 1] != _END if done else self._cut
            self._written += whole
            self._failed += len(lines) - whole
            self._tell(str(error.strerror))

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if self._turns is None:
            yield
            return
        fcntl.flock(self._turns, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turns, fcntl.LOCK_UN)

    def _follow(self) -> None:
        """Reopens the file when it was moved away (rotated)."""
        if self._path is None or time.monotonic() - self._looked < _LOOK:
            return
        try:
            there, here = os.stat(self._path), os.fstat(self._file)
            same = (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
        except FileNotFoundError:
            same = False
        if not same:
            fresh = _open(self._path)
            os.close(self._file)
            self._file, self._cut = fresh, _is_cut(fresh)
        # Only now: what goes to a file that is gone is lost, so there is no rest until there is a new one.
        self._looked = time.monotonic()

    def _tell(self, why: str = "", *, now: bool = False) -> None:
        """Says in the log that lines were lost; at most once in a while."""
        lost = self._overflowed + self._failed
        if lost > self._told and (now or time.monotonic() - self._said > _SAY):
            log.error("%d decisions are missing from the decision log%s", lost, why and f": {why}")
            self._told, self._said = lost, time.monotonic()


def _open(path: Path) -> int:
    # Readable by its owner alone: who asked for what is nobody else's business.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _is_cut(file: int) -> bool:
    """Whether a file ends within a line, as a process leaves it that was killed or had no space left."""
    try:
        size = os.fstat(file).st_size
        return size > 0 and os.pread(file, 1, size - 1)[0] != _END
    except OSError:
        # Not a file that can be looked into: a pipe, a terminal.
        return False


def line(answer: Answer) -> bytes:
    """One line of the log, with its end."""
    return encode_json(record(answer)) + b"\n"


def record(answer: Answer) -> dict[str, Any]:
    """What a line holds. `facts` is null when the request was refused before they were gathered."""
    decision = answer.decision
    return {
        "id": answer.id,
        "now": timestamp_text(answer.now),
        "peer": answer.peer,
        "policy": decision.policy,
        "request": request_record(answer),
        "facts": None if answer.facts is None else facts_record(answer.facts),
        "decision": {
            "decision": decision.decision,
            "code": decision.code,
            "rules": decision.rules,
            "reasons": decision.reasons,
            "obligations": [duty_record(duty) for duty in decision.obligations],
            "advice": [duty_record(duty) for duty in decision.advice],
            "failures": decision.failures,
        },
    }


def request_record(answer: Answer) -> dict[str, Any]:
    """The request without what no schema declares: nothing read it, and it may be anything, also a secret.

    Of a request that was refused unread, only what names things is kept.
    """
    request, facts = answer.request, answer.facts
    if facts is None:
        caller = request.caller or {}
        return {
            "caller": {name: caller[name] for name in ("id", "kind") if isinstance(caller.get(name), str)},
            "credential": _credential(request.credential) if _is_presented(request.credential) else None,
            "audience": request.audience,
            "action": request.action,
            "resource": {"type": request.resource_type, "id": request.resource_id},
            "task": request.task if isinstance(request.task, str) else None,
        }
    return {
        "caller": None if request.caller is None else _declared(request.caller, facts.caller),
        "credential": _credential(request.credential),
        "audience": request.audience,
        "action": {"name": request.action, **_declared(request.action_attributes, facts.action)},
        "resource": {
            "type": request.resource_type,
            "id": request.resource_id,
            **_declared(request.resource, facts.resource),
        },
        "task": request.task,
        "context": _declared(request.context, facts.context),
        "request": _sent(request.sent),
    }


def _is_presented(credential: dict[str, Any] | None) -> bool:
    return credential is not None and "asserted" not in credential


def _credential(credential: dict[str, Any] | None) -> dict[str, Any] | None:
    """What was asserted; of what was presented only what it was, and digests to know it again by."""
    if credential is None or not _is_presented(credential):
        return credential
    proofs = credential.get("proofs", {})
    told: dict[str, Any] = {"presented": sorted(credential)}
    for name in ("token", "certificate", "xfcc"):
        if name in credential:
            told[name] = _digest(credential[name])
    if "dpop" in proofs:
        told["dpop"] = [_digest(proof) for proof in proofs["dpop"]]
    if "wpt" in proofs:
        told["wpt"] = _digest(proofs["wpt"])
    return told


def _digest(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def _sent(sent: dict[str, str] | None) -> dict[str, str] | None:
    """The request that the enforcement point received; of its URI nothing in which secrets are put."""
    if sent is None or "uri" not in sent:
        return sent
    return {**sent, "uri": _place(sent["uri"])}


def _place(uri: str) -> str:
    """A URI without user, query and fragment; nothing of one that can be read in several ways, and so has its
    secrets anywhere."""
    place = re.split(r"[?#]", uri, maxsplit=1)[0]
    scheme, mark, rest = place.partition("://")
    if not mark:
        return place if place.startswith("/") and not place.startswith("//") else ""
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2]
    if _SCHEME.fullmatch(scheme) is None or _HOST.fullmatch(host) is None:
        return ""
    return f"{scheme}://{host}{slash}{path}"


def _declared(attributes: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """What the schema declares of a record of the request, within nested records too."""
    kept = {}
    for name, value in attributes.items():
        if name in facts:
            fact = facts[name]
            nested = isinstance(value, dict) and isinstance(fact, dict)
            kept[name] = _declared(value, fact) if nested else value
    return kept
