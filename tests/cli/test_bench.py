"""`pdp bench` on the small estate: what it asks and tells. How fast anything was is nobody's promise here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pdp.cli.asked import Asked, given, requests_of_tests
from pdp.cli.bench import LANES
from pdp.cli.pace import Lane, measure
from pdp.cli.policies import Place, locate, serving
from pdp.decide import decide
from pdp.point import OPERATOR, DecisionPoint

BRIEFLY = ("--seconds", "0.1")
REQUEST: dict[str, Any] = {"audience": "ledger", "action": "entry.read"}


def test_the_requests_of_all_tests_are_measured_in_three_ways(run: Any) -> None:
    result = run("bench", *BRIEFLY)
    assert result.exit_code == 0
    for lane in LANES.values():
        assert f"\n {lane} " in result.output or f"\n{lane} " in result.output
    assert "4 rules loaded in " in result.output
    assert "7 requests of the tests in policies\n" in result.output
    # One has no action, and one is no test at all.
    assert "note: 2 tests left out: no rule is asked" in result.output


def test_the_measurement_as_json(run: Any) -> None:
    document = json.loads(run("bench", "policies", *BRIEFLY, "--format", "json").output)
    assert document["policies"]["rules"] == 4
    assert document["requests"] == {"count": 7, "left_out": 2}
    for lane in LANES:
        pace = document[lane]
        assert 0 < pace["p50_ns"] <= pace["p99_ns"] <= pace["max_ns"]
        assert pace["of_yardstick"] == pytest.approx(
            document["yardstick"]["per_second"] / pace["per_second"], rel=0.01, abs=1e-4
        )


def test_some_tests_are_selected_by_their_names(run: Any) -> None:
    document = json.loads(run("bench", *BRIEFLY, "-k", "REVERSAL", "-f", "json").output)
    assert document["requests"] == {"count": 2, "left_out": 0}


def test_one_request_may_be_given_instead(run: Any, estate: Path) -> None:
    # What is wrong in tests does not matter then.
    (estate / "policies/broken.test.policy").write_text("test {")
    result = run("bench", *BRIEFLY, "-r", "-", input=json.dumps(REQUEST).encode())
    assert result.exit_code == 0
    assert "1 request of standard input\n" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-k", "nothing at all"), "no test holds `nothing at all` in its name"),
        (("-k", "misspelt"), "no test in `policies` makes a request"),
        (("-k", "large", "-r", "-"), "give one of `--request` and `-k`"),
        (("--now", "2026-01-01"), "a test says itself what time it is"),
        (("-r", "nowhere.json"), "cannot read `nowhere.json`"),
        (("nowhere",), "there is no `nowhere`"),
    ],
)
def test_nothing_to_measure_is_wrong_usage(run: Any, arguments: tuple[str, ...], says: str) -> None:
    result = run("bench", *BRIEFLY, *arguments, input=b"{}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"audience": "ledger"}, "the request is not valid: /action is missing"),
        ({**REQUEST, "task": "t-9"}, "the request is refused before any rule is asked: task_unknown"),
    ],
)
def test_a_request_that_no_rule_is_asked_about_is_not_measured(
    run: Any, request_: dict[str, Any], says: str
) -> None:
    result = run("bench", *BRIEFLY, "-r", "-", input=json.dumps(request_).encode())
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_errors_in_policies_are_told_instead(run: Any, estate: Path) -> None:
    (estate / "policies/broken.policy").write_text("permit {")
    result = run("bench", *BRIEFLY)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "policies/broken.policy:1" in result.stderr


@pytest.fixture
def place(estate: Path) -> Place:
    return locate(None, None)


def test_a_test_and_the_request_made_of_it_are_decided_alike(place: Place) -> None:
    # No rule of this estate asks for evidence that cannot be asserted.
    program = serving(place)
    point = DecisionPoint(program, place.settings)
    asked, _ = requests_of_tests(place, "")
    assert {_decided(point, one) for one in asked} == {"allow", "deny"}
    for one in asked:
        assert (
            decide(program, one.request, one.facts)
            == point.evaluate(one.request, OPERATOR, now=one.now).decision
        )


def _decided(point: DecisionPoint, one: Asked) -> str:
    answer: str = json.loads(point.answer(one.body, OPERATOR, now=one.now))["decision"]
    return answer


def test_a_given_request_is_asked_at_the_given_time(place: Place) -> None:
    program = serving(place)
    now = requests_of_tests(place, "")[0][0].now
    assert given(place, program, json.dumps(REQUEST).encode(), now).facts.now == now


def test_every_lane_is_called_with_all_its_arguments() -> None:
    called: list[tuple[str, int]] = []
    lanes = {
        name: Lane(lambda number, name=name: called.append((name, number)), [(1,), (2,), (3,)])
        for name in ("a", "b")
    }
    paces = measure(lanes, 0.01)
    assert paces.keys() == {"a", "b"}
    for name in lanes:
        numbers = [number for lane, number in called if lane == name]
        assert numbers == [1, 2, 3] * (len(numbers) // 3)
