"""A check for each parser, that takes any bytes and says whether the parser took them.

It fails where another exception than the documented one leaves the parser, and where something is taken that
has another spelling, or is read otherwise elsewhere. Knows no fuzzer.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64decode
from functools import cache
from typing import Any
from urllib.parse import quote

from pdp.access.patterns import check_spiffe_id
from pdp.access.request import Request, RequestError
from pdp.evidence.delegation import chain
from pdp.evidence.dpop import ProofPolicy, normalised, verify_proof
from pdp.evidence.jws import encode, load
from pdp.evidence.keys import ALGORITHMS, KeysError, parse_jwks, thumbprint
from pdp.evidence.refusals import EvidenceError
from pdp.evidence.spiffe import parse_bundle
from pdp.evidence.verify import Presented, Verifier
from pdp.evidence.x509 import load_chain, names_workload, spiffe_id
from pdp.evidence.xfcc import LIMIT as XFCC_LIMIT
from pdp.evidence.xfcc import Element, parse
from tests.evidence.world import (
    AUDIENCE,
    METHOD,
    NOW,
    SECONDS,
    URI,
    World,
    compact,
    jwk_of,
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
        verifier().verify(Presented(certificate=text, forwards=True), AUDIENCE, NOW)
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
