"""Token exchange (RFC 8693): a token in, a narrower one out, that ends with its work and only its holder can use.

Knows what was asked for, as a parsed form, and neither HTTP nor how the policies decide: whoever calls hands
that in. Nothing is used up by an exchange that fails.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from msgspec import Struct

from pdp.evidence.dpop import Proof
from pdp.evidence.evidence import Evidence, Once
from pdp.evidence.jws import encode, load
from pdp.evidence.jwt import LINEAGE_LIMIT, Confirmation
from pdp.evidence.refusals import AUDIENCE_MISMATCH, EvidenceError
from pdp.evidence.trust import Audiences
from pdp.evidence.verify import Verified, Verifier
from pdp.state.replay import Replay, Use
from pdp.tasks.clients import Asking
from pdp.tasks.delegated import Parties, parties
from pdp.tasks.granted import Granting, Rule, granting
from pdp.tasks.known import OWN, Knowledge, Known
from pdp.tasks.mint import TRANSACTION_TOKEN, Mint, MintError
from pdp.tasks.oauth_errors import OAuthError
from pdp.tasks.revocation import revoked_name
from pdp.tasks.tasks import TaskError

GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_TYPE: Final = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN: Final = f"{_TYPE}access_token"
TRANSACTION: Final = f"{_TYPE}txn_token"
# A token of any of our issuers is a JWT. Neither refresh nor identity tokens are for services.
TAKEN: Final = frozenset((ACCESS_TOKEN, f"{_TYPE}jwt"))
_ALL: Final = revoked_name("all")



class Wanted(Struct, frozen=True, gc=False):
    """What a client asks for; see `tasks.wanted`. `lifetime` is in seconds, `scopes` None where it leaves
    them open."""

    kind: Literal["access_token", "txn_token"]
    subject_token: str
    subject_type: str
    actor_token: str | None
    audience: str
    scopes: tuple[str, ...] | None
    lifetime: int | None
    task: str | None
    context: dict[str, Any] | None
    details: dict[str, Any] | None


class Granted(Struct, frozen=True, gc=False):
    """A token that was made, and what its client is told of it (RFC 8693 section 2.2.1)."""

    token: str
    issued_type: str
    token_type: Literal["DPoP", "Bearer", "N_A"]
    lifetime: int
    scopes: tuple[str, ...]


class _Held(Struct, frozen=True, gc=False):
    """A token that was handed in, and by whoever holds it. `addressed`: it was made for the client itself."""

    evidence: Evidence
    claims: Mapping[str, Any]
    addressed: bool


class Exchange:
    """Exchanges tokens. One for the process; it remembers nothing itself."""

    def __init__(
        self, verifier: Verifier, knowledge: Knowledge, replay: Replay, mint: Mint, lifetime: int, rule: Rule
    ) -> None:
        """`lifetime` is the longest that a token may have, in seconds."""
        self._verifier = verifier
        self._knowledge = knowledge
        self._replay = replay
        self._mint = mint
        self._lifetime = lifetime
        self._rule = rule

    def exchange(self, wanted: Wanted, asking: Asking, proof: Proof | None, now: datetime) -> Granted:
        """The token that `asking` gets for the ones that it has; raises `OAuthError`, and `StoreError`.

        `proof` is of the key that the new token will be bound to (RFC 9449 section 5); without one it is bound
        to the client's certificate (RFC 8705 section 3).

        1. The client may exchange, and has a key for the token. 2. The subject's token, verified by its own
        issuer's rules, held by its holder, and not revoked. 3. The actor's token, likewise. 4. Who acts for
        whom. 5. The task: it runs, the client works on it, the audience is in it. 6. The audience is one that
        the subject's token leads to. 7. Scopes that the subject's token has. 8. What the policies say. 9. No
        wider and no longer than each of them allows. 10. The token. 11. What may be used once is used up, and
        of several at one moment one gets the token.
        """
        seconds = now.timestamp()
        # 1.
        if not asking.client.exchange:
            raise OAuthError("unauthorized_client", "this client may not exchange tokens")
        bound = _bound_to(asking, proof)
        if bound is None and wanted.kind == "access_token":
            raise OAuthError("invalid_request", "prove a key: send a DPoP proof, or come with a certificate")
        # 2. and 3.
        subject = self._subject(wanted, asking, bound, now)
        actor = None if wanted.actor_token is None else self._taken(wanted.actor_token, asking, bound, now)
        tasks = {wanted.task, subject.evidence.task, None if actor is None else actor.evidence.task} - {None}
        if len(tasks) > 1:
            raise OAuthError("invalid_request", "the tokens, or what is asked for, belong to different tasks")
        task_id = next(iter(tasks), None)
        known = self._known(subject.evidence, task_id, seconds)
        if actor is not None:
            self._known(actor.evidence, None, seconds)
        # 4.
        who = parties(
            asking,
            subject.evidence,
            None if actor is None else actor.evidence,
            subject.claims.get("may_act"),
            addressed=subject.addressed,
        )
        # 5.
        if task_id is not None:
            _check_task(known, asking, who, wanted)
        # 6.
        if not subject.addressed and not self._leads(subject, wanted):
            raise OAuthError("invalid_target", "the subject token does not lead there")
        # 7.
        scopes = _within(wanted, subject.evidence.scopes)
        # 8.
        until = self._until(wanted, subject, actor, known, seconds)
        about = _attributes(wanted, asking, subject, who, scopes, until - seconds, now)
        granted = granting(self._rule(asking, "token.exchange", wanted.audience, about, task_id, now))
        # 9.
        scopes = _narrowed(wanted, scopes, granted.scopes)
        if granted.lifetime is not None:
            until = min(until, seconds + granted.lifetime)
        if int(until) <= int(seconds):
            raise OAuthError("invalid_request", "there is no time left for a token")
        # 10.
        lineage, since = self._lineage(subject, actor)
        try:
            token = self._minted(
                wanted, asking, subject, who, bound, scopes, until, task_id, lineage, since, granted, seconds
            )
        except MintError:
            raise OAuthError("invalid_request", "a token that says this would be refused") from None
        # 11.
        self._use(subject, actor, proof, seconds)
        kind: Literal["DPoP", "Bearer", "N_A"] = "Bearer" if proof is None else "DPoP"
        if wanted.kind == "txn_token":
            return Granted(token, TRANSACTION, "N_A", int(until) - int(seconds), scopes)
        return Granted(token, ACCESS_TOKEN, kind, int(until) - int(seconds), scopes)

    # 2. and 3.

    def _subject(self, wanted: Wanted, asking: Asking, bound: Confirmation | None, now: datetime) -> _Held:
        if wanted.subject_type != TRANSACTION:
            if wanted.subject_type not in TAKEN:
                raise OAuthError("invalid_request", "a subject token of this type is not exchanged")
            return self._taken(wanted.subject_token, asking, bound, now)
        # A transaction token is for the whole of its trust domain, and whoever has it may replace it.
        if wanted.kind != "txn_token":
            raise OAuthError("invalid_request", "a transaction token is exchanged for another one only")
        try:
            verified = self._verifier.stated(
                wanted.subject_token, now, frozenset({TRANSACTION_TOKEN})
            )
        except EvidenceError as error:
            raise _refused(error) from None
        if verified.evidence.form != "task_token":
            raise OAuthError("invalid_request", "the transaction token is not one of ours")
        return _Held(verified.evidence, load(wanted.subject_token).claims, True)

    def _taken(self, token: str, asking: Asking, bound: Confirmation | None, now: datetime) -> _Held:
        """A token that is for us to exchange, or for the client that hands it in."""
        verified, addressed = self._verified(token, asking, now)
        if verified.confirmation is None and verified.required != "none":
            raise OAuthError("invalid_request", "a token of its issuer is exchanged only if it is bound")
        # Who a token is for has seen its proof; whoever else has it must show that it is his.
        if verified.confirmation is not None and not addressed and not _same(verified.confirmation, bound):
            raise OAuthError("invalid_request", "a token is bound to a key that was not proved")
        return _Held(verified.evidence, load(token).claims, addressed)

    def _verified(self, token: str, asking: Asking, now: datetime) -> tuple[Verified, bool]:
        for audience in (OWN, *asking.client.services):
            try:
                return self._verifier.token(token, audience, now), audience != OWN
            except EvidenceError as error:
                if error.code != AUDIENCE_MISMATCH:
                    raise _refused(error) from None
        raise OAuthError("invalid_request", "a token is neither for exchange nor for this client")

    def _known(self, evidence: Evidence, task_id: str | None, seconds: float) -> Known | None:
        """Refuses what was revoked; the task as it stands."""
        try:
            return self._knowledge.look(evidence, task_id, seconds)
        except EvidenceError as error:
            raise _refused(error) from None
        except TaskError:
            return None

    # 6.

    def _leads(self, subject: _Held, wanted: Wanted) -> bool:
        trust, evidence = self._verifier.trust, subject.evidence
        issuer = None if evidence.issuer is None else trust.issuers.get(evidence.issuer)
        audiences = Audiences() if issuer is None else issuer.audiences
        return evidence.form == "jwt_svid" or audiences.lead(evidence.audiences, OWN, wanted.audience)

    # 9.

    def _until(
        self, wanted: Wanted, subject: _Held, actor: _Held | None, known: Known | None, seconds: float
    ) -> float:
        """The latest that a token may end, but for what the policies say."""
        ends = [seconds + self._lifetime, subject.evidence.expires]
        if wanted.lifetime is not None:
            ends.append(seconds + wanted.lifetime)
        if actor is not None:
            ends.append(actor.evidence.expires)
        if known is not None:
            ends.append(known.task.expires)
        return min(ends)

    # 10.

    def _lineage(self, subject: _Held, actor: _Held | None) -> tuple[tuple[bytes, ...], float]:
        """By what the new token may be revoked beside its own names, and when the first of what it comes from
        was issued."""
        names: dict[bytes, None] = {}
        since = []
        for held in (subject,) if actor is None else (subject, actor):
            evidence = held.evidence
            names |= dict.fromkeys(self._knowledge.revocations.names(evidence))
            since += [evidence.issued, evidence.issued if evidence.descends is None else evidence.descends]
        names.pop(_ALL, None)
        if len(names) > LINEAGE_LIMIT:
            raise OAuthError("invalid_request", "the token comes from too many others")
        return tuple(names), min(since)

    def _minted(
        self,
        wanted: Wanted,
        asking: Asking,
        subject: _Held,
        who: Parties,
        bound: Confirmation | None,
        scopes: tuple[str, ...],
        until: float,
        task: str | None,
        lineage: tuple[bytes, ...],
        since: float,
        granted: Granting,
        seconds: float,
    ) -> str:
        if wanted.kind == "access_token":
            return self._mint.access_token(
                subject=who.subject,
                client_id=asking.client.id,
                caller=who.caller,
                audience=wanted.audience,
                until=until,
                seconds=seconds,
                scope=" ".join(scopes),
                confirmation=bound,
                act=who.act,
                task=task,
                lineage=lineage,
                since=since,
                further=granted.claims,
            )
        if granted.claims:
            # It says what its draft says, and nothing besides.
            raise OAuthError("invalid_target", "the policies do not allow it")
        claims, replaced = subject.claims, wanted.subject_type == TRANSACTION
        return self._mint.transaction_token(
            subject=claims["sub"] if replaced else who.subject,
            audience=wanted.audience,
            transaction=claims["txn"] if replaced else str(uuid.uuid4()),
            scope=" ".join(scopes),
            workload=asking.name,
            caller=who.caller,
            until=until,
            seconds=seconds,
            details=claims.get("tctx") if replaced else wanted.details,
            context=claims.get("rctx") if replaced else wanted.context,
            task=task,
            lineage=lineage,
            since=since,
        )

    # 11.

    def _use(self, subject: _Held, actor: _Held | None, proof: Proof | None, seconds: float) -> None:
        """Use up what may be used once; raises `OAuthError` where it was."""
        tokens = (*subject.evidence.once, *(() if actor is None else actor.evidence.once))
        uses = [_use_of(once) for once in tokens]
        if proof is not None:
            uses.append(Use(("proof", proof.jkt, proof.jti), proof.begins, proof.expires, proof.jkt))
        outcome = self._replay.use(uses, seconds)
        if outcome in ("full", "before"):
            raise OAuthError("temporarily_unavailable", "it cannot be known whether this was used before")
        if outcome != "first":
            if tokens:
                raise OAuthError("invalid_request", "a token or proof was used before")
            raise OAuthError("invalid_dpop_proof", "the proof was used before")


def _use_of(once: Once) -> Use:
    return Use(once.fields, once.begins, once.expires, once.holder)


def _refused(error: EvidenceError) -> OAuthError:
    """A token that does not hold (RFC 8693 section 2.2.2)."""
    return OAuthError("invalid_request", f"a token is refused: {error.code}")


# 1.


def _bound_to(asking: Asking, proof: Proof | None) -> Confirmation | None:
    if proof is not None:
        return Confirmation(jkt=proof.jkt)
    return None if asking.peer is None else Confirmation(x5t=encode(asking.peer.digest))


def _same(stated: Confirmation, proved: Confirmation | None) -> bool:
    if proved is None:
        return False
    pairs = ((stated.jkt, proved.jkt), (stated.x5t, proved.x5t))
    return any(a is not None and b is not None and hmac.compare_digest(a, b) for a, b in pairs)


# 5.


def _check_task(known: Known | None, asking: Asking, who: Parties, wanted: Wanted) -> None:
    # A task that is not the client's is none for it.
    if known is None or not known.active or not known.task.may_be_worked_on_by(asking.name):
        raise OAuthError("invalid_request", "there is no such task, or it does not run")
    if who.actors and not known.task.may_be_worked_on_by(who.actors[0]):
        raise OAuthError("invalid_request", "there is no such task, or it does not run")
    if wanted.kind == "access_token" and wanted.audience not in known.task.audiences:
        raise OAuthError("invalid_target", "the task has no such audience")


# 7. and 9.


def _within(wanted: Wanted, has: tuple[str, ...]) -> tuple[str, ...] | None:
    """The scopes that may be granted: those that are wanted, or all that the subject's token has; None where
    neither says."""
    if wanted.kind == "txn_token" and not (wanted.scopes and has):
        # Whether it would be wider cannot be known.
        raise OAuthError("invalid_scope", "a transaction token has scopes, of those of the subject token")
    if wanted.scopes is None:
        return has or None
    if has and not set(wanted.scopes) <= set(has):
        raise OAuthError("invalid_scope", "the subject token has not all of these scopes")
    return wanted.scopes


def _narrowed(
    wanted: Wanted, scopes: tuple[str, ...] | None, allowed: frozenset[str] | None
) -> tuple[str, ...]:
    if scopes is None:
        return tuple(sorted(allowed or ()))
    if allowed is None:
        return scopes
    narrowed = tuple(scope for scope in scopes if scope in allowed)
    if wanted.scopes and not narrowed:
        raise OAuthError("invalid_scope", "the policies allow none of these scopes")
    return narrowed


# 8.


def _attributes(
    wanted: Wanted,
    asking: Asking,
    subject: _Held,
    who: Parties,
    scopes: tuple[str, ...] | None,
    lifetime: float,
    now: datetime,
) -> dict[str, Any]:
    """What rules read of the token that is asked for, and of the one it is asked for with."""
    evidence = subject.evidence
    about: dict[str, Any] = {
        "kind": wanted.kind,
        "audience": wanted.audience,
        "scopes": list(scopes or ()),
        "lifetime": _duration(lifetime),
        "client": asking.client.id,
        "subject": who.subject,
        "subject_form": evidence.form,
        "subject_bound": any(member in subject.claims for member in ("cnf",)),
        "subject_audiences": list(evidence.audiences),
        "subject_scopes": list(evidence.scopes),
        "subject_age": _duration(max(0.0, now.timestamp() - evidence.issued)),
        "subject_lifetime": _duration(evidence.expires - evidence.issued),
        "actors": list(who.actors),
    }
    if evidence.issuer is not None:
        about["subject_issuer"] = evidence.issuer
    if who.actors:
        about["actor"] = who.actors[0]
    return about


def _duration(seconds: float) -> str:
    return f"{int(timedelta(seconds=seconds) / timedelta(milliseconds=1))}ms"
