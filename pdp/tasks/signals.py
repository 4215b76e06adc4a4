"""Security event tokens: what a transmitter says became of sessions, credentials and devices, read strictly.

Knows RFC 8417 and 8935, the OpenID Shared Signals Framework 1.0 and CAEP 1.0: what a token says, and that its
transmitter may say it. Nothing is done about it: that is for `pdp.tasks.heard`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import floor
from typing import Any, Final, Literal

from msgspec import Struct

from pdp.evidence.jws import load
from pdp.evidence.jwt import JTI_LIMIT, check_signature, media_type, name, texts, time
from pdp.evidence.refusals import KEY_UNKNOWN, EvidenceError
from pdp.evidence.trust import Keys
from pdp.state.store import name as hashed
from pdp.tasks.subjects import SignalError, Subject, Transmitter, about

SET_LIMIT: Final = 64 * 1024
"""How many characters of a token are read."""
CAEP: Final = "https://schemas.openid.net/secevent/caep/event-type/"
SSF: Final = "https://schemas.openid.net/secevent/ssf/event-type/"

Effect = Literal["revoke", "hold", "release", "verify", "resume", "pause", "none"]

# How far the clock of a transmitter may be ahead, in seconds: what is refused for it revokes nothing.
_AHEAD: Final = 120


class Signal(Struct, frozen=True):
    """What one token says: that something happened `at` a time (epoch seconds), `about` whom, by their names
    here. `of` names what it is about as its transmitter does, of which the latest that is said counts."""

    id: str
    event: str
    effect: Effect
    at: float
    about: tuple[Subject, ...]
    of: bytes


def read(
    text: str, transmitter: Transmitter, keys: Keys | None, seconds: float, state: str | None = None
) -> Signal:
    """What a transmitter's token says; raises `SignalError`. `state` is what its verification was asked with.

    1. Its form and type. 2. Who signs it, and for whom. 3. Its signature. 4. Its names and times. 5. Its one
    event. 6. Whom it is about, and whether this transmitter may speak of them.
    """
    try:
        # 1.
        jws = load(text, limit=SET_LIMIT)
        if media_type(jws.header.get("typ")) != "secevent+jwt":
            raise SignalError("invalid_request", "its `typ` is not `secevent+jwt`")
        # 2.
        claims = jws.claims
        if claims.get("iss") != transmitter.issuer:
            raise SignalError("invalid_issuer", "its `iss` is not the issuer of this stream")
        if transmitter.audiences.isdisjoint(_audiences(claims)):
            raise SignalError("invalid_audience", "its `aud` is not the audience of this stream")
        # 3.
        if keys is None or seconds >= keys.until:
            raise SignalError("invalid_key", "the keys of its issuer are not known", newer=True)
        try:
            check_signature(jws, keys.keys, transmitter.algorithms)
        except EvidenceError as error:
            newer = error.code == KEY_UNKNOWN
            told = "it is not signed with a key of its issuer"
            raise SignalError("invalid_key", told, newer=newer) from None
        # 4.
        for claim in ("sub", "exp"):
            if claim in claims:
                raise SignalError("invalid_request", f"it has `{claim}`, which no signal has")
        jti, issued = name(claims, "jti", JTI_LIMIT), time(claims, "iat")
        if issued > seconds + _AHEAD:
            raise SignalError("invalid_request", "its `iat` is in the future")
        # 5.
        event, payload = _event(claims)
        at = min(_timestamp(payload, issued), issued)
        effect = _effect(event, payload)
        if effect == "verify" and payload.get("state", state) != state:
            raise SignalError("invalid_state", "its `state` is none that was asked for")
        # 6.
        subject = claims.get("sub_id")
        if type(subject) is not dict:
            raise SignalError("invalid_request", "it has no `sub_id`")
        named = about(subject, transmitter) if effect in ("revoke", "hold", "release") else ()
    except EvidenceError as error:
        raise SignalError(
            "invalid_request", _WRONG.get(error.code, "it is no JWT in its one spelling")
        ) from None
    of = hashed(transmitter.name, event, str(payload.get("principal")), json.dumps(subject, sort_keys=True))
    return Signal(jti, event, effect, at, named, of)


_WRONG: Final = {
    "credential_too_large": f"it has more than {SET_LIMIT} characters",
    "claim_missing": "it lacks a claim that it must have",
    "claim_invalid": "a claim has a value that it cannot have",
    "spiffe_id_invalid": "its `sub_id` is no SPIFFE ID",
}


def _audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return texts(claims, "aud")
    except EvidenceError:
        return ()


# 5. The event.


def _event(claims: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The one event that a token has (SSF 1.0 section 4.2.1)."""
    events = claims.get("events")
    if type(events) is not dict or len(events) != 1:
        raise SignalError("invalid_request", "its `events` are not exactly one")
    ((event, payload),) = events.items()
    if type(payload) is not dict:
        raise SignalError("invalid_request", "its event is no object")
    return event, payload


def _timestamp(payload: Mapping[str, Any], issued: int) -> float:
    """When it happened (CAEP 1.0 section 2). What is said to happen later than it is told happened then."""
    at = payload.get("event_timestamp", issued)
    if type(at) not in (int, float) or at < 0:
        raise SignalError("invalid_request", "its `event_timestamp` is no time")
    return float(at)


def _effect(event: str, payload: Mapping[str, Any]) -> Effect:
    """What an event is to have done; raises `SignalError` where it is not what its type says."""

    def one_of(member: str, *values: str) -> str:
        value = payload.get(member)
        if type(value) is not str or value not in values:
            raise SignalError("invalid_request", f"its event's `{member}` is not what it can be")
        return value

    if event == f"{CAEP}session-revoked":
        return "revoke"
    if event == f"{CAEP}token-claims-change":
        if type(payload.get("claims")) is not dict:
            raise SignalError("invalid_request", "its event's `claims` are no object")
        return "revoke"
    if event == f"{CAEP}credential-change":
        name(payload, "credential_type")
        change = one_of("change_type", "create", "revoke", "update", "delete")
        return "revoke" if change in ("revoke", "delete") else "none"
    if event == f"{CAEP}device-compliance-change":
        one_of("previous_status", "compliant", "not-compliant")
        return "hold" if one_of("current_status", "compliant", "not-compliant") != "compliant" else "release"
    if event == f"{CAEP}risk-level-change":
        name(payload, "principal")
        return "hold" if one_of("current_level", "LOW", "MEDIUM", "HIGH") == "HIGH" else "release"
    if event == f"{SSF}verification":
        return "verify"
    if event == f"{SSF}stream-updated":
        return "resume" if one_of("status", "enabled", "paused", "disabled") == "enabled" else "pause"
    return "none"


def before(at: float) -> float:
    """What was issued before this does not count any more after what happened `at` a time.

    Tokens count whole seconds: of those of the same one nobody knows which was first.
    """
    return floor(at) + 1.0
