"""Who is believed, with which keys, about what: one immutable value, replaced whole when anything changes.

Knows neither files nor networks: `sources` brings keys, `pdp.settings` says who is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from cryptography.x509 import Certificate

from pdp.evidence.dpop import ProofPolicy
from pdp.evidence.keys import KeySet
from pdp.evidence.refusals import (
    AUDIENCE_MISMATCH,
    KEYS_STALE,
    TRUST_DOMAIN_UNKNOWN,
    EvidenceError,
)

Kind = Literal["workload", "human", "agent"]
Required = Literal["none", "any", "dpop", "mtls"]


@dataclass(frozen=True, slots=True)
class Audiences:
    """Which `aud` values stand for which service. A service that is not named stands for itself."""

    named: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def check(self, stated: tuple[str, ...], audience: str) -> None:
        """Refuses a token whose `aud` has none of the values that stand for `audience`."""
        accepted = self.named.get(audience)
        if audience not in stated if accepted is None else accepted.isdisjoint(stated):
            raise EvidenceError(AUDIENCE_MISMATCH)

    def lead(self, stated: tuple[str, ...], through: str, audience: str) -> bool:
        """Whether a token with these `aud` values, which is handed in at `through`, may become one for
        `audience`.

        One that is good at `audience` itself may. So may one with a value that stands for `through` and
        for no other service: it is there to be exchanged, and leaves to others for what.
        """
        here = self.named.get(through, frozenset((through,))).intersection(stated)
        others = {value for service, values in self.named.items() if service != through for value in values}
        return bool(here - others) or not self.named.get(audience, frozenset((audience,))).isdisjoint(stated)


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of tokens. Times are seconds; `types` media types in lower case, without `application/`.

    `claims` are pairs of an attribute of the caller and the claim that holds it. `caller` names the claim
    that holds the caller's id, `task` the one that holds the id of the task that the token is for.
    `actor` is the kind of a caller that acts for the token's subject. Callers with a SPIFFE ID are
    believed for `trust_domains` only. `own`: it is this decision point itself, whose tokens are for tasks
    and tell what they were exchanged for. `aliases` are pairs of a kind of name, by which others may speak of
    a token's subject, and the claim that holds the name.
    """

    id: str
    algorithms: frozenset[str]
    types: frozenset[str] = frozenset({"at+jwt"})
    audiences: Audiences = field(default_factory=Audiences)
    kind: Kind = "workload"
    actor: Kind = "workload"
    caller: str = "sub"
    task: str | None = None
    claims: tuple[tuple[str, str], ...] = ()
    max_lifetime: int = 3_600
    max_age: int = 3_600
    leeway: int = 30
    binding: Required = "none"
    single_use: bool = False
    trust_domains: frozenset[str] = frozenset()
    own: bool = False
    aliases: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TrustDomain:
    """One SPIFFE trust domain. `forms` says as what its identities may be presented."""

    name: str
    forms: frozenset[Literal["x509_svid", "jwt_svid", "wit"]] = frozenset({"x509_svid", "jwt_svid"})
    audiences: Audiences = field(default_factory=Audiences)
    kind: Kind = "workload"
    max_lifetime: int = 3_600
    leeway: int = 30


@dataclass(frozen=True, slots=True)
class Keys:
    """An issuer's keys, and until when they may be believed without having been fetched again."""

    keys: KeySet
    until: float


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trust domain's authorities and keys by purpose, and until when they may be believed."""

    authorities: tuple[Certificate, ...]
    jwt: KeySet
    wit: KeySet
    until: float


@dataclass(frozen=True, slots=True)
class Trust:
    """Everything that is believed. `version` grows with every change, so that what was verified by an older
    one can be told from what was verified by this one."""

    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    domains: Mapping[str, TrustDomain] = field(default_factory=dict)
    keys: Mapping[str, Keys] = field(default_factory=dict)
    bundles: Mapping[str, Bundle] = field(default_factory=dict)
    proofs: ProofPolicy = field(default_factory=ProofPolicy)
    version: int = 0

    def keys_of(self, issuer: Issuer, seconds: float) -> Keys:
        """The keys that this issuer signs with, and nobody else's."""
        found = self.keys.get(issuer.id)
        if found is None or seconds >= found.until:
            raise EvidenceError(KEYS_STALE)
        return found

    def domain(self, name: str) -> TrustDomain:
        """The trust domain of this name."""
        found = self.domains.get(name)
        if found is None:
            raise EvidenceError(TRUST_DOMAIN_UNKNOWN)
        return found

    def bundle_of(self, domain: TrustDomain, seconds: float) -> Bundle:
        """The authorities and keys of a trust domain, and of no other (SPIFFE Trust Domain and Bundle, 4)."""
        found = self.bundles.get(domain.name)
        if found is None or seconds >= found.until:
            raise EvidenceError(KEYS_STALE)
        return found

    def with_keys(self, issuer: str, keys: Keys) -> Trust:
        """The same with an issuer's newly fetched keys."""
        return replace(self, keys={**self.keys, issuer: keys}, version=self.version + 1)

    def with_bundle(self, domain: str, bundle: Bundle) -> Trust:
        """The same with a trust domain's newly fetched bundle."""
        return replace(self, bundles={**self.bundles, domain: bundle}, version=self.version + 1)
