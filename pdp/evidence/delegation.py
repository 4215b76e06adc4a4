"""Who acts for whom: the `act` and `may_act` claims of a token (RFC 8693 sections 4.1 and 4.4).

Only the token's own claims and its current actor decide anything; earlier actors inform rules and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from pdp.evidence.refusals import DELEGATION_INVALID, EvidenceError

CHAIN_LIMIT: Final = 8
_NAME_LIMIT: Final = 2_048


class Chain(Struct, frozen=True, gc=False):
    """`actor` acts now, on behalf of `subject`; `earlier` acted before it, the latest first."""

    subject: str
    actor: str
    earlier: tuple[str, ...]


def chain(claims: Mapping[str, Any], subject: str) -> Chain | None:
    """The delegation that a token records; None where its subject acts itself. Raises `EvidenceError`.

    An actor that stands in the chain twice, or is the subject, is a circle: whoever made it lost count of who
    acts for whom.
    """
    if "act" not in claims:
        _check_may_act(claims)
        return None
    actors: list[str] = []
    outer = claims
    while "act" in outer:
        inner = outer["act"]
        if type(inner) is not dict or len(actors) == CHAIN_LIMIT:
            raise EvidenceError(DELEGATION_INVALID)
        actors.append(_name(inner.get("sub")))
        outer = inner
    if len({subject, *actors}) != len(actors) + 1:
        raise EvidenceError(DELEGATION_INVALID)
    allowed = _check_may_act(claims)
    if allowed is not None and allowed != actors[0]:
        raise EvidenceError(DELEGATION_INVALID)
    return Chain(subject, actors[0], tuple(actors[1:]))


def _check_may_act(claims: Mapping[str, Any]) -> str | None:
    """Who alone may act for the subject, where the token says so."""
    if "may_act" not in claims:
        return None
    allowed = claims["may_act"]
    if type(allowed) is not dict:
        raise EvidenceError(DELEGATION_INVALID)
    return _name(allowed.get("sub"))


def _name(text: Any) -> str:
    if type(text) is not str or not 0 < len(text) <= _NAME_LIMIT or not text.isprintable():
        raise EvidenceError(DELEGATION_INVALID)
    return text
