"""A client proves who it is by what it alone can sign, once, for us; and by nothing that both know."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from pdp.evidence.jws import encode
from pdp.evidence.keys import ALGORITHMS, KeysError, parse_jwks
from pdp.evidence.verify import Presented, Verifier
from pdp.registered import ClientTable
from pdp.settings import SettingsError, read
from pdp.state.memory import MemoryStore
from pdp.state.replay import Replay
from pdp.tasks.clients import SIGNED, SVID, Asking, Clients
from pdp.tasks.oauth_errors import OAuthError
from tests.evidence.world import NOW, World, jwk_of
from tests.tasks.office import JOB, STS, URL, Office


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


def ask(office: Office, assertion: str, kind: str = SIGNED, **form: str) -> Asking:
    said = {"client_assertion": assertion, "client_assertion_type": kind, **form}
    return office.clients.authenticate(said, Presented(), datetime.now(UTC))


def test_a_client_signs_that_it_is_itself(office: Office) -> None:
    asking = ask(office, office.assertion("portal"), client_id="portal")
    assert (asking.client.id, asking.name) == ("portal", "portal")
    assert asking.evidence.caller == {"id": "portal", "kind": "agent"}


def seconds(after: int) -> int:
    return int(time.time()) + after


WRONG: dict[str, Callable[[], dict[str, Any]]] = {
    "another client's name": lambda: {"iss": "portal", "sub": "portal"},
    "a subject that is another": lambda: {"sub": "portal"},
    "no issuer": lambda: {"iss": None},
    "an issuer that is a list": lambda: {"iss": ["batch"]},
    "an unknown client": lambda: {"iss": "nobody", "sub": "nobody"},
    "a client without a key": lambda: {"iss": "job", "sub": "job"},
    "another audience": lambda: {"aud": "https://evil.example"},
    "our audience, and another": lambda: {"aud": [URL, "https://evil.example"]},
    "our audience, nearly": lambda: {"aud": f"{URL}/"},
    "no audience": lambda: {"aud": None},
    "no end": lambda: {"exp": None},
    "an end that is text": lambda: {"exp": "4102444800"},
    "an end that is far": lambda: {"exp": seconds(86_400)},
    "an end that has passed": lambda: {"exp": seconds(-1), "iat": seconds(-60)},
    "a beginning that is to come": lambda: {"nbf": seconds(300)},
    "an issue that is to come": lambda: {"iat": seconds(300)},
    "no id": lambda: {"jti": None},
    "an empty id": lambda: {"jti": ""},
    "an id that is too long": lambda: {"jti": "j" * 129},
}


@pytest.mark.parametrize("says", WRONG)
def test_an_assertion_that_is_wrong_proves_nothing(office: Office, says: str) -> None:
    with pytest.raises(OAuthError, match="invalid_client: who asks is not known"):
        ask(office, office.assertion("batch", **WRONG[says]()))


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "secevent+jwt", "wit+jwt"])
def test_another_kind_of_token_is_no_assertion(office: Office, typ: str) -> None:
    claims = jwt.decode(office.assertion("batch"), options={"verify_signature": False})
    token = jwt.encode(claims, office.keys["batch"], algorithm="ES256", headers={"kid": "batch", "typ": typ})
    with pytest.raises(OAuthError, match="invalid_client"):
        ask(office, token)


def test_an_assertion_signed_by_another_client_proves_nothing(office: Office) -> None:
    claims = jwt.decode(office.assertion("batch"), options={"verify_signature": False})
    for kid in ("batch", "portal"):
        token = jwt.encode(claims, office.keys["portal"], algorithm="ES256", headers={"kid": kid})
        with pytest.raises(OAuthError, match="invalid_client"):
            ask(office, token)


def test_an_assertion_counts_once(office: Office) -> None:
    assertion = office.assertion("batch")
    ask(office, assertion)
    with pytest.raises(OAuthError, match="invalid_client"):
        ask(office, assertion)


def test_ids_of_one_client_are_not_those_of_another(office: Office) -> None:
    ask(office, office.assertion("batch", jti="same"))
    ask(office, office.assertion("portal", jti="same"))


def test_an_assertion_need_not_say_when_it_was_made(office: Office) -> None:
    assert ask(office, office.assertion("batch", iat=None)).name == "batch"


def test_a_client_is_the_one_that_it_says_it_is(office: Office) -> None:
    with pytest.raises(OAuthError, match="invalid_client"):
        ask(office, office.assertion("batch"), client_id="portal")


@pytest.mark.parametrize(
    "form", [{}, {"client_id": "batch"}, {"client_id": "batch", "client_secret": "batch"}]
)
def test_no_secret_and_no_name_proves_anything(office: Office, form: dict[str, str]) -> None:
    with pytest.raises(OAuthError, match="invalid_client"):
        office.clients.authenticate(form, Presented(), datetime.now(UTC))


def test_an_assertion_has_a_type_that_is_known(office: Office) -> None:
    with pytest.raises(OAuthError, match="invalid_client"):
        ask(office, office.assertion("batch"), "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
    for form in ({"client_assertion": "x"}, {"client_assertion_type": SIGNED}):
        with pytest.raises(OAuthError, match="invalid_request"):
            office.clients.authenticate(form, Presented(), datetime.now(UTC))


def test_a_workload_proves_itself_with_its_identity(office: Office) -> None:
    asking = ask(office, office.svid(), SVID)
    assert (asking.client.id, asking.name) == ("job", JOB)
    # As the draft has it, its id may be its SPIFFE ID.
    assert ask(office, office.svid(), SVID, client_id=JOB).name == JOB
    for svid in (office.svid(audience="files"), office.svid("spiffe://prod.example/ns/web/sa/job"), "x"):
        with pytest.raises(OAuthError, match="invalid_client"):
            ask(office, svid, SVID)


def test_what_an_issuer_says_of_a_workload_is_no_identity_of_its_own(office: Office) -> None:
    """Its token may be anybody's by now: it was sent to a service."""
    trust = office.verifier.trust
    sts = dataclasses.replace(trust.issuers[STS], trust_domains=frozenset({"prod.example"}))
    verifier = Verifier(dataclasses.replace(trust, issuers={**trust.issuers, STS: sts}))
    token = office.issuers[STS].token(JOB, "pdp")
    assert verifier.verify(Presented(token, "Bearer"), "pdp", datetime.now(UTC)).caller["id"] == JOB
    table = ClientTable(id="job", spiffe="spiffe://prod.example/**")
    known = Clients([table], {}, verifier, office.replay, frozenset({URL}))
    form = {"client_assertion_type": SVID, "client_assertion": token}
    with pytest.raises(OAuthError, match="invalid_client"):
        known.authenticate(form, Presented(), datetime.now(UTC))


# Certificates, which an enforcement point has seen.


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def clients(world: World, *tables: ClientTable) -> Clients:
    verifier = world.verifier()
    return Clients(tables, {}, verifier, Replay(MemoryStore()), frozenset({URL}))


def test_a_workload_proves_itself_with_its_certificate(world: World) -> None:
    presented = replace_presented(world.present("xfcc", {}), forwards=True)
    table = ClientTable(id="payments", spiffe="spiffe://prod.example/ns/payments/sa/*")
    asking = clients(world, table).authenticate({}, presented, NOW)
    assert asking.client.id == "payments"
    assert asking.evidence.bound
    assert asking.peer is not None
    with pytest.raises(OAuthError, match="invalid_client"):
        clients(world, table).authenticate({}, replace_presented(presented, forwards=False), NOW)
    other = ClientTable(id="web", spiffe="spiffe://prod.example/ns/web/sa/*")
    with pytest.raises(OAuthError, match="invalid_client"):
        clients(world, other).authenticate({}, presented, NOW)
    # Of two that it could be, it says which.
    both = clients(world, table, replace_table(table, id="billing"))
    with pytest.raises(OAuthError, match="invalid_client"):
        both.authenticate({}, presented, NOW)
    assert both.authenticate({"client_id": "billing"}, presented, NOW).client.id == "billing"


def replace_presented(presented: Presented, **changes: Any) -> Presented:
    from msgspec.structs import replace as replaced

    return replaced(presented, **changes)


def replace_table(table: ClientTable, **changes: Any) -> ClientTable:
    return table.model_copy(update=changes)


def test_a_certificate_is_known_by_its_thumbprint(world: World) -> None:
    digest = bytes(range(32))
    presented = Presented(xfcc=f"Hash={digest.hex()}", forwards=True)
    known = clients(world, ClientTable(id="old", thumbprint=encode(digest)))
    asking = known.authenticate({}, presented, NOW)
    assert (asking.client.id, asking.evidence.binding) == ("old", "mtls")
    with pytest.raises(OAuthError, match="invalid_client"):
        known.authenticate({}, Presented(xfcc=f"Hash={bytes(32).hex()}", forwards=True), NOW)


# Tables.


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({}, "say what it proves itself with"),
        ({"keys": {"discovery": True}}, "no metadata to discover"),
        ({"keys": {"file": "k"}, "jwks": [{"kty": "EC"}]}, "two places"),
        ({"thumbprint": "A" * 42}, "no SHA-256 thumbprint"),
        ({"spiffe": "https://x"}, "fits no SPIFFE ID"),
        ({"spiffe": "spiffe://"}, "fits no SPIFFE ID"),
        ({"spiffe": "spiffe://a/b", "services": ["x", "x"]}, "there twice"),
        ({"spiffe": "spiffe://a/b", "secret": "x"}, "Extra inputs"),
    ],
)
def test_a_client_that_cannot_be_is_refused(table: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ClientTable(id="c", **table)


def test_keys_in_the_settings_that_cannot_be_used_are_told(office: Office) -> None:
    for jwks in (
        [{"kty": "oct", "k": "QQ"}],
        [{"kty": "EC", "crv": "P-256", "kid": "1", "x": "A", "y": "A"}],
    ):
        with pytest.raises(KeysError):
            Clients([ClientTable(id="c", jwks=jwks)], {}, office.verifier, office.replay, frozenset())


def test_keys_that_are_kept_elsewhere_may_change(office: Office) -> None:
    kept: dict[str, Any] = {}
    table = ClientTable(id="batch", keys={"file": "k"})
    known = Clients([table], kept, office.verifier, office.replay, frozenset({URL}))
    form = {"client_assertion_type": SIGNED, "client_assertion": office.assertion("batch")}
    with pytest.raises(OAuthError, match="invalid_client"):
        known.authenticate(form, Presented(), datetime.now(UTC))
    jwks = {"keys": [jwk_of(office.keys["batch"], kid="batch", use="sig", alg="ES256")]}
    kept["batch"] = parse_jwks(json.dumps(jwks).encode(), use="sig", algorithms=ALGORITHMS)
    assert known.authenticate(form, Presented(), datetime.now(UTC)).name == "batch"


def test_a_memory_that_cannot_know_says_so(office: Office) -> None:
    begun = Replay(MemoryStore(), begun=time.time() + 60)
    table = ClientTable(id="batch", jwks=(jwk_of(office.keys["batch"], kid="batch", use="sig", alg="ES256"),))
    known = Clients([table], {}, office.verifier, begun, frozenset({URL}))
    form = {"client_assertion_type": SIGNED, "client_assertion": office.assertion("batch")}
    with pytest.raises(OAuthError, match="temporarily_unavailable"):
        known.authenticate(form, Presented(), datetime.now(UTC))


def test_clients_are_told_by_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "pdp.toml"
    path.write_text('[[client]]\nid = "batch"\nkeys = { file = "batch.json" }\n')
    (table,) = read(path).client
    assert table.keys is not None
    assert table.keys.file == tmp_path / "batch.json"
    path.write_text(path.read_text() * 2)
    with pytest.raises(SettingsError, match="`batch` is there twice"):
        read(path)
    path.write_text('[[client]]\nid = "batch"\nsecret = "s"\nspiffe = "spiffe://a/b"\n')
    with pytest.raises(SettingsError, match="is no setting"):
        read(path)
