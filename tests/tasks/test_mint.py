"""What is minted says what was asked for, and is accepted here and elsewhere; all else is not minted."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk
from joserfc import jwt as joserfc

from pdp.evidence.evidence import Evidence
from pdp.evidence.jws import TOKEN_LIMIT, decode, load
from pdp.evidence.jwt import LINEAGE_LIMIT, Confirmation
from pdp.evidence.keys import parse_jwks
from pdp.evidence.refusals import BINDING_REQUIRED, TOKEN_TYPE_REFUSED, EvidenceError
from pdp.evidence.trust import Issuer, Keys, Trust
from pdp.evidence.verify import Presented, Verifier
from pdp.minted import Schedule
from pdp.state.memory import MemoryStore
from pdp.tasks.mint import RESERVED, Mint, MintError
from pdp.tasks.signing import SigningKeys
from pdp.tasks.wrap import ALGORITHMS, Wrapped

# joserfc warns of a name that RFC 9864 gives another, and that everybody still uses.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated:joserfc.errors.SecurityWarning")

NOW = 1_000_000.0
PDP = "https://pdp.example"
LIFETIME = Schedule().lifetime
NAMES = [bytes([number]) * 16 for number in range(LINEAGE_LIMIT)]
JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
ASKED: dict[str, Any] = {
    "subject": "batch", "client_id": "runner", "caller": {"kind": "workload"}, "audience": "ledger",
    "until": NOW + 60, "seconds": NOW,
}  # fmt: skip
TRANSACTION: dict[str, Any] = {
    "subject": "alice", "audience": "prod.example", "transaction": "97053963-771d-49cc-a4e3-20aad399c312",
    "scope": "trade.stocks", "workload": "apigateway.prod.example", "until": NOW + 60, "seconds": NOW,
}  # fmt: skip


@pytest.fixture(scope="module", params=ALGORITHMS)
def keys(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    file: Path = tmp_path_factory.mktemp("keys") / "key"
    return SigningKeys(MemoryStore(), Schedule(), Wrapped(file, request.param))


@pytest.fixture(scope="module")
def mint(keys: SigningKeys) -> Mint:
    return Mint(keys, PDP)


def verify(keys: SigningKeys, token: str, audience: str, seconds: float = NOW) -> Evidence:
    """What our own verifier makes of a token, by the published keys alone."""
    issuer = Issuer(PDP, frozenset(ALGORITHMS), task="task", max_lifetime=LIFETIME, own=True)
    found = Keys(parse_jwks(keys.jwks(seconds), use="sig", algorithms=ALGORITHMS), seconds + 1)
    verifier = Verifier(Trust({PDP: issuer}, keys={PDP: found}))
    now = datetime.fromtimestamp(seconds, UTC)
    return verifier.verify(Presented(token=token, scheme="Bearer"), audience, now)


def read(keys: SigningKeys, token: str, seconds: float = NOW) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token as joserfc reads them, its signature checked."""
    published = jwk.KeySet.import_key_set(json.loads(keys.jwks(seconds)))
    found = joserfc.decode(token, published, algorithms=list(ALGORITHMS))
    return dict(found.header), dict(found.claims)


# 1. Access tokens.


def test_an_access_token_has_the_claims_of_its_standard(keys: SigningKeys, mint: Mint) -> None:
    token = mint.access_token(
        **ASKED,
        scope="entries:read entries:write",
        act={"sub": "agent", "act": {"sub": "earlier"}},
        task="t-1",
        lineage=NAMES[:2],
        since=NOW - 100.5,
        further={"purpose": "close the month"},
    )
    header, claims = read(keys, token)
    key = keys.current(NOW)
    assert header == {"alg": key.algorithm, "kid": key.kid, "typ": "at+jwt"}
    jti = claims.pop("jti")
    assert len(decode(jti)) == 16
    assert claims == {
        "iss": PDP, "sub": "batch", "client_id": "runner", "aud": "ledger", "iat": 1_000_000,
        "caller": {"kind": "workload"}, "since": 999_899, "exp": 1_000_060,
        "scope": "entries:read entries:write", "act": {"sub": "agent", "act": {"sub": "earlier"}},
        "task": "t-1", "lin": ["AAAAAAAAAAAAAAAAAAAAAA", "AQEBAQEBAQEBAQEBAQEBAQ"],
        "purpose": "close the month",
    }  # fmt: skip


def test_what_is_not_said_is_not_there(keys: SigningKeys, mint: Mint) -> None:
    _, claims = read(keys, mint.access_token(**ASKED))
    assert sorted(claims) == ["aud", "caller", "client_id", "exp", "iat", "iss", "jti", "sub"]


def test_it_is_evidence_of_all_that_it_was_minted_for(keys: SigningKeys, mint: Mint) -> None:
    token = mint.access_token(
        **{**ASKED, "caller": {"kind": "agent", "team": "books"}},
        scope="a b",
        act={"sub": "agent"},
        task="t-1",
        lineage=NAMES,
        since=NOW - 100,
    )
    evidence = verify(keys, token, "ledger")
    assert evidence.caller == {
        "id": "agent", "on_behalf_of": "batch", "kind": "agent", "team": "books", "issuer": PDP,
        "actors": [], "depth": 1,
    }  # fmt: skip
    assert evidence.descends == NOW - 100
    assert (evidence.issuer, evidence.client, evidence.task) == (PDP, "runner", "t-1")
    assert (evidence.audiences, evidence.scopes) == (("ledger",), ("a", "b"))
    assert evidence.lineage == tuple(NAMES)
    assert evidence.keys == (keys.current(NOW).kid,)


@pytest.mark.parametrize(
    ("confirmation", "cnf"),
    [(Confirmation(jkt=JKT), {"jkt": JKT}), (Confirmation(x5t=JKT), {"x5t#S256": JKT})],
    ids=["dpop", "mtls"],
)
def test_one_that_is_bound_is_nobodys_without_the_key(
    keys: SigningKeys, mint: Mint, confirmation: Confirmation, cnf: dict[str, str]
) -> None:
    token = mint.access_token(**ASKED, confirmation=confirmation)
    assert read(keys, token)[1]["cnf"] == cnf
    with pytest.raises(EvidenceError) as refused:
        verify(keys, token, "ledger")
    assert refused.value.code in (BINDING_REQUIRED, "scheme_mismatch")


def test_no_two_have_one_id(mint: Mint) -> None:
    ids = {load(mint.access_token(**ASKED)).claims["jti"] for _ in range(100)}
    assert len(ids) == 100


@given(st.floats(0, 2e9), st.floats(-2, LIFETIME + 2))
def test_none_lives_longer_than_it_may(mint: Mint, keys: SigningKeys, seconds: float, lives: float) -> None:
    asked = {**ASKED, "seconds": seconds, "until": seconds + lives}
    try:
        claims = load(mint.access_token(**asked)).claims
    except MintError:
        assert int(seconds + lives) <= seconds or lives > LIFETIME
        return
    assert claims["iat"] <= seconds
    assert seconds + lives - 1 < claims["exp"] <= seconds + lives
    assert claims["exp"] - claims["iat"] <= LIFETIME


# What may be said, and what should be; of each kind, some that is neither.
TEXTS = st.text(string.ascii_letters + string.digits + ":/._-", min_size=1, max_size=12)
ODD = st.sampled_from(
    ["", " ", "a\n", "\0", "é", "\ud800", "x" * 2_049, None, 1, True, ["ledger"], {"a": 1}, b"a", 1.5]
)
ACT = st.recursive(
    st.fixed_dictionaries({"sub": TEXTS}),
    lambda inner: st.fixed_dictionaries({"sub": TEXTS, "act": inner}),
    max_leaves=9,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
KINDS = st.sampled_from(["workload", "human", "agent"])
CALLER = st.fixed_dictionaries(
    {"kind": KINDS | ODD},
    optional={"team": VALUES, "id": TEXTS, "depth": st.integers(0, 3), "groups": st.lists(TEXTS, max_size=3)},
)
ANYTHING = st.fixed_dictionaries(
    {},
    optional={
        "subject": TEXTS | ODD,
        "client_id": TEXTS | ODD,
        "caller": CALLER | ODD,
        "audience": TEXTS | ODD,
        "scope": st.lists(TEXTS, max_size=3).map(" ".join) | ODD,
        "confirmation": st.builds(Confirmation, jkt=st.just(JKT) | ODD, x5t=st.none() | st.just(JKT)),
        "act": ACT | ODD,
        "task": TEXTS | ODD,
        "since": st.floats() | ODD,
        "lineage": st.lists(st.sampled_from(NAMES), max_size=LINEAGE_LIMIT + 1),
        "further": st.dictionaries(TEXTS | st.sampled_from(sorted(RESERVED)), VALUES, max_size=3),
    },
)


@given(ANYTHING)
def test_what_is_minted_is_accepted_whatever_was_asked_for(
    keys: SigningKeys, mint: Mint, said: dict[str, Any]
) -> None:
    asked = {**ASKED, **said}
    try:
        token = mint.access_token(**asked)
    except MintError:
        return
    if asked.get("confirmation") is None:
        evidence = verify(keys, token, asked["audience"])
        assert evidence.client == asked["client_id"]
        assert evidence.task == asked.get("task")
        assert evidence.scopes == tuple((asked.get("scope") or "").split())
        assert evidence.lineage == tuple(asked.get("lineage", ()))
        act = asked.get("act")
        assert evidence.caller["id"] == (asked["subject"] if act is None else act["sub"])
    header, claims = read(keys, token)
    assert header["typ"] == "at+jwt"
    assert claims["aud"] == asked["audience"]
    assert claims["sub"] == asked["subject"]


@given(
    st.fixed_dictionaries(
        {"subject": TEXTS, "client_id": TEXTS, "audience": TEXTS},
        optional={
            "scope": st.lists(TEXTS, max_size=3).map(" ".join),
            "confirmation": st.sampled_from([Confirmation(jkt=JKT), Confirmation(x5t=JKT)]),
            "task": TEXTS,
            "lineage": st.lists(st.sampled_from(NAMES), max_size=LINEAGE_LIMIT),
            "further": st.dictionaries(TEXTS.map("x-{}".format), st.text(max_size=5), max_size=3),
        },
    )
)
def test_what_may_be_asked_for_is_minted(keys: SigningKeys, mint: Mint, said: dict[str, Any]) -> None:
    _, claims = read(keys, mint.access_token(**{**ASKED, **said}))
    for name, value in (said.get("further") or {}).items():
        assert claims[name] == value


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"until": NOW}, "claim_invalid"),
        ({"until": NOW + 0.9}, "claim_invalid"),
        ({"until": NOW + LIFETIME + 1}, "lifetime_too_long"),
        ({"until": float("inf")}, "one of its times is none"),
        ({"since": float("nan")}, "one of its times is none"),
        ({"since": -1.0}, "claim_invalid"),
        ({"caller": {}}, "claim_invalid"),
        ({"caller": {"kind": "robot"}}, "claim_invalid"),
        ({"caller": {"kind": "human", "id": "root"}}, "claim_invalid"),
        ({"subject": ""}, "claim_invalid"),
        ({"subject": None}, "claim_missing"),
        ({"client_id": ""}, "claim_invalid"),
        ({"client_id": None}, "claim_missing"),
        ({"audience": ""}, "for one audience"),
        ({"audience": ["ledger", "other"]}, "for one audience"),
        ({"scope": "a  b"}, "claim_invalid"),
        ({"scope": "a\tb"}, "claim_invalid"),
        ({"task": ""}, "claim_invalid"),
        ({"act": {}}, "delegation_invalid"),
        ({"act": {"sub": "batch"}}, "delegation_invalid"),
        ({"act": {"sub": "a", "act": {"sub": "a"}}}, "delegation_invalid"),
        ({"confirmation": Confirmation()}, "claim_invalid"),
        ({"confirmation": Confirmation(jkt=JKT, x5t=JKT)}, "claim_invalid"),
        ({"confirmation": Confirmation(jkt=JKT[:-1])}, "claim_invalid"),
        ({"lineage": [*NAMES, NAMES[0]]}, "no list of at most 64 names"),
        ({"lineage": [b"short"]}, "no list of at most 64 names"),
        ({"further": {"exp": 2**40}}, "`exp` is no further claim"),
        ({"further": {"a": 2**64}}, "credential_malformed"),
        ({"further": {"a": "x" * TOKEN_LIMIT}}, "credential_too_large"),
        ({"further": {"a": "\ud800"}}, "cannot be written as JSON"),
        ({"further": {"a": object()}}, "cannot be written as JSON"),
        ({"further": {"a": float("nan")}}, "cannot be written as JSON"),
        ({"subject": b"batch"}, "cannot be written as JSON"),
    ],
)
def test_what_would_be_refused_is_not_minted(mint: Mint, change: dict[str, Any], why: str) -> None:
    with pytest.raises(MintError, match=why):
        mint.access_token(**{**ASKED, **change})


@pytest.mark.parametrize("claim", sorted(RESERVED))
def test_nothing_further_stands_for_what_a_token_is(mint: Mint, claim: str) -> None:
    with pytest.raises(MintError, match="is no further claim"):
        mint.access_token(**ASKED, further={claim: "x"})


def test_a_claim_that_is_refused_is_not_told(mint: Mint) -> None:
    with pytest.raises(MintError) as refused:
        mint.access_token(**ASKED, task="secret\n")
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_what_was_minted_before_a_rotation_is_accepted_after_it(tmp_path: Path) -> None:
    keys = SigningKeys(MemoryStore(), Schedule(), Wrapped(tmp_path / "key", "ES256"))
    mint = Mint(keys, PDP)
    token = mint.access_token(**ASKED)
    keys.rotate(NOW + 1)
    later = mint.access_token(**{**ASKED, "seconds": NOW + 1})
    assert load(later).header["kid"] != load(token).header["kid"]
    for one in (token, later):
        assert verify(keys, one, "ledger", NOW + 2).client == "runner"


# 2. Transaction tokens.


def test_a_transaction_token_has_the_claims_of_its_draft(keys: SigningKeys, mint: Mint) -> None:
    details, context = {"action": "BUY", "amount": 100}, {"req_ip": "192.0.2.1"}
    token = mint.transaction_token(
        **TRANSACTION, details=details, context=context, task="t-1", lineage=NAMES[:1]
    )
    header, claims = read(keys, token)
    assert header["typ"] == "txntoken+jwt"
    assert len(decode(claims.pop("jti"))) == 16
    assert claims == {
        "iss": PDP, "iat": 1_000_000, "exp": 1_000_060, "aud": "prod.example", "sub": "alice",
        "txn": "97053963-771d-49cc-a4e3-20aad399c312", "scope": "trade.stocks",
        "req_wl": "apigateway.prod.example", "tctx": details, "rctx": context, "task": "t-1",
        "lin": ["AAAAAAAAAAAAAAAAAAAAAA"],
    }  # fmt: skip


def test_a_transaction_token_is_no_access_token(keys: SigningKeys, mint: Mint) -> None:
    with pytest.raises(EvidenceError) as refused:
        verify(keys, mint.transaction_token(**TRANSACTION), "prod.example")
    assert refused.value.code == TOKEN_TYPE_REFUSED


def test_a_transaction_token_tells_what_it_takes_to_exchange_it(keys: SigningKeys, mint: Mint) -> None:
    token = mint.transaction_token(**TRANSACTION, caller={"kind": "human"}, since=NOW - 0.5)
    _, claims = read(keys, token)
    assert (claims["caller"], claims["since"]) == ({"kind": "human"}, 999_999)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": ""}, {"audience": ""}, {"transaction": ""}, {"transaction": "a\n"}, {"scope": ""},
        {"scope": "a  b"}, {"workload": ""}, {"until": NOW}, {"until": NOW + LIFETIME + 1}, {"task": ""},
        {"details": {"a": 2**64}}, {"context": {"a": object()}}, {"caller": {}}, {"since": -1.0},
    ],
)  # fmt: skip
def test_a_transaction_token_without_what_it_must_have_is_not_minted(
    mint: Mint, change: dict[str, Any]
) -> None:
    with pytest.raises(MintError):
        mint.transaction_token(**{**TRANSACTION, **change})
