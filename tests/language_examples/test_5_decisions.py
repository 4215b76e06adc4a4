"""Section 5: who decides, and what comes of failures."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from language_examples.said import ANYONE, NOW, REQUEST, SCHEMA, changed, checked, decided, facts_of, value
from pdp.access.decision import Decision
from pdp.access.request import Request
from pdp.answer import Answer, Encoder
from pdp.decide import decide
from pdp.load import check_folder, compile, load
from pdp.point import OPERATOR, DecisionPoint

YES = f"permit yes {{ {ANYONE} }}"
NO = 'forbid no { because "no" }'
# What fails for every request here: the optional attribute of a declared type, read where it is absent.
FAILS = "resource.price > 1"
PRICELESS = {**REQUEST, "resource": {k: v for k, v in REQUEST["resource"].items() if k != "price"}}


def failures(made: Decision) -> list[tuple[str, str]]:
    return [(failure.rule, failure.kind) for failure in made.failures]


def test_what_fails_verification_denies_with_a_code_and_no_rule_is_asked() -> None:
    point = DecisionPoint(compile(checked(YES)))
    asked = Request.parse(REQUEST)
    assert point.evaluate(asked, OPERATOR, now=NOW).decision.decision == "allow"
    refused = point.evaluate(asked, "192.0.2.1", now=NOW).decision
    assert (refused.decision, refused.code, refused.rules) == ("deny", "not_enforcement_point", ())


@pytest.mark.parametrize(
    ("conditions", "applies"),
    [
        ("", True),
        ("when true when 1 < 2 unless false", True),
        ("when resource.amount > 1 unless resource.amount > 8", True),
        ("when resource.amount > 1 when resource.amount > 8", False),
        ("when resource.amount > 1 unless resource.paid", False),
    ],
)
def test_a_rule_applies_when_its_head_every_when_and_no_unless_holds(conditions: str, applies: bool) -> None:
    made = decided(f"{SCHEMA}permit yes {{ {ANYONE} resource order {conditions} }}")
    assert made.rules == (("m.yes",) if applies else ())


def test_a_forbid_denies_else_a_permit_allows_else_no_rule_denies() -> None:
    for text, decision, code in (
        (YES + NO, "deny", "forbidden"),
        (YES, "allow", None),
        (NO, "deny", "forbidden"),
        ("", "deny", "no_rule"),
        (f'{YES} forbid no {{ action "other" because "no" }}', "allow", None),
    ):
        made = decided(text)
        assert (made.decision, made.code) == (decision, code)


def test_a_permit_that_fails_does_not_apply_and_a_forbid_that_fails_applies() -> None:
    permit = decided(f"{SCHEMA}permit yes {{ {ANYONE} resource order when {FAILS} }}", PRICELESS)
    assert (permit.decision, permit.code, permit.rules) == ("deny", "no_rule", ())
    assert failures(permit) == [("m.yes", "absent")]
    forbid = decided(f'{SCHEMA}{YES} forbid no {{ resource order when {FAILS} because "x" }}', PRICELESS)
    assert (forbid.decision, forbid.code, forbid.rules) == ("deny", "forbidden", ("m.no",))
    assert failures(forbid) == [("m.no", "absent")]
    negated = decided(f'{SCHEMA}{YES} forbid no {{ resource order unless {FAILS} because "x" }}', PRICELESS)
    assert (negated.rules, failures(negated)) == (("m.no",), [("m.no", "absent")])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (f"resource.amount > 8 and {FAILS}", False),
        (f"{FAILS} and resource.amount > 8", "fails: absent"),
        (f"resource.amount > 1 or {FAILS}", True),
        (f"{FAILS} or resource.amount > 1", "fails: absent"),
        (f"if resource.paid then true else {FAILS}", True),
        (f"if not resource.paid then true else {FAILS}", "fails: absent"),
        (f"if {FAILS} then true else true", "fails: absent"),
        ("(resource.ticket ?? resource.note) == resource.note", True),
        (f'any x in resource.tags: x == "a" or {FAILS}', True),
        (f'any x in resource.tags: x == "b" or {FAILS}', "fails: absent"),
        (f'all x in resource.tags: x == "b" and {FAILS}', False),
        (f'all x in resource.tags: x == "a" and {FAILS}', "fails: absent"),
    ],
)
def test_what_is_not_reached_cannot_fail(expression: str, expected: object) -> None:
    assert value(expression, PRICELESS) == expected


def test_every_rule_that_applies_is_named_sorted_by_identity() -> None:
    permits = f'permit z {{ {ANYONE} because "1" }} permit a {{ {ANYONE} because "2" }}'
    made = decided(permits, b=YES)
    assert made.rules == ("b.yes", "m.a", "m.z")
    assert [reason.because for reason in made.reasons] == ["", "2", "1"]
    made = decided(permits + NO, b=NO)
    assert made.rules == ("b.no", "m.no")


def test_the_same_obligation_of_two_permits_comes_twice() -> None:
    made = decided(
        " ".join(
            f'permit {name} {{ {ANYONE} require log {{ level: "{level}" }} }}'
            for name, level in (("a", "low"), ("b", "high"))
        )
    )
    assert [(duty.name, duty.rule, duty.values) for duty in made.obligations] == [
        ("log", "m.a", {"level": "low"}),
        ("log", "m.b", {"level": "high"}),
    ]


def test_an_obligation_that_fails_makes_its_permit_not_apply() -> None:
    made = decided(
        f"{SCHEMA}permit yes {{ {ANYONE} resource order require log {{ price: resource.price }} }}", PRICELESS
    )
    assert (made.decision, made.code, failures(made)) == ("deny", "no_rule", [("m.yes", "absent")])


@given(st.permutations(["a", "b"]), st.permutations(["staff", "night"]))
def test_one_decision_is_the_same_byte_for_byte(tags: list[str], groups: list[str]) -> None:
    text = f"""{SCHEMA}
    permit a {{ {ANYONE} require log {{ tags: resource.tags, groups: caller.groups }} resource order }}
    permit b {{ {ANYONE} advise tell {{ at: now }} }}
    """
    program = compile(checked(text))

    def answer(request: dict[str, object]) -> bytes:
        asked = Request.parse(request)
        facts = facts_of(program, request)
        return Encoder().encode(Answer("id", NOW, "", asked, facts, decide(program, asked, facts)))

    assert answer(changed(resource={"tags": tags}, caller={"groups": groups})) == answer(REQUEST)


def test_a_policy_set_is_named_by_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "one.policy").write_text(NO)
    digest = load(tmp_path).digest
    assert digest.startswith("sha256:")
    assert load(tmp_path).digest == digest
    (tmp_path / "one.test.policy").write_text('test "t" { expect deny }')
    assert load(tmp_path).digest == digest == check_folder(tmp_path).digest
    (tmp_path / "one.policy").write_text(NO.replace("because", "when true because"))
    assert load(tmp_path).digest != digest
