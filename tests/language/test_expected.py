"""What stands there and should not, said in the language's words, with a cure where there is one."""

from __future__ import annotations

import pytest

from language.written import source
from pdp.language.parse import parse


@pytest.mark.parametrize(
    ("text", "at", "message", "hint"),
    [
        (
            "permitt a {}",
            "permitt",
            "a declaration cannot begin with `permitt`",
            "did you mean `permit`?",
        ),
        (
            "42",
            "42",
            "a declaration cannot begin with `42`",
            "a declaration begins with `use`, `schema`, `let`, `def`, "
            "`permit`, `forbid`, `assert`, `test`, `fixture`",
        ),
        ("use", "", "the declaration ends after `use`: expected a name", ""),
        ("let a", "", "the declaration ends after `a`: expected `=`", ""),
        ("let a =", "", "the declaration ends after `=`: expected an expression", ""),
        ("let a = b +", "", "the declaration ends after `+`: expected a value", ""),
        ("let a = has", "", "the declaration ends after `has`: expected an attribute", ""),
        (
            "let when = 1",
            "when",
            "`when` cannot stand here: expected a name",
            "`when` is a word of the language",
        ),
        ("let a = (1", "(", "`(` is never closed", ""),
        ("let a = f(1, [2], [3", "[", "`[` is never closed", ""),
        ("forbid a { when b", "{", "`{` is never closed", ""),
        (
            "forbid a { when b = 1 }",
            "=",
            "`=` cannot stand here: expected a clause, an operator or `}`",
            "equality is `==`",
        ),
        (
            "let a = b < c < d",
            "<",
            "`<` cannot stand here: expected `and`, `or` or the next declaration",
            "comparisons do not chain: join two with `and`",
        ),
        (
            "let a = b + if c then d else e",
            "if",
            "`if` cannot stand here: expected a value",
            "put the `if` in parentheses",
        ),
        ("let a = 1 2", "2", "`2` cannot stand here: expected an operator or the next declaration", ""),
        ("let a = 1 }", "}", "`}` cannot stand here: expected the next declaration", ""),
        (
            "forbid a { whn b }",
            "whn",
            "`whn` cannot stand here: expected a clause or `}`",
            "did you mean `when`?",
        ),
        (
            'forbid a { action "b" "c" }',
            '"c"',
            '`"c"` cannot stand here: expected a clause, `,` or `}`',
            "put a comma between them",
        ),
        ("forbid a { audience }", "}", "`}` cannot stand here: expected `any`, a name or a text", ""),
        ("@owner(b) forbid a {}", "b", "`b` cannot stand here: expected a literal or `)`", ""),
        (
            "schema { task {} }",
            "task",
            "`task` cannot stand here: expected `caller`, `action`, `resource` or `context` or `}`",
            "",
        ),
        ("schema { context { a: 1 } }", "1", "`1` cannot stand here: expected a type", ""),
        ('test "a" { when b }', "when", "`when` cannot stand here: expected a clause of a test or `}`", ""),
        (
            'test "a" { expect maybe or }',
            "or",
            "`or` cannot stand here: expected a clause of a test, `by`, `reason`, `require` or `}`",
            "",
        ),
        ('test "a" { for b in [1] }', "1", "`1` cannot stand here: expected `(` or `]`", ""),
        (
            "assert a { nevr allow when b }",
            "nevr",
            "`nevr` cannot stand here: expected `always` or `never`",
            "did you mean `never`?",
        ),
        (
            f'let a "{"x" * 60}"',
            f'"{"x" * 60}"',
            f'`"{"x" * 36}…` cannot stand here: expected `=`',
            "",
        ),
    ],
)
def test_a_mistake_is_told_in_words(text: str, at: str, message: str, hint: str) -> None:
    (found,) = parse(source(text))[1]
    assert (text[found.span.start : found.span.end], found.message, found.hint) == (at, message, hint)
