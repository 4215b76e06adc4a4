"""Literals, names and the characters that a policy may hold."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from language.written import source
from pdp.language import syntax as s
from pdp.language.diagnostic import Diagnostic
from pdp.language.parse import keywords, parse


def value(text: str) -> Any:
    tree, found = parse(source(f"let x = {text}"))
    assert found == ()
    (let,) = tree.declarations
    assert isinstance(let, s.Let)
    return let.value


def mistake(text: str) -> tuple[str, Diagnostic]:
    """The one finding about an expression, and the text that it points at."""
    whole = f"let x = {text}"
    (found,) = parse(source(whole))[1]
    return whole[found.span.start : found.span.end], found


# ── literals ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("true", s.Bool(True)),
        ("false", s.Bool(False)),
        ("0", s.Int(0)),
        ("10_000", s.Int(10_000)),
        ("9223372036854775808", s.Int(2**63)),
        ("1" + "0" * 50, s.Int(10**40)),
        ("-3", s.Negate(s.Int(3))),
        ("0.75", s.Float(0.75)),
        ("1_0.5", s.Float(10.5)),
        ("1e3", s.Float(1000.0)),
        ("2.5e-3", s.Float(0.0025)),
        ("1E+2", s.Float(100.0)),
        ("500ms", s.Duration(timedelta(milliseconds=500))),
        ("90s", s.Duration(timedelta(seconds=90))),
        ("5m", s.Duration(timedelta(minutes=5))),
        ("1h30m", s.Duration(timedelta(minutes=90))),
        ("7d", s.Duration(timedelta(days=7))),
        ("1d2h3m4s5ms", s.Duration(timedelta(1, 2 * 3600 + 3 * 60 + 4, milliseconds=5))),
        ("2026-11-24", s.Timestamp(datetime(2026, 11, 24, tzinfo=UTC))),
        ("2026-11-24T10:00:00Z", s.Timestamp(datetime(2026, 11, 24, 10, tzinfo=UTC))),
        ("2026-11-24T10:00:00.25Z", s.Timestamp(datetime(2026, 11, 24, 10, 0, 0, 250_000, tzinfo=UTC))),
        ("2026-11-24T10:00:00+02:00", s.Timestamp(datetime(2026, 11, 24, 8, tzinfo=UTC))),
        ('""', s.Text("")),
        ('"a # b"', s.Text("a # b")),
        (r'"\" \\ \n \t \u{1F600} \u{e9}"', s.Text('" \\ \n \t 😀 é')),
        (r'"a\*b\\*"', s.Text(r"a\*b\*")),
        ('"ünï 漢 😀"', s.Text("ünï 漢 😀")),
    ],
)
def test_literals(text: str, node: s.Node) -> None:
    assert value(text) == node


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("01", "PDP105", "01"),
        ("1__0", "PDP105", "1__0"),
        ("1_", "PDP105", "1_"),
        ("0x1f", "PDP105", "0x1f"),
        ("1e999", "PDP105", "1e999"),
        ("5w", "PDP105", "5w"),
        ("1m2h", "PDP105", "1m2h"),
        ("1.5h", "PDP105", "1.5h"),
        ("999999999999d", "PDP105", "999999999999d"),
        ("2026-13-01", "PDP107", "2026-13-01"),
        ("2026-02-29", "PDP107", "2026-02-29"),
        ("2026-11-24T10:00", "PDP107", "2026-11-24T10:00"),
        ("2026-11-24T10:00:00", "PDP107", "2026-11-24T10:00:00"),
        ("2026-11-24t10:00:00z", "PDP107", "2026-11-24t10:00:00z"),
        ("2026-11-24T25:00:00Z", "PDP107", "2026-11-24T25:00:00Z"),
        ("0001-01-01T00:00:00+01:00", "PDP107", "0001-01-01T00:00:00+01:00"),
        (r'"a\x"', "PDP104", r"\x"),
        (r'"\u1F600"', "PDP104", r"\u"),
        (r'"\u{110000}"', "PDP104", r"\u{110000}"),
        (r'"\u{D800}"', "PDP104", r"\u{D800}"),
        (r'"\u{}"', "PDP104", r"\u{}"),
        (r'"\u{ 41}"', "PDP104", r"\u{ 41}"),
        (r'"\u{41"', "PDP104", r"\u{41"),
        ('"no end', "PDP103", '"no end'),
        ('"no end   \n', "PDP103", '"no end'),
        ("'single'", "PDP112", "'single'"),
        ("“curly”", "PDP112", "“curly”"),
        ("1 ;", "PDP112", ";"),
        ("1 // 2", "PDP112", "//"),
        ("a && b", "PDP112", "&&"),
        ("!a", "PDP112", "!"),
        ("Word", "PDP106", "Word"),
        ("_a", "PDP106", "_a"),
        ("aB", "PDP106", "aB"),
    ],
)
def test_what_is_no_literal_is_told_once_at_its_place(text: str, code: str, at: str) -> None:
    pointed, found = mistake(text)
    assert (found.code, pointed) == (code, at)


@pytest.mark.parametrize("escape", ['"', "\\", "n", "t", "*", "u{1F600}"])
def test_every_escape_can_follow_another(escape: str) -> None:
    assert value(f'"\\{escape}\\{escape}"').value == value(f'"\\{escape}"').value * 2


# ── characters ──────────────────────────────────────────────────────────────────────────────────────

HIDDEN = st.characters(categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"), exclude_characters="\n\t\r")
SHOWN = st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"), exclude_characters='"\\')
PLACES = ("# a{}b", 'let a = "a{}b"', "let a = 1{} ")


@given(HIDDEN, st.sampled_from(PLACES))
def test_what_nobody_can_see_is_refused_in_comments_and_texts_too(character: str, place: str) -> None:
    (found,) = parse(source(place.format(character)))[1]
    assert (found.code, found.span.start) == ("PDP102", place.index("{"))
    assert f"U+{ord(character):04X}" in found.message
    if unicodedata.category(character) != "Cs":
        assert value(found.hint.partition("`")[2].join('""').replace("`", "")).value == character


@given(SHOWN)
def test_every_other_character_may_stand_in_a_text_and_in_a_comment(character: str) -> None:
    tree, found = parse(source(f'# {character}\nlet a = "{character}"'))
    assert found == ()
    assert tree.comments[0].text == f"# {character}".rstrip()


@pytest.mark.parametrize("ends", ["\r\r\n", "\r", "a\rb"])
def test_a_carriage_return_ends_a_line_only_before_a_line_feed(ends: str) -> None:
    (found,) = parse(source(f"# {ends}"))[1]
    assert (found.code, found.hint) == ("PDP102", "lines end with LF or CRLF")


# ── words ───────────────────────────────────────────────────────────────────────────────────────────

CONTEXTUAL = ("as", "using", "by", "reason", "group", "never", "always", "set", "map", "workload", "human")


@pytest.mark.parametrize("word", keywords())
def test_a_word_of_the_language_names_nothing_but_what_stands_behind_a_dot_or_before_a_colon(
    word: str,
) -> None:
    (found,) = parse(source(f"let {word} = 1"))[1]
    assert found.hint == f"`{word}` is a word of the language"
    assert value(f"a.{word}") == s.Attribute(s.Name("a"), s.Name(word))
    text = f"schema {{ context {{ {word}: int, b: {{ {word}?: int }} }} }}\ndef f({word}: int, b: int) = b"
    assert parse(source(text))[1] == ()
    assert parse(source(f"forbid a {{ require b {{ {word}: 1, c: 2, {word}: 3 }} }}"))[1] == ()


@pytest.mark.parametrize("word", CONTEXTUAL)
def test_a_word_of_one_clause_names_anything_elsewhere(word: str) -> None:
    assert value(f"{word} + {word}.{word} < {word}") == s.Binary(
        "<",
        s.Binary("+", s.Name(word), s.Attribute(s.Name(word), s.Name(word))),
        s.Name(word),
    )
    text = f"""
    use {word}.a
    let {word} = 1
    def {word}({word}: {word}) = {word}(any {word} in {word}: {word} in {word})
    permit {word} {{ caller any {word} in group {word} audience {word} resource {word} {word} when {word}
      require {word} {{ {word}: {word} }} }}
    assert {word} {{ never allow when {word} }}
    fixture {word} {{ resource {word} {word} expect allow require {word} }}
    test "{word}" using {word} {{ for {word} in [({word})]
      expect {word} by {word} reason {word} require {word} }}
    """
    if word != "as":
        assert parse(source(text))[1] == ()


def test_a_kind_of_caller_is_one_behind_caller_only() -> None:
    text = 'forbid a { caller workload workload in group workload } test "b" { caller human human }'
    rule, test = parse(source(text))[0].declarations
    names = (s.Name("workload"),)
    assert rule == s.Rule((), "forbid", s.Name("a"), (s.CallerClause("workload", names, names),))
    assert test == s.Test(s.Text("b"), (), (s.TestCaller("human", s.Name("human"), None),))


def test_comments_are_kept_in_their_order_without_what_stands_behind_them() -> None:
    tree, _ = parse(source("#\n# one \t\nlet a = 1 # two\r\n#three"))
    assert [comment.text for comment in tree.comments] == ["#", "# one", "# two", "#three"]
