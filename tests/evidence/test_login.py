"""How the decision point shows itself: what it sends proves it, and comes from files as they are now."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from pdp.evidence.fetch import FetchError
from pdp.evidence.login import Basic, Bearer, PrivateKeyJwt


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def pem(key: Any, password: bytes | None = None) -> bytes:
    """A private key as PEM."""
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return made


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_token_is_sent_as_it_is_in_the_file_now(file: Path, end: str) -> None:
    login = Bearer(file)
    for token in ("first-token", "second.token~+/=="):
        file.write_bytes((token + end).encode())
        assert login.present() == ({"authorization": f"Bearer {token}"}, {})


def test_name_and_secret_are_sent_so_that_every_sign_arrives(file: Path) -> None:
    file.write_text("pä:ss word\n")
    headers, fields = Basic("a:client", file).present()
    scheme, pair = headers["authorization"].split(" ")
    assert (scheme, base64.b64decode(pair), fields) == ("Basic", b"a%3Aclient:p%C3%A4%3Ass+word", {})


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
        (rsa.generate_private_key(65_537, 2_048), "PS256"),
    ],
    ids=["ES256", "EdDSA", "PS256"],
)
def test_an_assertion_is_signed_for_its_audience_for_a_moment_and_used_once(
    file: Path, key: Any, algorithm: str
) -> None:
    file.write_bytes(pem(key))
    login, seen = PrivateKeyJwt("pdp", file, "https://idp.example"), set()
    for _ in range(2):
        headers, fields = login.present()
        assert headers == {}
        assert fields["client_id"] == "pdp"
        assert fields["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        claims = jwt.decode(
            fields["client_assertion"], key.public_key(), [algorithm], audience="https://idp.example"
        )
        assert (claims["iss"], claims["sub"]) == ("pdp", "pdp")
        assert claims["iat"] <= time.time() <= claims["exp"] <= claims["iat"] + 60
        seen.add(claims["jti"])
    assert len(seen) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"no key",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65_537, 1_024)),
        pem(dsa.generate_private_key(2_048)),
        pem(ec.generate_private_key(ec.SECP256R1()), b"password"),
    ],
    ids=["none", "P-384", "RSA-1024", "DSA", "encrypted"],
)
def test_a_key_of_another_kind_is_told(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(FetchError, match="holds no private key for ES256, EdDSA or PS256"):
        PrivateKeyJwt("pdp", file, "https://idp.example").present()


@pytest.mark.parametrize("content", ["two words", "a\r\nx-header: b", "tokén", "a\n\n"])
def test_what_is_no_token_is_not_sent(file: Path, content: str) -> None:
    file.write_bytes(content.encode())
    with pytest.raises(FetchError, match="holds no token") as caught:
        Bearer(file).present()
    assert content not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty or too long"),
        (b"\n", "is empty or too long"),
        (b"x" * 16_385, "is empty or too long"),
        (b"\xff\xfe", "is not text"),
    ],
)
def test_a_file_that_holds_no_secret_is_told(file: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FetchError, match=why):
        Basic("pdp", file).present()
