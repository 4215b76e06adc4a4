"""What `decide` answers: allow or deny, with the rules, reasons and obligations behind it.

These are made on every request, so they are msgspec structs: as frozen as the dataclasses elsewhere, and made
in a tenth of the time. None can be part of a circle, so the garbage collector need not look at them.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Outcome = Literal["allow", "deny"]
NO_RULE = "no_rule"
FORBIDDEN = "forbidden"


class Reason(Struct, frozen=True, gc=False):
    """A rule that decided, in the author's words; `because` is empty where the author wrote none."""

    rule: str
    because: str


class Obligation(Struct, frozen=True, gc=False):
    """What the enforcement point must do, or else deny (an obligation), or may ignore (advice)."""

    name: str
    rule: str
    values: dict[str, Any]


class Failure(Struct, frozen=True, gc=False):
    """A rule that could not be evaluated: `kind` and `what` as in `values.Failed`."""

    rule: str
    kind: str
    what: str


class Decision(Struct, frozen=True, gc=False):
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


def failure_words(kind: str, what: str) -> str:
    """A failure as people read it, beside the rule or the part of it that failed."""
    match kind:
        case "absent":
            return f"`{what}` is not there"
        case "overflow":
            return f"`{what}` leaves the range of its type"
        case "path":
            return "the path has two readings, or none"
        case "type":
            return f"`{what}` has another type"
        case "limit":
            return f"`{what}` runs over too many members"
        case _:
            return f"{kind} {what}"
