"""The socket that requests come in by. Knows addresses and file modes, not what is said over them."""

from __future__ import annotations

import errno
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from pdp.settings import Server

_BACKLOG = 2_048


class ListenError(Exception):
    """The address cannot be listened on; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket, for this process or for its workers; `address` is where, as people write it.

    `file` is the Unix socket's path, with the marks by which this process knows it as its own.
    """

    socket: socket.socket
    address: str
    file: tuple[Path, tuple[int, ...]] | None = None

    def close(self) -> None:
        """Stop listening. Safe to call when the socket is closed already."""
        self.socket.close()
        if self.file is not None:
            path, marks = self.file
            # Another process may have taken the place meanwhile, as in a restart without a gap.
            if _marks(path) == marks:
                path.unlink(missing_ok=True)


def listen(server: Server) -> Listener:
    """Listens where the settings say. Raises `ListenError`."""
    try:
        if server.uds is not None:
            return _unix(server.uds, int(server.uds_mode, 8))
        return _tcp(server.host, server.port)
    # Besides `OSError`: a host that is no name at all, and a path that is too long or holds a NUL.
    except (OSError, ValueError) as error:
        where = str(server.uds) if server.uds is not None else f"{server.host} port {server.port}"
        why = getattr(error, "strerror", None) or "there can be no such address"
        raise ListenError(f"cannot listen on {where}: {why}") from None


def _tcp(host: str, port: int) -> Listener:
    family, kind, protocol, _, where = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return Listener(listening, url_of(listening))


def url_of(listening: socket.socket) -> str:
    """Where a socket listens, as a URL; empty for one that has none."""
    if listening.family == socket.AF_UNIX:
        return ""
    name, number = listening.getsockname()[:2]
    return f"http://[{name}]:{number}" if ":" in name else f"http://{name}:{number}"


def _unix(path: Path, mode: int) -> Listener:
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Nobody gets in between bind and chmod.
    before = os.umask(0o777)
    try:
        listening.bind(str(path))
    except (OSError, ValueError):
        listening.close()
        raise
    finally:
        os.umask(before)
    os.chmod(path, mode)
    listening.listen(_BACKLOG)
    return Listener(listening, f"unix:{path}", (path, _marks(path)))


def _marks(path: Path) -> tuple[int, ...]:
    """What tells the file there from every other; an inode alone is soon used again."""
    try:
        there = path.stat()
    except OSError:
        return ()
    return (there.st_dev, there.st_ino, there.st_mtime_ns)


def _remove_stale(path: Path) -> None:
    """Removes a socket that a dead process left; leaves alone what is not a socket, or is listened on."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise OSError(errno.EEXIST, "there is a file of that name")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise OSError(errno.EADDRINUSE, "another process listens there")
