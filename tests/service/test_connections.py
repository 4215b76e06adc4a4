"""What comes over the wire in other ways than whole and well: in parts, slowly, in a row, or as garbage."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.conftest import BODY, PATIENCE, Service

HEAD = b"POST /decide HTTP/1.1\r\nhost: pdp\r\n"
WHOLE = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY


class Answers:
    """The answers that come over one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.held = b""

    def _more(self) -> bool:
        got = self.connection.recv(65_536)
        self.held += got
        return bool(got)

    def next(self) -> tuple[int, bytes, bytes]:
        """The status, head and body of the next answer."""
        while b"\r\n\r\n" not in self.held:
            assert self._more(), self.held
        head, _, self.held = self.held.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        while len(self.held) < length:
            assert self._more(), self.held
        body, self.held = self.held[:length], self.held[length:]
        return int(head.split(b" ")[1]), head, body

    def is_over(self) -> bool:
        """Whether the connection ends, with nothing after the last answer."""
        return not self._more() and not self.held


@pytest.fixture
def connection(service: Service) -> Iterator[socket.socket]:
    with closing(service.connect()) as made:
        yield made


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_one_connection_carries_many_requests(connection: socket.socket) -> None:
    answers = Answers(connection)
    for _ in range(20):
        connection.sendall(WHOLE)
        status, _, body = answers.next()
        assert (status, b'"allow"' in body) == (200, True)


def test_requests_in_a_row_are_answered_in_their_order(connection: socket.socket) -> None:
    other = BODY.replace(b"entry.create", b"entry.delete")
    refused = b"[]"
    row = b"".join(
        HEAD + b"content-length: %d\r\n\r\n" % len(body) + body for body in (BODY, refused, other, BODY) * 10
    )
    connection.sendall(row)
    answers = Answers(connection)
    got = [answers.next() for _ in range(40)]
    assert [status for status, _, _ in got] == [200, 400, 200, 200] * 10
    assert [b'"allow"' in body for _, _, body in got] == [True, False, False, True] * 10


@pytest.mark.parametrize("size", [1, 7, 400, 10_000])
def test_a_body_may_come_in_chunks(connection: socket.socket, size: int) -> None:
    connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(BODY, size) + WHOLE)
    answers = Answers(connection)
    for _ in range(2):
        status, _, body = answers.next()
        assert (status, b'"allow"' in body) == (200, True)


def test_a_body_may_come_slowly_and_others_do_not_wait(service: Service, connection: socket.socket) -> None:
    connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(BODY))
    for at in range(0, len(BODY), 40):
        connection.sendall(BODY[at : at + 40])
        assert service.decide()["decision"] == "allow"
    status, _, body = Answers(connection).next()
    assert (status, b'"allow"' in body) == (200, True)


def test_a_head_may_come_slowly(connection: socket.socket) -> None:
    for at in range(0, len(WHOLE), 50):
        connection.sendall(WHOLE[at : at + 50])
        time.sleep(0.002)
    assert Answers(connection).next()[0] == 200


def test_who_waits_to_be_asked_is_asked(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(BODY))
    assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(BODY)
    assert Answers(connection).next()[0] == 200


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("size", [64 * 1024 + 1, 1_000_000, 8_000_000])
def test_a_body_that_is_too_large_is_told_so_and_the_connection_ends(
    connection: socket.socket, framing: str, size: int
) -> None:
    body = b" " * size
    if framing == "length":
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % size + body)
    else:
        connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(body, 100_000))
    answers = Answers(connection)
    status, head, told = answers.next()
    assert (status, b"is larger than 65536 bytes" in told) == (413, True)
    # Whoever sent no more than a little more has been heard out, and may go on.
    if b"connection: close" in head:
        assert answers.is_over()


def test_a_body_that_is_too_large_is_refused_before_it_has_come(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"content-length: 1000000000000\r\n\r\n" + b" " * 70_000)
    answers = Answers(connection)
    status, head, _ = answers.next()
    assert (status, b"connection: close" in head) == (413, True)
    assert answers.is_over()


def test_who_leaves_in_the_middle_of_a_body_harms_nobody(service: Service) -> None:
    for _ in range(20):
        with closing(service.connect()) as connection:
            connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY[:100])
    assert service.decide()["decision"] == "allow"


def test_who_leaves_before_the_answer_harms_nobody(service: Service) -> None:
    for _ in range(20):
        with closing(service.connect()) as connection:
            connection.sendall(WHOLE)
    assert service.decide()["decision"] == "allow"


def test_a_body_behind_an_upgrade_is_not_lost_in_silence(connection: socket.socket) -> None:
    upgrade = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n"
    connection.sendall(HEAD + upgrade + b"content-length: %d\r\n\r\n" % len(BODY) + BODY)
    answers = Answers(connection)
    status, _, told = answers.next()
    assert (status, b"behind `Upgrade` is not read" in told) == (400, True)
    assert answers.is_over()


def test_http_1_0_is_answered_and_the_connection_ends(connection: socket.socket) -> None:
    connection.sendall(WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"))
    answers = Answers(connection)
    assert answers.next()[0] == 200
    assert answers.is_over()


def test_head_has_no_body(connection: socket.socket) -> None:
    connection.sendall(
        b"HEAD /decide HTTP/1.1\r\nhost: pdp\r\n\r\nGET /healthz HTTP/1.1\r\nhost: pdp\r\n\r\n"
    )
    held = b""
    while b'"ok"' not in held:
        got = connection.recv(65_536)
        assert got, held
        held += got
    assert held.count(b"\r\n\r\n") == 2
    assert held.startswith(b"HTTP/1.1 405")


# Garbage

METHODS = st.sampled_from(
    [b"POST", b"GET", b"HEAD", b"OPTIONS", b"CONNECT", b"TRACE", b"PRI", b"post", b"\x00", b""]
)
PATHS = st.sampled_from(
    [
        b"/decide", b"/decide/batch", b"/healthz", b"/metrics", b"/openapi.json", b"*", b"", b"/%",
        b"/%zz", b"/\xff", b"http://pdp/decide", b"pdp:80", b"/decide?x=%ff#y", b"//", b"/decide\t",
        b"/" + b"a" * 5_000,
    ]
)  # fmt: skip
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.1 ", b"ICY", b""])
FIELDS = st.lists(
    st.sampled_from(
        [
            b"host: pdp", b"content-length: 5", b"content-length: 400", b"content-length: -1",
            b"content-length: 5, 5", b"content-length: 99999999999999999999999",
            b"transfer-encoding: chunked", b"transfer-encoding: gzip",
            b"transfer-encoding: chunked, identity", b"connection: close", b"connection: keep-alive",
            b"connection: upgrade", b"upgrade: h2c", b"upgrade: websocket", b"sec-websocket-version: 13",
            b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==", b"expect: 100-continue", b"expect: something",
            b"content-encoding: gzip", b"content-type: \xff\xfe", b"host: \x01", b": no name",
            b"no colon", b" folded", b"accept: */*", b"x: " + b"y" * 9_000, b"range: bytes=0-1",
            b"cookie: a=b",
        ]
    ),
    max_size=6,
)  # fmt: skip
BODIES = st.one_of(
    st.just(BODY),
    st.just(b'{"requests":[' + BODY + b"]}"),
    st.binary(max_size=60),
    st.builds(chunked, st.binary(max_size=40), st.integers(1, 9)),
    st.just(b"5\r\nhello\r\n0\r\nx: y\r\n\r\n"),
    st.just(b"ffffffffffffffffff\r\n"),
    st.just(b"-1\r\n\r\n"),
)
REQUESTS = st.builds(
    lambda method, path, version, fields, body: b"\r\n".join(
        [b" ".join([method, path, version]), *fields, b"", body]
    ),
    METHODS, PATHS, VERSIONS, FIELDS, BODIES,
)  # fmt: skip

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(REQUESTS | st.binary(min_size=1, max_size=80), min_size=1, max_size=3).map(b"".join))
@example(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 2_000 + b"\r\n")
@example(b"GET * HTTP/1.1\r\nhost: pdp\r\n\r\n")
@example(b"CONNECT pdp:80 HTTP/1.1\r\nhost: pdp\r\n\r\n")
@example(b"POST /decide HTTP/1.1\r\nhost: pdp\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n")
@example(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
@example(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
def test_whatever_comes_in_nothing_answers_500_and_the_service_goes_on(service: Service, sent: bytes) -> None:
    got = exchanged(service, sent)
    assert not [status for status in _STATUS.findall(got) if status >= b"500"]
    assert b"Traceback" not in got
    assert b'{"status":"ok"}' in exchanged(
        service, b"GET /healthz HTTP/1.1\r\nhost: pdp\r\nconnection: close\r\n\r\n"
    )
    assert "Traceback" not in service.log


def exchanged(service: Service, sent: bytes) -> bytes:
    """What comes back until the connection ends. It is ended here when nothing more seems to come."""
    got = b""
    # Closed on what it did not want to read: what came before counts.
    with closing(service.connect()) as connection, suppress(ConnectionError):
        connection.sendall(sent)
        connection.settimeout(0.02)
        with suppress(TimeoutError):
            while part := connection.recv(65_536):
                got += part
        connection.settimeout(PATIENCE)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            got += part
    return got


def test_silence_is_borne(service: Service) -> None:
    silent = [service.connect() for _ in range(50)]
    try:
        begun = time.monotonic()
        assert service.decide()["decision"] == "allow"
        assert time.monotonic() - begun < PATIENCE
    finally:
        for connection in silent:
            connection.close()
