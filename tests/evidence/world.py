"""A small world of issuers, trust domains and clients, its keys made anew for each test run.

`build(recipe)` makes what a vector describes: a credential as somebody presents it, changed in the one way
that the vector is about.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import quote

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pdp.evidence.keys import KeySet, parse_jwk, parse_jwks, thumbprint
from pdp.evidence.trust import Audiences, Bundle, Issuer, Keys, Trust, TrustDomain
from pdp.evidence.verify import Presented, Verifier

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ISSUER, SECOND, DOMAIN, OTHER_DOMAIN = (
    "https://idp.example",
    "https://second.example",
    "prod.example",
    "other.example",
)
AUDIENCE = "ledger"
WORKLOAD = f"spiffe://{DOMAIN}/ns/payments/sa/api"
METHOD, URI = "POST", "https://ledger.example/entries"


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value: Any) -> bytes:
    """JSON as tokens hold it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def jwk_of(key: Any, **members: Any) -> dict[str, Any]:
    """The public JWK of a private key, with further members."""
    public = key.public_key()
    kinds = {
        ec.EllipticCurvePublicKey: jwt.algorithms.ECAlgorithm,
        rsa.RSAPublicKey: jwt.algorithms.RSAAlgorithm,
        ed25519.Ed25519PublicKey: jwt.algorithms.OKPAlgorithm,
    }
    algorithm = next(kind for base, kind in kinds.items() if isinstance(public, base))
    made: dict[str, Any] = json.loads(algorithm.to_jwk(public))
    made.pop("key_ops", None)
    return made | members


def sign(header: bytes, claims: bytes, key: Any, algorithm: str) -> str:
    """A compact JWS over exactly these bytes."""
    signing_input = f"{b64(header)}.{b64(claims)}".encode()
    if algorithm == "none":
        signature = b""
    elif algorithm.startswith("HS"):
        digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
        import hmac

        signature = hmac.digest(key, signing_input, digest)
    else:
        signature = jwt.algorithms.get_default_algorithms()[algorithm].sign(signing_input, key)
    return f"{signing_input.decode()}.{b64(signature)}"


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`base` with members set, or taken away where the change says null; `{"now": 5}` is in five seconds."""
    made = dict(base)
    for name, value in change.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, dict) and value.keys() == {"now"}:
            made[name] = SECONDS + value["now"]
        elif isinstance(value, dict) and value.keys() == {"repeat", "times"}:
            made[name] = value["repeat"] * value["times"]
        else:
            made[name] = value
    return made


@dataclass
class Authority:
    """A certificate authority of a trust domain."""

    domain: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @cached_property
    def certificate(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{self.domain} authority")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage(key_cert_sign=True, crl_sign=True, digital_signature=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, recipe: dict[str, Any]) -> x509.Certificate:
        """A leaf for `recipe`: `uris`, `ca`, `usage`, `begins` and `ends` in seconds from now, …"""
        key = recipe.get("key") or ec.generate_private_key(ec.SECP256R1())
        subject = [] if recipe.get("no_subject") else [x509.NameAttribute(NameOID.COMMON_NAME, "workload")]
        names: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(uri) for uri in recipe.get("uris", [WORKLOAD])
        ]
        names += [x509.DNSName(name) for name in recipe.get("dns", [])]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + timedelta(seconds=recipe.get("begins", -60)))
            .not_valid_after(NOW + timedelta(seconds=recipe.get("ends", 3_540)))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(names),
                critical=recipe.get("critical_names", bool(recipe.get("no_subject"))),
            )
        if "ca" in recipe:
            builder = builder.add_extension(
                x509.BasicConstraints(ca=recipe["ca"], path_length=None), critical=True
            )
        if recipe.get("usage", {}) is not None:
            builder = builder.add_extension(
                usage(**recipe.get("usage", {})), critical=recipe.get("critical_usage", True)
            )
        extended = recipe.get("extended", ["client", "server"])
        if extended:
            kinds = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}
            builder = builder.add_extension(
                x509.ExtendedKeyUsage([kinds[one] for one in extended]), critical=False
            )
        return builder.sign(self.key, hashes.SHA256())


def usage(**changes: bool) -> x509.KeyUsage:
    """A key usage; digital signature alone unless changed."""
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name == "digital_signature" for name in names} | changes)


def pem(*certificates: x509.Certificate) -> str:
    """Certificates as PEM text."""
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)


class World:
    """Who is trusted, and everybody's keys."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {
            "issuer": ec.generate_private_key(ec.SECP256R1()),
            "issuer-rsa": rsa.generate_private_key(65_537, 2_048),
            "issuer-ed": ed25519.Ed25519PrivateKey.generate(),
            "issuer-384": ec.generate_private_key(ec.SECP384R1()),
            "second": ec.generate_private_key(ec.SECP256R1()),
            "stranger": ec.generate_private_key(ec.SECP256R1()),
            "client": ec.generate_private_key(ec.SECP256R1()),
            "client-ed": ed25519.Ed25519PrivateKey.generate(),
            "domain": ec.generate_private_key(ec.SECP256R1()),
            "domain-wit": ec.generate_private_key(ec.SECP256R1()),
            "other-domain": ec.generate_private_key(ec.SECP256R1()),
        }
        self.authority, self.other, self.strange = (
            Authority(DOMAIN),
            Authority(OTHER_DOMAIN),
            Authority("x.example"),
        )

    def trust(self, change: dict[str, Any] | None = None) -> Trust:
        """The trust; `change` sets members of the first `issuer` or of the first `domain`."""
        change = change or {}
        issuer: dict[str, Any] = {
            "algorithms": frozenset({"ES256", "PS256", "EdDSA", "ES384"}), "audiences": Audiences(),
            "max_lifetime": 600,
            "max_age": 300, "leeway": 10,
        }  # fmt: skip
        for name, value in change.get("issuer", {}).items():
            if name == "audiences":
                issuer[name] = Audiences({k: frozenset(v) for k, v in value.items()})
            else:
                issuer[name] = frozenset(value) if isinstance(value, list) else value
        domain: dict[str, Any] = {
            "forms": frozenset({"x509_svid", "jwt_svid", "wit"}),
            "max_lifetime": 3_600,
            "leeway": 10,
        }
        domain |= {n: frozenset(v) if isinstance(v, list) else v for n, v in change.get("domain", {}).items()}
        until = SECONDS + change.get("believed", 3_600)
        return Trust(
            {ISSUER: Issuer(ISSUER, **issuer), SECOND: Issuer(SECOND, frozenset({"ES256"}))},
            {DOMAIN: TrustDomain(DOMAIN, **domain), OTHER_DOMAIN: TrustDomain(OTHER_DOMAIN)},
            {ISSUER: Keys(self.issuer_keys, until), SECOND: Keys(self._set("second"), until)},
            {
                DOMAIN: Bundle(
                    () if change.get("no_authorities") else (self.authority.certificate,),
                    KeySet({}) if change.get("no_authorities") else self._set("domain"),
                    self._set("domain-wit"),
                    until,
                ),
                OTHER_DOMAIN: Bundle((self.other.certificate,), self._set("other-domain"), KeySet({}), until),
            },
        )

    @cached_property
    def issuer_keys(self) -> KeySet:
        """The first issuer's key set, as it publishes it."""
        members = [
            jwk_of(self.keys[name], kid=name, use="sig", alg=algorithm)
            for name, algorithm in (
                ("issuer", "ES256"),
                ("issuer-rsa", "PS256"),
                ("issuer-ed", "EdDSA"),
                ("issuer-384", "ES384"),
            )
        ]
        return parse_jwks(
            compact({"keys": members}), use="sig", algorithms=frozenset({"ES256", "PS256", "EdDSA", "ES384"})
        )

    def _set(self, name: str) -> KeySet:
        key = parse_jwk(jwk_of(self.keys[name]), kid=name, algorithms={"ES256"})
        assert key is not None
        return KeySet({name: key})

    # What clients present.

    def present(self, credential: str, change: dict[str, Any]) -> Presented:
        """A credential of a kind, as it is presented when a vector has changed it."""
        made = {"bearer": self._bearer, "dpop": self._dpop, "mtls": self._mtls, "jwt_svid": self._jwt_svid,
                "x509": self._x509, "xfcc": self._xfcc, "wit": self._wit}[credential](change)  # fmt: skip
        for name in ("scheme", "method", "uri", "forwards", "certificate", "xfcc", "wpt", "token"):
            if name in change:
                made[name] = change[name]
        return Presented(**made)

    def token(self, change: dict[str, Any], claims: dict[str, Any], header: dict[str, Any], key: str) -> str:
        """A token with a recipe's changes of header, claims, signature and text."""
        signer, algorithm = change.get("sign_with", key), change.get("sign_as", header["alg"])
        # By default a token names the key that signs it, unless it is about just that.
        header = merged(header, change.get("header", {}))
        claims = merged(claims, change.get("claims", {}))
        header_text = change["header_text"].encode() if "header_text" in change else compact(header)
        claims_text = compact(claims)
        if "claims_text" in change:
            claims_text = change["claims_text"].replace("CLAIMS", claims_text.decode()[1:-1]).encode()
        if "claims_hex" in change:
            claims_text = bytes.fromhex(change["claims_hex"])
        if "claims_encoding" in change:
            claims_text = claims_text.decode().encode(change["claims_encoding"])
        secret = self.secret(change["secret"]) if "secret" in change else self.keys.get(signer)
        return edited(sign(header_text, claims_text, secret, algorithm), change.get("edit", []))

    def secret(self, name: str) -> bytes:
        """A public thing that an attacker takes for a shared secret."""
        public = self.keys["issuer"].public_key()
        if name == "jwk":
            return compact(jwk_of(self.keys["issuer"]))
        if name == "empty":
            return b""
        encoding = serialization.Encoding.PEM if name == "pem" else serialization.Encoding.DER
        made: bytes = public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        return made

    def claims(self) -> dict[str, Any]:
        """The claims of a good access token."""
        return {
            "iss": ISSUER, "sub": "payments-api", "aud": AUDIENCE, "client_id": "payments-api",
            "iat": SECONDS - 10, "exp": SECONDS + 290, "jti": "t-1", "scope": "entry.read entry.create",
        }  # fmt: skip

    def access_token(self, change: dict[str, Any], **claims: Any) -> str:
        header = {"alg": "ES256", "kid": "issuer", "typ": "at+jwt"}
        return self.token(change, self.claims() | claims, header, "issuer")

    def _bearer(self, change: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"token": self.access_token(change), "scheme": "Bearer"}
        if "proofs" in change:
            made |= {
                "dpop": tuple(self.proof(one, made["token"]) for one in change["proofs"]),
                "method": METHOD,
                "uri": URI,
            }
        return made

    def _dpop(self, change: dict[str, Any]) -> dict[str, Any]:
        token = self.access_token(change, cnf={"jkt": thumbprint(jwk_of(self.keys["client"]))})
        proofs = tuple(self.proof(one, token) for one in change.get("proofs", [{}]))
        return {"token": token, "scheme": "DPoP", "dpop": proofs, "method": METHOD, "uri": URI}

    def proof(self, change: dict[str, Any], token: str) -> str:
        """A DPoP proof for `token`, changed."""
        key = change.get("key", "client")
        header = {
            "alg": "EdDSA" if key == "client-ed" else "ES256",
            "typ": "dpop+jwt",
            "jwk": jwk_of(self.keys[key]),
        }
        if "jwk" in change:
            header["jwk"] = merged(header["jwk"], change["jwk"])
        claims = {
            "jti": "p-1", "htm": METHOD, "htu": URI, "iat": SECONDS - 1,
            "ath": b64(hashlib.sha256(token.encode()).digest()),
        }  # fmt: skip
        return self.token({k: v for k, v in change.items() if k != "key"}, claims, header, key)

    def _mtls(self, change: dict[str, Any]) -> dict[str, Any]:
        leaf = self.strange.issue({"uris": [], "dns": ["client.example"], **change.get("leaf", {})})
        digest = leaf.fingerprint(hashes.SHA256())
        token = self.access_token(change, cnf={"x5t#S256": b64(digest)})
        shown = (
            self.strange.issue({"uris": [], "dns": ["client.example"]})
            if change.get("other_certificate")
            else leaf
        )
        made = {"token": token, "scheme": "Bearer", "forwards": True}
        if "forwarded" in change:
            return {**made, "xfcc": _told(change["forwarded"], shown)}
        return {**made, "certificate": pem(shown)}

    def _jwt_svid(self, change: dict[str, Any]) -> dict[str, Any]:
        claims = {"sub": WORKLOAD, "aud": [AUDIENCE], "iat": SECONDS - 10, "exp": SECONDS + 290}
        token = self.token(change, claims, {"alg": "ES256", "kid": "domain", "typ": "JWT"}, "domain")
        return {"token": token, "scheme": "Bearer"}

    def _x509(self, change: dict[str, Any]) -> dict[str, Any]:
        recipe = dict(change.get("leaf", {}))
        authority = {"other": self.other, "strange": self.strange}.get(
            change.get("authority", ""), self.authority
        )
        shown = edited(pem(authority.issue(recipe)), change.get("edit", []))
        return {"certificate": shown, "forwards": True}

    def _xfcc(self, change: dict[str, Any]) -> dict[str, Any]:
        leaf = self.authority.issue(change.get("leaf", {}))
        other = self.authority.issue({}).fingerprint(hashes.SHA256()).hex()
        header = change.get("header", 'By=spiffe://prod.example/gw;Hash=<hash>;Cert="<cert>";URI=<uri>')
        text = _told(header, leaf, uri=WORKLOAD, other=other)
        return {"xfcc": edited(text, change.get("edit", [])), "forwards": True}

    def _wit(self, change: dict[str, Any]) -> dict[str, Any]:
        held = jwk_of(self.keys["client"], alg="ES256")
        claims = {
            "sub": WORKLOAD,
            "iat": SECONDS - 10,
            "exp": SECONDS + 290,
            "jti": "w-1",
            "cnf": {"jwk": held},
        }
        header = {"alg": "ES256", "kid": "domain-wit", "typ": "wit+jwt"}
        token = self.token(change, claims, header, "domain-wit")
        proof = change.get("proof", {})
        bound = {
            "aud": URI,
            "exp": SECONDS + 60,
            "jti": "q-1",
            "wth": b64(hashlib.sha256(token.encode()).digest()),
        }
        return {
            "token": token, "method": METHOD, "uri": URI,
            "wpt": self.token(proof, bound, {"alg": "ES256", "typ": "wpt+jwt"}, "client"),
        }  # fmt: skip

    def verifier(self, change: dict[str, Any] | None = None) -> Verifier:
        return Verifier(self.trust(change))


def _told(header: str, leaf: x509.Certificate, **values: str) -> str:
    """What Envoy tells of a client's certificate, with `values` in their places."""
    digest, escaped = leaf.fingerprint(hashes.SHA256()).hex(), quote(pem(leaf), safe="")
    for name, value in (values | {"hash": digest, "cert": escaped}).items():
        header = header.replace(f"<{name}>", value)
    return header


def edited(text: str, edits: list[list[Any]]) -> str:
    """Text after a recipe's edits of it."""
    for what, *arguments in edits:
        match what:
            case "append":
                text += arguments[0]
            case "prepend":
                text = arguments[0] + text
            case "replace":
                text = text.replace(arguments[0], arguments[1], 1)
            case "insert":
                text = text[: arguments[0]] + arguments[1] + text[arguments[0] :]
            case "pad":
                text += arguments[0] * arguments[1]
            case "spare bits":
                # The next character of the alphabet: it differs in bits that no byte has.
                alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                text = text[:-1] + alphabet[alphabet.index(text[-1]) + 1]
            case "signature":
                head, _, tail = text.rpartition(".")
                raw = bytearray(base64.urlsafe_b64decode(tail + "=" * (-len(tail) % 4)))
                match arguments[0]:
                    case "zero r":
                        raw[: len(raw) // 2] = bytes(len(raw) // 2)
                    case "zero s":
                        raw[len(raw) // 2 :] = bytes(len(raw) // 2)
                    case "zero":
                        raw[:] = bytes(len(raw))
                    case "large":
                        raw[:] = b"\xff" * len(raw)
                    case "short":
                        raw = raw[:-1]
                    case "long":
                        raw += b"\0"
                    case "flip":
                        raw[0] ^= 1
                    case "der":
                        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

                        half = len(raw) // 2
                        r, s = int.from_bytes(raw[:half]), int.from_bytes(raw[half:])
                        raw = bytearray(encode_dss_signature(r, s))
                text = f"{head}.{b64(bytes(raw))}"
            case "drop signature":
                text = text.rpartition(".")[0] + "."
            case "segments":
                text = ".".join((text.split(".") * 2)[: arguments[0]])
            case "json":
                head, body, tail = text.split(".")
                text = json.dumps({"payload": body, "protected": head, "signature": tail})
            case "upper":
                text = text.upper()
            case _:
                raise AssertionError(what)
    return text
