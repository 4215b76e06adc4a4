"""Tokens of our own: access tokens (RFC 9068) and transaction tokens, from claims and the key that signs now.

Knows which claims such a token has, and not who may have one. Nothing is signed that would not be accepted
here: what is minted goes through the checks of `pdp.evidence` first.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from pdp.evidence.jws import encode, load
from pdp.evidence.jwt import LINEAGE_LIMIT, Confirmation, from_claims, name, time
from pdp.evidence.refusals import EvidenceError
from pdp.evidence.trust import Issuer
from pdp.evidence.verify import told_caller
from pdp.tasks.signing import SigningKeys
from pdp.tasks.wrap import ALGORITHMS

ACCESS_TOKEN: Final = "at+jwt"
TRANSACTION_TOKEN: Final = "txntoken+jwt"

RESERVED: Final = frozenset(
    (
        "iss", "sub", "client_id", "aud", "iat", "nbf", "exp", "jti", "scope", "cnf", "act", "may_act",
        "task", "lin", "since", "caller", "txn", "req_wl", "tctx", "rctx",
    )
)  # fmt: skip
"""Claims that say what a token is, who has it and what for: no further claim is called so."""

# Names of revocations (`pdp.tasks.revocation`), and what an id has of chance.
_NAME_SIZE: Final = 16
_ID_SIZE: Final = 16
# Stands for a signature, which has one length with either algorithm, while there is none.
_UNSIGNED: Final = encode(bytes(64))


class MintError(Exception):
    """There is no token with these claims. The text says why, and holds none of them."""


class Mint:
    """Makes tokens as `issuer`, which is its URL. Its methods raise `MintError`, and `StoreError` where there
    is no key to sign with.

    A token is for one `audience`, and expires at `until` (epoch seconds) or up to a second before, for whole
    seconds is what tokens count; `seconds` is the time now. None lives longer than the schedule of the keys
    has it: who wants one must ask for less.
    """

    def __init__(self, keys: SigningKeys, issuer: str) -> None:
        self._keys = keys
        lifetime = keys.schedule.lifetime
        self._issuer = Issuer(
            issuer, frozenset(ALGORITHMS), task="task", max_lifetime=lifetime, max_age=lifetime, own=True
        )

    def access_token(
        self,
        *,
        subject: str,
        client_id: str,
        caller: dict[str, Any],
        audience: str,
        until: float,
        seconds: float,
        scope: str = "",
        confirmation: Confirmation | None = None,
        act: dict[str, Any] | None = None,
        task: str | None = None,
        lineage: Sequence[bytes] = (),
        since: float | None = None,
        further: Mapping[str, Any] | None = None,
    ) -> str:
        """An access token (RFC 9068 section 2). `caller` is what is known of who may call with it: a `kind`,
        and attributes that are JSON. `act` is who acts for the subject (RFC 8693 section 4.1). `lineage`
        names what it was exchanged for, of which the earliest was issued at `since`; `further` are claims
        beside those."""
        claims = self._claims(subject, audience, until, seconds, task, lineage, further)
        claims |= {"client_id": client_id, "caller": caller}
        if scope:
            claims["scope"] = scope
        if confirmation is not None:
            bound = {"jkt": confirmation.jkt, "x5t#S256": confirmation.x5t}
            claims["cnf"] = {member: value for member, value in bound.items() if value is not None}
        if act is not None:
            claims["act"] = act
        if since is not None:
            claims["since"] = _whole(since)
        return self._signed(ACCESS_TOKEN, claims, ("client_id",), seconds)

    def transaction_token(
        self,
        *,
        subject: str,
        audience: str,
        transaction: str,
        scope: str,
        workload: str,
        caller: dict[str, Any] | None = None,
        until: float,
        seconds: float,
        details: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        task: str | None = None,
        lineage: Sequence[bytes] = (),
        since: float | None = None,
    ) -> str:
        """A transaction token (draft-ietf-oauth-transaction-tokens): for a trust domain, which is the
        `audience`, asked for by a `workload`; with `details` that do not change (`tctx`) and the `context`
        that it was asked for in (`rctx`). `caller`, `lineage` and `since` as for an access token: it may
        be exchanged for another one."""
        claims = self._claims(subject, audience, until, seconds, task, lineage, None)
        claims |= {"txn": transaction, "scope": scope, "req_wl": workload}
        if caller is not None:
            claims["caller"] = caller
        if since is not None:
            claims["since"] = _whole(since)
        if details is not None:
            claims["tctx"] = details
        if context is not None:
            claims["rctx"] = context
        return self._signed(TRANSACTION_TOKEN, claims, ("txn", "scope", "req_wl"), seconds)

    def _claims(
        self,
        subject: str,
        audience: str,
        until: float,
        seconds: float,
        task: str | None,
        lineage: Sequence[bytes],
        further: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """What all tokens say."""
        claims: dict[str, Any] = dict(further or {})
        if not RESERVED.isdisjoint(claims):
            raise MintError(f"`{min(RESERVED & claims.keys())}` is no further claim")
        # `from_claims` takes several audiences.
        if type(audience) is not str or not audience:
            raise MintError("it is for one audience")
        if len(lineage) > LINEAGE_LIMIT or any(len(one) != _NAME_SIZE for one in lineage):
            raise MintError(f"its lineage is no list of at most {LINEAGE_LIMIT} names")
        claims |= {
            "iss": self._issuer.id,
            "sub": subject,
            "aud": audience,
            "iat": _whole(seconds),
            "exp": _whole(until),
            "jti": encode(secrets.token_bytes(_ID_SIZE)),
        }
        if task is not None:
            claims["task"] = task
        if lineage:
            claims["lin"] = [encode(one) for one in lineage]
        return claims

    def _signed(self, typ: str, claims: dict[str, Any], names: Sequence[str], seconds: float) -> str:
        """A token, if one that says this would be accepted: strictly read, and by all rules for claims."""
        key = self._keys.current(seconds)
        try:
            written = encode(_json(claims))
            signing_input = f"{_header(key.algorithm, key.kid, typ)}.{written}"
            read = load(f"{signing_input}.{_UNSIGNED}").claims
            from_claims(read, self._issuer, claims["aud"], seconds)
            for one in names:
                name(read, one)
            if typ == ACCESS_TOKEN or "caller" in read:
                told_caller(read)
            if "since" in read:
                time(read, "since")
        except EvidenceError as error:
            raise MintError(f"a token that says this would be refused: {error.code}") from None
        except (TypeError, ValueError, OverflowError, RecursionError):
            raise MintError("what it is to say cannot be written as JSON") from None
        return f"{signing_input}.{encode(key.sign(signing_input.encode()))}"


# Of the libraries, the one that writes nothing as something else: no bytes as text, no infinity as null.
_encode_json: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _json(value: dict[str, Any]) -> bytes:
    return _encode_json(value).encode()


def _whole(seconds: float) -> int:
    # What ends, ends no later for it; and what descends from something is no younger.
    try:
        return int(seconds)
    except (TypeError, ValueError, OverflowError):
        raise MintError("one of its times is none") from None


@lru_cache(64)
def _header(algorithm: str, kid: str, typ: str) -> str:
    return encode(_json({"alg": algorithm, "kid": kid, "typ": typ}))
