"""The tests of a policy folder, as trials: those written in policies, and those of `*.cases.json` files.

Knows how a JSON case is written (LANGUAGE.md section 7), and not how a request is decided. A file or case
that is not one gives a trial with a `defect`, so that it is counted and shown where the others are.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pdp.access.request import Request, RequestError, decode
from pdp.language.source import Source, Span
from pdp.rules.rules import Case

SUFFIX = ".cases.json"
# What a test means by "now" unless it says so: a fixed instant, so that a test never ages.
NOW = datetime(2026, 1, 1, tzinfo=UTC)
# A file of cases is the author's own; the limit only keeps a wrong file from filling the memory.
MAX_FILE = 64 * 1024 * 1024

_MEMBERS = frozenset(("name", "request", "expect", "now"))
_EXPECT = frozenset(("decision", "rules", "code", "obligations", "failures"))
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Expected:
    """What must hold of the decision; None where the test says nothing. Names are compared as sets.

    `code` is empty where there must be none.
    """

    decision: str | None = None
    rules: tuple[str, ...] | None = None
    code: str | None = None
    obligations: tuple[str, ...] | None = None
    failures: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as `/decide` takes it, at a time."""

    request: Request
    now: datetime


@dataclass(frozen=True, slots=True)
class Trial:
    """One test, one row of a test's table, or one case of a JSON file. With a `defect` it cannot be run."""

    module: str
    label: str
    span: Span
    expected: Expected
    question: Case | Asked | None
    defect: str = ""


def written(cases: Iterable[Case]) -> tuple[Trial, ...]:
    """The trials of tests that were written in policies."""
    return tuple(
        Trial(
            case.module,
            case.label,
            case.span,
            Expected(case.expect.decision, case.expect.rules, case.expect.code, case.expect.requires or None),
            case,
        )
        for case in cases
    )


def selected(trials: Iterable[Trial], words: str) -> tuple[Trial, ...]:
    """The trials whose module or label holds `words`, upper and lower case alike."""
    wanted = words.lower()
    return tuple(trial for trial in trials if wanted in f"{trial.module}: {trial.label}".lower())


def read_cases(root: str | os.PathLike[str]) -> tuple[tuple[Trial, ...], dict[str, Source]]:
    """The trials of every `*.cases.json` below a folder, sorted by path, and the sources their spans are in.

    Hidden files and folders are left out, and folders behind links are not entered, as for policies.
    """
    root = Path(root)
    base = root if root.is_dir() else root.parent
    trials: list[Trial] = []
    sources: dict[str, Source] = {}
    for path in _files(root):
        source, found = _read(path, path.relative_to(base))
        sources[source.path] = source
        trials += found
    return tuple(trials), sources


def parse_cases(source: Source) -> tuple[Trial, ...]:
    """The trials that one JSON text holds."""
    try:
        elements = list(_elements(source.text))
    except ValueError as error:
        return (_defect(source, source.module, 0, str(error)),)
    return tuple(_trial(source, number, start, end) for number, (start, end) in enumerate(elements, 1))


def _files(root: Path) -> list[Path]:
    if root.is_file():
        return [root] if root.name.endswith(SUFFIX) else []
    found: list[Path] = []
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        found += [Path(folder, name) for name in names if name.endswith(SUFFIX) and name[0] != "."]
    return sorted(found)


def _read(path: Path, below: Path) -> tuple[Source, tuple[Trial, ...]]:
    module = ".".join(below.parts).removesuffix(SUFFIX)
    data = path.read_bytes()
    try:
        source = Source(str(path), module, data.decode())
    except UnicodeDecodeError:
        source = Source(str(path), module, "")
        return source, (_defect(source, module, 0, "the file is not UTF-8"),)
    if len(data) > MAX_FILE:
        return source, (_defect(source, module, 0, f"the file is larger than {MAX_FILE} bytes"),)
    return source, parse_cases(source)


def _elements(text: str) -> Iterator[tuple[int, int]]:
    """Where each element of the JSON list stands: JSON itself has no places, people want them."""
    scan = json.JSONDecoder().raw_decode
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise ValueError("a file of cases is a JSON list")
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        at += 1
    else:
        while True:
            try:
                _, end = scan(text, at)
            except (ValueError, RecursionError):
                raise ValueError(f"not JSON in line {Source('', '', text).place(at).line} or below") from None
            yield at, end
            at = _skip(text, end)
            separator = text[at : at + 1]
            at = _skip(text, at + 1)
            if separator == "]":
                break
            if separator != ",":
                raise ValueError("a `,` or `]` is missing between cases")
    if _skip(text, at) != len(text):
        raise ValueError("there is more behind the list of cases")


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _trial(source: Source, number: int, start: int, end: int) -> Trial:
    label = f"case {number}"
    span = Span(source.path, start, start + 1)
    try:
        case = decode(source.text[start:end], MAX_FILE)
        if type(case) is not dict:
            raise RequestError("", "a case is an object")
        if type(case.get("name")) is str and case["name"]:
            label = case["name"]
        else:
            raise RequestError("/name", "a case has a name")
        _known(case, _MEMBERS, "")
        if "request" not in case:
            raise RequestError("/request", "is missing")
        expected = _expected(case.get("expect"))
        now = parse_time(case["now"]) if "now" in case else NOW
        request = Request.parse(case["request"])
    except RequestError as error:
        return _defect(source, label, start, f"{error.pointer}: {error.detail}".removeprefix(": "))
    return Trial(source.module, label, span, expected, Asked(request, now))


def _expected(expect: Any) -> Expected:
    if type(expect) is not dict or not expect:
        raise RequestError("/expect", "is missing, or expects nothing")
    _known(expect, _EXPECT, "/expect")
    if expect.get("decision", "allow") not in ("allow", "deny"):
        raise RequestError("/expect/decision", "is `allow` or `deny`")
    code = expect.get("code")
    if not (code is None or (type(code) is str and code)):
        raise RequestError("/expect/code", "is the name of a code, or null")
    return Expected(
        expect.get("decision"),
        _names(expect, "rules"),
        "" if "code" in expect and code is None else code,
        _names(expect, "obligations"),
        _names(expect, "failures"),
    )


def _names(expect: dict[str, Any], member: str) -> tuple[str, ...] | None:
    if member not in expect:
        return None
    names = expect[member]
    if type(names) is not list or any(type(name) is not str for name in names):
        raise RequestError(f"/expect/{member}", "is a list of names")
    return tuple(names)


def _known(record: dict[str, Any], known: frozenset[str], at: str) -> None:
    for name in sorted(record.keys() - known):
        raise RequestError(f"{at}/{name}", "there is no such member")


def parse_time(text: Any) -> datetime:
    """The instant that `2026-11-24` or `2026-11-24T10:00:00Z` (or with an offset) names, in UTC.

    Raises `RequestError` with the pointer `/now`.
    """
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None and len(text) == len("2026-11-24"):
            time = time.replace(tzinfo=UTC)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise RequestError("/now", "is a date, or a time with its zone: `2026-11-24T10:00:00Z`")


def _defect(source: Source, label: str, start: int, detail: str) -> Trial:
    return Trial(source.module, label, Span(source.path, start, start + 1), Expected(), None, detail)
