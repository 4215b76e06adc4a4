"""What an enforcement point asks: one request, its shape checked, its values not yet typed.

Knows JSON and the members of a request (LANGUAGE.md section 3), and neither the schema nor the policies: what
an attribute may hold is checked by `pdp.gather`. Everything wrong here is the asker's mistake, and is named
by the JSON pointer (RFC 6901) of the member that is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import jiter

from pdp.access.values import INT_MAX, INT_MIN

CALLER = frozenset({"id", "kind", "issuer", "trust_domain", "groups", "on_behalf_of", "actors", "depth"})
ASSERTED = frozenset({"binding", "issuer", "id", "audiences", "scopes", "age", "lifetime"})
TASK = frozenset({"id", "owner", "purpose", "actions", "audiences", "started", "expires", "uses_left"})

_REQUEST = frozenset({"caller", "credential", "audience", "action", "resource", "task", "context"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a request may be. `members` holds for one object or one array, `depth` counts both."""

    body: int = 64 * 1024
    depth: int = 32
    members: int = 1_000
    name: int = 2_048


LIMITS = Limits()


class RequestError(Exception):
    """The request is not one. `pointer` names the member (empty: the whole document), `detail` says why.

    `too_large` tells the one refusal that HTTP gives its own status.
    """

    def __init__(self, pointer: str, detail: str, *, too_large: bool = False) -> None:
        super().__init__(f"{pointer or 'request'}: {detail}")
        self.pointer = pointer
        self.detail = detail
        self.too_large = too_large


@dataclass(frozen=True, slots=True)
class Request:
    """One question. Attribute records hold JSON values and none of the built-in members beside them.

    `caller` and `credential` are None where the request has none; `credential` has the one member `asserted`;
    `task` is an id, or a record asserted by the enforcement point. A request without a resource has the type
    and id `""`.
    """

    audience: str
    action: str
    action_attributes: dict[str, Any]
    resource_type: str
    resource_id: str
    resource: dict[str, Any]
    caller: dict[str, Any] | None
    credential: dict[str, Any] | None
    task: str | dict[str, Any] | None
    context: dict[str, Any]

    @staticmethod
    def parse(data: bytes | str | Mapping[str, Any], limits: Limits = LIMITS) -> Request:
        """The request that `data` writes: JSON (as bytes or text), or the same already decoded.

        Raises `RequestError`. JSON is read strictly: no duplicate member, no NaN or infinity, no integer
        beyond 64 bits, no lone surrogate, no byte order mark.
        """
        if isinstance(data, Mapping):
            document: Any = _plain(data, "", limits.depth)
        else:
            document = decode(data, limits.body)
        return shape(document, limits)


def decode(body: bytes | str, limit: int) -> Any:
    """The JSON value of a body of at most `limit` bytes; `RequestError` when there is none."""
    if isinstance(body, str):
        try:
            body = body.encode()
        except UnicodeEncodeError:
            raise RequestError("", "the text holds a lone surrogate") from None
    if len(body) > limit:
        raise RequestError("", f"the body is larger than {limit} bytes", too_large=True)
    try:
        return jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise _diagnose(body, str(error)) from None


def shape(document: Any, limits: Limits = LIMITS, at: str = "") -> Request:
    """The request that a decoded document is. `at` is the pointer of the document within a larger one."""
    if type(document) is not dict:
        raise RequestError(at, "a request is an object")
    if not document.keys() <= _REQUEST:
        unknown = min(document.keys() - _REQUEST)
        raise RequestError(f"{at}/{escape(unknown)}", "a request has no such member")
    try:
        _check_values(document, limits.depth, limits.members)
    except _Wrong as wrong:
        raise wrong.error(at) from None

    audience = document.get("audience")
    if type(audience) is not str:
        raise _not_text(document, "audience", at)
    if not audience or len(audience) > limits.name:
        raise RequestError(f"{at}/audience", f"must have 1 to {limits.name} characters")

    named = document.get("action")
    attributes: dict[str, Any] = {}
    if type(named) is dict:
        attributes = named
        named = attributes.pop("name", None)
        if type(named) is not str:
            raise RequestError(f"{at}/action/name", "must be a string")
    elif type(named) is not str:
        if "action" in document:
            raise RequestError(f"{at}/action", "must be a string, or an object with a `name`")
        raise RequestError(f"{at}/action", "is missing")
    if not named or len(named) > limits.name:
        where = "/action/name" if type(document["action"]) is dict else "/action"
        raise RequestError(f"{at}{where}", f"must have 1 to {limits.name} characters")

    resource = _optional_object(document, "resource", at)
    resource_type = resource_id = ""
    if resource is None:
        resource = {}
    else:
        resource_type = resource.pop("type", None)
        if type(resource_type) is not str:
            raise RequestError(f"{at}/resource/type", "must be a string")
        resource_id = resource.pop("id", "")
        if type(resource_id) is not str:
            raise RequestError(f"{at}/resource/id", "must be a string")

    credential = _optional_object(document, "credential", at)
    if credential is not None:
        _check_credential(credential, at)

    task = document.get("task")
    if task is not None and type(task) is not str:
        if type(task) is not dict:
            raise RequestError(f"{at}/task", "must be the id of a task, or an object")
        if not task.keys() <= TASK:
            raise RequestError(f"{at}/task/{escape(min(task.keys() - TASK))}", "a task has no such member")

    return Request(
        audience, named, attributes, resource_type, resource_id, resource,
        _optional_object(document, "caller", at), credential, task,
        _optional_object(document, "context", at) or {},
    )  # fmt: skip


class _Wrong(Exception):
    """A value that no policy value can be; `steps` lead to it, the innermost first."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.steps: list[str | int] = []

    def error(self, at: str) -> RequestError:
        return RequestError(
            at + "".join(f"/{escape(str(step))}" for step in reversed(self.steps)), self.detail
        )


def _check_values(value: Any, depth: int, members: int) -> None:
    """Refuses what no policy value can hold, wherever it stands. `depth` levels are left, this one too."""
    if depth < 1:
        raise _Wrong("is nested too deep")
    if len(value) > members:
        raise _Wrong(f"has more than {members} members")
    step: str | int
    for step, member in value.items() if type(value) is dict else enumerate(value):
        kind = type(member)
        if kind is str or kind is bool:
            continue
        try:
            if kind is dict or kind is list:
                _check_values(member, depth - 1, members)
            elif kind is int:
                if not INT_MIN <= member <= INT_MAX:
                    raise _Wrong("is an integer beyond 64 bits")
            elif kind is float and not isfinite(member):
                raise _Wrong("is not a finite number")
            # Null is a value of JSON and of no policy type: where a type is declared, gather refuses it.
        except _Wrong as wrong:
            wrong.steps.append(step)
            raise


def escape(name: str) -> str:
    """A member's name as one step of a JSON pointer (RFC 6901 section 3), shortened where it is absurd."""
    name = name if len(name) <= 64 else name[:64] + "…"
    if "~" in name or "/" in name:
        return name.replace("~", "~0").replace("/", "~1")
    return name


def _optional_object(document: dict[str, Any], name: str, at: str) -> dict[str, Any] | None:
    member = document.get(name)
    if member is None or type(member) is dict:
        return member
    raise RequestError(f"{at}/{name}", "must be an object")


def _not_text(document: dict[str, Any], name: str, at: str) -> RequestError:
    return RequestError(f"{at}/{name}", "must be a string" if name in document else "is missing")


def _check_credential(credential: dict[str, Any], at: str) -> None:
    asserted = credential.get("asserted")
    if len(credential) != 1 or asserted is None:
        for name in sorted(credential.keys() - {"asserted"}):
            raise RequestError(f"{at}/credential/{escape(name)}", "a credential has no such member")
        raise RequestError(f"{at}/credential/asserted", "is missing")
    if type(asserted) is not dict:
        raise RequestError(f"{at}/credential/asserted", "must be an object")
    if not asserted.keys() <= ASSERTED:
        unknown = min(asserted.keys() - ASSERTED)
        raise RequestError(
            f"{at}/credential/asserted/{escape(unknown)}", "cannot be asserted of a credential"
        )
    for name in ("age", "lifetime"):
        if name not in asserted:
            raise RequestError(f"{at}/credential/asserted/{name}", "is missing")


def _plain(value: Any, at: str, depth: int) -> Any:
    """A decoded document as plain dicts and lists of its own, so that nobody can change it afterwards."""
    if depth < 1 and isinstance(value, Mapping | list | tuple | set | frozenset):
        raise RequestError(at, "is nested too deep")
    if isinstance(value, Mapping):
        copy = {}
        for name, member in value.items():
            if not isinstance(name, str):
                raise RequestError(at, "has a member whose name is no string")
            _check_text(name, at)
            copy[name] = _plain(member, f"{at}/{escape(name)}", depth - 1)
        return copy
    if isinstance(value, list | tuple):
        return [_plain(member, f"{at}/{index}", depth - 1) for index, member in enumerate(value)]
    if isinstance(value, str):
        _check_text(value, at)
        return str(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise RequestError(at, "is no JSON value")


def _check_text(text: str, at: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RequestError(at, "holds a lone surrogate") from None


class _Duplicate:
    """Stands in for the value of a member that came twice."""


def _diagnose(body: bytes, message: str) -> RequestError:
    """Why strict reading failed, with the member where it can be found. Slow, and only for refusals."""
    if body.startswith(b"\xef\xbb\xbf"):
        return RequestError("", "starts with a byte order mark")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return RequestError("", f"is not UTF-8 (byte {error.start + 1})")
    if "recursion limit" in message:
        return RequestError("", "is nested too deep")
    try:
        lenient = json.loads(body, object_pairs_hook=_pairs)
        _find(lenient, "", 64)
    except RequestError as error:
        return error
    except (ValueError, RecursionError):
        pass
    place = message.rsplit(" at line ", 1)
    where = f" (line {place[1].replace(' column ', ', column ')})" if len(place) == 2 else ""
    return RequestError("", f"is not JSON{where}".replace(" , ", ", "))


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found[name] = _Duplicate if name in found else value
    return found


def _find(value: Any, at: str, depth: int) -> None:
    """Raises for the first member that strict reading refuses and lenient reading took."""
    if depth < 1:
        raise RequestError(at, "is nested too deep")
    if value is _Duplicate:
        raise RequestError(at, "is there twice")
    if isinstance(value, dict):
        for name, member in value.items():
            _check_text(name, at)
            _find(member, f"{at}/{escape(name)}", depth - 1)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _find(member, f"{at}/{index}", depth - 1)
    elif isinstance(value, str):
        _check_text(value, at)
    elif isinstance(value, float) and not isfinite(value):
        raise RequestError(at, "is not a finite number")
    elif isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        raise RequestError(at, "is an integer beyond 64 bits")
