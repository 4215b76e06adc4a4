"""Whom to believe, as `pdp.toml` says it: issuers of tokens, trust domains, proofs.

Knows the tables of the settings and makes a `Trust` of them, without keys: where those come from is here, and
how they are brought is `evidence.sources`' business.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pdp.access.patterns import check_spiffe_id
from pdp.evidence.dpop import Nonces, ProofPolicy
from pdp.evidence.keys import ALGORITHMS
from pdp.evidence.trust import Audiences, Issuer, Trust, TrustDomain
from pdp.schema.schema import CALLER
from pdp.sections import Duration, Section

Name = Annotated[str, Field(min_length=1, max_length=2_048)]

# What a claim may not stand for: who the caller is follows from the token's own names and chain.
_OURS = frozenset(name for name, _ in CALLER.attributes) - {"groups"}


class KeysFrom(Section):
    """Where an issuer's keys come from: exactly one of a JWKS `file`, the `url` of one, or `discovery` of
    that URL in the issuer's metadata (RFC 8414, OpenID Connect Discovery).

    They are fetched every `refresh`; when that fails they are believed for `stale` longer. `private` allows
    an address that is not public.
    """

    file: Path | None = None
    url: str | None = None
    discovery: bool = False
    refresh: Duration = timedelta(minutes=5)
    stale: Duration = timedelta(hours=1)
    private: bool = False

    @model_validator(mode="after")
    def _is_one(self) -> KeysFrom:
        if (self.file is not None) + (self.url is not None) + self.discovery != 1:
            raise ValueError("say one of `file`, `url` and `discovery`")
        return self


class IssuerTable(Section):
    """`[[issuer]]`: who issues tokens that are believed here, and what about them."""

    id: Name
    keys: KeysFrom
    algorithms: tuple[str, ...]
    typ: tuple[Name, ...] = ("at+jwt",)
    audiences: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    kind: Literal["workload", "human", "agent"] = "workload"
    actor: Literal["workload", "human", "agent"] = "workload"
    caller: Name = "sub"
    claims: dict[str, Name] = Field(default_factory=dict)
    max_lifetime: Duration = timedelta(hours=1)
    max_age: Duration = timedelta(hours=1)
    leeway: Annotated[Duration, Field(le=timedelta(minutes=5))] = timedelta(seconds=30)
    binding: Literal["none", "any", "dpop", "mtls"] = "none"
    single_use: bool = False
    trust_domains: tuple[Name, ...] = ()

    @field_validator("algorithms")
    @classmethod
    def _are_known(cls, algorithms: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(algorithms) - ALGORITHMS)
        if unknown or not algorithms:
            what = f"`{unknown[0]}` is not" if unknown else "must name at least"
            raise ValueError(f"{what} one of {', '.join(sorted(ALGORITHMS))}")
        return algorithms

    @field_validator("claims")
    @classmethod
    def _are_not_ours(cls, claims: dict[str, str]) -> dict[str, str]:
        for attribute in sorted(claims.keys() & _OURS):
            raise ValueError(f"`{attribute}` of a caller is not taken from a claim")
        return claims


class BundleFrom(Section):
    """Where a trust domain's bundle comes from: a `file`, a `url`, or the `workload_api` on a socket."""

    file: Path | None = None
    url: str | None = None
    workload_api: str | None = None
    refresh: Duration = timedelta(minutes=5)
    stale: Duration = timedelta(hours=1)
    private: bool = False

    @model_validator(mode="after")
    def _is_one(self) -> BundleFrom:
        if sum(place is not None for place in (self.file, self.url, self.workload_api)) != 1:
            raise ValueError("say one of `file`, `url` and `workload_api`")
        return self


class TrustDomainTable(Section):
    """`[[trust_domain]]`: a SPIFFE trust domain whose identities are believed here."""

    name: Name
    bundle: BundleFrom
    forms: tuple[Literal["x509_svid", "jwt_svid", "wit"], ...] = ("x509_svid", "jwt_svid")
    audiences: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    kind: Literal["workload", "agent"] = "workload"
    max_lifetime: Duration = timedelta(hours=1)
    leeway: Annotated[Duration, Field(le=timedelta(minutes=5))] = timedelta(seconds=30)

    @field_validator("name")
    @classmethod
    def _is_trust_domain(cls, name: str) -> str:
        check_spiffe_id(f"spiffe://{name}")
        if "/" in name:
            raise ValueError(f"`{name}` is no trust domain")
        return name


class ProofsTable(Section):
    """`[proofs]`: which DPoP proofs are accepted. With `nonces` each must hold one that was given out."""

    algorithms: tuple[str, ...] = ("ES256", "EdDSA", "PS256")
    max_age: Annotated[Duration, Field(le=timedelta(minutes=10))] = timedelta(minutes=1)
    max_ahead: Annotated[Duration, Field(le=timedelta(minutes=1))] = timedelta(seconds=5)
    nonces: bool = False

    _known = field_validator("algorithms")(IssuerTable._are_known)


def trust(
    issuers: tuple[IssuerTable, ...], domains: tuple[TrustDomainTable, ...], proofs: ProofsTable
) -> Trust:
    """The trust that tables describe. It has no keys yet, and so believes nobody."""
    return Trust(
        {table.id: _issuer(table) for table in issuers},
        {table.name: _domain(table) for table in domains},
        proofs=ProofPolicy(
            frozenset(proofs.algorithms),
            _seconds(proofs.max_age),
            _seconds(proofs.max_ahead),
            Nonces(secrets.token_bytes(32)) if proofs.nonces else None,
        ),
    )


def _issuer(table: IssuerTable) -> Issuer:
    return Issuer(
        table.id,
        frozenset(table.algorithms),
        types=frozenset(typ.lower().removeprefix("application/") for typ in table.typ),
        audiences=_audiences(table.audiences),
        kind=table.kind,
        actor=table.actor,
        caller=table.caller,
        claims=tuple(table.claims.items()),
        max_lifetime=_seconds(table.max_lifetime),
        max_age=_seconds(table.max_age),
        leeway=_seconds(table.leeway),
        binding=table.binding,
        single_use=table.single_use,
        trust_domains=frozenset(table.trust_domains),
    )


def _domain(table: TrustDomainTable) -> TrustDomain:
    return TrustDomain(
        table.name,
        frozenset(table.forms),
        audiences=_audiences(table.audiences),
        kind=table.kind,
        max_lifetime=_seconds(table.max_lifetime),
        leeway=_seconds(table.leeway),
    )


def _audiences(named: Mapping[str, tuple[str, ...]]) -> Audiences:
    return Audiences({audience: frozenset(values) for audience, values in named.items()})


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())
