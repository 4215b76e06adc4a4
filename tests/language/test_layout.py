"""Groups on one line or on several, within a width."""

from __future__ import annotations

import pytest

from pdp.language.layout import (
    BLANK,
    HARD,
    INDENT,
    SOFT,
    SPACE,
    Broken,
    Doc,
    Trailing,
    align,
    breaks,
    group,
    indent,
    lay_out,
)

LIST = group("[", indent(SOFT, "one,", SPACE, "two", Broken(",")), SOFT, "]")


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (10, "[one, two]"),
        (9, "[\n  one,\n  two,\n]"),
        (0, "[\n  one,\n  two,\n]"),
    ],
)
def test_a_group_stands_on_one_line_if_it_fits(width: int, text: str) -> None:
    assert lay_out(LIST, width) == text


@pytest.mark.parametrize(
    ("doc", "text"),
    [
        ((LIST, "abc"), "[\n  one,\n  two,\n]abc"),
        ((LIST, HARD, "abc"), "[one, two]\nabc"),
        ((LIST, group(SPACE, "abc")), "[\n  one,\n  two,\n] abc"),
        ((LIST, group(HARD, "abc")), "[one, two]\nabc"),
        ((LIST, indent(SPACE, "abc")), "[one, two]\n  abc"),
        ((LIST, Broken("!")), "[\n  one,\n  two,\n]!"),
        ((LIST, Trailing("  # that may be long")), "[one, two]  # that may be long"),
    ],
)  # fmt: skip
def test_what_follows_on_its_line_has_to_fit_too(doc: Doc, text: str) -> None:
    assert lay_out(doc, 10) == text


def test_a_group_within_a_broken_one_is_asked_for_itself() -> None:
    assert lay_out(group("(", indent(SOFT, LIST), SOFT, ")"), 12) == "([one, two])"
    assert lay_out(group("(", indent(SOFT, LIST, ",", SPACE, "x"), SOFT, ")"), 13) == (
        "(\n  [one, two],\n  x\n)"
    )


@pytest.mark.parametrize(
    "line", [HARD, BLANK, Trailing("  # so"), (SPACE, (HARD,)), indent(HARD), align(HARD)]
)
def test_a_line_that_must_end_breaks_all_groups_around_it(line: Doc) -> None:
    doc = group("a", indent(SPACE, group("b", line, SPACE, "c")))
    assert breaks(doc)
    assert lay_out(doc).startswith("a\n  b")


def test_what_trails_stands_at_the_end_of_its_line() -> None:
    doc = group("a", Trailing("  # one"), ",", indent(SPACE, "b"), Trailing("  # two"))
    assert lay_out(doc) == "a,  # one\n  b  # two"


def test_what_is_aligned_stands_below_its_beginning() -> None:
    assert lay_out(("when ", group(align("a", HARD, "b", indent(HARD, "c"))))) == (
        f"when a\n{' ' * 5}b\n{' ' * (5 + INDENT)}c"
    )


def test_a_blank_line_holds_no_blanks() -> None:
    assert lay_out(indent("a", BLANK, "b")) == "a\n\n  b"
