"""How a service ends: with the answers it owes, with an exit code that says why, and without a trace."""

from __future__ import annotations

import re
import signal
import socket
from contextlib import closing
from pathlib import Path

import pytest

from service.conftest import BODY, CONFIGURATION, Services, make_folder, until
from service.test_connections import HEAD, Answers

LENGTH = HEAD + b"content-length: %d\r\n\r\n" % len(BODY)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_under_way_gets_its_answer(serve: Services, number: signal.Signals) -> None:
    service = serve()
    with closing(service.connect()) as connection, closing(service.connect()) as idle:
        connection.sendall(LENGTH + BODY[:100])
        # The service has read the head when it answers who came later.
        assert service.decide()["decision"] == "allow"
        service.signal(number)
        assert idle.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            until(lambda: service.connect().close())
        connection.sendall(BODY[100:])
        answers = Answers(connection)
        status, head, body = answers.next()
        assert (status, b'"allow"' in body) == (200, True)
        assert b"connection: close" in head
        assert answers.is_over()
    assert service.wait() == 0
    assert "Traceback" not in service.log


def test_who_never_ends_a_request_is_not_waited_for_for_ever(serve: Services) -> None:
    service = serve(PDP_SERVER__DRAIN="1s")
    with closing(service.connect()) as connection:
        connection.sendall(LENGTH + BODY[:100])
        assert service.decide()["decision"] == "allow"
        service.signal(signal.SIGTERM)
        assert Answers(connection).next()[0] == 503
        assert service.wait() == 0
    assert "Traceback" not in service.log


def test_it_may_be_told_more_than_once(serve: Services) -> None:
    service = serve()
    service.signal(signal.SIGTERM)
    service.signal(signal.SIGTERM)
    assert service.wait() == 0


def test_policies_with_errors_are_told_and_exit_with_1(serve: Services, tmp_path: Path) -> None:
    service = serve.launch(folder=make_folder(tmp_path / "broken", policy="permit {"))
    assert service.wait() == 1
    assert re.search(r"payments\.policy:1:\d+: .*PDP1\d\d|PDP1\d\d.*", service.log)
    assert "Traceback" not in service.log


def test_policies_that_are_not_there_exit_with_2(serve: Services, tmp_path: Path) -> None:
    service = serve.launch(folder=tmp_path / "nowhere")
    assert service.wait() == 2
    assert "there are no policies at" in service.log
    assert "Traceback" not in service.log


def test_a_port_in_use_exits_with_2(serve: Services) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = serve.launch("--port", str(port))
        assert service.wait() == 2
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in service.log
    assert "--port" in service.log


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"PDP_SERVER__PROT": "1"}, "PDP_SERVER__PROT: is no setting"),
        ({"PDP_SERVER__PORT": "many"}, "server.port: must be a whole number"),
        (
            {"PDP_DECISION_LOG__TO": "/nowhere/decisions"},
            "the decision log /nowhere/decisions cannot be opened",
        ),
    ],
)
def test_settings_that_cannot_be_exit_with_2(serve: Services, settings: dict[str, str], says: str) -> None:
    service = serve.launch(**settings)
    assert service.wait() == 2
    assert says in service.log
    assert "Traceback" not in service.log


def test_a_unix_socket_serves_and_is_gone_in_the_end(serve: Services, tmp_path: Path) -> None:
    path = tmp_path / "pdp.sock"
    service = serve("--uds", str(path))
    assert service.decide()["decision"] == "allow"
    second = serve.launch("--uds", str(path))
    assert second.wait() == 2
    assert "another process listens there" in second.log
    assert service.decide()["decision"] == "allow"
    assert service.stop() == 0
    assert not path.exists()
    assert "Traceback" not in service.log


def test_a_unix_socket_of_a_killed_service_is_taken_over(serve: Services, tmp_path: Path) -> None:
    path = tmp_path / "pdp.sock"
    first = serve("--uds", str(path))
    first.process.kill()
    first.wait()
    assert path.exists()
    assert serve("--uds", str(path)).decide()["decision"] == "allow"


def test_it_listens_on_loopback_unless_told(serve: Services, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "quiet", configuration=CONFIGURATION.replace("port = 0", ""))
    service = serve("--port", "0", folder=folder)
    assert service.host == "127.0.0.1"
