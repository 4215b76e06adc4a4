"""Signals to a running service: pushed over a real socket, fetched from a real one, and missed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pdp.evidence.keys import parse_jwks
from pdp.evidence.trust import Keys
from pdp.tasks.signals import SET_LIMIT, read
from pdp.tasks.subjects import Transmitter as Transmitters
from tests.evidence.issuing import Client, Issuer
from tests.evidence.loopback import Asked, answer
from tests.service.conftest import Service, Services, command, environment, make_folder, until
from tests.service.neighbour import neighbour
from tests.tasks.signalling import (
    IDP,
    REVOKED,
    RISK,
    STREAM,
    UPDATED,
    VERIFICATION,
    Sender,
    risk,
    user,
)
from tests.tasks.test_polling import Transmitter
from tests.tasks.test_transmit import Receiver

POLICY = """
schema {
  resource ledger_entry {}
}
permit read_entry {
  caller   any
  audience "ledger"
  action   "entry.read"
  when     credential.bound
  because  "Whoever proves who they are may read"
}
"""
CONFIGURATION = """
[server]
port = 0

[policies]
path = "."
{state}

[[enforcement_point]]
name = "gateway"
addresses = ["127.0.0.1"]

[[issuer]]
id = "https://idp.example"
keys = {{ file = "keys.json", refresh = "1s" }}
algorithms = ["ES256"]
leeway = "0s"

[proofs]
max_ahead = "0s"

[[transmitter]]
name = "idp"
issuer = "https://idp.example"
audience = ["https://pdp.example/signals"]
keys = {{ file = "signals.json", refresh = "1s" }}
issuers = ["https://idp.example"]
{more}
"""
STATE = '[state]\npath = "state.db"'
ANNA = user("anna")
SET = {"content-type": "application/secevent+jwt", "accept": "application/json"}


class Estate:
    """A policy folder that believes an issuer and its transmitter, and both of them."""

    def __init__(self, folder: Path, *, state: str = STATE, more: str = "") -> None:
        self.folder = make_folder(folder, POLICY, CONFIGURATION.format(state=state, more=more))
        self.issuer, self.sender, self.client = Issuer(IDP), Sender(), Client()
        (self.folder / "keys.json").write_text(self.issuer.jwks())
        self.publish()

    def publish(self) -> None:
        fresh = self.folder / "signals.new"
        fresh.write_text(self.sender.jwks())
        fresh.rename(self.folder / "signals.json")

    def token(self, subject: str = "anna", *, ago: int = 10, **claims: Any) -> str:
        """A token that was issued some seconds ago."""
        stated = {"iat": int(time.time()) - ago, "cnf": self.client.confirmation, **claims}
        return self.issuer.token(subject, "ledger", **stated)

    def ask(self, service: Service, token: str) -> str | None:
        """The code of the answer to a request with a token; None for an allow."""
        document = {
            **self.client.present(token, "GET", "https://ledger.example/entries"),
            "audience": "ledger", "action": "entry.read", "resource": {"type": "ledger_entry", "id": "e-1"},
        }  # fmt: skip
        answer = service.post("/decide", json.dumps(document).encode())
        assert answer.status_code == 200, answer.text
        code: str | None = answer.json()["code"]
        return code


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path / "policies")


def push(service: Service, text: str, name: str = "idp", **headers: str) -> httpx.Response:
    with service.client() as client:
        return client.post(f"/signals/{name}", content=text, headers={**SET, **headers})


def begin(serve: Services, estate: Estate, *arguments: str) -> Service:
    """A service that has read the keys of its transmitter."""
    service = serve(*arguments, folder=estate.folder)
    until(lambda: push(service, estate.sender.signal(VERIFICATION, STREAM)).status_code == 202)
    # Proofs that are made now are from after the state began.
    until(lambda: estate.ask(service, estate.token("somebody")) is None)
    return service


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Estate]]:
    """A service for the tests that leave each other's users alone. It ends without a traceback."""
    home = tmp_path_factory.mktemp("signals")
    services, estate = Services(home), Estate(home / "policies")
    service = begin(services, estate)
    yield service, estate
    services.stop()
    assert "Traceback" not in service.log


def test_after_a_session_was_revoked_the_next_request_is_denied(town: tuple[Service, Estate]) -> None:
    service, estate = town
    anna, berta = estate.token(), estate.token("berta")
    assert estate.ask(service, anna) is None
    answer = push(service, estate.sender.signal(REVOKED, ANNA, at=time.time() - 5))
    assert (answer.status_code, answer.content) == (202, b"")
    assert estate.ask(service, anna) == "credential_revoked"
    assert estate.ask(service, berta) is None
    # Whoever signs in again gets something newer.
    assert estate.ask(service, estate.token(ago=0)) is None
    assert service.metric("pdp_signals_total", transmitter="idp", outcome="revoke") == 1
    # That it was presented all the same is an alarm.
    assert service.metric("pdp_alarms_total", kind="revoked") >= 1
    until(lambda: '"alarm":"revoked"' in service.log)


def test_what_one_worker_took_all_workers_know_at_once_and_after_a_kill(
    serve: Services, estate: Estate
) -> None:
    service = begin(serve, estate, "--workers", "2")
    anna = estate.token()
    assert push(service, estate.sender.signal(REVOKED, ANNA)).status_code == 202
    # A connection each, so that both workers are asked.
    assert {estate.ask(service, anna) for _ in range(20)} == {"credential_revoked"}
    service.signal(signal.SIGTERM)
    service.wait()
    service = serve(folder=estate.folder)
    until(lambda: estate.ask(service, anna) == "credential_revoked")


def test_nothing_that_was_acknowledged_is_lost_when_the_service_is_killed(
    serve: Services, estate: Estate
) -> None:
    service = begin(serve, estate)
    names = [f"user-{number}" for number in range(9)]
    tokens = {one: estate.token(one) for one in names}
    sent = {one: estate.sender.signal(REVOKED, user(one)) for one in names}
    for number, one in enumerate(names):
        if number % 4 == 3:
            # It may be killed before it answers, or before it keeps it; then it is sent again.
            connection = service.connect()
            body = sent[one].encode()
            head = f"POST /signals/idp HTTP/1.1\r\nhost: x\r\ncontent-type: {SET['content-type']}\r\n"
            connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            service.signal(signal.SIGKILL)
            service.wait()
            connection.close()
            service = begin(serve, estate)
        assert push(service, sent[one]).status_code == 202
        codes = {known: estate.ask(service, tokens[known]) for known in names[: number + 1]}
        assert codes == dict.fromkeys(names[: number + 1], "credential_revoked")
    assert estate.ask(service, estate.token("anna")) is None


def test_what_is_refused_is_answered_as_the_standard_says_and_has_no_effect(
    town: tuple[Service, Estate],
) -> None:
    service, estate = town
    sender, clara = estate.sender, user("clara")
    refused = {
        "invalid_issuer": Sender("https://other.example").signal(REVOKED, clara),
        "invalid_audience": Sender(audience="https://other.example").signal(REVOKED, clara),
        "invalid_key": Sender(other=True).signal(REVOKED, clara),
        "invalid_request": sender.signal(REVOKED, {"format": "iss_sub"}),
        "access_denied": sender.signal(REVOKED, user("clara", "https://other.example")),
        "invalid_state": sender.signal(VERIFICATION, STREAM, state="nobody asked"),
    }
    for err, text in refused.items():
        answer = push(service, text)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["content-language"] == "en"
        assert answer.json().keys() == {"err", "description"}
        assert answer.json()["err"] == err
        assert service.metric("pdp_signals_total", transmitter="idp", outcome=err) == 1
    text = sender.signal(REVOKED, clara)
    wrong = push(service, text, **{"content-type": "application/json"})
    assert (wrong.status_code, wrong.json()["err"]) == (400, "invalid_request")
    assert push(service, "x" * (SET_LIMIT + 1)).json()["err"] == "invalid_request"
    assert push(service, text, "nobody").status_code == 404
    assert estate.ask(service, estate.token("clara")) is None


def test_a_signal_with_a_new_key_is_taken_once_that_is_read_and_not_refused_before(
    serve: Services, estate: Estate
) -> None:
    service = begin(serve, estate)
    estate.sender.rotate()
    text, statuses = estate.sender.signal(REVOKED, ANNA), set[int]()
    # Somebody else asks for keys that nobody has, so often that keys are not read each time.
    unknown = Sender(other=True)
    unknown.kid = "signals-9"
    for _ in range(2):
        last = push(service, unknown.signal(REVOKED, ANNA))
    assert last.status_code == 503
    assert int(last.headers["retry-after"]) > 0
    estate.publish()

    def taken() -> bool:
        statuses.add(push(service, text).status_code)
        return 202 in statuses

    until(taken)
    assert statuses <= {202, 503}
    assert estate.ask(service, estate.token()) == "credential_revoked"


def test_who_is_at_risk_is_held_until_it_is_over(town: tuple[Service, Estate]) -> None:
    service, estate = town
    now, sender, dora = time.time(), estate.sender, user("dora")
    assert push(service, sender.signal(RISK, dora, at=now - 9, **risk("HIGH"))).status_code == 202
    assert estate.ask(service, estate.token("dora", ago=0)) == "credential_revoked"
    # What was said before does not open again, however late it comes.
    assert push(service, sender.signal(RISK, dora, at=now - 20, **risk("LOW"))).status_code == 202
    assert estate.ask(service, estate.token("dora")) == "credential_revoked"
    assert push(service, sender.signal(RISK, dora, at=now - 5, **risk("LOW"))).status_code == 202
    assert estate.ask(service, estate.token("dora")) is None


def test_nothing_is_acknowledged_that_would_not_outlive_the_service(serve: Services, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "policies", state="", more='silence = { after = "1h", max_age = "1m" }')
    service = serve(folder=estate.folder)
    answer = push(service, estate.sender.signal(REVOKED, ANNA))
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert "`path` of `[state]`" in answer.json()["detail"]
    # Whom nobody listens to is not heard.
    assert service.ready()["signals"][0]["silent"]
    assert estate.ask(service, estate.token(ago=90)) == "state_stale"


def test_a_transmitter_that_was_given_a_token_must_say_it(serve: Services, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "policies", more='token_file = "push.token"')
    (estate.folder / "push.token").write_text("let-me-in\n")
    service = serve(folder=estate.folder)
    text = estate.sender.signal(VERIFICATION, STREAM)
    for said in ({}, {"authorization": "Bearer let-me-i"}, {"authorization": "let-me-in"}):
        answer = push(service, text, **said)
        assert (answer.status_code, answer.json()["err"]) == (400, "authentication_failed")
    until(lambda: push(service, text, authorization="Bearer let-me-in").status_code == 202)


def test_while_a_transmitter_is_silent_older_tokens_are_refused(serve: Services, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "policies", more='silence = { after = "1h", max_age = "1m" }')
    service = begin(serve, estate)
    fresh, older = estate.token(), estate.token(ago=90)
    sender, now = estate.sender, time.time()
    assert estate.ask(service, older) is None
    assert push(service, sender.signal(UPDATED, STREAM, at=now - 9, status="paused")).status_code == 202
    until(lambda: estate.ask(service, older) == "state_stale")
    assert estate.ask(service, fresh) is None
    assert service.ready()["signals"] == [{"transmitter": "idp", "silent": True, "keys": True}]
    assert service.metric("pdp_signals_silent", transmitter="idp") == 1
    # That it is heard is not enough: it said that it would tell nothing.
    assert push(service, sender.signal(VERIFICATION, STREAM)).status_code == 202
    assert push(service, sender.signal(UPDATED, STREAM, at=now - 8, status="enabled")).status_code == 202
    until(lambda: estate.ask(service, older) is None)
    until(lambda: service.metric("pdp_signals_silent", transmitter="idp") == 0)
    assert "transmitter idp is silent" in service.log


def test_a_transmitter_that_is_not_heard_for_too_long_is_silent(serve: Services, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "policies", more='silence = { after = "1s" }')
    service = begin(serve, estate)
    until(lambda: service.ready()["signals"][0]["silent"])
    assert estate.ask(service, estate.token(ago=90)) is None


def test_signals_are_fetched_and_acknowledged_when_they_count(serve: Services, tmp_path: Path) -> None:
    transmitter = Transmitter()
    with neighbour(poll=transmitter) as server:
        estate = Estate(
            tmp_path / "policies", more=f'poll = {{ url = "{server.url("/poll")}", every = "1s" }}'
        )
        names = [f"user-{number}" for number in range(60)]
        tokens = {one: estate.token(one) for one in names}
        transmitter.sets = {one: estate.sender.signal(REVOKED, user(one)) for one in names}
        transmitter.sets["other"] = Sender(other=True).signal(REVOKED, user("anna"))
        service = begin(serve, estate, "--workers", "2")
        until(lambda: not transmitter.sets)
        assert {estate.ask(service, token) for token in tokens.values()} == {"credential_revoked"}
        assert estate.ask(service, estate.token("anna")) is None
        assert {one: error["err"] for one, error in transmitter.errors.items()} == {"other": "invalid_key"}


def test_what_an_operator_revokes_is_told_to_a_receiver_that_was_away(
    serve: Services, tmp_path: Path
) -> None:
    receiver = Receiver("503 Service Unavailable", "500 Broken")
    with neighbour(signals=receiver) as server:
        told = f"""
[mint]
issuer = "https://pdp.example"

[[receiver]]
name = "mail"
url = "{server.url("/signals")}"
audience = "https://mail.example"
"""
        estate = Estate(tmp_path / "policies", more=told)
        service = begin(serve, estate)
        arguments = ("revoke", "subject", IDP, "anna", "--config", str(estate.folder / "pdp.toml"))
        subprocess.run(command(*arguments), env=environment(), check=True, capture_output=True)
        until(lambda: receiver.taken)
        assert receiver.subjects == [ANNA]
        assert len(receiver.asked) == 3
        assert estate.ask(service, estate.token("anna")) == "credential_revoked"
        # Whoever is told reads our keys where all do.
        keys = parse_jwks(service.get("/.well-known/jwks.json").content, use="sig", algorithms=["ES256"])
        us = Transmitters(
            "pdp", "https://pdp.example", frozenset({"https://mail.example"}), frozenset({"ES256"}),
            {IDP: frozenset({"subject"})}, frozenset(),
        )  # fmt: skip
        told_of = read(receiver.taken[0], us, Keys(keys, time.time() + 60), time.time())
        assert told_of.about == (("subject", (IDP, "anna")),)
        until(lambda: service.metric("pdp_signals_sent_total", receiver="mail", outcome="taken") == 1)


def test_a_transmitter_is_asked_to_say_that_it_is_there(serve: Services, tmp_path: Path) -> None:
    asked: list[Asked] = []

    async def verify(one: Asked, _: object) -> bytes:
        asked.append(one)
        return answer("", status="204 No Content")

    with neighbour(verify=verify) as server:
        where = f'verify = {{ url = "{server.url("/verify")}", stream = "s-1", token_file = "v.token" }}'
        estate = Estate(tmp_path / "policies", more=where)
        (estate.folder / "v.token").write_text("let-me-in")
        service = begin(serve, estate, "--workers", "2")
        until(lambda: asked)
        said = json.loads(asked[0].body)
        assert (said["stream_id"], asked[0].headers["authorization"]) == ("s-1", "Bearer let-me-in")
        right = estate.sender.signal(VERIFICATION, STREAM, state=said["state"])
        wrong = estate.sender.signal(VERIFICATION, STREAM, state=f"{said['state']}x")
        assert [push(service, text).status_code for text in (right, wrong)] == [202, 400]
        # Of two workers one has asked.
        assert len(asked) == 1
