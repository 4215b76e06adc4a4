"""From bytes to a JSON document, read strictly. Knows JSON, and not what is written in it.

No duplicate member, no NaN or infinity, no integer beyond 64 bits, no lone surrogate, no byte order mark.
What is wrong is the asker's mistake, and is named by the JSON pointer (RFC 6901) of the member.

Good documents are read by the fastest reader there is, which checks them on the way. All others are read
again by stricter and slower ones, to find the member.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isfinite
from typing import Annotated, Any

import jiter
import msgspec
from msgspec import Meta

from pdp.access.values import INT_MAX, INT_MIN

# No number that a policy can hold is written with more characters; Python reads none with more than 4,300.
_DIGITS = 1_000
# How deep a document is searched for what is wrong in it: deeper than any limit that can be set.
_SEARCHED = 128
_BACKSLASH = ord("\\")
# How deep documents are read fast: each level doubles what the reader holds, and few documents have as many.
_USUAL = 6


class RequestError(Exception):
    """The request is not one. `pointer` names the member (empty: the whole document), `detail` says why.

    `too_large` tells the one refusal that HTTP gives its own status.
    """

    def __init__(self, pointer: str, detail: str, *, too_large: bool = False) -> None:
        super().__init__(f"{pointer or 'request'}: {detail}")
        self.pointer = pointer
        self.detail = detail
        self.too_large = too_large


def read(body: bytes | str, size: int, depth: int, members: int) -> Any:
    """The JSON value of a body of at most `size` bytes, no deeper and with no larger objects than given.

    Raises `RequestError`. `depth` counts objects and arrays, `members` holds for each of them.
    """
    body = body if type(body) is bytes else _bytes(body)
    # A quote that is written as a number would be one more when it is written again.
    if len(body) <= size and (_BACKSLASH not in body or b"\\u0022" not in body):
        try:
            document = _fast(depth, members)(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
        else:
            # This reader keeps only the last of members of one name, and then there are fewer strings; each
            # has two quotes, and those within it.
            if _write(document).count(b'"') == body.count(b'"'):
                return document
    document = decode(body, size)
    check(document, depth, members)
    return document


_write = msgspec.json.Encoder().encode


@lru_cache(maxsize=16)
def _fast(depth: int, members: int) -> Callable[[bytes], Any]:
    """Reads documents as deep and large as given, and no deeper than most; refuses what `check` does."""
    plain = None | bool | Annotated[int, Meta(ge=INT_MIN, le=INT_MAX)] | float | str
    value: Any = plain
    for _ in range(min(depth, _USUAL)):
        few = Meta(max_length=members)
        value = plain | Annotated[dict[str, value], few] | Annotated[list[value], few]
    return msgspec.json.Decoder(value).decode


def decode(body: bytes | str, size: int) -> Any:
    """The JSON value of a body of at most `size` bytes, not yet checked; `RequestError` if it has none."""
    body = _bytes(body)
    if len(body) > size:
        raise RequestError("", f"is larger than {size} bytes", too_large=True)
    try:
        return jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise _diagnose(body, str(error)) from None


def _bytes(text: bytes | str) -> bytes:
    try:
        return text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise RequestError("", "holds a lone surrogate") from None


def check(document: Any, depth: int, members: int) -> None:
    """Refuses what no policy value can hold, wherever it stands, and what is too deep or too large."""
    try:
        _check(document, depth, members)
    except _Wrong as wrong:
        steps = "".join(f"/{escape(str(step))}" for step in reversed(wrong.steps))
        raise RequestError(steps, wrong.detail) from None


class _Wrong(Exception):
    """A value that no policy value can be; `steps` lead to it, the innermost first."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.steps: list[str | int] = []


class _Refused:
    """Stands in for a value that only a lenient reader takes."""

    def __init__(self, detail: str) -> None:
        self.detail = detail


def _check(value: Any, depth: int, members: int) -> None:
    # Null is a value of JSON and of no policy type: where a type is declared, gather refuses it.
    if isinstance(value, dict | list):
        if depth < 1:
            raise _Wrong("is nested too deep")
        if len(value) > members:
            raise _Wrong(f"has more than {members} members")
        step: str | int
        for step, member in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(step, str):
                _check_text(step)
            try:
                _check(member, depth - 1, members)
            except _Wrong as wrong:
                wrong.steps.append(step)
                raise
    elif isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        raise _Wrong("is an integer beyond 64 bits")
    elif isinstance(value, float) and not isfinite(value):
        raise _Wrong("is not a finite number")
    elif isinstance(value, _Refused):
        raise _Wrong(value.detail)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Wrong("holds a lone surrogate") from None


def escape(name: str) -> str:
    """A member's name as one step of a JSON pointer (RFC 6901 section 3), shortened where it is absurd."""
    name = name if len(name) <= 64 else name[:64] + "…"
    if "~" in name or "/" in name:
        return name.replace("~", "~0").replace("/", "~1")
    return name


def plain(value: Any, at: str, depth: int) -> Any:
    """A decoded document as plain dicts and lists of its own, so that nobody can change it afterwards."""
    if isinstance(value, Mapping | list | tuple):
        if depth < 1:
            raise RequestError(at, "is nested too deep")
        if not isinstance(value, Mapping):
            return [plain(member, f"{at}/{index}", depth - 1) for index, member in enumerate(value)]
        copy = {}
        for name, member in value.items():
            if not isinstance(name, str):
                raise RequestError(at, "has a member whose name is no string")
            copy[str.__str__(name)] = plain(member, f"{at}/{escape(name)}", depth - 1)
        return copy
    if value is None or isinstance(value, bool):
        return value
    # A subclass may say of itself what it likes: what counts is the text or number that it is.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise RequestError(at, "is no JSON value")


def _diagnose(body: bytes, message: str) -> RequestError:
    """Why strict reading failed, with the member where it can be found. Slow, and only for refusals."""
    if body.startswith(b"\xef\xbb\xbf"):
        return RequestError("", "starts with a byte order mark")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        return RequestError("", f"is not UTF-8 (byte {error.start + 1})")
    if "recursion limit" in message:
        return RequestError("", "is nested too deep")
    try:
        # Lenient reading takes what strict reading refuses; what it refuses too is no JSON.
        check(json.loads(text, object_pairs_hook=_pairs, parse_int=_integer), _SEARCHED, len(text))
    except RequestError as error:
        return error
    except (ValueError, RecursionError):
        pass
    place = message.rsplit(" at line ", 1)
    where = f" (line {place[1].replace(' column ', ', column ')})" if len(place) == 2 else ""
    return RequestError("", f"is not JSON{where}")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found[name] = _Refused("is there twice") if name in found else value
    return found


def _integer(digits: str) -> Any:
    return int(digits) if len(digits) <= _DIGITS else _Refused("is an integer beyond 64 bits")
