"""Cerbos over its HTTP API. npm carries its binary; where npm is to be had it is asked for it, once."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from pathlib import Path

from benchmarks import estate
from benchmarks.estate import Grant, Question
from benchmarks.peers import Missing
from benchmarks.servers import KEPT, Server, free_port

VERSION = "0.55.0"
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def server(folder: Path) -> Server:
    """Raises `Missing`."""
    binary = _binary()
    http, grpc = free_port(), free_port()
    policies, config = folder / "policies", folder / "cerbos.json"
    policies.mkdir()
    (policies / "ledger_entry.json").write_text(json.dumps(_policy(Grant(0))))
    listen = {"httpListenAddr": f"127.0.0.1:{http}", "grpcListenAddr": f"127.0.0.1:{grpc}"}
    storage = {"driver": "disk", "disk": {"directory": str(policies), "watchForChanges": False}}
    config.write_text(json.dumps({"server": listen, "storage": storage, "telemetry": {"disabled": True}}))
    return Server(
        "Cerbos",
        json.loads((binary.parent / "package.json").read_text())["version"],
        [str(binary), "server", f"--config={config}", "--log-level=error"],
        f"http://127.0.0.1:{http}/api/check/resources",
        _body,
        _allows,
    )


def _policy(grant: Grant) -> dict[str, object]:
    conditions = [
        f'request.principal.id == "{grant.caller}"',
        f'request.resource.attr.audience == "{grant.audience}"',
        "request.principal.attr.bound",
        f"request.principal.attr.age <= {estate.MAX_AGE}",
        f'"{estate.SCOPE}" in request.principal.attr.scopes',
        f'request.resource.attr.source_ip.inIPAddrRange("{estate.NETWORK}")',
        f"request.resource.attr.amount <= {grant.limit}",
    ]
    rule = {
        "actions": [estate.ACTION],
        "effect": "EFFECT_ALLOW",
        "roles": ["workload"],
        "condition": {"match": {"all": {"of": [{"expr": condition} for condition in conditions]}}},
    }
    policy = {"version": "default", "resource": estate.RESOURCE, "rules": [rule]}
    return {"apiVersion": "api.cerbos.dev/v1", "resourcePolicy": policy}


def _body(question: Question) -> bytes:
    credential = {"bound": question.bound, "age": question.age, "scopes": list(question.scopes)}
    attributes = {"audience": question.audience, "source_ip": question.source_ip, "amount": question.amount}
    principal = {"id": question.caller, "roles": ["workload"], "attr": credential}
    resource = {"kind": question.resource, "id": "e-1", "attr": attributes}
    asked = [{"actions": [question.action], "resource": resource}]
    return json.dumps({"requestId": "1", "principal": principal, "resources": asked}).encode()


def _allows(answer: bytes) -> bool:
    (effect,) = json.loads(answer)["results"][0]["actions"].values()
    return bool(effect == "EFFECT_ALLOW")


def _binary() -> Path:
    name = f"cerbos-{platform.system().lower()}-{_MACHINES.get(platform.machine().lower(), 'unknown')}"
    binary = KEPT / "node_modules" / "@cerbos" / name / name
    if binary.exists():
        return binary
    npm = shutil.which("npm")
    if npm is None:
        raise Missing(f"`npm`, which carries it as @cerbos/{name}, is not on the PATH")
    KEPT.mkdir(exist_ok=True)
    # No package's script is run: the binary is all that is wanted.
    command = [npm, "install", "--prefix", str(KEPT), "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        [*command, f"@cerbos/{name}@{VERSION}"], capture_output=True, text=True, check=False
    )
    if done.returncode or not binary.exists():
        said = (done.stderr or done.stdout).strip().splitlines() or ["it did not say why"]
        raise Missing(f"npm could not install @cerbos/{name}@{VERSION}: {said[0]}")
    return binary
