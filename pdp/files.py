"""From a policy folder to the bytes of its files. Knows files, and nothing of what is written in them."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
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
    paths = [(str(root), (root.name,))] if root.is_file() else list(_walk(str(root), ()))
    files = [
        PolicyFile(path, _module(parts), _read(path))
        for path, parts in paths
        if tests or not path.endswith(TEST_SUFFIX)
    ]
    return tuple(sorted(files, key=lambda file: (file.module, file.path)))


def _walk(folder: str, parts: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The path of each policy file, and its parts below the root."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            path = entry.path if folder != "." else name
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(path, (*parts, name))
            elif name.endswith(SUFFIX) and not entry.is_dir():
                # A pipe would be waited for, perhaps for ever.
                if not stat.S_ISREG(entry.stat().st_mode):
                    raise OSError(errno.EINVAL, "not a regular file", path)
                yield path, (*parts, name)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _module(parts: tuple[str, ...]) -> str:
    name = ".".join(parts).removesuffix(SUFFIX)
    return name if _MODULE.match(name) else ""
