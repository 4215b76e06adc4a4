"""A service beside a real authorization server and a real certificate authority, whose keys change while
requests run: nobody is wrongly refused, and nobody is believed by a key that is gone."""

from __future__ import annotations

import operator
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from pdp.evidence.refusals import (
    CERTIFICATE_EXPIRED,
    CERTIFICATE_UNTRUSTED,
    KEY_UNKNOWN,
    PROOF_REPLAYED,
    STATE_UNAVAILABLE,
)
from tests.evidence.authorization_server import AuthorizationServer, Client, authorization_server
from tests.evidence.certificate_authority import (
    CertificateAuthority,
    Domain,
    certificate_authority,
    forwarded,
)
from tests.service.conftest import Service, Services, make_folder, until

METHOD, URI = "POST", "https://ledger.example/entries"
POLICY = """
schema {
  resource ledger_entry {}
}
permit write_entry {
  caller   any
  audience "ledger"
  action   "entry.create"
  when     credential.bound
  because  "Whoever proves who they are may write"
}
"""
CONFIGURATION = """
[server]
port = 0

[policies]
path = "."

[[enforcement_point]]
name = "gateway"
addresses = ["127.0.0.1"]
certificates = true

[proofs]
max_ahead = "1s"
"""
ISSUER = """
[[issuer]]
id = "%s"
keys = { discovery = true, refresh = "%s", stale = "1m" }
algorithms = ["ES256"]
max_lifetime = "5m"
"""
DOMAIN = """
[[trust_domain]]
name = "prod.example"
bundle = { file = "%s", refresh = "1s", stale = "1m" }
forms = ["x509_svid"]
"""
WORKLOAD = "spiffe://prod.example/ns/payments/sa/api"
CROWD = 3
# How many requests of each client each turn waits for, and how many it makes at most; the pause between them.
_TURN, _MOST, _PAUSE = 20, 5_000, 0.01


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AuthorizationServer]:
    with authorization_server(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CertificateAuthority]:
    with certificate_authority(tmp_path_factory.mktemp("ca")) as made:
        yield made


def asked(connection: httpx.Client, credential: dict[str, Any]) -> str:
    """What a service says to a credential: `allow`, or the code it refuses it with."""
    request = {
        "credential": credential,
        "audience": "ledger",
        "action": "entry.create",
        "resource": {"type": "ledger_entry", "id": "e-1"},
        "request": {"method": METHOD, "uri": URI},
    }
    answer = connection.post("/decide", json=request)
    assert answer.status_code == 200, answer.text
    decision = answer.json()
    return "allow" if decision["decision"] == "allow" else decision["code"]


def presented(client: Client, token: str) -> dict[str, Any]:
    """A token with a new proof of its key."""
    proof = client.proof(METHOD, URI, token)
    return {"token": token, "scheme": "DPoP", "proofs": {"dpop": [proof]}}


class Crowd:
    """Clients that ask all the time, each time with a new credential. `answers` is what they were told."""

    def __init__(self, service: Service, credentials: Sequence[Callable[[], dict[str, Any]]]) -> None:
        self.answers: Counter[str] = Counter()
        self._service, self._credentials = service, credentials
        self._told, self._enough = [0] * len(credentials), threading.Event()

    def __enter__(self) -> Self:
        self._threads = ThreadPoolExecutor(len(self._credentials))
        self._asking = [self._threads.submit(self._ask, number) for number in range(len(self._credentials))]
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._threads.shutdown()
        for asking in self._asking:
            asking.result()

    def turn(self) -> None:
        """Wait until each of them was told a number of answers to requests that it makes from now on."""
        wanted = [told + 1 + _TURN for told in self._told]
        until(lambda: self._over() or all(map(operator.ge, self._told, wanted)))
        assert not self._over()

    def _over(self) -> bool:
        return any(asking.done() for asking in self._asking)

    def _ask(self, number: int) -> None:
        with self._service.client() as connection:
            while not self._enough.wait(_PAUSE):
                assert self._told[number] < _MOST
                self.answers[asked(connection, self._credentials[number]())] += 1
                self._told[number] += 1


def known(service: Service, name: str) -> None:
    """Wait until a service has read the keys that an issuer or trust domain publishes now."""
    now = time.time()
    until(lambda: service.metric("pdp_keys_read_timestamp_seconds", of=name) > now)


def beside(
    server: AuthorizationServer, client: Client, serve: Services, home: Path, *, refresh: str
) -> Service:
    """A service that reads the keys of `server`, and has begun to take proofs."""
    configuration = CONFIGURATION + ISSUER % (server.issuer, refresh)
    service, token = serve(folder=make_folder(home / "policies", POLICY, configuration)), client.token(server)
    with service.client() as connection:
        # What was made before it began to remember may have been used before, it says.
        until(lambda: asked(connection, presented(client, token)) != STATE_UNAVAILABLE)
    return service


def test_keys_change_under_a_crowd_and_nobody_is_wrongly_refused(
    server: AuthorizationServer, serve: Services, tmp_path: Path
) -> None:
    clients = [Client(f"client-{number}") for number in range(CROWD + 1)]
    *crowd, last = clients
    server.know(*clients)
    service = beside(server, last, serve, tmp_path, refresh="1s")
    old = last.token(server)

    def credential(client: Client) -> Callable[[], dict[str, Any]]:
        return lambda: presented(client, client.token(server))

    with service.client() as connection, Crowd(service, [credential(client) for client in crowd]) as asking:
        asking.turn()
        # The new key is published, and everybody has had the time to read it, before it signs; the old one,
        # until all that it signed is over: here until each of the crowd has a token of the new one.
        for keys in (["first", "second"], ["second", "first"]):
            server.publish(*keys)
            known(service, server.issuer)
            asking.turn()
            assert asked(connection, presented(last, old)) == "allow"
        server.publish("second")
        known(service, server.issuer)
        for _ in range(_TURN):
            assert asked(connection, presented(last, old)) == KEY_UNKNOWN
        asking.turn()
        assert asked(connection, presented(last, last.token(server))) == "allow"
    assert asking.answers.keys() == {"allow"}
    assert asking.answers.total() >= 4 * CROWD * _TURN
    # And the log tells of none of it.
    assert server.issuer not in service.log


def test_a_key_that_nobody_announced_is_looked_for_once_and_believed(
    server: AuthorizationServer, serve: Services, tmp_path: Path
) -> None:
    client = Client("payments-api")
    server.know(client)
    service = beside(server, client, serve, tmp_path, refresh="1h")
    with service.client() as connection:
        old = client.token(server)
        assert asked(connection, presented(client, old)) == "allow"
        reads = server.reads
        server.publish("second")
        new = client.token(server)
        assert asked(connection, presented(client, new)) == KEY_UNKNOWN
        until(lambda: asked(connection, presented(client, new)) == "allow")
        assert server.reads == reads + 1
        assert asked(connection, presented(client, old)) == KEY_UNKNOWN


def test_a_token_counts_as_often_as_its_client_proves_anew_that_it_holds_the_key(
    server: AuthorizationServer, serve: Services, tmp_path: Path
) -> None:
    client = Client("payments-api")
    server.know(client)
    service = beside(server, client, serve, tmp_path, refresh="1h")
    token = client.token(server)
    with service.client() as connection:
        for _ in range(2):
            credential = presented(client, token)
            assert asked(connection, credential) == "allow"
            assert asked(connection, credential) == PROOF_REPLAYED


def replace(file: Path, data: bytes) -> None:
    """Another file under the same name, whole at every moment."""
    new = file.with_suffix(".new")
    new.write_bytes(data)
    new.replace(file)


@pytest.mark.parametrize("form", ["certificate", "xfcc"])
def test_authorities_change_under_a_crowd_and_nobody_is_wrongly_refused(
    form: str, authority: CertificateAuthority, serve: Services, tmp_path: Path
) -> None:
    domain, stranger = authority.domain("prod.example"), authority.domain("prod.example")
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(domain.bundle())
    folder = make_folder(tmp_path / "policies", POLICY, CONFIGURATION + DOMAIN % bundle)
    service = serve(folder=folder)

    def credential(domain: Domain = domain, **changes: str) -> dict[str, Any]:
        chain = domain.issue(WORKLOAD, **changes)
        return {form: chain if form == "certificate" else forwarded(chain)}

    with service.client() as connection, Crowd(service, [credential] * CROWD) as asking:
        old, short = credential(), credential(lifetime="1s")
        assert asked(connection, old) == "allow"
        assert asked(connection, credential(stranger)) == CERTIFICATE_UNTRUSTED
        until(lambda: asked(connection, short) == CERTIFICATE_EXPIRED)
        asking.turn()
        domain.new_intermediate()
        asking.turn()
        assert asked(connection, old) == "allow"
        # The new root is in the bundle, and was read there, before anything is issued under it; the old one,
        # until all that was is over: here until each of the crowd has a certificate under the new one.
        domain.add_root()
        replace(bundle, domain.bundle())
        known(service, domain.name)
        domain.new_intermediate()
        asking.turn()
        assert asked(connection, old) == "allow"
        replace(bundle, domain.bundle(domain.roots[1:]))
        known(service, domain.name)
        assert asked(connection, old) == CERTIFICATE_UNTRUSTED
        asking.turn()
        assert asked(connection, credential()) == "allow"
    assert asking.answers.keys() == {"allow"}
