"""The table made of the grammar: kept as it is made, and run as the parser generator runs its own."""

from __future__ import annotations

import json
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark, Transformer
from lark.exceptions import UnexpectedToken

from pdp.language import grammar as made
from pdp.language import parse as parsing
from pdp.language.build import Build, Refused
from pdp.language.lex import Token, lex
from pdp.language.source import Source, Span
from pdp.language.table import END, Unfit, fitting, run

GRAMMAR = Path(__file__).parents[2] / "grammar" / "policy.lark"
KEPT = GRAMMAR.with_suffix(".json")
POLICY = """
use teams.ledger as l
schema { caller { team?: string } action "e.*" { dry: bool } resource r { s: set<"a" | "b">, m: map<int>, } }
let a = [1, 2.5, 5m, 2026-01-01, "x"]
def fresh(limit: duration, b: bool) = not credential.bound and -1 + 2 * 3 <= limit ?? 4
@owner("o") @control("c", "d",)
permit p {
  caller   workload a, "b" in group "g", l.h
  audience any
  action   "x", "y"
  resource r "i"
  when     if (a or b).c["d"] then any x in xs: x == 1 else has resource.t
  unless   fresh(1, true,) or (all y in ys: y like "*")
  require  log { level: "high", "amount": resource.amount }
  because  "why"
}
forbid q { }
assert s { never allow when a in b because "c" }
fixture f { caller human "x" { team: "t" } credential { age: 1m } now 2026-01-01 }
test "t" using f, l.g {
  action "x" { dry: true } audience "a" resource r "i" { } task { } context { c: { d: 1 } }
  for x, y in [(1, allow), (2, deny),]
  expect deny by p, l.q reason no_rule require log
}
"""


class Reference(Build, Transformer):
    """The builders of nodes, as the generator calls them."""

    type = module = None


@cache
def generator() -> Lark:
    return Lark(
        GRAMMAR.read_text(), parser="lalr", lexer="basic", start=["module", "declaration"],
        keep_all_tokens=True, maybe_placeholders=False, transformer=Reference(),
    )  # fmt: skip


def by_generator(tokens: list[Token]) -> object:
    """What its own loop makes of a declaration; where it fails, the place and what could stand there."""
    parser = generator().parse_interactive(start="declaration")
    value = None
    for at, token in enumerate((*tokens, Token(END, "", Span("", 0, 0)))):
        try:
            value = parser.feed_token(token)
        except UnexpectedToken:
            accepted = parser.accepts()
            # A declaration that is whole already can only end; its own loop looks for that one step earlier.
            state = parser.parser_state
            return at, accepted | {END} if state.position == state.parse_conf.end_state else accepted
        except Refused as refused:
            return refused.diagnostic
    return value


def by_table(tokens: list[Token]) -> object:
    table = parsing._table()
    try:
        return run(tokens, table)
    except Unfit as unfit:
        at = tokens.index(unfit.token) if unfit.token in tokens else len(tokens)
        return at, fitting(unfit.states, table)
    except Refused as refused:
        return refused.diagnostic


def declarations(text: str) -> list[list[Token]]:
    source = Source("m.policy", "m", text)
    tokens, _, _ = lex(source, made.grammar().keywords)
    return list(parsing._chunks(source, tokens))


LEGAL = declarations(POLICY)
TOKENS = sorted({token.type: token for token in chain(*LEGAL)}.values(), key=lambda token: token.type)


@st.composite
def nearly_legal(draw: st.DrawFn) -> list[Token]:
    """A declaration with a few tokens more, fewer or others, each in a place of its own."""
    tokens = list(draw(st.sampled_from(LEGAL)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(tokens)))
        tokens[at : at + draw(st.integers(0, 2))] = draw(st.lists(st.sampled_from(TOKENS), max_size=2))
    return [Token(token.type, token.value, token.span) for token in tokens]


@pytest.mark.parametrize("tokens", LEGAL, ids=lambda tokens: tokens[0].value)
def test_the_table_builds_what_the_generator_builds(tokens):
    assert by_table(tokens) == by_generator(tokens)
    assert not isinstance(by_table(tokens), tuple)


@given(nearly_legal())
def test_the_table_stops_where_the_generator_stops_and_expects_the_same(tokens):
    assert by_table(tokens) == by_generator(tokens)


def test_what_stands_beside_the_grammar_is_made_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(made, "_made", lambda: tmp_path / "policy.json")
    made.keep()
    remedy = "make it anew: python -m pdp.language.grammar"
    assert (tmp_path / "policy.json").read_text() == KEPT.read_text(), remedy


@pytest.mark.parametrize(
    "kept",
    [None, b"", b"{}", b"[1, 2]", b"\xff", json.dumps(["0" * 64, {}, [], [], [], 0]).encode()],
    ids=["missing", "empty", "no list", "too short", "no text", "of another grammar"],
)
def test_what_cannot_be_used_is_made_anew(tmp_path, monkeypatch, kept):
    expected = made.grammar()
    file = tmp_path / "policy.json"
    if kept is not None:
        file.write_bytes(kept)
    monkeypatch.setattr(made, "_made", lambda: file)
    again = made.grammar.__wrapped__()
    assert json.dumps(again) == json.dumps(expected)


def test_line_ends_do_not_make_another_grammar():
    text = GRAMMAR.read_bytes()
    assert made._digest(text) == made._digest(text.replace(b"\n", b"\r\n"))
