"""The report as build servers read it."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as Xml

from pdp.testing.junit import junit

POLICY = """\
permit read { caller any audience "docs" action "read" when credential.bound because "Bound readers" }
forbid odd { action "read" when caller.kind == "anonymous" because "Nobody <reads> & \\"more\\"" }
assert closed { never allow when audience == "docs" because "x" }
assert open { always allow when audience == "other" }
test "passes" {
  caller workload "w" credential { binding: "mtls", age: 1m, lifetime: 5m } audience "docs" action "read"
  expect allow
}
test "fails" { audience "docs" action "read" expect allow }
"""


def test_each_module_is_a_suite_and_each_test_a_case(tested: Any) -> None:
    root = Xml.fromstring(junit(tested(POLICY)))
    assert root.attrib == {"name": "pdp test", "tests": "2", "failures": "1", "errors": "0", "time": "0.250"}
    suite = root.find("testsuite[@name='m']")
    assert suite is not None
    passes, fails = suite.findall("testcase")
    assert passes.find("failure") is None
    assert (fails.get("name"), fails.get("file"), fails.get("line")) == ("fails", "m.policy", "9")
    failure = fails.find("failure")
    assert failure is not None
    assert failure.get("message") == "expected allow, was decided deny (forbidden)"
    assert 'reason m.odd: Nobody <reads> & "more"' in (failure.text or "")


def test_asserts_are_a_suite_of_their_own(tested: Any) -> None:
    suite = Xml.fromstring(junit(tested(POLICY))).find("testsuite[@name='asserts']")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    broken, held = suite.findall("testcase")
    assert (broken.get("name"), held.get("name"), held.find("failure")) == ("m.closed", "m.open", None)
    failure = broken.find("failure")
    assert failure is not None
    assert failure.text == "m: passes"


def test_without_asserts_there_is_no_such_suite(tested: Any) -> None:
    assert Xml.fromstring(junit(tested("", "[]"))).find("testsuite") is None


def test_a_trial_that_could_not_run_is_an_error(tested: Any) -> None:
    root = Xml.fromstring(junit(tested("", "{}")))
    error = root.find("testsuite/testcase/error")
    assert error is not None
    assert error.get("message") == "a file of cases is a JSON list"


def test_characters_that_xml_cannot_hold_are_replaced(tested: Any) -> None:
    request = {"audience": "docs", "action": "read"}
    cases = json.dumps([{"name": "a\x01b\ufffe", "request": request, "expect": {"decision": "deny"}}])
    case = Xml.fromstring(junit(tested("", cases))).find("testsuite/testcase")
    assert case is not None
    assert case.get("name") == "a\ufffdb\ufffd"
