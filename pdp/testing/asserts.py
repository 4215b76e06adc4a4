"""Asserts against test requests: every assert is tried on the request of every test.

Knows nothing of the requests that no test makes: to decide an assert for all of them is another command's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pdp.access.facts import Facts
from pdp.access.values import Failed
from pdp.rules.interpret import evaluate
from pdp.rules.rules import Assert
from pdp.testing.run import Result


@dataclass(frozen=True, slots=True)
class Counterexample:
    """An assert that does not hold, and the test whose request shows it."""

    assertion: Assert
    result: Result


@dataclass(frozen=True, slots=True)
class Findings:
    """`unmet`: asserts whose condition no test's request meets. They held because nobody asked."""

    counterexamples: tuple[Counterexample, ...]
    unmet: tuple[Assert, ...]


def examine(asserts: Sequence[Assert], results: Iterable[Result]) -> Findings:
    """Tries each assert on each result that has facts and a decision."""
    asked = [(r, r.facts, r.decision.decision) for r in results if r.facts is not None and r.decision]
    found: list[Counterexample] = []
    unmet: list[Assert] = []
    for assertion in asserts:
        wrong = "allow" if assertion.quantity == "never" else "deny"
        met = False
        for result, facts, decision in asked:
            if _speaks_of(assertion, facts):
                met = True
                if decision == wrong:
                    found.append(Counterexample(assertion, result))
        if not met:
            unmet.append(assertion)
    return Findings(tuple(found), tuple(unmet))


def _speaks_of(assertion: Assert, facts: Facts) -> bool:
    # A condition that has no value here is not true here: an assert about standing credentials says
    # nothing of a request without one.
    try:
        return evaluate(assertion.condition, facts) is True
    except Failed:
        return False
