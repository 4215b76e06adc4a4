"""`pdp trust check`: who is believed, from whom, with which keys, and until when."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pdp.evidence.keys import thumbprint
from tests.evidence.issuing import Issuer
from tests.evidence.world import Authority, jwk_of

ISSUER, DOMAIN = "https://idp.example", "prod.example"
SETTINGS = f"""
[[issuer]]
id = "{ISSUER}"
keys = {{ file = "idp.json" }}
algorithms = ["ES256", "EdDSA"]
audiences = {{ ledger = ["https://ledger.example", "ledger"] }}
claims = {{ team = "https://idp.example/team" }}
kind = "human"
max_lifetime = "1h30m"
max_age = "5m"
binding = "dpop"
single_use = true
task = "work"
trust_domains = ["{DOMAIN}"]

[[trust_domain]]
name = "{DOMAIN}"
bundle = {{ file = "bundle.json" }}
forms = ["x509_svid", "jwt_svid", "wit"]

[[enforcement_point]]
name = "gateway"
addresses = ["10.0.0.0/8", "::1"]
unix = true
may_assert = ["task"]
audiences = ["ledger"]
certificates = true

[[enforcement_point]]
name = "mesh"
addresses = ["10.1.2.3"]
"""


@pytest.fixture
def issuer(estate: Path) -> Issuer:
    """Settings that believe an issuer and a trust domain, and the files with their keys."""
    made = Issuer(ISSUER)
    (estate / "pdp.toml").write_text(SETTINGS)
    (estate / "policies/callers.policy").write_text("schema { caller { team?: string } }\n")
    (estate / "idp.json").write_text(made.jwks())
    key = ec.generate_private_key(ec.SECP256R1())
    der = Authority(DOMAIN).certificate.public_bytes(Encoding.DER)
    members = [
        {"kty": "EC", "use": "x509-svid", "x5c": [b64encode(der).decode()]},
        jwk_of(key, kid="a", use="jwt-svid"),
        jwk_of(key, kid="b", use="wit-svid"),
    ]
    (estate / "bundle.json").write_text(json.dumps({"keys": members}))
    return made


def told(result: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(result.stdout)
    return made


def steady(text: str) -> str:
    """The text without what is made anew each time: digests of keys, and times."""
    text = re.sub(r"[0-9a-f]{64}|\b[A-Za-z0-9_-]{43}\b(?![\w-])", "…", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "…", text)


def test_everybody_who_is_believed_is_told(run: Any, issuer: Issuer, golden: Any) -> None:
    result = run("trust", "check")
    assert (result.exit_code, result.stderr) == (0, "")
    golden("trust.txt", steady(result.output))


def test_the_same_comes_as_json(run: Any, issuer: Issuer, golden: Any) -> None:
    result = run("trust", "check", "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    golden("trust.json", steady(result.output))


def test_each_key_is_told_by_its_thumbprint(run: Any, issuer: Issuer, estate: Path) -> None:
    issuer.rotate()
    (estate / "idp.json").write_text(issuer.jwks())
    [one] = told(run("trust", "check", "--format", "json"))["issuers"]
    prints = {kid: thumbprint(jwk_of(key)) for kid, key in issuer.keys.items()}
    assert {key["kid"]: key["thumbprint"] for key in one["keys"]} == prints
    text = run("trust", "check").output
    assert all(f"{kid} (ES256) {digest}" in text for kid, digest in prints.items())


def test_keys_are_believed_until_they_should_have_been_read_again(run: Any, issuer: Issuer) -> None:
    [one] = told(run("trust", "check", "--format", "json"))["issuers"]
    read, until = (datetime.fromisoformat(one[name]) for name in ("read", "until"))
    assert abs(read - datetime.now(UTC)) < timedelta(minutes=1)
    assert until - read == timedelta(minutes=65)


def test_nobody_is_believed_without_settings(run: Any, estate: Path) -> None:
    result = run("trust", "check")
    assert result.exit_code == 0
    assert result.output == (
        "nobody is believed: there is no `[[issuer]]`, `[[trust_domain]]` or `[[enforcement_point]]`\n"
    )


def problems(run: Any) -> list[str]:
    """Every problem that is told, in text and as JSON alike; there are some."""
    result, text = run("trust", "check", "--format", "json"), run("trust", "check")
    assert (result.exit_code, text.exit_code) == (1, 1)
    found = [problem for group in told(result).values() for one in group for problem in one["problems"]]
    assert [line[15:] for line in text.output.splitlines() if line.startswith("  problem:")] == found
    assert text.output.endswith("1 problem\n" if len(found) == 1 else f"{len(found)} problems\n")
    return found


def test_a_file_that_is_not_there_is_a_problem(run: Any, issuer: Issuer, estate: Path) -> None:
    (estate / "idp.json").unlink()
    assert problems(run) == ["`idp.json` cannot be read: No such file or directory"]
    assert "believed     not now" in run("trust", "check").output


def test_keys_that_cannot_be_used_are_a_problem(run: Any, issuer: Issuer, estate: Path) -> None:
    (estate / "idp.json").write_text('{"keys": []}')
    (estate / "bundle.json").write_text('{"keys": [{"kty": "oct", "k": "AAAA"}]}')
    assert problems(run) == ["it has no key that can be used", "it holds a secret"]
    # Of another algorithm than is configured, a key is as good as none.
    (estate / "idp.json").write_text(
        json.dumps({"keys": [jwk_of(ec.generate_private_key(ec.SECP384R1()), kid="a")]})
    )
    (estate / "bundle.json").write_text('{"keys": []}')
    assert problems(run) == ["it has no key that can be used", "its bundle is empty"]


def test_a_claim_for_an_attribute_that_no_schema_declares_is_a_problem(
    run: Any, issuer: Issuer, estate: Path
) -> None:
    (estate / "policies/callers.policy").unlink()
    assert problems(run) == ["`team` is taken from a claim, and no schema declares it"]
    (estate / "pdp.toml").write_text(f"{SETTINGS}\n[policies]\nstrict = false\n")
    assert run("trust", "check").exit_code == 0


def test_groups_need_no_declaration(run: Any, issuer: Issuer, estate: Path) -> None:
    (estate / "policies/callers.policy").unlink()
    (estate / "pdp.toml").write_text(SETTINGS.replace("team = ", "groups = "))
    assert run("trust", "check").exit_code == 0


def test_an_enforcement_point_that_can_never_ask_is_a_problem(run: Any, issuer: Issuer, estate: Path) -> None:
    (estate / "pdp.toml").write_text('[[enforcement_point]]\nname = "gateway"\nmay_assert = ["caller"]\n')
    assert problems(run) == ["nothing is known by which it could ask"]


@pytest.fixture
def port() -> Iterator[int]:
    """A server on this machine that has one key set, at `/keys`."""
    keys = Issuer(ISSUER).jwks().encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/keys" else 404)
            self.end_headers()
            self.wfile.write(keys)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server.server_address[1]
        server.shutdown()
        serving.join()


def of_url(estate: Path, url: str) -> None:
    (estate / "pdp.toml").write_text(
        f'[[issuer]]\nid = "{ISSUER}"\nkeys = {{ url = "{url}" }}\nalgorithms = ["ES256"]\n'
    )


def test_keys_are_fetched_from_where_the_service_would(run: Any, estate: Path, port: int) -> None:
    of_url(estate, f"http://127.0.0.1:{port}/keys")
    result = run("trust", "check")
    assert result.exit_code == 0
    assert f"from         http://127.0.0.1:{port}/keys" in result.output
    of_url(estate, f"http://127.0.0.1:{port}/other?key=secret")
    assert problems(run) == [f"`http://127.0.0.1:{port}/other?…` answered with status 404"]
    assert "secret" not in run("trust", "check").output


def test_an_issuer_that_is_asked_about_tokens_needs_no_keys(run: Any, estate: Path) -> None:
    (estate / "pdp.toml").write_text(
        f"""
        [[issuer]]
        id = "{ISSUER}"
        introspection = {{ url = "{ISSUER}/introspect?k=secret", client = "pdp", secret_file = "s" }}
        """
    )
    result = run("trust", "check")
    assert result.exit_code == 0
    assert f"tokens       without a signature, asked about at {ISSUER}/introspect?…\n" in result.output
    assert "  keys" not in result.output
    assert "  believed" not in result.output


def test_a_place_that_cannot_be_reached_is_a_problem(run: Any, estate: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/keys"
        of_url(estate, url)
        [problem] = problems(run)
    assert problem.startswith(f"`{url}` could not be reached")


def test_a_workload_api_that_is_not_there_is_a_problem(run: Any, estate: Path) -> None:
    (estate / "pdp.toml").write_text(
        f'[[trust_domain]]\nname = "{DOMAIN}"\nbundle = {{ workload_api = "unix://{estate}/no.sock" }}\n'
    )
    [problem] = problems(run)
    assert problem.startswith("the Workload API answered with ")


def test_colour_is_for_terminals(run: Any, issuer: Issuer) -> None:
    assert "\x1b" not in run("trust", "check").output
    master, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-c", "from pdp.cli.main import main; main()", "trust", "check"]
    try:
        subprocess.run(command, stdout=terminal, env=environment, check=True, timeout=60)
        shown = os.read(master, 4_096).decode()
    finally:
        os.close(master)
        os.close(terminal)
    assert f"issuer \x1b[1m{ISSUER}\x1b[0m" in shown


def test_what_cannot_be_checked_is_wrong_usage(run: Any, estate: Path) -> None:
    assert run("trust", "check", "--format", "yaml").exit_code == 2
    assert run("trust", "check", "--policies", "nowhere").exit_code == 2
    (estate / "pdp.toml").write_text('[[issuer]]\nid = "a"\nkeys = {}\nalgorithms = ["ES256"]\n')
    result = run("trust", "check")
    assert result.exit_code == 2
    assert "pdp.toml: issuer.0.keys: say one of `file`, `url` and `discovery`" in result.stderr


def test_policies_with_errors_are_told_as_such(run: Any, issuer: Issuer, estate: Path) -> None:
    (estate / "policies/broken.policy").write_text("permit {")
    result = run("trust", "check")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "broken.policy" in result.stderr


def test_help_teaches(run: Any) -> None:
    text = " ".join(run("trust", "check", "--help").output.split())
    assert "pdp trust check --config pdp.toml --format json" in text
    assert "Exit codes: 0 no problem" in text
