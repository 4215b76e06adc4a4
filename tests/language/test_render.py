"""Findings as people and machines read them. What text looks like is kept in `rendered/`."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.language import render
from pdp.language.diagnostic import Diagnostic, Severity
from pdp.language.parse import decode, parse
from pdp.language.source import Source, Span

MISTAKES = """\
permit {
  caller any
}

let office = [ip("10.0.0.0/8") ip("10.1.0.0/16")]

permit export {
\tcaller   workload "a" "漢字 und é" "b"
  whn      now > 2026-13-01
}

forbid all_of_it {
  when credential.age = 5m
  because 'not so'
"""


def found(text: str, path: str = "teams/ledger.policy") -> tuple[tuple[Diagnostic, ...], dict[str, Source]]:
    source = Source(path, "teams.ledger", text)
    return parse(source)[1], {path: source}


def shown(text: str, start: int, end: int, **fields: Any) -> str:
    """The text of a finding about `start` to `end` in a file."""
    sources = {"a.policy": Source("a.policy", "a", text)}
    one = Diagnostic("PDP301", Span("a.policy", start, end), "this is wrong", **fields)
    return render.text([one], sources, color=False)


# ── text ────────────────────────────────────────────────────────────────────────────────────────────


def test_every_finding_has_its_place_its_line_and_its_cure(golden: Any) -> None:
    golden("rendered/mistakes.txt", render.text(*found(MISTAKES), color=False) + "\n")


def test_colour_adds_colour_and_nothing_else(golden: Any) -> None:
    colored = render.text(*found(MISTAKES), color=True)
    plain = colored
    for code in ("0", "1", "1;31", "1;33", "33", "36"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == render.text(*found(MISTAKES), color=False)
    golden("rendered/colour.txt", colored.partition("\n\n")[0].replace("\x1b", "ESC") + "\n")


def test_what_cannot_be_seen_is_spelled_out(golden: Any) -> None:
    lines = (
        'let a = "x\u202ey"', "let b = \0 1", "let c =\u00a02", "# \x1b[31mred\x1b[0m\r gone",
        'let d = "e\u0301\u200d" 1',
    )  # fmt: skip
    golden("rendered/unseen.txt", render.text(*found("\n".join(lines)), color=False) + "\n")


def test_of_a_long_line_what_stands_around_the_place_is_shown(golden: Any) -> None:
    members = ", ".join(f'"member {number}"' for number in range(100))
    lines = [f"let a = [{members}, , 1]", f"let b = x y[{members}]", f"let c = [{members}] y"]
    golden("rendered/long.txt", render.text(*found("\n".join(lines)), color=False) + "\n")


def test_a_finding_of_several_lines_shows_the_first_and_the_last(golden: Any) -> None:
    text = "permit a {\n  caller any\n  when x and\n       y # so\n}\r\nlet b = 1\n"
    whole, condition = (0, text.index("}") + 1), (text.index("x"), text.index("y #") + 1)
    up_to_line_end = (text.index("}"), text.index("let"))
    told = [shown(text, *span) for span in (whole, condition, up_to_line_end)]
    golden("rendered/lines.txt", "\n\n".join(told) + "\n")


def test_a_finding_about_a_file_shows_no_line_of_it() -> None:
    source, problems = decode("a.policy", "a", b"\xef\xbb\xbflet a = 1")
    assert render.text(problems, {"a.policy": source}, color=False) == (
        "error[PDP114]: the file begins with a byte order mark\n"
        "  ┌─ a.policy:1:1\n"
        "  = hint: save it as UTF-8 without one"
    )


def test_a_finding_without_a_source_is_told_all_the_same() -> None:
    one = Diagnostic("PDP216", Span("", 0, 0), "there are too many rules", "use fewer", "warning")
    told = "warning[PDP216]: there are too many rules\n  = hint: use fewer"
    assert render.text([one], {}, color=False) == told
    assert json.loads(render.json([one], {}))["diagnostics"][0]["line"] == 1


def test_without_findings_there_is_no_text() -> None:
    assert render.text([], {}, color=True) == ""
    assert render.github([], {}) == ""


def test_a_caret_stands_at_a_place_where_nothing_is() -> None:
    assert shown("let a =", 7, 7).endswith("1 │ let a =\n  │        ^")
    assert shown("let a =\n\n", 9, 9).endswith("3 │\n  │ ^")


@pytest.mark.parametrize(
    ("before", "columns"),
    [("\t", 4), ("a\t", 4), ("abcd\t", 8), ("漢\t", 4), ("漢字", 4), ("e\u0301", 1), ("😀", 2)],
)
def test_carets_stand_where_a_terminal_has_the_text(before: str, columns: int) -> None:
    last = shown(f"{before}xy", len(before), len(before) + 2).rpartition("\n")[2]
    assert last == f"  │ {' ' * columns}^^"


@given(
    st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=109),
    st.data(),
)
def test_carets_stand_below_what_is_wrong(line: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(line) - 1))
    end = data.draw(st.integers(start + 1, len(line)))
    *_, above, carets = shown(f"{line}\n", start, end).split("\n")
    assert above == f"1 │ {line}"
    assert carets == "  │ " + " " * start + "^" * (end - start)


ANY = st.text(st.characters(exclude_categories=()))
SEVERITIES: st.SearchStrategy[Severity] = st.sampled_from(("error", "warning"))


@st.composite
def findings(draw: st.DrawFn) -> tuple[list[Diagnostic], dict[str, Source]]:
    """Findings anywhere in a text of any characters, with any words."""
    path, text = draw(ANY), draw(ANY | st.lists(ANY).map("\n".join))
    spans = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(sorted)
    codes = st.sampled_from(("PDP101", "PDP201", "PDP402"))
    made = st.builds(
        lambda span, *words: Diagnostic(words[0], Span(path, *span), *words[1:]),
        spans, codes, ANY, ANY, SEVERITIES,
    )  # fmt: skip
    return draw(st.lists(made)), {path: Source(path, "m", text)}


@given(findings())
def test_no_character_that_does_not_print_reaches_a_terminal(given: Any) -> None:
    for written in (render.text(*given, color=False), render.github(*given)):
        assert all(character.isprintable() or character == "\n" for character in written)


# ── JSON and SARIF ──────────────────────────────────────────────────────────────────────────────────


def test_json_has_every_finding_with_its_places(golden: Any) -> None:
    golden("rendered/mistakes.json", render.json(*found(MISTAKES)) + "\n")


@given(findings())
def test_json_gives_back_what_was_found(given: Any) -> None:
    diagnostics, sources = given
    written = render.json(diagnostics, sources)
    assert all(" " <= character <= "~" or character == "\n" for character in written)
    for one, told in zip(diagnostics, json.loads(written)["diagnostics"], strict=True):
        assert (told["code"], told["path"], told["message"]) == (one.code, one.span.path, one.message)
        assert (told["hint"] or "", told["severity"]) == (one.hint, one.severity)
        place = sources[one.span.path].place
        assert (told["line"], told["column"]) == place(one.span.start)
        assert (told["end_line"], told["end_column"]) == place(one.span.end)


def test_sarif_has_a_run_with_its_rules_and_results(golden: Any) -> None:
    golden("rendered/mistakes.sarif", render.sarif(*found(MISTAKES)) + "\n")


@given(findings())
def test_every_result_of_sarif_has_its_rule_and_a_region(given: Any) -> None:
    diagnostics, sources = given
    (run,) = json.loads(render.sarif(diagnostics, sources))["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted({one.code for one in diagnostics})
    for one, result in zip(diagnostics, run["results"], strict=True):
        assert (result["ruleId"], rules[result["ruleIndex"]]) == (one.code, one.code)
        assert result["level"] == one.severity
        region = result["locations"][0]["physicalLocation"]["region"]
        start, end = (region["startLine"], region["startColumn"]), (region["endLine"], region["endColumn"])
        assert (1, 1) <= start <= end


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("teams/ledger.policy", "teams/ledger.policy"),
        ("a b/ü#?.policy", "a%20b/%C3%BC%23%3F.policy"),
        ("c:d.policy", "c%3Ad.policy"),
        ("/etc/pdp/a b.policy", "file:///etc/pdp/a%20b.policy"),
    ],
)
def test_a_path_in_sarif_is_a_uri(path: str, uri: str) -> None:
    one = Diagnostic("PDP101", Span(path, 0, 0), "wrong")
    (run,) = json.loads(render.sarif([one], {}))["runs"]
    location = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": uri}
    assert PurePosixPath(unquote(urlparse(uri).path)) == PurePosixPath(path)


# ── GitHub ──────────────────────────────────────────────────────────────────────────────────────────


def test_github_gets_a_command_a_finding(golden: Any) -> None:
    golden("rendered/mistakes.github", render.github(*found(MISTAKES)) + "\n")


def test_what_would_end_a_property_or_a_command_is_escaped() -> None:
    path = "a,b:c%.policy"
    one = Diagnostic("PDP101", Span(path, 0, 0), "100 % of\r\n::error::this", "a: b, c", "warning")
    assert render.github([one], {path: Source(path, "m", "x")}) == (
        "::warning file=a%2Cb%3Ac%25.policy,line=1,col=1,endLine=1,endColumn=1,title=PDP101"
        "::100 %25 of<U+000D><U+000A>::error::this%0Ahint: a: b, c"
    )


def test_columns_of_two_lines_are_left_out_for_github() -> None:
    one = Diagnostic("PDP101", Span("a", 0, 3), "wrong")
    assert render.github([one], {"a": Source("a", "a", "x\ny")}) == (
        "::error file=a,line=1,endLine=2,title=PDP101::wrong"
    )
