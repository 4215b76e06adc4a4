"""From text to syntax tree. The only module that knows the parser generator.

`parse` never raises: it gives a tree and diagnostics. Tokens are cut into declarations first, and each is
parsed alone, so that a mistake costs the declaration that it stands in and nothing after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lark import Lark
from lark.exceptions import UnexpectedToken

from pdp.language import expected
from pdp.language.build import Build, Refused
from pdp.language.depth import too_deep
from pdp.language.diagnostic import Diagnostic
from pdp.language.lex import CONTEXTUAL, Token, lex
from pdp.language.source import Source, Span
from pdp.language.syntax import Module

MAX_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"

_DECLARES = frozenset(("USE", "SCHEMA", "LET", "DEF", "AT", "PERMIT", "FORBID", "ASSERT", "TEST", "FIXTURE"))
_OPENS = {"LBRACE": "}", "LPAR": ")", "LSQB": "]"}
_CLOSES = frozenset(("RBRACE", "RPAR", "RSQB"))


def decode(path: str, module: str, data: bytes) -> tuple[Source, tuple[Diagnostic, ...]]:
    """The text of a file, and what is wrong with its bytes: too many, a byte order mark, not UTF-8.

    Where bytes are no UTF-8 the replacement character stands, so that the rest can still be parsed and shown.
    """
    if len(data) > MAX_BYTES:
        message = f"the file has {len(data):_} bytes; a policy file has at most {MAX_BYTES:_}"
        return Source(path, module, ""), (
            Diagnostic("PDP109", Span(path, 0, 0), message, "split it by topic"),
        )
    try:
        source = Source(path, module, data.decode())
    except UnicodeDecodeError as error:
        at = len(data[: error.start].decode(errors="replace"))
        wrong = " ".join(f"{byte:02x}" for byte in data[error.start : error.end])
        message = f"the file is not UTF-8 here: bytes {wrong}"
        source = Source(path, module, data.decode(errors="replace"))
        return source, (Diagnostic("PDP111", Span(path, at, at + 1), message),)
    if data.startswith(_BOM):
        message = "the file begins with a byte order mark"
        return Source(path, module, source.text[1:]), (
            Diagnostic("PDP114", Span(path, 0, 0), message, "save it as UTF-8 without one"),
        )
    return source, ()


def parse(source: Source) -> tuple[Module, tuple[Diagnostic, ...]]:
    """The tree of `source`, without the declarations that could not be read, and every diagnostic in order."""
    tokens, comments, found = lex(source, _keywords())
    read = _grammar().parse_interactive
    declarations = []
    for chunk in _chunks(source, tokens):
        parser = read(start="declaration")
        feed = parser.parser_state.feed_token
        try:
            for token in chunk:
                feed(token)  # type: ignore[arg-type]
            end = Token("$END", "", Span(source.path, chunk[-1].span.end, chunk[-1].span.end))
            declaration = feed(end, True)  # type: ignore[arg-type]
        except UnexpectedToken as error:
            # A character that means nothing was told already, and what follows from it is no second mistake.
            wrong = error.token
            if not _told(found, chunk, wrong):  # type: ignore[arg-type]
                found.append(expected.unexpected(source, chunk, wrong, parser.accepts()))  # type: ignore[arg-type]
        except Refused as refused:
            found.append(refused.diagnostic)
        else:
            deep = too_deep(declaration) if len(chunk) >= 64 else None
            if deep is None:
                declarations.append(declaration)
            else:
                found.append(deep)
    found.sort(key=lambda d: (d.span, d.code))
    span = Span(source.path, 0, len(source.text))
    return Module(source.module, tuple(declarations), tuple(comments), span=span), tuple(found)


def _told(found: list[Diagnostic], chunk: list[Token], wrong: Token) -> bool:
    start = chunk[0].span.start
    return any(d.code in ("PDP103", "PDP112") and start <= d.span.start <= wrong.span.end for d in found)


def _chunks(source: Source, tokens: list[Token]) -> Iterator[list[Token]]:
    """The tokens of one declaration after the other.

    A declaration begins with its keyword outside all brackets, or in column 1, where only an unclosed
    bracket before it can have brought it into another one.
    """
    chunk: list[Token] = []
    depth = 0
    begun = False
    text = source.text
    for token in tokens:
        kind = token.type
        if kind in _DECLARES and (depth == 0 or token.span[1] == 0 or text[token.span[1] - 1] == "\n"):
            # Annotations belong to the rule that follows them.
            if chunk and (begun or kind not in ("AT", "PERMIT", "FORBID")):
                yield chunk
                chunk = []
            depth = 0
            begun = kind != "AT"
        elif kind in _OPENS:
            depth += 1
        elif kind in _CLOSES and depth:
            depth -= 1
        chunk.append(token)
    if chunk:
        yield chunk


@cache
def _grammar() -> Lark:
    here = Path(__file__).parent.parent
    inside = here / "grammar" / "policy.lark"
    path = inside if inside.exists() else here.parent / "grammar" / "policy.lark"
    return Lark(
        path.read_text(encoding="utf-8"), parser="lalr", lexer="basic", start=["module", "declaration"],
        keep_all_tokens=True, maybe_placeholders=False, transformer=Build(),
    )  # fmt: skip


@cache
def _keywords() -> dict[str, str]:
    written = {terminal.pattern.value: terminal.name for terminal in _grammar().terminals}
    assert written.keys() >= CONTEXTUAL
    return written


def keywords() -> tuple[str, ...]:
    """The words that cannot name anything of the author's, sorted."""
    return tuple(sorted(word for word in _keywords() if word.isalpha() and word not in CONTEXTUAL))
