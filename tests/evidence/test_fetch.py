"""Fetching: from where it was meant to come from, bounded in size and time, nothing sent to anybody else."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.evidence.fetch import Client, Fetched, FetchError, check_url, fetch
from pdp.evidence.urls import is_here, shown
from tests.evidence.loopback import Asked, Server, answer, certified, loopback

LIMIT = 1_000


def served(
    body: Callable[[Server], Awaitable[Any]], answers: dict[str, Any], tls: ssl.SSLContext | None = None
) -> Any:
    """What `body` gives beside a server that knows `answers`."""

    async def run() -> Any:
        async with loopback(tls) as server:
            server.answers.update(answers)
            return await body(server)

    return asyncio.run(run())


def refusal(body: Callable[[Server], Awaitable[Any]], answers: dict[str, Any]) -> str:
    """Why `body` fails; without the server's own URL, which is another each time."""

    async def run() -> str:
        async with loopback() as server:
            server.answers.update(answers)
            with pytest.raises(FetchError) as caught:
                await body(server)
            return str(caught.value).replace(server.url(""), "")

    return asyncio.run(run())


def test_a_document_is_fetched_as_it_is_and_asked_for_as_json_and_nothing_else() -> None:
    async def body(server: Server) -> tuple[Fetched, Asked]:
        return await fetch(server.url("/keys?set=1"), limit=LIMIT), server.asked[0]

    found, asked = served(body, {"/keys?set=1": answer("{}")})
    assert found == Fetched(b"{}", None)
    assert (asked.method, asked.headers["accept"]) == ("GET", "application/json")
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["host"].startswith("127.0.0.1:")
    assert "cookie" not in asked.headers


@pytest.mark.parametrize(
    ("said", "age"),
    [
        ("max-age=60", 60),
        ("public, Max-Age=60, must-revalidate", 60),
        ('max-age="60"', 60),
        ("s-maxage=60", None),
        ("no-store", None),
        ("max-age=-1", None),
        ("max-age=soon", None),
        ("max-age=" + "9" * 40, None),
    ],
)
def test_for_how_long_a_document_is_fresh_is_told_where_the_server_says_so(
    said: str, age: int | None
) -> None:
    async def body(server: Server) -> Fetched:
        return await fetch(server.url(), limit=LIMIT)

    assert served(body, {"/": answer("{}", cache_control=said)}).max_age == age


def test_a_document_of_the_limit_is_read_and_one_byte_more_is_not() -> None:
    async def body(server: Server) -> Fetched:
        return await fetch(server.url(), limit=LIMIT)

    assert len(served(body, {"/": answer("x" * LIMIT)}).data) == LIMIT
    assert refusal(body, {"/": answer("x" * (LIMIT + 1))}) == "`/` has more than 1000 bytes"


def test_of_a_document_without_an_end_no_more_is_read_than_the_limit() -> None:
    async def endless(_: Asked, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 0x400 + b"\r\n")
            await writer.drain()

    assert refusal(lambda server: fetch(server.url(), limit=LIMIT), {"/": endless}) == (
        "`/` has more than 1000 bytes"
    )


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
def test_a_compressed_answer_is_refused_unread_as_none_was_asked_for(encoding: str) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    assert refusal(
        lambda server: fetch(server.url(), limit=10**9), {"/": answer(bomb, content_encoding=encoding)}
    ) == ("`/` answered in an encoding that was not asked for")


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
)
def test_a_redirect_is_not_followed(status: str) -> None:
    async def body(server: Server) -> list[str]:
        server.answers["/"] = answer("", status=status, location=server.url("/elsewhere"))
        with pytest.raises(FetchError, match=f"answered with status {status[:3]}"):
            await fetch(server.url(), limit=LIMIT)
        return [asked.path for asked in server.asked]

    assert served(body, {"/elsewhere": answer("{}")}) == ["/"]


@pytest.mark.parametrize(
    "status", ["204 No Content", "206 Partial Content", "404 Not Found", "503 Unavailable"]
)
def test_only_a_whole_answer_is_one(status: str) -> None:
    assert refusal(lambda server: fetch(server.url(), limit=LIMIT), {"/": answer("", status=status)}) == (
        f"`/` answered with status {status[:3]}"
    )


def test_what_says_nothing_and_what_says_a_little_now_and_then_is_given_up() -> None:
    async def silent(_: Asked, __: asyncio.StreamWriter) -> bytes:
        await asyncio.sleep(60)
        return b""

    async def dripping(_: Asked, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    for hanging in (silent, dripping):
        assert refusal(lambda server: Client(server.url(), seconds=0.2).get(limit=LIMIT), {"/": hanging}) == (
            "`/` did not answer within 0.2 seconds"
        )


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 2\r\n\r\n{}",
        b"nothing of the kind\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000 + b"\r\n\r\n",
        b"",
    ],
)
def test_an_answer_that_is_cut_off_or_none_is_no_document(broken: bytes) -> None:
    async def close(_: Asked, writer: asyncio.StreamWriter) -> bytes:
        writer.write(broken)
        await writer.drain()
        writer.close()
        return b""

    assert (
        refusal(lambda server: fetch(server.url(), limit=LIMIT), {"/": close}) == "`/` could not be reached"
    )


def test_where_nobody_listens_the_reason_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with pytest.raises(FetchError, match=r"could not be reached: .+"):
            asyncio.run(fetch(url, limit=LIMIT))


# Whom to ask.


@pytest.mark.parametrize(
    "url",
    [
        "", "keys.json", "/etc/passwd", "https://", "https:///keys", "https://:443/", "https://[::1/",
        "https://a:b/", "https://a:99999/", "https://idp.example /", "https://idp.example/\tkeys",
        "https://idp.example/ke ys", "https://bücher.example/", "https://idp.example\\@evil.example/", "https://idp.example\\.evil.example/",
        "https://a..b.example:x/",
    ],
)  # fmt: skip
def test_what_is_no_url_to_every_reader_of_urls_is_none(url: str) -> None:
    with pytest.raises(FetchError, match=r"is no URL|has more than a place"):
        check_url(url)


@pytest.mark.parametrize("url", ["https://[2001:DB8::1]/", f"https://idp.example/{'a' * 70_000}"], ids=len)
def test_what_the_http_client_reads_otherwise_or_not_at_all_is_no_url(url: str) -> None:
    with pytest.raises(FetchError, match="is no URL"):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example/", "http://10.0.0.1/", "http://[fe80::1]/", "http://localhost.example/", "ftp://localhost/",
        "http://127.0.0.1.example/", "file://localhost/etc/passwd", "data://localhost/x", "ws://idp.example/",
    ],
)  # fmt: skip
def test_whom_somebody_on_the_way_could_speak_for_is_not_asked(url: str) -> None:
    with pytest.raises(FetchError, match="is not https, and not on this machine"):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["https://u@idp.example/", "https://u:p@idp.example/", "https://idp.example/#x"]
)
def test_a_url_says_where_and_nothing_else(url: str) -> None:
    with pytest.raises(FetchError, match="has more than a place in it"):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://idp.example", "https://idp.example:8443/keys?a=b", "HTTPS://IDP.EXAMPLE/", "https://10.0.0.1/",
        "http://localhost:9/", "http://127.0.0.1/", "http://127.9.9.9/", "http://[::1]:9/", "https://xn--bcher-kva.example/",
    ],
)  # fmt: skip
def test_https_anywhere_and_http_on_this_machine_are_places(url: str) -> None:
    check_url(url)


def test_this_machine_is_told_from_others() -> None:
    assert all(is_here(f"http://{host}/") for host in ("localhost", "127.0.0.1", "127.1.2.3", "[::1]"))
    assert not any(
        is_here(f"http://{host}/") for host in ("idp.example", "10.0.0.1", "[::2]", "localhost.example")
    )


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "[fc00::1]", "[fe80::1]", "[::]", "[ff02::1]", "[::ffff:10.0.0.1]",
        "[::ffff:127.0.0.1]", "[64:ff9b::a00:1]",
        "[64:ff9b::7f00:1]", "[2002:a00:1::1]", "2130706433", "0x7f.1", "127.1", "0",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(FetchError, match=r"leads to an address that is not public|is no URL"):
        asyncio.run(fetch(f"https://{host}/keys", limit=LIMIT))


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "224.0.0.1", "[::ffff:169.254.169.254]"]
)
def test_what_only_a_cloud_or_nobody_answers_at_is_refused_where_private_addresses_are_not(host: str) -> None:
    with pytest.raises(FetchError, match="leads to an address that is not public"):
        asyncio.run(fetch(f"https://{host}/keys", limit=LIMIT, private=True))


def resolving(*addresses: str) -> Callable[..., Awaitable[list[Any]]]:
    """A resolver for which every name has the next of `addresses` each time it is asked, or else the last."""
    left = list(addresses)

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in found.split()]

    return getaddrinfo


def named(
    resolver: Callable[..., Awaitable[list[Any]]],
    url: Callable[[Server], str],
    tls: ssl.SSLContext,
    **options: Any,
) -> tuple[Any, list[Asked]]:
    """What is fetched beside a TLS server, with names by `resolver`; and what the server was asked."""

    async def run() -> tuple[Any, list[Asked]]:
        async with loopback(tls) as server:
            server.answers["/keys"] = answer("{}")
            asyncio.get_running_loop().getaddrinfo = resolver  # type: ignore[method-assign]
            try:
                found: Any = await fetch(url(server), limit=LIMIT, **options)
            except FetchError as error:
                found = str(error)
            return found, server.asked

    return asyncio.run(run())


def test_a_name_is_looked_up_once_and_what_it_leads_to_afterwards_does_not_matter(tmp_path: Path) -> None:
    tls, ca = certified(tmp_path, "idp.example")
    found, asked = named(
        resolving("127.0.0.1", "10.0.0.1"), lambda server: server.url("/keys", "idp.example"), tls,
        private=True, ca=ca,
    )  # fmt: skip
    assert found == Fetched(b"{}")
    assert asked[0].headers["host"].startswith("idp.example:")


def test_a_name_with_one_address_that_is_not_public_among_others_is_refused_and_nobody_asked(
    tmp_path: Path,
) -> None:
    tls, ca = certified(tmp_path, "idp.example")
    found, asked = named(
        resolving("203.0.113.1 127.0.0.1"), lambda server: server.url("/keys", "idp.example"), tls, ca=ca
    )
    assert (found, asked) == ("`idp.example` leads to an address that is not public", [])


def test_localhost_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    tls, ca = certified(tmp_path, "localhost")
    found, _ = named(resolving("10.0.0.1"), lambda server: server.url("/keys", "localhost"), tls, ca=ca)
    assert found == "`localhost` leads to an address that is not of this machine"


def test_of_several_addresses_the_next_is_asked_when_nobody_listens_at_one(tmp_path: Path) -> None:
    tls, ca = certified(tmp_path, "localhost")
    found, asked = named(
        resolving("127.0.0.2 127.0.0.1"), lambda server: server.url("/keys", "localhost"), tls, ca=ca
    )
    assert (found, len(asked)) == (Fetched(b"{}"), 1)


def test_a_name_without_an_address_and_one_that_can_have_none_are_told() -> None:
    for host in ("nowhere.invalid", "a" * 64 + ".example"):
        with pytest.raises(FetchError, match=r"has no address|is no URL"):
            asyncio.run(fetch(f"https://{host}/", limit=LIMIT))


# Who answers.


def test_a_server_is_believed_for_the_names_of_its_certificate_by_configured_authorities_alone(
    tmp_path: Path,
) -> None:
    tls, ca = certified(tmp_path, "localhost", "127.0.0.1")

    async def body(server: Server) -> list[Any]:
        good = [await fetch(server.url("/", host), limit=LIMIT, ca=ca) for host in ("localhost", "127.0.0.1")]
        told = []
        for host, authorities in (("127.0.0.1", None), ("127.9.9.9", ca)):
            with pytest.raises(FetchError) as caught:
                await fetch(server.url("/", host), limit=LIMIT, ca=authorities)
            told.append(str(caught.value))
        assert len(server.asked) == 2
        return [*good, *told]

    first, second, unknown, misnamed = served(body, {"/": answer("{}")}, tls)
    assert first == second == Fetched(b"{}")
    assert "CERTIFICATE_VERIFY_FAILED" in unknown
    assert "could not be reached" in misnamed


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_authorities_that_cannot_be_read_are_told(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(FetchError, match="holds no certificate authorities"):
        asyncio.run(fetch("https://127.0.0.1:9/", limit=LIMIT, ca=file))


def test_proxies_and_authorities_of_the_environment_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, ca = certified(tmp_path, "127.0.0.1")

    async def body(server: Server) -> str:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        with pytest.raises(FetchError) as caught:
            await fetch(server.url(), limit=LIMIT)
        return str(caught.value)

    assert "CERTIFICATE_VERIFY_FAILED" in served(body, {"/": answer("{}")}, tls)


# Connections that are kept.


def test_a_client_keeps_its_connection_posts_what_it_is_given_and_no_cookies() -> None:
    async def body(server: Server) -> tuple[int, list[Asked]]:
        client = Client(server.url())
        for turn in (b"a", b"b"):
            assert await client.post(turn, {"x-turn": "1"}, limit=LIMIT) == Fetched(b"{}")
        await client.close()
        await client.close()
        return server.connections, server.asked

    connections, asked = served(body, {"/": answer("{}", set_cookie="session=1")})
    assert connections == 1
    assert [(one.method, one.body, one.headers["x-turn"]) for one in asked] == [
        ("POST", b"a", "1"),
        ("POST", b"b", "1"),
    ]
    assert not any("cookie" in one.headers for one in asked)


def test_many_at_once_share_one_client() -> None:
    async def body(server: Server) -> int:
        client = Client(server.url())
        await asyncio.gather(*(client.get(limit=LIMIT) for _ in range(20)))
        assert len(server.asked) == 20
        await client.close()
        return len(server.asked)

    assert served(body, {"/": answer("{}")}) == 20


# What is told.


@given(
    secret=st.text(min_size=1),
    place=st.sampled_from(["https://u:{}@idp.example/k", "https://idp.example/k?{}"]),
)
def test_what_is_told_of_a_url_holds_no_password_and_no_query(secret: str, place: str) -> None:
    before, _, after = place.partition("{}")
    marked = f"<{secret}>"
    told = shown(f"{before}{marked}{after}")
    assert marked not in told
    assert told in {"https://…", "https://idp.example/k?…"}


def test_what_is_told_of_a_url_without_secrets_is_all_of_it_that_prints() -> None:
    assert shown("https://idp.example:8443/a/b") == "https://idp.example:8443/a/b"
    assert shown("https://idp.example/\x1b[2J") == "https://idp.example/�[2J"
