"""Parsers take what they should, refuse everything else as they say they do, and end.

`tests.fuzz` has the checks, and looks longer and deeper (`python -m tests.fuzz`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from pdp.access.request import LIMITS
from pdp.evidence.jws import TOKEN_LIMIT
from pdp.evidence.keys import SET_LIMIT
from pdp.evidence.x509 import PEM_LIMIT
from pdp.evidence.xfcc import LIMIT as XFCC_LIMIT
from tests.evidence.tokens import scratched
from tests.evidence.world import METHOD, SECONDS, URI, WORKLOAD, b64, compact, jwk_of, pem
from tests.fuzz.checks import PART, leaf, world
from tests.fuzz.targets import TARGETS, Target
from tests.generated.choices import Choices, choices

# cryptography still takes a serial number that is none, and says that it will not.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number:UserWarning")
EACH = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@EACH
def test_what_is_well_formed_is_taken(target: Target) -> None:
    assert [target.check(seed) for seed in target.seeds()] == [True] * len(target.seeds())


@EACH
@settings(max_examples=50)
@given(data=st.binary(max_size=64))
def test_any_bytes_are_taken_or_refused(target: Target, data: bytes) -> None:
    target.check(data)


@EACH
def test_what_is_damaged_is_refused_or_is_one_spelling_of_what_it_says(target: Target) -> None:
    seeds, seen = target.seeds(), Counter[bool]()

    @settings(max_examples=2 * settings().max_examples)
    @given(choices())
    def look(choose: Choices) -> None:
        data = choose.one(seeds)
        for _ in range(choose.number(0, 4)):
            data = scratched(choose, data, target.pieces)
        seen[target.check(data)] += 1

    look()
    assert seen.keys() == {True, False}


# What was found by these checks, each once. Every one of them either was taken or ended in another exception.


def _key(**members: Any) -> bytes:
    """A set with the issuer's key, changed."""
    return compact({"keys": [jwk_of(world().keys["issuer"], kid="a") | members]})


def _proof(**members: Any) -> bytes:
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk_of(world().keys["client"]) | members}
    return compact(header) + PART + compact({"jti": "p", "htm": METHOD, "htu": URI, "iat": SECONDS})


def _claims(**members: Any) -> bytes:
    return compact(world().claims() | members)


def _certificate(*changes: tuple[bytes, bytes], **recipe: Any) -> bytes:
    data = world().authority.issue(recipe).public_bytes(Encoding.DER)
    for old, new in changes:
        assert old in data
        data = data.replace(old, new, 1)
    return data


NO_TEXT = (b"\x0c\x08workload", b"\x0c\x08work\xffoad")
# An extension that nobody knows, in the place of the one that tells authorities from others.
NO_EXTENSION = (b"\x06\x03\x55\x1d\x13", b"\x06\x03\x55\x1d\x54")
# The point of P-256 whose `x` is 5, written as `x` plus the prime.
FIVE = {
    "x": b64((5 + 2**256 - 2**224 + 2**192 + 2**96 - 1).to_bytes(32)),
    "y": b64(0x459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC.to_bytes(32)),
}
FOUND: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a curve that is a list": ("jwks", lambda: _key(crv=[])),
    "a curve that is a list, in a proof": ("proof", lambda: _proof(crv=[])),
    "a coordinate beyond the prime": ("jwks", lambda: _key(**FIVE)),
    "a point of Ed25519 beyond the prime": (
        "jwks", lambda: _key(kty="OKP", crv="Ed25519", x=b64((2**255 - 15).to_bytes(32, "little"))),
    ),
    "an exponent as long as the modulus": (
        "jwks", lambda: _key(kty="RSA", alg="PS256", n=b64(b"\xff" * 256), e=b64(b"\xf0" + b"\xff" * 255)),
    ),
    "an even modulus": ("jwks", lambda: _key(kty="RSA", alg="PS256", n=b64(b"\xfe" * 256), e="AQAB")),
    "an algorithm that is null": ("jwks", lambda: _key(alg=None)),
    "a use that is null": ("jwks", lambda: _key(use=None)),
    "a use for signatures, and other operations": ("jwks", lambda: _key(use="sig", key_ops=["sign"])),
    "an actor that is null": ("claims", lambda: _claims(act=None)),
    "an actor before it that is null": ("claims", lambda: _claims(act={"sub": "b", "act": None})),
    "an actor that does not print": ("claims", lambda: _claims(act={"sub": "b\0"})),
    "a thumbprint in the header that is a number": (
        "segments", lambda: b'{"alg":"ES256","x5t":1}' + PART + b"{}" + PART + b"s",
    ),
    "a certificate of an unknown version": (
        "certificate", lambda: _certificate((b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07")),
    ),
    "a certificate whose subject is no text": (
        "certificate", lambda: _certificate(NO_TEXT),
    ),
    "a certificate whose subject is no text, and is read only to tell of another mistake": (
        "certificate", lambda: _certificate(NO_TEXT, NO_EXTENSION, critical_names=True, ca=False),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("target", "make"), FOUND.values(), ids=FOUND)
def test_what_was_found_once_is_refused(target: str, make: Callable[[], bytes]) -> None:
    assert not TARGETS[target].check(make())


EIGHTH = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER = [
    (y + sign * 2**255).to_bytes(32, "little")
    for y in (0, 1, 2**255 - 20, EIGHTH, 2**255 - 19 - EIGHTH)
    for sign in ((0, 1) if y not in (1, 2**255 - 20) else (0,))
]


@pytest.mark.parametrize("point", SMALL_ORDER, ids=bytes.hex)
def test_a_key_by_which_everybody_signs_is_refused(point: bytes) -> None:
    public = Ed25519PublicKey.from_public_bytes(point)

    def holds(signature: bytes, message: bytes) -> bool:
        try:
            public.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    # Nobody has signed any of these messages.
    assert any(holds(one + bytes(32), bytes((number,))) for one in SMALL_ORDER for number in range(16))
    assert not TARGETS["jwks"].check(_key(kty="OKP", crv="Ed25519", x=b64(point)))


# Time: as much is read as is said, and what is read takes steps in proportion to it.


def _padded(made: Callable[[int], bytes], limit: int, measure: Callable[[bytes], int] = len) -> bytes:
    """What `made` makes with as much padding as the limit lets it have."""
    size = limit - measure(made(0))
    while measure(made(size)) > limit:
        size -= 1
    return made(size)


def _token_with(padding: int) -> bytes:
    return b".".join(
        b64(part).encode() for part in (b'{"alg":"ES256"}', b'{"x":"' + b"a" * padding + b'"}', b"s")
    )


AT_LIMIT: dict[str, tuple[Callable[[int], bytes], int]] = {
    "token": (_token_with, TOKEN_LIMIT),
    "identity": (lambda size: f"{WORKLOAD}/{'a' * size}".encode(), 2_048),
    "xfcc": (lambda size: f'Hash={"a" * 64};Subject="{"," * size}"'.encode(), XFCC_LIMIT),
    "certificates": (lambda size: pem(leaf()).encode() + b"-" * size, PEM_LIMIT),
    "jwks": (lambda size: _key(x5c=["A" * size]), SET_LIMIT),
    "request": (lambda size: compact({"audience": "a", "action": "b", "task": "t" * size}), LIMITS.body),
}


@pytest.mark.parametrize("name", AT_LIMIT)
def test_what_is_as_long_as_its_limit_is_taken_and_what_is_longer_is_not(name: str) -> None:
    made, limit = AT_LIMIT[name]
    longest = _padded(made, limit)
    assert limit - 2 <= len(longest) <= limit
    assert TARGETS[name].check(longest)
    assert not TARGETS[name].check(made(len(longest) - len(made(0)) + 4))


REPEATED = (
    *rb'" \ \" = ; , a=; a=, DNS=; Hash=" / /a . % %2e - [ { {"a": "a":1, [[], 1 \u0000 A AA=='.split(),
    *(b" ", b"\n", b"-----BEGIN "),
)


@EACH
def test_the_longest_input_ends_whatever_is_repeated_in_it(target: Target) -> None:
    for seed in target.seeds():
        for piece in (*REPEATED, *target.pieces):
            room = max(target.limit - len(seed), 0) // len(piece)
            for made in (seed + piece * room, piece * room + seed, seed[:9] + piece * room + seed[9:]):
                target.check(made)


def steps(work: Callable[[], object]) -> int:
    """How many functions, of Python and of C, are called for `work`."""
    count = 0

    def called(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def _members(count: int) -> bytes:
    return compact({str(number): [number] for number in range(count)})


GROWING: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "pairs of a header": ("xfcc", lambda n: b"Hash=" + b"a" * 64 + b";DNS=a" * n),
    "elements of a header": ("xfcc", lambda n: b",".join([b"Hash=" + b"a" * 64] * n)),
    "escapes of a header": ("xfcc", lambda n: b"Hash=" + b"a" * 64 + b';Subject="' + b"\\a" * 8 * n + b'"'),
    "segments of an identity": ("identity", lambda n: b"spiffe://a" + b"/a" * n),
    "segments of a URI": ("uri", lambda n: b"https://a" + b"/a" * n),
    "escapes of a URI": ("uri", lambda n: b"https://a/" + b"%41" * n),
    "claims": ("segments", lambda n: PART.join((b'{"alg":"a"}', _members(n), b"s"))),
    "members of a request": (
        "request", lambda n: b'{"audience":"a","action":"b","context":' + _members(n) + b"}",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "made"), GROWING.values(), ids=GROWING)
def test_twice_as_much_takes_twice_the_steps(name: str, made: Callable[[int], bytes]) -> None:
    check = TARGETS[name].check
    assert check(made(200))
    few, many = (steps(lambda size=size: check(made(size))) for size in (100, 200))
    assert many <= 2 * few + 10
