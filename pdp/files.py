"""From a policy folder to the bytes of its files. Knows files, and nothing of what is written in them."""

from __future__ import annotations

import errno
import os
import re
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
    if root.is_file():
        found = iter(((str(root), (root.name,)),))
    else:
        found = _walk(str(root), ())
    files = [
        PolicyFile(path, _module(parts), _read(path))
        for path, parts in found
        if tests or not path.endswith(TEST_SUFFIX)
    ]
    return tuple(sorted(files, key=lambda f: (f.module, f.path)))


def _walk(folder: str, parts: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The paths of all policy files, each with its parts below the root."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            # The folder `.` is not shown.
            path = entry.path if folder != "." else name
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(path, (*parts, name))
            elif name.endswith(SUFFIX) and not entry.is_dir():
                yield path, (*parts, name)


def _read(path: str) -> bytes:
    # Opened so that a pipe without a writer is not waited for.
    with open(path, "rb", buffering=0, opener=_open) as file:
        if not _is_regular(file.fileno()):
            raise OSError(errno.EINVAL, "is no regular file", path)
        return file.read()


def _module(parts: tuple[str, ...]) -> str:
    name = ".".join(parts).removesuffix(SUFFIX)
    return name if _MODULE.match(name) else ""
