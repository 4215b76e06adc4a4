"""Policies with their mistakes, each told on the line that earns it.

A case is a file of `cases/`, or a folder of them, named by the one code that it is about. What is expected
stands in comments: `# ! PDP303 at 12..33: message (hint: the cure)` speaks of the line that it ends, or alone
on its line of the next line of policy. Columns count as in editors, the last one excluded, and `at 12` is a
place between two of them; the hint is left out where there is none. What is not expected must not be told.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import pdp
from pdp.language.source import Source
from pdp.load import Checked, check_folder, check_sources

CASES = sorted((Path(__file__).parent / "cases").iterdir())
# Sunsets in the cases lie around this day.
TODAY = datetime(2026, 6, 15, tzinfo=UTC)

# What no editor would show, or nobody would read: a code, the bytes of a file, what is expected in one line.
MADE = {
    "a bidirectional control in a text": (b'let a = "\xe2\x80\xaetxet"', 1, "\
# ! PDP102 at 10..11: the character U+202E cannot be seen (hint: in text, write `\\u{202E}`)"),
    "a bidirectional control in a comment": (b"# one\xe2\x81\xa6\nlet a = 1", 1, "\
# ! PDP102 at 6..7: the character U+2066 cannot be seen (hint: in text, write `\\u{2066}`)"),
    "a NUL between tokens": (b"let a = \x00 1", 1, "\
# ! PDP102 at 9..10: the character U+0000 cannot be seen (hint: in text, write `\\u{0}`)"),
    "a carriage return that ends no line": (b"let a = 1\r\n\rlet b = 2\r\n", 2, "\
# ! PDP102 at 1..2: the character U+000D cannot be seen (hint: lines end with LF or CRLF)"),
    "an expression of 65 levels": (b'forbid a { because "x" when ' + b"not " * 65 + b"true }", 1, "\
# ! PDP108 at 289..293: this nests deeper than 64 levels \
(hint: name parts of it with `let` or `def`, or use several `when`)"),
    "a file of one byte too many": (b"#" * (1 << 20) + b"\n", 1, "\
# ! PDP109 at 1: the file has 1_048_577 bytes; a policy file has at most 1_048_576 \
(hint: split it by topic)"),
    "a set of one member too many": (b"let a = [1%s]" % (b",1" * 10_000), 1, "\
# ! PDP110 at 9..20012: a set has at most 10_000 members; this one has 10_001"),
    "bytes that are no UTF-8": (b'let a = 1\nlet b = "\xc3\x28"', 2, "\
# ! PDP111 at 10..11: the file is not UTF-8 here: bytes c3"),
    "a byte order mark": (b"\xef\xbb\xbflet a = 1", 1, "\
# ! PDP114 at 1: the file begins with a byte order mark (hint: save it as UTF-8 without one)"),
}  # fmt: skip

_EXPECTED = re.compile(
    r"# ! (?P<code>PDP\d{3})(?P<warning> as a warning)? at (?P<column>\d+)(?:\.\.(?P<end>\d+))?: "
    r"(?P<message>.*?)(?: \(hint: (?P<hint>.*)\))?\s*\Z"
)
_WITH = re.compile(r"# with (\w+) = (\d+)\n")


class Told(NamedTuple):
    """One diagnostic as its reader sees it."""

    path: str
    line: int
    column: int
    end: int
    code: str
    severity: str
    message: str
    hint: str


def told(checked: Checked, root: Path = Path()) -> list[Told]:
    """Every diagnostic, by place. A span of several lines ends with its first."""
    found = []
    for diagnostic in checked.diagnostics:
        source = checked.sources[diagnostic.span.path]
        line, column = source.place(diagnostic.span.start)
        end = min(column + diagnostic.span.end - diagnostic.span.start, len(source.line(line)) + 1)
        message = diagnostic.message.replace(f"{root}/", "")
        path = source.path.removeprefix(f"{root}/")
        found.append(
            Told(path, line, column, end, diagnostic.code, diagnostic.severity, message, diagnostic.hint)
        )
    return sorted(found)


def expectation(path: str, line: int, comment: str) -> Told:
    """What one comment says will be told of a line."""
    match = _EXPECTED.match(comment)
    assert match is not None, f"{path}:{line}: `{comment}` expects nothing"
    column = int(match["column"])
    severity = "warning" if match["warning"] else "error"
    return Told(
        path, line, column, int(match["end"] or column), match["code"], severity,
        match["message"], match["hint"] or "",
    )  # fmt: skip


def expectations(path: str, text: str) -> list[Told]:
    """What the comments of a policy say will be told of it."""
    found, waiting = [], []
    for number, line in enumerate(text.split("\n"), 1):
        policy, *comments = re.split(r"(?=# ! )", line)
        waiting += comments
        if policy.strip():
            found += [expectation(path, number, comment) for comment in waiting]
            waiting = []
    assert not waiting, f"{path} expects something behind its end"
    return sorted(found)


def check(case: Path) -> tuple[list[Told], list[Told]]:
    """What is told of a case, and what it expects."""
    if case.is_dir():
        files = sorted(case.rglob("*.policy"))
        wanted = [
            one for file in files for one in expectations(str(file.relative_to(case)), file.read_text())
        ]
        return told(check_folder(case, today=TODAY), case), sorted(wanted)
    text = case.read_text()
    options: dict[str, Any] = {}
    if (match := _WITH.match(text)) is not None:
        options[match[1]] = int(match[2])
    checked = check_sources([Source("case.policy", "case", text)], today=TODAY, **options)
    return told(checked), expectations("case.policy", text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_told_exactly_what_it_expects(case: Path) -> None:
    found, wanted = check(case)
    assert found == wanted
    assert {one.code for one in wanted} == {case.name[:6]}


@pytest.mark.parametrize("name", MADE)
def test_what_is_wrong_with_the_bytes_of_a_file_is_told_once(name: str, tmp_path: Path) -> None:
    data, line, comment = MADE[name]
    (tmp_path / "case.policy").write_bytes(data)
    assert told(check_folder(tmp_path), tmp_path) == [expectation("case.policy", line, comment)]


def test_messages_and_hints_are_one_sentence_in_lower_case_without_a_full_stop() -> None:
    found = [one for case in CASES for one in check(case)[0]]
    for words in {words for one in found for words in (one.message, one.hint)} - {""}:
        assert words[0] in "`" or words[0].islower(), words
        assert not words.endswith((".", "!")), words
        assert ". " not in re.sub("`[^`]*`", "", words), words


def test_every_code_has_a_case_that_earns_it() -> None:
    code = "\n".join(file.read_text() for file in Path(pdp.__file__).parent.rglob("*.py"))
    earned = {case.name[:6] for case in CASES} | {comment[4:10] for _, _, comment in MADE.values()}
    assert earned == set(re.findall(r'"(PDP\d{3})"', code))
