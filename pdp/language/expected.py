"""From a token that does not fit to a sentence: what was found, what could stand there, and a cure.

Speaks the language's words only; no name of a terminal leaves this module.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from pdp.language.diagnostic import Diagnostic
from pdp.language.lex import Token
from pdp.language.source import Source, Span
from pdp.language.suggest import suggest

# Sets of terminals that mean one thing to an author; a set counts when all of it may come.
_GROUPS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset(("TEXT", "INT", "TRUE", "LPAR", "LSQB", "IF")), "an expression"),
    (frozenset(("TEXT", "INT", "TRUE", "LPAR", "LSQB", "MINUS")), "a value"),
    (frozenset(("TEXT", "INT", "TRUE", "LPAR", "LSQB")), "an attribute"),
    (frozenset(("TEXT", "INT", "TRUE", "DURATION")), "a literal"),
    (frozenset(("WHEN", "UNLESS", "CALLER", "AUDIENCE")), "a clause"),
    (frozenset(("CALLER", "CREDENTIAL", "EXPECT", "NOW")), "a clause of a test"),
    (frozenset(("CALLER", "ACTION", "RESOURCE", "CONTEXT")), "`caller`, `action`, `resource` or `context`"),
    (frozenset(("NAME", "TEXT", "SET", "MAP", "LBRACE")), "a type"),
)
_EXPRESSION = frozenset((
    "TEXT", "INT", "FLOAT", "DURATION", "TIMESTAMP", "TRUE", "FALSE", "LPAR", "LSQB", "MINUS", "NAME", "IF",
    "ANY", "ALL", "NOT", "HAS", "CALLER", "CREDENTIAL", "AUDIENCE", "ACTION", "RESOURCE", "TASK", "CONTEXT",
    "NOW",
))  # fmt: skip
_CLAUSES = frozenset((
    "CALLER", "AUDIENCE", "ACTION", "RESOURCE", "WHEN", "UNLESS", "REQUIRE", "ADVISE", "BECAUSE",
))  # fmt: skip
_TEST_CLAUSES = frozenset((
    "CALLER", "CREDENTIAL", "AUDIENCE", "ACTION", "RESOURCE", "TASK", "CONTEXT", "NOW", "FOR", "EXPECT",
))  # fmt: skip
_SCHEMA = frozenset(("CALLER", "ACTION", "RESOURCE", "CONTEXT"))
_TYPE = frozenset(("NAME", "TEXT", "SET", "MAP", "LBRACE"))
_COVERS = (_EXPRESSION, _EXPRESSION, _EXPRESSION, _EXPRESSION, _CLAUSES, _TEST_CLAUSES, _SCHEMA, _TYPE)
_OPERATORS = frozenset((
    "OR", "AND", "IN", "LIKE", "EQ", "NE", "LT", "LE", "GT", "GE", "DEFAULT", "PLUS", "MINUS", "STAR",
    "DOT", "LSQB", "LPAR",
))  # fmt: skip
_COMPARES = frozenset(("IN", "LIKE", "EQ", "NE", "LT", "LE", "GT", "GE"))
_ONE = {
    "NAME": "a name", "TEXT": "a text", "INT": "a number", "FLOAT": "a number", "DURATION": "a duration",
    "TIMESTAMP": "a date", "KIND": "a kind of caller", "$END": "the next declaration",
    "LBRACE": "`{`", "RBRACE": "`}`", "LPAR": "`(`", "RPAR": "`)`", "LSQB": "`[`", "RSQB": "`]`",
    "DOT": "`.`", "COMMA": "`,`", "COLON": "`:`", "EQUAL": "`=`", "VBAR": "`|`", "QMARK": "`?`", "AT": "`@`",
    "EQ": "`==`", "NE": "`!=`", "LT": "`<`", "LE": "`<=`", "GT": "`>`", "GE": "`>=`", "DEFAULT": "`??`",
    "PLUS": "`+`", "MINUS": "`-`", "STAR": "`*`",
}  # fmt: skip
_BRACKETS = {"LBRACE": "RBRACE", "LPAR": "RPAR", "LSQB": "RSQB"}
_DECLARATIONS = ("use", "schema", "let", "def", "permit", "forbid", "assert", "test", "fixture")


def unexpected(source: Source, chunk: Sequence[Token], wrong: Token, accepts: Set[str]) -> Diagnostic:
    """The finding for `wrong`, a token of `chunk` or its end, where the terminals `accepts` could stand."""
    if wrong.type == "$END":
        return _unclosed(source, chunk, accepts)
    found = source.text[wrong.span.start : wrong.span.end]
    if len(found) > 40:
        found = found[:37] + "…"
    if wrong is chunk[0]:
        message = f"a declaration cannot begin with `{found}`"
        return Diagnostic("PDP101", wrong.span, message, suggest(found, _DECLARATIONS) or _begins())
    message = f"`{found}` cannot stand here: expected {_words(accepts)}"
    return Diagnostic("PDP101", wrong.span, message, _hint(source, chunk, wrong, accepts))


def _begins() -> str:
    return "a declaration begins with " + ", ".join(f"`{word}`" for word in _DECLARATIONS)


def _unclosed(source: Source, chunk: Sequence[Token], accepts: Set[str]) -> Diagnostic:
    open_: list[Token] = []
    for token in chunk:
        if token.type in _BRACKETS:
            open_.append(token)
        elif open_ and token.type == _BRACKETS[open_[-1].type]:
            open_.pop()
    if open_:
        bracket = open_[-1]
        message = f"`{bracket.value}` is never closed"
        return Diagnostic("PDP113", bracket.span, message)
    last = chunk[-1].span
    span = Span(last.path, last.end, last.end)
    words = f"`{source.text[last.start : last.end]}`"
    return Diagnostic("PDP101", span, f"the declaration ends after {words}: expected {_words(accepts)}")


def _words(accepts: Set[str]) -> str:
    rest = set(accepts)
    words: list[str] = []
    for (needed, word), covered in zip(_GROUPS, _COVERS, strict=True):
        if needed <= rest:
            words.append(word)
            rest -= covered
    if len(rest & _OPERATORS) > 3:
        rest -= _OPERATORS
        words.append("an operator")
    words += sorted({_ONE.get(terminal, f"`{terminal.lower()}`") for terminal in rest})
    if len(words) == 1:
        return words[0]
    return ", ".join(words[:-1]) + " or " + words[-1]


def _hint(source: Source, chunk: Sequence[Token], wrong: Token, accepts: Set[str]) -> str:
    at = chunk.index(wrong)
    before = chunk[at - 1]
    if wrong.type == "EQUAL" and "EQ" in accepts:
        return "equality is `==`"
    if wrong.type in _COMPARES and "AND" in accepts:
        return "comparisons do not chain: join two with `and`"
    if wrong.type in ("IF", "ANY", "ALL") and "LPAR" in accepts:
        return f"put the `{wrong.value}` in parentheses"
    if "NAME" in accepts and wrong.type not in _ONE and str(wrong.value).isalpha():
        return f"`{wrong.value}` is a word of the language"
    if wrong.type == "NAME":
        return suggest(wrong.value, [t.lower() for t in accepts if t not in _ONE])
    if wrong.type == "TEXT" and before.type == "TEXT" and "COMMA" in accepts:
        return "put a comma between them"
    return ""
