"""What a run of the tests found, as one value, and that value as JSON. Knows no terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdp.access.decision import Decision
from pdp.language.source import Source, Span
from pdp.rules.rules import Assert, PolicySet, Rule
from pdp.testing.asserts import Findings, examine
from pdp.testing.coverage import Coverage, coverage
from pdp.testing.run import Result


@dataclass(frozen=True, slots=True)
class Report:
    """Results in the order of the tests. `coverage` is None where only some of the tests were run."""

    results: tuple[Result, ...]
    findings: Findings
    asserts: tuple[Assert, ...]
    coverage: Coverage | None
    seconds: float
    sources: Mapping[str, Source]

    def of(self, status: str) -> tuple[Result, ...]:
        """The results of one status."""
        return tuple(result for result in self.results if result.status == status)

    @property
    def passed(self) -> bool:
        """Whether every expectation held and no assert was broken. A test that could not run did not pass."""
        return not self.findings.counterexamples and all(r.status == "passed" for r in self.results)

    def place(self, span: Span) -> tuple[str, int, int]:
        """Path, line and column of a span."""
        source = self.sources.get(span.path)
        line, column = (1, 1) if source is None else source.place(span.start)
        return span.path, line, column


def summarize(
    policies: PolicySet,
    results: Sequence[Result],
    sources: Mapping[str, Source],
    *,
    seconds: float,
    complete: bool,
) -> Report:
    """The report of a run. `complete`: all tests were run, so that what none of them did can be told."""
    asked = [result.facts for result in results if result.facts is not None]
    return Report(
        tuple(results),
        examine(policies.asserts, results),
        policies.asserts,
        coverage(policies.rules, asked) if complete else None,
        seconds,
        sources,
    )


def json_text(report: Report) -> str:
    """The report as one JSON document (two spaces of indent, members in a fixed order)."""
    return json.dumps(_document(report), indent=2, ensure_ascii=False)


def _document(report: Report) -> dict[str, Any]:
    found = report.coverage
    return {
        "passed": report.passed,
        "summary": {
            "tests": len(report.results),
            "passed": len(report.of("passed")),
            "failed": len(report.of("failed")),
            "errors": len(report.of("error")),
            "asserts": len(report.asserts),
            "seconds": round(report.seconds, 3),
        },
        "tests": [_test(report, result) for result in report.results],
        "counterexamples": [
            {
                "assert": c.assertion.identity,
                "claim": f"{c.assertion.quantity} allow",
                "because": c.assertion.because,
                "at": _at(report, c.assertion.span),
                "test": c.result.trial.label,
                "module": c.result.trial.module,
                "test_at": _at(report, c.result.trial.span),
                "decision": None if c.result.decision is None else _decision(c.result.decision),
            }
            for c in report.findings.counterexamples
        ],
        "asserts_no_test_meets": [a.identity for a in report.findings.unmet],
        "coverage": None
        if found is None
        else {
            "rules": found.rules,
            "never_applied": [_rule(report, rule) for rule in found.never_applied],
            "never_spared": [_rule(report, rule) for rule in found.never_spared],
        },
    }


def _test(report: Report, result: Result) -> dict[str, Any]:
    return {
        "module": result.trial.module,
        "name": result.trial.label,
        "at": _at(report, result.trial.span),
        "status": result.status,
        "problems": list(result.problems),
        "decision": None if result.decision is None else _decision(result.decision),
        "seconds": round(result.seconds, 6),
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "decision": decision.decision,
        "code": decision.code,
        "rules": list(decision.rules),
        "reasons": [{"rule": r.rule, "because": r.because} for r in decision.reasons],
        "obligations": [o.name for o in decision.obligations],
        "failures": [{"rule": f.rule, "kind": f.kind, "what": f.what} for f in decision.failures],
    }


def _rule(report: Report, rule: Rule) -> dict[str, Any]:
    return {"rule": rule.identity, "at": _at(report, rule.spans["name"])}


def _at(report: Report, span: Span) -> dict[str, Any]:
    path, line, column = report.place(span)
    return {"path": path, "line": line, "column": column}
