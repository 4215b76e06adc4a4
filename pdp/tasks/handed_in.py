"""Tokens that are handed in to be exchanged: that they hold, and are whose they must be.

Here a token says whose work it is, and not who asks. Whoever brings it has to be somebody that may have it:
its holder, or the service that it was made for.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from pdp.evidence.evidence import Evidence
from pdp.evidence.jws import load
from pdp.evidence.jwt import Confirmation
from pdp.evidence.refusals import AUDIENCE_MISMATCH, EvidenceError
from pdp.evidence.trust import Audiences
from pdp.evidence.verify import Verified, Verifier
from pdp.tasks.clients import Asking
from pdp.tasks.known import OWN, Knowledge, Known
from pdp.tasks.mint import TRANSACTION_TOKEN
from pdp.tasks.oauth_errors import OAuthError
from pdp.tasks.tasks import TaskError
from pdp.tasks.wanted import TAKEN, TRANSACTION, Wanted

_TRANSACTIONS: Final = frozenset({TRANSACTION_TOKEN})


class Held(Struct, frozen=True, gc=False):
    """A token that was handed in, and by whoever holds it. `addressed`: it was made for the client itself."""

    evidence: Evidence
    claims: Mapping[str, Any]
    addressed: bool


class HandedIn:
    """Looks at tokens that are handed in. Its methods raise `OAuthError`, and `StoreError`."""

    def __init__(self, verifier: Verifier, knowledge: Knowledge) -> None:
        self._verifier = verifier
        self._knowledge = knowledge

    def subject(self, wanted: Wanted, asking: Asking, proved: Confirmation, now: datetime) -> Held:
        """The subject's token: one for us, for the client, or a transaction token to be replaced."""
        if wanted.subject_type != TRANSACTION:
            if wanted.subject_type not in TAKEN:
                raise OAuthError("invalid_request", "a subject token of this type is not exchanged")
            return self.taken(wanted.subject_token, asking, proved, now)
        # A transaction token is for the whole of its trust domain, and whoever has it may replace it.
        if wanted.kind != "txn_token":
            raise OAuthError("invalid_request", "a transaction token is exchanged for another one only")
        try:
            verified = self._verifier.stated(wanted.subject_token, now, _TRANSACTIONS)
        except EvidenceError as error:
            raise _refused(error) from None
        if verified.evidence.form != "task_token":
            raise OAuthError("invalid_request", "the transaction token is not one of ours")
        claims = load(wanted.subject_token).claims
        # What is replaced keeps what it is for, and says the same of it.
        if wanted.audience != claims["aud"]:
            raise OAuthError("invalid_target", "a transaction token is replaced for its own trust domain")
        if wanted.details not in (None, claims.get("tctx")):
            raise OAuthError("invalid_request", "the details of a transaction do not change")
        return Held(verified.evidence, claims, True)

    def taken(self, token: str, asking: Asking, proved: Confirmation, now: datetime) -> Held:
        """A token that is for us to exchange, or for the client that hands it in."""
        verified, addressed = self._verified(token, asking, now)
        if verified.confirmation is None and verified.required != "none":
            raise OAuthError("invalid_request", "a token of its issuer is exchanged only if it is bound")
        # Who a token is for has seen its proof; whoever else has it must show that it is his.
        if verified.confirmation is not None and not addressed and not _same(verified.confirmation, proved):
            raise OAuthError("invalid_request", "a token is bound to a key that was not proved")
        return Held(verified.evidence, load(token).claims, addressed)

    def _verified(self, token: str, asking: Asking, now: datetime) -> tuple[Verified, bool]:
        for audience in (OWN, *asking.client.services):
            try:
                return self._verifier.token(token, audience, now), audience != OWN
            except EvidenceError as error:
                if error.code != AUDIENCE_MISMATCH:
                    raise _refused(error) from None
        raise OAuthError("invalid_request", "a token is neither for exchange nor for this client")

    def known(self, evidence: Evidence, task_id: str | None, seconds: float) -> Known | None:
        """Refuses what was revoked; the task as it stands."""
        try:
            return self._knowledge.look(evidence, task_id, seconds)
        except EvidenceError as error:
            raise _refused(error) from None
        except TaskError:
            return None

    def leads(self, subject: Held, wanted: Wanted) -> bool:
        """Whether the subject's token leads to the audience that is wanted."""
        if subject.addressed:
            return True
        trust, evidence = self._verifier.trust, subject.evidence
        issuer = None if evidence.issuer is None else trust.issuers.get(evidence.issuer)
        audiences = Audiences() if issuer is None else issuer.audiences
        return evidence.form == "jwt_svid" or audiences.lead(evidence.audiences, OWN, wanted.audience)


def _refused(error: EvidenceError) -> OAuthError:
    """A token that does not hold (RFC 8693 section 2.2.2)."""
    return OAuthError("invalid_request", f"a token is refused: {error.code}")


def _same(stated: Confirmation, proved: Confirmation) -> bool:
    """Whether a key was proved that a token is bound to."""
    pairs = ((stated.jkt, proved.jkt), (stated.x5t, proved.x5t))
    return any(a is not None and b is not None and hmac.compare_digest(a, b) for a, b in pairs)
