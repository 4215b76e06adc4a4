"""The requests of a batch are told apart the same by both readers, whatever a bad one among them holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.access.request import RequestError
from pdp.service.batch import split, split_carefully
from pdp.settings import Limits

SMALL = Limits(batch=5, batch_body=4_096)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
# No JSON, or none that is taken; but each of them ends where its brackets and quotes say.
BAD = st.sampled_from(
    [b"NaN", b"01", b"nul", b'"\\ud800"', b'"\xff"', b'{"a":}', b'{"a" 1}', b"[1 2]",
     b"[" * 2_000 + b"]" * 2_000, b'"\\"]}"', b'{"requests":[]}', b'"requests"', b'{"a":1,"a":2}',
     b"9" * 3_000]
)  # fmt: skip
SPACE = st.text(" \t\r\n", max_size=2).map(str.encode)


@st.composite
def batches(draw: st.DrawFn, bad: bool) -> tuple[list[bytes], bytes]:
    """Items, and a batch that has them."""
    good = st.builds(lambda value, plain: json.dumps(value, ensure_ascii=plain, allow_nan=True).encode(
        "utf-8", "surrogatepass"), VALUES, st.booleans())  # fmt: skip
    items = draw(st.lists(BAD | good if bad else good, max_size=5))
    space = [draw(SPACE) for _ in range(6)]
    inner = (space[0] + b"," + space[1]).join(items)
    return items, space[2] + b"{" + space[3] + b'"requests"' + space[4] + b":[" + inner + space[
        5
    ] + b"]}" + space[2]


@given(batches(bad=True))
def test_a_batch_has_the_items_that_are_written_there(case: tuple[list[bytes], bytes]) -> None:
    items, body = case
    if len(body) <= SMALL.batch_body:
        assert split_carefully(body, SMALL) == items


@given(batches(bad=True))
def test_both_readers_find_the_same_where_the_fast_one_finds_any(case: tuple[list[bytes], bytes]) -> None:
    _, body = case
    if len(body) <= SMALL.batch_body:
        fast = split(body, SMALL)
        assert fast is None or [bytes(item) for item in fast] == split_carefully(body, SMALL)


@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda inner: b'{"requests":[' + inner + b"]}"))
def test_what_is_no_batch_is_refused_and_nothing_else_happens(body: bytes) -> None:
    try:
        fast = split(body, SMALL)
        if fast is not None:
            json.loads(body)
        split_carefully(body, SMALL)
    except RequestError as error:
        refused = error
    else:
        return
    assert refused.detail


@pytest.mark.parametrize(
    "body",
    [
        b'{"requests":[],"requests":[]}',
        b'{"requests":[1],"\\u0072equests":[2]}',
        b'{"\\u0072\\u0065quests":[1]}',
        b'{"requests":["\\ud800"]}',
        b'{"requests":[',
        b"",
        b"\xff",
    ],
)
def test_the_fast_reader_leaves_what_it_cannot_tell_to_the_careful_one(body: bytes) -> None:
    assert split(body, SMALL) is None


@pytest.mark.parametrize("reader", [split, split_carefully])
def test_there_is_a_limit_to_the_requests_of_a_batch(reader: object) -> None:
    assert len(reader(b'{"requests":[1,2,3,4,5]}', SMALL)) == 5  # type: ignore[operator]
    with pytest.raises(RequestError) as caught:
        reader(b'{"requests":[1,2,3,4,5,6]}', SMALL)  # type: ignore[operator]
    assert caught.value.too_large
    assert (caught.value.pointer, caught.value.detail) == (
        "/requests",
        "has more than the 5 requests that are answered at once",
    )


def test_there_is_a_limit_to_the_bytes_of_a_batch() -> None:
    with pytest.raises(RequestError) as caught:
        split(b" " * 4_097, SMALL)
    assert caught.value.too_large


@pytest.mark.parametrize(
    "inner",
    [b"[" * 4_000_000, b"[]" * 2_000_000, b'["' + b'\\"' * 2_000_000, b'"' * 4_000_000, b"\\" * 4_000_000],
)
def test_a_body_that_is_made_to_take_long_ends_in_a_refusal(inner: bytes) -> None:
    with pytest.raises(RequestError):
        split_carefully(b'{"requests":[' + inner, Limits())
