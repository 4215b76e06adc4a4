"""From text to syntax tree. Knows how the lexer, the grammar's table and the builders of nodes go together.

`parse` never raises: it gives a tree and diagnostics. Tokens are cut into declarations first, and each is
parsed alone, so that a mistake costs the declaration that it stands in and nothing after it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any

from pdp.language import expected
from pdp.language.build import Build, Children, Refused
from pdp.language.depth import too_deep
from pdp.language.diagnostic import Diagnostic
from pdp.language.grammar import Production, grammar
from pdp.language.lex import CONTEXTUAL, Token, lex
from pdp.language.source import Source, Span
from pdp.language.syntax import Comment, Module
from pdp.language.table import END, Action, Done, Pass, Reduce, Table, Unfit, fitting, run

MAX_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"

_DECLARES = frozenset(("USE", "SCHEMA", "LET", "DEF", "AT", "PERMIT", "FORBID", "ASSERT", "TEST", "FIXTURE"))
_NAMES = _DECLARES - {"AT", "TEST"}
_WORDS = tuple(sorted(name.lower() for name in _DECLARES - {"AT"}))
_OPENS = frozenset(("LBRACE", "LPAR", "LSQB"))
_CLOSES = frozenset(("RBRACE", "RPAR", "RSQB"))
_BUILD = Build()
_CUTS = _DECLARES | _OPENS | _CLOSES


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
    """The tree of `source` without the declarations that could not be read, and every diagnostic in order."""
    tokens, comments, found = lex(source, grammar().keywords)
    found.sort(key=lambda d: (d.span, d.code))
    # What stands for a literal that could not be read would be judged as if it had been written.
    misread = [d.span for d in found if d.code != "PDP106" and not _within(d.span, comments)]
    strange = [d.span.start for d in found if _is_strange(d, source, tokens, comments)]
    table = _table()
    declarations = []
    lost = []
    for chunk in _chunks(source, tokens):
        try:
            declaration = run(chunk, table)
        except Unfit as unfit:
            found += _mistake(source, chunk, unfit, strange)
            lost.append(chunk)
        except Refused as refused:
            found.append(refused.diagnostic)
            lost.append(chunk)
        else:
            deep = too_deep(declaration)
            if deep is not None:
                found.append(deep)
            if deep is not None or _holds(chunk, misread):
                lost.append(chunk)
            else:
                declarations.append(declaration)
    found.sort(key=lambda d: (d.span, d.code))
    span = Span(source.path, 0, len(source.text))
    names = frozenset(name for chunk in lost for name in _names(chunk))
    return Module(source.module, tuple(declarations), tuple(comments), names, span=span), tuple(found)


def _is_strange(
    found: Diagnostic, source: Source, tokens: Sequence[Token], comments: Sequence[Comment]
) -> bool:
    """Whether the parser may stumble over what was found, which then is no second mistake."""
    match found.code:
        case "PDP102":  # between tokens, and not in a text or comment
            return not (_within(found.span, tokens) or _within(found.span, comments))
        case "PDP106":  # a word of the language in other letters
            return source.text[found.span.start : found.span.end].lower() in grammar().keywords
        case code:
            return code in ("PDP103", "PDP105", "PDP107", "PDP112")


def _holds(chunk: Sequence[Token], spans: Sequence[Span]) -> bool:
    """Whether one of `spans`, which stand in order, begins in the chunk."""
    at = bisect_left(spans, chunk[0].span)
    return at < len(spans) and spans[at].start < chunk[-1].span.end


def _within(span: Span, spanned: Sequence[Token | Comment]) -> bool:
    """Whether `span` begins in one of what stands in order."""
    at = bisect_right(spanned, span.start, key=lambda one: one.span.start) - 1
    return at >= 0 and span.start < spanned[at].span.end


def _names(chunk: list[Token]) -> Iterator[str]:
    """What the declarations in a chunk would have been called, also where the word for one is misspelled."""
    before, depth = "", 0
    for token in chunk:
        kind = token.type
        depth += (kind in _OPENS) - (kind in _CLOSES)
        if kind == "NAME" and before in _NAMES:
            yield token.value
            kind = "used" if before == "USE" else kind
        elif kind in ("DOT", "AS") and before == "used":
            # A module is known by the last of its names, or by its alias: each is taken for it.
            kind = "USE"
        elif kind == "NAME" and depth == 0:
            kind = _declared_by(token.value)
        if kind == "SCHEMA":
            yield "schema"
        before = kind


@lru_cache(maxsize=1_024)
def _declared_by(word: str) -> str:
    """The terminal of the word that `word` is most like among those that begin a declaration, or `NAME`."""
    close = get_close_matches(word.lower(), _WORDS, n=1, cutoff=0.7)
    return close[0].upper() if close else "NAME"


def _mistake(
    source: Source, chunk: list[Token], unfit: Unfit, strange: Sequence[int]
) -> Iterator[Diagnostic]:
    wrong = unfit.token
    start, end = chunk[0].span.start, chunk[-1].span.end
    if wrong.type == END:
        wrong = Token(END, "", Span(source.path, end, end))
    # A character that means nothing was told already, and what follows from it is no second mistake.
    at = bisect_left(strange, start)
    if at == len(strange) or strange[at] > wrong.span.end:
        yield expected.unexpected(source, chunk, wrong, _fitting(tuple(unfit.states)))


def _chunks(source: Source, tokens: list[Token]) -> Iterator[list[Token]]:
    """The tokens of one declaration after the other.

    A declaration begins with its keyword outside all brackets, or in column 1, where only an unclosed
    bracket before it can have brought it into another one.
    """
    depth = start = 0
    begun = False
    text = source.text
    for at, token in enumerate(tokens):
        kind = token.type
        if kind not in _CUTS:
            continue
        if kind in _OPENS:
            depth += 1
        elif kind in _CLOSES:
            depth -= depth > 0
        else:
            first = token.span[1] == 0 or text[token.span[1] - 1] == "\n"
            before = tokens[at - 1].type if at > start else ""
            # A keyword where a name is due begins nothing: it is the mistake.
            if not first and (depth or before in _NAMES):
                continue
            # Annotations belong to the rule that follows them, unless something else does.
            if at > start and (begun or before == "RBRACE" or kind not in ("AT", "PERMIT", "FORBID")):
                yield tokens[start:at]
                start = at
            depth = 0
            begun = kind != "AT"
    if tokens:
        yield tokens[start:]


@cache
def _table() -> Table:
    """The grammar's table with its calls, as `run` takes it."""
    made = grammar()
    after: dict[str, dict[int, int]] = {production.origin: {} for production in made.productions}
    builds = [_build(production) for production in made.productions]
    table: dict[int, dict[str, Action]] = {state: {} for state in range(len(made.states))}
    for state, actions in enumerate(made.states):
        for number, before in actions:
            for symbol in made.symbols[before]:
                if symbol in after:
                    after[symbol][state] = number
                elif number >= 0:
                    table[state][symbol] = number
                else:
                    origin, _, size, _ = made.productions[~number]
                    build, then = builds[~number], after[origin]
                    table[state][symbol] = Reduce(size, build, then) if build else Pass(symbol, then, table)
    table[made.end] = {END: Done()}
    return table


def _build(production: Production) -> Callable[[Children], Any] | None:
    """What makes one value of its children; None where that is the only child itself."""
    _, name, _, inner = production
    if name == "":
        return None
    if name is None and inner == [0]:
        return _grown
    call: Callable[[Children], Any] = getattr(_BUILD, name) if name is not None else _same
    if not inner:
        return call

    def spliced(children: Children) -> Any:
        for at in reversed(inner):
            children[at : at + 1] = children[at]
        return call(children)

    return spliced


def _same(children: Children) -> Children:
    return children


def _grown(children: Children) -> Children:
    """A repetition and one more. The list stays the same one, or a long one would take quadratic time."""
    first: Children = children[0]
    first += children[1:]
    return first


@lru_cache(maxsize=256)
def _fitting(states: tuple[int, ...]) -> frozenset[str]:
    return frozenset(fitting(states, _table()))


def keywords() -> tuple[str, ...]:
    """The words that cannot name anything of the author's, sorted."""
    return tuple(sorted(word for word in grammar().keywords if word.isalpha() and word not in CONTEXTUAL))
