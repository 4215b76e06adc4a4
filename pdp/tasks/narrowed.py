"""How far a new token goes: never further than what it is made of, its task, and what was asked for.

Pure arithmetic on sets and times. What the policies say comes to it as `Granting`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pdp.tasks.clients import Asking
from pdp.tasks.delegated import Parties
from pdp.tasks.handed_in import Held
from pdp.tasks.known import Known
from pdp.tasks.oauth_errors import OAuthError
from pdp.tasks.wanted import Wanted


def latest(
    wanted: Wanted, held: Iterable[Held], known: Known | None, lifetime: float, seconds: float
) -> float:
    """The latest that a token may end, but for what the policies say; `lifetime` is the longest of all."""
    ends = [seconds + lifetime, *(one.evidence.expires for one in held)]
    if wanted.lifetime is not None:
        ends.append(seconds + wanted.lifetime)
    if known is not None:
        ends.append(known.task.expires)
    return min(ends)


def within(wanted: Wanted, has: tuple[str, ...]) -> tuple[str, ...] | None:
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


def narrowed(
    wanted: Wanted, scopes: tuple[str, ...] | None, allowed: frozenset[str] | None
) -> tuple[str, ...]:
    """Of those the ones that the policies allow, too."""
    if scopes is None:
        return tuple(sorted(allowed or ()))
    if allowed is None:
        return scopes
    narrowed = tuple(scope for scope in scopes if scope in allowed)
    if wanted.scopes and not narrowed:
        raise OAuthError("invalid_scope", "the policies allow none of these scopes")
    return narrowed


def attributes(
    wanted: Wanted,
    asking: Asking,
    subject: Held,
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
        "lifetime": duration(lifetime),
        "client": asking.client.id,
        "subject": who.subject,
        "subject_form": evidence.form,
        "subject_bound": "cnf" in subject.claims,
        "subject_audiences": list(evidence.audiences),
        "subject_scopes": list(evidence.scopes),
        "subject_age": duration(max(0.0, now.timestamp() - evidence.issued)),
        "subject_lifetime": duration(evidence.expires - evidence.issued),
        "actors": list(who.actors),
    }
    if evidence.issuer is not None:
        about["subject_issuer"] = evidence.issuer
    if who.actors:
        about["actor"] = who.actors[0]
    return about


def duration(seconds: float) -> str:
    """Seconds as requests write durations."""
    return f"{int(timedelta(seconds=seconds) / timedelta(milliseconds=1))}ms"
