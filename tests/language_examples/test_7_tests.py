"""Section 7: tests, fixtures, tables, and cases in JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from language_examples.said import ANYONE, REQUEST, SCHEMA, checked, codes
from pdp.access.facts import Facts
from pdp.language.source import Source
from pdp.load import check_folder, compile, load
from pdp.settings import Settings
from pdp.testing.cases import parse_cases, written
from pdp.testing.run import Result, run

YES = f"permit yes {{ {ANYONE} require log {{}} }}"
NO = 'forbid no { action "x" because "x" }'


def results(text: str, **others: str) -> list[Result]:
    found = checked(text, **others)
    return list(run(compile(found), Settings(), written(found.policies.cases)))


def facts(clauses: str) -> Facts:
    """What a test with these clauses states."""
    (result,) = results(f'{SCHEMA}{YES} test "t" {{ {clauses} expect allow }}')
    assert result.facts is not None
    return result.facts


@pytest.mark.parametrize(
    ("clauses", "passes"),
    [
        ("expect allow", True),
        ("expect deny", False),
        ("expect allow by yes", True),
        ('action "x" expect deny by no', True),
        ('action "x" expect deny by no reason forbidden', True),
        ('action "x" expect deny reason no_rule', False),
        ("expect allow require log", True),
        ("expect allow by yes require log", True),
    ],
)
def test_a_test_expects_a_decision_rules_a_code_and_obligations(clauses: str, passes: bool) -> None:
    (result,) = results(f'{YES} {NO} test "t" {{ {clauses} }}')
    assert result.status == ("passed" if passes else "failed")


def test_what_a_test_leaves_out_has_the_safest_value() -> None:
    found = facts("")
    assert (found.caller["kind"], found.caller["id"], found.caller["groups"]) == (
        "anonymous",
        "",
        frozenset(),
    )
    assert (found.credential["form"], found.credential["bound"]) == ("none", False)
    assert found.task == {"active": False}
    assert found.resource == {"type": "", "id": ""}
    assert found.context == {}
    assert found.now == datetime(2026, 1, 1, tzinfo=UTC)
    assert facts("now 2026-11-24T10:00:00Z").now == datetime(2026, 11, 24, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stated", "member", "expected"),
    [
        ("", "form", "jwt"),
        ("", "verified", True),
        ("", "uses", 0),
        ("", "sources", 1),
        ("", "remaining", timedelta(minutes=4)),
        ("", "bound", False),
        ("", "standing", True),
        (', binding: "dpop"', "bound", True),
        (', binding: "dpop"', "standing", False),
        (', form: "jwt_svid", verified: false, uses: 2, sources: 3', "uses", 2),
        (', scopes: ["read"]', "scopes", frozenset({"read"})),
    ],
)
def test_a_credential_states_evidence_and_the_rest_follows(stated: str, member: str, expected: Any) -> None:
    assert facts(f"credential {{ age: 1m, lifetime: 5m{stated} }}").credential[member] == expected


def test_age_and_lifetime_must_be_there_and_what_follows_is_not_stated() -> None:
    assert codes('test "t" { credential { age: 1m } expect deny }') == ["PDP506"]
    for member in ("bound: true", "remaining: 4m", "standing: false"):
        text = f'test "t" {{ credential {{ age: 1m, lifetime: 5m, {member} }} expect deny }}'
        assert codes(text) == ["PDP504"]


@pytest.mark.parametrize(
    ("ends", "active"),
    [
        ("expires_in: 5m", True),
        ("expires_in: 0s", False),
        ("expires: 2026-01-01T00:00:01Z", True),
        ("expires: 2026-01-01", False),
    ],
)
def test_a_task_is_active_while_its_end_is_in_the_future(ends: str, active: bool) -> None:
    assert facts(f"task {{ {ends} }}").task["active"] is active
    assert codes('test "t" { task { owner: "a" } expect deny }') == ["PDP506"]


@pytest.mark.parametrize("now", ['"2026-11-24T10:00:00Z"', "5m", "1795478400"])
def test_now_is_a_timestamp_and_nothing_that_a_request_would_write_for_one(now: str) -> None:
    told = codes(f'test "t" {{ now {now} expect deny }}')
    assert told in (["PDP505"], ["PDP101"])


def test_fixtures_are_shared_record_by_record_and_the_own_clauses_of_a_test_win() -> None:
    (result,) = results(f"""{SCHEMA}{YES}
    fixture order {{ caller human "alice" {{ team: "a" }} resource order "o-1" {{ amount: 1, note: "n" }} }}
    fixture late  {{ now 2026-12-24 resource order {{ amount: 2 }} }}
    test "t" using order, late {{ caller human {{ team: "b" }} expect allow }}
    """)
    assert result.facts is not None
    assert result.facts.resource == {"type": "order", "id": "o-1", "amount": 2, "note": "n"}
    assert (result.facts.caller["id"], result.facts.caller["team"]) == ("alice", "b")
    assert result.facts.now == datetime(2026, 12, 24, tzinfo=UTC)


def test_each_row_of_a_table_is_a_test_and_a_failure_names_its_row() -> None:
    found = results(f"""{SCHEMA}{YES}
    forbid large {{ resource order when resource.amount > 10_000 because "x" }}
    test "big amounts" {{
      for amount, outcome in [(10, allow), (20_000, deny), (5, deny)]
      resource order {{ amount: amount }}
      expect   outcome
    }}""")
    assert [(result.trial.label, result.status) for result in found] == [
        ("big amounts [1: 10, allow]", "passed"),
        ("big amounts [2: 20_000, deny]", "passed"),
        ("big amounts [3: 5, deny]", "failed"),
    ]


def test_a_test_file_sees_the_module_that_it_uses_and_a_server_never_loads_it(tmp_path: Path) -> None:
    (tmp_path / "shop.policy").write_text(f'{NO} fixture x {{ action "x" }}')
    (tmp_path / "shop.test.policy").write_text('use shop test "t" using x { expect deny by shop.no }')
    found = check_folder(tmp_path)
    assert found.diagnostics == ()
    assert [result.status for result in run(compile(found), Settings(), written(found.policies.cases))] == [
        "passed"
    ]
    assert len(load(tmp_path).rules) == 1
    (tmp_path / "shop.test.policy").write_text("use nonsense (")
    assert len(load(tmp_path).rules) == 1


@pytest.mark.parametrize(
    ("case", "status"),
    [
        ({"expect": {"decision": "allow"}}, "passed"),
        ({"expect": {"decision": "deny"}}, "failed"),
        ({"expect": {"rules": ["m.yes"]}}, "passed"),
        ({"expect": {"rules": []}}, "failed"),
        ({"expect": {"rules": ["m.yes", "m.other"]}}, "failed"),
        ({"expect": {"code": None}}, "passed"),
        ({"expect": {"code": None}, "action": "x"}, "failed"),
        ({"expect": {"code": "no_rule"}}, "failed"),
        ({"expect": {"code": ""}}, "error"),
        ({"expect": {"obligations": []}}, "failed"),
        ({"expect": {"failures": ["m.yes"]}}, "failed"),
        ({"expect": {"obligations": ["log"], "failures": []}}, "passed"),
        ({"expect": {"decision": "deny", "code": "forbidden", "rules": ["m.no"]}, "action": "x"}, "passed"),
        ({"expect": {"decision": "deny", "code": "task_unknown"}, "task": "t-9"}, "passed"),
        ({"expect": {"decision": "deny", "code": "credential_expired"}, "age": "9m"}, "passed"),
        ({"expect": {"decision": "allow"}, "now": "2027-01-01T00:00:00Z"}, "passed"),
        ({"expect": {"outcome": "allow"}}, "error"),
        ({"expect": {}}, "error"),
        ({"expect": {"decision": "allow"}, "comment": "no such member"}, "error"),
    ],
)
def test_json_cases_run_in_the_same_harness(case: dict[str, Any], status: str) -> None:
    request = {name: member for name, member in REQUEST.items() if name != "task"}
    request |= {name: case.pop(name) for name in ("action", "task") if name in case}
    if "age" in case:
        request["credential"] = {"asserted": {"age": case.pop("age"), "lifetime": "5m"}}
    text = json.dumps([{"name": "it", "request": request, **case}])
    program = compile(checked(f"{SCHEMA}{YES} {NO}"))
    (result,) = run(program, Settings(), parse_cases(Source("m.cases.json", "m", text)))
    assert result.status == status
