"""Why a request is denied before any rule is asked: the one table of refusal codes.

A refusal is a denial like every other for whoever obeys it; its code tells the client what to do. Knows
nothing of how a refusal comes about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a code means, and what helps against it."""

    code: str
    meaning: str
    cure: str


class EvidenceError(Exception):
    """The evidence does not hold; `code` is a key of `REFUSALS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


NOT_ENFORCEMENT_POINT: Final = "not_enforcement_point"
ASSERTION_NOT_ALLOWED: Final = "assertion_not_allowed"
AUDIENCE_NOT_ALLOWED: Final = "audience_not_allowed"
TASK_UNKNOWN: Final = "task_unknown"
CREDENTIAL_EXPIRED: Final = "credential_expired"
INTERNAL_ERROR: Final = "internal_error"

REFUSALS: Final[dict[str, Refusal]] = {
    refusal.code: refusal
    for refusal in (
        Refusal(
            NOT_ENFORCEMENT_POINT,
            "the request asserts facts, and who sent it is no configured enforcement point",
            "send it from an enforcement point, or add the sender to `[[enforcement_point]]`",
        ),
        Refusal(
            ASSERTION_NOT_ALLOWED,
            "the enforcement point asserts a caller, credential or task that it may not assert",
            "leave the member out, or add it to `may_assert` of the enforcement point",
        ),
        Refusal(
            AUDIENCE_NOT_ALLOWED,
            "the enforcement point asks for an audience that is not one of its own",
            "ask for an audience that it stands before, or add it to `audiences` of the enforcement point",
        ),
        Refusal(
            TASK_UNKNOWN,
            "the request gives the id of a task that is not known here",
            "begin the task first, assert it whole, or add it to `[[task]]`",
        ),
        Refusal(
            CREDENTIAL_EXPIRED,
            "the credential's lifetime has passed",
            "get a new credential and ask again",
        ),
        Refusal(
            INTERNAL_ERROR,
            "the decision point could not come to a decision",
            "ask again; the log of the decision point says what went wrong",
        ),
    )
}
