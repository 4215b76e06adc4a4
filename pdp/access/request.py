"""What an enforcement point asks: one request, its shape checked, its values not yet typed.

Knows the members of a request (LANGUAGE.md section 3), and neither the schema nor the policies: what an
attribute may hold is checked by `pdp.gather`. Everything wrong here is the asker's mistake, and is named by
the JSON pointer of the member that is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from pdp.access.document import RequestError, check, decode, escape, plain, read

__all__ = [
    "ASSERTED", "LIMITS", "PRESENTED", "TASK",
    "Limits", "Request", "RequestError", "decode", "escape", "shape",
]  # fmt: skip

ASSERTED = frozenset({"binding", "issuer", "id", "audiences", "scopes", "age", "lifetime"})
PRESENTED = frozenset({"token", "scheme", "proofs", "certificate", "xfcc"})
SCHEMES = ("Bearer", "DPoP")
TASK = frozenset({"id", "owner", "purpose", "actions", "audiences", "started", "expires", "uses_left"})

_REQUEST = frozenset({"caller", "credential", "audience", "action", "resource", "task", "context", "request"})
_SENT = frozenset({"method", "uri", "peer"})
# RFC 9449 section 4.3 has one proof only; that there are more is told as what it is, up to here.
_PROOFS = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a request may be. `members` holds for one object or one array, `depth` counts both."""

    body: int = 64 * 1024
    depth: int = 32
    members: int = 1_000
    name: int = 2_048


LIMITS = Limits()


# A struct and not a dataclass, here and for facts and answers: a frozen one is made ten times as fast.
class Request(msgspec.Struct, frozen=True, gc=False):
    """One question. Attribute records hold JSON values and none of the built-in members beside them.

    `caller` and `credential` are None where the request has none; `credential` has the one member `asserted`,
    or what was presented (`PRESENTED`); `task` is an id, or a record asserted by the enforcement point;
    `sent` is the request that the enforcement point received: its `method` and `uri`, which proofs are made
    for, and the `peer` that sent it. A request without a resource has the type and id `""`.
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
    sent: dict[str, str] | None = None

    @staticmethod
    def parse(data: bytes | str | Mapping[str, Any], limits: Limits = LIMITS) -> Request:
        """The request that `data` writes: JSON (as bytes or text), or the same already decoded.

        Raises `RequestError`. JSON is read strictly: no duplicate member, no NaN or infinity, no integer
        beyond 64 bits, no lone surrogate, no byte order mark.
        """
        if type(data) is bytes or isinstance(data, (bytes, str)):
            return shape(read(data, limits.body, limits.depth, limits.members), limits)
        document = plain(data, "", limits.depth)
        check(document, limits.depth, limits.members)
        return shape(document, limits)


def shape(document: Any, limits: Limits = LIMITS) -> Request:
    """The request that a checked document is. Takes the document apart: it is of no use afterwards."""
    if type(document) is not dict:
        raise RequestError("", "a request is an object")
    if not _REQUEST.issuperset(document):
        raise _unknown("", document.keys() - _REQUEST, "a request has no such member")
    member = document.get

    audience = member("audience")
    if type(audience) is not str or not 0 < len(audience) <= limits.name:
        raise _no_name("/audience", document, "audience", limits)

    action = member("action")
    attributes: dict[str, Any] = {}
    if type(action) is dict:
        attributes = action
        action = attributes.get("name")
        if type(action) is not str or not 0 < len(action) <= limits.name:
            raise _no_name("/action/name", attributes, "name", limits)
        del attributes["name"]
    elif type(action) is not str or not 0 < len(action) <= limits.name:
        raise _no_name("/action", document, "action", limits)

    resource = member("resource")
    resource_type = resource_id = ""
    if resource is None:
        resource = {}
    elif type(resource) is not dict:
        raise RequestError("/resource", "must be an object")
    else:
        if "type" not in resource:
            raise RequestError("/resource/type", "is missing")
        resource_type = resource.pop("type")
        resource_id = resource.pop("id", "")
        if type(resource_type) is not str:
            raise RequestError("/resource/type", "must be a string")
        if type(resource_id) is not str:
            raise RequestError("/resource/id", "must be a string")

    credential = member("credential")
    if credential is not None:
        _check_credential(credential)

    task = member("task")
    if type(task) is dict:
        if not TASK.issuperset(task):
            raise _unknown("/task", task.keys() - TASK, "a task has no such member")
    elif task is not None and type(task) is not str:
        raise RequestError("/task", "must be the id of a task, or an object")

    caller = member("caller")
    if caller is not None and type(caller) is not dict:
        raise RequestError("/caller", "must be an object")
    context = member("context")
    if context is not None and type(context) is not dict:
        raise RequestError("/context", "must be an object")

    sent = member("request")
    if sent is not None:
        _check_sent(sent, limits)

    return Request(
        audience, action, attributes, resource_type, resource_id, resource,
        caller, credential, task, context or {}, sent,
    )  # fmt: skip


def _check_credential(credential: Any) -> None:
    if type(credential) is not dict:
        raise RequestError("/credential", "must be an object")
    if "asserted" not in credential:
        _check_presented(credential)
        return
    if len(credential) > 1:
        raise _unknown("/credential", credential.keys() - {"asserted"}, "cannot stand beside `asserted`")
    asserted = credential["asserted"]
    if type(asserted) is not dict:
        raise RequestError("/credential/asserted", "must be an object")
    if not ASSERTED.issuperset(asserted):
        unknown = asserted.keys() - ASSERTED
        raise _unknown("/credential/asserted", unknown, "cannot be asserted of a credential")
    if "age" not in asserted:
        raise RequestError("/credential/asserted/age", "is missing")
    if "lifetime" not in asserted:
        raise RequestError("/credential/asserted/lifetime", "is missing")


def _check_presented(credential: dict[str, Any]) -> None:
    if not PRESENTED.issuperset(credential):
        raise _unknown("/credential", credential.keys() - PRESENTED, "a credential has no such member")
    for name in ("token", "scheme", "certificate", "xfcc"):
        if name in credential and type(credential[name]) is not str:
            raise RequestError(f"/credential/{name}", "must be a string")
    if credential.keys().isdisjoint(("token", "certificate", "xfcc")):
        raise RequestError("/credential", "presents nothing: a token, a certificate, or `asserted`")
    if "certificate" in credential and "xfcc" in credential:
        raise RequestError("/credential/xfcc", "stands beside `certificate`: one of the two is enough")
    if credential.get("scheme", "Bearer") not in SCHEMES:
        raise RequestError("/credential/scheme", "must be `Bearer` or `DPoP`")
    if "proofs" in credential:
        _check_proofs(credential["proofs"])


def _check_proofs(proofs: Any) -> None:
    if type(proofs) is not dict:
        raise RequestError("/credential/proofs", "must be an object")
    if not proofs.keys() <= {"dpop", "wpt"}:
        raise _unknown("/credential/proofs", proofs.keys() - {"dpop", "wpt"}, "is no kind of proof")
    dpop = proofs.get("dpop", [])
    if type(dpop) is not list or len(dpop) > _PROOFS or any(type(proof) is not str for proof in dpop):
        raise RequestError("/credential/proofs/dpop", f"must be an array of at most {_PROOFS} strings")
    if type(proofs.get("wpt", "")) is not str:
        raise RequestError("/credential/proofs/wpt", "must be a string")


def _check_sent(sent: Any, limits: Limits) -> None:
    if type(sent) is not dict:
        raise RequestError("/request", "must be an object")
    if not sent.keys() <= _SENT:
        raise _unknown("/request", sent.keys() - _SENT, "a request has no such member")
    for name, value in sent.items():
        if type(value) is not str or not value:
            raise RequestError(f"/request/{name}", "must be a string, and not empty")
        # A URI is as long as its server takes it; the others are names, by which much is remembered.
        if name != "uri" and len(value) > limits.name:
            raise RequestError(f"/request/{name}", f"must have 1 to {limits.name} characters")


def _unknown(at: str, names: set[str], detail: str) -> RequestError:
    # The first by its spelling: the same request gets the same answer.
    return RequestError(f"{at}/{escape(min(names))}", detail)


def _no_name(at: str, record: dict[str, Any], member: str, limits: Limits) -> RequestError:
    """What is wrong with a member that must be a name."""
    if member not in record:
        return RequestError(at, "is missing")
    if isinstance(record[member], str):
        return RequestError(at, f"must have 1 to {limits.name} characters")
    return RequestError(at, "must be a string" + (", or an object with a `name`" if at == "/action" else ""))
