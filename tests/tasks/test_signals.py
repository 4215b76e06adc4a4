"""Signals: what is none is refused with the code that says so; the rest does what it says, in any order."""

from __future__ import annotations

import hmac
import json
import random
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pdp.evidence.evidence import Evidence
from pdp.evidence.keys import parse_jwks
from pdp.evidence.refusals import EvidenceError
from pdp.evidence.trust import Keys
from pdp.state.memory import MemoryStore
from pdp.state.sqlite import SqliteStore
from pdp.state.store import Store, StoreError, name
from pdp.tasks.heard import Hearing
from pdp.tasks.known import Knowledge
from pdp.tasks.revocation import revoked_name
from pdp.tasks.signals import CAEP, Signal, read
from pdp.tasks.subjects import SignalError, Transmitter
from tests.tasks.make_signal_vectors import HERE, text, vectors
from tests.tasks.signalling import (
    AUDIENCE,
    DEVICE,
    IDP,
    REVOKED,
    RISK,
    STREAM,
    VERIFICATION,
    Sender,
    risk,
    user,
)

NOW = 1_000_000
ALL = frozenset({"subject", "email", "session", "tenant"})
TRANSMITTER = Transmitter(
    "idp", IDP, frozenset({AUDIENCE}), frozenset({"RS256"}),
    {IDP: ALL, "https://sts.example": frozenset({"subject", "email"})}, frozenset({"prod.example"}),
)  # fmt: skip
SENDER = Sender()
KEYS = parse_jwks(SENDER.jwks().encode(), use="sig", algorithms=["RS256"])
FILES = sorted(HERE.glob("*.json"))
ANNA = user("anna")


def signed(change: Mapping[str, Any]) -> str:
    """A session of anna's is revoked, told with one change."""
    claims = SENDER.claims(REVOKED, ANNA, {}, NOW)
    ((event, payload),) = claims["events"].items()
    for member, value in change.get("event", {}).items():
        payload[member] = value["repeat"] * value["times"] if type(value) is dict else value
    claims["events"] = change.get("events", {event: payload})
    claims |= change.get("claims", {})
    claims = {claim: value for claim, value in claims.items() if value is not None}
    sender = Sender(other=True) if change.get("sign") == "other" else SENDER
    header = {"typ": "secevent+jwt", "kid": "signals-1", **change.get("header", {})}
    match change.get("sign"):
        case "none":
            return f"{part({**header, 'alg': 'none'})}.{part(claims)}."
        case "HS256":
            header |= {"alg": "HS256"}
        case _:
            header = {"alg": "RS256", **header}
    written = json.dumps(claims)
    if "text" in change:
        written = change["text"].replace("{CLAIMS", written[:-1])
    told = f"{part({key: one for key, one in header.items() if one is not None})}.{part(written)}"
    if header["alg"] == "HS256":
        public = SENDER.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return f"{told}.{b64(hmac.digest(public, told.encode(), 'sha256'))}"
    return f"{told}.{b64(sender.signature(told.encode()))}"


def part(value: Any) -> str:
    return b64((value if isinstance(value, str) else json.dumps(value)).encode())


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def hear(token: str, keys: Keys | None = None, seconds: float = NOW, **options: Any) -> Signal:
    return read(token, TRANSMITTER, keys or Keys(KEYS, NOW + 1e9), seconds, **options)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text())
    if "said" in vector:
        check_silence(vector)
        return
    keys = {"none": None, "stale": Keys(KEYS, NOW)}.get(vector["change"].get("keys"), Keys(KEYS, NOW + 1))
    try:
        signal = read(signed(vector["change"]), TRANSMITTER, keys, NOW)
    except SignalError as error:
        outcome: Any = error.err
    else:
        about = [[kind, *fields] for kind, fields in signal.about]
        outcome = {"effect": signal.effect, "about": about}
        assert signal.at <= NOW + 120
    assert outcome == vector["expect"], vector["says"]


def check_silence(vector: Mapping[str, Any]) -> None:
    hearing = Hearing(MemoryStore())
    assert not hearing.heard(["idp"], 0.0)["idp"].is_silent(vector["after"], 0.0)
    for effect, at, came in vector["said"]:
        hearing.apply(Signal("j", "e", effect, float(at), (), b""), TRANSMITTER, float(came))
    heard = hearing.heard(["idp"], vector["at"])["idp"]
    assert heard.is_silent(vector["after"], vector["at"]) is vector["expect"], vector["says"]


def test_the_files_are_those_that_the_script_makes() -> None:
    assert {path.stem: path.read_text() for path in FILES} == {one["name"]: text(one) for one in vectors()}


def test_a_verification_counts_with_the_state_that_was_asked_for() -> None:
    token = SENDER.signal(VERIFICATION, STREAM, at=NOW, state="s-1")
    assert hear(token, state="s-1").effect == "verify"
    for state in ("s-2", "", None):
        with pytest.raises(SignalError) as caught:
            hear(token, state=state)
        assert caught.value.err == "invalid_state"


@given(st.integers(0, 2_000), st.sampled_from(["insert", "drop", "swap"]), st.characters(codec="ascii"))
def test_nothing_that_was_changed_on_its_way_is_taken(at: int, how: str, letter: str) -> None:
    token = SENDER.signal(REVOKED, ANNA, at=NOW)
    at %= len(token)
    rest = {"insert": letter + token[at:], "drop": token[at + 1 :], "swap": letter + token[at + 1 :]}[how]
    if token[:at] + rest == token:
        return
    with pytest.raises(SignalError):
        hear(token[:at] + rest)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4) | st.sampled_from([IDP, "anna", "iss_sub", "complex", "aliases", "opaque", "HIGH"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["format", "iss", "sub", "id", "user", "session", "identifiers", "claims"])
            | st.text(max_size=3),
            inner, max_size=4,
        )
    ),
    max_leaves=8,
)  # fmt: skip
EVENTS = [f"{CAEP}{one}" for one in (REVOKED, RISK, DEVICE, "credential-change", "token-claims-change")]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "jti": JSON, "iat": JSON, "sub_id": JSON,
            "events": JSON | st.dictionaries(st.sampled_from([*EVENTS, VERIFICATION]), JSON, max_size=2),
        },
    )
)  # fmt: skip
def test_whatever_is_signed_is_taken_or_refused(claims: dict[str, Any]) -> None:
    token = SENDER.sign({**SENDER.claims(REVOKED, ANNA, {}, NOW), **claims})
    about: tuple[Any, ...] = ()
    with suppress(SignalError):
        about = hear(token).about
    # Nobody is spoken of but those whom its transmitter speaks for.
    for kind, fields in about:
        assert fields[0] in TRANSMITTER.aliases or (
            kind == "party" and fields[0].startswith("spiffe://prod.")
        )


# What is done.


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "state")
    yield made
    made.close()


def evidence(issued: float = NOW - 100, **aliases: str) -> Evidence:
    """A token of the identity provider's, by which anna has asked somebody to act for her."""
    said = {"subject": "anna", **aliases}
    return Evidence(
        caller={"id": "robot", "kind": "agent", "on_behalf_of": "anna", "actors": [], "depth": 1},
        form="jwt", binding="none", bound=False, issuer=IDP, id="j-1", audiences=(), scopes=(), issued=issued,
        expires=issued + 3_600, identity=name(str(issued), *said.values()) * 2, task=None, once=(),
        aliases=tuple(said.items()),
    )  # fmt: skip


def code(store: Store, asked: Evidence, seconds: float = NOW, **silent: Any) -> str | None:
    """Why a credential is refused; None where it is not."""
    knowledge = Knowledge(store)
    knowledge.silent = silent.get("silent", {})
    try:
        knowledge.look(asked, None, seconds)
    except EvidenceError as refused:
        return refused.code
    return None


def tell(store: Store, event: str, subject: dict[str, Any], at: float, **payload: Any) -> None:
    told = SENDER.signal(event, subject, at=NOW, event_timestamp=at, **payload)
    Hearing(store).apply(hear(told), TRANSMITTER, NOW)


SUBJECTS: list[dict[str, Any]] = [
    ANNA,
    {"format": "opaque", "id": "anna"},
    {"format": "email", "email": "ANNA@example.com"},
    {"format": "jwt_id", "iss": IDP, "jti": "j-1"},
    {"format": "complex", "user": ANNA},
    {"format": "complex", "session": {"format": "opaque", "id": "s-1"}},
    {"format": "complex", "tenant": {"format": "opaque", "id": "acme"}},
    {"format": "aliases", "identifiers": [user("anna", "https://other.example"), ANNA]},
]
SAID = {"email": "anna@Example.com", "session": "s-1", "tenant": "acme"}


@pytest.mark.parametrize("subject", SUBJECTS, ids=json.dumps)
def test_what_was_issued_before_does_not_count_and_what_is_issued_after_does(
    store: Store, subject: dict[str, Any]
) -> None:
    at = NOW - 50
    tell(store, REVOKED, subject, at)
    assert code(store, evidence(at - 1, **SAID)) == "credential_revoked"
    # Tokens count whole seconds: which came first, nobody knows.
    assert code(store, evidence(at, **SAID)) == "credential_revoked"
    assert code(store, evidence(at + 1, **SAID)) is None


def test_nobody_else_is_concerned(store: Store) -> None:
    for subject in SUBJECTS:
        tell(store, REVOKED, subject, NOW - 50)
    other = {"subject": "berta", "email": "berta@example.com", "session": "s-2", "tenant": "emca"}
    assert code(store, replace(evidence(**other), id="j-2")) is None


def device(good: bool) -> dict[str, Any]:
    """What a change of a device says."""
    return {"previous_status": "compliant", "current_status": "compliant" if good else "not-compliant"}


SIGNALS = st.builds(
    lambda kind, at, high: (
        (REVOKED, at, {}) if kind == REVOKED
        else (RISK, at, risk("HIGH" if high else "LOW")) if kind == RISK
        else (DEVICE, at, device(not high))
    ),
    st.sampled_from([REVOKED, RISK, DEVICE]), st.integers(NOW - 60, NOW - 40), st.booleans(),
)  # fmt: skip


@given(st.lists(SIGNALS, max_size=6), st.randoms())
def test_signals_come_in_any_order_and_again_and_all_ends_the_same(
    signals: list[tuple[str, int, dict[str, Any]]], chance: random.Random
) -> None:
    again = [*signals, *signals]
    chance.shuffle(again)
    store = MemoryStore()
    for event, at, payload in again:
        tell(store, event, ANNA, at, **payload)
    revoked = max((at for event, at, _ in signals if event == REVOKED), default=0)
    held = False
    for kind, member, bad in ((RISK, "current_level", "HIGH"), (DEVICE, "current_status", "not-compliant")):
        said = [(at, payload[member] == bad) for event, at, payload in signals if event == kind]
        held = held or max(said, default=(0, False))[1]
    for issued in range(NOW - 61, NOW - 38):
        expected = "credential_revoked" if held or issued <= revoked else None
        assert code(store, evidence(issued)) == expected


def test_what_was_revoked_stays_so_when_the_risk_is_over(store: Store) -> None:
    tell(store, REVOKED, ANNA, NOW - 50)
    tell(store, RISK, ANNA, NOW - 40, **risk("HIGH"))
    assert code(store, evidence(NOW - 1)) == "credential_revoked"
    tell(store, RISK, ANNA, NOW - 30, **risk("LOW"))
    assert code(store, evidence(NOW - 1)) is None
    assert code(store, evidence(NOW - 60)) == "credential_revoked"


def test_one_transmitter_does_not_let_go_of_what_another_holds(store: Store) -> None:
    other = Transmitter("other", IDP, frozenset({AUDIENCE}), frozenset({"RS256"}), {IDP: ALL}, frozenset())
    tell(store, RISK, ANNA, NOW - 50, **risk("HIGH"))
    low = read(SENDER.signal(RISK, ANNA, at=NOW - 10, **risk("LOW")), other, Keys(KEYS, NOW + 1), NOW)
    Hearing(store).apply(low, other, NOW)
    assert code(store, evidence()) == "credential_revoked"


def test_while_it_is_silent_only_what_was_issued_of_late_counts(store: Store) -> None:
    silent = {revoked_name("issuer", IDP): 60.0}
    assert code(store, evidence(NOW - 59), silent=silent) is None
    assert code(store, evidence(NOW - 60), silent=silent) == "state_stale"
    assert (
        code(store, evidence(NOW - 60), silent={revoked_name("issuer", "https://sts.example"): 60.0}) is None
    )


class _Broken(MemoryStore):
    def commit(self, *_: Any) -> bool:
        raise StoreError("broken")


def test_what_cannot_be_kept_was_not_heard() -> None:
    store = _Broken()
    with pytest.raises(StoreError):
        tell(store, REVOKED, ANNA, NOW)
