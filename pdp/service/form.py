"""Forms, read strictly: what clients of OAuth send (RFC 6749 section 3.2). Knows no parameter of them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl

from pdp.tasks.oauth_errors import OAuthError

CONTENT_TYPE: Final = re.compile(
    r"application/x-www-form-urlencoded(?:[ \t]*;[ \t]*charset=\"?utf-8\"?)?[ \t]*\Z", re.IGNORECASE
)
LIMIT: Final = 48 * 1024
"""How many bytes of a form are read: there is room for three tokens, each character escaped."""
_PARAMETERS: Final = 32
# What is not told by these has been read in two ways before.
_CODING: Final = re.compile(rb"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*\Z")
# Standards let these be there several times. Here a token is for one service.
_TARGETS: Final = frozenset(("audience", "resource"))


def read_form(body: bytes, content_type: str) -> dict[str, str]:
    """The parameters of a form, each of them once; raises `OAuthError`.

    One without a value is one that is not there (RFC 6749 section 3.2).
    """
    if CONTENT_TYPE.match(content_type) is None:
        raise OAuthError("invalid_request", "send a form: application/x-www-form-urlencoded")
    if len(body) > LIMIT or _CODING.match(body) is None:
        raise OAuthError("invalid_request", "the form is too large, or not in its coding")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict",
            max_num_fields=_PARAMETERS,
        )  # fmt: skip
    except ValueError:
        raise OAuthError("invalid_request", "the form is not in its coding") from None
    form: dict[str, str] = {}
    for name, value in pairs:
        if name in form:
            twice = "a token is for one service" if name in _TARGETS else "a parameter is there twice"
            raise OAuthError("invalid_target" if name in _TARGETS else "invalid_request", twice)
        form[name] = value
    return {name: value for name, value in form.items() if value}
