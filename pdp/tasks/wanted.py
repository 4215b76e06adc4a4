"""What a client asks for, from the parameters of its request (RFC 8693 section 2.1, RFC 8707 section 2).

Knows which parameters there are, and nothing of what any of them is worth: a token is text here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import jiter
from msgspec import Struct

from pdp.evidence.jws import DEPTH_LIMIT, check_json
from pdp.evidence.jwt import scopes
from pdp.evidence.refusals import EvidenceError
from pdp.tasks.oauth_errors import OAuthError

GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_TYPE: Final = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN: Final = f"{_TYPE}access_token"
TRANSACTION: Final = f"{_TYPE}txn_token"
# A token of any of our issuers is a JWT. Neither refresh nor identity tokens are for services.
TAKEN: Final = frozenset((ACCESS_TOKEN, f"{_TYPE}jwt"))

_NAME_LIMIT: Final = 2_048
# What a transaction token is asked for with becomes part of it, and it is sent with each request.
_DETAILS_LIMIT: Final = 2_048
_SECONDS: Final = re.compile(r"[1-9][0-9]{0,8}\Z")
_KINDS: Final[dict[str, Literal["access_token", "txn_token"]]] = {
    ACCESS_TOKEN: "access_token",
    TRANSACTION: "txn_token",
}


class Wanted(Struct, frozen=True, gc=False):
    """What a client asks for. `lifetime` is in seconds, `scopes` None where it leaves
    them open."""

    kind: Literal["access_token", "txn_token"]
    subject_token: str
    subject_type: str
    actor_token: str | None
    audience: str
    scopes: tuple[str, ...] | None
    lifetime: int | None
    task: str | None
    context: dict[str, Any] | None
    details: dict[str, Any] | None


def wanted(form: Mapping[str, str]) -> Wanted:
    """What the parameters ask for, of which each is there once; raises `OAuthError`.

    Beside those of the standard there are `task`, the id of the task that the token will be for, and
    `expires_in`, the longest that it need live, in seconds.
    """
    grant = form.get("grant_type")
    if grant is None:
        raise OAuthError("invalid_request", "`grant_type` is missing")
    if grant != GRANT:
        raise OAuthError("unsupported_grant_type", "only token exchange is granted here")
    # No type of them is known here (RFC 9396 section 5).
    if "authorization_details" in form:
        raise OAuthError("invalid_authorization_details", "no type of them is known here")
    kind = _KINDS.get(form.get("requested_token_type", ACCESS_TOKEN))
    if kind is None:
        raise OAuthError("invalid_request", "a token of this type is not made here")
    actor, actor_type = form.get("actor_token"), form.get("actor_token_type")
    if (actor is None) is not (actor_type is None):
        raise OAuthError("invalid_request", "an actor token has a type, and a type an actor token")
    if actor_type is not None and actor_type not in TAKEN:
        raise OAuthError("invalid_request", "an actor token of this type is not taken")
    transaction = kind == "txn_token"
    return Wanted(
        kind,
        _required(form, "subject_token"),
        _required(form, "subject_token_type"),
        actor,
        _audience(form),
        _scopes(form.get("scope")),
        _lifetime(form.get("expires_in")),
        None if "task" not in form else _name(form["task"], "task"),
        _details(form, "request_context") if transaction else None,
        _details(form, "request_details") if transaction else None,
    )


def _required(form: Mapping[str, str], parameter: str) -> str:
    if parameter not in form:
        raise OAuthError("invalid_request", f"`{parameter}` is missing")
    return form[parameter]


def _audience(form: Mapping[str, str]) -> str:
    """The one service that the token is for, by its name or as a URI."""
    audience, resource = form.get("audience"), form.get("resource")
    if audience is not None and resource is not None:
        raise OAuthError("invalid_target", "a token is for one audience, or one resource")
    if audience is not None:
        return _name(audience, "audience")
    if resource is None:
        raise OAuthError("invalid_request", "`audience` is missing")
    try:
        absolute = bool(urlsplit(resource).scheme) and resource.isascii() and " " not in resource
    except ValueError:
        absolute = False
    if not absolute or "#" in resource:
        raise OAuthError("invalid_target", "a resource is an absolute URI without a fragment")
    return _name(resource, "resource")


def _name(text: str, parameter: str) -> str:
    if len(text) > _NAME_LIMIT or not text.isprintable():
        raise OAuthError("invalid_request", f"`{parameter}` is no name")
    return text


def _scopes(scope: str | None) -> tuple[str, ...] | None:
    if scope is None:
        return None
    try:
        found = scopes({"scope": scope})
    except EvidenceError:
        raise OAuthError("invalid_scope", "scopes are separated by single spaces") from None
    # Twice is once.
    return tuple(dict.fromkeys(found))


def _lifetime(text: str | None) -> int | None:
    if text is None:
        return None
    if _SECONDS.match(text) is None:
        raise OAuthError("invalid_request", "`expires_in` is a number of seconds")
    return int(text)


def _details(form: Mapping[str, str], parameter: str) -> dict[str, Any] | None:
    """A JSON object that becomes part of a transaction token."""
    text = form.get(parameter)
    if text is None:
        return None
    try:
        value = jiter.from_json(text.encode(), allow_inf_nan=False, catch_duplicate_keys=True)
        if len(text) > _DETAILS_LIMIT or type(value) is not dict:
            raise ValueError
        check_json(value, DEPTH_LIMIT - 2)
    except (ValueError, EvidenceError):
        raise OAuthError("invalid_request", f"`{parameter}` is no small JSON object") from None
    return value
