"""What fuzzing begins with: inputs that each parser takes, made anew, and pieces to damage them with."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64decode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.evidence.world import AUDIENCE, METHOD, SECONDS, URI, WORKLOAD, compact, jwk_of, pem
from tests.fuzz.checks import PART, leaf, world

# Pieces, between spaces.
BASE64 = (*rb". = - _ + / A e30 eyJhbGciOiIifQ".split(), b" ", b"\n", "é".encode())
JSON = (
    *rb"""{ } [ ] , : " \ null true 1e400 -0 NaN "\u0000" "\ud800" [[[[ {"sub":"x"} "x":1, /**/""".split(),
    *(b" ", b"\xef\xbb\xbf", b"9" * 20),
)
CLAIMS = (*JSON, *rb'"act": "may_act": "cnf": "aud": "exp": "nbf": "jti": "scope": spiffe://'.split())
KEYS = (
    *JSON,
    *rb'"crv": "kty": "EC" "OKP" "RSA" "x": "y": "e": "n": "alg": "use": "kid": "key_ops":'.split(),
    *rb'"x5c": "d": AA = jwt-svid [] {}'.split(),
)
REQUEST = (
    *JSON,
    *rb'"caller": "credential": "action": "asserted": "name": "resource": "type": "task": "request":'.split(),
    *rb'"token": "proofs": "dpop": "certificate": "xfcc": "scheme": "DPoP" "method": "uri":'.split(),
)
PEM = (
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----END CERTIFICATE-----\n",
    b"-----BEGIN CERTIFICATE REQUEST-----\n",
    b"=",
)
DER = (
    b"\x30\x80", b"\x02\x01\x00", b"\x06\x03U\x1d\x11", b"\xa0\x03\x02\x01\x05", b"\x05\x00", b"\x01\x01\xff",
    b"\x82\xff\xff",
)  # fmt: skip
XFCC = rb'; , = " \ \" Hash= URI= DNS= By= Cert= Chain= Subject=" % %00 %zz'.split()
NAMES = (*rb"spiffe:// / . .. // %2e % @ : A ? #".split(), "\u212a".encode(), b"\n", b"\x00")
URIS = (
    *rb"https:// HTTP:// / /../ /./ %2e %2F %5c %7e %7f % @ :443 :80 [::1] ? # \ ..;".split(),
    *(b"\t", b" ", b"\x7f"),
)


def tokens() -> list[bytes]:
    changes: tuple[dict[str, Any], ...] = ({}, {"claims": {"act": {"sub": "b"}, "x": [1.5, None]}})
    return [world().access_token(change).encode() for change in changes]


def segments() -> list[bytes]:
    return [PART.join(urlsafe_b64decode(part + b"===") for part in token.split(b".")) for token in tokens()]


def claims() -> list[bytes]:
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"act": {"sub": "b", "act": {"sub": "c"}}, "may_act": {"sub": "b"}},
        {"aud": ["x", AUDIENCE], "nbf": SECONDS, "y": {"z": [0.5]}},
    )
    return [compact(world().claims() | change) for change in changes]


def proofs() -> list[bytes]:
    header = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk_of(world().keys["client-ed"])}
    return [compact(header) + PART + compact({"jti": "p", "htm": METHOD, "htu": URI, "iat": SECONDS})]


def uris() -> list[bytes]:
    return [URI.encode(), b"HTTP://[::1]:80/%7ea/b;c?d#e"]


def sets() -> list[bytes]:
    held = world().keys
    keys = {"ES256": held["issuer"], "EdDSA": held["issuer-ed"], "PS256": held["issuer-rsa"]}
    keys["ES512"] = ec.generate_private_key(ec.SECP521R1())
    return [compact({"keys": [jwk_of(key, kid=name, alg=name, use="sig") for name, key in keys.items()]})]


def bundles() -> list[bytes]:
    authority = world().authority
    x5c = [b64encode(authority.certificate.public_bytes(Encoding.DER)).decode()]
    keys = [jwk_of(authority.key, use="x509-svid", x5c=x5c)]
    keys += [jwk_of(world().keys["domain"], use=use, kid="a") for use in ("jwt-svid", "wit-svid")]
    return [compact({"keys": keys, "spiffe_sequence": 1, "spiffe_refresh_hint": 300})]


def chains() -> list[bytes]:
    return [pem(leaf()).encode(), pem(leaf(), world().authority.certificate).encode()]


def certificates() -> list[bytes]:
    return [leaf().public_bytes(Encoding.DER)]


def headers() -> list[bytes]:
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"header": 'Hash=<hash>;Subject="CN=a\\"b,O=\\\\;c";DNS=a;DNS=b,By=x;Hash=<other>'},
    )
    return [str(world().present("xfcc", change).xfcc).encode() for change in changes]


def identities() -> list[bytes]:
    return [WORKLOAD.encode(), b"spiffe://a.b-c_0/.A/..."]


def requests() -> list[bytes]:
    asked = {"audience": AUDIENCE, "action": "read"}
    asserted = {"age": 1, "lifetime": 60, "binding": "mtls", "audiences": ["a"], "scopes": ["é\\"]}
    resource = {"type": "entry", "id": "1", "tags": ["a", {"b": None}]}
    shown = {"token": "a.b.c", "scheme": "DPoP", "proofs": {"dpop": ["a.b.c"]}, "xfcc": "Hash=00"}
    whole = {
        "caller": {"id": WORKLOAD}, "credential": {"asserted": asserted}, "audience": AUDIENCE,
        "action": {"name": "read", "x": 1.5}, "resource": resource, "task": "t",
        "context": {"ip": "192.0.2.1"},
    }  # fmt: skip
    proved = asked | {"credential": shown, "request": {"method": METHOD, "uri": URI}}
    return [compact(asked), compact(whole), compact(proved)]
