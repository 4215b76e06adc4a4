"""One document from one URL, or nothing: bounded in size and time, from where it was meant to come from.

The only module that knows the HTTP client. What is fetched says who is believed, so an address that somebody
else could be behind is refused: no redirects, no plain HTTP but on this machine, no private networks unless
the configuration says so.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

import httpx

SECONDS: Final = 5.0


class FetchError(Exception):
    """The document could not be had; the text says why, and holds nothing secret."""


def check_url(url: str) -> None:
    """Refuses a URL that is not `https`, or `http` to this machine, or that names a user or fragment."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise FetchError(f"`{url}` is no URL") from None
    if not url.isascii() or not url.isprintable() or " " in url or host is None:
        raise FetchError(f"`{url}` is no URL")
    if parts.username is not None or parts.fragment:
        raise FetchError(f"`{url}` has more than a place in it")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(host)):
        raise FetchError(f"`{url}` is not https, and not on this machine")


async def fetch(url: str, *, limit: int, private: bool = False) -> bytes:
    """At most `limit` bytes of the document at `url`; raises `FetchError`."""
    check_url(url)
    parts = urlsplit(url)
    here = _is_here(parts.hostname or "")
    if not (here or private):
        await _check_public(parts.hostname or "", parts.port or 443)
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpx.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", url, headers={"accept": "application/json"}) as response,
        ):
            # The name may have led elsewhere meanwhile: what counts is who answers.
            peer = response.extensions["network_stream"].get_extra_info("server_addr")
            if not (here or private) and not _is_public(peer[0]):
                raise FetchError(f"`{url}` leads to an address that is not public")
            if response.status_code != 200:
                raise FetchError(f"`{url}` answered with status {response.status_code}")
            data = b""
            async for part in response.aiter_bytes():
                data += part
                if len(data) > limit:
                    raise FetchError(f"`{url}` has more than {limit} bytes")
            return data
    except (httpx.TimeoutException, TimeoutError):
        raise FetchError(f"`{url}` did not answer within {SECONDS:g} seconds") from None
    except (httpx.HTTPError, OSError):
        raise FetchError(f"`{url}` could not be reached") from None


async def _check_public(host: str, port: int) -> None:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise FetchError(f"`{host}` has no address") from None
    if not found or not all(_is_public(str(entry[4][0])) for entry in found):
        raise FetchError(f"`{host}` leads to an address that is not public")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_public(address: str) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.is_global and not found.is_multicast
