"""Keys kept fresh: on schedule, when asked, when a file changes. Old ones are believed for a while only."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec

from pdp.evidence import sources as module
from pdp.evidence.fetch import FetchError
from pdp.evidence.kept import Kept, Status
from pdp.evidence.keys import KEYS_LIMIT, SET_LIMIT, parse_jwks
from pdp.evidence.refusals import KEYS_STALE, EvidenceError
from pdp.evidence.sources import FLOOR, Place, Source, Sources, metadata_urls
from pdp.evidence.trust import Issuer, Keys, Trust
from tests.evidence.loopback import Asked, Server, answer, certified, loopback
from tests.evidence.world import jwk_of

ES256 = frozenset({"ES256"})
ISSUER = Issuer("https://idp.example", ES256)
MEMBERS = {
    kid: jwk_of(ec.generate_private_key(ec.SECP256R1()), kid=kid, alg="ES256", use="sig") for kid in "abc"
}
# How long the tests wait for what must come. It is never waited out where all is well.
PATIENCE = 20.0


def jwks(*kids: str) -> bytes:
    """A key set of these keys."""
    return json.dumps({"keys": [MEMBERS[kid] for kid in kids]}).encode()


class Believed:
    """What is believed of one issuer, as its source brings it."""

    def __init__(self) -> None:
        self.trust = Trust(issuers={ISSUER.id: ISSUER})

    def publish(self, data: bytes, until: float) -> None:
        keys = Keys(parse_jwks(data, use="sig", algorithms=ES256), until)
        self.trust = self.trust.with_keys(ISSUER.id, keys)

    def kids(self, seconds: float | None = None) -> str:
        """The names of the keys that are believed, now unless told when."""
        found = self.trust.keys_of(ISSUER, time.time() if seconds is None else seconds)
        return "".join(sorted(found.keys.keys))


async def until(condition: Callable[[], Any]) -> Any:
    """What `condition` gives as soon as it is true."""
    async with asyncio.timeout(PATIENCE):
        while not (found := condition()):
            await asyncio.sleep(0.005)
        return found


@asynccontextmanager
async def kept(*all: Kept) -> AsyncIterator[Sources]:
    """Sources that are kept fresh until the block ends."""
    made = Sources(all)
    await made.first()
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def beside(body: Callable[[Server, Believed], Coroutine[Any, Any, Any]]) -> Any:
    """What `body` gives beside a server whose `/keys` are of the key `a`."""

    async def run() -> Any:
        async with loopback() as server:
            server.answers["/keys"] = answer(jwks("a"))
            return await body(server, Believed())

    return asyncio.run(run())


# Places.


def test_a_document_is_in_a_file_or_at_a_url(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(jwks("b"))

    async def body(server: Server, _: Believed) -> list[bytes]:
        return [(await place.read()).data for place in (Place(file), Place(url=server.url("/keys")))]

    assert beside(body) == [jwks("b"), jwks("a")]


def test_a_file_that_is_none_is_endless_or_is_too_long_is_told(tmp_path: Path) -> None:
    long, pipe = tmp_path / "long", tmp_path / "pipe"
    long.write_bytes(bytes(SET_LIMIT + 1))
    os.mkfifo(pipe)
    for file, why in (
        (tmp_path / "missing", "cannot be read: No such file or directory"),
        (tmp_path, "is no file"),
        (pipe, "is no file"),
        (Path("/dev/zero"), "is no file"),
        (Path("a\0b"), "cannot be read: there can be no such file"),
        (long, f"has more than {SET_LIMIT} bytes"),
    ):
        with pytest.raises(FetchError, match=why):
            asyncio.run(Place(file).read())


def test_metadata_is_where_either_standard_puts_it() -> None:
    assert metadata_urls("https://idp.example") == metadata_urls("https://idp.example/")
    assert metadata_urls("https://idp.example/tenant/a") == (
        "https://idp.example/.well-known/oauth-authorization-server/tenant/a",
        "https://idp.example/tenant/a/.well-known/openid-configuration",
    )


@pytest.mark.parametrize("issuer", ["idp.example", "https://idp.example?tenant=a", "http://idp.example"])
def test_an_issuer_that_is_no_url_of_its_own_has_no_metadata(issuer: str) -> None:
    with pytest.raises(FetchError, match=r"is no URL|has a query|is not https"):
        metadata_urls(issuer)


@pytest.mark.parametrize("well_known", [0, 1])
def test_keys_are_where_the_metadata_of_the_issuer_says(well_known: int) -> None:
    async def body(server: Server, _: Believed) -> bytes:
        issuer = server.url("/tenant")
        path = metadata_urls(issuer)[well_known].removeprefix(server.url(""))
        server.answers[path] = answer(json.dumps({"issuer": issuer, "jwks_uri": server.url("/keys")}))
        return (await Place(issuer=issuer).read()).data

    assert beside(body) == jwks("a")


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        (lambda issuer: {"issuer": issuer + "/", "jwks_uri": issuer}, "is not the metadata of"),
        (lambda issuer: {"issuer": issuer.upper(), "jwks_uri": issuer}, "is not the metadata of"),
        (lambda issuer: {"issuer": [issuer], "jwks_uri": issuer}, "is not the metadata of"),
        (lambda issuer: {"jwks_uri": issuer}, "is not the metadata of"),
        (lambda issuer: [issuer], "is not the metadata of"),
        (lambda issuer: {"issuer": issuer}, "names no `jwks_uri`"),
        (lambda issuer: {"issuer": issuer, "jwks_uri": [issuer]}, "names no `jwks_uri`"),
        (lambda issuer: {"issuer": issuer, "jwks_uri": "http://idp.example/"}, "is not https"),
        (lambda issuer: {"issuer": issuer, "jwks_uri": "file:///etc/passwd"}, "is no URL"),
        (lambda issuer: {"issuer": issuer, "jwks_uri": "/keys"}, "is no URL"),
        (lambda _: None, "is not JSON"),
    ],
)
def test_metadata_that_is_not_the_issuers_or_names_no_place_is_none(
    metadata: Callable[[str], Any], why: str
) -> None:
    async def body(server: Server, _: Believed) -> None:
        issuer = server.url("")
        found = metadata(issuer)
        for url in metadata_urls(issuer):
            path = url.removeprefix(issuer)
            server.answers[path] = answer("<html>" if found is None else json.dumps(found))
        await Place(issuer=issuer).read()

    with pytest.raises(FetchError, match=why):
        beside(body)


def test_metadata_with_two_issuers_is_no_json() -> None:
    async def body(server: Server, _: Believed) -> None:
        issuer = server.url("")
        for url in metadata_urls(issuer):
            double = (
                f'{{"issuer": "https://evil.example", "issuer": "{issuer}", "jwks_uri": "{issuer}/keys"}}'
            )
            server.answers[url.removeprefix(issuer)] = answer(double)
        await Place(issuer=issuer).read()

    with pytest.raises(FetchError, match=r"is not JSON; .*is not JSON"):
        beside(body)


def test_metadata_from_elsewhere_has_nobody_ask_on_this_machine(tmp_path: Path) -> None:
    tls, ca = certified(tmp_path, "idp.example")

    async def here(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    async def run() -> list[str]:
        async with loopback(tls) as server:
            asyncio.get_running_loop().getaddrinfo = here  # type: ignore[method-assign]
            issuer = server.url("", "idp.example")
            metadata = json.dumps({"issuer": issuer, "jwks_uri": server.url("/keys", "127.0.0.1")})
            for url in metadata_urls(issuer):
                server.answers[url.removeprefix(issuer)] = answer(metadata)
            with pytest.raises(FetchError, match="names a `jwks_uri` on this machine"):
                await Place(issuer=issuer, private=True, ca=ca).read()
            return [asked.path for asked in server.asked]

    assert "/keys" not in asyncio.run(run())


# What is believed.


def test_a_key_that_is_dropped_at_the_issuer_is_not_believed_after_the_refresh() -> None:
    async def body(server: Server, believed: Believed) -> list[str]:
        source = Source(ISSUER.id, Place(url=server.url("/keys")), believed.publish)
        seen = []
        for kids in ("a", "ab", "b", ""):
            server.answers["/keys"] = answer(jwks(*kids))
            assert await source.refresh()
            seen.append(believed.kids())
        return seen

    assert beside(body) == ["a", "ab", "b", ""]


BROKEN = {
    "nothing": b"",
    "no JSON": b"<html>",
    "no set": b"[]",
    "no list": b'{"keys": {}}',
    "two keys of one name": jwks("b", "b"),
    "a secret": json.dumps({"keys": [MEMBERS["b"], {"kty": "oct", "kid": "s", "k": "c2VjcmV0"}]}).encode(),
    "a key without a name": json.dumps({"keys": [{**MEMBERS["b"], "kid": ""}]}).encode(),
    "the same member twice": b'{"keys": [], "keys": []}',
    "more keys than any issuer has": json.dumps(
        {"keys": [{**MEMBERS["b"], "kid": str(number)} for number in range(KEYS_LIMIT + 1)]}
    ).encode(),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_set_changes_nothing_and_is_told(broken: str) -> None:
    async def body(server: Server, believed: Believed) -> tuple[str, Status, Status]:
        source = Source(ISSUER.id, Place(url=server.url("/keys")), believed.publish)
        assert await source.refresh()
        before = source.status
        server.answers["/keys"] = answer(BROKEN[broken])
        assert not await source.refresh()
        return believed.kids(), before, source.status

    kids, before, after = beside(body)
    assert (kids, before.problem) == ("a", None)
    assert (after.read, after.until) == (before.read, before.until)
    assert after.problem is not None


@pytest.mark.parametrize("failing", ["503 Service Unavailable", "302 Found", "404 Not Found"])
def test_while_a_source_fails_its_last_keys_are_believed_until_they_are_stale(failing: str) -> None:
    async def body(server: Server, believed: Believed) -> None:
        place = Place(url=server.url("/keys"), refresh=100, stale=1_000)
        source = Source(ISSUER.id, place, believed.publish)
        assert await source.refresh()
        server.answers["/keys"] = answer("", status=failing)
        assert not await source.refresh()
        read, until = source.read, source.until
        assert read is not None
        assert until == read + 1_100
        assert believed.kids(until - 1) == "a"
        with pytest.raises(EvidenceError, match=KEYS_STALE):
            believed.kids(until)

    beside(body)


def test_what_was_never_read_is_not_believed() -> None:
    async def body(server: Server, believed: Believed) -> Status:
        source = Source(ISSUER.id, Place(url=server.url("/elsewhere")), believed.publish)
        assert not await source.refresh()
        with pytest.raises(EvidenceError, match=KEYS_STALE):
            believed.kids()
        return source.status

    status = beside(body)
    assert (status.read, status.until) == (None, None)
    assert status.problem.endswith("answered with status 404")


def test_keys_are_believed_from_when_they_were_asked_for_and_not_from_when_they_came() -> None:
    async def body(server: Server, believed: Believed) -> tuple[float, float]:
        asked = 0.0

        async def slow(_: Asked, __: asyncio.StreamWriter) -> bytes:
            nonlocal asked
            asked = time.time()
            return answer(jwks("a"))

        server.answers["/keys"] = slow
        source = Source(ISSUER.id, Place(url=server.url("/keys")), believed.publish)
        await source.refresh()
        assert source.read is not None
        return source.read, asked

    read, asked = beside(body)
    assert read <= asked


def test_a_problem_is_told_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    async def body(server: Server, believed: Believed) -> None:
        source = Source(ISSUER.id, Place(url=server.url("/keys")), believed.publish)
        for kids in ("a", "bb", "bb", "c", "c"):
            server.answers["/keys"] = answer(jwks(*kids))
            await source.refresh()

    with caplog.at_level(logging.INFO, "pdp.keys"):
        beside(body)
    assert [record.getMessage() for record in caplog.records] == [
        "the keys of https://idp.example cannot be refreshed: it holds two keys called `b`",
        "the keys of https://idp.example are fresh again",
    ]


def test_a_defect_that_a_set_brings_to_light_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def body(server: Server, believed: Believed) -> tuple[str | None, str]:
        def publish(data: bytes, until: float) -> None:
            if data == jwks("b"):
                raise ZeroDivisionError
            believed.publish(data, until)

        source = Source(ISSUER.id, Place(url=server.url("/keys"), refresh=0.01), publish)
        async with kept(source):
            server.answers["/keys"] = answer(jwks("b"))
            problem = await until(lambda: source.problem)
            server.answers["/keys"] = answer(jwks("c"))
            await until(lambda: source.problem is None)
        return problem, believed.kids()

    problem, kids = beside(body)
    assert (problem, kids) == ("they cannot be used, as the log tells", "c")
    assert "ZeroDivisionError" in caplog.text


# When it is read.


def test_a_source_is_read_again_and_again() -> None:
    async def body(server: Server, believed: Believed) -> None:
        async with kept(Source(ISSUER.id, Place(url=server.url("/keys"), refresh=0.01), believed.publish)):
            for kids in ("b", "ab", "c"):
                server.answers["/keys"] = answer(jwks(*kids))
                await until(lambda: believed.kids() == kids)  # noqa: B023

    beside(body)


def test_a_source_that_was_never_read_is_read_at_once() -> None:
    async def body(server: Server, believed: Believed) -> str:
        running = asyncio.create_task(
            Sources([Source(ISSUER.id, Place(url=server.url("/keys")), believed.publish)]).run()
        )
        await until(lambda: ISSUER.id in believed.trust.keys)
        running.cancel()
        return believed.kids()

    assert beside(body) == "a"


def test_a_source_that_failed_at_first_is_tried_again_soon() -> None:
    async def body(server: Server, believed: Believed) -> str:
        server.answers["/keys"] = answer("", status="503 Service Unavailable")
        place = Place(url=server.url("/keys"), refresh=10_000)
        async with kept(Source(ISSUER.id, place, believed.publish)) as sources:
            assert sources.status[0].problem is not None
            server.answers["/keys"] = answer(jwks("a"))
            await until(lambda: sources.status[0].problem is None)
        return believed.kids()

    assert beside(body) == "a"


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        (None, 270, 300),
        ("max-age=100", 90, 100),
        ("max-age=0", 0.9 * FLOOR, FLOOR),
        ("max-age=86400", 270, 300),
        ("no-store", 270, 300),
    ],
)
def test_what_the_server_says_may_bring_the_next_refresh_nearer_but_not_to_any_moment(
    said: str | None, least: float, most: float
) -> None:
    async def body(server: Server, believed: Believed) -> tuple[float, float]:
        headers = {} if said is None else {"cache_control": said}
        server.answers["/keys"] = answer(jwks("a"), **headers)
        source = Source(ISSUER.id, Place(url=server.url("/keys"), refresh=300), believed.publish)
        before = time.time()
        await source.refresh()
        assert source.next is not None
        assert source.until is not None
        return source.next - before, source.next - time.time()

    longest, shortest = beside(body)
    assert longest >= least
    assert shortest <= most


def test_after_each_failure_it_is_left_alone_for_longer_up_to_a_minute() -> None:
    source = Source(ISSUER.id, Place(url="https://idp.example/keys", refresh=300), Believed().publish)
    for failures in range(1, 40):
        source.failed("it is gone")
        longest = min(60.0, 2.0 ** (failures - 1))
        assert all(longest / 2 <= source.patience() <= longest for _ in range(20))


def test_nobody_waits_longer_after_a_failure_than_after_none() -> None:
    source = Source(ISSUER.id, Place(url="https://idp.example/keys", refresh=3), Believed().publish)
    for _ in range(10):
        source.failed("it is gone")
        assert source.patience() <= 3


def test_a_hundred_who_refresh_at_once_ask_once() -> None:
    async def body(server: Server, believed: Believed) -> tuple[set[bool], int]:
        source = Source(ISSUER.id, Place(url=server.url("/keys")), believed.publish)
        found = await asyncio.gather(*(source.refresh() for _ in range(100)))
        return set(found), len(server.asked)

    assert beside(body) == ({True}, 1)


def test_when_the_one_who_asks_gives_up_another_asks() -> None:
    async def body(server: Server, believed: Believed) -> tuple[bool, int]:
        async def never(_: Asked, __: asyncio.StreamWriter) -> bytes:
            await asyncio.sleep(PATIENCE)
            return b""

        server.answers["/keys"] = never
        source = Source(ISSUER.id, Place(url=server.url("/keys")), believed.publish)
        first, second = (asyncio.create_task(source.refresh()) for _ in range(2))
        await until(lambda: server.asked)
        server.answers["/keys"] = answer(jwks("a"))
        first.cancel()
        return await second, len(server.asked)

    assert beside(body) == (True, 2)


def test_a_flood_of_unknown_keys_is_one_look_and_no_second_before_the_cooldown_is_over() -> None:
    async def body(server: Server, believed: Believed) -> list[int]:
        counts = []
        place = Place(url=server.url("/keys"), refresh=10_000)
        source = Source(ISSUER.id, place, believed.publish, cooldown=0.05)
        async with kept(source) as sources:
            server.answers["/keys"] = answer(jwks("b"))
            for _ in range(100):
                sources.ask(ISSUER.id)
            await until(lambda: believed.kids() == "b")
            source.cooldown = 10_000
            for _ in range(100):
                sources.ask(ISSUER.id)
                await asyncio.sleep(0.001)
            counts.append(len(server.asked))
        return counts

    assert beside(body) == [2]


def test_a_flood_does_not_put_off_the_next_try_of_what_failed() -> None:
    async def body(server: Server, believed: Believed) -> str:
        server.answers["/keys"] = answer("", status="503 Service Unavailable")
        place = Place(url=server.url("/keys"), refresh=0.05)
        async with kept(Source(ISSUER.id, place, believed.publish, cooldown=10_000)) as sources:
            sources.ask(ISSUER.id)
            server.answers["/keys"] = answer(jwks("b"))
            await until(lambda: sources.status[0].problem is None)
        return believed.kids()

    assert beside(body) == "b"


def test_who_asks_while_keys_are_being_read_has_them_read_once_more() -> None:
    async def body(server: Server, believed: Believed) -> str:
        place = Place(url=server.url("/keys"), refresh=10_000)
        async with kept(Source(ISSUER.id, place, believed.publish, cooldown=0.01)) as sources:

            async def old(_: Asked, __: asyncio.StreamWriter) -> bytes:
                sources.ask(ISSUER.id)
                server.answers["/keys"] = answer(jwks("c"))
                return answer(jwks("b"))

            server.answers["/keys"] = old
            sources.ask(ISSUER.id)
            await until(lambda: believed.kids() == "c")
        return believed.kids()

    assert beside(body) == "c"


def test_a_file_is_read_again_when_it_changes_or_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.01)
    file, other = tmp_path / "keys.json", tmp_path / "other.json"
    file.write_bytes(jwks("a"))

    async def run() -> list[str]:
        believed, seen = Believed(), []
        async with kept(Source(ISSUER.id, Place(file, refresh=10_000), believed.publish)) as sources:
            seen.append(believed.kids())
            file.write_bytes(jwks("a", "b"))
            await until(lambda: believed.kids() == "ab")
            other.write_bytes(jwks("c"))
            other.replace(file)
            await until(lambda: believed.kids() == "c")
            file.unlink()
            problem = await until(lambda: sources.status[0].problem)
            assert problem.endswith("No such file or directory")
            seen.append(believed.kids())
            file.write_bytes(jwks("b"))
            await until(lambda: believed.kids() == "b")
        return seen

    assert asyncio.run(run()) == ["a", "c"]


# All of them.


def test_under_the_loop_of_the_service_it_is_the_same(tmp_path: Path) -> None:
    tls, ca = certified(tmp_path, "localhost")

    async def run() -> str:
        async with loopback(tls) as server:
            server.answers["/keys"] = answer(jwks("a"))
            believed = Believed()
            place = Place(url=server.url("/keys", "localhost"), refresh=0.01, ca=ca)
            async with kept(Source(ISSUER.id, place, believed.publish)):
                server.answers["/keys"] = answer(jwks("b"))
                await until(lambda: believed.kids() == "b")
            return believed.kids()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()) == "b"


def test_a_source_that_hangs_keeps_no_other_waiting() -> None:
    async def body(server: Server, believed: Believed) -> str:
        async def never(_: Asked, __: asyncio.StreamWriter) -> bytes:
            await asyncio.sleep(PATIENCE)
            return b""

        server.answers["/never"] = never
        hanging = Source("other", Place(url=server.url("/never")), Believed().publish)
        good = Source(ISSUER.id, Place(url=server.url("/keys"), refresh=0.01), believed.publish)
        running = asyncio.create_task(Sources([hanging, good]).run())
        await until(lambda: len([asked for asked in server.asked if asked.path == "/keys"]) > 2)
        running.cancel()
        return believed.kids()

    assert beside(body) == "a"


def test_who_is_asked_for_is_who_is_read_and_everybody_of_that_name() -> None:
    async def body(server: Server, _: Believed) -> tuple[list[str], list[str]]:
        for path in "xyz":
            server.answers[f"/{path}"] = answer(jwks("a"))
        made = [
            Source(name, Place(url=server.url(f"/{path}"), refresh=10_000), Believed().publish, cooldown=0.01)
            for name, path in (("one", "x"), ("one", "y"), ("two", "z"))
        ]
        async with kept(*made) as sources:
            first = sorted(asked.path for asked in server.asked)
            server.asked.clear()
            sources.ask("one")
            sources.ask("nobody")
            await until(lambda: len(server.asked) == 2)
            return first, sorted(asked.path for asked in server.asked)

    assert beside(body) == (["/x", "/y", "/z"], ["/x", "/y"])


def test_the_status_tells_the_place_of_each_source_and_no_secrets(tmp_path: Path) -> None:
    def publish(_: bytes, __: float) -> None:
        pass

    sources = Sources(
        [
            Source("file", Place(tmp_path / "keys.json"), publish),
            Source("url", Place(url="https://idp.example/keys?secret=x"), publish),
            Source("password", Place(url="https://u:secret@idp.example/keys"), publish),
            Source("issuer", Place(issuer="https://idp.example/tenant"), publish),
        ]
    )
    asyncio.run(sources.all[2].refresh())
    assert [status.place for status in sources.status] == [
        str(tmp_path / "keys.json"),
        "https://idp.example/keys?…",
        "https://…",
        "the metadata of https://idp.example/tenant",
    ]
    assert "secret" not in repr(sources.status)
