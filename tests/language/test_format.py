"""One layout: the text reads back as the same tree, formatting it again changes nothing, no comment is lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from language.trees import modules
from pdp.language.format import format
from pdp.language.lex import lex
from pdp.language.parse import _keywords, parse
from pdp.language.source import Source
from pdp.language.syntax import Module


def source(text: str) -> Source:
    return Source("m.policy", "m", text)


def formatted(text: str) -> str:
    tree, found = parse(source(text))
    assert found == ()
    return format(tree, source(text))


@settings(max_examples=60)
@given(modules)
def test_what_is_formatted_reads_back_as_the_same_tree(tree: Module) -> None:
    text = format(tree, source(""))
    assert parse(source(text)) == (tree, ())
    assert formatted(text) == text


blanks = st.sampled_from(
    (" ", " ", "\n", "\n\n\n", "\t", "  # a comment\n", "\n# on its own\n", "\n\n  # apart\n\n")
)


@settings(max_examples=60)
@given(modules, st.data())
def test_spaced(tree: Module, data: st.DataObject) -> None:
    text = format(tree, source(""))
    tokens, _, _ = lex(source(text), _keywords())
    out = data.draw(blanks)
    for token in tokens:
        out += text[token.span.start : token.span.end]
        out += data.draw(blanks) if token.type not in ("SET", "MAP") else " "
    tree1, found = parse(source(out))
    assert not found, out
    assert tree1 == tree
    new = format(tree1, source(out))
    tree2, found = parse(source(new))
    assert not found
    assert tree2 == tree
    assert sorted(c.text for c in tree2.comments) == sorted(c.text for c in tree1.comments)
    assert format(tree2, source(new)) == new
    assert all(line == line.rstrip() for line in new.split("\n"))
    assert "\n\n\n" not in new
