"""The report of a test run as people read it in a terminal. Knows nothing of how tests are run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby

from pdp.cli.terminal import Paint, count
from pdp.rules.rules import Rule
from pdp.testing.asserts import Counterexample
from pdp.testing.junit import told
from pdp.testing.report import Report
from pdp.testing.run import Result

# How many are named where naming all would bury the failures.
_FEW = 5


def text(report: Report, paint: Paint, *, place: str, every_rule: bool) -> str:
    """The report as lines of text. `place` is where the policies are, for hints; `every_rule` names all rules
    that are not exercised, and not just the first."""
    return "\n".join(_text(report, paint, place, every_rule))


def _text(report: Report, paint: Paint, place: str, every_rule: bool) -> Iterator[str]:
    for result in report.results:
        if result.status != "passed":
            yield from _failure(report, result, paint, place)
    broken = groupby(report.findings.counterexamples, key=lambda found: found.assertion)
    for _, found in broken:
        yield from _counterexamples(report, tuple(found), paint, place)
    if report.findings.unmet and report.coverage is not None:
        names = ", ".join(assertion.identity for assertion in report.findings.unmet)
        yield f"{paint('note:', 'doubt')} no test's request meets the condition of {names}"
    if report.coverage is not None:
        style = "bad" if every_rule else "doubt"
        few = None if every_rule else _FEW
        yield from _rules(report, report.coverage.never_applied, "no test lets apply", paint, style, few)
        yield from _rules(
            report, report.coverage.never_spared, "no test leaves not applying", paint, style, few
        )
    yield _summary(report, paint)


def _failure(report: Report, result: Result, paint: Paint, place: str) -> Iterator[str]:
    path, line, _ = report.place(result.trial.span)
    word = "FAILED" if result.status == "failed" else "ERROR"
    yield f"{paint(word, 'bad')} {paint(f'{path}:{line}', 'place')} {paint(result.trial.label, 'strong')}"
    for problem in result.problems:
        yield f"  {problem}"
    if result.decision is not None:
        for told_line in told(result):
            yield f"  {paint(told_line, 'faint')}"
        yield f"  why: {_command(result, place)}"
    yield ""


def _command(result: Result, place: str) -> str:
    return f"pdp explain --policies {_quoted(place)} --test {_quoted(result.trial.label)}"


def _quoted(text: str) -> str:
    """`text` as one word of a shell command."""
    if text and all(char.isalnum() or char in "/._-" for char in text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def _counterexamples(
    report: Report, found: Sequence[Counterexample], paint: Paint, place: str
) -> Iterator[str]:
    assertion = found[0].assertion
    path, line, _ = report.place(assertion.span)
    where = paint(f"{path}:{line}", "place")
    yield f"{paint('BROKEN', 'bad')} {where} assert {paint(assertion.identity, 'strong')}"
    because = f": {json.dumps(assertion.because, ensure_ascii=False)}" if assertion.because else ""
    yield f"  {assertion.quantity} allow{because}"
    for example in found[:_FEW]:
        path, line, _ = report.place(example.result.trial.span)
        yield f"  does not hold for {paint(f'{path}:{line}', 'place')} {example.result.trial.label}"
        for told_line in told(example.result):
            yield f"    {paint(told_line, 'faint')}"
        yield f"    why: {_command(example.result, place)}"
    if len(found) > _FEW:
        yield f"  and for {count(len(found) - _FEW, 'other test')}"
    yield ""


def _rules(
    report: Report, rules: Sequence[Rule], what: str, paint: Paint, style: str, few: int | None
) -> Iterator[str]:
    if not rules:
        return
    yield f"{paint(count(len(rules), 'rule'), style)} {what}:"
    for rule in rules[:few]:
        path, line, _ = report.place(rule.spans["name"])
        yield f"  {rule.identity} {paint(f'({path}:{line})', 'place')}"
    if few is not None and len(rules) > few:
        yield f"  and {count(len(rules) - few, 'other')} (`pdp test --coverage` names all)"


def _summary(report: Report, paint: Paint) -> str:
    if not report.results:
        return paint("no tests", "doubt")
    passed = len(report.of("passed"))
    parts = [paint(f"{passed:,} passed", "good" if report.passed else "strong")]
    for status, word in (("failed", "failed"), ("error", "could not run")):
        if report.of(status):
            parts.append(paint(f"{len(report.of(status)):,} {word}", "bad"))
    broken = {found.assertion.identity for found in report.findings.counterexamples}
    if broken:
        parts.append(paint(f"{count(len(broken), 'assert')} broken", "bad"))
    held = len(report.asserts) - len(broken)
    if held:
        parts.append(f"{count(held, 'assert')} held")
    if report.coverage is not None:
        missed = {rule.identity for rule in (*report.coverage.never_applied, *report.coverage.never_spared)}
        total = report.coverage.rules
        parts.append(f"{total - len(missed):,} of {count(total, 'rule')} exercised both ways")
    return f"{', '.join(parts)} in {report.seconds:.2f} s"
