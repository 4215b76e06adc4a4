"""Globs, caller patterns and path patterns."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.access.patterns import (
    SPIFFE_ID_LIMIT,
    caller_pattern,
    check_caller_pattern,
    check_spiffe_id,
    exact,
    glob,
    is_spiffe_id,
    literal_prefix,
    path_pattern,
    path_segments,
    trust_domain,
)

# Globs


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("a", "a", True),
        ("a", "A", False),
        ("*", "", True),
        ("*", "anything\nat all", True),
        ("a*", "a", True),
        ("a*", "b", False),
        ("*a", "ba", True),
        ("*a", "ab", False),
        ("a*b", "ab", True),
        ("a*a", "a", False),
        ("a*b*c", "aXbYc", True),
        ("a*b*c", "aXcYb", False),
        ("ab*bc", "abc", False),
        ("*ab*ab*", "ab", False),
        ("*ab*ab*", "abab", True),
        ("a**b", "ab", True),
        (r"\*", "*", True),
        (r"\*", "a", False),
        (r"a\**", "a*b", True),
        (r"\a", r"\a", True),
        (r"\\*", r"\*", True),
        ("a.c", "abc", False),
        ("entry.*", "entry.create", True),
        ("entry.*", "entries.create", False),
        ("[a-z]?", "b", False),
    ],
)
def test_glob(pattern, text, expected):
    assert glob(pattern)(text) is expected


@given(st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_glob_agrees_with_a_regular_expression(pattern, text):
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert glob(pattern)(text) == bool(re.fullmatch(expression, text, re.DOTALL))


@given(st.text("ab*\\", max_size=6), st.text("ab*\\", max_size=6))
def test_exact_and_literal_prefix_say_what_a_glob_matches(pattern, text):
    if glob(pattern)(text):
        assert text.startswith(literal_prefix(pattern))
        assert exact(pattern) in (None, text)
    assert exact(pattern) is None or glob(pattern)(exact(pattern))


def test_a_glob_of_many_stars_takes_linear_time():
    matches = glob("*a" * 50 + "*b")
    began = time.perf_counter()
    assert not matches("a" * 100_000)
    assert time.perf_counter() - began < 1


# SPIFFE IDs


@pytest.mark.parametrize(
    "text",
    [
        "spiffe://td",
        "spiffe://prod.example/ns/payments/sa/api",
        "spiffe://a-b_c.9/A.b-c_9/...",
        "spiffe://td/" + "a" * (SPIFFE_ID_LIMIT - len("spiffe://td/")),
    ],
)
def test_a_spiffe_id(text):
    check_spiffe_id(text)
    assert is_spiffe_id(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with `spiffe://`"),
        ("https://td/a", "begins with `spiffe://`"),
        ("SPIFFE://td/a", "begins with `spiffe://`"),
        ("spiffe:///a", "names no trust domain"),
        ("spiffe://", "names no trust domain"),
        ("spiffe://TD/a", "`T` is not allowed in the trust domain"),
        ("spiffe://td:80/a", "`:` is not allowed in the trust domain"),
        ("spiffe://u@td/a", "`@` is not allowed in the trust domain"),
        ("spiffe://td,x/a", "`,` is not allowed in the trust domain"),
        ("spiffe://td+x/a", "`+` is not allowed in the trust domain"),
        ("spiffe://*/a", "no `*` in its trust domain"),
        ("spiffe://" + "a" * 256, "at most 255 characters"),
        ("spiffe://td/", "empty path segment"),
        ("spiffe://td//a", "empty path segment"),
        ("spiffe://td/a/", "empty path segment"),
        ("spiffe://td/./a", "relative path segment `.`"),
        ("spiffe://td/a/..", "relative path segment `..`"),
        ("spiffe://td/a%20b", "`%` is not allowed in the path"),
        ("spiffe://td/a,b", "`,` is not allowed in the path"),
        ("spiffe://td/a+b", "`+` is not allowed in the path"),
        ("spiffe://td/a?b", "`?` is not allowed in the path"),
        ("spiffe://td/a#b", "`#` is not allowed in the path"),
        ("spiffe://td/é", "`é` is not allowed in the path"),
        ("spiffe://td/a*", "`*` is not allowed in the path"),
        ("spiffe://td/" + "a" * SPIFFE_ID_LIMIT, "at most 2048 bytes"),
    ],
)
def test_not_a_spiffe_id(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_spiffe_id(text)
    assert not is_spiffe_id(text)


def test_the_trust_domain_of_a_spiffe_id():
    assert trust_domain("spiffe://prod.example/ns/a") == "prod.example"
    assert trust_domain("spiffe://prod.example") == "prod.example"
    assert trust_domain("alice") is None


# Caller patterns


@pytest.mark.parametrize(
    "pattern",
    ["alice", "*@example.com", "spiffe://td", "spiffe://td/a/*", "spiffe://td/**", "spiffe://td/a-*/b/**"],
)
def test_a_legal_caller_pattern(pattern):
    check_caller_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "an empty pattern matches no caller"),
        ("SPIFFE://td/a", "begins with `spiffe://`, in lower case"),
        ("spiffe:*", "begins with `spiffe://`, in lower case"),
        ("spiffe://t*/a", "no `*` in its trust domain"),
        ("spiffe://td/**/a", "`**` stands alone, as the last segment"),
        ("spiffe://td/a**", "`**` stands alone, as the last segment"),
        ("spiffe://td//**", "empty path segment"),
        ("spiffe://td/..", "relative path segment"),
        (r"spiffe://td/\*", r"`\` is not allowed in the path"),
    ],
)
def test_a_malformed_caller_pattern_is_refused(pattern, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_caller_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "id", "expected"),
    [
        ("alice", "alice", True),
        ("*", "alice", True),
        ("*", "", True),
        ("*", "spiffe://td/a", False),
        ("s*", "spiffe://td/a", False),
        ("*/a", "spiffe://td/a", False),
        ("spiffe://td/a", "spiffe://td/a", True),
        ("spiffe://td/a", "spiffe://td/b", False),
        ("spiffe://td/*", "spiffe://td/a", True),
        ("spiffe://td/*", "spiffe://td/a/b", False),
        ("spiffe://td/*", "spiffe://td", False),
        ("spiffe://td/*", "spiffe://td/", False),
        ("spiffe://td/*", "spiffe://tdx/a", False),
        ("spiffe://td/*/b", "spiffe://td/a/b", True),
        ("spiffe://td/*/b", "spiffe://td/a/c", False),
        ("spiffe://td/a-*-z", "spiffe://td/a-b-z", True),
        ("spiffe://td/a-*-z", "spiffe://td/a-b", False),
        ("spiffe://td/**", "spiffe://td/a/b/c", True),
        ("spiffe://td/**", "spiffe://td", False),
        ("spiffe://td/**", "spiffe://td/a/../b", False),
        ("spiffe://td/**", "spiffe://td.evil/a", False),
        ("spiffe://td/a/**", "spiffe://td/a", False),
        ("spiffe://td/a/**", "spiffe://td/ab/c", False),
        ("spiffe://td/*/b/**", "spiffe://td/a/b/c/d", True),
        ("spiffe://td/*/b/**", "spiffe://td/a/b", False),
        ("spiffe://td/*/b/**", "spiffe://td/a/c/d", False),
    ],
)
def test_caller_pattern(pattern, id, expected):
    assert caller_pattern(pattern)(id) is expected


# URL paths


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/", "/", True),
        ("/", "/a", False),
        ("/**", "/", True),
        ("/orders", "/orders", True),
        ("/orders", "/Orders", False),
        ("/orders", "/ord%65rs", True),
        ("/orders/{id}", "/orders/7", True),
        ("/orders/*", "/orders/7", True),
        ("/orders/{id}", "/orders", False),
        ("/orders/{id}", "/orders/7/lines", False),
        ("/orders/{id}/**", "/orders/7", True),
        ("/orders/{id}/**", "/orders/7/lines/1", True),
        ("/orders/{id}/**", "/orders", False),
        ("/*/lines", "/7/lines", True),
        ("/*/lines", "/7/notes", False),
        ("/café", "/caf%C3%A9", True),
        ("/a;b", "/a;b", True),
        ("/{id}", "/%25", True),
        ("/{id}", "/%252e%252e", True),
        ("/{id}", "/what%3F", True),
    ],
)
def test_path_pattern(pattern, path, expected):
    assert path_pattern(pattern)(path) is expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "//",
        "//a",
        "/a/",
        "/a//b",
        "/.",
        "/a/..",
        "/%2e%2e/a",
        "/..;x/a",
        "/;x",
        "/a%2fb",
        "/a%2Fb",
        "/a\\b",
        "/a%5cb",
        "/a%00",
        "/a\x00",
        "/a\n",
        "/a%7f",
        "/a\x85",
        "/a?x=1",
        "/a#b",
        "/%",
        "/%4",
        "/%zz",
        "/%+1",
        "/%ff",
        "/%C3",
    ],
)
def test_a_path_of_two_readings_has_none(path):
    with pytest.raises(ValueError, match=r"."):
        path_segments(path)
    with pytest.raises(ValueError, match=r"."):
        path_pattern("/**")(path)


@given(st.lists(st.text("ab.é ;%/", min_size=1, max_size=4), max_size=4))
def test_two_spellings_of_one_path_are_read_alike(segments):
    plain = "/" + "/".join(segments)
    spelled = "/" + "/".join("".join(f"%{byte:02X}" for byte in s.encode()) for s in segments)
    try:
        read = path_segments(spelled)
    except ValueError:
        return
    assert read == segments
    if "%" not in plain:
        assert path_segments(plain) == read


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("orders", "begins with `/`"),
        ("/a//b", "empty or a dot segment"),
        ("/a/", "empty or a dot segment"),
        ("/a/../b", "empty or a dot segment"),
        ("/**/a", "`**` is the last segment"),
        ("/a*", "`a*` is neither text nor `*`"),
        ("/{id", "`{id` is neither text nor `*`"),
        ("/{a b}", "`{a b}` is neither text nor `*`"),
        ("/a%20b", "`a%20b` is not a decoded path segment"),
        ("/a?b", "`a?b` is not a decoded path segment"),
        ("/a\\b", "a slash, a backslash or a control character"),
    ],
)
def test_a_malformed_path_pattern_is_refused(pattern, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        path_pattern(pattern)
