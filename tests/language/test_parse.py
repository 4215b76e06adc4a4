"""From text to tree: nothing is raised, a mistake costs one declaration and is told once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from language.trees import OPERATORS
from language.written import POLICIES, declarations, source
from pdp.language import syntax as s
from pdp.language.build import MAX_MEMBERS
from pdp.language.depth import MAX_DEPTH
from pdp.language.format import format
from pdp.language.parse import MAX_BYTES, decode, keywords, parse
from pdp.language.source import Span

WRITTEN = declarations()


def value(text: str) -> Any:
    """The tree of an expression."""
    tree, found = parse(source(f"let x = {text}"))
    assert found == ()
    (let,) = tree.declarations
    assert isinstance(let, s.Let)
    return let.value


def codes(text: str) -> list[str]:
    return [one.code for one in parse(source(text))[1]]


# ── any text at all ─────────────────────────────────────────────────────────────────────────────────


def holds(text: str) -> None:
    """What holds of every text: findings in order and within it, and a tree that can be laid out."""
    tree, found = parse(source(text))
    assert [one.span for one in found] == sorted(one.span for one in found)
    assert all(0 <= one.span.start <= one.span.end <= len(text) for one in found)
    if not found:
        assert parse(source(format(tree, source(text))))[0] == tree


@given(st.text(st.characters(exclude_categories=())))
@example('"')
@example("@")
@example("let x = 1e")
@example("assert { never")
@example("always")
def test_no_text_makes_it_raise(text: str) -> None:
    holds(text)


WORDS = (
    *keywords(),
    "as",
    "using",
    "by",
    "reason",
    "group",
    "never",
    "always",
    "set",
    "map",
    "workload",
    "x",
)
MARKS = (
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    "=",
    "==",
    ",",
    ":",
    ".",
    "?",
    "??",
    "|",
    "@",
    "-",
    "*",
    "&",
    '"',
)
PIECES = (*WORDS, *MARKS, '"a"', "1", "1.5", "5m", "2026-11-24", "# so\n", "\n", "\r", "\x00")


@given(st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_no_words_of_the_language_make_it_raise(text: str) -> None:
    holds(text)


@given(st.sampled_from(WRITTEN), st.data())
def test_no_damage_to_a_policy_makes_it_raise(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 8, len(text))))
    holds(text[:start] + data.draw(st.sampled_from(("", *PIECES))) + text[end:])


@given(st.binary())
@example(b"\xef\xbb\xbflet a = 1")
@example("let a = '\ud800'".encode(errors="surrogatepass"))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    read, found = decode("m.policy", "m", data)
    assert len(found) == (data.startswith(b"\xef\xbb\xbf") or read.text.encode() != data)
    parse(read)


# ── files ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_crlf_means_what_lf_means(path: Any) -> None:
    text = path.read_text()
    assert parse(source(text.replace("\n", "\r\n"))) == parse(source(text))


def test_where_a_file_is_not_utf_8_the_rest_is_read_all_the_same() -> None:
    read, (found,) = decode("m.policy", "m", b'let a = "\xc3\xa9\xff\xfe"\nlet b = 2')
    assert (found.code, found.span) == ("PDP111", Span("m.policy", 10, 11))
    assert len(parse(read)[0].declarations) == 2


def test_a_byte_order_mark_is_refused_and_left_out() -> None:
    read, (found,) = decode("m.policy", "m", b"\xef\xbb\xbflet a = 1")
    assert (found.code, read.text) == ("PDP114", "let a = 1")


def test_a_file_has_at_most_a_mebibyte() -> None:
    assert decode("m.policy", "m", b" " * MAX_BYTES)[1] == ()
    read, (found,) = decode("m.policy", "m", b" " * (MAX_BYTES + 1))
    assert (found.code, read.text) == ("PDP109", "")


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────────

TOKENS = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*|\d[\w:.+-]*|\w+|[=!<>]=|\?\?|\S')


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A declaration that somebody wrote, with a token too many or one missing behind its first."""
    # Behind its dot the module `test` is a name, and without the dot it begins a test.
    text = draw(st.sampled_from([one for one in WRITTEN if not one.startswith("use")]))
    tokens = [one for one in TOKENS.finditer(text) if not one[0].startswith("#")]
    token = draw(st.sampled_from(tokens[1:]))
    too_many = draw(st.sampled_from(("", "", "x", ",", "=", ")", "(", "{", "}", "1", "&&", "\x00", "é")))
    return text[: token.start()] + too_many + (" " + token[0] if too_many else "") + text[token.end() :]


@given(
    st.lists(st.sampled_from(WRITTEN), max_size=3), damaged(), st.lists(st.sampled_from(WRITTEN), max_size=3)
)
def test_a_mistake_costs_its_declaration_and_none_before_or_after(
    before: list[str], wrong: str, after: list[str]
) -> None:
    whole = parse(source("\n".join((*before, *after))))[0].declarations
    found = parse(source("\n".join((*before, wrong, *after))))[0].declarations
    assert found[: len(before)] == whole[: len(before)]
    assert found[len(found) - len(after) :] == whole[len(before) :]


@given(damaged())
def test_a_mistake_is_told_once(text: str) -> None:
    assert len(codes(text)) <= 1


@pytest.mark.parametrize(
    ("text", "expected", "declared"),
    [
        ("permit {\n}\nlet a = 1", ["PDP101"], "a"),
        ("permit x {\n  when (b and\n\nlet a = 1", ["PDP113"], "a"),
        ("let x = [1, (2\nlet a = 3\nlet x = (4", ["PDP113", "PDP113"], "a"),
        ("let a = 1 let let x = 2 let b = 3", ["PDP101"], "ab"),
        ("let permit = 1 let a = 1", ["PDP101"], "a"),
        ("let\nlet a = 1", ["PDP101"], "a"),
        ('@owner("a") permi x {}\npermit a {}', ["PDP101"], "a"),
        ("@owner permit x {}\npermit a {}", ["PDP101"], "a"),
        ('@owner("a"\npermit x {}\nlet a = 1', ["PDP101"], "a"),
        ('@owner("a")\nlet a = 1', ["PDP101"], "a"),
        ('let a = "x\nlet b = 1', ["PDP103"], "b"),
        ("let x = b && c or d\nlet a = 1", ["PDP112"], "a"),
        ("let x = b o\u200br c\nlet a = 1", ["PDP102"], "a"),
        ("let x = b >\0= c\nlet a = 1", ["PDP102"], "a"),
        ("let x = # b\0\n]\nlet a = 1", ["PDP102", "PDP101"], "a"),
        ('let x = "\0" ]\nlet a = 1', ["PDP102", "PDP101"], "a"),
        ("let a = 01\nlet b = 1", ["PDP105"], "b"),
        ('let x = "\\q"\nlet a = 1', ["PDP104"], "a"),
        ('let x = "\0"\nlet a = 1', ["PDP102"], "a"),
        ("let x = 2026-13-01\nlet a = 1", ["PDP107"], "a"),
        ("let a = 1 # \0\nlet b = 1", ["PDP102"], "ab"),
        ("let x = 1 }\nlet a = 2", ["PDP101"], "a"),
    ],
)
def test_what_follows_a_mistake_is_read(text: str, expected: list[str], declared: str) -> None:
    tree, found = parse(source(text))
    assert [one.code for one in found] == expected
    assert [one.name.text for one in tree.declarations if isinstance(one, s.Let | s.Rule)] == list(declared)


def test_what_would_have_been_declared_is_known() -> None:
    text = "let a = \ndef b( = 1\nuse c.d as\nuse e as 1\npermit f\nschema { x }\nfixture g {\nlet = 1"
    assert parse(source(text))[0].lost == {"a", "b", "c", "d", "e", "f", "g", "schema"}
    # Also where the word for it is misspelled, or the declaration before it lost with it.
    text = "lett a = 1\nuse b\nSchema { caller { c: int } }\npremit d {\n}\nlet lett = ("
    assert parse(source(text))[0].lost == {"a", "b", "d", "lett", "schema"}


# ── expressions ─────────────────────────────────────────────────────────────────────────────────────


def shape(node: Any) -> str:
    """An expression with all its parentheses."""
    match node:
        case s.Binary():
            return f"({shape(node.left)} {node.operator} {shape(node.right)})"
        case s.Not():
            return f"(not {shape(node.operand)})"
        case s.Negate():
            return f"(-{shape(node.operand)})"
        case s.Has():
            return f"(has {shape(node.operand)})"
        case s.If():
            return f"(if {shape(node.condition)} then {shape(node.then)} else {shape(node.otherwise)})"
        case s.Quantifier():
            return f"({node.kind} {node.variable.text} in {shape(node.over)}: {shape(node.condition)})"
        case s.Attribute():
            return f"{shape(node.object)}.{node.name.text}"
        case s.Index():
            return f"{shape(node.object)}[{shape(node.key)}]"
        case s.Call():
            return f"{node.function.text}({', '.join(map(shape, node.arguments))})"
        case _:
            return str(getattr(node, "text", "b"))


LOOSER = (("or",), ("and",), ("==", "!=", "<", "<=", ">", ">=", "in", "like"), ("??",), ("+", "-"), ("*",))
LEVEL = {operator: level for level, operators in enumerate(LOOSER) for operator in operators}


@pytest.mark.parametrize("first", OPERATORS)
@pytest.mark.parametrize("second", OPERATORS)
def test_of_two_operators_the_tighter_takes_what_stands_between(first: str, second: str) -> None:
    text = f"a {first} b {second} c"
    left, right = f"((a {first} b) {second} c)", f"(a {first} (b {second} c))"
    if LEVEL[first] == LEVEL[second] == LEVEL["=="]:
        (found,) = parse(source(f"let x = {text}"))[1]
        assert found.hint == "comparisons do not chain: join two with `and`"
    elif LEVEL[first] == LEVEL[second]:
        assert shape(value(text)) == (right if first == "??" else left)
    else:
        assert shape(value(text)) == (left if LEVEL[first] > LEVEL[second] else right)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not a and b", "((not a) and b)"),
        ("not a == b", "(not (a == b))"),
        ("not not a", "(not (not a))"),
        ("has a.b and c", "((has a.b) and c)"),
        ('has a["b"].c', "(has a[b].c)"),
        ("-a * b", "((-a) * b)"),
        ("a - -b", "(a - (-b))"),
        ("-a.b", "(-a.b)"),
        ("f(a)[b].c", "f(a)[b].c"),
        ("l.f(a or b, c,)", "l.f((a or b), c)"),
        ("if a then b else c or d", "(if a then b else (c or d))"),
        ("if a then if b then c else d else e", "(if a then (if b then c else d) else e)"),
        ("any x in xs: x and y", "(any x in xs: (x and y))"),
        ("all x in a ?? b: any y in x: y", "(all x in (a ?? b): (any y in x: y))"),
        ("(any x in xs: x) and y", "((any x in xs: x) and y)"),
        ("caller.when.permit", "caller.when.permit"),
    ],
)
def test_how_other_expressions_hang_together(text: str, expected: str) -> None:
    assert shape(value(text)) == expected


@pytest.mark.parametrize("text", ["a and if b then c else d", "a or any x in xs: x", "not all x in xs: x"])
def test_what_reaches_far_right_stands_in_parentheses_where_it_is_an_operand(text: str) -> None:
    ((found),) = parse(source(f"let x = {text}"))[1]
    assert re.fullmatch(r"put the `(if|any|all)` in parentheses", found.hint)


@pytest.mark.parametrize("text", ["1(2)", "(a or b)(c)", "a(b)(c)"])
def test_only_a_name_is_called(text: str) -> None:
    (found,) = parse(source(f"let x = {text}"))[1]
    assert found.message == "only a function can be called"


@pytest.mark.parametrize("text", ['"a" | int', "int | string", '{ a: int } | "b"'])
def test_only_texts_make_an_enum(text: str) -> None:
    (found,) = parse(source(f"schema {{ context {{ a: {text} }} }}"))[1]
    assert found.message == "only texts stand on both sides of `|`"


@pytest.mark.parametrize(
    "nest", ["not {}", "-{}", "({}).a", "[{}]", "f({})", "a + ({})", "if a then b else {}"]
)
def test_expressions_nest_to_a_limit(nest: str) -> None:
    text = "x"
    while "PDP108" not in codes(f"forbid a {{ when {text} }}"):
        text, last = nest.format(text), text
    assert MAX_DEPTH - 1 <= last.count(nest.partition("{}")[0]) <= MAX_DEPTH
    (found,) = parse(source(f"forbid a {{ when {text} }}"))[1]
    assert found.message == f"this nests deeper than {MAX_DEPTH} levels"


def test_nothing_is_too_deep_to_be_refused() -> None:
    assert codes("let a = " + "(" * 100_000) == ["PDP113"]
    assert codes("let a = " + "not " * 20_000 + "b") == ["PDP108"]
    assert codes("let a = b" + " + b" * 20_000) == ["PDP108"]
    assert codes("schema { context { a: " + "set<" * 20_000 + "int" + ">" * 20_000 + " } }") == ["PDP108"]


def test_a_set_has_a_limited_number_of_members() -> None:
    assert codes(f"let a = [{'1,' * MAX_MEMBERS}]") == []
    assert codes(f"let a = [{'1,' * MAX_MEMBERS} 1]") == ["PDP110"]


# ── places ──────────────────────────────────────────────────────────────────────────────────────────


def children(node: s.Node) -> Iterator[s.Node]:
    for field in fields(node):
        inner = getattr(node, field.name)
        yield from (
            one for one in (inner if isinstance(inner, tuple) else (inner,)) if isinstance(one, s.Node)
        )


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_every_node_stands_within_the_one_around_it(path: Any) -> None:
    text = path.read_text()
    nodes: list[s.Node] = [parse(source(text))[0]]
    for node in nodes:  # grows as it is gone over
        for child in children(node):
            assert node.span.start <= child.span.start < child.span.end <= node.span.end
            nodes.append(child)
        if isinstance(node, s.Name):
            assert text[node.span.start : node.span.end].strip('"') == node.text
        if isinstance(node, s.Comment):
            assert text[node.span.start : node.span.end] == node.text
