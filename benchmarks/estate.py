"""The rules and requests of `decide`, `service` and `load`: one shape of rule, five conditions, many callers.

Every peer has the same rules in its own language (`benchmarks.peers`), and is asked the same questions. Knows
none of them; what is written here are pdp's policies and pdp's requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# So many rules stand in one file, in every language.
FILE = 100
ACTION = "entry.create"
RESOURCE = "ledger_entry"
SCOPE = "entries:write"
NETWORK = "10.0.0.0/8"
MAX_AGE = 300
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Grant:
    """One rule: who may, where, and up to which amount. All else is the same for all."""

    number: int

    @property
    def caller(self) -> str:
        return f"spiffe://prod.example/ns/team-{self.number}/sa/api"

    @property
    def audience(self) -> str:
        return f"ledger-{self.number}"

    @property
    def limit(self) -> int:
        return 10_000 + self.number


@dataclass(frozen=True, slots=True)
class Question:
    """One request, in nobody's format. `age` is in seconds."""

    caller: str
    audience: str
    action: str = ACTION
    resource: str = RESOURCE
    amount: int = 10
    bound: bool = True
    age: int = 60
    scopes: tuple[str, ...] = (SCOPE, "entries:read")
    source_ip: str = "10.1.2.3"


def grants(count: int) -> list[Grant]:
    """The rules of a policy set of `count`."""
    return [Grant(number) for number in range(count)]


def allowed(grant: Grant) -> Question:
    """A request that `grant` allows."""
    return Question(grant.caller, grant.audience)


def sample(count: int) -> list[Question]:
    """Requests on both sides of every condition, of a rule in the middle and of the first and last one."""
    middle, first, last = Grant(count // 2), Grant(0), Grant(count - 1)
    yes = allowed(middle)
    return [
        yes,
        allowed(first),
        allowed(last),
        replace(yes, amount=middle.limit),
        replace(yes, amount=middle.limit + 1),
        replace(yes, age=MAX_AGE),
        replace(yes, age=MAX_AGE + 1),
        replace(yes, bound=False),
        replace(yes, scopes=("entries:read",)),
        replace(yes, scopes=()),
        replace(yes, source_ip="192.0.2.7"),
        replace(yes, caller="spiffe://prod.example/ns/elsewhere/sa/api"),
        replace(yes, audience="elsewhere"),
        replace(yes, action="entry.delete"),
        replace(yes, resource="account"),
    ]


def request(question: Question) -> dict[str, Any]:
    """The question as `/decide` takes it."""
    return {
        "caller": {"id": question.caller, "kind": "workload"},
        "credential": {
            "asserted": {
                "binding": "mtls" if question.bound else "none",
                "age": question.age,
                "lifetime": 3600,
                "scopes": list(question.scopes),
            }
        },
        "audience": question.audience,
        "action": question.action,
        "resource": {"type": question.resource, "id": "e-1", "amount": question.amount},
        "context": {"source_ip": question.source_ip},
    }


SCHEMA = f"""\
schema {{
  resource {RESOURCE} {{ amount: int }}
  resource account {{ amount: int }}
  context {{ source_ip: ip }}
}}
"""


def rule(grant: Grant) -> str:
    """One rule as pdp reads it."""
    return f"""
permit write_{grant.number} {{
  caller   workload "{grant.caller}"
  audience "{grant.audience}"
  action   "{ACTION}"
  resource {RESOURCE}
  when     credential.bound
  when     credential.age <= {MAX_AGE}s
  when     "{SCOPE}" in credential.scopes
  when     context.source_ip in ip("{NETWORK}")
  when     resource.amount <= {grant.limit}
}}
"""


def files(texts: list[str]) -> Iterator[list[str]]:
    """The rules of one file after the other."""
    return (texts[start : start + FILE] for start in range(0, len(texts), FILE))


def write(folder: Path, rules: list[str], schema: str = SCHEMA) -> None:
    """A policy folder: the schema in a file of its own, the rules in as many as it takes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shared.policy").write_text(schema)
    for number, texts in enumerate(files(rules)):
        (folder / f"team_{number}.policy").write_text("".join(texts))
