"""From a policy folder to the bytes of its files. Knows files, and nothing of what is written in them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".policy"
TEST_SUFFIX = ".test.policy"
_MODULE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\Z")


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One file: `path` as shown to people, `module` its dotted name (empty when its path makes none)."""

    path: str
    module: str
    data: bytes

    @property
    def is_test(self) -> bool:
        """Whether the file holds tests only; a server never loads it."""
        return self.path.endswith(TEST_SUFFIX)


def read_files(root: str | os.PathLike[str], *, tests: bool) -> tuple[PolicyFile, ...]:
    """Every policy file below `root`, sorted by module; a `root` that is a file is a set of that file alone.

    Hidden files and folders are left out (editors and version control keep theirs there), and folders behind
    links are not entered, so that no circle can form. Raises `OSError` when something cannot be read: half a
    policy set is not a policy set.
    """
    root = Path(root)
    if root.is_file():
        paths, base = [root], root.parent
    else:
        base = root
        paths = [Path(folder, name) for folder, name in _walk(root)]
    files = [PolicyFile(str(path), _module(path.relative_to(base)), path.read_bytes()) for path in paths]
    return tuple(sorted((f for f in files if tests or not f.is_test), key=lambda f: (f.module, f.path)))


def _walk(root: Path) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for folder, below, names in os.walk(root, onerror=_refuse):
        below[:] = [name for name in below if not name.startswith(".")]
        found += [(folder, name) for name in names if name.endswith(SUFFIX) and not name.startswith(".")]
    return found


def _refuse(error: OSError) -> None:
    raise error


def _module(path: Path) -> str:
    name = ".".join(path.parts).removesuffix(SUFFIX)
    return name if _MODULE.match(name) else ""
