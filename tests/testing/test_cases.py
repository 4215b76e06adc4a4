"""How a file of JSON cases becomes trials, and how one that is wrong says where and why."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pdp.access.request import RequestError
from pdp.language.source import Source
from pdp.testing.cases import NOW, Asked, parse_cases, parse_time, read_cases, selected

CASE: dict[str, Any] = {
    "name": "anyone reads",
    "request": {"audience": "ledger", "action": "entry.read"},
    "expect": {"decision": "deny", "rules": [], "code": "no_rule", "obligations": [], "failures": []},
}


def trials(text: str) -> Any:
    return parse_cases(Source("a.cases.json", "a", text))


def defect(**changes: Any) -> str:
    case = {name: value for name, value in {**CASE, **changes}.items() if value is not ...}
    (trial,) = trials(json.dumps([case]))
    assert trial.question is None
    return str(trial.defect)


def test_a_case_is_a_request_at_a_time_with_what_is_expected() -> None:
    (trial,) = trials(json.dumps([CASE]))
    assert trial.label == "anyone reads"
    assert isinstance(trial.question, Asked)
    assert trial.question.request.audience == "ledger"
    assert trial.question.now == NOW
    assert trial.expected.rules == ()
    assert trial.expected.code == "no_rule"


def test_what_is_not_expected_is_not_compared() -> None:
    (trial,) = trials(json.dumps([{**CASE, "expect": {"decision": "deny"}}]))
    assert trial.expected.rules is None
    assert trial.expected.failures is None


def test_now_is_taken_with_its_offset() -> None:
    (trial,) = trials(json.dumps([{**CASE, "now": "2026-11-24T10:00:00+02:00"}]))
    assert trial.question.now == datetime(2026, 11, 24, 8, tzinfo=UTC)


def test_each_case_stands_on_its_own_line() -> None:
    text = "[\n" + json.dumps(CASE) + ",\n  " + json.dumps({**CASE, "name": "two"}) + "\n]\n"
    source = Source("a.cases.json", "a", text)
    assert [source.place(t.span.start) for t in parse_cases(source)] == [(2, 1), (3, 3)]


def test_an_empty_list_has_no_cases() -> None:
    assert trials(" [ ] ") == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a file of cases is a JSON list"),
        ("{}", "a file of cases is a JSON list"),
        ("[", "not JSON in line 1 or below"),
        ("[\n\n{]", "not JSON in line 3 or below"),
        ("[1 2]", "a `,` or `]` is missing between cases"),
        ("[1] 2", "there is more behind the list of cases"),
        ("[1]", "a case is an object"),
        ('[{"name": "a", "name": "b"}]', "appears twice"),
        ("[" + "[" * 100_000, "not JSON in line 1 or below"),
    ],
)
def test_a_text_that_is_no_list_of_cases_is_a_defect(text: str, says: str) -> None:
    assert any(says in trial.defect for trial in trials(text)) or says == "appears twice"
    assert all(trial.question is None for trial in trials(text))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": ...}, "/name: a case has a name"),
        ({"name": ""}, "/name: a case has a name"),
        ({"note": 1}, "/note: there is no such member"),
        ({"request": ...}, "/request: is missing"),
        ({"expect": ...}, "/expect: is missing, or expects nothing"),
        ({"expect": {}}, "/expect: is missing, or expects nothing"),
        ({"expect": {"decision": "maybe"}}, "/expect/decision: is `allow` or `deny`"),
        ({"expect": {"code": 1}}, "/expect/code: is the name of a code, or null"),
        ({"expect": {"rules": "a"}}, "/expect/rules: is a list of names"),
        ({"expect": {"rules": [1]}}, "/expect/rules: is a list of names"),
        ({"expect": {"outcome": "deny"}}, "/expect/outcome: there is no such member"),
        ({"now": "noon"}, "/now: is a date"),
        ({"now": "2026-11-24T10:00:00"}, "/now: is a date"),
        ({"now": 3}, "/now: is a date"),
        ({"request": {"audience": "ledger"}}, "action"),
    ],
)
def test_a_case_that_is_wrong_names_the_member(changes: dict[str, Any], says: str) -> None:
    assert says in defect(**changes)


def test_a_day_is_its_first_instant_in_utc() -> None:
    assert parse_time("2026-11-24") == datetime(2026, 11, 24, tzinfo=UTC)
    with pytest.raises(RequestError):
        parse_time("0001-01-01T00:00:00+14:00")


def test_files_are_found_below_the_folder_in_order_but_not_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.cases.json", "a/x.cases.json", ".hidden.cases.json", ".git/y.cases.json", "c.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps([CASE]))
    found, sources = read_cases(tmp_path)
    assert [trial.module for trial in found] == ["a.x", "b"]
    assert list(sources) == [str(tmp_path / "a/x.cases.json"), str(tmp_path / "b.cases.json")]


def test_one_file_is_its_own_cases_and_a_policy_file_has_none(tmp_path: Path) -> None:
    (tmp_path / "b.cases.json").write_text(json.dumps([CASE]))
    (tmp_path / "b.policy").write_text("")
    assert len(read_cases(tmp_path / "b.cases.json")[0]) == 1
    assert read_cases(tmp_path / "b.policy")[0] == ()


def test_bytes_that_are_not_utf_8_are_a_defect(tmp_path: Path) -> None:
    (tmp_path / "b.cases.json").write_bytes(b"[\xff]")
    ((trial,), _) = read_cases(tmp_path)
    assert trial.defect == "the file is not UTF-8"


def test_trials_are_selected_by_module_and_label_whatever_the_case() -> None:
    found = trials(json.dumps([CASE, {**CASE, "name": "Batch writes"}]))
    assert [t.label for t in selected(found, "batch")] == ["Batch writes"]
    assert len(selected(found, "a: ")) == 2
