"""What is fuzzed: for each parser a check that takes any bytes, and what to begin with.

A check says whether its parser took the bytes. It fails where another exception than the documented one
leaves the parser, and where something is taken that has another spelling, or is read otherwise elsewhere.
Knows no fuzzer: hypothesis and atheris both come here.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pdp.access.patterns import check_spiffe_id
from pdp.access.request import LIMITS, Request, RequestError
from pdp.evidence.delegation import chain
from pdp.evidence.dpop import PROOF_LIMIT, ProofPolicy, normalised, verify_proof
from pdp.evidence.jws import TOKEN_LIMIT, encode, load
from pdp.evidence.keys import ALGORITHMS, SET_LIMIT, KeysError, parse_jwks, thumbprint
from pdp.evidence.refusals import EvidenceError
from pdp.evidence.spiffe import parse_bundle
from pdp.evidence.verify import Presented, Verifier
from pdp.evidence.x509 import PEM_LIMIT, load_chain, names_workload, spiffe_id
from pdp.evidence.xfcc import LIMIT as XFCC_LIMIT
from pdp.evidence.xfcc import Element, parse
from tests.evidence.world import (
    AUDIENCE,
    METHOD,
    NOW,
    SECONDS,
    URI,
    WORKLOAD,
    World,
    compact,
    jwk_of,
    pem,
    sign,
)

# Never a byte of UTF-8: parts a check's input where that has parts.
PART = b"\xff"


@cache
def world() -> World:
    return World()


@cache
def leaf() -> Any:
    return world().authority.issue({})


@cache
def verifier() -> Verifier:
    return world().verifier()


# Tokens.


def token(data: bytes) -> bool:
    """A token's text. What is taken is the one spelling of its parts, which others read alike."""
    text = data.decode(errors="surrogateescape")
    try:
        jws = load(text)
    except EvidenceError:
        return False
    segments = text.split(".")
    header, claims, signature = (urlsafe_b64decode(segment + "===") for segment in segments)
    assert ".".join(map(encode, (header, claims, signature))) == text
    assert repr((jws.header, jws.claims)) == repr((strictly(header), strictly(claims)))
    assert (jws.signing_input, jws.signature) == (".".join(segments[:2]).encode(), signature)
    return True


def strictly(data: bytes) -> Any:
    """JSON as the standard library reads it, with every hook that it has against what is odd."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(found)) == len(found)
        return dict(found)

    def constant(name: str) -> None:
        raise AssertionError(name)

    return json.loads(data.decode(), object_pairs_hook=pairs, parse_constant=constant)


def segments(data: bytes) -> bool:
    """A token's header, claims and signature, before they are encoded."""
    return token(".".join(map(encode, (*data.split(PART, 2), b"s")[:3])).encode())


def claims(data: bytes) -> bool:
    """The claims of a token that its issuer signed."""
    header = compact({"alg": "EdDSA", "kid": "issuer-ed", "typ": "at+jwt"})
    text = sign(header, data, world().keys["issuer-ed"], "EdDSA")
    try:
        evidence = Verifier(verifier().trust).verify(Presented(token=text, scheme="Bearer"), AUDIENCE, NOW)
    except EvidenceError:
        return False
    said = strictly(data)
    assert evidence.caller["id"] == said.get("act", said)["sub"]
    assert said["iat"] - 10 <= SECONDS < said["exp"]
    return True


def delegation(data: bytes) -> bool:
    """The actors in a token's claims: none of them twice, and none that does not print."""
    try:
        said = strictly(data)
        found = chain(said, "subject") if type(said) is dict else None
    except (EvidenceError, ValueError, AssertionError, RecursionError):
        return False
    if found is None:
        return type(said) is dict
    names = (found.subject, found.actor, *found.earlier)
    assert len({*names}) == len(names)
    assert all(name.isprintable() for name in names)
    return True


# Proofs.


def proof(data: bytes) -> bool:
    """The header and claims of a proof that the client's key signed."""
    header, _, said = data.partition(PART)
    key = world().keys["client-ed"]
    jkt = thumbprint(jwk_of(key))
    try:
        proved = verify_proof(
            [sign(header, said, key, "EdDSA")], method=METHOD, uri=URI, seconds=SECONDS, policy=ProofPolicy(),
            token=None, jkt=jkt,
        )  # fmt: skip
    except EvidenceError:
        return False
    assert (proved.jkt, proved.jti) == (jkt, strictly(said)["jti"])
    return True


_TWO_READINGS = re.compile(
    r"[?#\\]|/\.{1,2}(/|\Z)|%(?![0-9A-F]{2})|%(2[DEF]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5[CF]|7E)"
)


def uri(data: bytes) -> bool:
    """A request's URI. What it becomes is the one spelling of itself."""
    try:
        found = normalised(data.decode(errors="surrogateescape"))
    except EvidenceError:
        return False
    assert normalised(found) == found
    assert re.fullmatch(r"https?://[a-z0-9.:\[\]-]+/[!-~]*", found)
    assert not _TWO_READINGS.search(f"/{found.split('/', 3)[3]}")
    return True


# Keys.


def jwks(data: bytes) -> bool:
    """A JWK set. A key is known by one thumbprint, that of its numbers."""
    try:
        found = parse_jwks(data, use="sig", algorithms=ALGORITHMS).keys
    except KeysError:
        return False
    for key in found.values():
        assert key.thumbprint == thumbprint(jwk_of(_Public(key.public)))
        assert not key.holds(b"nobody signed this", bytes(64))
    return bool(found)


class _Public:
    def __init__(self, public: Any) -> None:
        self.public_key = lambda: public


def bundle(data: bytes) -> bool:
    """A SPIFFE bundle."""
    try:
        found = parse_bundle(data, 0.0)
    except KeysError:
        return False
    assert found.jwt.keys.keys() <= {member.get("kid") for member in strictly(data)["keys"]}
    return bool(found.authorities or found.jwt.keys or found.wit.keys)


# Certificates.


def certificates(data: bytes) -> bool:
    """PEM text. Of those that are taken the leaf says what the authority signed, and nothing else."""
    text = data.decode(errors="surrogateescape")
    try:
        verifier().verify(Presented(certificate=text), AUDIENCE, NOW)
    except EvidenceError:
        _look(text)
        return False
    assert load_chain(text)[0].tbs_certificate_bytes == leaf().tbs_certificate_bytes
    return True


def _look(text: str) -> None:
    """What is asked of a certificate before anybody knows whether to trust it."""
    try:
        found = load_chain(text)[0]
        assert names_workload(found) in (True, False)
        spiffe_id(found)
    except EvidenceError:
        pass


def certificate(data: bytes) -> bool:
    """A certificate's DER."""
    body = b64encode(data).decode()
    return certificates(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode())


def xfcc(data: bytes) -> bool:
    """A forwarded certificate's header. What is taken can be written anew, and means the same."""
    try:
        found = parse(data.decode(errors="surrogateescape"))
    except EvidenceError:
        return False
    anew = ",".join(map(written, found))
    assert len(anew) > XFCC_LIMIT or parse(anew) == found
    return True


def written(element: Element) -> str:
    """An element of the header, every value in quotes."""
    values = [
        ("By", element.by), ("Hash", element.digest.hex()), ("Cert", quote(element.certificate, safe="")),
        ("Chain", quote(element.chain, safe="")), ("Subject", element.subject), ("URI", element.uri),
        *(("DNS", name) for name in element.dns),
    ]  # fmt: skip
    escaped = ((key, value.replace("\\", "\\\\").replace('"', '\\"')) for key, value in values)
    return ";".join(f'{key}="{value}"' for key, value in escaped)


# Names, and requests.

_SPIFFE = re.compile(rb"spiffe://[a-z0-9._-]{1,255}(/(?!\.{1,2}(/|\Z))[A-Za-z0-9._-]+)*\Z")


def identity(data: bytes) -> bool:
    """A SPIFFE ID: exactly what the specification's grammar has, in at most 2048 bytes."""
    try:
        check_spiffe_id(data.decode(errors="surrogateescape"))
        taken = True
    except ValueError:
        taken = False
    assert taken == (len(data) <= 2_048 and _SPIFFE.match(data) is not None)
    return taken


def request(data: bytes) -> bool:
    """A request's body: read as the standard library reads it."""
    try:
        found = Request.parse(data)
    except RequestError:
        return False
    assert found == Request.parse(strictly(data))
    return True


# What there is to begin with.


@dataclass(frozen=True)
class Target:
    """A check, inputs that it takes, pieces to damage them with, and the most bytes that its parser reads."""

    check: Callable[[bytes], bool]
    seeds: Callable[[], list[bytes]]
    pieces: tuple[bytes, ...]
    limit: int


_JSON = (
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"null", b"true", b"1e400", b"-0", b"NaN", b'"\\u0000"', b"[[[[",
    b'"\\ud800"', b"\xef\xbb\xbf", b"9" * 20, b'{"sub":"x"}', b'"x":1,', b" ",
)  # fmt: skip
_CLAIMS = (
    b'"act":',
    b'"may_act":',
    b'"cnf":',
    b'"aud":',
    b'"exp":',
    b'"nbf":',
    b'"jti":',
    b'"scope":',
    b"spiffe://",
)
_KEYS = (
    b'"crv":', b'"kty":', b'"EC"', b'"OKP"', b'"RSA"', b'"x":', b'"y":', b'"e":', b'"n":', b'"alg":', b'"use":',
    b'"kid":', b'"key_ops":', b'"x5c":', b'"d":', b"AA", b"=", b"jwt-svid", b"[]", b"{}",
)  # fmt: skip
_BASE64 = (b".", b"=", b"-", b"_", b"+", b"/", b"A", b"\n", b" ", b"\xc3\xa9", b"e30", b"eyJhbGciOiIifQ")
_PEM = (
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----END CERTIFICATE-----\n",
    b"-----BEGIN PRIVATE KEY-----\n",
    b"=",
    b"\n",
)
_DER = (
    b"\x30\x80",
    b"\x02\x01\x00",
    b"\x06\x03U\x1d\x11",
    b"\xa0\x03\x02\x01\x05",
    b"\x05\x00",
    b"\x01\x01\xff",
    b"\x82\xff\xff",
)
_XFCC = (
    b";",
    b",",
    b"=",
    b'"',
    b"\\",
    b'\\"',
    b"Hash=",
    b"URI=",
    b"DNS=",
    b"By=",
    b"Cert=",
    b'Subject="',
    b"%",
    b"%00",
    b"%zz",
)
_NAME = (
    b"spiffe://",
    b"/",
    b".",
    b"..",
    b"//",
    b"%2e",
    b"%",
    b"@",
    b":",
    b"A",
    b"\xe2\x84\xaa",
    b"\n",
    b"\x00",
    b"?",
    b"#",
)
_URI = (
    b"https://",
    b"HTTP://",
    b"/",
    b"/../",
    b"/./",
    b"%2e",
    b"%2F",
    b"%5c",
    b"%7e",
    b"%",
    b"@",
    b":443",
    b":80",
    b"[::1]",
    b"?",
    b"#",
    b"\\",
    b"\t",
    b" ",
    b"\x7f",
)
_REQUEST = (
    b'"caller":',
    b'"credential":',
    b'"action":',
    b'"asserted":',
    b'"name":',
    b'"resource":',
    b'"type":',
    b'"task":',
)


def _tokens() -> list[bytes]:
    made = [
        world().access_token({}),
        world().access_token({"claims": {"act": {"sub": "b"}, "x": [1.5, None]}}),
    ]
    return [text.encode() for text in made]


def _parts() -> list[bytes]:
    return [PART.join(urlsafe_b64decode(part + b"===") for part in token.split(b".")) for token in _tokens()]


def _claims() -> list[bytes]:
    good = world().claims()
    chained = good | {"act": {"sub": "b", "act": {"sub": "c"}}, "may_act": {"sub": "b"}}
    return [
        compact(good),
        compact(chained),
        compact(good | {"aud": ["x", AUDIENCE], "nbf": SECONDS, "y": {"z": [0.5]}}),
    ]


def _proofs() -> list[bytes]:
    header = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk_of(world().keys["client-ed"])}
    said = {"jti": "p", "htm": METHOD, "htu": URI, "iat": SECONDS}
    return [compact(header) + PART + compact(said)]


def _sets() -> list[bytes]:
    keys = [
        ec.generate_private_key(ec.SECP521R1()),
        *(world().keys[name] for name in ("issuer", "issuer-ed", "issuer-rsa")),
    ]
    return [
        compact(
            {
                "keys": [
                    jwk_of(key, kid=str(at), alg=("ES512", "ES256", "EdDSA", "PS256")[at], use="sig")
                    for at, key in enumerate(keys)
                ]
            }
        )
    ]


def _bundles() -> list[bytes]:
    authority = world().authority
    x5c = [b64encode(authority.certificate.public_bytes(Encoding.DER)).decode()]
    keys = [
        jwk_of(authority.key, use="x509-svid", x5c=x5c),
        jwk_of(world().keys["domain"], use="jwt-svid", kid="a"),
    ]
    return [compact({"keys": keys, "spiffe_sequence": 1, "spiffe_refresh_hint": 300})]


def _headers() -> list[bytes]:
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"header": 'Hash=<hash>;Subject="CN=a\\"b,O=\\\\;c";DNS=a;DNS=b,By=x;Hash=<other>'},
    )
    return [world().present("xfcc", change).xfcc.encode() for change in changes]


def _requests() -> list[bytes]:
    asserted = {"age": 1, "lifetime": 60, "binding": "mtls", "audiences": ["a"], "scopes": ["é\\"]}
    whole = {
        "caller": {"id": WORKLOAD}, "credential": {"asserted": asserted}, "audience": AUDIENCE,
        "action": {"name": "read", "x": 1.5}, "resource": {"type": "entry", "id": "1", "tags": ["a", {"b": None}]},
        "task": "t", "context": {"ip": "192.0.2.1"},
    }  # fmt: skip
    return [compact(whole), compact({"audience": AUDIENCE, "action": "read"})]


TARGETS = {
    "token": Target(token, _tokens, _BASE64, TOKEN_LIMIT),
    "segments": Target(segments, _parts, _JSON, TOKEN_LIMIT),
    "claims": Target(claims, _claims, (*_JSON, *_CLAIMS), TOKEN_LIMIT),
    "delegation": Target(delegation, _claims, (*_JSON, *_CLAIMS), TOKEN_LIMIT),
    "proof": Target(proof, _proofs, (*_JSON, *_KEYS), PROOF_LIMIT),
    "uri": Target(uri, lambda: [URI.encode(), b"HTTP://[::1]:80/%7ea/b;c?d#e"], _URI, PROOF_LIMIT),
    "jwks": Target(jwks, _sets, (*_JSON, *_KEYS), SET_LIMIT),
    "bundle": Target(bundle, _bundles, (*_JSON, *_KEYS), SET_LIMIT),
    "certificates": Target(certificates, lambda: [pem(leaf()).encode()], _PEM, PEM_LIMIT),
    "certificate": Target(certificate, lambda: [leaf().public_bytes(Encoding.DER)], _DER, PEM_LIMIT),
    "xfcc": Target(xfcc, _headers, _XFCC, XFCC_LIMIT),
    "identity": Target(identity, lambda: [WORKLOAD.encode(), b"spiffe://a.b-c_0/.A/..."], _NAME, 2_048),
    "request": Target(request, _requests, (*_JSON, *_REQUEST), LIMITS.body),
}
