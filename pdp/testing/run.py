"""One trial after the other: from what a test states to whether its expectation held.

Knows how to ask the compiled program. Knows nothing of files, terminals and report formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from pdp.access.decision import Decision
from pdp.access.facts import Facts
from pdp.access.request import Request, RequestError
from pdp.decide import decide
from pdp.gather import asserted, stated
from pdp.program.program import Program
from pdp.rules.rules import Case
from pdp.testing.cases import Asked, Expected, Trial

Status = Literal["passed", "failed", "error"]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a trial. `problems` are sentences: an expectation that did not hold, or why it could not run.

    `facts` and `decision` are None where there was no request to decide.
    """

    trial: Trial
    status: Status
    problems: tuple[str, ...]
    facts: Facts | None
    decision: Decision | None
    seconds: float


def run(program: Program, trials: Iterable[Trial]) -> Iterator[Result]:
    """Each trial's result, as soon as it is there."""
    for trial in trials:
        began = perf_counter()
        yield _run(program, trial, began)


def _run(program: Program, trial: Trial, began: float) -> Result:
    try:
        asked = question(program, trial)
    except RequestError as error:
        where = f"{error.pointer}: " if error.pointer else ""
        return Result(trial, "error", (f"{where}{error.detail}",), None, None, perf_counter() - began)
    request, facts = asked
    decision = decide(program, request, facts)
    problems = tuple(_problems(trial.expected, decision))
    status: Status = "failed" if problems else "passed"
    return Result(trial, status, problems, facts, decision, perf_counter() - began)


def question(program: Program, trial: Trial) -> tuple[Request, Facts]:
    """The request of a trial and its facts. Raises `RequestError` where it states what cannot be."""
    match trial.question:
        case Case() as case:
            return _request(case), stated(program, case)
        case Asked(request, now):
            return request, asserted(program, request, now=now)
        case None:
            raise RequestError("", trial.defect)


def _request(case: Case) -> Request:
    """The request that a test stands for. Its facts say all of it: this only names what was asked."""
    return Request(
        audience=case.audience,
        action=case.action["name"],
        action_attributes={},
        resource_type=case.resource.get("type", ""),
        resource_id=case.resource.get("id", ""),
        resource={},
        caller=None,
        credential=None,
        task=None,
        context={},
    )


def _problems(expected: Expected, decision: Decision) -> Iterator[str]:
    if expected.decision is not None and expected.decision != decision.decision:
        yield f"expected {expected.decision}, was decided {outcome(decision)}"
    if expected.rules is not None and set(expected.rules) != set(decision.rules):
        yield f"expected by {listed(expected.rules)}, was decided by {listed(decision.rules)}"
    if expected.code is not None and expected.code != decision.code:
        yield f"expected the code `{expected.code}`, was {f'`{decision.code}`' if decision.code else 'none'}"
    yield from _names("obligation", expected.obligations, [o.name for o in decision.obligations])
    yield from _names("failure of", expected.failures, [f.rule for f in decision.failures])


def _names(what: str, expected: tuple[str, ...] | None, found: list[str]) -> Iterator[str]:
    if expected is not None and set(expected) != set(found):
        yield f"expected the {what} {listed(expected)}, was {listed(found)}"


def outcome(decision: Decision) -> str:
    """A decision in a word or two: `allow`, `deny (no_rule)`."""
    return decision.decision if decision.code is None else f"{decision.decision} ({decision.code})"


def listed(names: Iterable[str]) -> str:
    """Names as a sentence shows them, sorted; `none` when there are none."""
    return ", ".join(f"`{name}`" for name in sorted(set(names))) or "none"
