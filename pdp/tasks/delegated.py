"""Who will act for whom, once a token is exchanged: the rules for subject, actor and client (RFC 8693).

Pure: knows evidence and the claims that it was made from. Whether the policies let somebody act is not asked
here, only whether what was presented belongs together: a standard that lets any two tokens be presented side
by side leaves it to the server to see that nobody splices two chains into one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from pdp.evidence.delegation import CHAIN_LIMIT
from pdp.evidence.evidence import Evidence
from pdp.tasks.clients import Asking
from pdp.tasks.oauth_errors import OAuthError

# What follows from a token's names and chain, and from nothing that is told of a caller.
_PROVED: Final = frozenset(("id", "issuer", "on_behalf_of", "actors", "depth"))


class Parties(Struct, frozen=True, gc=False):
    """Who a new token is about. `actors` act for `subject`, the current one first; where there are none the
    subject acts itself. `caller` is what is known of whoever acts."""

    subject: str
    actors: tuple[str, ...]
    caller: dict[str, Any]

    @property
    def act(self) -> dict[str, Any] | None:
        """The `act` claim (RFC 8693 section 4.1)."""
        act: dict[str, Any] | None = None
        for actor in reversed(self.actors):
            act = {"sub": actor} if act is None else {"sub": actor, "act": act}
        return act


def parties(
    asking: Asking, subject: Evidence, actor: Evidence | None, may_act: Any, *, addressed: bool
) -> Parties:
    """Who a token is about for which these were presented; raises `OAuthError`.

    `may_act` is that claim of the subject's token; `addressed`: that token is for the client itself.

    1. An actor's token is the client's, and nobody acts through it for somebody else. 2. A token by which
    somebody acts already is its actor's to exchange, or its addressee's. 3. Who acts from now on. 4. Where
    the subject's token says who may, it is that one. 5. The chain is no circle, and not too long.
    """
    # 1.
    if actor is not None and (not _is_of(asking, actor) or "on_behalf_of" in actor.caller):
        raise OAuthError("invalid_request", "the actor token is not the client's own")
    principal: str = subject.caller.get("on_behalf_of", subject.caller["id"])
    before: tuple[str, ...] = ()
    if "on_behalf_of" in subject.caller:
        before = (subject.caller["id"], *subject.caller["actors"])
    # 2.
    own = _is_of(asking, subject) if before else _is_it(asking, subject)
    if before and not own and not addressed:
        raise OAuthError("invalid_request", "the subject token is another actor's")
    # 3.
    acting = asking.evidence if actor is None else actor
    name: str = acting.caller["id"]
    if own and (actor is None or name == subject.caller["id"]):
        found = Parties(principal, before, _told(subject.caller))
        name = subject.caller["id"]
    else:
        found = Parties(principal, (name, *before), _told(acting.caller))
    # 4.
    if may_act is not None and found.actors:
        _check_may_act(may_act, name, acting)
    # 5.
    if len(found.actors) > CHAIN_LIMIT or len({principal, *found.actors}) <= len(found.actors):
        raise OAuthError("invalid_request", "the chain of actors is a circle, or too long")
    return found


def _is_it(asking: Asking, evidence: Evidence) -> bool:
    """Whether a token is about the client. That somebody is called so is not enough: a human is no client."""
    caller = evidence.caller
    return bool(caller["id"] == asking.name and caller["kind"] != "human")


def _is_of(asking: Asking, evidence: Evidence) -> bool:
    """Whether a token is about the client, or was given to it."""
    return _is_it(asking, evidence) or evidence.client == asking.client.id


def _check_may_act(may_act: Any, name: str, acting: Evidence) -> None:
    """Refuses who is not the one that may act (RFC 8693 section 4.4). What says more of it than can be
    compared says that it is another."""
    said: Mapping[str, Any] = may_act if type(may_act) is dict else {}
    known = {"sub": name, "iss": acting.issuer, "client_id": acting.client}
    if "sub" not in said or any(known.get(member) != value for member, value in said.items()):
        raise OAuthError("invalid_request", "the subject token says that another may act")


def _told(caller: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in caller.items() if name not in _PROVED}
