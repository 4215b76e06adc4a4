"""Section 4: heads, obligations, reasons and dates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from language_examples.said import ANYONE, CALLER, NOW, REQUEST, SCHEMA, applies, changed, codes, decided

SPIFFE = "spiffe://prod.example/ns/shop/sa/api"
TODAY = NOW.replace(hour=0)


def caller(kind: str, id: str = "", **more: Any) -> dict[str, Any]:
    return {**REQUEST, "caller": {"kind": kind, **({"id": id} if id else {}), **more}}


@pytest.mark.parametrize(
    ("clause", "request_", "expected"),
    [
        ("caller any", caller("human", "alice"), True),
        ("caller any", caller("anonymous"), True),
        ("caller human", caller("human", "alice"), True),
        ("caller human", caller("agent", "alice"), False),
        ("caller anonymous", caller("anonymous"), True),
        ('caller "alice", "b*"', caller("human", "bob"), True),
        ('caller "alice", "b*"', caller("human", "carol"), False),
        ('caller agent "alice"', caller("human", "alice"), False),
        ('caller in group "staff", "admins"', caller("human", "alice", groups=["staff"]), True),
        ('caller in group "staff"', caller("human", "alice", groups=["admins"]), False),
        ('caller any in group "staff"', caller("agent", "a", groups=["staff"]), True),
        ('caller human "a*" in group "staff"', caller("human", "alice", groups=["staff"]), True),
        ('caller human "a*" in group "staff"', caller("human", "bob", groups=["staff"]), False),
        (f'caller workload "{SPIFFE}"', caller("workload", SPIFFE), True),
        ('caller "spiffe://prod.example/ns/*/sa/api"', caller("workload", SPIFFE), True),
        ('caller "spiffe://prod.example/ns/sh*/sa/a*"', caller("workload", SPIFFE), True),
        ('caller "spiffe://prod.example/ns/*"', caller("workload", SPIFFE), False),
        ('caller "spiffe://prod.example/*/sa/api"', caller("workload", SPIFFE), False),
        ('caller "spiffe://prod.example/**"', caller("workload", SPIFFE), True),
        ('caller "spiffe://prod.example/ns/shop/**"', caller("workload", SPIFFE), True),
        (f'caller "{SPIFFE}/**"', caller("workload", SPIFFE), False),
        ('caller "spiffe://other.example/**"', caller("workload", SPIFFE), False),
        ('caller "*"', caller("workload", SPIFFE), False),
        ('audience "shop", "ledger"', REQUEST, True),
        ('audience "ledger"', REQUEST, False),
        ("audience any", REQUEST, True),
        ('action "order.*"', REQUEST, True),
        ('action "order.create", "x"', REQUEST, True),
        ('action "order"', REQUEST, False),
        ('action "*.create"', REQUEST, True),
        ("action any", REQUEST, True),
        ("resource order", REQUEST, True),
        ("resource parcel", REQUEST, False),
        ('resource order "x", "o-*"', REQUEST, True),
        ('resource order "x"', REQUEST, False),
        ("resource any", REQUEST, True),
        ("resource any", changed(resource=None), True),
    ],
)
def test_a_head_matches(clause: str, request_: dict[str, Any], expected: bool) -> None:
    assert applies(clause, request_) is expected


def test_a_pattern_may_be_a_let_of_strings() -> None:
    lets = f'let both = ["{SPIFFE}", "alice"] let shop = "shop"'
    text = f'{SCHEMA}{lets} forbid it {{ caller both audience shop because "x" }}'
    assert decided(text).rules == ("m.it",)
    assert decided(text, caller("human", "alice")).rules == ("m.it",)
    assert decided(text, caller("human", "bob")).rules == ()


@pytest.mark.parametrize(
    "pattern",
    ["spiffe://", "spiffe://Prod/a", "spiffe://pr*d/a", "spiffe://prod/a/", "spiffe://prod/**/a",
     "spiffe://prod/a b", "spiffe://prod/..", "SPIFFE://prod/a"],
)  # fmt: skip
def test_a_malformed_spiffe_id_is_a_compile_error(pattern: str) -> None:
    assert codes(f'forbid a {{ caller "{pattern}" because "x" }}') == ["PDP318"]


def test_clauses_come_in_any_order_and_conditions_as_often_as_wanted() -> None:
    text = f"""{SCHEMA}
    permit it {{
      when     resource.amount > 1
      because  "x"
      require  log {{}}
      resource order
      unless   resource.paid == false
      action   any
      when     credential.bound
      advise   tell {{}}
      caller   any
      require  log {{}}
      audience any
    }}"""
    assert decided(text).rules == ("m.it",)


@pytest.mark.parametrize("clause", ["caller any", 'audience "x"', 'action "y"', "resource any"])
def test_a_head_clause_comes_at_most_once(clause: str) -> None:
    assert codes(f'forbid it {{ {clause} because "x" {clause} }}') == ["PDP319"]


@pytest.mark.parametrize("clause", ["caller", "audience", "action"])
def test_a_permit_states_caller_audience_and_action_and_a_forbid_may_leave_out_any(clause: str) -> None:
    stated = ANYONE.replace(f"{clause} any", "")
    assert codes(f"permit it {{ {stated} when credential.bound }}") == ["PDP401"]
    assert codes(f"permit it {{ {ANYONE} when credential.bound }}") == []
    assert codes(f'forbid it {{ {stated} because "x" }}') == []


def test_an_obligation_comes_with_an_allow_and_advice_with_either_decision() -> None:
    duties = 'require log { level: "high", amount: resource.amount } advise tell { who: caller.id }'
    permit = f"{SCHEMA}permit yes {{ {ANYONE} resource order {duties} }}"
    allowed = decided(permit)
    assert [(duty.name, duty.rule, duty.values) for duty in allowed.obligations] == [
        ("log", "m.yes", {"level": "high", "amount": 7})
    ]
    assert [(duty.name, duty.values) for duty in allowed.advice] == [("tell", {"who": CALLER["id"]})]
    denied = decided(f'{permit} forbid no {{ advise call {{ whom: "ops" }} because "x" }}')
    assert denied.obligations == ()
    assert [(duty.name, duty.values) for duty in denied.advice] == [("call", {"whom": "ops"})]


def test_what_a_forbid_requires_comes_with_its_deny() -> None:
    permit = f"permit yes {{ {ANYONE} require log {{}} }}"
    denied = decided(f'{permit} forbid no {{ require alert {{ who: caller.id }} because "x" }}')
    assert [(duty.name, duty.rule, duty.values) for duty in denied.obligations] == [
        ("alert", "m.no", {"who": CALLER["id"]})
    ]


def test_the_reason_is_required_on_a_forbid_and_on_every_rule_with_a_sunset() -> None:
    assert codes("forbid a { caller any }") == ["PDP320"]
    assert codes(f"permit a {{ {ANYONE} when credential.bound }}") == []
    assert codes(f"@sunset(2027-03-31) permit a {{ {ANYONE} when credential.bound }}") == ["PDP320"]
    made = decided(f'permit a {{ {ANYONE} because "They may" }}')
    assert [(reason.rule, reason.because) for reason in made.reasons] == [("m.a", "They may")]


def test_annotations_are_these() -> None:
    known = '@owner("payments") @control("NHI7:2025", "PR.AA-05") @ticket("T-1")'
    assert codes(f'{known} @since(2026-01-01) @sunset(2027-03-31) forbid a {{ because "x" }}') == []
    assert codes('@author("me") forbid a { because "x" }') == ["PDP212"]


@pytest.mark.parametrize(
    ("now", "since", "sunset"),
    [
        (TODAY - timedelta(microseconds=1), False, True),
        (TODAY, True, False),
        (TODAY + timedelta(days=400), True, False),
    ],
)
def test_from_its_sunset_on_a_permit_no_longer_permits_and_before_its_since_no_rule_applies(
    now: datetime, since: bool, sunset: bool
) -> None:
    text = f"""
    @since(2026-11-24)  permit begins {{ {ANYONE} because "x" }}
    @sunset(2026-11-24) permit ends   {{ {ANYONE} because "x" }}
    """
    lower = dict.fromkeys(("PDP402", "PDP403", "PDP405"), "off")
    made = decided(text, now=now, lower=lower)
    assert made.rules == (("m.begins",) if since else ()) + (("m.ends",) if sunset else ())
    text = f"""
    @since(2026-11-24)  forbid begins {{ {ANYONE} because "x" }}
    @sunset(2026-11-24) forbid stays  {{ {ANYONE} because "x" }}
    """
    made = decided(text, now=now, lower=lower)
    assert made.rules == (("m.begins",) if since else ()) + ("m.stays",)
