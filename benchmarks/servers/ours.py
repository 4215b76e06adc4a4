"""pdp, one worker, asked by an enforcement point on loopback."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks import estate
from benchmarks.estate import Grant
from benchmarks.servers import Server, free_port

_CONFIG = """\
[[enforcement_point]]
name = "gateway"
addresses = ["127.0.0.1"]
may_assert = ["caller", "credential"]
"""


def server(folder: Path) -> Server:
    policies, config, port = folder / "policies", folder / "pdp.toml", free_port()
    estate.write(policies, [estate.rule(Grant(0))])
    config.write_text(_CONFIG)
    command = [sys.executable, "-c", "from pdp.cli.main import main; main()", "serve", str(policies)]
    return Server(
        "pdp",
        version("pdp"),
        [*command, "--config", str(config), "--port", str(port)],
        f"http://127.0.0.1:{port}/decide",
        lambda question: json.dumps(estate.request(question)).encode(),
        lambda answer: json.loads(answer)["decision"] == "allow",
    )
