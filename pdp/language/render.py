"""Diagnostics as people and machines read them: text for a terminal, JSON, SARIF, GitHub annotations.

Gives them in the order in which they come. A character of a policy that cannot be seen, or that would steer a
terminal, is spelled out as `<U+202E>` or escaped; none is passed on. Knows nothing of what diagnostics say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from json import dumps
from pathlib import PurePath
from typing import Any
from unicodedata import category, east_asian_width
from urllib.parse import quote

from pdp.language.diagnostic import Diagnostic
from pdp.language.source import Place, Source, Span

Sources = Mapping[str, Source]

# ── text ────────────────────────────────────────────────────────────────────────────────────────────

_TAB = 4
# A longer line is cut to this many characters, and some of them stand before the place.
_WIDEST = 110
_LEAD = 40
_STYLES = {"error": "1;31", "warning": "1;33", "strong": "1", "frame": "36", "hint": "33"}
_UNSEEN = re.compile(r"[^\x20-\x7e]")


def text(diagnostics: Sequence[Diagnostic], sources: Sources, *, color: bool) -> str:
    """The findings with their lines and carets, a blank line between two; no line end behind the last.

    `sources` is keyed by `Span.path`.
    """
    return "\n\n".join("\n".join(_text(one, sources.get(one.span.path), color)) for one in diagnostics)


def _text(one: Diagnostic, source: Source | None, color: bool) -> Iterator[str]:
    def paint(words: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{words}\x1b[0m" if color else words

    title = paint(f"{one.severity}[{one.code}]", one.severity)
    yield title + paint(f": {_visible(one.message)}", "strong")
    rows = list(_rows(source, one.span)) if source is not None else []
    gutter = max((len(number) for number, _, _ in rows), default=1)
    margin = " " * gutter
    if source is not None:
        line, column = source.place(one.span.start)
        yield f"{margin} {paint('┌─', 'frame')} {_visible(source.path)}:{line}:{column}"
    if rows:
        yield f"{margin} {paint('│', 'frame')}"
    for number, shown, carets in rows:
        bar = "│" if number or carets else "·"
        yield f"{paint(f'{number:>{gutter}} {bar}', 'frame')} {shown}".rstrip()
        if carets:
            yield f"{margin} {paint('│', 'frame')} {carets[0]}{paint(carets[1], one.severity)}"
    if one.hint:
        yield f"{margin} {paint('=', 'frame')} {paint('hint:', 'hint')} {_visible(one.hint)}"


def _rows(source: Source, span: Span) -> Iterator[tuple[str, str, tuple[str, str] | None]]:
    """Number, text, and the blanks and carets below: of the line of a span, or of its first and its last."""
    if span.start == span.end == 0:
        return  # this speaks of the file, not of what happens to stand at its beginning
    first, last = source.place(span.start), source.place(max(span.start, span.end - 1))
    line = source.line(first.line)
    end = last.column if first.line == last.line else len(line)
    yield str(first.line), *_excerpt(line, first.column - 1, end)
    if first.line == last.line:
        return
    if first.line + 1 < last.line:
        yield "", "", None
    line = source.line(last.line)
    yield str(last.line), *_excerpt(line, len(line) - len(line.lstrip()), last.column)


def _excerpt(line: str, start: int, end: int) -> tuple[str, tuple[str, str]]:
    """The line as a terminal shows it, cut where it is very long, and what marks `start` to `end` below."""
    begin, stop = 0, len(line)
    if stop > _WIDEST:
        begin = max(0, min(start - _LEAD, stop - _WIDEST))
        stop = begin + _WIDEST
    shown = "…" if begin else ""
    width = blanks = len(shown)
    carets = 0
    for at in range(begin, stop):
        cell = " " * (_TAB - width % _TAB) if line[at] == "\t" else _visible(line[at])
        cells = sum(map(_cells, cell))
        shown += cell
        width += cells
        if at < start:
            blanks = width
        elif at < end:
            carets += cells
    shown += "…" if stop < len(line) else ""
    return shown, (" " * blanks, "^" * max(carets, 1))


def _cells(character: str) -> int:
    """How many columns of a terminal a character takes."""
    if character.isascii():
        return 1
    return 0 if category(character) in ("Mn", "Me") else 1 + (east_asian_width(character) in "WF")


def _visible(words: str) -> str:
    return _UNSEEN.sub(_spelled, words)


def _spelled(matched: re.Match[str]) -> str:
    character = matched.group()
    # What does not print: controls, format characters, surrogates; and every blank but the one that we know.
    return character if character.isprintable() else f"<U+{ord(character):04X}>"


# ── JSON and SARIF ──────────────────────────────────────────────────────────────────────────────────

_SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_KINDS = {"1": "syntax", "2": "names", "3": "types", "4": "safety", "5": "tests"}


def json(diagnostics: Sequence[Diagnostic], sources: Sources) -> str:
    """The findings as one JSON document. Lines and columns count from 1, columns in code points; an end is
    the place behind the last character."""
    return _json({"diagnostics": [_record(one, *_places(one.span, sources)) for one in diagnostics]})


def _record(one: Diagnostic, start: Place, end: Place) -> dict[str, Any]:
    return {
        "code": one.code,
        "severity": one.severity,
        "path": one.span.path,
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
        "message": one.message,
        "hint": one.hint or None,
    }


def sarif(diagnostics: Sequence[Diagnostic], sources: Sources) -> str:
    """The findings as a SARIF 2.1.0 log of one run."""
    codes = sorted({one.code for one in diagnostics})
    run = {
        "tool": {"driver": {"name": "pdp", "rules": [_rule(code) for code in codes]}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, codes.index(one.code), *_places(one.span, sources)) for one in diagnostics],
    }
    return _json({"$schema": _SARIF, "version": "2.1.0", "runs": [run]})


def _rule(code: str) -> dict[str, Any]:
    kind = _KINDS.get(code[3:4], "policy")
    return {"id": code, "shortDescription": {"text": f"{code} ({kind})"}, "properties": {"tags": [kind]}}


def _result(one: Diagnostic, rule: int, start: Place, end: Place) -> dict[str, Any]:
    region = {
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    }
    location = {"artifactLocation": {"uri": _uri(one.span.path)}, "region": region}
    return {
        "ruleId": one.code,
        "ruleIndex": rule,
        "level": one.severity,
        "message": {"text": f"{one.message}\nhint: {one.hint}" if one.hint else one.message},
        "locations": [{"physicalLocation": location}],
    }


def _uri(path: str) -> str:
    given = PurePath(path)
    return given.as_uri() if given.is_absolute() else quote(given.as_posix())


def _json(document: dict[str, Any]) -> str:
    # JSON leaves DEL as it is, and it is the only ASCII control that it does.
    return dumps(document, indent=2).replace("\x7f", "\\u007f")


def _places(span: Span, sources: Sources) -> tuple[Place, Place]:
    source = sources.get(span.path)
    return (
        (Place(1, 1), Place(1, 1)) if source is None else (source.place(span.start), source.place(span.end))
    )


# ── GitHub ──────────────────────────────────────────────────────────────────────────────────────────


def github(diagnostics: Sequence[Diagnostic], sources: Sources) -> str:
    """The findings as workflow commands, one a line: annotations on the lines of a pull request."""
    return "\n".join(_command(one, *_places(one.span, sources)) for one in diagnostics)


def _command(one: Diagnostic, start: Place, end: Place) -> str:
    properties = {"file": one.span.path, "line": start.line, "col": start.column, "endLine": end.line}
    if start.line == end.line:  # GitHub refuses columns that stand on two lines
        properties["endColumn"] = end.column
    else:
        del properties["col"]
    properties["title"] = one.code
    written = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    message = "%0Ahint: ".join(_data(words) for words in (one.message, one.hint) if words)
    return f"::{one.severity} {written}::{message}"


def _data(words: str) -> str:
    # Line ends, which end a command, are spelled out with all that cannot be seen.
    return _visible(words).replace("%", "%25")


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")
