"""`python -m tests.example FOLDER`: an issuer to try pdp out with, and a request that presents its token.

The first time it makes the issuer's key, publishes it, and writes a `pdp.toml` that believes it; each time it
writes a new request, with a new token for a new client and a proof that is good for a minute.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.evidence.issuing import Client, Issuer

POLICIES = Path(__file__).parent.parent / "policies"
ISSUER = "https://sts.example.com"
URI = "https://ledger.example/entries"
WORKLOAD = "spiffe://prod.example/ns/payments/sa/api"
CONFIGURATION = """\
[[enforcement_point]]               # it says for which task, and no longer who calls
name = "local-gateway"
addresses = ["127.0.0.1", "::1"]
may_assert = ["task"]

[[issuer]]
id = "https://sts.example.com"
keys = { file = "keys.json" }       # or { url = "https://…" }, or { discovery = true }
algorithms = ["ES256"]
binding = "dpop"                    # its tokens count with a proof of their key, and not without
trust_domains = ["prod.example"]    # whose SPIFFE IDs it may name as callers
"""
REST = """
[policies]
path = {policies}

[state]
path = "state.db"                   # what was used is known after a restart

[[task]]
id = "t-1"
actions = ["entry.create"]
audiences = ["ledger"]
expires = 2038-01-01T00:00:00Z
"""
REQUEST = {
    "audience": "ledger", "action": "entry.create",
    "resource": {"type": "ledger_entry", "id": "e-1", "amount": 10, "currency": "EUR", "labels": []},
    "task": "t-1", "context": {"source_ip": "10.1.2.3"},
}  # fmt: skip


def main(folder: Path) -> None:
    """Write what is missing in `folder`, and a new `request.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    issuer, client = Issuer(ISSUER), Client()
    key = folder / "issuer.pem"
    if key.exists():
        issuer.keys[issuer.kid] = load_pem_private_key(key.read_bytes(), None)  # type: ignore[assignment]
    else:
        key.touch(mode=0o600)
        made = issuer.keys[issuer.kid]
        key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (folder / "keys.json").write_text(issuer.jwks())
        rest = REST.format(policies=json.dumps(str(POLICIES)))
        (folder / "pdp.toml").write_text(CONFIGURATION + rest)
    token = issuer.token(WORKLOAD, "ledger", cnf=client.confirmation)
    request = client.present(token, "POST", URI) | REQUEST
    (folder / "request.json").write_text(json.dumps(request, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
