"""A server of `evidence.loopback` for tests that do not run in its loop: it listens in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.evidence.loopback import Answer, Server, loopback


@contextmanager
def neighbour(**answers: Answer) -> Iterator[Server]:
    """A server that answers so, until the block ends; `poll` is what is at `/poll`."""
    loop = asyncio.new_event_loop()
    listening, ready = asyncio.Event(), threading.Event()
    made: list[Server] = []

    async def listen() -> None:
        async with loopback() as server:
            server.answers.update({f"/{path}": answer for path, answer in answers.items()})
            made.append(server)
            ready.set()
            await listening.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(listen(),))
    thread.start()
    ready.wait()
    try:
        yield made[0]
    finally:
        loop.call_soon_threadsafe(listening.set)
        thread.join()
        loop.close()
