"""Which URLs may be asked for keys: told the same before there is an HTTP client and by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pdp.evidence import urls
from pdp.evidence.fetch import FetchError, check_url

SIGNS = st.sampled_from([
    *"aB01.:-_[]@#?/\\ %", "localhost", "127.0.0.1", "::1", "[::1]", "0x7f", "xn--", "é", "256",
    ":8443", "\t",
])  # fmt: skip


def refusal(url: str) -> str:
    return said(urls.check, url)


def said(check: Callable[[str], None], url: str) -> str:
    """Why `check` refuses a URL; nothing where it takes it."""
    try:
        check(url)
    except (ValueError, FetchError) as error:
        return str(error)
    return ""


@given(st.sampled_from(["https://", "http://", "https:", ""]), st.lists(SIGNS, max_size=8).map("".join))
@example("https://", "a.example\\@127.0.0.1/")
@example("https://", "a.[::1]")
@example("https://", "[::1].a.example/")
@example("https://", "256.256.256.256/")
def test_the_client_refuses_nothing_that_passed_without_it(scheme: str, rest: str) -> None:
    url = f"{scheme}{rest}"
    assert said(check_url, url) == refusal(url)


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.0.0.1", "2130706433", "127.0.0.1.", "0177.0.0.1", "256.0.0.1"]
)
def test_an_address_has_one_spelling(host: str) -> None:
    assert refusal(f"https://{host}/") == f"`https://{host}/` is no URL"


@pytest.mark.parametrize("host", ["a.example", "a.example:8443", "10.0.0.1", "[2001:db8::1]:1", "1a.example"])
def test_what_names_one_place_over_tls_may_be_asked(host: str) -> None:
    assert refusal(f"https://{host}/keys?v=1") == ""
