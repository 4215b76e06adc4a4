"""Presented credentials over HTTP: real tokens and proofs, one memory for all workers, keys that change."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from service.conftest import CONFIGURATION, POLICY, REQUEST, Service, Services, make_folder, until
from tests.evidence.issuing import Client, Issuer
from tests.evidence.loopback import Asked, answer, loopback

WORKLOAD = "spiffe://prod.example/ns/payments/sa/api"
URI = "https://ledger.example/entries"
ISSUER = """
[[issuer]]
id = "https://sts.example"
keys = {{ file = "keys.json", refresh = "1s" }}
algorithms = ["ES256"]
trust_domains = ["prod.example"]
single_use = {single_use}
# There is one clock here, and a test does not wait for what others may differ by.
leeway = "0s"
[proofs]
max_ahead = "0s"
nonces = {nonces}
"""


class Estate:
    """A policy folder that believes an issuer, the issuer, and one of its clients."""

    def __init__(
        self, folder: Path, *, more: str = "", single_use: bool = False, nonces: bool = False
    ) -> None:
        text = ISSUER.format(single_use=json.dumps(single_use), nonces=json.dumps(nonces))
        self.folder = make_folder(folder, POLICY, CONFIGURATION + text + more)
        self.issuer, self.client = Issuer("https://sts.example"), Client()
        self.publish()

    def publish(self, *dropped: str) -> None:
        """Write the issuer's keys where they are read, at once and whole."""
        fresh = self.folder / "keys.new"
        fresh.write_text(self.issuer.jwks(*dropped))
        fresh.rename(self.folder / "keys.json")

    def token(self, **claims: Any) -> str:
        return self.issuer.token(WORKLOAD, "ledger", cnf=self.client.confirmation, **claims)

    def request(self, token: str | None = None, **claims: Any) -> dict[str, Any]:
        """A request with a token, one made for it unless given, and a new proof."""
        presented = self.client.present(token or self.token(), "POST", URI, **claims)
        return {**{name: value for name, value in REQUEST.items() if name != "caller"}, **presented}


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path / "policies")


def ask(service: Service, document: dict[str, Any]) -> str | None:
    """The code of the answer; None for an allow."""
    answer = service.post("/decide", json.dumps(document).encode())
    assert answer.status_code == 200, answer.text
    return answer.json()["code"]


def begin(serve: Services, estate: Estate, *arguments: str) -> Service:
    """A service that remembers long enough for proofs that are made now."""
    service = serve(*arguments, folder=estate.folder)
    until(lambda: ask(service, estate.request()) is None)
    return service


def test_a_proof_is_allowed_once_and_the_service_remembers_which(serve: Services, estate: Estate) -> None:
    service = begin(serve, estate)
    token = estate.token()
    first, second = estate.request(token), estate.request(token)
    assert ask(service, first) is None
    assert ask(service, first) == "proof_replayed"
    assert ask(service, second) is None
    assert service.metric("pdp_decisions_total", code="proof_replayed") == 1


def test_of_many_presented_at_once_to_two_workers_one_is_allowed(serve: Services, estate: Estate) -> None:
    service = begin(serve, estate, "--workers", "2")

    async def crowd(document: dict[str, Any]) -> list[str | None]:
        # A connection each, so that both workers are asked.
        async with httpx.AsyncClient(
            base_url=f"http://{service.host}:{service.port}", timeout=30, trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as client:  # fmt: skip
            answers = await asyncio.gather(*(client.post("/decide", json=document) for _ in range(40)))
        return [answer.json()["code"] for answer in answers]

    for _ in range(5):
        codes = asyncio.run(crowd(estate.request()))
        assert sorted(codes, key=str) == [None, *["proof_replayed"] * 39]


def test_a_used_token_stays_used_when_the_service_is_killed(serve: Services, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "policies", more='[state]\npath = "state.db"\n', single_use=True)
    service = begin(serve, estate)
    used, unused = estate.token(), estate.token()
    assert ask(service, estate.request(used)) is None
    service.signal(signal.SIGKILL)
    service.wait()
    service = serve(folder=estate.folder)
    assert ask(service, estate.request(used)) == "token_replayed"
    assert ask(service, estate.request(unused)) is None
    assert (estate.folder / "state.db").stat().st_mode & 0o077 == 0


def test_without_a_file_nothing_is_allowed_that_may_have_been_used_before(
    serve: Services, tmp_path: Path
) -> None:
    estate = Estate(tmp_path / "policies", single_use=True)
    before = estate.token()
    service = begin(serve, estate)
    assert ask(service, estate.request(before)) == "state_unavailable"


def test_keys_that_rotate_are_followed_and_dropped_ones_refused(serve: Services, estate: Estate) -> None:
    service = begin(serve, estate)
    old = estate.issuer.kid
    kept = estate.token(lives=600)
    estate.issuer.rotate()
    # The token comes before the key does: soon after it has been published, it counts.
    token = estate.token()
    assert ask(service, estate.request(token)) == "key_unknown"
    estate.publish()
    until(lambda: ask(service, estate.request(token)) is None)
    assert ask(service, estate.request(kept)) is None
    estate.publish(old)
    until(lambda: ask(service, estate.request(kept)) == "key_unknown")
    assert ask(service, estate.request(token)) is None


def test_keys_that_cannot_be_read_are_told_and_the_last_ones_kept(serve: Services, estate: Estate) -> None:
    service = begin(serve, estate)
    (told,) = service.ready()["keys"]
    assert told["of"] == "https://sts.example"
    assert told["stale"] is False
    (estate.folder / "keys.json").write_text("{")
    until(lambda: service.ready()["keys"][0]["stale"])
    until(lambda: service.metric("pdp_keys_stale", of="https://sts.example") == 1)
    assert "the keys of https://sts.example cannot be refreshed" in service.log
    assert ask(service, estate.request()) is None
    estate.publish()
    until(lambda: not service.ready()["keys"][0]["stale"])


def test_a_proof_must_hold_the_nonce_that_goes_out_with_each_answer(serve: Services, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "policies", nonces=True)
    service = serve("--workers", "2", folder=estate.folder)
    answer = service.post("/decide", json.dumps(estate.request()).encode())
    assert answer.json()["code"] == "proof_nonce"
    nonce = answer.headers["dpop-nonce"]
    # Whichever worker gave it out, and whichever is asked.
    until(lambda: ask(service, estate.request(nonce=nonce)) is None)
    for _ in range(8):
        assert ask(service, estate.request(nonce=nonce)) is None
    assert ask(service, estate.request(nonce="x" * 43)) == "proof_nonce"
    assert service.get("/healthz").headers.get("dpop-nonce") is None


def test_what_workers_see_they_tell_each_other(serve: Services, tmp_path: Path) -> None:
    log = tmp_path / "decisions"
    estate = Estate(tmp_path / "policies", more=f'[decision_log]\nto = "{log}"\n')
    service = begin(serve, estate, "--workers", "2")
    token = estate.token()

    def uses() -> int:
        assert ask(service, estate.request(token)) is None
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return max(line["facts"]["credential"]["uses"] for line in lines if line["facts"])

    # Asked until one worker knows of more than it was asked itself: each says of itself what it has seen.
    until(lambda: uses() >= 20)
    assert token not in log.read_text()
    assert service.metric("pdp_standing_credentials_total") == 0


def test_standing_credentials_are_counted_by_issuer_and_caller(serve: Services, estate: Estate) -> None:
    service = begin(serve, estate)
    token = estate.issuer.token(WORKLOAD, "ledger", lives=1_200)
    bearer = {**estate.request(), "credential": {"token": token, "scheme": "Bearer"}}
    assert ask(service, bearer) == ask(service, bearer) == "no_rule"
    holder = {"issuer": "https://sts.example", "caller": WORKLOAD}
    assert service.metric("pdp_standing_credentials_total", **holder) == 2


OPAQUE = """
[[issuer]]
id = "https://opaque.example"
introspection = {{ url = "{url}", client = "pdp", secret_file = "secret" }}
trust_domains = ["prod.example"]
"""


def test_an_opaque_token_counts_by_what_its_issuer_says_of_it(serve: Services, tmp_path: Path) -> None:
    now = int(time.time())
    claims = {
        "active": True, "sub": WORKLOAD, "aud": "ledger", "iat": now, "exp": now + 300, "client_id": "c",
        "token_type": "Bearer",
    }  # fmt: skip
    presented = {name: value for name, value in REQUEST.items() if name != "caller"}
    known, unknown, late = (
        {**presented, "credential": {"token": f"opaque-{number}", "scheme": "Bearer"}} for number in range(3)
    )

    async def said(asked: Asked, _: asyncio.StreamWriter) -> bytes:
        token = parse_qs(asked.body.decode())["token"]
        return answer(json.dumps(claims if token == ["opaque-0"] else {"active": False}))

    def asking(url: str) -> Service:
        policy = POLICY.replace("credential.bound", "credential.verified and not credential.standing")
        folder = make_folder(tmp_path / "policies", policy, CONFIGURATION + OPAQUE.format(url=url))
        (folder / "secret").write_text("s3cret")
        service = serve(folder=folder)
        assert ask(service, known) is None
        assert ask(service, unknown) == "token_inactive"
        batch = service.post("/decide/batch", json.dumps({"requests": [known, unknown, {}]}).encode()).json()
        codes = [one.get("code", one.get("status")) for one in batch["answers"]]
        assert codes == [None, "token_inactive", 400]
        assert [told["of"] for told in service.ready()["keys"]] == ["https://opaque.example"]
        return service

    async def scenario() -> Service:
        async with loopback() as server:
            server.answers["/introspect"] = said
            service = await asyncio.to_thread(asking, server.url("/introspect"))
            # Each was asked about once.
            assert len(server.asked) == 2
            return service

    service = asyncio.run(scenario())
    # Nobody answers any more: what is known is known for a while, and nothing new.
    assert ask(service, late) == "introspection_unavailable"
    assert ask(service, known) is None
