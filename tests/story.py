"""`python -m tests.story`: a batch job and its credentials, from the opening of its task to the end of both.

Plays all parts on this machine: a trust domain that gives the job its identity, an issuer whose bearer tokens
the job has always had, a gateway, a thief, and between them a real `pdp serve`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.evidence.issuing import Client, Issuer
from tests.evidence.world import jwk_of, usage

POLICIES = Path(__file__).parent.parent / "policies"
JOB = "spiffe://prod.example/ns/payments/sa/batch-nightly"
LEGACY = "https://sts.example.com"
PDP = "https://pdp.example"
ENTRIES = "https://ledger.example/entries"
CONFIGURATION = f"""\
[server]
port = 0
url = "{PDP}"

[policies]
path = {json.dumps(str(POLICIES))}

[state]
path = "state.db"

[proofs]
max_ahead = "1s"                    # all clocks here are one

[mint]                              # pdp gives out tokens for tasks, and takes them back
issuer = "{PDP}"

[[enforcement_point]]
name = "gateway"
addresses = ["127.0.0.1"]
certificates = true                 # it ends TLS, and says which certificate a client has

[[trust_domain]]
name = "prod.example"
bundle = {{ file = "bundle.json" }}

[[issuer]]                          # its bearer tokens may still be exchanged, and do nothing else
id = "{LEGACY}"
keys = {{ file = "keys.json" }}
algorithms = ["ES256"]
audiences = {{ pdp = ["https://api.example"] }}
trust_domains = ["prod.example"]

[[client]]
id = "{JOB}"
spiffe = "{JOB}"
"""
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


class Story:
    """Who plays, and what each does. Every step gives what came of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.legacy, self.job, self.thief = Issuer(LEGACY), Client(), Client()
        self.authority = ec.generate_private_key(ec.SECP256R1())
        root = _certificate(self.authority, self.authority, None)
        member = jwk_of(self.authority) | {"use": "x509-svid", "x5c": [b64encode(_der(root)).decode()]}
        (folder / "bundle.json").write_text(json.dumps({"keys": [member]}))
        (folder / "keys.json").write_text(self.legacy.jwks())
        (folder / "pdp.toml").write_text(CONFIGURATION)
        leaf = _certificate(ec.generate_private_key(ec.SECP256R1()), self.authority, JOB)
        chain = quote(leaf.public_bytes(serialization.Encoding.PEM).decode(), safe="")
        digest = leaf.fingerprint(hashes.SHA256()).hex()
        # What the gateway says of who came over TLS with this certificate.
        self.identity = {"x-forwarded-client-cert": f'Hash={digest};Chain="{chain}";URI={JOB}'}
        self.pdp = httpx.Client(trust_env=False, timeout=30)

    def open_task(self) -> httpx.Response:
        """The job opens a task with its workload identity."""
        work = {"purpose": "book the day", "actions": ["entry.create"], "audiences": ["ledger"]}
        return self.pdp.post("/tasks", json=work | {"lifetime": "20m"}, headers=self.identity)

    def exchange(self, task: str) -> httpx.Response:
        """The job has a token for its task made of the bearer token that it always had."""
        form = {
            "grant_type": EXCHANGE, "audience": "ledger", "task": task,
            "subject_token": self.legacy.token(JOB, "https://api.example", lives=3_600),
            "subject_token_type": ACCESS_TOKEN,
        }  # fmt: skip
        proof = self.job.proof("", "POST", f"{PDP}/token")
        return self.pdp.post("/token", data=form, headers=self.identity | {"dpop": proof})

    def call(self, token: str, presented: dict[str, Any]) -> dict[str, Any]:
        """A gateway asks for a call of the ledger."""
        entry = {"type": "ledger_entry", "id": "e-1", "amount": 10, "currency": "EUR", "labels": []}
        asked = {"audience": "ledger", "action": "entry.create", "resource": entry}
        context = {"context": {"source_ip": "10.1.2.3"}}
        answer: dict[str, Any] = self.pdp.post("/decide", json=presented | asked | context).json()
        return answer

    def with_proof(self, token: str, client: Client) -> dict[str, Any]:
        """The call of who has the token, with a proof by that client's key."""
        return self.call(token, client.present(token, "POST", ENTRIES))

    def without_proof(self, token: str) -> dict[str, Any]:
        """The call of who has the token, and nothing else."""
        return self.call(token, {"credential": {"token": token, "scheme": "Bearer"}})

    def complete(self, task: str) -> httpx.Response:
        """The job completes its task."""
        return self.pdp.post(f"/tasks/{task}/complete", headers=self.identity)

    def told(self) -> Iterator[tuple[str, str]]:
        """The story: what happens, and what came of it."""
        opened = self.open_task()
        task = opened.json().get("id", "")
        yield "the job opens a task, by its identity", f"{opened.status_code} {opened.json().get('state')}"
        made = self.exchange(task)
        granted = made.json()
        token = granted.get("access_token", "")
        yield "it exchanges its bearer token", f"{made.status_code} {_kind(granted)}"
        yield "it calls the ledger, and proves its key", _decided(self.with_proof(token, self.job))
        yield "a thief presents the copied token", _decided(self.without_proof(token))
        yield "the thief proves a key, which is his own", _decided(self.with_proof(token, self.thief))
        done = self.complete(task)
        yield "the job completes its task", f"{done.status_code} {done.json().get('state')}"
        yield "it calls the ledger once more", _decided(self.with_proof(token, self.job))


def _kind(granted: dict[str, Any]) -> str:
    return f"{granted.get('token_type')} token for {granted.get('expires_in')} s"


def _decided(answer: dict[str, Any]) -> str:
    return f"{answer['decision']} {answer['code'] or ', '.join(answer['rules'])}"


def _certificate(
    key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey, identity: str | None
) -> x509.Certificate:
    """An authority's certificate, or one that names a workload."""
    now, subject = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "prod.example")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(minutes=30))
        .add_extension(x509.BasicConstraints(ca=identity is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False
        )
    )
    if identity is None:
        kind = usage(key_cert_sign=True, crl_sign=True, digital_signature=False)
        return builder.add_extension(kind, critical=True).sign(authority, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)])
    builder = builder.add_extension(names, critical=False)
    return builder.add_extension(usage(), critical=True).sign(authority, hashes.SHA256())


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A `pdp serve` for the block: where it listens."""
    command = [sys.executable, "-m", "pdp", "serve", "--config", "pdp.toml"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PDP_")}
    with subprocess.Popen(command, cwd=folder, env=kept, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            said = ""
            while (found := re.search(r" at (http://\S+)", said)) is None:
                line = process.stderr.readline()
                assert line, said
                said += line
            yield found[1]
        finally:
            process.terminate()
            process.stderr.read()


def main() -> None:
    """Play the story, and tell it line by line."""
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder))
        with serving(story.folder) as url, story.pdp:
            story.pdp.base_url = httpx.URL(url)
            # A proof that was made before the service remembers, it takes for one that may have been used.
            time.sleep(3)
            for happens, came in story.told():
                print(f"{happens:<44}{came}", flush=True)


if __name__ == "__main__":
    main()
