"""What `decide` answers: LANGUAGE.md section 5 by example, from a folder of policies to a decision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from pdp import Decision, Request, asserted, decide, load
from pdp.access.decision import Failure, Obligation, Reason

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
API = "spiffe://prod.example/ns/payments/sa/api"
POLICY = """
schema { resource entry { amount: int, ticket?: string } context { office: bool } }

permit write {
  caller   workload "spiffe://prod.example/ns/payments/**"
  audience "ledger"
  action   "entry.*"
  resource entry
  when     credential.bound
  unless   resource.amount > 10_000 and not has resource.ticket
  require  log { level: "high", amount: resource.amount }
  because  "Payments write entries"
}
"""
ANYONE = 'caller any audience "ledger" action "entry.create" when credential.bound'

Ask: TypeAlias = Callable[..., Decision]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """`ask(POLICY, more, amount=5)`: the decision of these texts on a request that creates an entry."""

    def ask(*texts: str, now: datetime = NOW, office: bool | None = True, **resource: Any) -> Decision:
        (tmp_path / "payments.policy").write_text("\n".join(texts), "utf-8")
        program = load(tmp_path)
        request = Request.parse(
            {
                "caller": {"id": API, "kind": "workload"},
                "credential": {"asserted": {"binding": "mtls", "age": "1m", "lifetime": "5m"}},
                "audience": "ledger",
                "action": "entry.create",
                "resource": {"type": "entry", "id": "e-1", **resource},
                "context": {} if office is None else {"office": office},
            }
        )
        decision = decide(program, request, asserted(program, request, now=now))
        assert decision.policy == program.digest
        return decision

    return ask


def test_a_permit_that_applies_allows_and_says_why(ask: Ask) -> None:
    decision = ask(POLICY, amount=5)
    assert (decision.decision, decision.code, decision.rules) == ("allow", None, ("payments.write",))
    assert decision.reasons == (Reason("payments.write", "Payments write entries"),)
    assert decision.obligations == (Obligation("log", "payments.write", {"level": "high", "amount": 5}),)
    assert (decision.advice, decision.failures) == ((), ())


def test_where_no_rule_applies_it_denies_and_names_none(ask: Ask) -> None:
    decision = ask(POLICY, amount=20_000)
    assert (decision.decision, decision.code) == ("deny", "no_rule")
    assert decision.rules == decision.reasons == decision.obligations == decision.failures == ()
    assert ask(POLICY, amount=20_000, ticket="T-1").decision == "allow"


def test_a_forbid_denies_whatever_is_permitted(ask: Ask) -> None:
    forbid = (
        'forbid travel { unless context.office require call { who: caller.id } because "From the office" }'
    )
    assert ask(POLICY, forbid, amount=5).decision == "allow"
    decision = ask(POLICY, forbid, amount=5, office=False)
    assert (decision.decision, decision.code, decision.rules) == ("deny", "forbidden", ("payments.travel",))
    assert decision.reasons == (Reason("payments.travel", "From the office"),)
    assert decision.obligations == (Obligation("call", "payments.travel", {"who": API}),)


def test_every_rule_that_decides_is_named_in_the_order_of_identities(ask: Ask) -> None:
    more = f"permit zebra {{ {ANYONE} }}\npermit ant {{ {ANYONE} }}"
    decision = ask(POLICY, more, amount=5)
    assert decision.rules == ("payments.ant", "payments.write", "payments.zebra")
    assert decision.reasons[0] == Reason("payments.ant", "")


def test_the_same_obligation_with_other_values_comes_twice(ask: Ask) -> None:
    more = f'permit other {{ {ANYONE} require log {{ level: "low" }} }}'
    assert ask(POLICY, more, amount=5).obligations == (
        Obligation("log", "payments.other", {"level": "low"}),
        Obligation("log", "payments.write", {"level": "high", "amount": 5}),
    )


def test_a_permit_that_fails_does_not_apply(ask: Ask) -> None:
    decision = ask(POLICY)
    assert (decision.decision, decision.code) == ("deny", "no_rule")
    assert decision.failures == (Failure("payments.write", "absent", "amount"),)


def test_a_forbid_that_fails_applies(ask: Ask) -> None:
    decision = ask(POLICY, 'forbid travel { unless context.office because "Office" }', amount=5, office=None)
    assert (decision.decision, decision.code, decision.rules) == ("deny", "forbidden", ("payments.travel",))
    assert decision.failures == (Failure("payments.travel", "absent", "office"),)


def test_a_failure_is_named_in_an_allow_too(ask: Ask) -> None:
    decision = ask(POLICY, f"permit other {{ {ANYONE} when context.office }}", amount=5, office=None)
    assert (decision.decision, decision.rules) == ("allow", ("payments.write",))
    assert decision.failures == (Failure("payments.other", "absent", "office"),)


def test_a_permit_whose_obligation_fails_does_not_apply(ask: Ask) -> None:
    more = f"permit other {{ {ANYONE} require log {{ office: context.office }} }}"
    assert ask(POLICY, more, amount=5).rules == ("payments.other", "payments.write")
    decision = ask(POLICY, more, amount=5, office=None)
    assert (decision.decision, decision.rules) == ("allow", ("payments.write",))
    assert decision.failures == (Failure("payments.other", "absent", "office"),)


def test_advice_that_fails_is_left_out_and_the_permit_stands(ask: Ask) -> None:
    more = f"permit other {{ {ANYONE} advise tip {{ office: context.office }} advise note {{}} }}"
    decision = ask(more, POLICY, amount=5, office=None)
    assert decision.rules == ("payments.other", "payments.write")
    assert decision.advice == (Obligation("note", "payments.other", {}),)
    assert decision.failures == (Failure("payments.other", "absent", "office"),)


def test_what_is_not_reached_cannot_fail(ask: Ask) -> None:
    more = f'permit other {{ {ANYONE} when resource.type == "entry" or context.office }}'
    assert ask(more, POLICY, amount=5, office=None).failures == ()


def test_a_permit_ends_at_its_sunset_and_a_rule_begins_at_its_since(ask: Ask) -> None:
    permit = f'@since(2026-11-24) @sunset(2099-01-01) permit while {{ {ANYONE} because "For a while" }}'
    end = datetime(2099, 1, 1, tzinfo=UTC)
    schema = "schema { resource entry {} context {} }"
    assert ask(schema, permit, now=datetime(2026, 11, 24, tzinfo=UTC)).decision == "allow"
    assert ask(schema, permit, now=datetime(2026, 11, 23, 23, 59, 59, 999_999, UTC)).decision == "deny"
    assert ask(schema, permit, now=end.replace(year=2098)).decision == "allow"
    assert ask(schema, permit, now=end).decision == "deny"


def test_the_same_question_gets_the_same_answer(ask: Ask) -> None:
    assert ask(POLICY, amount=5) == ask(POLICY, amount=5)
    with pytest.raises(AttributeError):
        ask(POLICY, amount=5).decision = "allow"  # type: ignore[misc]
