"""URLs that say who is believed: which of them may be asked at all, and how one is told.

Knows no network and no HTTP client, so that settings can be checked before there is either.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

# Readers of URLs differ in what else a host could be, and must not differ in whom it names.
_PLACE: Final = re.compile(r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]*)?", re.IGNORECASE)
# What some take for an IPv4 address in one of its odd spellings, and others for a name.
_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")


def shown(url: str) -> str:
    """A URL as it may be told: without user, password, query and fragment, any of which may be secret."""
    place, *more = re.split(r"[?#]", url, maxsplit=1)
    scheme, slashes, _ = place.partition("://")
    # Where there is an `@`, a password may stand on either side of every other sign.
    told = f"{scheme}{slashes}…" if "@" in url else place + ("?…" if more else "")
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in told)


def check(url: str) -> None:
    """Refuses a URL that is not `https`, or `http` to this machine, or that names a user or fragment.

    Raises `ValueError`, whose text holds nothing secret.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"`{shown(url)}` is no URL") from None
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"`{shown(url)}` is no URL")
    if "@" in parts.netloc or "#" in url:
        raise ValueError(f"`{shown(url)}` has more than a place in it")
    if not _PLACE.fullmatch(parts.netloc) or not _is_one_host(host):
        raise ValueError(f"`{shown(url)}` is no URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here(url)):
        raise ValueError(f"`{shown(url)}` is not https, and not on this machine")


def check_issuer(url: str) -> None:
    """Refuses what is no issuer's URL, whose metadata could be asked for (RFC 8414 section 2); as `check`."""
    check(url)
    if "?" in url:
        raise ValueError(f"`{shown(url)}` is no issuer: it has a query")


def is_here(url: str) -> bool:
    """Whether a URL that `check` takes names this machine itself."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_one_host(host: str) -> bool:
    """Whether a host is an address in its one spelling, or a name that nobody takes for an address."""
    if ":" not in host and not _NUMBER.fullmatch(host):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
