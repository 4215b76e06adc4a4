"""What is answered where it is parsed, and what goes the usual way: the same answers, in the same order."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from pdp.language.source import Source
from pdp.load import check_sources, compile
from pdp.point import DecisionPoint
from pdp.service.direct import Direct
from pdp.service.hot import Hot, Receive, Scope, Send
from pdp.service.metrics import Metrics
from pdp.settings import EnforcementPoint, Limits, Settings
from service.conftest import BODY, POLICY, Service
from service.test_connections import HEAD, WHOLE, Answers, chunked

SETTINGS = Settings(
    enforcement_point=(
        EnforcementPoint(
            name="gateway", addresses=("127.0.0.1",), may_assert=("caller", "credential", "task")
        ),
    )
)
BATCH = b'{"requests":[' + BODY + b"]}"


@pytest.fixture
def connection(service: Service) -> Iterator[socket.socket]:
    with closing(service.connect()) as made:
        yield made


def post(body: bytes, path: bytes = b"/decide", *fields: bytes) -> bytes:
    head = b"".join(b"%b\r\n" % field for field in (b"host: pdp", b"content-length: %d" % len(body), *fields))
    return b"POST %b HTTP/1.1\r\n%b\r\n%b" % (path, head, body)


def lasting(answer: tuple[int, bytes, bytes]) -> tuple[int, bytes, bytes]:
    """An answer without what no two have in common."""
    status, head, body = answer
    return status, re.sub(rb"date: [^\r]+", b"", head), re.sub(rb'"id":"[^"]+"', b"", body)


@pytest.mark.parametrize("body", [BODY, b"[]", b"{", b'{"audience":"ledger","action":""}', b"\xff"])
def test_both_ways_give_the_same_answer(service: Service, connection: socket.socket, body: bytes) -> None:
    answers = Answers(connection)
    connection.sendall(post(body))
    direct = answers.next()
    # What a query could ask is nothing, and only the usual way reads it.
    connection.sendall(post(body, b"/decide?"))
    assert lasting(direct) == lasting(answers.next())
    assert service.decide()["decision"] == "allow"


def test_both_ways_count_what_they_decide(service: Service, connection: socket.socket) -> None:
    before = (
        service.metric("pdp_decisions_total", decision="allow"),
        service.metric("pdp_decision_seconds_count"),
    )
    connection.sendall(WHOLE + post(BODY, b"/decide?"))
    answers = Answers(connection)
    for _ in range(2):
        answers.next()
    after = (
        service.metric("pdp_decisions_total", decision="allow"),
        service.metric("pdp_decision_seconds_count"),
    )
    assert after == (before[0] + 2, before[1] + 2)


def test_requests_of_both_ways_in_a_row_are_answered_in_their_order(connection: socket.socket) -> None:
    row = [
        (WHOLE, b'{"decision":"allow"'),
        (b"GET /healthz HTTP/1.1\r\nhost: pdp\r\n\r\n", b'{"status":"ok"}'),
        (WHOLE, b'{"decision":"allow"'),
        (post(BATCH, b"/decide/batch"), b'{"answers":['),
        (post(b"[]"), b'{"type":"urn:pdp:problem:invalid-request"'),
        (post(BODY, b"/%64ecide"), b'{"decision":"allow"'),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(BODY, 100), b'{"decision":"allow"'),
        (b"GET /decide HTTP/1.1\r\nhost: pdp\r\n\r\n", b'{"type":"urn:pdp:problem:method"'),
    ]
    connection.sendall(b"".join(sent for sent, _ in row) * 20)
    answers = Answers(connection)
    for _ in range(20):
        for _, begins in row:
            assert answers.next()[2].startswith(begins)


def test_a_long_row_is_answered_whole(connection: socket.socket) -> None:
    connection.sendall(WHOLE * 400)
    answers = Answers(connection)
    assert [answers.next()[0] for _ in range(400)] == [200] * 400


def test_the_end_of_one_request_may_come_with_the_beginning_of_the_next(
    service: Service, connection: socket.socket
) -> None:
    length = len(WHOLE)
    row = WHOLE * 12
    for begin in range(0, len(row), length + 61):
        connection.sendall(row[begin : begin + length + 61])
        # It was read when somebody else has an answer.
        assert service.decide()["decision"] == "allow"
    answers = Answers(connection)
    assert [answers.next()[0] for _ in range(12)] == [200] * 12


def test_a_connection_that_is_to_end_ends(connection: socket.socket) -> None:
    connection.sendall(WHOLE + post(BODY, b"/decide", b"connection: close"))
    answers = Answers(connection)
    assert answers.next()[0] == 200
    status, head, _ = answers.next()
    assert (status, b"connection: close" in head) == (200, True)
    assert answers.is_over()


def test_a_body_that_turns_out_to_be_none_is_refused(connection: socket.socket) -> None:
    connection.sendall(WHOLE + HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n")
    answers = Answers(connection)
    assert [answers.next()[0] for _ in range(2)] == [200, 400]
    assert answers.is_over()


# In this process, where it can be seen which way a request goes, and where time passes as told.


class Counting(Hot):
    """Counts what goes the usual way."""

    usual = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.usual += 1
        await super().__call__(scope, receive, send)


class Reading(Direct):
    """Knows how much it has read."""

    read = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.read += len(data)


class Clock:
    """The running loop, but for its time, which passes when `passes` is called."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = 0.0
        self._alarms: list[tuple[float, asyncio.Handle]] = []

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.Handle:
        handle = asyncio.Handle(callback, (), self._loop)
        self._alarms.append((self._now + delay, handle))
        return handle

    def create_task(self, running: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._loop.create_task(running)

    def passes(self, seconds: float) -> None:
        self._now += seconds
        due = [alarm for alarm in self._alarms if alarm[0] <= self._now]
        self._alarms = [alarm for alarm in self._alarms if alarm[0] > self._now]
        for _, handle in due:
            if not handle.cancelled():
                handle._run()

    @property
    def waiting(self) -> list[float]:
        """When the alarms ring that nobody has cancelled."""
        return [when for when, handle in self._alarms if not handle.cancelled()]


@dataclass
class Client:
    """One connection, from both of its ends."""

    hot: Counting
    clock: Clock
    server: Reading
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Returns when it was read."""
        until = self.server.read + len(data)
        self.writer.write(data)
        while self.server.read < until:
            await asyncio.sleep(0)

    async def answer(self) -> tuple[int, bytes]:
        """The status and the head of the next answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if length is not None:
            await self.reader.readexactly(int(length[1]))
        return int(head.split(b" ")[1]), head

    async def is_over(self) -> bool:
        return await self.reader.read() == b""

    async def leave(self) -> None:
        self.writer.close()
        while self.server.server_state.connections:
            await asyncio.sleep(0)


async def nothing_else(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def connected() -> AsyncIterator[Client]:
    program = compile(check_sources([Source("payments.policy", "payments", POLICY)]))
    hot = Counting(DecisionPoint(program, SETTINGS), Metrics(), Limits(), nothing_else)
    config = uvicorn.Config(
        hot, http=Direct, lifespan="off", interface="asgi3", proxy_headers=False, log_config=None,
        timeout_keep_alive=75,
    )  # fmt: skip
    config.load()
    clock, state, made = Clock(), ServerState(), []

    def serve() -> Reading:
        made.append(Reading(config, state, {}, clock))  # type: ignore[arg-type]  # all of a loop it asks for
        return made[-1]

    server = await asyncio.get_running_loop().create_server(serve, "127.0.0.1", 0)
    connection = socket.socket()
    for few, one in ((socket.SO_SNDBUF, server.sockets[0]), (socket.SO_RCVBUF, connection)):
        # No more than what is asked for here is under way to somebody who does not read.
        one.setsockopt(socket.SOL_SOCKET, few, 8_192)
    connection.connect(server.sockets[0].getsockname())
    reader, writer = await asyncio.open_connection(sock=connection)
    while not state.connections:
        await asyncio.sleep(0)
    client = Client(hot, clock, made[0], reader, writer)
    try:
        yield client
    finally:
        await client.leave()
        server.close()
        await server.wait_closed()
    # Whoever is gone is not waited for.
    assert not clock.waiting


def in_process(test: Callable[[Client], Awaitable[None]]) -> Callable[[], None]:
    """The test with a client, run to its end."""

    async def run() -> None:
        async with connected() as client:
            await test(client)

    def named() -> None:
        asyncio.run(run())

    named.__name__, named.__doc__ = test.__name__, test.__doc__
    return named


USUAL = [
    post(BODY, b"/decide?"),
    post(BODY, b"/%64ecide"),
    post(BODY, b"http://pdp/decide"),
    post(BATCH, b"/decide/batch"),
    post(BODY, b"/decide", b"connection: close"),
    post(BODY, b"/decide", b"expect: 100-continue"),
    WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"\r\n\r\n", b"\r\nconnection: keep-alive\r\n\r\n", 1),
    WHOLE.replace(b"POST", b"PUT"),
    post(b""),
    HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(b"", 1),
    post(b"", b"/decide", b"connection: upgrade", b"upgrade: h2c"),
]
DIRECT = [
    WHOLE,
    post(b"[]"),
    post(BODY, b"/decide", b"connection: keep-alive"),
    HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(BODY, 100),
]


@pytest.mark.parametrize(("sent", "usual"), [(one, 1) for one in USUAL] + [(one, 0) for one in DIRECT])
def test_only_the_usual_request_is_answered_where_it_is_parsed(sent: bytes, usual: int) -> None:
    @in_process
    async def asked(client: Client) -> None:
        await client.send(sent)
        status, _ = await client.answer()
        while status == 100:
            status, _ = await client.answer()
        assert client.hot.usual == usual

    asked()


@in_process
async def test_a_long_row_leaves_others_their_turn(client: Client) -> None:
    await client.send(WHOLE * 40)
    for _ in range(40):
        assert (await client.answer())[0] == 200
    # What came behind the first ones waited, and was answered as whoever waits is.
    assert client.hot.usual == 8


@in_process
async def test_who_does_not_read_its_answers_gets_no_more_until_it_does(client: Client) -> None:
    many = 3_000
    client.writer.write(WHOLE * many)
    while not client.server.flow.write_paused:
        await asyncio.sleep(0)
    answered = client.server.server_state.total_requests
    for _ in range(100):
        await asyncio.sleep(0)
    assert client.server.server_state.total_requests == answered < many
    for _ in range(many):
        assert (await client.answer())[0] == 200


@in_process
async def test_a_body_may_come_behind_its_head(client: Client) -> None:
    for _ in range(3):
        await client.send(WHOLE[:-100])
        await client.send(WHOLE[-100:])
        assert (await client.answer())[0] == 200
    assert client.hot.usual == 0


@in_process
async def test_a_body_that_comes_in_more_parts_is_read_the_usual_way(client: Client) -> None:
    for part in (WHOLE[:-200], WHOLE[-200:-100], WHOLE[-100:]):
        await client.send(part)
    assert (await client.answer())[0] == 200
    assert client.hot.usual == 1


@in_process
async def test_a_body_that_lets_wait_is_read_the_usual_way(client: Client) -> None:
    await client.send(WHOLE[:-100])
    client.clock.passes(0.05)
    await client.send(WHOLE[-100:])
    assert (await client.answer())[0] == 200
    assert client.hot.usual == 1


@in_process
async def test_a_body_that_is_waited_for_is_answered_when_the_service_ends(client: Client) -> None:
    await client.send(WHOLE[:-100])
    client.server.shutdown()
    await client.send(WHOLE[-100:])
    status, head = await client.answer()
    assert (status, b"connection: close" in head) == (200, True)
    assert await client.is_over()


@in_process
async def test_a_connection_without_a_request_ends_with_the_service(client: Client) -> None:
    await client.send(WHOLE)
    await client.answer()
    client.server.shutdown()
    assert await client.is_over()


@pytest.mark.parametrize("sent", [WHOLE[:-100], WHOLE[:20], WHOLE, WHOLE + WHOLE[:-100]])
def test_who_leaves_is_forgotten(sent: bytes) -> None:
    @in_process
    async def left(client: Client) -> None:
        await client.send(sent)
        await client.leave()
        assert not client.clock.waiting

    left()


@in_process
async def test_a_body_that_turns_out_to_be_none_is_nobodys(client: Client) -> None:
    await client.send(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n")
    assert (await client.answer())[0] == 400
    assert await client.is_over()
    assert (client.hot.usual, client.clock.waiting) == (0, [])


@in_process
async def test_a_connection_that_rests_for_long_is_let_go(client: Client) -> None:
    for _ in range(3):
        await client.send(WHOLE)
        assert (await client.answer())[0] == 200
        client.clock.passes(74)
    client.clock.passes(1)
    assert await client.is_over()


@in_process
async def test_a_connection_on_which_something_comes_is_not_let_go(client: Client) -> None:
    for _ in range(2):
        client.clock.passes(74)
        await client.send(WHOLE[:20])
        client.clock.passes(74)
        await client.send(WHOLE[20:-100])
        # A body is waited for the usual way, which has its own patience.
        client.clock.passes(1_000)
        await client.send(WHOLE[-100:])
        assert (await client.answer())[0] == 200


@pytest.mark.parametrize("before", [b"", WHOLE, post(BODY, b"/decide?")])
@pytest.mark.parametrize("parts", [[], [b"\r\n"], [WHOLE[:1], WHOLE[1:20], WHOLE[20:30]]])
def test_who_never_ends_a_head_or_never_begins_one_is_let_go(before: bytes, parts: list[bytes]) -> None:
    @in_process
    async def waited(client: Client) -> None:
        if before:
            await client.send(before)
            assert (await client.answer())[0] == 200
        for part in parts:
            await client.send(part)
        client.clock.passes(74)
        assert client.server.server_state.connections
        if before and not parts:
            # Where the answer came the usual way, its end is what uvicorn's own alarm waits from.
            client.clock.passes(1)
        client.clock.passes(1)
        assert await client.is_over()

    waited()


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("before", "endless"),
    [
        (b"", b"\r\n"),
        (b"POST /", b"a"),
        (HEAD, b"x: y\r\n"),
        (HEAD + b"x: ", b"y"),
        (WHOLE + HEAD, b"x: y\r\n"),
        (CHUNKED + b"1\r\n{\r\n0\r\n", b"x: y\r\n"),
        (CHUNKED + b"1;", b"y"),
    ],
)
def test_what_is_no_body_has_an_end(before: bytes, endless: bytes) -> None:
    @in_process
    async def told(client: Client) -> None:
        part = endless * (1_000 // len(endless))
        await client.send(before + part)
        for _ in range(64):
            await client.send(part)
        assert not client.server.transport.is_closing()
        while not client.server.transport.is_closing():
            await client.send(part)
        status, head = await client.answer()
        if status == 200:
            status, head = await client.answer()
        assert (status, b"connection: close" in head) == (400, True)
        assert await client.is_over()

    told()


@in_process
async def test_a_connection_that_rests_after_an_answer_of_the_usual_way_is_let_go(client: Client) -> None:
    for sent in (WHOLE, post(BODY, b"/decide?")):
        await client.send(sent)
        assert (await client.answer())[0] == 200
        client.clock.passes(50)
    client.clock.passes(24)
    assert client.server.server_state.connections
    client.clock.passes(1)
    assert await client.is_over()


@in_process
async def test_what_all_answers_are_sent_with_is_always_the_latest(client: Client) -> None:
    for second in (b"one", b"two"):
        client.server.server_state.default_headers = [(b"date", second)]
        for _ in range(2):
            await client.send(WHOLE)
            assert b"date: %b\r\n" % second in (await client.answer())[1]


@in_process
async def test_the_same_head_again_is_read_as_before(client: Client) -> None:
    for body, expected in ((BODY, 200), (BODY, 200), (b"[]", 400), (BODY, 200)) * 3:
        await client.send(post(body))
        assert (await client.answer())[0] == expected
    assert client.hot.heads == {post(body)[: -len(body)]: len(body) for body in (BODY, b"[]")}
    assert client.hot.usual == 0


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(BODY, 10_000),
        b"\r\n\r\n" + WHOLE,
        WHOLE.replace(HEAD, HEAD + b"x: %b\r\n" % (b"y" * 2_048)),
        WHOLE + WHOLE,
        post(BODY, b"/decide?"),
        post(b""),
    ],
)
def test_only_the_head_of_one_whole_request_is_remembered(sent: bytes) -> None:
    @in_process
    async def remembered(client: Client) -> None:
        for _ in range(2):
            await client.send(WHOLE)
            await client.answer()
        known = dict(client.hot.heads)
        await client.send(sent)
        await client.answer()
        assert client.hot.heads == known

    remembered()


@in_process
async def test_a_known_head_is_one_only_where_a_request_may_begin(client: Client) -> None:
    for _ in range(2):
        await client.send(WHOLE)
        await client.answer()
    # As the body of another request it is what it is: no JSON.
    await client.send(HEAD + b"content-length: %d\r\n\r\n" % len(WHOLE))
    await client.send(WHOLE)
    assert (await client.answer())[0] == 400
    # And behind half a head it belongs to that.
    await client.send(b"POST /decide?")
    await client.send(WHOLE)
    assert (await client.answer())[0] == 400


@in_process
async def test_many_heads_are_forgotten_together(client: Client) -> None:
    for number in range(1_030):
        await client.send(post(BODY, b"/decide", b"x-request-id: %d" % number))
        assert (await client.answer())[0] == 200
    assert 0 < len(client.hot.heads) < 10
    assert client.hot.usual == 0


@in_process
async def test_a_known_head_does_not_get_past_one_who_does_not_read(client: Client) -> None:
    await client.send(WHOLE)
    await client.answer()
    await client.send(WHOLE)
    await client.answer()
    client.server.flow.pause_writing()
    await client.send(WHOLE)
    client.server.flow.resume_writing()
    assert (await client.answer())[0] == 200
    assert client.hot.usual == 1
