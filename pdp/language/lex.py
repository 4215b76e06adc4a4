"""From text to tokens and comments. Knows which words are keywords where, and nothing of how tokens combine.

One regular expression takes the text apart. What is wrong inside a token (an escape, a number, a date) is
told here, and a token of the right kind takes its place, so that the parser finds no second mistake there.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pdp.language.diagnostic import Diagnostic
from pdp.language.source import Source, Span
from pdp.language.syntax import Comment

KINDS = ("workload", "human", "agent", "anonymous")

# Keywords in one clause only, and names everywhere else.
CONTEXTUAL = frozenset(("as", "using", "by", "reason", "group", "never", "always", "set", "map"))

# Matches at every place, so that a search never looks further: white space, then a token or the end.
_TOKEN = re.compile(
    r"""[ \t\r\n]*+
    (?: (?P<word>[A-Za-z_][A-Za-z0-9_]*+)
    | (?P<mark>==|!=|<=|>=|\?\?|[-+*<>=?:,.|@(){}\[\]])
    | (?P<text>"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+")
    | (?P<comment>\#[^\n]*+)
    | (?P<timestamp>\d{4}-\d{2}-\d{2}(?:[Tt][0-9:.]*(?:[Zz]|[+-]\d{2}:?\d{2})?)?)
    | (?P<number>\d(?:[eE][+-](?=\d)|[A-Za-z0-9_]|\.(?=\d))*)
    | (?P<strange>.)
    | \Z
    )""",
    re.VERBOSE | re.ASCII,
)
_NUMBERS = (
    ("INT", re.compile(r"(?:0|[1-9][0-9]*)(?:_[0-9]+)*\Z")),
    ("FLOAT", re.compile(r"(?:0|[1-9][0-9]*)(?:_[0-9]+)*(?=[.eE])(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")),
    ("DURATION", re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?\Z")),
)
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_SPACE = re.compile(r"\s*")
_HEX = re.compile(r"[0-9A-Fa-f]{1,6}\Z")
_SURROGATES = range(0xD800, 0xE000)
_UNITS = ("days", "hours", "minutes", "seconds", "milliseconds")
_ESCAPE = re.compile(r"\\(u\{[^}]*\}?|.)")
_PLAIN_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2}))?\Z")
# What a reader of the file cannot see, or sees in another place than it has: controls (a carriage return
# belongs to a line end), format characters with the bidirectional controls, surrogates, unassigned and
# private ones. Told apart by category, since no list of ranges stays complete.
_SUSPICIOUS = re.compile(r"[^\n\t\x20-\x7e]")
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_OTHER_QUOTES = re.compile(r"'[^'\n]*'|“[^”\n]*”")
_STRANGE_MARKS = {
    "&": "write `and`", "!": "write `not`", "'": 'text stands in double quotes: `"…"`',
    "“": 'text stands in double quotes: `"…"`', "”": 'text stands in double quotes: `"…"`',
    "/": "there is no division; a comment begins with `#`", ";": "clauses need no separator",
    "%": "there is no remainder",
}  # fmt: skip


class Token:
    """A token: its terminal in the grammar, what it stands for, and where. There are many: no dataclass."""

    __slots__ = ("span", "type", "value")

    def __init__(self, type: str, value: Any, span: Span) -> None:
        self.type = type
        self.value = value
        self.span = span


def lex(source: Source, keywords: Mapping[str, str]) -> tuple[list[Token], list[Comment], list[Diagnostic]]:
    """The tokens of `source` in their order, its comments, and what is wrong in single characters and tokens.

    `keywords` maps what is written (`when`, `==`) to its terminal (`WHEN`, `EQ`).
    """
    text, path = source.text, source.path
    tokens: list[Token] = []
    comments: list[Comment] = []
    found = _hidden(source)
    add = tokens.append
    new, span_of = tuple.__new__, Span
    clause = last = ""
    at, end = 0, len(text)
    while at < end:
        for matched in _TOKEN.finditer(text, at):
            kind = matched.lastgroup
            if kind is None:
                at = end
                continue
            start, at = matched.span(kind)
            span = new(span_of, (path, start, at))
            if kind == "word":
                word = matched[kind]
                terminal = keywords.get(word, "NAME")
                if terminal == "NAME" or last == "DOT":
                    terminal = "KIND" if last == "CALLER" and word in KINDS else "NAME"
                elif word in CONTEXTUAL:
                    terminal = terminal if _expected(word, tokens, clause, text, at) else "NAME"
                elif word not in ("allow", "deny"):
                    clause = word
                if terminal == "NAME" and (word[0] == "_" or not word.islower()):
                    small = word.lower()
                    hint = f"did you mean `{small}`?" if small in keywords else "names are `[a-z][a-z0-9_]*`"
                    found.append(Diagnostic("PDP106", span, f"`{word}` is no name", hint))
                last = terminal
                add(Token(terminal, word, span))
            elif kind == "mark":
                mark = matched[kind]
                if mark == ":" and tokens:
                    _name_before(tokens)
                elif mark == "}":
                    clause = ""
                last = keywords[mark]
                add(Token(last, mark, span))
            elif kind == "text":
                raw = text[start + 1 : at - 1]
                add(Token("TEXT", raw if "\\" not in raw else _unescaped(raw, path, start + 1, found), span))
                last = "TEXT"
            elif kind == "comment":
                words = text[start:at].rstrip()
                comments.append(Comment(words, span=Span(path, start, start + len(words))))
            elif kind == "number":
                add(_number(text[start:at], span, found))
                last = "INT"
            elif kind == "timestamp":
                add(Token("TIMESTAMP", _timestamp(text[start:at], span, found), span))
                last = "TIMESTAMP"
            else:
                at, in_place = _strange(source, start, found)
                if in_place is not None:
                    last = "TEXT"
                    add(in_place)
                break
    return tokens, comments, found


def _name_before(tokens: list[Token]) -> None:
    """A keyword before a colon is a key: `{ action: "x" }`, `test?: bool`."""
    at = -2 if tokens[-1].type == "QMARK" and len(tokens) > 1 else -1
    token = tokens[at]
    if type(token.value) is str and token.type not in ("NAME", "TEXT") and token.value.isidentifier():
        before = tokens[at - 1].type if len(tokens) > -at else ""
        if before in ("LBRACE", "COMMA", "LPAR"):
            token.type = "NAME"


def _expected(word: str, tokens: list[Token], clause: str, text: str, at: int) -> bool:
    """Whether a word that is a keyword in one clause only stands in that clause, at its place."""
    types = [token.type for token in tokens[-3:]]
    last = types[-1] if types else ""
    match word:
        case "as":
            return clause == "use"
        case "using":
            return types[-2:] == ["TEST", "TEXT"]
        case "by" | "reason":
            return clause == "expect" and last not in ("EXPECT", "COMMA", "BY", "REASON")
        case "group":
            return last == "IN" and _in_caller_clause(tokens)
        case "never" | "always":
            return types[:1] == ["ASSERT"] and last == "LBRACE"
        case _:
            return last in ("COLON", "LT") and text.startswith("<", _SPACE.match(text, at).end())  # type: ignore[union-attr]


def _in_caller_clause(tokens: list[Token]) -> bool:
    at = len(tokens) - 2
    while at > 0 and tokens[at].type in ("TEXT", "NAME", "DOT", "COMMA", "KIND", "ANY"):
        at -= 1
    return tokens[at].type == "CALLER" and tokens[at + 1].type != "DOT"


def _hidden(source: Source) -> list[Diagnostic]:
    found = []
    for matched in _SUSPICIOUS.finditer(source.text):
        character, at = matched.group(), matched.start()
        if character == "\r" and source.text.startswith("\n", at + 1):
            continue
        if unicodedata.category(character) in _HIDDEN:
            span = Span(source.path, at, at + 1)
            what = f"the character U+{ord(character):04X} cannot be seen"
            found.append(Diagnostic("PDP102", span, what, _instead(character)))
    return found


def _instead(character: str) -> str:
    if character == "\r":
        return "lines end with LF or CRLF"
    return f"in text, write `\\u{{{ord(character):X}}}`" if ord(character) not in _SURROGATES else ""


def _strange(source: Source, at: int, found: list[Diagnostic]) -> tuple[int, Token | None]:
    """Tells of the character that begins no token; gives the place to go on, and what takes its place."""
    text = source.text
    if text[at] == '"':
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        end = at + len(text[at:end].rstrip())
        span = Span(source.path, at, end)
        found.append(Diagnostic("PDP103", span, 'this text has no closing `"` on its line'))
        return end, Token("TEXT", "", span)
    quoted = _OTHER_QUOTES.match(text, at)
    if quoted is not None:
        span = Span(source.path, at, quoted.end())
        message = f"`{quoted[0]}` means nothing here"
        found.append(Diagnostic("PDP112", span, message, _STRANGE_MARKS[text[at]]))
        return quoted.end(), Token("TEXT", "", span)
    end = at + 1
    while end < len(text) and text[end] == text[at]:
        end += 1
    if unicodedata.category(text[at]) not in _HIDDEN:
        hint = _STRANGE_MARKS.get(text[at], "")
        found.append(
            Diagnostic("PDP112", Span(source.path, at, end), f"`{text[at:end]}` means nothing here", hint)
        )
    return end, None


def _unescaped(raw: str, path: str, start: int, found: list[Diagnostic]) -> str:
    def one(matched: re.Match[str]) -> str:
        escape = matched.group(1)
        if escape in _PLAIN_ESCAPES:
            return _PLAIN_ESCAPES[escape]
        # A star that stands for itself in a `like` pattern: the backslash is the pattern's.
        if escape == "*":
            return "\\*"
        wrong = Span(path, start + matched.start(), start + matched.end())
        if escape[0] != "u" or escape == "u":
            known = 'the escapes are `\\"` `\\\\` `\\n` `\\t` `\\u{1F600}`'
            found.append(Diagnostic("PDP104", wrong, f"`{matched.group()}` is no escape", known))
            return ""
        digits = escape[2:-1] if escape[-1] == "}" else "-"
        code = int(digits, 16) if _HEX.match(digits) else -1
        if not 0 <= code <= 0x10FFFF or code in _SURROGATES:
            found.append(
                Diagnostic(
                    "PDP104",
                    wrong,
                    f"`{matched.group()}` is no character",
                    "write its code point in hexadecimal: `\\u{1F600}`",
                )
            )
            return ""
        return chr(code)

    return _ESCAPE.sub(one, raw)


def _number(text: str, span: Span, found: list[Diagnostic]) -> Token:
    for terminal, pattern in _NUMBERS:
        matched = pattern.match(text)
        if matched is None:
            continue
        try:
            if terminal == "INT":
                # A number of thousands of digits takes quadratic time to read, and is outside 64 bits anyway.
                return Token(terminal, int(text) if len(text) < 40 else 10**40, span)
            if terminal == "FLOAT":
                value = float(text)
                if math.isfinite(value):
                    return Token(terminal, value, span)
            else:
                parts = {
                    unit: int(n)
                    for unit, n in zip(_UNITS, matched.groups(), strict=True)
                    if n and len(n) < 40
                }
                return Token(terminal, timedelta(**parts), span)
        except OverflowError:
            pass
        found.append(Diagnostic("PDP105", span, f"`{text}` is too large"))
        return Token(terminal, 0.0 if terminal == "FLOAT" else timedelta(0), span)
    if text[-1] in "dhmsw":
        hint = "a duration counts down from days: `1d2h30m`, `90s`, `500ms`"
        found.append(Diagnostic("PDP105", span, f"`{text}` is no duration", hint))
        return Token("DURATION", timedelta(0), span)
    found.append(Diagnostic("PDP105", span, f"`{text}` is no number"))
    return Token("INT", 0, span)


def _timestamp(text: str, span: Span, found: list[Diagnostic]) -> datetime:
    try:
        if _TIMESTAMP.match(text):
            value = datetime.fromisoformat(text)
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        why = "a timestamp is written `2026-11-24` or `2026-11-24T10:00:00Z`"
    except (ValueError, OverflowError):
        why = "there is no such day or time"
    found.append(Diagnostic("PDP107", span, f"`{text}` is no timestamp", why))
    return datetime(2000, 1, 1, tzinfo=UTC)
