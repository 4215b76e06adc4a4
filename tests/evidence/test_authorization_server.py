"""The tokens of a real authorization server, while it runs and its keys change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pdp.evidence.evidence import Evidence
from pdp.evidence.keys import parse_jwks
from pdp.evidence.refusals import (
    AUDIENCE_MISMATCH,
    BINDING_MISMATCH,
    BINDING_REQUIRED,
    CERTIFICATE_INVALID,
    KEY_UNKNOWN,
    KEYS_STALE,
    SCHEME_MISMATCH,
    EvidenceError,
)
from pdp.evidence.sources import Place, Source
from pdp.evidence.trust import Issuer, Keys, Trust
from pdp.evidence.verify import Presented, Verifier
from tests.evidence.authorization_server import SCOPE, AuthorizationServer, Client, authorization_server
from tests.evidence.certificate_authority import certificate_authority, leaf

METHOD, URI = "POST", "https://ledger.example/entries"
AUDIENCE = "ledger"
ALGORITHMS = frozenset({"ES256"})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AuthorizationServer]:
    with authorization_server(tmp_path) as made:
        yield made


@pytest.fixture
def client(server: AuthorizationServer) -> Client:
    made = Client("payments-api")
    server.know(made)
    return made


class Believer:
    """Who believes a server, and has read its keys where its metadata says they are."""

    def __init__(self, server: AuthorizationServer) -> None:
        issuer = Issuer(server.issuer, ALGORITHMS)
        self.verifier = Verifier(Trust({issuer.id: issuer}))
        self.source = Source(issuer.id, Place(issuer=issuer.id, refresh=60, stale=60), self._publish)
        self.read()

    def _publish(self, data: bytes, until: float) -> None:
        keys = Keys(parse_jwks(data, use="sig", algorithms=ALGORITHMS), until)
        self.verifier.replace(self.verifier.trust.with_keys(self.source.name, keys))

    def read(self) -> None:
        assert asyncio.run(self.source.refresh()), self.source.problem

    def verify(self, presented: Presented, after: timedelta = timedelta()) -> Evidence:
        return self.verifier.verify(presented, AUDIENCE, datetime.now(UTC) + after)

    def refusal(self, presented: Presented, after: timedelta = timedelta()) -> str:
        with pytest.raises(EvidenceError) as refused:
            self.verify(presented, after)
        return refused.value.code


def bound(client: Client, token: str) -> Presented:
    proof = client.proof(METHOD, URI, token)
    return Presented(token=token, scheme="DPoP", dpop=(proof,), method=METHOD, uri=URI)


def bearer(token: str) -> Presented:
    return Presented(token=token, scheme="Bearer")


def test_a_token_with_its_proof_is_evidence_of_the_client_it_was_given_to(
    server: AuthorizationServer, client: Client
) -> None:
    found = Believer(server).verify(bound(client, client.token(server)))
    assert found.caller == {"id": client.name, "kind": "workload", "issuer": server.issuer}
    assert (found.form, found.binding, found.bound) == ("jwt", "dpop", True)
    assert (found.audiences, found.scopes) == ((AUDIENCE,), (SCOPE,))


def test_a_token_that_is_bound_to_nothing_is_evidence_for_whoever_bears_it(
    server: AuthorizationServer, client: Client
) -> None:
    found = Believer(server).verify(bearer(client.token(server, bound=False)))
    assert (found.binding, found.bound) == ("none", False)


def test_a_bound_token_is_worth_nothing_without_its_key(server: AuthorizationServer, client: Client) -> None:
    believer, token = Believer(server), client.token(server)
    assert believer.refusal(bearer(token)) == SCHEME_MISMATCH
    assert believer.refusal(bound(Client("thief"), token)) == BINDING_MISMATCH


def test_a_token_that_is_bound_to_a_certificate_needs_that_certificate(
    server: AuthorizationServer, tmp_path: Path
) -> None:
    with certificate_authority(tmp_path) as authority:
        domain = authority.domain("prod.example")
        shown, other = domain.issue(), domain.issue()
    client = Client("payments-api", leaf(shown))
    server.know(client)
    believer, token = Believer(server), client.token(server)
    for chain in (shown, leaf(shown)):
        found = believer.verify(Presented(token=token, scheme="Bearer", certificate=chain, forwards=True))
        assert (found.caller["id"], found.binding, found.bound) == (client.name, "mtls", True)
    assert believer.refusal(bearer(token)) == BINDING_REQUIRED
    stolen = Presented(token=token, scheme="Bearer", certificate=other, forwards=True)
    assert believer.refusal(stolen) == BINDING_MISMATCH
    assert believer.refusal(Presented(certificate=shown, forwards=True)) == CERTIFICATE_INVALID


def test_a_token_for_another_service_is_refused(server: AuthorizationServer, client: Client) -> None:
    token = client.token(server, resource="https://archive.example")
    assert Believer(server).refusal(bound(client, token)) == AUDIENCE_MISMATCH


def test_a_key_that_was_published_ahead_refuses_nobody(server: AuthorizationServer, client: Client) -> None:
    believer, token = Believer(server), client.token(server)
    for keys in (("first", "second"), ("second", "first"), ("second", "third"), ("third", "second")):
        server.publish(*keys)
        fresh = client.token(server)
        # Before the keys are read again as after.
        believer.verify(bound(client, fresh))
        believer.read()
        believer.verify(bound(client, fresh))
    assert believer.refusal(bound(client, token)) == KEY_UNKNOWN


def test_a_dropped_key_is_believed_until_the_keys_are_read_again(
    server: AuthorizationServer, client: Client
) -> None:
    believer, token = Believer(server), client.token(server)
    server.publish("second")
    believer.verify(bound(client, token))
    assert believer.refusal(bound(client, client.token(server))) == KEY_UNKNOWN
    believer.read()
    assert believer.refusal(bound(client, token)) == KEY_UNKNOWN
    believer.verify(bound(client, client.token(server)))


def test_keys_that_cannot_be_read_again_are_believed_for_their_time_and_no_longer(tmp_path: Path) -> None:
    client = Client("payments-api")
    with authorization_server(tmp_path) as server:
        server.know(client)
        believer, token = Believer(server), client.token(server, bound=False)
    assert not asyncio.run(believer.source.refresh())
    believer.verify(bearer(token), after=timedelta(seconds=60))
    assert believer.refusal(bearer(token), after=timedelta(seconds=120)) == KEYS_STALE
