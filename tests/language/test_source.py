"""Places in a text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pdp.language.source import Source

TEXTS = st.text(st.sampled_from("ab\r\n\té😀"))


@given(TEXTS, st.data())
def test_a_place_is_a_line_and_a_column_that_count_from_1(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    line, column = Source("a", "a", text).place(offset)
    assert line == text.count("\n", 0, offset) + 1
    assert column == len(text[:offset].rpartition("\n")[2]) + 1


def test_a_place_behind_the_end_is_the_end() -> None:
    assert Source("a", "a", "x\ny").place(99) == (2, 2)


@given(TEXTS)
def test_lines_come_without_their_ends(text: str) -> None:
    source = Source("a", "a", text)
    lines = [source.line(number) for number in range(1, text.count("\n") + 2)]
    assert lines == [line.rstrip("\r") for line in text.split("\n")]
