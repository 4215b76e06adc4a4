"""A form has one reading, or is refused; nothing that is sent does more than that."""

from __future__ import annotations

import contextlib
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.service.form import LIMIT, read_form
from pdp.tasks.oauth_errors import OAuthError
from pdp.tasks.wanted import GRANT, Wanted, wanted

FORM = "application/x-www-form-urlencoded"
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.dictionaries(NAMES, NAMES, max_size=30))
def test_what_was_written_is_read(form: dict[str, str]) -> None:
    assert read_form(urlencode(form).encode(), FORM) == form
    # However much of it is escaped, and wherever spaces are `%20`.
    coded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in form.items())
    assert read_form(coded.encode(), f"{FORM};charset=UTF-8") == form


@given(st.binary(max_size=200) | st.text("a=&%+;1é\0 ", max_size=60).map(str.encode))
def test_whatever_is_sent_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(OAuthError):
        assert all(read_form(body, FORM).values())


def test_a_parameter_without_a_value_is_not_there() -> None:
    assert read_form(b"a=&b=1", FORM) == {"b": "1"}
    # And yet it is no place to hide a second one.
    with pytest.raises(OAuthError, match="invalid_request"):
        read_form(b"a=&a=1", FORM)


def test_a_form_has_a_size() -> None:
    body = b"a=" + b"x" * (LIMIT - 2)
    assert len(read_form(body, FORM)["a"]) == LIMIT - 2
    with pytest.raises(OAuthError, match="invalid_request"):
        read_form(body + b"x", FORM)


PARAMETERS = (
    "subject_token", "subject_token_type", "actor_token", "actor_token_type", "audience", "resource",
    "scope", "requested_token_type", "expires_in", "task", "request_context", "request_details",
    "authorization_details",
)  # fmt: skip
TYPE = "urn:ietf:params:oauth:token-type:"
VALUES = st.sampled_from(
    [
        f"{TYPE}access_token",
        f"{TYPE}txn_token",
        f"{TYPE}jwt",
        "https://x.example/#",
        "x:",
        "7",
        "{}",
        "[",
        " ",
    ]
) | st.text(min_size=1, max_size=30)


@given(st.dictionaries(st.sampled_from(PARAMETERS), VALUES))
def test_whatever_is_asked_for_is_something_or_an_error(form: dict[str, str]) -> None:
    with contextlib.suppress(OAuthError):
        found = wanted({"grant_type": GRANT, **form})
        assert isinstance(found, Wanted)
        assert found.audience
        assert found.lifetime is None or found.lifetime > 0
