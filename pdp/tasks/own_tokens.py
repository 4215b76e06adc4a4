"""What is asked about tokens that were made: whether one still counts (RFC 7662), and that it no longer shall
(RFC 7009).

Whoever asks is told nothing of a token that does not hold, or that the policies do not let it see.
"""

from __future__ import annotations

from collections.abc import Mapping
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

_TYPES: Final = frozenset((ACCESS_TOKEN, TRANSACTION_TOKEN))
# What is told of a token: what it says itself, but for what it comes from.
_TOLD: Final = (
    "iss", "sub", "aud", "client_id", "exp", "iat", "jti", "scope", "cnf", "act", "task", "txn",
)  # fmt: skip
INACTIVE: Final[Mapping[str, Any]] = {"active": False}


class OwnTokens:
    """The tokens of the issuer called `issuer`, which is this decision point."""

    def __init__(self, issuer: str, verifier: Verifier, knowledge: Knowledge, rule: Rule) -> None:
        self._issuer = issuer
        self._verifier = verifier
        self._knowledge = knowledge
        self._rule = rule

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
        except EvidenceError:
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

    def revoke(self, token: str, asking: Asking, now: datetime) -> None:
        """Revoke a token, and what comes of it; raises `OAuthError`, and `StoreError`.

        One that does not hold is as good as revoked (RFC 7009 section 2.2). Whoever was given a token of ours
        may revoke it; else the policies say who may, also for other issuers' tokens.
        """
        own = _claims(token).get("iss") == self._issuer
        try:
            evidence = self._verifier.stated(token, now, _TYPES if own else None).evidence
        except EvidenceError:
            return
        given = own and evidence.client == asking.client.id
        if not given and not self._allowed(asking, "token.revoke", evidence, now):
            raise OAuthError("unauthorized_client", "the policies do not let this client revoke it")
        by, reason = asking.name, "its holder revoked it" if given else "who has it revoked it"
        # Nothing that comes of it lives longer.
        until, seconds = evidence.expires + 60.0, now.timestamp()
        revoke = self._knowledge.revocations.revoke
        if evidence.issuer is not None and evidence.id is not None:
            revoke(
                "token", evidence.issuer, evidence.id,
                before=evidence.expires, by=by, reason=reason, until=until, seconds=seconds,
            )  # fmt: skip
        else:
            revoke(
                "credential", evidence.identity.hex(),
                before=evidence.expires, by=by, reason=reason, until=until, seconds=seconds,
            )  # fmt: skip

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


def _claims(token: str) -> Mapping[str, Any]:
    try:
        return load(token).claims
    except EvidenceError:
        return {}
