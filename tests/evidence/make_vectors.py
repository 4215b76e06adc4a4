"""Writes `vectors/`: one file for each way in which a credential can be wrong.

    python -m tests.evidence.make_vectors

A vector is a recipe and not a token, so that no key is in the repository: `world` makes the credential,
signed with keys of the test run, changed in just the one way. Groups are named A (structure), B
(algorithm), C (key selection), D (claims and time), E (audience), F (proofs), G (certificates), H (names),
I (delegation).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "vectors"
Vector = dict[str, Any]


def vector(name: str, credential: str, expect: str, says: str, **change: Any) -> Vector:
    """One vector: `expect` is the refusal's code, or `accepted`."""
    return {"name": name, "says": says, "credential": credential, "change": change, "expect": expect}


def structure() -> Iterator[Vector]:
    bad = "credential_malformed"

    def a(number: int, says: str, expect: str = bad, **change: Any) -> Vector:
        return vector(f"A{number:02}", "bearer", expect, says, **change)

    yield a(1, "five segments, as of an encrypted token", edit=[["segments", 5]])
    yield a(2, "two segments", edit=[["segments", 2]])
    yield a(3, "the JSON serialization", edit=[["json"]])
    yield a(4, "padding behind the signature", edit=[["append", "="]])
    yield a(5, "a line end behind the token", edit=[["append", "\n"]])
    yield a(6, "a space before the token", edit=[["prepend", " "]])
    yield a(7, "a line end within the token", edit=[["insert", 10, "\n"]])
    yield a(8, "a character outside the alphabet", edit=[["insert", 5, "!"]])
    yield a(9, "the other base64 alphabet", edit=[["insert", 5, "+"]])
    yield a(10, "a full-width letter", edit=[["insert", 5, "ａ"]])
    yield a(11, "bits set that no byte has", edit=[["spare bits"]])
    yield a(12, "an empty signature", edit=[["drop signature"]])
    yield a(13, "a leading dot", edit=[["prepend", "."]])
    yield a(14, "a scheme within the token", edit=[["prepend", "Bearer "]])
    yield a(15, "an unknown critical extension", header={"crit": ["x"], "x": 1})
    yield a(16, "an empty list of critical extensions", header={"crit": []})
    yield a(17, "critical extensions that are no list", header={"crit": "exp"})
    yield a(18, "a registered name among the critical extensions", header={"crit": ["alg"]})
    yield a(19, "an unencoded payload", header={"b64": False, "crit": ["b64"]})
    yield a(20, "an unencoded payload, not said to be critical", header={"b64": False})
    yield a(21, "compression", header={"zip": "DEF"})
    yield a(22, "content encryption", header={"enc": "A256GCM"})
    yield a(23, "a nested token", "token_type_refused", header={"cty": "JWT"})
    yield a(24, "a header that is a list", header_text='["alg"]')
    yield a(25, "a header that is no JSON", header_text="alg=ES256")
    yield a(26, "two algorithms", header_text='{"alg":"ES256","alg":"none","kid":"issuer","typ":"at+jwt"}')
    yield a(27, "no algorithm", header={"alg": None}, sign_as="ES256")
    yield a(28, "an algorithm that is a number", header={"alg": 256}, sign_as="ES256")
    yield a(29, "a key id that is a number", header={"kid": 1})
    yield a(30, "a key id that is a list", header={"kid": ["issuer"]})
    yield a(31, "claims that are a list", claims_text='["iss"]')
    yield a(32, "claims that are text", claims_text='"iss"')
    yield a(33, "a claim twice", claims_text='{CLAIMS,"sub":"admin"}')
    yield a(34, "a claim twice, once escaped", claims_text='{CLAIMS,"s\\u0075b":"admin"}')
    yield a(35, "NaN", claims_text='{CLAIMS,"x":NaN}')
    yield a(36, "infinity", claims_text='{CLAIMS,"x":Infinity}')
    yield a(37, "a number that is infinite when read", claims_text='{CLAIMS,"x":1e400}')
    yield a(38, "an integer beyond 64 bits", claims_text='{CLAIMS,"x":18446744073709551616}')
    yield a(39, "a lone surrogate", claims_text='{CLAIMS,"x":"\\ud800"}')
    yield a(40, "a byte order mark", claims_text="\ufeff{CLAIMS}")
    yield a(41, "more behind the claims", claims_text="{CLAIMS}{}")
    yield a(42, "a comma too many", claims_text="{CLAIMS,}")
    yield a(43, "a comment", claims_text="{CLAIMS/**/}")
    yield a(44, "UTF-16", claims_encoding="utf-16")
    yield a(45, "UTF-32", claims_encoding="utf-32-le")
    yield a(46, "no UTF-8", claims_hex="7b22696373223a22ff227d")
    yield a(47, "claims nested too deep", claims={"x": json.loads("[" * 20 + "]" * 20)})
    yield a(48, "nothing but braces", "issuer_unknown", claims_text="{}")
    yield a(49, "a token that is too long", "credential_too_large", edit=[["pad", "A", 9_000]])
    yield a(
        50, "a header that is too long", "credential_too_large", header={"x": {"repeat": "a", "times": 3_000}}
    )
    for number, typ in enumerate(
        (
            "JWT",
            "dpop+jwt",
            "secevent+jwt",
            "txntoken+jwt",
            "oauth-id-jag+jwt",
            "wpt+jwt",
            "at-jwt",
            "AT+JWT2",
            "at+ｊwt",
        ),
        start=51,
    ):
        yield a(number, f"another kind of token: `{typ}`", "token_type_refused", header={"typ": typ})
    yield a(60, "a kind that is not said", "token_type_refused", header={"typ": None})
    yield a(61, "a kind that is a list", "token_type_refused", header={"typ": ["at+jwt"]})
    yield a(
        62,
        "an access token that says it is a workload identity",
        "spiffe_id_invalid",
        header={"typ": "wit+jwt"},
    )


def algorithms() -> Iterator[Vector]:
    refused, broken = "algorithm_refused", "signature_invalid"

    def b(number: int, says: str, expect: str, **change: Any) -> Vector:
        return vector(f"B{number:02}", "bearer", expect, says, **change)

    for number, name in enumerate(("none", "None", "nOnE", "NONE"), start=1):
        yield b(
            number, f"`{name}` with a signature behind it", refused, header={"alg": name}, sign_as="ES256"
        )
    yield b(5, "no algorithm to speak of", refused, header={"alg": ""}, sign_as="ES256")
    yield b(6, "`none` without a signature", "credential_malformed", header={"alg": "none"}, sign_as="none")
    for number, secret in enumerate(("pem", "der", "jwk", "empty"), start=7):
        says = f"a shared secret that is public: {secret}"
        yield b(number, says, refused, header={"alg": "HS256"}, sign_as="HS256", secret=secret)
    for number, how in enumerate(
        ("zero r", "zero s", "zero", "large", "short", "long", "flip", "der"), start=11
    ):
        yield b(number, f"a signature with {how}", broken, edit=[["signature", how]])
    yield b(19, "ES256 by a key of another curve", refused, header={"kid": "issuer-384"})
    yield b(
        20,
        "ES384 by a key for ES256",
        refused,
        header={"alg": "ES384"},
        sign_with="issuer-384",
        sign_as="ES384",
    )
    yield b(
        21,
        "RS256 by a key for PS256",
        refused,
        header={"alg": "RS256", "kid": "issuer-rsa"},
        sign_with="issuer-rsa",
        sign_as="RS256",
    )
    yield b(
        22,
        "an algorithm that this issuer may not use",
        refused,
        header={"alg": "PS384", "kid": "issuer-rsa"},
        sign_with="issuer-rsa",
        sign_as="PS384",
    )
    yield b(23, "an algorithm in lower case", refused, header={"alg": "es256"}, sign_as="ES256")
    yield b(
        24,
        "EdDSA by the ES256 key's name",
        refused,
        header={"alg": "EdDSA"},
        sign_with="issuer-ed",
        sign_as="EdDSA",
    )
    yield b(25, "signed by a stranger under the issuer's key id", broken, sign_with="stranger")


def selection() -> Iterator[Vector]:
    def c(number: int, says: str, expect: str, **change: Any) -> Vector:
        return vector(f"C{number:02}", "bearer", expect, says, **change)

    bad = "credential_malformed"
    yield c(1, "a key within the token", bad, header={"jwk": {"kty": "EC"}}, sign_with="stranger")
    yield c(2, "a key set elsewhere", bad, header={"jku": "https://evil.example/jwks"}, sign_with="stranger")
    yield c(3, "a key set on this machine", bad, header={"jku": "http://127.0.0.1/jwks"})
    yield c(4, "a certificate elsewhere", bad, header={"x5u": "https://169.254.169.254/x"})
    yield c(5, "a certificate within", bad, header={"x5c": ["MIIB"]})
    yield c(6, "another issuer's key", "key_unknown", header={"kid": "second"}, sign_with="second")
    yield c(7, "another issuer's key under this issuer's name", "signature_invalid", sign_with="second")
    unknown = ("../../dev/null", "' OR 1=1 --", "issuer\0", "", "ISSUER", "issuer ")
    for number, kid in enumerate(unknown, start=8):
        yield c(number, f"a key id that is {json.dumps(kid)}", "key_unknown", header={"kid": kid})
    yield c(14, "no key id", "key_unknown", header={"kid": None})
    yield c(
        15,
        "a key id of two thousand characters",
        "credential_too_large",
        header={"kid": {"repeat": "k", "times": 2_000}},
    )
    yield c(16, "keys that nobody refreshed", "keys_stale", trust={"believed": -1})
    for number, issuer in enumerate(
        (
            "https://idp.example/",
            "https://IDP.example",
            "http://idp.example",
            "https://idp.example.evil",
            "https://idp.exampl",
            " https://idp.example",
        ),
        start=17,
    ):
        yield c(number, f"an issuer that is nearly one: `{issuer}`", "issuer_unknown", claims={"iss": issuer})
    yield c(23, "no issuer", "issuer_unknown", claims={"iss": None})
    yield c(24, "an issuer that is a list", "issuer_unknown", claims={"iss": ["https://idp.example"]})


def claims() -> Iterator[Vector]:
    invalid, missing = "claim_invalid", "claim_missing"

    def d(number: int, says: str, expect: str, **change: Any) -> Vector:
        return vector(f"D{number:02}", "bearer", expect, says, **change)

    yield d(1, "no end", missing, claims={"exp": None})
    ends = ("1900000000", 1795608000.5, True, 1e300, -1, "٢٠٠٠٠٠٠٠٠٠", [], {}, 999_999_999_999_999)
    for number, value in enumerate(ends, start=2):
        yield d(
            number, f"an end that is {json.dumps(value, ensure_ascii=False)}", invalid, claims={"exp": value}
        )
    yield d(11, "a life that is too long", "lifetime_too_long", claims={"exp": {"now": 600}})
    yield d(12, "issued too long ago", "token_too_old", claims={"iat": {"now": -301}, "exp": {"now": 200}})
    yield d(13, "issued in the future", "token_not_yet_valid", claims={"iat": {"now": 11}})
    yield d(14, "no time of issue", missing, claims={"iat": None})
    yield d(15, "a time of issue that is text", invalid, claims={"iat": "0"})
    yield d(16, "a time of issue before all time", invalid, claims={"iat": -5})
    yield d(17, "at its end, to the second", "token_expired", claims={"exp": {"now": 0}})
    yield d(18, "past its end, within the leeway", "token_expired", claims={"exp": {"now": -1}})
    yield d(19, "an end before its beginning", invalid, claims={"exp": {"now": -20}})
    yield d(20, "not valid yet", "token_not_yet_valid", claims={"nbf": {"now": 11}})
    yield d(21, "a beginning that is text", invalid, claims={"nbf": "0"})
    yield d(22, "no id", missing, claims={"jti": None})
    yield d(23, "an empty id", invalid, claims={"jti": ""})
    yield d(24, "an id that is too long", invalid, claims={"jti": {"repeat": "j", "times": 129}})
    yield d(25, "an id that is a number", invalid, claims={"jti": 7})
    yield d(26, "an id with a line end", invalid, claims={"jti": "a\nb"})
    yield d(27, "scopes that are a list", invalid, claims={"scope": ["entry.read"]})
    yield d(28, "scopes with a tab between them", invalid, claims={"scope": "entry.read\tentry.create"})
    yield d(29, "scopes with two spaces between them", invalid, claims={"scope": "entry.read  entry.create"})
    yield d(30, "a scope with a quote", invalid, claims={"scope": 'entry"read'})
    yield d(31, "no subject", missing, claims={"sub": None})
    yield d(32, "an empty subject", invalid, claims={"sub": ""})
    yield d(33, "a subject that is a list", invalid, claims={"sub": ["payments-api"]})
    yield d(34, "a confirmation that is not understood", invalid, claims={"cnf": {"kid": "k"}})
    yield d(35, "two confirmations", invalid, claims={"cnf": {"jkt": "A" * 43, "x5t#S256": "A" * 43}})
    yield d(36, "an empty confirmation", invalid, claims={"cnf": {}})
    yield d(37, "a confirmation that is text", invalid, claims={"cnf": "jkt"})
    yield d(38, "a thumbprint that is too short", invalid, claims={"cnf": {"jkt": "A" * 42}})
    yield d(39, "a thumbprint with padding", invalid, claims={"cnf": {"jkt": "A" * 42 + "="}})
    yield d(40, "a thumbprint with spare bits", invalid, claims={"cnf": {"jkt": "A" * 42 + "B"}})
    yield d(
        41, "a bearer token where one must be bound", "binding_required", trust={"issuer": {"binding": "any"}}
    )
    yield d(
        42, "a bearer token where DPoP is required", "binding_required", trust={"issuer": {"binding": "dpop"}}
    )


def audiences() -> Iterator[Vector]:
    def e(number: int, says: str, expect: str, **change: Any) -> Vector:
        return vector(f"E{number:02}", "bearer", expect, says, **change)

    yield e(1, "no audience", "claim_missing", claims={"aud": None})
    others = ("warehouse", "ledger.evil", "ledge", "Ledger", "ledger/", "*", "https://ledger", "ledger\u200b")
    for number, audience in enumerate(others, start=2):
        yield e(
            number,
            f"for another audience: {json.dumps(audience)}",
            "audience_mismatch",
            claims={"aud": audience},
        )
    yield e(10, "for several others", "audience_mismatch", claims={"aud": ["warehouse", "support"]})
    yield e(11, "an audience that is a number among others", "claim_invalid", claims={"aud": ["ledger", 7]})
    yield e(12, "an empty list of audiences", "claim_invalid", claims={"aud": []})
    yield e(13, "an empty audience", "claim_invalid", claims={"aud": ""})
    yield e(14, "an audience that is an object", "claim_invalid", claims={"aud": {"ledger": True}})
    named = {"issuer": {"audiences": {"ledger": ["https://ledger.example"]}}}
    yield e(15, "the plain name where another stands for it", "audience_mismatch", trust=named)


def proofs() -> Iterator[Vector]:
    def f(number: int, says: str, expect: str, *each: Any, credential: str = "dpop", **change: Any) -> Vector:
        if each:
            change["proofs"] = list(each)
        return vector(f"F{number:02}", credential, expect, says, **change)

    malformed, invalid, mismatch, expired = (
        "proof_malformed",
        "proof_invalid",
        "proof_mismatch",
        "proof_expired",
    )
    yield f(1, "a bound token as a bearer token", "scheme_mismatch", scheme="Bearer")
    yield f(2, "a bound token without a proof", "binding_required", proofs=[])
    yield f(3, "two proofs", malformed, {}, {"claims": {"jti": "p-2"}})
    yield f(4, "a proof without the token's hash", mismatch, {"claims": {"ath": None}})
    yield f(5, "a proof for another token", mismatch, {"claims": {"ath": "A" * 43}})
    uris = (
        "https://ledger.example/other", "https://other.example/entries", "http://ledger.example/entries",
        "https://ledger.example:8443/entries", "https://ledger.example@evil.example/entries",
        "https://user@ledger.example/entries", "https://ledger.example/x/../entries", "https://ledger.example/./entries",
        "https://ledger.example/%2e%2e/entries", "https://ledger.example/x%2fentries", "https://ledger.example/entr\ties",
        " https://ledger.example/entries", "https://ledger.example/entries/", "https://ｌedger.example/entries",
        "https://ledger.example\\entries", "//ledger.example/entries", "https:///entries", "https://ledger.example/entries%",
        "https://ledger.example:0443/entries", "",
    )  # fmt: skip
    for number, uri in enumerate(uris, start=6):
        yield f(
            number, f"a proof for {json.dumps(uri, ensure_ascii=False)}", mismatch, {"claims": {"htu": uri}}
        )
    yield f(26, "a proof for another method", mismatch, {"claims": {"htm": "GET"}})
    yield f(27, "a proof for the method in lower case", mismatch, {"claims": {"htm": "post"}})
    yield f(28, "a proof with the private key", invalid, {"jwk": {"d": "A" * 43}})
    yield f(29, "a proof with a shared secret", invalid, {"jwk": {"kty": "oct", "k": "QQ"}})
    yield f(30, "a proof without a key", invalid, {"header": {"jwk": None}})
    yield f(31, "a proof with a key off the curve", invalid, {"jwk": {"x": "A" * 43}})
    yield f(32, "a proof by another key", "binding_mismatch", {"key": "stranger"})
    yield f(33, "a proof by another kind of key", "binding_mismatch", {"key": "client-ed"})
    yield f(34, "a proof signed by a key that is not the one within", invalid, {"sign_with": "stranger"})
    yield f(35, "a proof that is too old", expired, {"claims": {"iat": {"now": -61}}})
    yield f(36, "a proof from the future", expired, {"claims": {"iat": {"now": 6}}})
    yield f(37, "a proof whose time is text", malformed, {"claims": {"iat": "0"}})
    yield f(38, "a proof without a time", malformed, {"claims": {"iat": None}})
    yield f(39, "a proof without an id", malformed, {"claims": {"jti": None}})
    yield f(40, "a proof with an empty id", malformed, {"claims": {"jti": ""}})
    yield f(41, "a proof with an endless id", malformed, {"claims": {"jti": {"repeat": "p", "times": 129}}})
    yield f(42, "a proof of another type", invalid, {"header": {"typ": "JWT"}})
    yield f(43, "a proof of no type", invalid, {"header": {"typ": None}})
    yield f(44, "an unsigned proof", malformed, {"header": {"alg": "none"}, "sign_as": "none"})
    yield f(
        45, "a proof by `none` with a signature", invalid, {"header": {"alg": "none"}, "sign_as": "ES256"}
    )
    yield f(46, "a proof that has ended", expired, {"claims": {"exp": {"now": -1}}})
    yield f(47, "a proof that has not begun", expired, {"claims": {"nbf": {"now": 5}}})
    yield f(48, "a proof in another spelling", malformed, {"edit": [["append", "="]]})
    yield f(49, "a proof that is too long", malformed, {"claims": {"x": {"repeat": "a", "times": 5_000}}})
    yield f(50, "a proof with two tokens in it", malformed, {"edit": [["append", ",x"]]})
    yield f(51, "a proof beside an unbound token", "binding_mismatch", {}, credential="bearer")
    yield f(52, "an unbound token as a bound one", "scheme_mismatch", credential="bearer", scheme="DPoP")
    yield f(53, "a proof for an unknown request", mismatch, method=None)
    yield f(54, "a workload's proof beside a bound token", malformed, wpt="e30.e30.AA")
    yield f(
        55, "DPoP where a certificate is required", "binding_required", trust={"issuer": {"binding": "mtls"}}
    )
    ok = {"claims": {"htu": "HTTPS://LEDGER.example:443/%65ntries?q=1#x"}}
    yield f(56, "the same URI, written otherwise", "accepted", ok)
    w = "wit"
    yield f(57, "a workload identity without its proof", "binding_required", credential=w, wpt=None)
    yield f(58, "a workload identity as a bearer token", "scheme_mismatch", credential=w, scheme="Bearer")
    yield f(
        59,
        "a workload's proof for another token",
        mismatch,
        credential=w,
        proof={"claims": {"wth": "A" * 43}},
    )
    yield f(
        60,
        "a workload's proof for another URI",
        mismatch,
        credential=w,
        proof={"claims": {"aud": "https://x.example/"}},
    )
    yield f(
        61, "a workload's proof that has ended", expired, credential=w, proof={"claims": {"exp": {"now": 0}}}
    )
    yield f(
        62,
        "a workload's proof for a long time",
        expired,
        credential=w,
        proof={"claims": {"exp": {"now": 3_600}}},
    )
    yield f(63, "a workload's proof by another key", invalid, credential=w, proof={"sign_with": "stranger"})
    yield f(64, "a workload's proof of another type", invalid, credential=w, proof={"header": {"typ": "JWT"}})
    yield f(
        65,
        "a workload's proof that covers what is not there",
        malformed,
        credential=w,
        proof={"claims": {"oth": {"x": "y"}}},
    )
    yield f(66, "a workload's proof without an id", malformed, credential=w, proof={"claims": {"jti": None}})
    yield f(
        67, "a workload identity for an audience", "claim_invalid", credential=w, claims={"aud": "ledger"}
    )
    yield f(68, "a workload identity without a key", "claim_invalid", credential=w, claims={"cnf": None})
    yield f(
        69,
        "a domain that has no workload identities",
        "trust_domain_unknown",
        credential=w,
        trust={"domain": {"forms": ["jwt_svid"]}},
    )
    yield f(70, "a key on a curve that is a list", "proof_invalid", proofs=[{"jwk": {"crv": []}}])
    weak = {"key": "client-ed", "jwk": {"x": "A" * 43}}
    yield f(71, "a key that anybody signs with", "proof_invalid", proofs=[weak])


def certificates() -> Iterator[Vector]:
    def g(number: int, says: str, expect: str, credential: str = "x509", **change: Any) -> Vector:
        return vector(f"G{number:02}", credential, expect, says, **change)

    invalid, malformed = "certificate_invalid", "xfcc_malformed"
    untrusted = "certificate_not_trusted"
    yield g(1, "a forwarded certificate from who may not forward", untrusted, "xfcc", forwards=False)
    yield g(52, "a certificate from who may not say which one a client has", untrusted, forwards=False)
    yield g(53, "and beside the token that is bound to it", untrusted, "mtls", forwards=False)
    yield g(2, "a token for another certificate", "binding_mismatch", "mtls", other_certificate=True)
    yield g(3, "a token for a certificate, and none", "binding_required", "mtls", certificate=None)
    yield g(4, "a token for a certificate, as a DPoP token", "scheme_mismatch", "mtls", scheme="DPoP")
    yield g(
        5,
        "a certificate where DPoP is required",
        "binding_required",
        "mtls",
        trust={"issuer": {"binding": "dpop"}},
    )
    yield g(
        6,
        "two names of workloads",
        invalid,
        leaf={"uris": ["spiffe://prod.example/a", "spiffe://prod.example/b"]},
    )
    yield g(
        7,
        "a workload's name and another URI",
        invalid,
        leaf={"uris": ["spiffe://prod.example/a", "https://x.example"]},
    )
    yield g(8, "a certificate of an authority", invalid, leaf={"ca": True})
    yield g(9, "a key for certificates", invalid, leaf={"usage": {"key_cert_sign": True}, "ca": False})
    yield g(10, "a key for revocation lists", invalid, leaf={"usage": {"crl_sign": True}})
    yield g(
        11,
        "a key not for signatures",
        invalid,
        leaf={"usage": {"digital_signature": False, "key_encipherment": True}},
    )
    yield g(12, "no usage of the key", invalid, leaf={"usage": None})
    yield g(13, "a usage that may be ignored", invalid, leaf={"critical_usage": False})
    yield g(14, "for servers only", invalid, leaf={"extended": ["server"]})
    yield g(15, "for clients only", invalid, leaf={"extended": ["client"]})
    yield g(
        16,
        "names that may be ignored where there is no subject",
        invalid,
        leaf={"no_subject": True, "critical_names": False},
    )
    yield g(17, "an expired certificate", "certificate_expired", leaf={"begins": -3_600, "ends": -1})
    yield g(18, "at its end, to the second", "certificate_expired", leaf={"begins": -3_600, "ends": 0})
    yield g(19, "a certificate from the future", "certificate_expired", leaf={"begins": 60})
    yield g(20, "signed by another domain's authority", "certificate_untrusted", authority="other")
    yield g(21, "signed by a stranger", "certificate_untrusted", authority="strange")
    yield g(22, "a domain whose bundle is empty", "certificate_untrusted", trust={"no_authorities": True})
    yield g(23, "a domain whose bundle nobody refreshed", "keys_stale", trust={"believed": -1})
    yield g(24, "a certificate without a workload's name", invalid, leaf={"uris": [], "dns": ["api.example"]})
    yield g(
        25, "a domain without certificates", "trust_domain_unknown", trust={"domain": {"forms": ["jwt_svid"]}}
    )
    yield g(26, "no certificate", invalid, certificate="")
    yield g(27, "text around the certificate", invalid, edit=[["append", "-----BEGIN SOMETHING ELSE-----"]])
    yield g(28, "half a certificate", invalid, edit=[["replace", "-----END CERTIFICATE-----", ""]])
    yield g(29, "more text than is read", "credential_too_large", edit=[["pad", "\n", 33_000]])
    yield g(30, "a certificate and a forwarded one", "credential_malformed", xfcc="Hash=00", forwards=True)
    yield g(31, "a scheme beside a certificate", "credential_malformed", scheme="Bearer")
    headers = {
        "a quote that does not end": 'Hash=<hash>;Subject="CN=x',
        "an escape at the end": 'Hash=<hash>;Subject="CN=x\\',
        "the hash twice": "Hash=<hash>;Hash=<other>",
        "an unknown key": "Hash=<hash>;Color=red",
        "an empty element": "Hash=<hash>,",
        "an empty pair": "Hash=<hash>;;URI=<uri>",
        "two names": "Hash=<hash>;URI=<uri>;URI=spiffe://prod.example/admin",
        "no hash": "URI=<uri>",
        "a hash of another length": "Hash=00ff;URI=<uri>",
        "a hash that is not hexadecimal": "Hash=zz<hash>",
        "a control character": "Hash=<hash>;URI=<uri>\t",
        "something before the first key": ";Hash=<hash>",
        "nothing": "",
    }
    for number, (says, header) in enumerate(headers.items(), start=32):
        yield g(number, f"a forwarded certificate with {says}", malformed, "xfcc", header=header)
    yield g(
        45, "a hash of another certificate", invalid, "xfcc", header='Hash=<other>;Cert="<cert>";URI=<uri>'
    )
    yield g(
        46,
        "a name of another workload",
        invalid,
        "xfcc",
        header='Hash=<hash>;Cert="<cert>";URI=spiffe://prod.example/admin',
    )
    yield g(47, "a name without its certificate", invalid, "xfcc", header="Hash=<hash>;URI=<uri>")
    yield g(
        48,
        "what a client wrote, before what the proxy did",
        invalid,
        "xfcc",
        header='Hash=<hash>;Cert="<cert>";URI=<uri>,Hash=<other>',
    )
    yield g(
        49,
        "a subject that looks like a name",
        "accepted",
        "xfcc",
        header='Hash=<hash>;Subject="O=x,URI=spiffe://prod.example/admin;x";Cert="<cert>";URI=<uri>',
    )
    yield g(50, "more than is read", malformed, "xfcc", edit=[["pad", "a", 33_000]])
    for number, says, expect, name in (
        (
            54,
            "a forwarded certificate with a name that is no workload's",
            "accepted",
            "https://client.example/",
        ),
        (55, "a workload's name beside a certificate without", invalid, "spiffe://prod.example/admin"),
        (56, "the same, in another spelling", invalid, "SPIFFE://prod.example/admin"),
    ):
        told = f'Hash=<hash>;Cert="<cert>";URI={name}'
        yield g(number, says, expect, "mtls", leaf={"uris": ["https://client.example/"]}, forwarded=told)


def names() -> Iterator[Vector]:
    ids = (
        "spiffe://prod.example/a/../admin", "spiffe://prod.example/./a", "spiffe://prod.example//a", "spiffe://prod.example/a/",
        "spiffe://prod.example/%61dmin", "spiffe://prod.example/a%2fb", "spiffe://prod.example", "spiffe://prod.example/",
        "spiffe://prod.example:443/a", "spiffe://user@prod.example/a", "spiffe://prod.example/a?x=1", "spiffe://prod.example/a#x",
        "spiffe://Prod.example/a", "spiffe:///a", "spiffe://[::1]/a", "spiffe://prod.example/\u212aelvin", "spiffe://prod.exаmple/a",
        "spiffe://prod.example/ａ", "spiffe://prod.example/a b",
    )  # fmt: skip
    for number, name in enumerate(ids, start=1):
        says = f"a workload called {json.dumps(name, ensure_ascii=False)}"
        yield vector(f"H{number:02}", "jwt_svid", "spiffe_id_invalid", says, claims={"sub": name})

    def h(number: int, says: str, expect: str, credential: str = "jwt_svid", **change: Any) -> Vector:
        return vector(f"H{number:02}", credential, expect, says, **change)

    yield h(20, "a scheme in capitals", "issuer_unknown", claims={"sub": "SPIFFE://prod.example/a"})
    yield h(
        21, "a domain that is not trusted", "trust_domain_unknown", claims={"sub": "spiffe://evil.example/a"}
    )
    yield h(
        22,
        "another domain's workload, by this domain's key",
        "key_unknown",
        claims={"sub": "spiffe://other.example/a"},
    )
    yield h(
        23,
        "this domain's workload, by another domain's key",
        "key_unknown",
        header={"kid": "other-domain"},
        sign_with="other-domain",
    )
    yield h(24, "a header that JWT-SVIDs do not have", "credential_malformed", header={"x": 1})
    yield h(25, "another type", "token_type_refused", header={"typ": "at+jwt"})
    yield h(
        26,
        "EdDSA, which JWT-SVIDs do not use",
        "algorithm_refused",
        header={"alg": "EdDSA"},
        sign_with="client-ed",
        sign_as="EdDSA",
    )
    yield h(27, "no key id", "key_unknown", header={"kid": None})
    yield h(28, "no audience", "claim_missing", claims={"aud": None})
    yield h(29, "another audience", "audience_mismatch", claims={"aud": ["warehouse"]})
    yield h(30, "no end", "claim_missing", claims={"exp": None})
    yield h(31, "a domain whose bundle is empty", "key_unknown", trust={"no_authorities": True})
    yield h(
        32,
        "an access token with a workload's name",
        "trust_domain_unknown",
        "bearer",
        claims={"sub": "spiffe://prod.example/a"},
    )
    yield h(
        33,
        "an access token with a workload's name in capitals",
        "spiffe_id_invalid",
        "bearer",
        claims={"sub": "SPIFFE://prod.example/a"},
    )
    yield h(
        34,
        "a certificate with a name in capitals",
        "spiffe_id_invalid",
        "x509",
        leaf={"uris": ["SPIFFE://prod.example/a"]},
    )
    yield h(
        35,
        "a certificate with a name without a path",
        "spiffe_id_invalid",
        "x509",
        leaf={"uris": ["spiffe://prod.example"]},
    )
    yield h(
        36,
        "a certificate of a domain that is not trusted",
        "trust_domain_unknown",
        "x509",
        leaf={"uris": ["spiffe://evil.example/a"]},
    )
    yield h(37, "a bearer's SVID that is bound to a key", "claim_invalid", claims={"cnf": {"jkt": "A" * 43}})
    yield h(38, "an SVID of whom somebody acts for", "delegation_invalid", claims={"act": {"sub": "agent"}})
    yield h(39, "an SVID whose issuer is a list", "claim_invalid", claims={"iss": ["https://idp.example"]})
    yield h(40, "an SVID whose id is a number", "claim_invalid", claims={"jti": 1})


def delegation() -> Iterator[Vector]:
    def i(number: int, says: str, act: Any, expect: str = "delegation_invalid", **more: Any) -> Vector:
        return vector(f"I{number:02}", "bearer", expect, says, claims={"act": act, **more})

    deep: dict[str, Any] = {"sub": "a9"}
    for level in range(9):
        deep = {"sub": f"a{8 - level}", "act": deep}
    yield i(1, "an actor that is text", "agent")
    yield i(2, "an actor that is a list", ["agent"])
    yield i(3, "an actor without a name", {})
    yield i(4, "an actor with an empty name", {"sub": ""})
    yield i(5, "an actor whose name is a number", {"sub": 7})
    yield i(6, "an actor that acts for itself", {"sub": "payments-api"})
    yield i(7, "an actor that acted before", {"sub": "a", "act": {"sub": "b", "act": {"sub": "a"}}})
    yield i(8, "more actors than are followed", deep)
    yield i(9, "an actor who is not the one that may", {"sub": "agent"}, may_act={"sub": "other"})
    yield i(10, "who may act is text", {"sub": "agent"}, may_act="agent")
    yield i(11, "who may act has no name", {"sub": "agent"}, may_act={})
    yield i(12, "an earlier actor that is text", {"sub": "a", "act": "b"})
    yield i(13, "an actor with a workload's name", {"sub": "spiffe://prod.example/a"}, "trust_domain_unknown")
    yield i(14, "the actor that may act", {"sub": "agent"}, "accepted", may_act={"sub": "agent"})
    yield i(15, "an actor whose name does not print", {"sub": "agent\0"})
    yield i(16, "an actor before it that is null", {"sub": "agent", "act": None})
    yield vector(
        "I17", "bearer", "delegation_invalid", "an actor that is null", claims_text='{CLAIMS,"act":null}'
    )
    before = {"sub": "agent", "act": {"sub": "spiffe://prod.example/a"}}
    yield i(18, "a workload's name among the earlier actors", before, "trust_domain_unknown")
    yield vector(
        "I19",
        "bearer",
        "accepted",
        "the same from who may name that domain's workloads",
        claims={"act": before},
        trust={"issuer": {"trust_domains": ["prod.example"]}},
    )


def vectors() -> Iterator[Vector]:
    """All vectors, by name."""
    for group in (
        structure,
        algorithms,
        selection,
        claims,
        audiences,
        proofs,
        certificates,
        names,
        delegation,
    ):
        yield from group()


def text(vector: Vector) -> str:
    """A vector as its file holds it."""
    return json.dumps(vector, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for old in HERE.glob("*.json"):
        old.unlink()
    for one in vectors():
        (HERE / f"{one['name']}.json").write_text(text(one))
