"""The command line on a small estate: each test works in a folder of its own, with `policies` in it.

What the commands print is kept in `golden/`; `PDP_WRITE_GOLDEN=1 pytest tests/cli` writes it anew, to be read
in the diff.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner

HERE = Path(__file__).parent
Run: TypeAlias = Callable[..., Any]
Golden: TypeAlias = Callable[[str, str], None]


@pytest.fixture
def estate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the estate as `policies`; the environment sets nothing."""
    shutil.copytree(HERE / "estate", tmp_path / "policies")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PDP_") and "__" in name]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def run(estate: Path) -> Run:
    """`run("check", "policies", input=b"…")`: exit code and what was written, as typer's runner has it."""
    from pdp.cli.main import app

    def command(*arguments: str, input: bytes | None = None) -> Any:
        result = CliRunner().invoke(app, list(arguments), input=input)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return command


@pytest.fixture
def golden() -> Golden:
    """`golden(name, text)`: the text is what the file of that name holds, but for what differs each time."""

    def compare(name: str, text: str) -> None:
        path = HERE / "golden" / name
        text = re.sub(r"in \d+\.\d\d s\b", "in 0.00 s", text)
        text = re.sub(r'"seconds": [\d.e-]+', '"seconds": 0', text)
        text = re.sub(r'"id":"[0-9a-f-]{36}"', '"id":"…"', text)
        text = re.sub(r"sha256:[0-9a-f]{64}", "sha256:…", text)
        if os.environ.get("PDP_WRITE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare
