"""That a node's span holds all of its text."""

from __future__ import annotations

import pytest

from pdp.language import syntax
from pdp.language.parse import parse
from pdp.language.source import Source


@pytest.mark.parametrize(
    "text", ["(a or b) and c", "a and (b or c)", "not (a in b)", "(a)", "(a + b) * (c - d)", "(a).b"]
)
def test_parentheses_at_the_ends_belong_to_it(text: str) -> None:
    source = Source("m.policy", "m", f"let x = {text}\n")
    module, found = parse(source)
    (declaration,) = module.declarations
    assert isinstance(declaration, syntax.Let)
    span = declaration.value.span
    assert not found
    assert source.text[span.start : span.end] == text
