"""The estate in `policies/`: large, clean and tested, and the whole language by example.

It is the manual of the language, so what the language has and the estate does not show is a gap in the
manual.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from inspect import getmembers, isclass
from pathlib import Path
from typing import Any

import pytest

from pdp.files import read_files
from pdp.language import syntax
from pdp.language.format import format
from pdp.language.parse import decode, parse
from pdp.language.source import Source
from pdp.load import Checked, check_folder, compile
from pdp.point import DecisionPoint
from pdp.rules.terms import In, Member, Quantify, Root, Term, parts
from pdp.schema import schema as builtin
from pdp.schema.functions import FUNCTIONS
from pdp.schema.types import BASIC, RecordOf
from pdp.settings import Settings, read
from pdp.testing.cases import Asked, read_cases, written
from pdp.testing.report import Report, summarize
from pdp.testing.run import run

ESTATE = Path(__file__).parent.parent / "policies"
# The day the estate was written. What is found in it must not depend on the day somebody runs the tests.
WRITTEN = datetime(2026, 11, 25, tzinfo=UTC)

OPERATORS = frozenset(("or", "and", "==", "!=", "<", "<=", ">", ">=", "in", "like", "??", "+", "-", "*"))
KINDS = frozenset((None, "any", *builtin.KINDS))
# The request that the README begins with, sent by a gateway on the same machine.
REQUEST: dict[str, Any] = {
    "caller": {"id": "spiffe://prod.example/ns/payments/sa/api", "kind": "workload", "groups": []},
    "credential": {"asserted": {"binding": "mtls", "age": "1m", "lifetime": "5m", "audiences": ["ledger"]}},
    "audience": "ledger",
    "action": "entry.create",
    "resource": {"type": "ledger_entry", "id": "e-1", "amount": 10, "currency": "EUR", "labels": []},
    "task": "t-1",
    "context": {"source_ip": "10.1.2.3"},
}


@dataclass(frozen=True, slots=True)
class Estate:
    """Everything there is to know of it, read once."""

    checked: Checked
    settings: Settings
    report: Report
    sources: tuple[Source, ...]
    trees: tuple[syntax.Module, ...]
    nodes: tuple[syntax.Node, ...]
    terms: tuple[Term, ...]

    def of(self, *kinds: type[syntax.Node]) -> list[Any]:
        """The nodes of these kinds."""
        return [node for node in self.nodes if isinstance(node, kinds)]


@pytest.fixture(scope="module")
def estate() -> Estate:
    checked = check_folder(ESTATE, today=WRITTEN)
    settings = read(ESTATE / "pdp.toml")
    cases, sources = read_cases(ESTATE)
    results = list(run(compile(checked), settings, (*written(checked.policies.cases), *cases)))
    report = summarize(checked.policies, results, checked.sources | sources, seconds=0, complete=True)
    decoded = [decode(file.path, file.module, file.data)[0] for file in read_files(ESTATE, tests=True)]
    trees = [parse(source)[0] for source in decoded]
    nodes = [node for tree in trees for node in _nodes(tree)]
    terms = [term for root in _roots(checked) for term in _terms(root)]
    return Estate(checked, settings, report, tuple(decoded), tuple(trees), tuple(nodes), tuple(terms))


def _nodes(node: syntax.Node) -> Iterator[syntax.Node]:
    yield node
    for part in fields(node):
        value = getattr(node, part.name)
        for child in value if isinstance(value, tuple) and part.name != "span" else (value,):
            if isinstance(child, syntax.Node):
                yield from _nodes(child)


def _roots(checked: Checked) -> Iterator[Term]:
    for rule in checked.policies.rules:
        yield from (condition.term for condition in rule.conditions)
        yield from (term for duty in rule.duties for _, term in duty.values)
    yield from (assertion.condition for assertion in checked.policies.asserts)


def _terms(term: Term) -> Iterator[Term]:
    yield term
    for part in parts(term):
        yield from _terms(part)


def _modules(estate: Estate) -> list[Source]:
    """The modules that a server loads."""
    return [source for source in estate.sources if not source.path.endswith(".test.policy")]


# What it holds, and that all of it holds.


def test_it_is_a_real_estate(estate: Estate) -> None:
    assert len(_modules(estate)) >= 8
    assert len(estate.checked.policies.rules) >= 80
    assert len(estate.report.results) >= 200
    assert len(estate.checked.policies.asserts) >= 10


def test_nothing_is_found_in_it(estate: Estate) -> None:
    assert estate.checked.diagnostics == ()


def test_each_test_passes_and_each_assert_holds(estate: Estate) -> None:
    assert [(r.trial.label, r.problems) for r in estate.report.results if r.status != "passed"] == []
    assert estate.report.findings.counterexamples == ()


def test_each_assert_speaks_of_some_test(estate: Estate) -> None:
    assert estate.report.findings.unmet == ()


def test_each_rule_is_exercised_both_ways(estate: Estate) -> None:
    assert estate.report.coverage is not None
    assert estate.report.coverage.never_applied == ()
    assert estate.report.coverage.never_spared == ()


def test_each_rule_decides_some_test(estate: Estate) -> None:
    """A permit that only ever applies where a forbid decides would be exercised, and useless."""
    decisions = [result.decision for result in estate.report.results if result.decision is not None]
    deciding = {rule for decision in decisions for rule in decision.rules}
    assert {rule.identity for rule in estate.checked.policies.rules} == deciding


def test_it_has_the_one_layout(estate: Estate) -> None:
    for source, tree in zip(estate.sources, estate.trees, strict=True):
        assert format(tree, source) == source.text, source.path


def test_no_sunset_comes_within_a_year(estate: Estate) -> None:
    sunsets = [rule.annotations.sunset for rule in estate.checked.policies.rules]
    assert min(sunset for sunset in sunsets if sunset is not None) >= WRITTEN + timedelta(days=365)


# That it teaches.


def test_each_module_opens_with_what_it_is_about_and_one_idea(estate: Estate) -> None:
    for source in _modules(estate):
        head = source.text.partition("\n\n")[0].splitlines()
        assert len(head) > 2, source.path
        assert all(line.startswith("#") for line in head), source.path
        assert sum(line.startswith("# THE IDEA: ") for line in head) == 1, source.path


def test_each_rule_says_why_and_who_answers_for_it(estate: Estate) -> None:
    rules = estate.checked.policies.rules
    assert [rule.identity for rule in rules if not rule.because or not rule.annotations.owner] == []


def test_each_kind_of_node_is_used(estate: Estate) -> None:
    known = {kind for _, kind in getmembers(syntax, isclass) if issubclass(kind, syntax.Node)}
    assert known - {syntax.Node} == {type(node) for node in estate.nodes}


def test_each_function_and_operator_is_used(estate: Estate) -> None:
    operators = {node.operator for node in estate.of(syntax.Binary)}
    called = {node.function.text for node in estate.of(syntax.Call)}
    assert operators == OPERATORS
    assert FUNCTIONS.keys() <= called | operators


def test_each_way_to_write_a_clause_is_used(estate: Estate) -> None:
    callers = estate.of(syntax.CallerClause)
    assert {clause.kind for clause in callers} == KINDS
    assert any(clause.groups for clause in callers)
    patterns = _texts(pattern for clause in callers for pattern in clause.patterns)
    assert any(text.startswith("spiffe://") and "*" in text.partition("**")[0] for text in patterns)
    assert any(text.startswith("spiffe://") and text.endswith("/**") for text in patterns)
    assert any("*" in text and not text.startswith("spiffe://") for text in patterns)
    assert any(not clause.values for clause in estate.of(syntax.AudienceClause))
    assert any(not clause.patterns for clause in estate.of(syntax.ActionClause))
    assert {(clause.type is None, bool(clause.patterns)) for clause in estate.of(syntax.ResourceClause)} == {
        (True, False), (False, False), (False, True),
    }  # fmt: skip
    assert {clause.negated for clause in estate.of(syntax.When)} == {True, False}
    assert {clause.force for clause in estate.of(syntax.Require)} == {True, False}
    assert {rule.effect for rule in estate.of(syntax.Rule)} == {"permit", "forbid"}
    assert {each.quantity for each in estate.of(syntax.Assert)} == {"never", "always"}


def _texts(patterns: Iterable[syntax.Node]) -> list[str]:
    return [pattern.value for pattern in patterns if isinstance(pattern, syntax.Text)]


def test_each_annotation_is_used(estate: Estate) -> None:
    names = {node.name.text for node in estate.of(syntax.Annotation)}
    assert names == {"owner", "control", "sunset", "since", "ticket"}


def test_each_way_to_name_a_module_is_used(estate: Estate) -> None:
    uses = [use for tree in estate.trees for use in tree.declarations if isinstance(use, syntax.Use)]
    assert {("." in use.module.text, use.alias is not None) for use in uses} >= {
        (False, False), (True, False), (False, True), (True, True),
    }  # fmt: skip


def test_each_type_is_declared_and_each_part_of_a_request_too(estate: Estate) -> None:
    assert {node.name for node in estate.of(syntax.NamedType)} == BASIC.keys()
    assert {field.optional for field in estate.of(syntax.Field)} == {True, False}
    entries = estate.of(syntax.SchemaEntry)
    assert {entry.root for entry in entries} == {"caller", "action", "resource", "context"}
    assert any(entry.root == "action" and "*" in entry.key.value for entry in entries)


@pytest.mark.parametrize(
    ("root", "members"),
    [
        ("caller", builtin.CALLER),
        ("credential", builtin.CREDENTIAL),
        ("action", builtin.ACTION),
        ("resource", builtin.RESOURCE),
        ("task", builtin.TASK),
    ],
)
def test_each_built_in_member_is_read(estate: Estate, root: str, members: RecordOf) -> None:
    found = {term.name for term in estate.terms if isinstance(term, Member) and _is_root(term.record, root)}
    assert {name for name, _ in members.attributes} <= found


@pytest.mark.parametrize("root", ["audience", "now", "context"])
def test_each_other_root_is_read(estate: Estate, root: str) -> None:
    assert any(_is_root(term, root) for term in estate.terms)


def _is_root(term: Term, name: str) -> bool:
    return isinstance(term, Root) and term.name == name


def test_each_meaning_of_in_and_each_quantifier_is_used(estate: Estate) -> None:
    assert {term.kind for term in estate.terms if isinstance(term, In)} == {
        "set",
        "key",
        "network",
        "networks",
    }
    assert {term.kind for term in estate.terms if isinstance(term, Quantify)} == {"any", "all"}


def test_each_way_to_write_a_test_is_used(estate: Estate) -> None:
    tests, expects = estate.of(syntax.Test), estate.of(syntax.Expect)
    assert any(len(test.using) > 1 for test in tests)
    assert any("." in name.text for test in tests for name in test.using)
    assert {caller.kind for caller in estate.of(syntax.TestCaller)} == {None, *builtin.KINDS}
    assert {record.root for record in estate.of(syntax.TestRecord)} == {"credential", "task", "context"}
    assert any(expect.rules is not None for expect in expects)
    assert any(expect.reason is not None for expect in expects)
    assert any(len(expect.requires) > 1 for expect in expects)
    # A column may stand for the outcome, and for a rule.
    columns = {name.text for table in estate.of(syntax.Table) for name in table.names}
    assert any(isinstance(expect.outcome, syntax.Name) for expect in expects)
    assert any(rule.text in columns for expect in expects for rule in expect.rules or ())
    # Beside the rules, in a file of their own, and as JSON that names all that can be expected.
    beside = {result.trial.span.path.rpartition("/")[2].split(".", 1)[1] for result in estate.report.results}
    assert beside == {"policy", "test.policy", "cases.json"}
    cases = [
        case.expected for case in (r.trial for r in estate.report.results) if isinstance(case.question, Asked)
    ]
    for member in fields(type(cases[0])):
        assert any(getattr(case, member.name) is not None for case in cases), member.name


# That a newcomer's first request gets its answer.


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1"])
def test_the_first_request_of_a_local_gateway_is_allowed(estate: Estate, peer: str) -> None:
    point = DecisionPoint(compile(estate.checked), estate.settings, clock=lambda: WRITTEN)
    answer = json.loads(point.answer(json.dumps(REQUEST).encode(), peer))
    assert answer.pop("id")
    assert answer == {
        "decision": "allow",
        "rules": ["payments.write_entry"],
        "code": None,
        "reasons": [
            {
                "rule": "payments.write_entry",
                "because": "Payments services write entries while their task runs",
            }
        ],
        "obligations": [
            {"name": "log", "rule": "payments.write_entry", "values": {"level": "high", "amount": 10}}
        ],
        "advice": [],
        "failures": [],
        "policy": estate.checked.digest,
        "valid_for": 0,
    }


def test_nobody_else_may_say_who_calls(estate: Estate) -> None:
    point = DecisionPoint(compile(estate.checked), estate.settings)
    answer = json.loads(point.answer(json.dumps(REQUEST).encode(), "192.0.2.1"))
    assert (answer["decision"], answer["code"]) == ("deny", "not_enforcement_point")


def test_the_settings_serve_this_folder_on_loopback(estate: Estate) -> None:
    assert estate.settings.policies.path.resolve() == ESTATE.resolve()
    assert estate.settings.server.host == "127.0.0.1"
