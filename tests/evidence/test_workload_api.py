"""Bundles from a Workload API: as it sends them, read as strictly as others, believed while it is there."""

from __future__ import annotations

import asyncio
import builtins
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from spiffe._proto import workload_pb2 as messages
from spiffe._proto.workload_pb2_grpc import (
    SpiffeWorkloadAPIServicer,
    add_SpiffeWorkloadAPIServicer_to_server,
)

from pdp.evidence import workload_api as module
from pdp.evidence.fetch import FetchError
from pdp.evidence.keys import KeysError
from pdp.evidence.refusals import KEYS_STALE, EvidenceError
from pdp.evidence.sources import Sources
from pdp.evidence.spiffe import parse_bundle
from pdp.evidence.trust import Bundle, Trust, TrustDomain
from pdp.evidence.workload_api import WorkloadApi, certificates, document, target
from tests.evidence.world import DOMAIN, OTHER_DOMAIN, Authority, jwk_of

FIRST, SECOND, OTHER = Authority(DOMAIN), Authority(DOMAIN), Authority(OTHER_DOMAIN)
KEYS = {kid: jwk_of(ec.generate_private_key(ec.SECP256R1()), kid=kid) for kid in "abc"}
# How long the tests wait for what must come. It is never waited out where all is well.
PATIENCE = 20.0


def der(*authorities: Authority) -> bytes:
    """Certificates as the Workload API sends them."""
    return b"".join(one.certificate.public_bytes(Encoding.DER) for one in authorities)


def jwks(*kids: str, **members: Any) -> bytes:
    """Keys as SPIRE sends them: without a use."""
    return json.dumps({"keys": [{**KEYS[kid], **members} for kid in kids]}).encode()


class Api(SpiffeWorkloadAPIServicer):  # type: ignore[misc]  # generated, and without types
    """A Workload API that sends what a test sets, when it is set. `refuse` is a status to answer with."""

    def __init__(self) -> None:
        self.x509 = {f"spiffe://{DOMAIN}": der(FIRST), f"spiffe://{OTHER_DOMAIN}": der(OTHER)}
        self.jwt = {f"spiffe://{DOMAIN}": jwks("a"), f"spiffe://{OTHER_DOMAIN}": jwks("c")}
        self.refuse: dict[str, Any] = {}
        self.asked = 0
        self.silent = False
        self._changed = asyncio.Event()

    def send(self) -> None:
        """Send to all who listen."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _stream(self, name: str, made: Callable[[], Any], context: Any) -> AsyncIterator[Any]:
        self.asked += 1
        if dict(context.invocation_metadata()).get("workload.spiffe.io") != "true":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the header is missing")
        while self.silent:
            await asyncio.sleep(0.01)
        while name not in self.refuse:
            changed = self._changed
            yield made()
            await changed.wait()
        if self.refuse[name] is not None:
            await context.abort(self.refuse[name], "as the test has it")

    async def FetchX509Bundles(self, _: Any, context: Any) -> AsyncIterator[Any]:
        async for one in self._stream(
            "x509", lambda: messages.X509BundlesResponse(bundles=self.x509), context
        ):
            yield one

    async def FetchJWTBundles(self, _: Any, context: Any) -> AsyncIterator[Any]:
        async for one in self._stream("jwt", lambda: messages.JWTBundlesResponse(bundles=self.jwt), context):
            yield one


class Believed:
    """What is believed of one trust domain, as its source brings it."""

    def __init__(self) -> None:
        self.domain = TrustDomain(DOMAIN)
        self.trust = Trust(domains={DOMAIN: self.domain})
        self.published: list[bytes] = []

    def publish(self, data: bytes, until: float) -> None:
        self.trust = self.trust.with_bundle(DOMAIN, parse_bundle(data, until))
        self.published.append(data)

    def bundle(self, seconds: float | None = None) -> Bundle:
        """The bundle that is believed, now unless told when."""
        return self.trust.bundle_of(self.domain, time.time() if seconds is None else seconds)

    def kids(self) -> str:
        return "".join(sorted(self.bundle().jwt.keys))

    def authorities(self) -> set[Any]:
        return set(self.bundle().authorities)


@asynccontextmanager
async def serving(api: Api, path: Path) -> AsyncIterator[Any]:
    """The API on a Unix socket until the block ends."""
    server = grpc.aio.server()
    add_SpiffeWorkloadAPIServicer_to_server(api, server)
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    try:
        yield server
    finally:
        await server.stop(None)


@asynccontextmanager
async def kept(source: WorkloadApi) -> AsyncIterator[Sources]:
    """A source that is kept fresh until the block ends."""
    sources = Sources([source])
    await sources.first()
    running = asyncio.create_task(sources.run())
    try:
        yield sources
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def until(condition: Callable[[], Any]) -> Any:
    """What `condition` gives as soon as it is true."""
    async with asyncio.timeout(PATIENCE):
        while not (found := condition()):
            await asyncio.sleep(0.005)
        return found


@pytest.fixture(name="socket")
def _socket(tmp_path: Path) -> Path:
    return tmp_path / "workload.sock"


def beside(
    socket: Path, body: Callable[[Api, Believed, WorkloadApi], Coroutine[Any, Any, Any]], **options: float
) -> Any:
    """What `body` gives beside a Workload API."""

    async def run() -> Any:
        api, believed = Api(), Believed()
        async with serving(api, socket):
            return await body(
                api, believed, WorkloadApi(DOMAIN, f"unix://{socket}", believed.publish, **options)
            )

    return asyncio.run(run())


def test_the_bundle_of_its_own_domain_and_no_other_is_read_at_once(socket: Path) -> None:
    async def body(_: Api, believed: Believed, source: WorkloadApi) -> tuple[Any, ...]:
        before = time.time()
        assert await source.refresh()
        read, believed_until = source.read, source.until
        assert read is not None
        assert before <= read <= time.time()
        assert believed_until == read + 300 + 3_600
        assert source.status.place == f"unix://{socket}"
        return believed.authorities(), believed.kids(), source.problem

    assert beside(socket, body) == ({FIRST.certificate}, "a", None)


def test_what_changes_arrives_when_it_does(socket: Path) -> None:
    async def body(api: Api, believed: Believed, source: WorkloadApi) -> None:
        async with kept(source):
            assert believed.authorities() == {FIRST.certificate}
            api.x509 = {f"spiffe://{DOMAIN}": der(FIRST, SECOND)}
            await until(lambda: (api.send(), len(believed.authorities()) == 2)[1])
            api.x509 = {f"spiffe://{DOMAIN}": der(SECOND)}
            api.jwt = {f"spiffe://{DOMAIN}": jwks("b")}
            api.send()
            await until(lambda: believed.authorities() == {SECOND.certificate} and believed.kids() == "b")

    beside(socket, body, refresh=10_000)


def test_a_quiet_stream_is_asked_anew_on_schedule_and_so_believed_for_longer(socket: Path) -> None:
    async def body(api: Api, believed: Believed, source: WorkloadApi) -> int:
        async with kept(source):
            first = believed.bundle().until
            await until(lambda: believed.bundle().until > first and api.asked >= 6)
        return len(set(believed.published))

    assert beside(socket, body, refresh=0.05) == 1


def test_under_the_loop_of_the_service_it_is_the_same(socket: Path) -> None:
    async def run() -> str:
        api, believed = Api(), Believed()
        async with serving(api, socket), kept(WorkloadApi(DOMAIN, str(socket), believed.publish)):
            api.jwt = {f"spiffe://{DOMAIN}": jwks("b")}
            await until(lambda: (api.send(), believed.kids() == "b")[1])
        return believed.kids()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()) == "b"


def test_when_the_server_is_gone_its_last_bundle_is_believed_until_stale_and_then_the_next_when_it_is_back(
    socket: Path,
) -> None:
    async def run() -> None:
        api, believed = Api(), Believed()
        source = WorkloadApi(DOMAIN, f"unix:{socket}", believed.publish, refresh=100, stale=1_000)
        async with kept(source) as sources:
            assert sources.status[0].problem == "the Workload API answered with UNAVAILABLE"
            async with serving(api, socket):
                await until(lambda: sources.status[0].problem is None)
            problem = await until(lambda: sources.status[0].problem)
            assert problem == "the Workload API answered with UNAVAILABLE"
            assert source.read is not None
            assert source.until == source.read + 1_100
            assert set(believed.bundle(source.until - 1).authorities) == {FIRST.certificate}
            with pytest.raises(EvidenceError, match=KEYS_STALE):
                believed.bundle(source.until)
            api.jwt = {f"spiffe://{DOMAIN}": jwks("b")}
            async with serving(api, socket):
                await until(lambda: believed.kids() == "b")

    asyncio.run(run())


def test_a_server_that_hangs_is_given_up(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.1)

    async def body(api: Api, _: Believed, source: WorkloadApi) -> str | None:
        api.silent = True
        assert not await source.refresh()
        return source.problem

    assert beside(socket, body) == "the Workload API did not answer within 0.1 seconds"


def test_where_this_process_may_have_no_bundle_any_more_nobody_is_believed(
    socket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(api: Api, believed: Believed, source: WorkloadApi) -> Bundle:
        async with kept(source) as sources:
            assert believed.kids() == "a"
            api.refuse = dict.fromkeys(("x509", "jwt"), grpc.StatusCode.PERMISSION_DENIED)
            await until(lambda: (api.send(), believed.kids() == "" and not believed.authorities())[1])
            asked = api.asked
            await until(lambda: api.asked > asked)
            assert sources.status[0].until is None
        return believed.bundle()

    with caplog.at_level(logging.INFO, "pdp.keys"):
        bundle = beside(socket, body)
    assert (bundle.authorities, bundle.jwt.keys, bundle.wit.keys) == ((), {}, {})
    assert [record.getMessage() for record in caplog.records] == [
        f"the keys of {DOMAIN} cannot be refreshed: the Workload API gives this process no bundle of it"
    ]


@pytest.mark.parametrize("code", [grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED])
@pytest.mark.parametrize(
    ("disabled", "authorities", "kids"), [("jwt", {FIRST.certificate}, ""), ("x509", set(), "a")]
)
def test_one_of_the_two_profiles_may_be_disabled(
    socket: Path, disabled: str, authorities: set[Any], kids: str, code: Any
) -> None:
    async def body(api: Api, believed: Believed, source: WorkloadApi) -> tuple[Any, ...]:
        api.refuse = {disabled: code}
        async with kept(source) as sources:
            await until(lambda: api.asked >= 4)
            return believed.authorities(), believed.kids(), sources.status[0].problem

    assert beside(socket, body) == (authorities, kids, None)


def test_one_of_the_two_profiles_may_be_disabled_while_it_is_listened_to(socket: Path) -> None:
    async def body(api: Api, believed: Believed, source: WorkloadApi) -> str | None:
        async with kept(source) as sources:
            api.refuse = {"jwt": grpc.StatusCode.UNIMPLEMENTED}
            await until(lambda: (api.send(), believed.kids() == "")[1])
            assert believed.authorities() == {FIRST.certificate}
            return sources.status[0].problem

    assert beside(socket, body, refresh=10_000) is None


def test_without_either_there_is_nothing(socket: Path) -> None:
    async def body(api: Api, _: Believed, source: WorkloadApi) -> str | None:
        api.refuse = dict.fromkeys(("x509", "jwt"), grpc.StatusCode.UNIMPLEMENTED)
        assert not await source.refresh()
        return source.problem

    assert beside(socket, body) == "the Workload API gives this process no bundle of it"


def test_a_stream_that_the_server_ends_is_begun_anew(socket: Path) -> None:
    async def body(api: Api, believed: Believed, source: WorkloadApi) -> str | None:
        async with kept(source) as sources:
            api.refuse = {"x509": None}
            problem = await until(lambda: (api.send(), sources.status[0].problem)[1])
            api.refuse, api.jwt = {}, {f"spiffe://{DOMAIN}": jwks("b")}
            await until(lambda: believed.kids() == "b")
            return problem

    assert beside(socket, body) == "the Workload API has ended the stream"


def test_a_domain_that_is_not_named_any_more_is_believed_no_longer(socket: Path) -> None:
    async def body(api: Api, believed: Believed, source: WorkloadApi) -> tuple[Any, ...]:
        async with kept(source) as sources:
            assert believed.kids() == "a"
            api.x509, api.jwt = {f"spiffe://{OTHER_DOMAIN}": der(OTHER)}, {}
            problem = await until(lambda: (api.send(), sources.status[0].problem)[1])
            await until(lambda: believed.kids() == "")
            assert believed.authorities() == set()
            return problem, sources.status[0].until

    assert beside(socket, body) == ("the Workload API gives this process no bundle of it", None)


@pytest.mark.parametrize(
    ("x509", "jwt"),
    [
        (b"no certificate", jwks("b")),
        (der(SECOND)[:-1], jwks("b")),
        (der(SECOND) + b"\x30", jwks("b")),
        (b"\x30\x02\x05\x00", jwks("b")),
        (der(SECOND), b"no JSON"),
        (der(SECOND), jwks("b", "b")),
        (der(SECOND), jwks("b", kid="")),
        (der(SECOND), b'{"keys": [{"kty": "oct", "kid": "s", "k": "c2VjcmV0"}]}'),
    ],
)
def test_a_broken_bundle_changes_nothing_and_is_told(socket: Path, x509: bytes, jwt: bytes) -> None:
    async def body(api: Api, believed: Believed, source: WorkloadApi) -> tuple[Any, ...]:
        async with kept(source) as sources:
            api.x509, api.jwt = {f"spiffe://{DOMAIN}": x509}, {f"spiffe://{DOMAIN}": jwt}
            problem = await until(lambda: (api.send(), sources.status[0].problem)[1])
            assert not problem.startswith("the Workload API")
            return believed.authorities(), believed.kids()

    assert beside(socket, body) == ({FIRST.certificate}, "a")


def test_a_message_that_is_too_large_is_not_read(socket: Path) -> None:
    async def body(api: Api, _: Believed, source: WorkloadApi) -> str | None:
        api.x509 = {f"spiffe://{number}.example": bytes(1024 * 1024) for number in range(5)}
        assert not await source.refresh()
        return source.problem

    assert beside(socket, body) == "the Workload API answered with RESOURCE_EXHAUSTED"


def test_whoever_asks_is_told_by_the_stream_alone(socket: Path) -> None:
    async def body(api: Api, believed: Believed, source: WorkloadApi) -> int:
        async with kept(source) as sources:
            await until(lambda: api.asked == 4)
            for _ in range(100):
                sources.ask(DOMAIN)
            await until(lambda: believed.kids() == "a")
            return api.asked

    assert beside(socket, body, refresh=10_000) == 4


# What is made of it.


def test_keys_are_for_what_they_say_and_for_jwt_svids_where_they_say_nothing() -> None:
    sets = [json.loads(jwks(kid, use=use))["keys"] for kid, use in (("a", "jwt-svid"), ("b", "sig"))]
    sets += [json.loads(jwks("c"))["keys"]]
    sets += [
        [{**KEYS["a"], "kid": use, "use": use}] for use in ("wit-svid", "x509-svid", "enc", "something else")
    ]
    bundle = parse_bundle(document(b"", json.dumps({"keys": [*chain(*sets)]}).encode()), 1.0)
    assert (set(bundle.jwt.keys), set(bundle.wit.keys), bundle.authorities) == (
        {"a", "b", "c"},
        {"wit-svid"},
        (),
    )


def test_the_same_bundle_in_another_order_is_the_same_document() -> None:
    assert document(der(FIRST, SECOND), jwks("a", "b")) == document(der(SECOND, FIRST), jwks("b", "a"))
    assert document(der(FIRST), jwks("a")) != document(der(FIRST), jwks("b"))


@given(st.lists(st.binary(max_size=70_000), max_size=4))
def test_der_that_stands_together_is_taken_apart_where_it_was_put_together(contents: list[bytes]) -> None:
    def sequence(content: bytes) -> bytes:
        size = len(content)
        if size < 0x80:
            return bytes((0x30, size)) + content
        length = size.to_bytes((size.bit_length() + 7) // 8)
        return bytes((0x30, 0x80 | len(length))) + length + content

    parts = [sequence(content) for content in contents]
    assert certificates(b"".join(parts)) == parts


@given(st.binary(max_size=200))
def test_what_is_no_der_is_refused_and_nothing_of_what_is_gets_lost(data: bytes) -> None:
    try:
        found = certificates(data)
    except KeysError:
        return
    assert b"".join(found) == data


@pytest.mark.parametrize(
    "data", [b"\x30", b"\x30\x80\x00\x00", b"\x31\x00", b"\x30\x01", b"\x30\xff" + b"\xff" * 127]
)
def test_der_of_no_length_of_its_own_or_of_too_much_is_none(data: bytes) -> None:
    with pytest.raises(KeysError, match="are no certificates"):
        certificates(data)


@pytest.mark.parametrize("socket", ["unix:///run/a b.sock", "unix:/run/a b.sock", "/run/a b.sock"])
def test_a_socket_is_a_path_however_it_is_written(socket: str) -> None:
    assert target(socket) == "unix:/run/a%20b.sock"


@pytest.mark.parametrize(
    "socket", ["", "unix:", "unix://", "unix:relative", "tcp://127.0.0.1:80", "/a\0b", "run/x"]
)
def test_what_is_no_path_is_no_socket(socket: str) -> None:
    with pytest.raises(FetchError, match="is no Unix socket"):
        target(socket)


def test_a_socket_of_any_name_can_be_listened_on(tmp_path: Path) -> None:
    folder = tmp_path / "a b%20c"
    folder.mkdir()

    async def run() -> str:
        api, believed = Api(), Believed()
        server = grpc.aio.server()
        add_SpiffeWorkloadAPIServicer_to_server(api, server)
        server.add_insecure_port(target(str(folder / "s")))
        await server.start()
        assert await WorkloadApi(DOMAIN, str(folder / "s"), believed.publish).refresh()
        await server.stop(None)
        return believed.kids()

    assert asyncio.run(run()) == "a"
    assert not (folder / "s").exists()


def test_without_the_extra_it_is_told_what_is_missing(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.partition(".")[0] in ("grpc", "spiffe"):
            raise ImportError(name)
        return imported(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    source = WorkloadApi(DOMAIN, str(socket), Believed().publish)
    assert not asyncio.run(source.refresh())
    assert source.problem == "it needs the extra `workload-api`: install `pdp[workload-api]`"
