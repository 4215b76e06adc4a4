"""The requests of a batch, told apart: each is still text, so that a bad one among them harms no other.

Knows how a batch is written, and nothing of what its requests hold.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TypeVar

import msgspec

from pdp.access.request import RequestError, decode, escape
from pdp.settings import Limits

Item = TypeVar("Item", bytes, msgspec.Raw)


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    requests: list[msgspec.Raw]


_batch = msgspec.json.Decoder(_Batch)


def split(body: bytes, limits: Limits) -> list[msgspec.Raw] | None:
    """The requests of a batch. None where this reader, which has to understand each a little, cannot tell.

    Raises `RequestError` for a batch that is too large.
    """
    if len(body) > limits.batch_body:
        raise RequestError("", f"is larger than {limits.batch_body} bytes", too_large=True)
    try:
        items = _batch.decode(body).requests
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    # It takes a member that is there twice. A body in which the name stands once cannot have it twice.
    if len(_NAME.findall(body)) > 1:
        return None
    return _counted(items, limits)


def split_carefully(body: bytes, limits: Limits) -> list[bytes]:
    """The same for every body: told apart by brackets and quotes alone, whatever stands between them.

    Raises `RequestError` for what is no batch. Takes up to a second for a body that is made to take long.
    """
    items: list[bytes] = []
    begun, end = _BEGINS.match(body), 0
    depth, start = 0, begun.end() if begun else len(body)
    for piece in islice(_PIECE.finditer(body, start), _PIECES):
        mark = body[piece.start() : piece.start() + 1]
        if mark in b"[{":
            depth += 1
        elif depth:
            depth -= mark in b"]}"
        elif mark in b",]":
            items.append(body[start : piece.start()].strip(_SPACE))
            start = piece.end()
            _counted(items, limits)
            if mark == b"]":
                end = start
                break
    if items == [b""]:
        items = []
    if b"" in items or not end or not _ENDS.fullmatch(body, end):
        raise _no_batch(body, limits)
    return items


_SPACE = b" \t\r\n"
# The name of the one member, or one of its letters in disguise.
_NAME = re.compile(rb'"requests"|\\u00(?:7[1-5]|65)')
_BEGINS = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"requests"[ \t\r\n]*:[ \t\r\n]*\[')
_ENDS = re.compile(rb"[ \t\r\n]*\}[ \t\r\n]*")
# Texts, in which brackets mean nothing, and what counts outside of them. A text that never ends is a piece
# too, and nothing is given back: else there would be as many tries as there are quotes in it.
_PIECE = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
# Enough for every batch of requests that are none the worse for one among them.
_PIECES = 500_000


def _counted(items: list[Item], limits: Limits) -> list[Item]:
    if len(items) > limits.batch:
        detail = f"has more than the {limits.batch} requests that are answered at once"
        raise RequestError("/requests", detail, too_large=True)
    return items


def _no_batch(body: bytes, limits: Limits) -> RequestError:
    try:
        document = decode(body, limits.batch_body)
    except RequestError as error:
        return error
    if type(document) is not dict:
        return RequestError("", "a batch is an object")
    for name in sorted(document.keys() - {"requests"}):
        return RequestError(f"/{escape(name)}", "a batch has no such member")
    if type(document.get("requests")) is list:
        return RequestError("/requests", "must be written without escapes, and not made to take long")
    return RequestError("/requests", "must be an array" if "requests" in document else "is missing")
