"""Tokens by choices: with claims of every kind, spelled oddly, signed wrongly, damaged on the way.

Knows the form of a signed token (RFC 7515 section 7.1) and nothing of who verifies it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pdp.access.values import INT_MAX, INT_MIN
from tests.evidence.world import SECONDS, b64, compact, jwk_of
from tests.generated.choices import Choices

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ABSENT = object()
Pool = Sequence[tuple[str, Sequence[Any]]]

# How many values there are of `s` in a signature: with `s` it has a second one, `ORDERS[…] - s`.
ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16),
    "ES512": int("1" + "F" * 65 + "A51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16),
}


@dataclass(frozen=True)
class Signer:
    """A key with the one algorithm that it is used with."""

    kid: str
    algorithm: str
    key: Any

    @property
    def jwk(self) -> dict[str, Any]:
        return jwk_of(self.key, kid=self.kid, use="sig", alg=self.algorithm)

    def sign(self, signing_input: bytes) -> bytes:
        algorithm = jwt.algorithms.get_default_algorithms()[self.algorithm]
        made: bytes = algorithm.sign(signing_input, self.key)
        return made


def signers() -> list[Signer]:
    """One for each algorithm there is; RSA keys take long to make, so one key is had by three."""
    two = [rsa.generate_private_key(65_537, 2_048) for _ in range(2)]
    keys = {
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "ES512": ec.generate_private_key(ec.SECP521R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        **{f"{kind}{size}": two[kind == "PS"] for kind in ("RS", "PS") for size in (256, 384, 512)},
    }
    return [Signer(f"key-{algorithm}", algorithm, key) for algorithm, key in keys.items()]


# 1. What it says.

TEXTS = [
    "",
    "a",
    "ledger",
    "é",
    "e\u0301",
    "ſ",
    "\u212a",
    "😀",
    "\u0000",
    "\x7f",
    "\u2028",
    "a/b",
    '"',
    "\\",
    "\x1f",
]
NUMBERS = [
    0,
    1,
    -1,
    INT_MAX,
    INT_MAX + 1,
    INT_MIN,
    INT_MIN - 1,
    2**53,
    0.5,
    -0.0,
    1e-320,
    1.5e300,
    4.35,
    1e16,
]
TIMES = [-700, -301, -300, -299, -11, -10, -9, -1, 0, 1, 9, 10, 11, 289, 290, 300, 591, 10**12]
ODD_TIMES = [str(SECONDS), SECONDS + 0.5, SECONDS + 60.0, True, None, -1, 1e300, [SECONDS], {}]


def value(choose: Choices, depth: int = 4) -> Any:
    """Any JSON value."""
    kind = choose.number(0, 6 if depth else 4)
    if kind == 0:
        return choose.one([None, True, False])
    if kind == 1:
        return choose.one(NUMBERS)
    if kind == 2:
        return choose.number(INT_MIN, INT_MAX)
    if kind in (3, 4):
        return "".join(choose.one(TEXTS) for _ in range(choose.number(0, 4)))
    if kind == 5:
        return [value(choose, depth - 1) for _ in range(choose.number(0, 3))]
    return {choose.one(TEXTS): value(choose, depth - 1) for _ in range(choose.number(0, 3))}


def changed(choose: Choices, members: Mapping[str, Any], pool: Pool) -> dict[str, Any]:
    """`members` with one set to something that stands in `pool` for it, or taken away."""
    name, values = choose.one(pool)
    made = {**members, name: choose.one(values)}
    return {name: value for name, value in made.items() if value is not ABSENT}


# 2. How it is spelled.

PIECES = [
    b'{"a":1}', b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0000", b"\\ud800", b"\\/", b"\x00",
    b"\n", b" ", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"0", b"-", b"e5", b".0", b"NaN", b"1e400",
    b"//", b"/**/", b'"sub":"x",',
]  # fmt: skip


def spelled(choose: Choices, value: Any) -> str:
    """JSON of `value` in one of its many spellings; now and then with a member twice."""
    space = choose.one(["", "", " ", "\n\t"])
    if isinstance(value, dict):
        names = choose.order(list(value))
        if names and choose.chance(4):
            names.append(names[0])
        pairs = (f"{spelled(choose, name)}{space}:{spelled(choose, value[name])}" for name in names)
        return "{" + space + f"{space},{space}".join(pairs) + "}" + space
    if isinstance(value, list):
        return "[" + f",{space}".join(spelled(choose, member) for member in value) + space + "]"
    if isinstance(value, str) and value.isprintable() and choose.chance(30):
        return '"' + "".join(f"\\u{ord(one):04X}" if ord(one) < 65_536 else one for one in value) + '"'
    text = json.dumps(value, ensure_ascii=choose.chance(50))
    return text.replace("/", "\\/") if choose.chance(20) else text


def scratched(choose: Choices, data: bytes, pieces: Sequence[bytes] = PIECES) -> bytes:
    """`data` with something put in, taken out or turned over."""
    at = choose.number(0, len(data))
    match choose.number(0, 4):
        case 0:
            return data[:at] + choose.one(pieces) + data[at:]
        case 1:
            return data[:at] + data[at + choose.number(1, 3) :]
        case 2 if at < len(data):
            return data[:at] + bytes((data[at] ^ 1 << choose.number(0, 7),)) + data[at + 1 :]
        case 3:
            return choose.one([b"\xef\xbb\xbf", b" ", b"\n", b"\x00", b"\xff\xfe"]) + data
        case _:
            return data + choose.one([b" ", b"\n", b"\x00", b"{}", b","])


# 3. How it is signed.


def forged(choose: Choices, signature: bytes, algorithm: str, other: Callable[[], bytes]) -> bytes:
    """A signature after somebody's work on it. Only one of these ways leaves it one that holds."""
    half = len(signature) // 2
    r, s = signature[:half], signature[half:]
    one, two = int.from_bytes(r), int.from_bytes(s)
    ways = [
        lambda: scratched(choose, signature), lambda: signature[:-1], lambda: r, lambda: signature + b"\0",
        lambda: b"\0" + signature, lambda: bytes(half) + s, lambda: r + bytes(half), lambda: bytes(2 * half),
        lambda: b"\xff" * len(signature), lambda: s + r, lambda: encode_dss_signature(one, two), other,
    ]  # fmt: skip
    order = ORDERS.get(algorithm)
    if order is not None:
        # The second `s` of each signature is one too: tokens are known by what they say, not by signatures.
        ways.append(lambda: r + (order - two).to_bytes(half))
        ways.append(lambda: (one + order).to_bytes(half + 1)[-half:] + s)
        ways.append(lambda: r + (two + order).to_bytes(half + 1)[-half:])
    return choose.one(ways)() or b"\0"


# 4. How it is written down.


def smudged(choose: Choices, token: str) -> str:
    """A token's text with padding, other alphabets, spare bits, other segments, or a slip of the pen."""
    segments = token.split(".")
    at = choose.number(0, len(segments) - 1)
    segment = segments[at]
    place = choose.number(0, len(segment) - 1)
    match choose.number(0, 9):
        case 0:
            return token + choose.one(["=", "==", "\n", " ", ".", "\x00", "A", "ａ"])
        case 1:
            segments[at] += "=" * (-len(segment) % 4 or choose.number(1, 4))
        case 2:
            # Bits that no byte has, where the segment has some; else another last byte.
            last = ALPHABET.index(segment[-1])
            segments[at] = segment[:-1] + ALPHABET[last ^ choose.one([1, 2, 3])]
        case 3:
            segments[at] = segment.replace("-", "+").replace("_", "/")
        case 4:
            segments[at] = segment[:place] + choose.one([*" \n\r\t=+/.!\x00", "é", "ａ"]) + segment[place:]
        case 5:
            segments[at] = segment[:place] + choose.one(ALPHABET) + segment[place + 1 :]
        case 6:
            segments = choose.order(segments)
        case 7:
            segments = choose.one([segments[:2], segments + segments[:1], segments * 2, [*segments, ""]])
        case 8:
            segments[at] = segment[:place] + segment[place + 1 :]
        case _:
            return choose.one(["", " ", "\ufeff", "Bearer ", "."]) + token.swapcase()
    return ".".join(segments)


def token(
    choose: Choices,
    header: dict[str, Any],
    claims: Mapping[str, Any],
    signer: Signer,
    others: Sequence[Signer],
    *,
    headers: Pool,
    claim_values: Pool,
) -> str:
    """A token that says what `header` and `claims` do, or nearly; many are as they should be.

    1. What it says. 2. How it is spelled. 3. How it is signed. 4. How it is written down.
    """
    # 1.
    if choose.chance(20):
        header = changed(choose, header, headers)
    for _ in range(choose.one([0, 0, 0, 1, 2])):
        claims = changed(choose, claims, claim_values)
    claims = {**claims, **{choose.one(TEXTS) + "-": value(choose) for _ in range(choose.number(0, 3))}}
    # 2.
    parts = [
        spelled(choose, part).encode() if choose.chance(40) else compact(part) for part in (header, claims)
    ]
    if choose.chance(20):
        at = choose.number(0, 1)
        parts[at] = scratched(choose, parts[at]) or b"{}"
    if choose.chance(3):
        parts[1] = (
            parts[1].decode("utf-8", "replace").encode(choose.one(["utf-16", "utf-16-le", "utf-32-be"]))
        )
    # 3.
    signing_input = f"{b64(parts[0])}.{b64(parts[1])}".encode()
    signature = signer.sign(signing_input)
    if choose.chance(15):
        signature = forged(
            choose, signature, signer.algorithm, lambda: choose.one(others).sign(signing_input)
        )
    made = f"{signing_input.decode()}.{b64(signature)}"
    # 4.
    return smudged(choose, made) if choose.chance(20) else made
