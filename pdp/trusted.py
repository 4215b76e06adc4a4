"""From whom the settings believe to a verifier that does, and to the sources that keep its keys fresh.

Knows the tables of the settings and what each becomes. Reads nothing itself: until its sources were read, the
verifier has no keys, and so believes nobody.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from pdp.believed import BundleFrom, IntrospectionFrom, IssuerTable, KeysFrom, ProofsTable, TrustDomainTable
from pdp.evidence.dpop import Nonces, ProofPolicy
from pdp.evidence.kept import Kept, Publish, Status
from pdp.evidence.keys import ALGORITHMS, KeySet, parse_jwks
from pdp.evidence.sources import Place, Source, Sources
from pdp.evidence.spiffe import parse_bundle
from pdp.evidence.trust import Audiences, Issuer, Keys, Trust, TrustDomain
from pdp.evidence.verify import Verifier
from pdp.evidence.workload_api import WorkloadApi
from pdp.settings import Settings
from pdp.tasks.own_keys import OwnKeys
from pdp.tasks.signing import SigningKeys
from pdp.tasks.wrap import ALGORITHMS as SIGNED_WITH

if TYPE_CHECKING:
    from pdp.evidence.introspection import Introspection
    from pdp.evidence.login import Login


class Trusted:
    """What one process believes. `verifier` holds the trust, which `sources` replace as keys come in.

    `secret` makes the nonces for proofs; the workers of one service share it, so that each takes the others'.
    `keys` are those that sign here, where tokens are minted. `clients` holds the keys of clients that have
    them elsewhere than in the settings.
    """

    def __init__(
        self, settings: Settings, secret: bytes | None = None, keys: SigningKeys | None = None
    ) -> None:
        self.clients: dict[str, KeySet] = {}
        own = None if keys is None or settings.mint.issuer is None else _own(settings, settings.mint.issuer)
        trust = Trust(
            {table.id: _issuer(table, settings) for table in settings.issuer}
            | ({} if own is None else {own.id: own}),
            {table.name: _domain(table) for table in settings.trust_domain},
            proofs=_proofs(settings.proofs, secret or secrets.token_bytes(32)),
        )
        self.introspection = next(iter(introspections(settings).values()), None)
        opaque = None if self.introspection is None else self.introspection.found
        self.verifier = Verifier(trust, wanted=self._ask, opaque=opaque)
        self.sources = Sources(
            [
                *(
                    self._keys(table.id, table.keys, trust.issuers[table.id])
                    for table in settings.issuer
                    if table.keys is not None
                ),
                *(self._bundle(table) for table in settings.trust_domain),
                *(() if own is None or keys is None else (self._own_keys(own, keys),)),
                *(self._client(table.id, table.keys) for table in settings.client if table.keys is not None),
            ]
        )

    @property
    def status(self) -> tuple[Status, ...]:
        """How it is doing with the keys of everybody who is believed, and with asking about tokens."""
        asked = () if self.introspection is None else (self.introspection.status,)
        return (*self.sources.status, *asked)

    async def close(self) -> None:
        """Ask no more."""
        if self.introspection is not None:
            await self.introspection.close()

    def _ask(self, name: str) -> None:
        self.sources.ask(name)

    def _keys(self, name: str, table: KeysFrom, issuer: Issuer) -> Kept:
        def read(data: bytes, until: float) -> Callable[[Trust], Trust]:
            keys = Keys(parse_jwks(data, use="sig", algorithms=issuer.algorithms), until)
            return lambda trust: trust.with_keys(name, keys)

        place = place_of(table, name if table.discovery else None)
        return Source(name, place, self._publisher(read))

    def _own_keys(self, own: Issuer, keys: SigningKeys) -> Kept:
        def read(data: bytes, until: float) -> Callable[[Trust], Trust]:
            found = Keys(parse_jwks(data, use="sig", algorithms=own.algorithms), until)
            return lambda trust: trust.with_keys(own.id, found)

        return OwnKeys(own.id, self._publisher(read), keys)

    def _client(self, name: str, table: KeysFrom) -> Kept:
        def publish(data: bytes, _: float) -> None:
            self.clients[name] = parse_jwks(data, use="sig", algorithms=ALGORITHMS)

        return Source(f"client {name}", place_of(table), publish)

    def _bundle(self, table: TrustDomainTable) -> Kept:
        def read(data: bytes, until: float) -> Callable[[Trust], Trust]:
            bundle = parse_bundle(data, until)
            return lambda trust: trust.with_bundle(table.name, bundle)

        at, publish = table.bundle, self._publisher(read)
        if at.workload_api is None:
            return Source(table.name, place_of(at), publish)
        refresh, stale = at.refresh.total_seconds(), at.stale.total_seconds()
        return WorkloadApi(table.name, at.workload_api, publish, refresh=refresh, stale=stale)

    def _publisher(self, read: Callable[[bytes, float], Callable[[Trust], Trust]]) -> Publish:
        """Has believed what `read` makes of what a source brings. The same once more only holds for longer:
        nothing is forgotten for it."""
        last: bytes | None = None

        def publish(data: bytes, until: float) -> None:
            nonlocal last
            trust = read(data, until)(self.verifier.trust)
            if data == last:
                self.verifier.prolong(trust)
            else:
                self.verifier.replace(trust)
                last = data

        return publish


def introspections(settings: Settings) -> dict[str, Introspection]:
    """Who is asked about tokens, by the issuer whose they are."""
    return {
        table.id: _introspection(table.id, table.introspection)
        for table in settings.issuer
        if table.introspection is not None
    }


def _introspection(issuer: str, table: IntrospectionFrom) -> Introspection:
    # Off by default, and then no part of the process.
    from pdp.evidence.introspection import Introspection

    return Introspection(
        table.url,
        issuer=issuer,
        login=_login(issuer, table),
        cache=table.cache.total_seconds(),
        timeout=table.timeout.total_seconds(),
        private=table.private,
        ca=table.ca,
    )


def _login(issuer: str, table: IntrospectionFrom) -> Login:
    from pdp.evidence.login import Basic, Bearer, PrivateKeyJwt

    client = table.client or ""
    if table.token_file is not None:
        return Bearer(table.token_file)
    if table.secret_file is not None:
        return Basic(client, table.secret_file)
    assert table.key_file is not None
    return PrivateKeyJwt(client, table.key_file, table.audience or issuer)


def place_of(table: KeysFrom | BundleFrom, issuer: str | None = None) -> Place:
    return Place(
        table.file, table.url, issuer,
        table.refresh.total_seconds(), table.stale.total_seconds(), table.private, table.ca,
    )  # fmt: skip


def _issuer(table: IssuerTable, settings: Settings) -> Issuer:
    return Issuer(
        table.id,
        frozenset(table.algorithms or ()),
        types=frozenset(typ.lower().removeprefix("application/") for typ in table.typ),
        audiences=_audiences(table.audiences),
        kind=table.kind,
        actor=table.actor,
        caller=table.caller,
        task=table.task,
        claims=tuple(table.claims.items()),
        max_lifetime=_seconds(table.max_lifetime),
        max_age=_seconds(table.max_age),
        leeway=_seconds(table.leeway),
        binding=table.binding,
        single_use=table.single_use,
        trust_domains=frozenset(table.trust_domains),
        aliases=_aliases(table, settings),
    )


def _own(settings: Settings, issuer: str) -> Issuer:
    """This decision point itself, which speaks of callers that others vouched for before."""
    table = settings.mint
    domains = {domain.name for domain in settings.trust_domain}
    return Issuer(
        issuer,
        frozenset(SIGNED_WITH),
        task="task",
        max_lifetime=_seconds(table.lifetime),
        max_age=_seconds(table.lifetime),
        leeway=_seconds(table.leeway),
        binding="any",
        trust_domains=frozenset(domains.union(*(one.trust_domains for one in settings.issuer))),
        own=True,
    )


def _aliases(table: IssuerTable, settings: Settings) -> tuple[tuple[str, str], ...]:
    """By what others may speak of whom its tokens are about, where anybody does: each costs a look."""
    if not any(table.id in transmitter.issuers for transmitter in settings.transmitter):
        return ()
    claims = {"subject": "sub", "email": "email", "session": table.session, "tenant": table.tenant}
    return tuple((kind, claim) for kind, claim in claims.items() if claim is not None)


def _domain(table: TrustDomainTable) -> TrustDomain:
    return TrustDomain(
        table.name,
        frozenset(table.forms),
        audiences=_audiences(table.audiences),
        kind=table.kind,
        max_lifetime=_seconds(table.max_lifetime),
        leeway=_seconds(table.leeway),
    )


def _proofs(table: ProofsTable, secret: bytes) -> ProofPolicy:
    return ProofPolicy(
        frozenset(table.algorithms),
        _seconds(table.max_age),
        _seconds(table.max_ahead),
        Nonces(secret) if table.nonces else None,
    )


def _audiences(named: Mapping[str, tuple[str, ...]]) -> Audiences:
    return Audiences({audience: frozenset(values) for audience, values in named.items()})


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())
