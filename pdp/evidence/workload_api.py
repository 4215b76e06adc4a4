"""A trust domain's bundle from a SPIFFE Workload API, as it changes (SPIFFE Workload API, sections 4 to 6).

The only module that knows gRPC. The `spiffe` package brings the messages and nothing else of them is taken:
their bytes become the document that a bundle is elsewhere, to be read as strictly as any. Both packages are
the extra `workload-api`, and looked for only where a Workload API is configured.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import quote

from pdp.access.patterns import SPIFFE
from pdp.evidence.fetch import SECONDS, FetchError
from pdp.evidence.kept import Kept, Publish
from pdp.evidence.keys import KeysError, parse_document

# Every domain's bundles come in one message.
_MESSAGE_LIMIT: Final = 4 * 1024 * 1024
# Says that who asks is no browser that was talked into it (SPIFFE Workload Endpoint, section 4.1).
_METADATA: Final = (("workload.spiffe.io", "true"),)
# SPIRE leaves the use out, as these sets are for nothing else; others call it what JWK sets call it.
_JWT_USES: Final = (None, "sig", "jwt-svid")
_EMPTY: Final = b'{"keys": []}'
_NONE: Final = "the Workload API gives this process no bundle of it"


class WorkloadApi(Kept):
    """The bundle of the trust domain `name` from the Workload API at `socket`, `unix:///path` or a path.

    What the server sends is published when it comes. Each `refresh` seconds it is asked anew, so that a
    stream on which nothing comes is known to be quiet and not dead.
    """

    def __init__(
        self, name: str, socket: str, publish: Publish, *, refresh: float = 300.0, stale: float = 3_600.0
    ) -> None:
        super().__init__(name, publish, refresh, stale)
        self.socket = socket

    def where(self) -> str:
        """The socket."""
        return self.socket

    def ask(self) -> None:
        """Nothing: new keys are sent by themselves."""

    async def refresh(self) -> bool:
        """Read it once; whether that could be used."""
        try:
            async with self._streams() as streams:
                return await self._begin(streams)
        except FetchError as error:
            return self.failed(str(error))

    async def keep(self) -> None:
        """Until cancelled: listen, and ask anew on schedule or when the stream breaks."""
        while True:
            try:
                async with self._streams() as streams:
                    await self._begin(streams)
                    await self._follow(streams)
            except FetchError as error:
                self.failed(str(error))
                wait = self.patience()
                self.next = time.time() + wait
                await asyncio.sleep(wait)

    @asynccontextmanager
    async def _streams(self) -> AsyncIterator[tuple[_Stream, _Stream]]:
        """The streams of X.509 authorities and of JWT keys."""
        grpc, of = _transport()
        options = (
            ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
            # When to try again is decided here, and not by how others fared with the same socket.
            ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1),
        )
        async with grpc.aio.insecure_channel(target(self.socket), options) as channel:
            yield (
                _Stream(grpc, channel, "FetchX509Bundles", of.X509BundlesRequest, of.X509BundlesResponse),
                _Stream(grpc, channel, "FetchJWTBundles", of.JWTBundlesRequest, of.JWTBundlesResponse),
            )

    async def _begin(self, streams: tuple[_Stream, _Stream]) -> bool:
        """Use what both streams begin with, without delay (4.3); whether that could be used."""
        began = time.time()
        self.next = began + self.every
        try:
            async with asyncio.timeout(SECONDS):
                await asyncio.gather(*(stream.next() for stream in streams))
        except TimeoutError:
            raise FetchError(f"the Workload API did not answer within {SECONDS:g} seconds") from None
        good = self._use(streams, began)
        if not any(stream.served for stream in streams):
            raise FetchError(_NONE)
        return good

    async def _follow(self, streams: tuple[_Stream, _Stream]) -> None:
        """Use what comes until it is time to ask anew."""

        async def follow(stream: _Stream) -> None:
            while stream.served:
                await stream.next()
                self._use(streams, time.time())

        # No task group: before Python 3.13 it forgets that it is cancelled when a task fails meanwhile. What
        # goes on after a failure ends with its stream.
        with suppress(TimeoutError):
            async with asyncio.timeout(self.every * random.uniform(0.9, 1.0)):
                await asyncio.gather(*(follow(stream) for stream in streams))

    def _use(self, streams: tuple[_Stream, _Stream], began: float) -> bool:
        """Publish what the streams said last. A domain that they do not name any more has no bundle (4.4)."""
        authorities, keys = (stream.said.get(f"{SPIFFE}{self.name}") for stream in streams)
        if authorities is None and keys is None:
            return self.withdrawn(_EMPTY, began, _NONE)
        try:
            data = document(authorities or b"", keys or _EMPTY)
        except KeysError as error:
            return self.failed(str(error))
        return self.took(data, began)


class _Stream:
    """One stream of bundles: what was `said` last, by trust domain; whether it is `served` to us at all."""

    def __init__(self, grpc: Any, channel: Any, method: str, request: Any, response: Any) -> None:
        self.said: Mapping[str, bytes] = {}
        self.served = True
        self._grpc = grpc
        call = channel.unary_stream(
            f"/SpiffeWorkloadAPI/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        self._call = call(request(), metadata=_METADATA)

    async def next(self) -> None:
        """Wait for the next message; raises `FetchError`."""
        grpc = self._grpc
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            code = error.code()
            # An operator may have disabled one of the two, or may not let us see it. Then what it said before
            # counts no longer (5.2.2, 6.2.2).
            if code in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED):
                self.said, self.served = {}, False
                return
            raise FetchError(f"the Workload API answered with {code.name}") from None
        if message is grpc.aio.EOF:
            raise FetchError("the Workload API has ended the stream")
        self.said = message.bundles


def document(authorities: bytes, keys: bytes) -> bytes:
    """The bundle of DER certificates, one after the other, and of a JWK set, for `spiffe.parse_bundle`.

    Raises `KeysError`. The same bundle is the same bytes, whatever order its keys come in.
    """
    members: list[dict[str, Any]] = [
        {"use": "x509-svid", "x5c": [b64encode(one).decode("ascii")]} for one in certificates(authorities)
    ]
    for member in parse_document(keys):
        use = member.get("use")
        if use in _JWT_USES:
            members.append({**member, "use": "jwt-svid"})
        elif use == "wit-svid":
            members.append(member)
    return json.dumps({"keys": sorted(members, key=json.dumps)}, sort_keys=True).encode("ascii")


def certificates(data: bytes) -> list[bytes]:
    """The parts of what is one DER sequence after the other (X.690, 8.1.3); raises `KeysError`."""
    found = []
    while data:
        tag, first = data[0], data[1] if len(data) > 1 else 0x80
        more = first & 0x7F if first & 0x80 else 0
        size = 2 + more + (int.from_bytes(data[2 : 2 + more]) if more else first)
        if tag != 0x30 or first == 0x80 or size > len(data):
            raise KeysError("its X.509 authorities are no certificates")
        found.append(data[:size])
        data = data[size:]
    return found


def target(socket: str) -> str:
    """What gRPC calls a socket written `unix:///path`, `unix:/path` or `/path`; raises `FetchError`."""
    path = socket.removeprefix("unix://") if socket.startswith("unix://") else socket.removeprefix("unix:")
    if not path.startswith("/") or not path.isprintable():
        raise FetchError(f"`{socket}` is no Unix socket: write `unix:///path/of/it`")
    return f"unix:{quote(path)}"


def _transport() -> tuple[Any, Any]:
    """gRPC, and the messages of the Workload API."""
    # It would write about every connection that ends to the standard error of the service, past its log.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        import grpc.aio  # type: ignore[import-untyped]  # it has no types of its own
        from spiffe._proto import workload_pb2
    except ImportError:
        raise FetchError("it needs the extra `workload-api`: install `pdp[workload-api]`") from None
    return grpc, workload_pb2
