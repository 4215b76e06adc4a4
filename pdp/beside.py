"""A second process that checks a share of the files, for a policy set that is large enough.

    here                                   beside
    1. its share of the files       ─▶     parses them
       parses the others            ◀─  2. what they offer
    3. what the others offer        ─▶     checks its share
       checks the others            ◀─  4. the modules, checked, and what was found in them

It is a process of its own and no copy of this one, so that neither the main module of an embedding program
runs twice nor the threads of a server stop half-way. Nothing depends on it: where it fails, or takes too
long, its answers have nothing in them, and what is in no answer is done here.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import BinaryIO, Final, TypeAlias, TypeVar, cast

from pdp.packed import Findings, pack, unpack
from pdp.rules.check import CheckedModule
from pdp.rules.environment import Environment, merge
from pdp.rules.interface import Interface
from pdp.single import checked, dangers, parsed

# The path, the module and the bytes of a file.
Text: TypeAlias = tuple[str, str, bytes]
_Answer = TypeVar("_Answer")

# From so many bytes on it wins back what its start and the way to it and back cost.
WORTH: Final = 500_000
# It starts later, and its answers must still be read here.
_SHARE: Final = 0.4
# It may take as long as the work here did and this much longer, in seconds: it starts and answers in one.
_PATIENCE = 5.0
_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class Options:
    """How modules are put together, whether their tests count, and the day for which they are looked at."""

    strict: bool
    warn: bool
    max_rules: int
    tests: bool
    today: datetime


def share(texts: Sequence[Text]) -> tuple[Text, ...]:
    """The files of `texts` for a second process to check; none where it would not be worth it."""
    total = sum(len(data) for _, _, data in texts)
    if total < WORTH or _cores() < 2 or not _is_python(sys.executable):
        return ()
    taken: list[Text] = []
    room = total * _SHARE
    for text in texts:
        if len(text[2]) <= room:
            room -= len(text[2])
            taken.append(text)
    return tuple(taken)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _is_python(executable: str | None) -> bool:
    """Whether another Python can be started so. A program with Python inside would start itself again."""
    name = os.path.basename(executable or "").lower()
    return name.startswith(("python", "pypy")) and not hasattr(sys, "frozen")


class Beside:
    """Another process at work on `texts`, its share. With an empty one there is no process, and its answers
    are empty. What changes is `_process`, None once it is of no more use; leaving the context ends it.
    """

    def __init__(self, texts: Sequence[Text], options: Options) -> None:
        self.paths = tuple(path for path, _, _ in texts)
        self._began = time.monotonic()
        self._questions: SimpleQueue[bytes | None] = SimpleQueue()
        self._answers: SimpleQueue[bytes | None] = SimpleQueue()
        self._process = _started() if texts else None
        if self._process is not None:
            # Another thread waits for it, since a pipe can be waited for without end.
            Thread(target=_talk, args=(self._process, self._questions, self._answers), daemon=True).start()
            self._ask((texts, options))

    def offers(self) -> dict[str, tuple[Interface, Findings]]:
        """What each file of its share offers, and what is wrong with it by itself, by path."""
        answer: list[tuple[Interface, Findings]] = self._answer(pickle.loads)
        return dict(zip(self.paths, answer, strict=False))

    def check(self, others: Sequence[Interface]) -> None:
        """Let it check its share together with `others`: all that is not in it."""
        if self._process is not None:
            self._ask(others)

    def modules(self, environment: Environment) -> dict[str, tuple[CheckedModule, Findings]]:
        """Each module of its share, checked, and its safety findings, by path."""
        answer = self._answer(lambda data: unpack(data, environment))
        return dict(zip(self.paths, answer, strict=False))

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _ask(self, question: object) -> None:
        self._questions.put(pickle.dumps(question, pickle.HIGHEST_PROTOCOL))

    def _answer(self, read: Callable[[bytes], list[_Answer]]) -> list[_Answer]:
        if self._process is None:
            return []
        # Whatever is wrong with an answer: what it should have told is done here.
        with suppress(Exception):
            data = self._answers.get(timeout=_PATIENCE + time.monotonic() - self._began)
            if data is not None:
                return read(data)
        self._end()
        return []

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self._questions.put(None)
            process.kill()
            process.wait()


def _started() -> subprocess.Popen[bytes] | None:
    try:
        return subprocess.Popen(
            # Modules come from where they come from here, and not from the folder that this runs in.
            [sys.executable, "-P", "-m", __name__],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


def _talk(
    process: subprocess.Popen[bytes],
    questions: SimpleQueue[bytes | None],
    answers: SimpleQueue[bytes | None],
) -> None:
    """Asks and listens in turn, until there is nothing more to ask or something goes wrong."""
    to, of = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
    with suppress(Exception), to, of:
        while (question := questions.get()) is not None:
            to.write(question)
            to.flush()
            answer = of.read(int.from_bytes(of.read(_LENGTH)))
            answers.put(answer)
    answers.put(None)


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """What the other process does: two questions, two answers."""
    texts, options = pickle.load(questions)
    files = [parsed(*text, tests=options.tests) for text in texts]
    _send(answers, pickle.dumps([(file.interface, file.found) for file in files], pickle.HIGHEST_PROTOCOL))
    others = pickle.load(questions)
    environment, _ = merge(
        [*(file.interface for file in files), *others],
        strict=options.strict,
        warn=options.warn,
        max_rules=options.max_rules,
    )
    modules = [checked(file, environment) for file in files]
    _send(answers, pack([(module, dangers(module, options.today)) for module in modules]))


def _send(answers: BinaryIO, answer: bytes) -> None:
    answers.write(len(answer).to_bytes(_LENGTH) + answer)
    answers.flush()


if __name__ == "__main__":
    # It ends soon, and until then all that it makes stays.
    gc.disable()
    serve(sys.stdin.buffer, sys.stdout.buffer)
