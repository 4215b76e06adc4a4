"""Section 1: files and names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from language_examples.said import ANYONE, SCHEMA, checked, codes, decided
from pdp.load import MAX_RULES, check_folder, load

RULES = [f'forbid {name} {{ action "order.*" because "{name}" }}' for name in "abc"]


def test_a_file_is_utf_8_with_lines_that_end_in_lf_or_crlf(tmp_path: Path) -> None:
    text = 'forbid a {\n  caller "ünïcödé" # ☂\n  because "x"\n}\n'
    (tmp_path / "lf.policy").write_bytes(text.encode())
    (tmp_path / "crlf.policy").write_bytes(text.replace("\n", "\r\n").encode())
    lf, crlf = check_folder(tmp_path).policies.rules
    assert lf.head == crlf.head


@pytest.mark.parametrize("where", ["# {}", 'let a = "{}"', "let a = {}1"])
@pytest.mark.parametrize("character", "\0\a\u200b\u202e\u2066\ufeff\ue000\r\u2028\x85")
def test_what_cannot_be_seen_is_refused_with_its_place(where: str, character: str) -> None:
    (found,) = checked(where.format(character)).diagnostics
    assert (found.code, found.span.start) == ("PDP102", where.index("{"))


def test_a_file_is_a_module_named_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "teams").mkdir()
    (tmp_path / "teams" / "ledger.policy").write_text('let office = "x" forbid a { because "x" }')
    (tmp_path / "top.policy").write_text('use teams.ledger forbid b { caller ledger.office because "x" }')
    assert [rule.identity for rule in load(tmp_path).rules] == ["teams.ledger.a", "top.b"]


@pytest.mark.parametrize(("use", "name"), [("use teams.ledger", "ledger"), ("use teams.ledger as l", "l")])
def test_use_gives_the_lets_defs_and_schema_of_a_module(use: str, name: str) -> None:
    ledger = "schema { resource entry { amount: int } } let one = 1 def above(n: int) = resource.amount > n"
    text = f'{use} forbid a {{ resource entry when {name}.above({name}.one) because "x" }}'
    assert codes(text, teams__ledger=ledger) == []
    assert codes(text.replace(f"{name}.", "other."), teams__ledger=ledger) == ["PDP201", "PDP201"]


def test_a_resource_type_is_named_by_the_module_whose_schema_declares_it_or_by_itself() -> None:
    ledger = "schema { resource entry { amount: int } }"
    text = 'use teams.ledger forbid a { resource {} "e-*" when resource.amount > 1 because "x" }'
    test = 'test "t" { resource {} "e-1" { amount: 2 } expect deny by a }'
    dotted, plain = (
        checked((text + test).replace("resource {}", f"resource {name}"), teams__ledger=ledger)
        for name in ("ledger.entry", "entry")
    )
    assert dotted.diagnostics == plain.diagnostics == ()
    assert [rule.head for rule in dotted.policies.rules] == [rule.head for rule in plain.policies.rules]
    assert [case.resource for case in dotted.policies.cases] == [{"type": "entry", "id": "e-1", "amount": 2}]
    for wrong, code in (("other.entry", "PDP201"), ("ledger.order", "PDP208")):
        assert codes(text.replace("{}", wrong, 1), teams__ledger=ledger) == [code]
    assert codes(text.replace("{}", "ledger.entry", 1), teams__ledger="schema { resource") == ["PDP113"]


def test_a_circle_of_use_is_an_error_that_shows_the_circle() -> None:
    (found,) = checked("use b", b="use c", c="use m").diagnostics
    assert found.code == "PDP204"
    assert "`b` uses `c` uses `m` uses `b`" in found.message


@pytest.mark.parametrize("entry", ["resource order", "context", "caller"])
def test_what_is_declared_in_two_modules_has_one_type(entry: str) -> None:
    def declares(type: str) -> str:
        return f"schema {{ {entry} {{ mark: {type} }} }}"

    assert codes(declares("int"), other=declares("int")) == []
    assert codes(declares("int"), other=declares("string")) == ["PDP209"]
    assert codes(declares("int"), other=declares("int").replace("mark", "other")) == []


@given(st.permutations(RULES), st.permutations(["x", "y"]))
def test_identities_and_decisions_stay_when_rules_and_files_are_reordered(
    rules: list[str], files: list[str]
) -> None:
    others = dict.fromkeys(files, RULES[0])
    made = decided(f"{SCHEMA}{' '.join(rules)}", **others)
    assert made.rules == ("m.a", "m.b", "m.c", "x.a", "y.a")
    assert made.reasons == decided(f"{SCHEMA}{' '.join(RULES)}", x=RULES[0], y=RULES[0]).reasons


def test_a_rule_is_unique_by_its_module_and_name() -> None:
    assert codes(RULES[0], other=RULES[0]) == []
    assert codes(RULES[0] * 2) == ["PDP206"]


def test_tests_speak_of_rules_of_their_module_by_the_short_name() -> None:
    text = f'{RULES[0]} test "t" {{ action "order.x" expect deny by a }}'
    assert checked(text).policies.cases[0].expect.rules == ("m.a",)
    text = 'use m test "t" { action "order.x" expect deny by m.a }'
    assert checked(RULES[0], other=text).policies.cases[0].expect.rules == ("m.a",)


def test_comments_and_line_breaks_mean_nothing_and_clauses_need_no_separators() -> None:
    spread = 'forbid # who\na\n{\n\ncaller\nhuman # kind\naction "x"\n,"y"because\n"z"\n}'
    assert (
        checked(spread).policies.rules[0].head
        == checked('forbid a{caller human action"x","y"because"z"}').policies.rules[0].head
    )


@pytest.mark.parametrize("name", ["a", "a1_", "over_limit"])
def test_a_name_is_lower_case_letters_digits_and_underscores(name: str) -> None:
    assert codes(f"let {name} = 1") == []


@pytest.mark.parametrize("name", ["A", "_a", "aB"])
def test_other_words_are_no_names(name: str) -> None:
    assert codes(f"let {name} = 1") == ["PDP106"]


def test_limits_are_diagnostics(tmp_path: Path) -> None:
    rule = f'forbid a {{ {ANYONE} when {{}} because "x" }}'
    assert codes(rule.replace("{}", "not " * 64 + "true")) == []
    assert codes(rule.replace("{}", "not " * 65 + "true")) == ["PDP108"]
    members = ",".join(map(str, range(10_001)))
    assert codes(f"let a = [{members[:-6]}]") == []
    assert codes(f"let a = [{members}]") == ["PDP110"]
    (tmp_path / "m.policy").write_text("#" * (1 << 20))
    assert check_folder(tmp_path).diagnostics == ()
    (tmp_path / "m.policy").write_text("#" * (1 << 20) + "#")
    assert [found.code for found in check_folder(tmp_path).diagnostics] == ["PDP109"]
    assert MAX_RULES == 100_000
