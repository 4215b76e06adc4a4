"""What `decide` answers: allow or deny, with the rules, reasons and obligations behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["allow", "deny"]
NO_RULE = "no_rule"
FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that decided, in the author's words; `because` is empty where the author wrote none."""

    rule: str
    because: str


@dataclass(frozen=True, slots=True)
class Obligation:
    """What the enforcement point must do, or else deny (an obligation), or may ignore (advice)."""

    name: str
    rule: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule that could not be evaluated: `kind` and `what` as in `values.Failed`."""

    rule: str
    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. `rules` are identities in sorted order: the forbids of a deny, the permits of an allow.

    `code` is `None` for an allow; for a deny `no_rule`, `forbidden`, or the refusal code of a request
    that no rule was asked about. `policy` is the digest of the policy set that decided.
    """

    decision: Outcome
    code: str | None
    rules: tuple[str, ...]
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    advice: tuple[Obligation, ...]
    failures: tuple[Failure, ...]
    policy: str
