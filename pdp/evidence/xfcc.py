"""The X-Forwarded-Client-Cert header, as Envoy writes it: which certificate the proxy saw.

Knows the header's grammar and nothing of certificates. Whether the header may be believed at all is a
question of who sent it (an enforcement point with `xfcc = true`), and not of what it says.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from pdp.evidence.refusals import XFCC_MALFORMED, EvidenceError

LIMIT: Final = 32 * 1024
"""How many characters are read: an escaped chain of three certificates has about a third of them."""

_SINGLE: Final = frozenset({"by", "hash", "cert", "chain", "subject", "uri"})
_KEYS: Final = _SINGLE | {"dns"}
# A value in quotes may hold anything but a bare quote; one without ends at the first separator.
_PAIR: Final = re.compile(r'([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;=]*))(?=[,;]|\Z)', re.DOTALL)
_QUOTED: Final = re.compile(r"\\(.)", re.DOTALL)
_HASH: Final = re.compile(r"[0-9A-Fa-f]{64}\Z")


class Element(Struct, frozen=True, gc=False):
    """What one proxy said of its client. `digest` is the SHA-256 of the client's certificate (DER).

    `by` and `uri` are URIs as written, `certificate` and `chain` PEM text; all may be empty, as may `dns`.
    """

    by: str
    digest: bytes
    certificate: str
    chain: str
    subject: str
    uri: str
    dns: tuple[str, ...]


def parse(header: str) -> tuple[Element, ...]:
    """The elements of a header, the nearest proxy's last; raises `EvidenceError`.

    Elements are separated by `,`, their pairs by `;`. Keys are known and, but for `DNS`, stand once in an
    element; several `URI`s would be several identities.
    """
    if not header or len(header) > LIMIT or not header.isascii() or not header.isprintable():
        raise EvidenceError(XFCC_MALFORMED)
    elements: list[Element] = []
    pairs: dict[str, list[str]] = {}
    at = 0
    while True:
        pair = _PAIR.match(header, at)
        if pair is None:
            raise EvidenceError(XFCC_MALFORMED)
        key = pair[1].lower()
        if key not in _KEYS or (key in _SINGLE and key in pairs):
            raise EvidenceError(XFCC_MALFORMED)
        pairs.setdefault(key, []).append(_QUOTED.sub(r"\1", pair[2]) if pair[2] is not None else pair[3])
        at = pair.end()
        if at == len(header):
            return (*elements, _element(pairs))
        if header[at] == ",":
            elements.append(_element(pairs))
            pairs = {}
        at += 1


def nearest(header: str) -> Element:
    """What the proxy next to us said: the last element, which no client further out can have written."""
    return parse(header)[-1]


def _element(pairs: dict[str, list[str]]) -> Element:
    def of(key: str) -> str:
        return pairs.get(key, [""])[0]

    if "hash" not in pairs or _HASH.match(of("hash")) is None:
        raise EvidenceError(XFCC_MALFORMED)
    return Element(
        by=of("by"),
        digest=bytes.fromhex(of("hash")),
        certificate=_pem(of("cert")),
        chain=_pem(of("chain")),
        subject=of("subject"),
        uri=of("uri"),
        dns=tuple(pairs.get("dns", ())),
    )


def _pem(escaped: str) -> str:
    try:
        return unquote_to_bytes(escaped).decode("ascii")
    except UnicodeDecodeError:
        raise EvidenceError(XFCC_MALFORMED) from None
