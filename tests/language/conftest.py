"""Texts that readers see are kept in files beside the tests.

`PDP_WRITE_GOLDEN=1 pytest tests/language` writes them anew, to be read in the diff.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

HERE = Path(__file__).parent
Golden: TypeAlias = Callable[[str, str], None]


@pytest.fixture(scope="session")
def golden() -> Golden:
    """`golden(name, text)`: the text is what the file of that name holds."""

    def compare(name: str, text: str) -> None:
        path = HERE / name
        if os.environ.get("PDP_WRITE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare
