"""Token exchange (RFC 8693): a token in, a narrower one out, which ends with its work, for its holder alone.

Knows what was asked for, as `wanted` reads it, and neither HTTP nor how the policies decide: whoever calls
hands that in. Nothing is used up by an exchange that fails.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from pdp.evidence.dpop import Proof
from pdp.evidence.evidence import Once
from pdp.evidence.jws import encode
from pdp.evidence.jwt import LINEAGE_LIMIT, Confirmation
from pdp.evidence.verify import Verifier
from pdp.state.replay import Replay, Use
from pdp.tasks.clients import Asking
from pdp.tasks.delegated import Parties, parties
from pdp.tasks.granted import Granting, Rule, granting
from pdp.tasks.handed_in import HandedIn, Held
from pdp.tasks.known import Knowledge, Known
from pdp.tasks.mint import Mint, MintError
from pdp.tasks.narrowed import attributes, latest, narrowed, within
from pdp.tasks.oauth_errors import OAuthError
from pdp.tasks.revocation import credential_names, revoked_name
from pdp.tasks.wanted import ACCESS_TOKEN, TRANSACTION, Wanted

# It is no name of a credential, but of all.
_ALL: Final = revoked_name("all")


class Granted(Struct, frozen=True, gc=False):
    """A token that was made, and what its client is told of it (RFC 8693 section 2.2.1)."""

    token: str
    issued_type: str
    token_type: Literal["DPoP", "Bearer", "N_A"]
    lifetime: int
    scopes: tuple[str, ...]


class Exchange:
    """Exchanges tokens. One for the process; it remembers nothing itself."""

    def __init__(
        self, verifier: Verifier, knowledge: Knowledge, replay: Replay, mint: Mint, lifetime: int, rule: Rule
    ) -> None:
        """`lifetime` is the longest that a token may have, in seconds."""
        self._handed_in = HandedIn(verifier, knowledge)
        self._replay = replay
        self._mint = mint
        self._lifetime = lifetime
        self._rule = rule

    def exchange(self, wanted: Wanted, asking: Asking, proof: Proof | None, now: datetime) -> Granted:
        """The token that `asking` gets for the ones that it has; raises `OAuthError`, and `StoreError`.

        `proof` is of the key that the new token will be bound to (RFC 9449 section 5); without one it is
        bound to the client's certificate (RFC 8705 section 3).

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
        proved = _proved(asking, proof)
        bound = _bound_to(proved)
        if bound is None and wanted.kind == "access_token":
            raise OAuthError("invalid_request", "prove a key: send a DPoP proof, or come with a certificate")
        # 2. and 3.
        handed_in = self._handed_in
        subject = handed_in.subject(wanted, asking, proved, now)
        actor = None
        if wanted.actor_token is not None:
            actor = handed_in.taken(wanted.actor_token, asking, proved, now)
        held = (subject,) if actor is None else (subject, actor)
        task_id = _task(wanted, held)
        known = handed_in.known(subject.evidence, task_id, seconds)
        if actor is not None:
            handed_in.known(actor.evidence, None, seconds)
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
        if not handed_in.leads(subject, wanted):
            raise OAuthError("invalid_target", "the subject token does not lead there")
        # 7.
        scopes = within(wanted, subject.evidence.scopes)
        # 8.
        until = latest(wanted, held, known, self._lifetime, seconds)
        about = attributes(wanted, asking, subject, who, scopes, until - seconds, now)
        granted = granting(self._rule(asking, "token.exchange", wanted.audience, about, task_id, now))
        # 9.
        scopes = narrowed(wanted, scopes, granted.scopes)
        if granted.lifetime is not None:
            until = min(until, seconds + granted.lifetime)
        if int(until) <= int(seconds):
            raise OAuthError("invalid_request", "there is no time left for a token")
        # 10.
        lineage, since = _lineage(held)
        try:
            token = self._minted(
                wanted, asking, subject, who, bound, scopes, until, task_id, lineage, since, granted, seconds
            )
        except MintError:
            raise OAuthError("invalid_request", "a token that says this would be refused") from None
        # 11.
        self._use(held, proof, seconds)
        kind: Literal["DPoP", "Bearer", "N_A"] = "Bearer" if proof is None else "DPoP"
        if wanted.kind == "txn_token":
            return Granted(token, TRANSACTION, "N_A", int(until) - int(seconds), scopes)
        return Granted(token, ACCESS_TOKEN, kind, int(until) - int(seconds), scopes)

    # 10.

    def _minted(
        self,
        wanted: Wanted,
        asking: Asking,
        subject: Held,
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

    def _use(self, held: tuple[Held, ...], proof: Proof | None, seconds: float) -> None:
        """Use up what may be used once; raises `OAuthError` where it was."""
        tokens = [once for one in held for once in one.evidence.once]
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


# 1.


def _bound_to(proved: Confirmation) -> Confirmation | None:
    """What a new token is bound to: the key of the proof, rather than the one of the certificate."""
    if proved.jkt is not None:
        return Confirmation(jkt=proved.jkt)
    return None if proved.x5t is None else proved


def _proved(asking: Asking, proof: Proof | None) -> Confirmation:
    """All keys that the client has shown to be its own."""
    peer = asking.peer
    return Confirmation(None if proof is None else proof.jkt, None if peer is None else encode(peer.digest))


# 2. and 3.


def _task(wanted: Wanted, held: tuple[Held, ...]) -> str | None:
    """The one task that everything is for; tokens of two tasks make no token of either."""
    tasks = {wanted.task, *(one.evidence.task for one in held)} - {None}
    if len(tasks) > 1:
        raise OAuthError("invalid_request", "the tokens, or what is asked for, are for different tasks")
    return next(iter(tasks), None)


# 5.


def _check_task(known: Known | None, asking: Asking, who: Parties, wanted: Wanted) -> None:
    # A task that is not the client's is none for it.
    if known is None or not known.active or not known.task.may_be_worked_on_by(asking.name):
        raise OAuthError("invalid_request", "there is no such task, or it does not run")
    if who.actors and not known.task.may_be_worked_on_by(who.actors[0]):
        raise OAuthError("invalid_request", "there is no such task, or it does not run")
    if wanted.kind == "access_token" and wanted.audience not in known.task.audiences:
        raise OAuthError("invalid_target", "the task has no such audience")


# 10.


def _lineage(held: tuple[Held, ...]) -> tuple[tuple[bytes, ...], float]:
    """By what the new token may be revoked beside its own names, and when the first of what it comes from was
    issued."""
    names: dict[bytes, None] = {}
    for one in held:
        names |= dict.fromkeys(credential_names(one.evidence))
    names.pop(_ALL, None)
    if len(names) > LINEAGE_LIMIT:
        raise OAuthError("invalid_request", "the token comes from too many others")
    return tuple(names), min(one.evidence.since for one in held)
