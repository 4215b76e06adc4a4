"""JSON read strictly: what a second strict reader takes is taken, and what is wrong is named."""

from __future__ import annotations

import enum
import json
import math
from collections import UserDict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pdp.access.document import RequestError, check, decode, escape, plain, read
from pdp.access.values import INT_MAX, INT_MIN

SIZE, DEPTH, MEMBERS = 4_096, 6, 8

INTEGERS = st.integers(INT_MIN, INT_MAX)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | INTEGERS | FLOATS | st.text(max_size=12)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=5),
    max_leaves=20,
)
# What only a lenient writer writes, among what is well written: most of these texts are no JSON.
PIECES = st.lists(
    st.sampled_from(
        [
            "{", "}", "[", "]", ",", ":", '"a":', '"b" :', '"a"', '""', "true", "false", "null", "nul",
            " ", "\n", "\x0b", "0", "1", "-0", "01", "1.", ".5", "1e5", "1E+2", "1e400", "-1e400",
            "NaN", "Infinity", "-Infinity",
            '"\\"', '"\\\\"', '"\\u0022"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\udc00x"', '"\\x"',
            '"\x00"', '"\t"', '"\x7f"', "é", "\ufeff", "//", "'a'",
            str(INT_MAX), str(INT_MAX + 1), str(INT_MIN), str(INT_MIN - 1), "9" * 40,
            "9" * 400 + ".0", "9" * 4_400,
        ]
    ),
    max_size=14,
).map("".join)  # fmt: skip


class _Refused(Exception):
    pass


def _refuse(_):
    raise _Refused


def _pairs(pairs):
    if len(dict(pairs)) < len(pairs):
        raise _Refused
    return dict(pairs)


def _holds_only_values(document, depth):
    if isinstance(document, dict | list):
        members = [*document, *document.values()] if isinstance(document, dict) else document
        return (
            depth > 0
            and len(document) <= MEMBERS
            and all(_holds_only_values(one, depth - 1) for one in members)
        )
    if isinstance(document, str):
        return not any("\ud800" <= character <= "\udfff" for character in document)
    if isinstance(document, int):
        return INT_MIN <= document <= INT_MAX
    return document is None or math.isfinite(document)


def reference(body):
    """The document as the standard library reads it, with every hook it has; or None."""
    try:
        document = json.loads(body.decode(), object_pairs_hook=_pairs, parse_constant=_refuse)
    except (ValueError, RecursionError, _Refused):
        return None
    return json.dumps(document) if len(body) <= SIZE and _holds_only_values(document, DEPTH) else None


def strict(body):
    """The same as it is read here. Nothing but a `RequestError` may come instead."""
    try:
        return json.dumps(read(body, SIZE, DEPTH, MEMBERS))
    except RequestError as error:
        refused = error
    assert refused.detail.encode()
    assert refused.pointer == "" or refused.pointer.startswith("/")
    refused.pointer.encode()
    return None


def thorough(body):
    """And as it is read where something may be wrong."""
    try:
        document = decode(body, SIZE)
        check(document, DEPTH, MEMBERS)
        return json.dumps(document)
    except RequestError:
        return None


def refusal(body, size=65_536, depth=32, members=1_000):
    with pytest.raises(RequestError) as caught:
        read(body, size, depth, members)
    return caught.value.pointer, caught.value.detail


@given(st.binary(max_size=60))
@example(b"\xff\xfe{\x00}\x00")
@example(b'{\x00"\x00a\x00"\x00:\x001\x00}\x00')
def test_arbitrary_bytes_are_taken_as_a_second_strict_reader_takes_them(body):
    assert strict(body) == thorough(body) == reference(body)


@given(PIECES)
@example('{"a":1,"a":1}')
@example('{"x":"\\u0022\\u0022","a":1,"a":1}')
@example('{"x":"\\"","a":"","a":""}')
@example('{"x":"\\\\","a":1,"a":1}')
@example('{"a" :":","a":1}')
@example('"\\u0022\\u0022')
def test_nearly_json_is_taken_as_a_second_strict_reader_takes_it(text):
    body = text.encode("utf-8", "surrogatepass")
    assert strict(body) == thorough(body) == reference(body)


@given(DOCUMENTS, st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]), st.booleans())
def test_documents_are_taken_as_a_second_strict_reader_takes_them(document, separators, ascii_only):
    body = json.dumps(document, separators=separators, ensure_ascii=ascii_only).encode()
    assert strict(body) == thorough(body) == reference(body)


@given(DOCUMENTS, st.data())
def test_damaged_documents_are_taken_as_a_second_strict_reader_takes_them(document, data):
    body = bytearray(json.dumps(document, ensure_ascii=False).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        match data.draw(st.sampled_from(["insert", "delete", "double"])):
            case "insert":
                body[at:at] = data.draw(
                    st.binary(min_size=1, max_size=3) | st.sampled_from([b'"', b"\\", b","])
                )
            case "delete":
                del body[at : at + data.draw(st.integers(1, 3))]
            case "double":
                body[at:at] = body[at : at + data.draw(st.integers(1, 12))]
    assert strict(bytes(body)) == thorough(bytes(body)) == reference(bytes(body))


@given(DOCUMENTS)
def test_a_text_is_read_as_its_bytes_are(document):
    text = json.dumps(document, ensure_ascii=False)
    assert strict(text) == strict(text.encode())


@given(DOCUMENTS)
def test_a_document_that_is_decoded_already_is_copied_as_it_is(document):
    assert json.dumps(plain(document, "", 64)) == json.dumps(document)


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ("", "", "is not JSON (line 1, column 0)"),
        ("{", "", "is not JSON (line 1, column 1)"),
        ('{"a":1,}', "", "is not JSON (line 1, column 8)"),
        ('{"a":1}\n{}', "", "is not JSON (line 2, column 1)"),
        ('{"a":1,"b":{"c":[0,{"d":1,"d":2}]}}', "/b/c/1/d", "is there twice"),
        ('{"a":1,"a":1}', "/a", "is there twice"),
        ('{"a/b":{"c~d":1,"c~d":1}}', "/a~1b/c~0d", "is there twice"),
        ('{"":{"":1,"":1}}', "//", "is there twice"),
        ('{"a":[NaN]}', "/a/0", "is not a finite number"),
        ('{"a":Infinity}', "/a", "is not a finite number"),
        ('{"a":-Infinity}', "/a", "is not a finite number"),
        ('{"a":1e400}', "/a", "is not a finite number"),
        ('{"a":-1e400}', "/a", "is not a finite number"),
        ('{"a":9223372036854775808}', "/a", "is an integer beyond 64 bits"),
        ('{"a":[[-9223372036854775809]]}', "/a/0/0", "is an integer beyond 64 bits"),
        ('{"a":' + "9" * 1_001 + "}", "/a", "is an integer beyond 64 bits"),
        ('{"a":' + "9" * 5_000 + "}", "/a", "is an integer beyond 64 bits"),
        ('{"a":["\\ud800"]}', "/a/0", "holds a lone surrogate"),
        ('{"a":"\\udc00\\ud800"}', "/a", "holds a lone surrogate"),
        ('{"a":{"\\ud800":1}}', "/a", "holds a lone surrogate"),
        ('{"a":{"\\ud800":1,"\\ud800":1}}', "/a", "holds a lone surrogate"),
        ('{"a":{"b":{"c":0},"d":NaN},"a":1}', "/a", "is there twice"),
        ("\ufeff{}", "", "starts with a byte order mark"),
    ],
)
def test_what_is_wrong_is_named_where_it_stands(body, pointer, detail):
    assert refusal(body.encode()) == refusal(body) == (pointer, detail)


def test_what_is_not_utf_8_is_told_by_its_byte():
    assert refusal(b'{"a":"\xff"}') == ("", "is not UTF-8 (byte 7)")
    assert refusal(b'{"a":"\xed\xa0\x80"}') == ("", "is not UTF-8 (byte 7)")


def test_a_lone_surrogate_in_a_text_is_refused():
    assert refusal('{"a":"\ud800"}') == ("", "holds a lone surrogate")


def test_a_long_name_is_shortened_where_it_is_named():
    assert refusal(b'{"%s":NaN}' % (b"n" * 70)) == ("/" + "n" * 64 + "…", "is not a finite number")
    assert escape("n" * 64) == "n" * 64


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_document_is_as_deep_as_its_limit_and_no_deeper(opening, closing):
    def nested(depth):
        return opening * (depth - 1) + "[]" + closing * (depth - 1)

    step = "0" if opening == "[" else "a"
    assert read(nested(32), 65_536, 32, 1_000)
    assert refusal(nested(33)) == (f"/{step}" * 32, "is nested too deep")
    for depth in (128, 129, 300, 3_000):
        pointer, detail = refusal(nested(depth))
        assert pointer in ("", f"/{step}" * 32)
        assert detail == "is nested too deep"


def test_what_is_wrong_deep_down_is_named_too():
    body = '{"a":' * 30 + '{"b":1,"b":2}' + "}" * 30
    assert refusal(body) == ("/a" * 30 + "/b", "is there twice")
    assert refusal('{"a":' * 150 + '{"b":1,"b":2}' + "}" * 150) == ("/a" * 128, "is nested too deep")


def test_objects_and_arrays_are_as_large_as_their_limit_and_no_larger():
    for make in (list, lambda numbers: {str(number): number for number in numbers}):
        assert read(json.dumps({"a": make(range(1_000))}), 65_536, 32, 1_000)
        assert refusal(json.dumps({"a": make(range(1_001))})) == ("/a", "has more than 1000 members")


def test_a_body_is_as_long_as_its_limit_and_no_longer():
    assert read(b'"' + b"a" * 98 + b'"', 100, 32, 1_000) == "a" * 98
    with pytest.raises(RequestError) as caught:
        read(b'"' + b"a" * 99 + b'"', 100, 32, 1_000)
    assert caught.value.too_large
    assert (caught.value.pointer, caught.value.detail) == ("", "is larger than 100 bytes")
    assert str(caught.value) == "request: is larger than 100 bytes"


def test_a_length_counts_bytes_and_not_characters():
    with pytest.raises(RequestError, match="larger than 7 bytes"):
        read('"äää"', 7, 32, 1_000)
    assert read('"äää"', 8, 32, 1_000) == "äää"


class _Color(str, enum.Enum):  # noqa: UP042 - the kind whose `str` is not its text
    RED = "red"


class _Level(enum.IntEnum):
    HIGH = 3


class _Loud(float):
    def __float__(self):
        return 0.0


def test_what_python_programs_hold_is_copied_as_the_values_it_is():
    copy = plain(UserDict({_Color.RED: (_Color.RED, _Level.HIGH, _Loud(1.5), True, None)}), "", 3)
    assert copy == {"red": ["red", 3, 1.5, True, None]}
    assert [type(one) for one in copy["red"]] == [str, int, float, bool, type(None)]


@pytest.mark.parametrize(
    ("document", "pointer", "detail"),
    [
        ({"a": {1: 2}}, "/a", "has a member whose name is no string"),
        ({"a": [b"bytes"]}, "/a/0", "is no JSON value"),
        ({"a": {"b": {1, 2}}}, "/a/b", "is no JSON value"),
        ({"a": {"b": ({},)}}, "/a/b/0", "is nested too deep"),
    ],
)
def test_what_is_no_json_is_not_copied(document, pointer, detail):
    with pytest.raises(RequestError) as caught:
        plain(document, "", 3)
    assert (caught.value.pointer, caught.value.detail) == (pointer, detail)


def test_a_circle_ends_at_the_depth():
    circle = {}
    circle["a"] = circle
    with pytest.raises(RequestError, match="nested too deep"):
        plain(circle, "", 32)
