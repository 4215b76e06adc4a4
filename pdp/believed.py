"""Whom to believe, as `pdp.toml` says it: issuers of tokens, trust domains, proofs.

Knows the tables of the settings and what may stand in them, and with what; what becomes of them is the
business of `pdp.trusted`. Asks nobody: what cannot be is refused when settings are read, what cannot be had
is told by `pdp trust check`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from pdp.access.patterns import check_spiffe_id
from pdp.evidence import urls
from pdp.schema.schema import CALLER
from pdp.sections import Duration, Seconds, Section, between, differ

Several = TypeVar("Several", bound=tuple[str, ...])


def _some_once(names: Several) -> Several:
    if not names:
        raise ValueError("must not be empty")
    differ(names)
    return names


def _trust_domain(name: str) -> str:
    try:
        check_spiffe_id(f"spiffe://{name}")
    except ValueError:
        raise ValueError(f"`{name}` is no trust domain") from None
    if "/" in name:
        raise ValueError(f"`{name}` is no trust domain")
    return name


def _url(url: str) -> str:
    urls.check(url)
    return url


def _socket(address: str) -> str:
    path = address.removeprefix("unix://") if address.startswith("unix://") else address.removeprefix("unix:")
    if not path.startswith("/") or not path.isprintable():
        raise ValueError(f"`{address}` is no Unix socket: write `unix:///path/of/it`")
    return address


Name = Annotated[str, Field(min_length=1, max_length=2_048)]
Names = Annotated[tuple[Name, ...], AfterValidator(_some_once)]
DomainName = Annotated[str, AfterValidator(_trust_domain)]
Url = Annotated[str, AfterValidator(_url)]
# Those of `evidence.keys`, which is not asked: reading settings must not cost a start what verifying needs.
Algorithm = Literal[
    "ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"
]  # fmt: skip
Algorithms = Annotated[tuple[Algorithm, ...], AfterValidator(_some_once)]
Leeway = Annotated[Duration, between(timedelta(0), timedelta(minutes=5))]

# What a claim may not stand for: who the caller is follows from the token's own names and chain.
_OURS = frozenset(name for name, _ in CALLER.attributes) - {"groups"}
# The names of media types (RFC 6838 section 4.2), with or without what they are among.
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*(?:/[a-z0-9][a-z0-9!#$&^_.+-]*)?")
# Types that are checked by rules of their own, and count for nothing beside what they belong to.
_PROOFS = frozenset({"dpop+jwt", "wit+jwt", "wpt+jwt", "txntoken+jwt", "secevent+jwt", "oauth-id-jag+jwt"})


class _Place(Section):
    """Where keys are read from, and how often: every `refresh`. When that fails they are believed for `stale`
    longer. `private` allows an address that is not public, `ca` is a PEM file of the authorities that the
    server's certificate may come from, instead of the public ones.
    """

    file: Path | None = None
    url: Url | None = None
    refresh: Seconds = timedelta(minutes=5)
    stale: Duration = timedelta(hours=1)
    private: bool = False
    ca: Path | None = None

    def _check(self, others: Collection[str]) -> None:
        """Refuses what says no place, or several, or how to ask a server where none is asked."""
        said = [name for name in ("file", "url", *others) if getattr(self, name)]
        if len(said) != 1:
            raise ValueError(f"say one of `file`, `url` and `{''.join(others)}`")
        if said[0] in ("file", "workload_api"):
            for name in ("private", "ca"):
                if getattr(self, name):
                    raise ValueError(f"`{name}` is about a server, and `{said[0]}` asks none")


class KeysFrom(_Place):
    """Where an issuer's keys come from: exactly one of a JWKS `file`, the `url` of one, or `discovery` of
    that URL in the issuer's metadata (RFC 8414, OpenID Connect Discovery)."""

    discovery: bool = False

    @model_validator(mode="after")
    def _is_one(self) -> KeysFrom:
        self._check(("discovery",))
        return self


class IntrospectionFrom(Section):
    """Where an issuer is asked about tokens that say nothing by themselves (RFC 7662), and by what it knows
    who asks: by the bearer token in `token_file`; as `client` by the secret in `secret_file`; or as `client`
    by an assertion for `audience`, the issuer unless said, which the private key in `key_file` signs
    (RFC 7523).

    What it said is believed for `cache`, an answer is waited for as long as `timeout`. `private` and `ca` are
    those of `keys`.
    """

    url: Url
    client: Name | None = None
    token_file: Path | None = None
    secret_file: Path | None = None
    key_file: Path | None = None
    audience: Name | None = None
    cache: Annotated[Duration, between(timedelta(seconds=1), timedelta(minutes=10))] = timedelta(seconds=30)
    timeout: Annotated[Duration, between(timedelta(milliseconds=100), timedelta(seconds=10))] = timedelta(
        seconds=2
    )
    private: bool = False
    ca: Path | None = None

    @model_validator(mode="after")
    def _is_one(self) -> IntrospectionFrom:
        if (self.token_file, self.secret_file, self.key_file).count(None) != 2:
            raise ValueError("say one of `token_file`, `secret_file` and `key_file`")
        if (self.client is None) is (self.token_file is None):
            raise ValueError(
                "`client` stands beside `secret_file` and `key_file`, and not beside `token_file`"
            )
        if self.audience is not None and self.key_file is None:
            raise ValueError("`audience` stands beside `key_file` alone")
        return self


class IssuerTable(Section):
    """`[[issuer]]`: who issues tokens that are believed here, and what about them.

    Its tokens are believed by a signature with one of its `keys`, or where they have none by `introspection`.
    `typ` are the types of token it issues for services; `audiences` says which `aud` values stand for a
    service that is not named so itself; `claims` which claim holds an attribute of the caller; `caller` which
    claim holds its id, and `task` the id of the task that a token is for; `session` and `tenant` which claims
    hold what a transmitter may revoke it by. `kind` is what its callers are, and `actor` what those are that
    act for one. Callers with a SPIFFE ID are taken from it for `trust_domains` only. With `single_use` each
    token counts once.
    """

    id: Name
    keys: KeysFrom | None = None
    algorithms: Algorithms | None = None
    introspection: IntrospectionFrom | None = None
    typ: Names = ("at+jwt",)
    audiences: dict[str, Names] = Field(default_factory=dict)
    kind: Literal["workload", "human", "agent"] = "workload"
    actor: Literal["workload", "human", "agent"] = "workload"
    caller: Name = "sub"
    task: Name | None = None
    session: Name | None = None
    tenant: Name | None = None
    claims: dict[str, Name] = Field(default_factory=dict)
    max_lifetime: Seconds = timedelta(hours=1)
    max_age: Seconds = timedelta(hours=1)
    leeway: Leeway = timedelta(seconds=30)
    binding: Literal["none", "any", "dpop", "mtls"] = "none"
    single_use: bool = False
    trust_domains: tuple[DomainName, ...] = ()

    @field_validator("keys")
    @classmethod
    def _can_be_discovered(cls, keys: KeysFrom | None, info: ValidationInfo) -> KeysFrom | None:
        if keys is not None and keys.discovery and "id" in info.data:
            try:
                urls.check_issuer(info.data["id"])
            except ValueError as error:
                raise ValueError(f"`discovery` asks at the issuer's id, and {error}") from None
        return keys

    @field_validator("typ")
    @classmethod
    def _are_types_of_tokens(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        for typ in types:
            named = typ.lower().removeprefix("application/")
            # Nothing behind `application/` would be the type of a token that has none.
            if named in _PROOFS or _TYPE.fullmatch(named) is None:
                raise ValueError(f"`{typ}` is no type of access token")
        return types

    @field_validator("task")
    @classmethod
    def _is_another_claim(cls, task: str | None, info: ValidationInfo) -> str | None:
        if task is not None and task == info.data.get("caller"):
            raise ValueError(f"`{task}` holds the caller's id, and so no task's")
        return task

    @field_validator("claims")
    @classmethod
    def _are_not_ours(cls, claims: dict[str, str]) -> dict[str, str]:
        for attribute in sorted(claims.keys() & _OURS):
            raise ValueError(f"`{attribute}` of a caller is not taken from a claim")
        return claims

    @field_validator("trust_domains")
    @classmethod
    def _are_of_workloads(cls, domains: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        differ(domains)
        if domains and info.data.get("kind") == info.data.get("actor") == "human":
            raise ValueError("SPIFFE IDs are no humans', and `kind` and `actor` are human")
        return domains

    @model_validator(mode="after")
    def _can_be_believed(self) -> IssuerTable:
        if self.keys is None and self.introspection is None:
            raise ValueError("say `keys`, `introspection`, or both")
        if (self.keys is None) is not (self.algorithms is None):
            raise ValueError("`keys` and `algorithms` stand together")
        return self


class BundleFrom(_Place):
    """Where a trust domain's bundle comes from: a `file`, a `url`, or the `workload_api` on a socket."""

    workload_api: Annotated[str, AfterValidator(_socket)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> BundleFrom:
        self._check(("workload_api",))
        return self


class TrustDomainTable(Section):
    """`[[trust_domain]]`: a SPIFFE trust domain whose identities are believed here, presented in `forms`.

    `audiences` is for JWT-SVIDs: the others name none. `wit` is experimental, as its drafts are.
    """

    name: DomainName
    bundle: BundleFrom
    forms: Annotated[tuple[Literal["x509_svid", "jwt_svid", "wit"], ...], AfterValidator(_some_once)] = (
        "x509_svid",
        "jwt_svid",
    )
    audiences: dict[str, Names] = Field(default_factory=dict)
    kind: Literal["workload", "agent"] = "workload"
    max_lifetime: Seconds = timedelta(hours=1)
    leeway: Leeway = timedelta(seconds=30)

    @field_validator("audiences")
    @classmethod
    def _are_asked_for(cls, audiences: dict[str, Names], info: ValidationInfo) -> dict[str, Names]:
        if audiences and "jwt_svid" not in info.data.get("forms", ("jwt_svid",)):
            raise ValueError("only a `jwt_svid` names an audience, and it is not among `forms`")
        return audiences


class ProofsTable(Section):
    """`[proofs]`: which DPoP proofs are accepted. With `nonces` each must hold one that was given out."""

    algorithms: Algorithms = ("ES256", "EdDSA", "PS256")
    max_age: Annotated[Duration, between(timedelta(seconds=1), timedelta(minutes=10))] = timedelta(minutes=1)
    max_ahead: Annotated[Duration, between(timedelta(0), timedelta(minutes=1))] = timedelta(seconds=5)
    nonces: bool = False
