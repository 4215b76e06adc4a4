"""The endpoints of OAuth over HTTP: as a client library drives them, and as the standards say they fail."""

from __future__ import annotations

import asyncio
import json
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest
from authlib.deprecate import AuthlibDeprecationWarning
from authlib.integrations.base_client.errors import OAuthError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, KeySet

from service.conftest import PATIENCE, Service, Services, make_folder, until
from tests.evidence.issuing import Client, Issuer
from tests.evidence.world import b64, jwk_of
from tests.tasks.office import CERTIFICATE, POLICY

with warnings.catch_warnings():
    # It would rather have another client for HTTP.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import OAuth2Client

URL = "https://pdp.example/tenant-a"
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
TYPE = "urn:ietf:params:oauth:token-type:access_token"
CONFIGURATION = """
[server]
port = 0
[policies]
path = "."
lower = { PDP402 = "off", PDP405 = "off" }
[state]
path = "state/state.db"
[proofs]
# There is one clock here, and a test does not wait for what others may differ by.
max_ahead = "0s"
nonces = {nonces}
[[issuer]]
id = "https://sts.example"
keys = { file = "keys.json" }
algorithms = ["ES256"]
audiences = { pdp = ["https://api.example"], ledger = ["https://api.example"] }
single_use = {single_use}
leeway = "0s"
[mint]
issuer = "https://pdp.example/tenant-a"
[[client]]
id = "batch"
keys = { file = "batch.json" }
[[enforcement_point]]
name = "proxy"
addresses = ["127.0.0.1"]
certificates = true
[[client]]
id = "old"
thumbprint = "{thumbprint}"
[[client]]
id = "ledger"
jwks = [{ledger}]
services = ["ledger"]
"""


class Party:
    """A client with a key that it signs with, and one that its tokens are bound to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.holder = Client()

    @property
    def jwk(self) -> dict[str, Any]:
        return jwk_of(self.key, kid=self.name, use="sig", alg="ES256")

    def assertion(self, **claims: Any) -> str:
        now = int(time.time())
        stated = {"iss": self.name, "sub": self.name, "aud": URL, "iat": now, "exp": now + 60}
        stated |= {"jti": f"{self.name}-{time.time_ns()}", **claims}
        return jwt.encode(stated, self.key, algorithm="ES256", headers={"kid": self.name})

    def form(self, **more: str) -> dict[str, str]:
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return {"client_assertion_type": kind, "client_assertion": self.assertion(), **more}

    def proof(self, **claims: Any) -> str:
        """A proof for a request for a token; there is no other token yet that it is for."""
        return self.holder.proof("", "POST", f"{URL}/token", **claims)

    def library(self, service: Service) -> OAuth2Client:
        """A client library that proves itself with the key."""
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        client = OAuth2Client(
            self.name, ECKey.import_key(pem), token_endpoint_auth_method="private_key_jwt",
            revocation_endpoint_auth_method="private_key_jwt", timeout=PATIENCE, trust_env=False,
            base_url=f"http://{service.host}:{service.port}",
        )  # fmt: skip
        client.register_client_auth_method(PrivateKeyJWT(URL, alg="ES256", headers={"kid": self.name}))
        return client


class Town:
    """A policy folder, the issuer that it believes, and the clients that it knows."""

    def __init__(self, folder: Path, *, nonces: bool = False, single_use: bool = False) -> None:
        self.issuer = Issuer("https://sts.example")
        self.batch, self.ledger = Party("batch"), Party("ledger")
        jwk = ", ".join(f'{name} = "{value}"' for name, value in self.ledger.jwk.items())
        text = CONFIGURATION.replace("{nonces}", json.dumps(nonces)).replace(
            "{single_use}", json.dumps(single_use)
        )
        text = text.replace("{thumbprint}", b64(CERTIFICATE)).replace("{ledger}", f"{{ {jwk} }}")
        self.folder = make_folder(folder, POLICY, text)
        (self.folder / "keys.json").write_text(self.issuer.jwks())
        (self.folder / "batch.json").write_text(json.dumps({"keys": [self.batch.jwk]}))

    def legacy(self, **claims: Any) -> str:
        return self.issuer.token("batch", "https://api.example", **claims)

    def form(self, **more: str) -> dict[str, str]:
        """A form that asks for a token."""
        asked = {
            "grant_type": GRANT,
            "subject_token": self.legacy(),
            "subject_token_type": TYPE,
            "audience": "ledger",
        }
        return self.batch.form(**asked) | more


def begin(serve: Services, town: Town, *arguments: str) -> Service:
    """A service that remembers long enough for what is made now."""
    service = serve(*arguments, folder=town.folder)
    # Seconds are whole in tokens.
    until(lambda: ask(service, town.form(), town.batch.proof()).status_code in (200, 400))
    return service


def ask(
    service: Service, form: dict[str, str], *proofs: str, path: str = "/token", **headers: str
) -> httpx.Response:
    with service.client() as client:
        told = [("dpop", proof) for proof in proofs] + list(headers.items())
        return client.post(path, data=form, headers=told)


def decided(service: Service, party: Party, token: str) -> str | None:
    presented = party.holder.present(token, "GET", "https://ledger.example/entries")
    document = {**presented, "audience": "ledger", "action": "entry.read"}
    code: str | None = service.post("/decide", json.dumps(document).encode()).json()["code"]
    return code


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return Town(tmp_path_factory.mktemp("oauth") / "policies")


@pytest.fixture(scope="module")
def service(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    services = Services(tmp_path_factory.mktemp("service"))
    made = begin(services, town, "--workers", "2")
    yield made
    code = made.stop()
    services.stop()
    assert code == 0
    assert "Traceback" not in made.log


def test_a_client_library_exchanges_introspects_and_revokes(service: Service, town: Town) -> None:
    with town.batch.library(service) as batch, town.ledger.library(service) as ledger:
        granted = batch.fetch_token(
            "/token", grant_type=GRANT, subject_token=town.legacy(scope="read"), subject_token_type=TYPE,
            audience="ledger", headers={"DPoP": town.batch.proof()},
        )  # fmt: skip
        assert (granted["token_type"], granted["issued_token_type"], granted["scope"]) == (
            "DPoP",
            TYPE,
            "read",
        )
        token = granted["access_token"]
        keys = KeySet.import_key_set(service.get("/.well-known/jwks.json").json())
        claims = joserfc_jwt.decode(token, keys, algorithms=["ES256"]).claims
        assert {"iss": URL, "aud": "ledger", "sub": "batch", "client_id": "batch"}.items() <= claims.items()
        assert claims["cnf"] == town.batch.holder.confirmation
        assert decided(service, town.batch, token) is None
        assert decided(service, town.ledger, token) == "binding_mismatch"
        assert ledger.introspect_token("/introspect", token=token).json()["active"] is True
        assert batch.introspect_token("/introspect", token=token).json() == {"active": False}
        answer = batch.revoke_token("/revoke", token=token, token_type_hint="refresh_token")
        assert (answer.status_code, answer.content) == (200, b"")
        assert ledger.introspect_token("/introspect", token=token).json() == {"active": False}
        assert decided(service, town.batch, token) == "credential_revoked"
        with pytest.raises(OAuthError, match="invalid_target"):
            batch.fetch_token(
                "/token", grant_type=GRANT, subject_token=town.legacy(), subject_token_type=TYPE,
                audience="vault", headers={"DPoP": town.batch.proof()},
            )  # fmt: skip


def test_answers_are_kept_by_nobody(service: Service, town: Town) -> None:
    for answer in (ask(service, town.form(), town.batch.proof()), ask(service, {})):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"


def test_who_is_not_known_is_told_so_and_nothing_else(service: Service, town: Town) -> None:
    for path in ("/token", "/revoke", "/introspect"):
        answer = ask(service, {"token": "x", "client_id": "batch"}, path=path)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert "www-authenticate" in answer.headers
    answer = ask(service, town.form(), town.batch.proof(), authorization="Basic YmF0Y2g6c2VjcmV0")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    answer = ask(service, {"client_id": "batch"}, **{"x-forwarded-client-cert": f"Hash={'0' * 64}"})
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"", "application/x-www-form-urlencoded", "invalid_client"),
        (b"{}", "application/json", "invalid_request"),
        (b"a=1", "", "invalid_request"),
        (b"a=1", "application/x-www-form-urlencoded; charset=utf-16", "invalid_request"),
        (b"a=1&a=1", "application/x-www-form-urlencoded", "invalid_request"),
        (b"audience=a&audience=b", "application/x-www-form-urlencoded", "invalid_target"),
        (b"resource=a&resource=b", "application/x-www-form-urlencoded", "invalid_target"),
        (b"a", "application/x-www-form-urlencoded", "invalid_request"),
        (b"a=%zz", "application/x-www-form-urlencoded", "invalid_request"),
        (b"a=%ff", "application/x-www-form-urlencoded", "invalid_request"),
        (b"a=\xc3\xa4", "application/x-www-form-urlencoded", "invalid_request"),
        (b"a=" + b"x" * 50_000, "application/x-www-form-urlencoded", "invalid_request"),
        (
            b"&".join(b"a%d=1" % number for number in range(40)),
            "application/x-www-form-urlencoded",
            "invalid_request",
        ),
    ],
)
def test_a_form_has_one_reading_or_none(service: Service, body: bytes, kind: str, error: str) -> None:
    with service.client() as client:
        answer = client.post("/token", content=body, headers={"content-type": kind})
    assert answer.json()["error"] == error
    assert answer.status_code == (401 if error == "invalid_client" else 400)


def test_a_proof_is_for_this_request_and_counts_once(service: Service, town: Town) -> None:
    proof = town.batch.proof()
    assert ask(service, town.form(), proof).status_code == 200
    wrong = [(proof,), ("x",), (town.batch.proof(), town.batch.proof()), (town.batch.proof(htm="GET"),)]
    wrong += [
        (town.batch.proof(htu=f"http://{service.host}:{service.port}/token"),),
        (town.batch.proof(iat=1),),
    ]
    for proofs in wrong:
        answer = ask(service, town.form(), *proofs)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert ask(service, town.form()).json()["error"] == "invalid_request"


def test_proofs_hold_the_nonce_that_was_given_out(serve: Services, tmp_path: Path) -> None:
    town = Town(tmp_path / "policies", nonces=True)
    service = begin(serve, town)
    answer = ask(service, town.form(), town.batch.proof())
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    nonce = answer.headers["dpop-nonce"]
    answer = ask(service, town.form(), town.batch.proof(nonce=nonce))
    assert answer.status_code == 200
    assert "dpop-nonce" in answer.headers


def test_metadata_tells_where_everything_is(service: Service) -> None:
    told = service.get("/.well-known/oauth-authorization-server/tenant-a").json()
    assert told == service.get("/.well-known/oauth-authorization-server").json()
    assert told["issuer"] == URL
    assert told["grant_types_supported"] == [GRANT]
    ends = ("token_endpoint", "introspection_endpoint", "revocation_endpoint")
    assert [told[name] for name in ends] == [f"{URL}/token", f"{URL}/introspect", f"{URL}/revoke"]
    assert "client_secret_basic" not in told["token_endpoint_auth_methods_supported"]
    assert service.get("/.well-known/oauth-authorization-server/tenant-b").status_code == 404


def test_keys_may_be_kept_as_long_as_their_schedule_allows(service: Service) -> None:
    answer = service.get(told_path(service, "jwks_uri"))
    assert answer.headers["cache-control"] == "public, max-age=300"
    (key,) = answer.json()["keys"]
    assert (key["alg"], key["use"]) == ("ES256", "sig")
    assert "d" not in key


def told_path(service: Service, member: str) -> str:
    told: str = service.get("/.well-known/oauth-authorization-server").json()[member]
    return told.removeprefix(URL)


@pytest.mark.parametrize(
    ("left_out", "setting"),
    [
        ('[state]\npath = "state/state.db"\n', "[state]"),
        ('[mint]\nissuer = "https://pdp.example/tenant-a"\n', "[mint]"),
    ],
)
def test_without_a_place_to_keep_anything_or_a_name_the_setting_is_told(
    serve: Services, tmp_path: Path, left_out: str, setting: str
) -> None:
    town = Town(tmp_path / "policies")
    path = town.folder / "pdp.toml"
    path.write_text(path.read_text().replace(left_out, ""))
    service = serve(folder=town.folder)
    for answer in (
        ask(service, town.form()),
        ask(service, {}, path="/revoke"),
        service.get("/.well-known/jwks.json"),
    ):
        assert answer.status_code == 503
        assert setting in answer.json()["detail"]


def test_of_many_exchanges_of_one_token_that_counts_once_one_is_granted(
    serve: Services, tmp_path: Path
) -> None:
    town = Town(tmp_path / "policies", single_use=True)
    service = begin(serve, town, "--workers", "2")

    async def crowd(forms: list[dict[str, str]]) -> list[int]:
        # A connection each, so that both workers are asked.
        async with httpx.AsyncClient(
            base_url=f"http://{service.host}:{service.port}", timeout=PATIENCE, trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as client:  # fmt: skip
            asked = (client.post("/token", data=form, headers={"dpop": town.batch.proof()}) for form in forms)
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    for _ in range(3):
        legacy = town.legacy()
        forms = [town.form(subject_token=legacy) for _ in range(20)]
        assert sorted(asyncio.run(crowd(forms))) == [200, *[400] * 19]


def test_tokens_are_good_over_a_change_of_keys_at_any_worker(serve: Services, tmp_path: Path) -> None:
    town = Town(tmp_path / "policies")
    service = begin(serve, town, "--workers", "2")
    before = granted(service, town)
    rotate(town)
    # Each worker learns within two seconds; nothing that was good before is ever refused.
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        assert decided(service, town.batch, before) is None
    after = [granted(service, town) for _ in range(4)]
    assert {jwt.get_unverified_header(token)["kid"] for token in after}.isdisjoint(
        {jwt.get_unverified_header(before)["kid"]}
    )
    for token in (before, *after, *after):
        assert decided(service, town.batch, token) is None
    assert len(service.get("/.well-known/jwks.json").json()["keys"]) == 2


def granted(service: Service, town: Town) -> str:
    answer = ask(service, town.form(), town.batch.proof())
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


def rotate(town: Town) -> None:
    import subprocess

    from service.conftest import command, environment

    arguments = command("keys", "rotate", "--config", str(town.folder / "pdp.toml"))
    subprocess.run(arguments, check=True, env=environment(), capture_output=True, timeout=PATIENCE)


def test_a_form_may_be_coded_as_it_likes(service: Service, town: Town) -> None:
    """Every character escaped: as large as a form may come."""
    body = urlencode(town.form()).replace("-", "%2D").replace("_", "%5F").encode()
    with service.client() as client:
        headers = {
            "content-type": 'application/x-www-form-urlencoded; charset="UTF-8"',
            "dpop": town.batch.proof(),
        }
        assert client.post("/token", content=body, headers=headers).status_code == 200


def test_after_a_revocation_was_acknowledged_no_worker_allows(serve: Services, tmp_path: Path) -> None:
    town = Town(tmp_path / "policies")
    service = begin(serve, town, "--workers", "2")

    async def under_load(token: str) -> tuple[int, set[str | None]]:
        acknowledged = asyncio.Event()
        answers: list[tuple[bool, str | None]] = []

        async def deciding(client: httpx.AsyncClient) -> None:
            left = 20
            while left > 0:
                # Asked after it was acknowledged, if it was by now.
                late = acknowledged.is_set()
                presented = town.batch.holder.present(token, "GET", "https://ledger.example/entries")
                document = {**presented, "audience": "ledger", "action": "entry.read"}
                answer = await client.post("/decide", json=document)
                answers.append((late, answer.json()["code"]))
                left -= late

        async with httpx.AsyncClient(
            base_url=f"http://{service.host}:{service.port}", timeout=PATIENCE, trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as client:  # fmt: skip
            crowd = [asyncio.create_task(deciding(client)) for _ in range(6)]
            await asyncio.sleep(0.2)
            answer = await client.post("/revoke", data=town.batch.form(token=token))
            assert answer.status_code == 200
            acknowledged.set()
            await asyncio.gather(*crowd)
        allowed = sum(code is None for late, code in answers if not late)
        return allowed, {code for late, code in answers if late}

    for _ in range(5):
        allowed, after = asyncio.run(under_load(granted(service, town)))
        assert allowed > 0
        assert after == {"credential_revoked"}


def test_a_revocation_that_was_acknowledged_outlives_the_service(serve: Services, tmp_path: Path) -> None:
    town = Town(tmp_path / "policies")
    service = begin(serve, town)
    for _ in range(3):
        token, other = granted(service, town), granted(service, town)
        assert ask(service, town.batch.form(token=token), path="/revoke").status_code == 200
        service.signal(signal.SIGKILL)
        service.wait()
        service = serve(folder=town.folder)
        until(lambda: decided(service, town.batch, other) is None)  # noqa: B023  # asked at once
        assert decided(service, town.batch, token) == "credential_revoked"


def test_a_client_behind_a_proxy_proves_itself_with_its_certificate(service: Service, town: Town) -> None:
    headers = {"x-forwarded-client-cert": f"Hash={CERTIFICATE.hex()}"}
    form = {name: value for name, value in town.form().items() if not name.startswith("client_")}
    answer = ask(service, form, **headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "Bearer"
    token = answer.json()["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["cnf"] == {"x5t#S256": b64(CERTIFICATE)}

    def code(digest: bytes) -> str | None:
        credential = {"token": token, "scheme": "Bearer", "xfcc": f"Hash={digest.hex()}"}
        document = {"credential": credential, "audience": "ledger", "action": "entry.read"}
        found: str | None = service.post("/decide", json.dumps(document).encode()).json()["code"]
        return found

    assert (code(CERTIFICATE), code(bytes(32))) == (None, "binding_mismatch")
    assert ask(service, {"token": token}, path="/revoke", **headers).status_code == 200
    assert code(CERTIFICATE) == "credential_revoked"
