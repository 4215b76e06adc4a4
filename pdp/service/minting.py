"""What it takes to make tokens, put together from the settings: keys, clients, policies, state.

Knows which settings that takes. Where one is missing there is no `Minting`, and `Missing` says which.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pdp.access.decision import Decision
from pdp.access.document import RequestError
from pdp.access.request import Request
from pdp.evidence import refusals
from pdp.evidence.dpop import ProofPolicy
from pdp.point import DecisionPoint, denial
from pdp.service.remembered import Remembered
from pdp.settings import EnforcementPoint, Settings
from pdp.tasks.clients import Asking, Clients
from pdp.tasks.exchange import Exchange
from pdp.tasks.granted import Rule
from pdp.tasks.known import OWN
from pdp.tasks.mint import Mint
from pdp.tasks.outbox import Outbox
from pdp.tasks.own_tokens import OwnTokens
from pdp.tasks.revocation import Revocations
from pdp.tasks.signing import SigningKeys, signing_keys
from pdp.trusted import Trusted

log = logging.getLogger("pdp.service")

RESOURCE: Final = "token"
TOKEN: Final = "/token"
REVOKE: Final = "/revoke"
INTROSPECT: Final = "/introspect"
JWKS: Final = "/.well-known/jwks.json"

# Who is asking was proved to us, and is our own word.
_OURSELVES: Final = EnforcementPoint(name=OWN, may_assert=("caller", "credential", "task"))


@dataclass(frozen=True, slots=True)
class Minting:
    """What the endpoints of OAuth work with. `url` is where they are, without a slash at the end."""

    issuer: str
    url: str
    proofs: ProofPolicy
    keys: SigningKeys
    clients: Clients
    exchange: Exchange
    tokens: OwnTokens


def keys_of(settings: Settings, remembered: Remembered) -> SigningKeys | None:
    """The keys to sign with; None where nothing is to be minted. Raises `StoreError`."""
    if missing(settings) is not None:
        return None
    assert settings.state.path is not None
    return signing_keys(settings.mint, settings.state.path, remembered.opened())


def missing(settings: Settings) -> str | None:
    """The setting without which no token is made; None where all are there."""
    if settings.mint.issuer is None:
        return "`issuer` of `[mint]`"
    return "`path` of `[state]`" if settings.state.path is None else None


def minting(
    settings: Settings, point: DecisionPoint, trusted: Trusted, remembered: Remembered, keys: SigningKeys
) -> Minting:
    """Everything, put together. Raises `KeysError` for keys of clients that cannot be used."""
    issuer = settings.mint.issuer
    assert issuer is not None
    url = issuer.rstrip("/")
    verifier, knowledge, replay = trusted.verifier, remembered.knowledge, remembered.replay
    audiences = frozenset((issuer, *(url + path for path in (TOKEN, REVOKE, INTROSPECT))))
    rule = rule_of(point)
    lifetime = int(settings.mint.lifetime.total_seconds())
    return Minting(
        issuer,
        url,
        # Nothing but keys ever changes in what is believed.
        verifier.trust.proofs,
        keys,
        Clients(settings.client, trusted.clients, verifier, replay, audiences),
        Exchange(verifier, knowledge, replay, Mint(keys, issuer), lifetime, rule),
        # By a connection of its own: no decision is to wait while one is flushed.
        OwnTokens(
            issuer,
            verifier,
            knowledge,
            Revocations(remembered.opened(), Outbox(settings.receiver)),
            rule,
        ),
    )


def rule_of(point: DecisionPoint) -> Rule:
    """What the policies say, asked of `point`, and so in its log."""

    def rule(
        asking: Asking, action: str, audience: str, about: Mapping[str, Any], task: str | None, now: datetime
    ) -> Decision:
        evidence, seconds = asking.evidence, now.timestamp()
        said: dict[str, Any] = {
            "binding": evidence.binding,
            "audiences": list(evidence.audiences),
            "age": _duration(max(0.0, seconds - evidence.issued)),
            "lifetime": _duration(evidence.expires - evidence.issued),
        }
        request = Request(
            OWN, action, {}, RESOURCE, audience, dict(about),
            dict(evidence.caller), {"asserted": said}, task, {},
        )  # fmt: skip
        try:
            return point.evaluate(request, _OURSELVES, now=now).decision
        except RequestError as error:
            log.error("the policies do not declare a resource `%s` as pdp asks of it: %s", RESOURCE, error)
            return denial(refusals.INTERNAL_ERROR, point.program.digest)

    return rule


def _duration(seconds: float) -> str:
    return f"{int(timedelta(seconds=seconds) / timedelta(milliseconds=1))}ms"
