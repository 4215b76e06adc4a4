"""The requests that `pdp bench` measures: those of the tests, or a given one; each parsed, and as bytes.

Knows how a test's facts are put as a request, and nothing of time. Where there is no request to measure the
command ends with exit code 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pdp.cli.policies import Place, check_policies, deciding, sound
from pdp.cli.requests import refuse
from pdp.cli.terminal import stop

if TYPE_CHECKING:
    from pdp.access.facts import Facts
    from pdp.access.request import Request
    from pdp.program.program import Program
    from pdp.testing.cases import Trial


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, parsed and as bytes, with its facts and the time it is asked at."""

    request: Request
    facts: Facts
    body: bytes
    now: datetime


def given(place: Place, program: Program, body: bytes, now: datetime | None) -> Asked:
    """The request that `body` writes, which must be one that rules are asked about."""
    from pdp.access.decision import FORBIDDEN, NO_RULE
    from pdp.access.request import Request, RequestError
    from pdp.point import OPERATOR

    point = deciding(place, program)
    try:
        answer = point.evaluate(Request.parse(body, point.limits), OPERATOR, now=now)
    except RequestError as error:
        refuse(error)
    code = answer.decision.code
    if answer.facts is None or code not in (None, NO_RULE, FORBIDDEN):
        stop(f"the request is refused before any rule is asked: {code}")
    return Asked(answer.request, answer.facts, body, answer.now)


def requests_of_tests(place: Place, words: str) -> tuple[list[Asked], int]:
    """The requests of the tests whose name holds `words`, and how many of these tests make none."""
    from pdp.testing.cases import read_cases, selected, written

    checked = check_policies(place, serving=True)
    program = sound(checked)
    trials: Sequence[Trial] = (*written(checked.policies.cases), *read_cases(place.path)[0])
    if words:
        trials = selected(trials, words)
        if not trials:
            stop(f"no test holds `{words}` in its name")
    asked = list(_requests(place, program, trials))
    if not asked:
        stop(f"no test in `{place.path}` makes a request", "give one with `--request FILE`")
    return asked, len(trials) - len(asked)


def _requests(place: Place, program: Program, trials: Sequence[Trial]) -> Iterator[Asked]:
    from pdp.access.request import Request, RequestError
    from pdp.answer import encode_json
    from pdp.point import OPERATOR, DecisionPoint
    from pdp.testing.run import run

    point = DecisionPoint(program, place.settings)
    for result in run(program, place.settings, trials):
        # A test that cannot run, or whose request is refused, asks no rule.
        if result.facts is None:
            continue
        body = encode_json(_document(result.facts))
        try:
            request = Request.parse(body, point.limits)
            point.evaluate(request, OPERATOR, now=result.facts.now)
        except RequestError:
            # A test may leave out what a request must say.
            continue
        yield Asked(request, result.facts, body, result.facts.now)


def _document(facts: Facts) -> dict[str, Any]:
    """The request of which these facts are true, as far as facts can be asserted: evidence may be more."""
    from pdp.access.request import ASSERTED, TASK
    from pdp.answer import facts_record

    record = facts_record(facts)
    document = {"audience": record["audience"], "action": record["action"], "context": record["context"]}
    if record["caller"]["kind"] != "anonymous":
        document["caller"] = record["caller"]
    if record["credential"]["form"] != "none":
        stated = {name: value for name, value in record["credential"].items() if name in ASSERTED}
        document["credential"] = {"asserted": stated}
    if "expires" in record["task"]:
        document["task"] = {name: value for name, value in record["task"].items() if name in TASK}
    if record["resource"]["type"]:
        document["resource"] = record["resource"]
    return document
