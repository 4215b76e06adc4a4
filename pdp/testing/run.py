"""One trial after the other: from what a test states to whether its expectation held.

Knows how to ask the compiled program. Knows nothing of files, terminals and report formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, assert_never

from pdp.access.decision import FORBIDDEN, NO_RULE, Decision
from pdp.access.facts import Facts
from pdp.access.request import Request, RequestError
from pdp.decide import decide
from pdp.evidence.refusals import EvidenceError
from pdp.gather import stated
from pdp.point import OPERATOR, DecisionPoint, check_expiry, denial
from pdp.program.program import Program
from pdp.rules.rules import Case
from pdp.settings import Settings
from pdp.testing.cases import Asked, Expected, Trial

Status = Literal["passed", "failed", "error"]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a trial. `problems` are sentences: what was expected in vain, or why it could not run.

    `decision` is None where there was no request to decide, `facts` also where no rule was asked.
    """

    trial: Trial
    status: Status
    problems: tuple[str, ...]
    facts: Facts | None
    decision: Decision | None
    seconds: float


def run(program: Program, settings: Settings, trials: Iterable[Trial]) -> Iterator[Result]:
    """Each trial's result, as soon as it is there. `settings` are those that the policies are served with."""
    point = DecisionPoint(program, settings)
    for trial in trials:
        yield _run(point, settings, trial)


def ask(program: Program, settings: Settings, trial: Trial) -> tuple[Facts | None, Decision]:
    """What is decided on a trial, and its facts. Raises `RequestError` where it states what cannot be."""
    return _ask(DecisionPoint(program, settings), settings, trial)


def _run(point: DecisionPoint, settings: Settings, trial: Trial) -> Result:
    began = perf_counter()
    try:
        facts, decision = _ask(point, settings, trial)
    except RequestError as error:
        where = f"{error.pointer} " if error.pointer else ""
        return Result(trial, "error", (f"{where}{error.detail}",), None, None, perf_counter() - began)
    problems = tuple(_problems(trial.expected, decision))
    status: Status = "failed" if problems else "passed"
    # Of a request that was refused no rule was asked: it shows nothing about rules and asserts.
    asked = facts if decision.code in (None, NO_RULE, FORBIDDEN) else None
    return Result(trial, status, problems, asked, decision, perf_counter() - began)


def _ask(point: DecisionPoint, settings: Settings, trial: Trial) -> tuple[Facts | None, Decision]:
    match trial.question:
        case Case() as case:
            facts = stated(point.program, case, standing_after=settings.standing.after)
            try:
                check_expiry(facts)
            except EvidenceError as refused:
                return facts, denial(refused.code, point.program.digest)
            return facts, decide(point.program, _request(case), facts)
        case Asked(request, now):
            answer = point.evaluate(request, OPERATOR, now=now)
            return answer.facts, answer.decision
        case None:
            raise RequestError("", trial.defect)
        case _:
            assert_never(trial.question)


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
    if expected.code is not None and expected.code != (decision.code or ""):
        wanted = f"the code `{expected.code}`" if expected.code else "no code"
        yield f"expected {wanted}, was {f'`{decision.code}`' if decision.code else 'none'}"
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
