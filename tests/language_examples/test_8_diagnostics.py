"""Section 8: how mistakes are told, and what becomes of findings that a project lowers."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from language_examples.said import ANYONE, NOW, REQUEST, SCHEMA, changed, checked, codes, decided
from pdp.language.diagnostic import PolicyError
from pdp.language.source import Source
from pdp.load import check_sources, compile

DAY = NOW.replace(hour=0)
LOWERED = {"PDP402": "off", "PDP405": "off", "PDP406": "warning"}
UNSAFE = {
    "PDP401": "permit it { when credential.bound }",
    "PDP402": 'permit it { caller human audience "x" action "y" }',
    "PDP403": f'@sunset(2026-01-01) permit it {{ {ANYONE} when credential.bound because "x" }}',
    "PDP404": 'forbid it { when false because "x" }',
    "PDP405": f'@sunset(2027-03-31) permit it {{ {ANYONE} because "x" }}',
    "PDP406": 'forbid it { when context.colour == "red" because "x" }',
}


def test_a_diagnostic_has_a_stable_code_a_place_one_sentence_and_a_hint() -> None:
    found = checked('forbid a {\n  when credential.bund\n  because "x"\n}')
    (told,) = found.diagnostics
    assert told.code == "PDP307"
    assert found.sources["m.policy"].place(told.span.start) == (2, 8)
    assert found.sources["m.policy"].text[told.span.start : told.span.end] == "credential.bund"
    assert told.message == "`credential` has no attribute `bund`"
    assert told.hint == "did you mean `credential.bound`?"


def test_all_problems_of_all_files_are_told_in_the_order_of_places() -> None:
    found = checked("let a = 1 +\nlet b = c\nforbid d { caller any }", other="let e = f")
    assert [(told.span.path, told.code) for told in found.diagnostics] == [
        ("m.policy", "PDP101"), ("m.policy", "PDP201"), ("m.policy", "PDP320"), ("other.policy", "PDP201"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        'let a = nowhere let b = a let c = b + a forbid d { when c > a because "x" }',
        'forbid d { resource ordr when resource.amount > 1 and resource.kind == 3 because "x" }',
        'forbid d { when nowhere + 1 == "x" or (any x in nowhere_else: x > 1) because "x" }',
        'use nowhere forbid d { when nowhere.a and nowhere.b(1) because "x" }',
        'let a = "no end\nforbid d { when caller.id == a because "x" }',
        'def f(n: nothing) = n > 1 forbid d { when f("x") because "x" }',
        'forbid d { when task.activ and task.owner == "x" because "x" }',
        'forbid d { when has caller.isuer and caller.issuer == "x" because "x" }',
        'test "t" { credential { agee: 1m, lifetime: 5m } expect deny }',
        'test "t" { task { expire_in: 1m } expect deny }',
        "Permit d { }",
        'forbid d { when true 01 because "x" }',
        "forbid d { 2026-02-30 }",
        'forbid d { WHEN true because "x" }',
        'forbid d { when NOT true because "x" }',
        "schema { resource order { a: SET<int> } }",
        "@owner('x') forbid d { because \"x\" }",
        'shema { caller { team: string } } forbid d { when caller.team == "x" because "x" }',
        'let a = 1 Schema { caller { team: string } } forbid d { when caller.team == "x" because "x" }',
        'premit d { caller any } test "t" { expect allow by d }',
        'use m.other lett a = 1 forbid d { when caller.depth > a and other.b because "x" }',
        'def f(n: int = n > 1 forbid d { when f(1) because "x" }',
        'forbid d { When true because "x" }',
        'forbid d { when True because "x" }',
        'forbid d { when caller.Kind == "human" because "x" }',
        'forbid d { caller Human because "x" }',
        'forbid d { when Abc > caller.depth because "x" } let Abc = 1',
        'schema { resource Order { a: int } } forbid d { resource Order because "x" }',
        "schema { resource order { a: Int } }",
        "use Common",
        'test "a" { Expect deny }',
        'test "a" { expect Deny }',
        'forbid d { when credential.age > 5min because "x" }',
        'forbid d { when caller.kind == "hum\\an" because "x" }',
        'forbid d { when caller.kind == "hum\0n" because "x" }',
        'let a = "hum\nforbid d { when caller.kind == a because "x" }',
        'let a = 2026-02-30 forbid d { when now < a and 1 > a because "x" }',
    ],
)
def test_one_mistake_is_told_once(text: str) -> None:
    told = checked(text).diagnostics
    assert len(told) == len(set(told)) == text.count("nowhere_else") + 1


@pytest.mark.parametrize(
    "text",
    [
        'forbid d { when caller.tem == "x" when caller.issuer == "x" because "x" }',
        'forbid d { when has caller.isuer and task.owner == "x" because "x" }',
        'forbid d { When true because "x" } forbid e { When true because "x" }',
        'test "t" { credential { agee: 1m, lifetime: 5m } task { owner: "x" } expect deny }',
        'forbid d { when 5min > 1m because "x" } forbid e { when task.owner == "x" because "x" }',
    ],
)
def test_and_two_mistakes_are_told_both(text: str) -> None:
    assert len(checked(text).diagnostics) == 2


@pytest.mark.parametrize("code", UNSAFE)
def test_a_safety_finding_is_an_error_unless_it_is_lowered_by_its_code(code: str) -> None:
    text = UNSAFE[code]
    assert codes(text, lower={}) == [code]
    with pytest.raises(PolicyError):
        compile(checked(text, lower={}))
    warned = checked(text, lower={code: "warning"})
    assert [(told.code, told.severity) for told in warned.diagnostics] == [(code, "warning")]
    assert checked(text, lower={code: "off"}).diagnostics == ()


@pytest.mark.parametrize("level", ["warning", "off"])
@pytest.mark.parametrize("code", UNSAFE)
def test_a_rule_whose_finding_is_lowered_is_in_force(code: str, level: str) -> None:
    program = compile(checked(UNSAFE[code], lower={code: level}))
    assert [rule.identity for rule in program.rules] == ["m.it"]


@pytest.mark.parametrize("code", ["PDP305", "PDP201", "PDP308"])
def test_what_leaves_its_rule_out_cannot_be_lowered(code: str) -> None:
    text = {
        "PDP305": 'forbid a { when caller.issuer == "x" because "x" }',
        "PDP201": 'forbid a { when nothing because "x" }',
        "PDP308": 'forbid a { when caller.id because "x" }',
    }[code]
    assert codes(text, lower={code: "off"}) == [code]


@pytest.mark.parametrize(
    ("sunset", "severity"),
    [(-1, "error"), (0, "error"), (1, "warning"), (30, "warning"), (31, None)],
)
def test_a_permit_past_its_sunset_is_an_error_and_a_warning_within_30_days_of_it(
    sunset: int, severity: str | None
) -> None:
    day = (DAY + timedelta(days=sunset)).date()
    text = f'@sunset({day}) permit it {{ {ANYONE} when credential.bound because "x" }}'
    for now in (DAY, datetime.fromisoformat("2026-11-24T23:59:59+00:00")):
        found = check_sources([Source("m.policy", "m", text)], today=now).diagnostics
        assert [(told.code, told.severity) for told in found] == ([("PDP403", severity)] if severity else [])


def test_where_policies_are_not_strict_an_attribute_that_nobody_declares_is_dynamically_typed() -> None:
    text = f"""{SCHEMA}
    permit yes {{ {ANYONE} when context.vip }}
    forbid no  {{ when context.score > 3 because "x" }}
    """
    assert codes(text) == ["PDP406", "PDP406"]
    assert codes(text, strict=False) == []
    for vip, score, rules, failing in (
        (True, 1, ("m.yes",), ()),
        (True, 4, ("m.no",), ()),
        ("yes", 1, (), ("m.yes",)),
        (True, "4", ("m.no",), ("m.no",)),
    ):
        request = changed(context={"vip": vip, "score": score})
        for options in (
            {"strict": False},
            {"lower": {"PDP402": "off", "PDP405": "off", "PDP406": "warning"}},
        ):
            made = decided(text, request, **options)
            assert made.rules == rules
            assert tuple((one.rule, one.kind) for one in made.failures) == tuple((r, "type") for r in failing)


@pytest.mark.parametrize(
    "condition",
    [
        "context.flag ?? false",
        "if resource.paid then context.flag else false",
        "has resource.weight and resource.weight > 1",
        '"a" in [context.flag, "a"]',
    ],
)
def test_a_wrong_type_at_run_time_is_a_failure_wherever_it_comes_from(condition: str) -> None:
    text = f"{SCHEMA}permit yes {{ {ANYONE} resource any when {condition} }}"
    text = text.replace("resource.paid", 'true or caller.id == ""')
    request = {**REQUEST, "context": {"flag": 1}, "resource": {"type": "box", "weight": "heavy"}}
    made = decided(text, request, strict=False)
    assert [(one.rule, one.kind) for one in made.failures] == [("m.yes", "type")]
