"""The socket that requests come in by. Knows addresses and file modes, not what is said over them."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from pdp.settings import Server

_BACKLOG = 2_048


class ListenError(Exception):
    """The address cannot be listened on; the text says which and why."""


def listen(server: Server) -> socket.socket:
    """A listening socket, for this process or for its workers. Raises `ListenError`."""
    try:
        if server.uds is not None:
            return _unix(server.uds, int(server.uds_mode, 8))
        return _tcp(server.host, server.port)
    except OSError as error:
        where = str(server.uds) if server.uds is not None else f"{server.host} port {server.port}"
        raise ListenError(f"cannot listen on {where}: {error.strerror}") from None


def address(listening: socket.socket) -> str:
    """Where the socket listens, as people write it."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"http://{host}:{name[1]}"


def unlink(server: Server) -> None:
    """Remove the file of the Unix socket that `listen` made. By its name: the socket may be closed by now."""
    if server.uds is not None:
        server.uds.unlink(missing_ok=True)


def _tcp(host: str, port: int) -> socket.socket:
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
    return listening


def _unix(path: Path, mode: int) -> socket.socket:
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Nobody gets in between bind and chmod.
    before = os.umask(0o777)
    try:
        listening.bind(str(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    os.chmod(path, mode)
    listening.listen(_BACKLOG)
    return listening


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
