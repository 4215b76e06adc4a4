"""Where a service listens: addresses and sockets that are free, taken, stale or none at all."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pdp.service.listen import ListenError, listen
from pdp.settings import Server


def test_it_listens_on_loopback_unless_told_otherwise() -> None:
    assert (Server().host, Server().uds) == ("127.0.0.1", None)
    listener = listen(Server(port=0))
    with closing(listener):
        host, port = listener.socket.getsockname()
        assert (host, listener.address) == ("127.0.0.1", f"http://127.0.0.1:{port}")


def test_an_address_of_version_6_is_written_in_brackets() -> None:
    listener = listen(Server(host="::1", port=0))
    with closing(listener):
        assert listener.address == f"http://[::1]:{listener.socket.getsockname()[1]}"


def test_a_port_that_is_taken_is_told() -> None:
    with closing(listen(Server(port=0))) as first:
        port = first.socket.getsockname()[1]
        with pytest.raises(
            ListenError, match=rf"cannot listen on 127\.0\.0\.1 port {port}: Address already in use"
        ):
            listen(Server(port=port))
    with closing(listen(Server(port=port))) as again:
        assert again.address == first.address


@pytest.mark.parametrize(
    "host", ["nowhere.invalid", "a..b", "a" * 70 + ".example", "192.0.2.1", "\0", "\ud800"]
)
def test_a_host_that_is_not_here_is_told(host: str) -> None:
    with pytest.raises(ListenError, match=r"cannot listen on .* port 0: ."):
        listen(Server.model_construct(host=host, port=0, uds=None))


def test_a_unix_socket_is_there_for_owner_and_group_and_gone_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "pdp.sock"
    listener = listen(Server(uds=path))
    assert listener.address == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()
    assert not path.exists()
    listener.close()


def test_its_mode_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "pdp.sock"
    before = os.umask(0o022)
    try:
        with closing(listen(Server(uds=path, uds_mode="0600"))):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_socket_that_is_listened_on_is_left_alone(tmp_path: Path) -> None:
    server = Server(uds=tmp_path / "pdp.sock")
    with closing(listen(server)):
        with pytest.raises(ListenError, match=r"pdp\.sock: another process listens there"):
            listen(server)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(server.uds))


def test_a_socket_that_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "pdp.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    with closing(listen(Server(uds=path))), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_that_another_process_has_made_meanwhile_is_left_to_it(tmp_path: Path) -> None:
    server = Server(uds=tmp_path / "pdp.sock")
    old = listen(server)
    old.socket.close()
    with closing(listen(server)):
        old.close()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(server.uds))


def test_a_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(ListenError, match="precious: there is a file of that name"):
        listen(Server(uds=path))
    assert path.read_text() == "data"


@pytest.mark.parametrize("name", ["missing/pdp.sock", "n" * 120, "a\0b"])
def test_a_place_where_no_socket_can_be_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ListenError, match=r"cannot listen on .*: ."):
        listen(Server(uds=tmp_path / name))


def test_nobody_gets_in_before_its_mode_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    real = os.chmod

    def watching(path: Any, mode: int) -> None:
        modes.append(stat.S_IMODE(os.stat(path).st_mode))
        real(path, mode)

    monkeypatch.setattr(os, "chmod", watching)
    with closing(listen(Server(uds=tmp_path / "pdp.sock", uds_mode="777"))):
        assert modes == [0]
