"""What the policies grant to whoever asks for a token: their decision, read by the one that must obey it.

An allow may come with obligations `token`: a `lifetime` that it does not outlive, `scopes` that it has at most,
`claims` that it has besides. Of several each counts. What cannot be done as it is said is not granted.
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

OBLIGATION: Final = "token"


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
        values = _values(duty)
        if "lifetime" in values:
            said = values["lifetime"].total_seconds()
            lifetime = said if lifetime is None else min(lifetime, said)
        if "scopes" in values:
            allowed = frozenset(values["scopes"])
            scopes = allowed if scopes is None else scopes & allowed
        for name, value in values.get("claims", {}).items():
            if claims.setdefault(name, plain(value)) != plain(value):
                log.error("`%s` of rule %s says otherwise than another", name, duty.rule)
                raise _nothing()
    return Granting(lifetime, scopes, claims)


def _values(duty: Obligation) -> Mapping[str, Any]:
    """The members of an obligation that can be done."""
    values = duty.values
    fits = (
        duty.name == OBLIGATION
        and values.keys() <= {"lifetime", "scopes", "claims"}
        and isinstance(values.get("lifetime", timedelta()), timedelta)
        and _are_scopes(values.get("scopes", ()))
        and isinstance(values.get("claims", {}), dict)
        and RESERVED.isdisjoint(values.get("claims", {}))
    )
    if not fits:
        log.error("`%s` of rule %s cannot be done for a token", duty.name, duty.rule)
        raise _nothing()
    return values


def _are_scopes(value: object) -> bool:
    return isinstance(value, list | tuple | frozenset) and all(isinstance(one, str) for one in value)


def _nothing() -> OAuthError:
    # Unwilling to issue a token for this target (RFC 8693 section 2.2.2).
    return OAuthError("invalid_target", "the policies do not allow it")
