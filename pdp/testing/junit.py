"""The report of a run as JUnit XML, as build servers read it. Knows nothing of how tests are run.

The dialect is the one of Maven Surefire that the common readers share: `testsuites`, `testsuite`, `testcase`,
and within it `failure` or `error`. An assert is a test case of the suite `asserts`.
"""

from __future__ import annotations

import re
from itertools import groupby
from xml.etree import ElementTree as Xml

from pdp.access.decision import failure_words
from pdp.testing.asserts import Counterexample
from pdp.testing.report import Report
from pdp.testing.run import Result, listed, outcome

# What XML 1.0 cannot hold, not even escaped (production 2, Char).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """The XML document, one suite a module in the order of the tests."""
    root = Xml.Element("testsuites", _counts("pdp test", report.results, report.seconds))
    by_module = groupby(sorted(report.results, key=_module), key=_module)
    for module, results in by_module:
        _suite(root, report, module, tuple(results))
    _asserts(root, report)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _module(result: Result) -> str:
    return result.trial.module


def _suite(root: Xml.Element, report: Report, module: str, results: tuple[Result, ...]) -> None:
    suite = Xml.SubElement(root, "testsuite", _counts(module, results, sum(r.seconds for r in results)))
    for result in results:
        path, line, _ = report.place(result.trial.span)
        case = Xml.SubElement(
            suite,
            "testcase",
            classname=_clean(module),
            name=_clean(result.trial.label),
            file=_clean(path),
            line=str(line),
            time=f"{result.seconds:.6f}",
        )
        if result.status != "passed":
            kind = "failure" if result.status == "failed" else "error"
            problem = Xml.SubElement(case, kind, message=_clean("; ".join(result.problems)))
            problem.text = _clean(f"{path}:{line}\n" + "\n".join(told(result)))


def told(result: Result) -> list[str]:
    """What was decided, line by line: outcome and rules, reasons, failures."""
    decision = result.decision
    if decision is None:
        return list(result.problems)
    lines = [f"decided {outcome(decision)} by {listed(decision.rules)}"]
    lines += [f"reason {r.rule}: {r.because}" for r in decision.reasons if r.because]
    lines += [f"failure {f.rule}: {failure_words(f.kind, f.what)}" for f in decision.failures]
    return lines


def _asserts(root: Xml.Element, report: Report) -> None:
    if not report.asserts:
        return
    broken: dict[str, list[Counterexample]] = {}
    for found in report.findings.counterexamples:
        broken.setdefault(found.assertion.identity, []).append(found)
    tests, failures = str(len(report.asserts)), str(len(broken))
    suite = Xml.SubElement(root, "testsuite", name="asserts", tests=tests, failures=failures, errors="0")
    for assertion in report.asserts:
        path, line, _ = report.place(assertion.span)
        name = assertion.identity
        case = Xml.SubElement(
            suite, "testcase", classname="asserts", name=name, file=_clean(path), line=str(line)
        )
        if name in broken:
            message = f"does not hold for {len(broken[name])} of the tests' requests"
            Xml.SubElement(case, "failure", message=message).text = _clean(
                "\n".join(f"{e.result.trial.module}: {e.result.trial.label}" for e in broken[name])
            )


def _counts(name: str, results: tuple[Result, ...], seconds: float) -> dict[str, str]:
    return {
        "name": _clean(name),
        "tests": str(len(results)),
        "failures": str(sum(r.status == "failed" for r in results)),
        "errors": str(sum(r.status == "error" for r in results)),
        "time": f"{seconds:.3f}",
    }


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
