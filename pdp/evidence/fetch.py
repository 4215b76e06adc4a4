"""One document from one URL, or nothing: bounded in size and time, from where it was meant to come from.

The only module that knows the HTTP client. What is fetched says who is believed, so an address that somebody
else could be behind is refused before a byte is sent to it: no redirects, no plain HTTP but on this machine,
no private networks unless the configuration says so, and no proxy that the environment names.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from pdp.evidence.urls import check, is_here, shown

SECONDS: Final = 5.0
_OK: Final = (200,)
# Of a name with more addresses than this some are tried; each has its share of the time.
_ADDRESSES: Final = 4
_MAX_AGE: Final = re.compile(r"(?:^|,)[ \t]*max-age=\"?(\d{1,9})\"?[ \t]*(?:,|$)", re.IGNORECASE)
# What is sent there arrives at the IPv4 address in the last 32 bits (RFC 6052 section 2.1).
_NAT64: Final = IPv6Network("64:ff9b::/96")


class FetchError(Exception):
    """The document could not be had; the text says why, and holds nothing secret."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document, and for how many seconds it is fresh where that was said (RFC 9111 section 5.2.2.1)."""

    data: bytes
    max_age: int | None = None
    status: int = 200


def check_url(url: str) -> None:
    """Refuses a URL that `urls.check` does, or that the HTTP client reads as another place."""
    try:
        check(url)
        target = httpx.URL(url)
    except httpx.InvalidURL:
        raise FetchError(f"`{shown(url)}` is no URL") from None
    except ValueError as error:
        raise FetchError(str(error)) from None
    if target.raw_host != (urlsplit(url).hostname or "").encode():
        raise FetchError(f"`{shown(url)}` is no URL")


async def fetch(url: str, *, limit: int, private: bool = False, ca: Path | None = None) -> Fetched:
    """At most `limit` bytes of the document at `url`; raises `FetchError`. See `Client`."""
    client = Client(url, private=private, ca=ca)
    try:
        return await client.get(limit=limit)
    finally:
        await client.close()


class Client:
    """Asks at one URL. `private` allows addresses that are not public; `ca` is a PEM file of the authorities
    that may have issued the server's certificate, instead of the public ones; `seconds` is how long an answer
    may take.

    Connections are kept until `close`. They are known by address, and so serve the one name they were made
    for: a client of several would take one server for another.
    """

    def __init__(
        self, url: str, *, private: bool = False, ca: Path | None = None, seconds: float = SECONDS
    ) -> None:
        self.url, self._private, self._ca, self._seconds = url, private, ca, seconds
        self._client: httpx.AsyncClient | None = None

    async def get(self, *, limit: int) -> Fetched:
        """At most `limit` bytes of the document; raises `FetchError`."""
        return await self._within("GET", None, {}, limit, _OK)

    async def post(
        self, content: bytes, headers: Mapping[str, str], *, limit: int, statuses: Collection[int] = _OK
    ) -> Fetched:
        """At most `limit` bytes of what is answered to `content`, with one of `statuses`; raises
        `FetchError`."""
        return await self._within("POST", content, headers, limit, statuses)

    async def close(self) -> None:
        """Close the connections that are kept."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _within(
        self,
        method: str,
        content: bytes | None,
        headers: Mapping[str, str],
        limit: int,
        statuses: Collection[int],
    ) -> Fetched:
        check_url(self.url)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._ask(method, content, headers, limit, statuses)
        except (httpx.TimeoutException, TimeoutError):
            raise FetchError(f"`{shown(self.url)}` did not answer within {self._seconds:g} seconds") from None
        except (httpx.HTTPError, OSError) as error:
            why = f": {error}" if isinstance(error, httpx.ConnectError) else ""
            raise FetchError(f"`{shown(self.url)}` could not be reached{why}") from None

    async def _ask(
        self,
        method: str,
        content: bytes | None,
        headers: Mapping[str, str],
        limit: int,
        statuses: Collection[int],
    ) -> Fetched:
        target, client = httpx.URL(self.url), await self._opened()
        *others, last = await self._addresses()
        timeout = httpx.Timeout(self._seconds, connect=self._seconds / (1 + len(others)))
        # The certificate is the name's, though it is by its address that the server is asked.
        extensions = {"sni_hostname": target.raw_host.decode("ascii"), "timeout": timeout.as_dict()}
        headers = {"host": target.netloc.decode("ascii"), **headers}

        async def at(address: str) -> Fetched:
            # Sent to the address that was checked: looked up again, the name could lead elsewhere.
            there = target.copy_with(host=address)
            async with client.stream(
                method, there, headers=headers, content=content, extensions=extensions
            ) as response:
                return await _read(response, self.url, limit, statuses)

        for address in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await at(address)
        return await at(last)

    async def _addresses(self) -> list[str]:
        """The addresses that the URL's host has, each of which may be asked."""
        host = urlsplit(self.url).hostname or ""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise FetchError(f"`{host}` has no address") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        here = is_here(self.url)
        if not (addresses and all(_may_be(one, here=here, private=self._private) for one in addresses)):
            place = "of this machine" if here else "public"
            raise FetchError(f"`{host}` leads to an address that is not {place}")
        return addresses[:_ADDRESSES]

    async def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            try:
                # Some ten milliseconds of reading certificates, in which the loop has better to do.
                verify = await asyncio.to_thread(_authorities, self._ca)
            except OSError:
                raise FetchError(f"`{self._ca}` holds no certificate authorities") from None
        # Somebody else may have been faster.
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=verify,
                headers={"accept": "application/json", "accept-encoding": "identity"},
                follow_redirects=False,
                trust_env=False,
            )
            self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
        return self._client


async def _read(response: httpx.Response, url: str, limit: int, statuses: Collection[int]) -> Fetched:
    if response.status_code not in statuses:
        raise FetchError(f"`{shown(url)}` answered with status {response.status_code}")
    # None was asked for, and a few bytes of one can become gigabytes.
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchError(f"`{shown(url)}` answered in an encoding that was not asked for")
    data = bytearray()
    async for part in response.aiter_raw():
        data += part
        if len(data) > limit:
            raise FetchError(f"`{shown(url)}` has more than {limit} bytes")
    age = _MAX_AGE.search(response.headers.get("cache-control", ""))
    return Fetched(bytes(data), int(age[1]) if age else None, response.status_code)


def _authorities(file: Path | None) -> ssl.SSLContext:
    return _public() if file is None else ssl.create_default_context(cafile=file)


@cache
def _public() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _may_be(address: str, *, here: bool, private: bool) -> bool:
    """Whether to ask an address. A link's own never is: there, machines find their cloud's secrets."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        found = _behind(found)
    if here:
        return found.is_loopback
    if found.is_link_local or found.is_multicast or found.is_unspecified:
        return False
    return private or found.is_global


def _behind(address: IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that a packet to `address` ends at, where it is of that kind."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
