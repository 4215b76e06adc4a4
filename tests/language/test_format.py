"""One layout: the text reads back as the same tree, formatting it again changes nothing, no comment is lost.

What layouts look like is kept in `layouts/`: a policy as somebody wrote it, and beside it as it comes out.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from language.trees import modules
from language.written import EXAMPLES, POLICIES, source
from pdp.language.format import format
from pdp.language.parse import parse
from pdp.language.syntax import Module

LAYOUTS = sorted((Path(__file__).parent / "layouts").glob("*.policy"))


def formatted(text: str) -> str:
    """The layout of `text`, after what must hold of every layout was seen to."""
    tree, found = parse(source(text))
    assert found == ()
    new = format(tree, source(text))
    again, found = parse(source(new))
    assert (again, found) == (tree, ())
    kept, told = (Counter(comment.text for comment in one.comments) for one in (again, tree))
    assert kept == told
    assert format(again, source(new)) == new
    assert [line for line in new.split("\n") if line != line.rstrip()] == []
    assert "\n\n\n" not in new
    return new


@given(modules)
def test_a_tree_that_nobody_wrote_has_a_text_too(tree: Module) -> None:
    text = format(tree, source(""))
    assert parse(source(text)) == (tree, ())
    assert formatted(text) == text


BLANKS = (" ", "\n", "\n\n\n", "\t", "\r\n", "  # a comment\n", "\n# on its own\n", "\n\n  # apart\n\n")
# Blanks, and places where there may be some; texts too, so that those in them are not found.
PLACES = re.compile(r'"(?:[^"\\]|\\.)*"|\s+|(?<=[(\[{,])|(?=[)\]},])')


@given(modules, st.lists(st.sampled_from(BLANKS), min_size=1), st.randoms(use_true_random=False))
def test_blanks_and_comments_anywhere_change_no_tree(
    tree: Module, blanks: Sequence[str], chance: random.Random
) -> None:
    def spread(matched: re.Match[str]) -> str:
        return matched.group() if matched.group().startswith('"') else chance.choice(blanks)

    text = PLACES.sub(spread, format(tree, source("")))
    assert parse(source(text)) == (tree, ())
    formatted(text)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_every_policy_that_somebody_wrote_keeps_its_meaning_and_comments(path: Path) -> None:
    formatted(path.read_text())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.policy")), ids=lambda path: path.stem)
def test_the_example_of_the_language_is_laid_out_as_it_is_written(path: Path) -> None:
    assert formatted(path.read_text()) == path.read_text()


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: path.stem)
def test_layouts_are_what_they_were(path: Path, golden: Any) -> None:
    golden(f"layouts/{path.stem}.formatted", formatted(path.read_text()))


@pytest.mark.parametrize(
    ("written", "laid_out"),
    [
        # precedence says it
        ("(a or b) or c", "a or b or c"),
        ("a or (b or c)", "a or (b or c)"),
        ("(a or b) and c", "(a or b) and c"),
        ("(a and b) or (c and d)", "a and b or c and d"),
        ("not (a and b)", "not (a and b)"),
        ("(not a) and b", "not a and b"),
        ("not (a == b)", "not a == b"),
        ("(a == b) == c", "(a == b) == c"),
        ("a == (b == c)", "a == (b == c)"),
        ("(has a.b) and c", "has a.b and c"),
        ("(has a.b) == c", "(has a.b) == c"),
        ("(a + b) - c", "a + b - c"),
        ("a + (b - c)", "a + (b - c)"),
        ("(a * b) + c", "a * b + c"),
        ("a * (b + c)", "a * (b + c)"),
        ("-(a + b)", "-(a + b)"),
        ("(-a) * b", "-a * b"),
        ("-(-a)", "--a"),
        ("(a + b).c", "(a + b).c"),
        ("(a.b)[(c + d)]", "a.b[c + d]"),
        ("f((a or b), (if a then b else c))", "f(a or b, if a then b else c)"),
        ("if (if a then b else c) then d else e", "if if a then b else c then d else e"),
        ("a and (if b then c else d)", "a and (if b then c else d)"),
        ("any x in (xs): (any y in ys: (x == y))", "any x in xs: any y in ys: x == y"),
        ("(any x in xs: x) and a", "(any x in xs: x) and a"),
        # few readers know how tightly `??` binds
        ("a ?? (b ?? c)", "a ?? b ?? c"),
        ("(a ?? b) ?? c", "(a ?? b) ?? c"),
        ("a ?? b + c", "a ?? b + c"),
        ("a ?? b == c", "(a ?? b) == c"),
        ("a in b ?? c", "a in (b ?? c)"),
        ("not a ?? b and c", "not (a ?? b) and c"),
        ("a and b ?? c", "a and (b ?? c)"),
        ("any x in a ?? b: x", "any x in (a ?? b): x"),
        ("(a ?? b)", "a ?? b"),
        ("[(a ?? b)]", "[a ?? b]"),
    ],
)
def test_parentheses_stand_where_they_are_needed(written: str, laid_out: str) -> None:
    assert formatted(f"let x = {written}") == f"let x = {laid_out}\n"


@pytest.mark.parametrize(
    "literal",
    ["10_000", "1_0", "1.50", "1e3", "60m", "90s", "2026-11-24T10:00:00+02:00", r'"\u{e9}\*"', '"é"', "true"],
)
def test_a_literal_stays_as_it_is_spelled(literal: str) -> None:
    assert formatted(f"let x = {literal}") == f"let x = {literal}\n"
    assert formatted(f"let x = (( # why (so)\n {literal}))") == f"# why (so)\nlet x = {literal}\n"


@pytest.mark.parametrize(
    ("text", "laid_out"),
    [
        ("", ""),
        ("\n\n# only this\n\n\n", "# only this\n"),
        ("\n\nuse a\n\n\n\nuse b", "use a\n\nuse b\n"),
        ("use a let b = 1", "use a\n\nlet b = 1\n"),
        ("let a = 1 def f() = a let b = 2", "let a = 1\ndef f() = a\nlet b = 2\n"),
        ("let a = 1 forbid b {} let c = 1", "let a = 1\n\nforbid b {}\n\nlet c = 1\n"),
        ("let a = 1 # one\n# two\n# three\n\nlet b = 2", "let a = 1  # one\n# two\n# three\n\nlet b = 2\n"),
        ("# about a\n\n\nlet a = 1", "# about a\n\nlet a = 1\n"),
        ("forbid a {} # behind\n# below\nlet b = 1", "forbid a {}  # behind\n\n# below\nlet b = 1\n"),
        ("forbid a {\n\n\ncaller any\n\n\nwhen b\n\n}", "forbid a {\n  caller any\n\n  when   b\n}\n"),
    ],
)
def test_of_blank_lines_one_stays(text: str, laid_out: str) -> None:
    assert formatted(text) == laid_out


def test_lets_that_follow_each_other_are_aligned_where_all_fit() -> None:
    assert formatted("let a = 1\nlet bcd = 2\n\nlet e = 3") == "let a   = 1\nlet bcd = 2\n\nlet e = 3\n"
    long = f'let a = "{"x" * 100}"\n'
    assert len(long) == 111
    assert formatted(f"{long}let b = 2\nlet c = 3") == f"{long}let b = 2\nlet c = 3\n"
    assert formatted(f"{long}let bcdef = 2\nlet c = 3") == f"{long}let bcdef = 2\nlet c = 3\n"


def test_a_list_stays_broken_where_its_author_began_a_new_line() -> None:
    assert formatted('let a = ["b",\n "c"]') == 'let a = ["b", "c"]\n'
    assert formatted('let a = [\n"b", "c"]') == 'let a = [\n  "b",\n  "c",\n]\n'


def test_a_line_that_just_fits_is_not_broken() -> None:
    fits = "let a = " + "b" * 50 + " + " + "c" * 49
    assert len(fits) == 110
    assert formatted(fits) == f"{fits}\n"
    assert formatted(f"{fits}c") == f"let a =\n  {fits[8:]}c\n"


def test_columns_of_a_table_are_aligned_unless_one_is_very_wide_or_a_row_has_none() -> None:
    def table(*rows: str) -> list[str]:
        text = formatted(f'test "t" {{ for a, b in [\n{", ".join(rows)}] }}')
        return [line.strip().rstrip(",") for line in text.split("\n")[2:-3]]

    wide = f'("{"x" * 60}", allow)'
    assert table("(1, allow)", "(10_000, deny)") == ["(1,      allow)", "(10_000, deny)"]
    assert table("(1, allow)", wide) == ["(1, allow)", wide]
    assert table("(1, allow)", "(10_000)") == ["(1, allow)", "(10_000)"]
    assert table("(1, [\n2])", "(10_000, 3)")[-1] == "(10_000, 3)"


def test_a_key_that_is_a_name_needs_no_quotes() -> None:
    keys = r'{ "when": 1, "two words": 2, "\u{202E}": 3, "A": 4 }'
    text = f"forbid a {{\n  require b {keys}\n}}\n"
    assert formatted(text) == text.replace('"when"', "when")


def test_a_word_of_one_clause_may_name_something_everywhere_else() -> None:
    assert formatted("let group=by+reason.group+set") == "let group = by + reason.group + set\n"
