"""Cedar through cedarpy, with everything it can keep between calls: `PolicySet` and `Entities` handles."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from cedarpy import Entities, PolicySet, is_authorized

from benchmarks import estate
from benchmarks.estate import Grant, Question
from benchmarks.measure import Contender

SCHEMA = """
entity Workload;
entity LedgerEntry, Account { amount: Long };
action "entry.create" appliesTo {
  principal: Workload, resource: [LedgerEntry, Account],
  context: {
    audience: String, source_ip: ipaddr,
    credential: { bound: Bool, age: Long, scopes: Set<String> },
  },
};
"""
_TYPES = {"ledger_entry": "LedgerEntry", "account": "Account"}


def policy(grant: Grant) -> str:
    """One rule in Cedar. What Cedar's scope can hold stands there, where it is compared first."""
    return (
        f'permit(principal == Workload::"{grant.caller}", action == Action::"{estate.ACTION}",'
        f" resource is {_TYPES[estate.RESOURCE]}) when {{"
        f' context.audience == "{grant.audience}"'
        f" && context.credential.bound"
        f" && context.credential.age <= {estate.MAX_AGE}"
        f' && context.credential.scopes.contains("{estate.SCOPE}")'
        f' && context.source_ip.isInRange(ip("{estate.NETWORK}"))'
        f" && resource.amount <= {grant.limit} }};\n"
    )


class Cedar:
    version = version("cedarpy")

    def __init__(self, count: int) -> None:
        self.policies = PolicySet.from_str("".join(map(policy, estate.grants(count))))

    def allows(self, question: Question) -> bool:
        return bool(is_authorized(_asked(question), self.policies, _known(question)).allowed)

    def decision(self, question: Question) -> Contender:
        names = {
            "is_authorized": is_authorized,
            "asked": _asked(question),
            "policies": self.policies,
            "entities": _known(question),
        }
        return Contender("cedarpy", "is_authorized(asked, policies, entities)", names)

    def whole(self, question: Question) -> Contender:
        policies = self.policies

        def answer(body: bytes) -> bytes:
            document = json.loads(body)
            result = is_authorized(document["request"], policies, document["entities"])
            return json.dumps(
                {"decision": result.decision.value, "rules": result.diagnostics.reasons}
            ).encode()

        asked = {**_asked(question), "context": _context(question)}
        body = json.dumps({"request": asked, "entities": _entities(question)}).encode()
        return Contender("cedarpy", "answer(body)", {"answer": answer, "body": body})


def start(count: int) -> Cedar:
    return Cedar(count)


def _asked(question: Question) -> dict[str, Any]:
    # Structured names and a context that is text already: the quickest of the forms that cedarpy takes.
    return {
        "principal": {"type": "Workload", "id": question.caller},
        "action": {"type": "Action", "id": question.action},
        "resource": {"type": _TYPES[question.resource], "id": "e-1"},
        "context": json.dumps(_context(question)),
    }


def _context(question: Question) -> dict[str, Any]:
    return {
        "audience": question.audience,
        "source_ip": {"__extn": {"fn": "ip", "arg": question.source_ip}},
        "credential": {"bound": question.bound, "age": question.age, "scopes": list(question.scopes)},
    }


def _entities(question: Question) -> list[dict[str, Any]]:
    resource = {"type": _TYPES[question.resource], "id": "e-1"}
    return [{"uid": resource, "attrs": {"amount": question.amount}, "parents": []}]


def _known(question: Question) -> Entities:
    return Entities.from_json_str(json.dumps(_entities(question)))
