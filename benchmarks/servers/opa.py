"""OPA over its data API. No package manager used here carries its binary, so it is only looked for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.peers import Missing
from benchmarks.peers.rego import RULE, given, modules
from benchmarks.servers import KEPT, Server, free_port

# What a Go toolchain can make of it; any other version on the PATH will do.
VERSION = "1.22.2"


def server(folder: Path) -> Server:
    """Raises `Missing`."""
    found = shutil.which("opa", path=os.pathsep.join([os.environ.get("PATH", ""), str(KEPT / "bin")]))
    if found is None:
        raise Missing(
            f"`opa` is not on the PATH; with Go: GOBIN={KEPT / 'bin'} go install"
            f" github.com/open-policy-agent/opa@v{VERSION}"
        )
    port = free_port()
    for name, text in modules(1):
        (folder / name).write_text(text)
    files = [str(folder / name) for name, _ in modules(1)]
    told = subprocess.run([found, "version"], capture_output=True, text=True, check=True).stdout
    options = ["--server", f"--addr=127.0.0.1:{port}", "--log-level=error", "--skip-version-check"]
    return Server(
        "OPA",
        told.splitlines()[0].partition(":")[2].strip(),
        [found, "run", *options, *files],
        f"http://127.0.0.1:{port}/v1/{RULE.replace('.', '/')}",
        lambda question: json.dumps({"input": given(question)}).encode(),
        lambda answer: json.loads(answer).get("result") is True,
    )
