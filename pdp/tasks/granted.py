"""What the policies grant to whoever asks for a token: their decision, read by the one that must obey it.

An allow may come with obligations. Those of `token` say a `lifetime` that it does not outlive, and `scopes`
that it has at most; those of `claims` what it says besides. Of several each counts. What cannot be done as it
is said is not granted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from msgspec import Struct

from pdp.access.decision import Decision, Obligation
from pdp.answer import plain
from pdp.tasks.clients import Asking
from pdp.tasks.mint import RESERVED
from pdp.tasks.oauth_errors import OAuthError

log = logging.getLogger("pdp.tasks")

Rule: TypeAlias = Callable[[Asking, str, str, Mapping[str, Any], str | None, datetime], Decision]
"""What the policies say to a client that wants to do something with a token: an action, the audience that the
token is for, what else is known of it, and the task that it is for."""

TOKEN: Final = "token"
CLAIMS: Final = "claims"


class Granting(Struct, frozen=True, gc=False):
    """What a token may be at most; None where the policies do not say. `lifetime` is in seconds."""

    lifetime: float | None
    scopes: frozenset[str] | None
    claims: dict[str, Any]


def granting(decision: Decision) -> Granting:
    """What a decision grants; raises `OAuthError` where that is nothing."""
    if decision.decision != "allow":
        raise _nothing()
    lifetime: float | None = None
    scopes: frozenset[str] | None = None
    claims: dict[str, Any] = {}
    for duty in decision.obligations:
        values = duty.values
        if not _can_be_done(duty):
            log.error("`%s` of rule %s cannot be done for a token", duty.name, duty.rule)
            raise _nothing()
        if duty.name == CLAIMS:
            for name, value in values.items():
                if claims.setdefault(name, plain(value)) != plain(value):
                    log.error("`%s` of rule %s says otherwise than another", name, duty.rule)
                    raise _nothing()
            continue
        if "lifetime" in values:
            said = values["lifetime"].total_seconds()
            lifetime = said if lifetime is None else min(lifetime, said)
        if "scopes" in values:
            allowed = frozenset(values["scopes"])
            scopes = allowed if scopes is None else scopes & allowed
    return Granting(lifetime, scopes, claims)


def _can_be_done(duty: Obligation) -> bool:
    values = duty.values
    if duty.name == CLAIMS:
        return RESERVED.isdisjoint(values)
    return (
        duty.name == TOKEN
        and values.keys() <= {"lifetime", "scopes"}
        and isinstance(values.get("lifetime", timedelta()), timedelta)
        and _are_scopes(values.get("scopes", ()))
    )


def _are_scopes(value: object) -> bool:
    return isinstance(value, list | tuple | frozenset) and all(isinstance(one, str) for one in value)


def _nothing() -> OAuthError:
    # Unwilling to issue a token for this target (RFC 8693 section 2.2.2).
    return OAuthError("invalid_target", "the policies do not allow it")
