"""What is asked about tokens that were made: whether one still counts (RFC 7662), and that it no longer shall
(RFC 7009).

Whoever asks is told nothing of a token that does not hold, or that the policies do not let it see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from pdp.evidence.evidence import Evidence
from pdp.evidence.jws import load
from pdp.evidence.refusals import EvidenceError
from pdp.evidence.verify import Verifier
from pdp.tasks.clients import Asking
from pdp.tasks.granted import Rule
from pdp.tasks.known import Knowledge
from pdp.tasks.mint import ACCESS_TOKEN, TRANSACTION_TOKEN
from pdp.tasks.oauth_errors import OAuthError
from pdp.tasks.revocation import Kind, Revocations
from pdp.tasks.task import TaskError

_TYPES: Final = frozenset((ACCESS_TOKEN, TRANSACTION_TOKEN))
# What is told of a token: what it says itself, but for what it comes from.
_TOLD: Final = (
    "iss", "sub", "aud", "client_id", "exp", "iat", "jti", "scope", "cnf", "act", "task", "txn",
)  # fmt: skip
INACTIVE: Final[Mapping[str, Any]] = {"active": False}
_FOR_GOOD: Final = float("inf")
# A clock that is set back must not find a revocation forgotten, and its token alive (seconds).
_AHEAD: Final = 300.0


class OwnTokens:
    """The tokens of the issuer called `issuer`, which is this decision point."""

    def __init__(
        self,
        issuer: str,
        verifier: Verifier,
        knowledge: Knowledge,
        revocations: Revocations,
        rule: Rule,
    ) -> None:
        """`knowledge` is asked within decisions, too, and `revocations` only when there is one to be kept."""
        self._issuer = issuer
        self._revocations = revocations
        self._verifier = verifier
        self._knowledge = knowledge
        self._rule = rule

    def check(self, asking: Asking, now: datetime) -> None:
        """Refuses a client of which, or of whose key, everything was revoked; raises `StoreError`, too."""
        try:
            self._knowledge.look(asking.evidence, None, now.timestamp())
        except EvidenceError:
            raise OAuthError("invalid_client", "who asks is not known") from None

    def introspect(self, token: str, asking: Asking, now: datetime) -> Mapping[str, Any]:
        """What a client is told of a token (RFC 7662 section 2.2); raises `StoreError`.

        1. It is ours, and holds. 2. It was not revoked, and its task runs. 3. The client may know.
        """
        # 1.
        claims = _claims(token)
        if claims.get("iss") != self._issuer:
            return INACTIVE
        try:
            evidence = self._verifier.stated(token, now, _TYPES).evidence
            # 2.
            known = self._knowledge.look(evidence, evidence.task, now.timestamp())
        except (EvidenceError, TaskError):
            return INACTIVE
        if evidence.task is not None and (known is None or not known.active):
            return INACTIVE
        # 3.
        if not self._allowed(asking, "token.introspect", evidence, now):
            return INACTIVE
        told = {"active": True, **{name: claims[name] for name in _TOLD if name in claims}}
        if "txn" not in claims:
            told["token_type"] = "DPoP" if "jkt" in claims.get("cnf", ()) else "Bearer"
        return told

    def revocation(self, token: str, asking: Asking, now: datetime) -> Callable[[], None]:
        """What revokes a token, and what comes of it, once it is called; that waits for the disk, and raises
        `StoreError`. Raises `OAuthError`.

        One that does not hold is as good as revoked (RFC 7009 section 2.2). Whoever was given a token of ours
        may revoke it; else the policies say who may, also for other issuers' tokens.
        """
        own = _claims(token).get("iss") == self._issuer
        try:
            evidence = self._verifier.stated(token, now, _TYPES if own else None).evidence
        except EvidenceError:
            return _nothing
        given = own and evidence.client == asking.client.id
        if not given and not self._allowed(asking, "token.revoke", evidence, now):
            raise OAuthError("unauthorized_client", "the policies do not let this client revoke it")
        by, reason = asking.name, "its holder revoked it" if given else "who has it revoked it"
        name: tuple[Kind, *tuple[str, ...]] = ("credential", evidence.identity.hex())
        if evidence.issuer is not None and evidence.id is not None:
            name = ("token", evidence.issuer, evidence.id)

        def revoke() -> None:
            self._revocations.revoke(
                *name,
                # Whatever comes of it says the same of it, whenever that was made; and lives no longer.
                before=_FOR_GOOD,
                by=by,
                reason=reason,
                until=evidence.expires + _AHEAD,
                seconds=now.timestamp(),
            )

        return revoke

    def _allowed(self, asking: Asking, action: str, evidence: Evidence, now: datetime) -> bool:
        caller = evidence.caller
        about: dict[str, Any] = {
            "audience": evidence.audiences[0],
            "scopes": list(evidence.scopes),
            "client": evidence.client or "",
            "subject": caller.get("on_behalf_of", caller["id"]),
            "subject_form": evidence.form,
            "actors": [caller["id"], *caller["actors"]] if "on_behalf_of" in caller else [],
        }
        if evidence.issuer is not None:
            about["subject_issuer"] = evidence.issuer
        if about["actors"]:
            about["actor"] = about["actors"][0]
        decision = self._rule(asking, action, evidence.audiences[0], about, None, now)
        # There is nothing that could be done to carry out an obligation.
        return decision.decision == "allow" and not decision.obligations


def _nothing() -> None:
    """What does not hold need not be revoked."""


def _claims(token: str) -> Mapping[str, Any]:
    try:
        return load(token).claims
    except EvidenceError:
        return {}
