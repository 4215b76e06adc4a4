"""Whom to believe, as `pdp.toml` says it: issuers of tokens, trust domains, proofs.

Knows the tables of the settings and what may stand in them; what becomes of them is the business of
`pdp.trusted`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pdp.access.patterns import check_spiffe_id
from pdp.schema.schema import CALLER
from pdp.sections import Duration, Section

Name = Annotated[str, Field(min_length=1, max_length=2_048)]
# Those of `evidence.keys`, which is not asked: reading settings must not cost a start what verifying needs.
Algorithm = Literal[
    "ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"
]  # fmt: skip
Algorithms = Annotated[tuple[Algorithm, ...], Field(min_length=1)]

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
    """`[[issuer]]`: who issues tokens that are believed here, and what about them.

    `typ` are the types of token it issues for services; `audiences` says which `aud` values stand for a
    service that is not named so itself; `claims` which claim holds an attribute of the caller; `caller` which
    claim holds its id, and `task` the id of the task that a token is for. `kind` is what its callers are, and
    `actor` what those are that act for one. Callers with a SPIFFE ID are taken from it for `trust_domains`
    only. With `single_use` each token counts once.
    """

    id: Name
    keys: KeysFrom
    algorithms: Algorithms
    typ: tuple[Name, ...] = ("at+jwt",)
    audiences: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    kind: Literal["workload", "human", "agent"] = "workload"
    actor: Literal["workload", "human", "agent"] = "workload"
    caller: Name = "sub"
    task: Name | None = None
    claims: dict[str, Name] = Field(default_factory=dict)
    max_lifetime: Duration = timedelta(hours=1)
    max_age: Duration = timedelta(hours=1)
    leeway: Annotated[Duration, Field(le=timedelta(minutes=5))] = timedelta(seconds=30)
    binding: Literal["none", "any", "dpop", "mtls"] = "none"
    single_use: bool = False
    trust_domains: tuple[Name, ...] = ()

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

    algorithms: Algorithms = ("ES256", "EdDSA", "PS256")
    max_age: Annotated[Duration, Field(le=timedelta(minutes=10))] = timedelta(minutes=1)
    max_ahead: Annotated[Duration, Field(le=timedelta(minutes=1))] = timedelta(seconds=5)
    nonces: bool = False
