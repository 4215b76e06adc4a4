"""The shortest way to an answer: a `POST /decide` that is there whole is answered where it is parsed.

Knows uvicorn's protocol, and what of it costs most: a task, a scope and two messages for each request. All
that is not the usual request goes the usual way, which stays the only one that reads slowly, waits, or ends
connections: another path or method, HTTP/1.0, `Connection: close`, `Expect`, `Upgrade`, a body that is slow
to come, and whatever stands behind a request that is still being answered. Who sends a head without an end,
or none at all, is let go.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, BaseTransport, TimerHandle
from typing import Any, cast

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from pdp.service.hot import DECIDE, Hot

_DECIDE = DECIDE.encode()
# How many requests in a row are answered before others have their turn.
_TURN = 32
# How long a body may come behind its head, in seconds: many clients send them one after the other.
_MOMENT = 0.05
# How many heads are remembered, and how long they may be: a megabyte or two in all.
_REMEMBERED = 1_024
_LONGEST = 2_048
_END = b"\r\n\r\n"
# How many bytes are read of what is no body: uvicorn keeps a head, or what follows a body, however long.
_HEAD = 64 * 1024


class Direct(HttpToolsProtocol):
    """One connection to `config.app`, which is a `Hot`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._hot = cast(Hot, config.app)
        self._peer = ""
        # What has come of the body of a request that is answered here; None while there is no such request.
        self._body: list[bytes] | None = None
        self._moment: TimerHandle | None = None
        # How many were answered of what came last, and how long the last one's body was.
        self._answered = self._length = 0
        # Whether the last request was answered here, and nothing of another has come.
        self._between = False
        # How many bytes came since anything was whole: a head, a part of a body, a request.
        self._unread = 0
        # Since when there is no request: nothing came after an answer from here, or its head is not whole.
        self._rests: float | None = None
        self._alarm: TimerHandle | None = None
        # What stands before an answer, by status, for as long as `_dated` are the headers that all have.
        self._heads: dict[int, bytes] = {}
        self._dated: list[tuple[bytes, bytes]] = []

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # which this is
        self._peer = self._hot.peer(self.client)
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        if self._alarm is not None:
            self._alarm.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if self._body is not None:
            self._hand_over()
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        self._answered = 0
        between = self._between and not self._unread
        if between and self._read_before(data):
            return
        if not self._unread:
            self._rests = None
        self._unread += len(data)
        super().data_received(data)
        if between and self._between and self._answered == 1:
            self._remember(data)
        if self._unread:
            if self._unread > _HEAD and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
            elif self._rests is None:
                self._rest()
        if self._body is not None:
            if self.transport.is_closing():
                self._forget()
            elif self._moment is None:
                self._moment = self.loop.call_later(_MOMENT, self._hand_over)
            else:
                self._hand_over()

    def _read_before(self, data: bytes) -> bool:
        """Whether this is one whole request behind a head that was parsed before; then it is answered.

        The same bytes mean the same wherever a request may begin. Parsing them takes as long as deciding.
        """
        at = data.find(_END) + len(_END)
        if self._hot.heads.get(data[:at]) != len(data) - at or self.flow.write_paused or self._hot.waits:
            return False
        self._answer(data[at:])
        return True

    def _remember(self, data: bytes) -> None:
        """Remember the head of what was just answered: one request, whole, and as long as its head tells."""
        at, heads = data.find(_END) + len(_END), self._hot.heads
        if len(data) - at == self._length and at <= _LONGEST:
            if len(heads) >= _REMEMBERED:
                heads.clear()
            heads[data[:at]] = self._length

    def on_message_begin(self) -> None:
        self._between = False
        # Not yet the scope, which only the usual way needs.
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._unread = 1

    def on_headers_complete(self) -> None:
        self._unread, self._rests = 0, None
        parser = self.parser
        if (
            self.url == _DECIDE
            and not self._hot.waits
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            # Who does not read its answers waits, as uvicorn has it wait.
            and not self.flow.write_paused
            and self._answered < _TURN
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
        ):
            self._body = []
        else:
            self._as_usual()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        if self._body is None:
            super().on_body(body)
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        self._unread = 0
        parts = self._body
        if parts is None:
            super().on_message_complete()
        elif not parts:
            # Why there is nothing is for the usual way to say.
            self._hand_over()
            super().on_message_complete()
        else:
            self._forget()
            self._between = True
            self._answer(parts[0] if len(parts) == 1 else b"".join(parts))

    def _answer(self, body: bytes) -> None:
        status, document = self._hot.decide(body, self._peer)
        if self._dated is not self.server_state.default_headers:
            # Made anew each second.
            self._dated = self.server_state.default_headers
            self._heads.clear()
        head = self._heads.get(status)
        if head is None:
            lines = [b"%b: %b\r\n" % header for header in (*self._dated, *self._hot.headers(status))]
            head = self._heads[status] = STATUS_LINE[status] + b"".join(lines)
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(document), document))
        self.server_state.total_requests += 1
        self._answered += 1
        self._length = len(body)
        self._rest()

    def _rest(self) -> None:
        """There is no request from now on, or not yet."""
        self._rests = self.loop.time()
        # One that is set and cancelled for each request costs as much as reading it.
        if self._alarm is None:
            self._alarm = self.loop.call_later(self.timeout_keep_alive, self._rang)

    def _rang(self) -> None:
        """Let the connection go if it rests for as long as it may."""
        self._alarm = None
        if self._rests is None:
            return
        left = self._rests + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._alarm = self.loop.call_later(left, self._rang)
        else:
            self.timeout_keep_alive_handler()

    def _hand_over(self) -> None:
        """The request goes the usual way after all, from its beginning."""
        parts = self._forget()
        self._as_usual()
        for part in parts:
            super().on_body(part)

    def _as_usual(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        # The list is in the scope, too.
        self.headers.extend(headers)
        super().on_headers_complete()

    def _forget(self) -> list[bytes]:
        """No request is answered here now; gives what has come of the last one's body."""
        if self._moment is not None:
            self._moment.cancel()
            self._moment = None
        parts, self._body = self._body or [], None
        return parts
