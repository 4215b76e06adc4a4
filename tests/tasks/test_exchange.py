"""A token for a token: never wider, never longer, for its holder alone; and each attack has its error."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from pdp.evidence.evidence import Evidence
from pdp.evidence.jws import encode
from pdp.evidence.jwt import LINEAGE_LIMIT
from pdp.evidence.refusals import CREDENTIAL_REVOKED, EvidenceError
from pdp.evidence.verify import Presented
from pdp.service.minting import rule_of
from pdp.settings import EnforcementPoint
from pdp.state.memory import MemoryStore
from pdp.state.replay import Replay
from pdp.state.store import Changes, Snapshot, StoreError
from pdp.tasks.exchange import Exchange, Granted
from pdp.tasks.oauth_errors import OAuthError
from pdp.tasks.revocation import credential_names
from tests.tasks.make_vectors import HERE, text, vectors
from tests.tasks.office import CERTIFICATE, LEGACY, STS, URL, Office

FILES = sorted(HERE.glob("*.json"))
GATEWAY = EnforcementPoint(name="gateway")
READ = {"audience": "ledger", "action": "entry.read"}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def outcome(office: Office, change: dict[str, Any], **given: Any) -> tuple[str, Granted | None]:
    """What comes of a request: `granted`, or the error."""
    try:
        return "granted", office.granted(change, **given)
    except OAuthError as error:
        return error.error, None


def fixed(office: Office, change: dict[str, Any]) -> dict[str, str]:
    """What a request presents: made now, to be presented more than once."""
    made = {}
    if "jti" in change.get("subject", {}).get("claims", {}):
        made["subject"] = office.token(change["subject"]) + change["subject"].get("append", "")
    if "jti" in (change.get("proof") or {}):
        made["proof"] = office.proof(**change["proof"])
    return made


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vector(path: Path, office: Office) -> None:
    vector = json.loads(path.read_text())
    change, presented = vector["change"], {}
    for step in vector["before"]:
        if step[0] in ("ask", "fail"):
            presented = fixed(office, step[1])
            assert (outcome(office, step[1], **presented)[0] == "granted") is (step[0] == "ask")
        else:
            office.do(step)
    if presented:
        # The very same, in whatever spelling.
        presented = {
            **presented,
            "subject": presented.get("subject", "") + change.get("subject", {}).get("append", ""),
        }
    found, granted = outcome(office, change, **presented)
    assert found == vector["expect"], vector["says"]
    if granted is not None:
        said = office.claims(granted.token)
        form = {"audience": "ledger", **change.get("form", {})}
        assert said["aud"] == (form["audience"] or form["resource"])
        for claim, value in vector.get("says_so", {}).items():
            if claim == "lifetime":
                assert 0 <= value - granted.lifetime <= 2
                assert said["exp"] - said["iat"] == granted.lifetime
            else:
                assert said[claim] == value


def test_the_files_are_those_that_the_script_makes() -> None:
    assert {path.stem: path.read_text() for path in FILES} == {one["name"]: text(one) for one in vectors()}


# What comes of it.


def verified(office: Office, token: str) -> Evidence:
    """What a new token says, for whoever asks about it."""
    return office.verifier.stated(token, now()).evidence


def now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def asked(office: Office, token: str, holder: str = "holder", **members: Any) -> str | None:
    """The code of the answer to a request with a token, and a proof by a holder; None for an allow."""
    presented = office.holders[holder].present(token, "GET", "https://ledger.example/entries")
    answer = json.loads(office.point.answer(json.dumps({**READ, **presented, **members}).encode(), GATEWAY))
    code: str | None = answer["code"]
    return code


def test_a_new_token_is_good_where_it_is_for_and_for_its_holder_alone(office: Office) -> None:
    token = office.granted({}).token
    assert asked(office, token) is None
    assert asked(office, token, "thief") == "binding_mismatch"
    assert asked(office, token, audience="files") == "audience_mismatch"
    bearer = {**READ, "credential": {"token": token, "scheme": "Bearer"}}
    answer = json.loads(office.point.answer(json.dumps(bearer).encode(), GATEWAY))
    assert answer["code"] == "scheme_mismatch"


def test_a_client_with_a_certificate_has_a_token_that_is_bound_to_it(office: Office) -> None:
    """RFC 8705 section 3: a bearer token by its type, and of no use without the certificate."""
    granted = office.granted({"client": "old", "proof": None}, certificate=CERTIFICATE)
    assert granted.token_type == "Bearer"
    assert office.claims(granted.token)["cnf"] == {"x5t#S256": encode(CERTIFICATE)}
    point = EnforcementPoint(name="mesh", certificates=True)

    def code(certificate: bytes) -> str | None:
        credential = {"token": granted.token, "scheme": "Bearer", "xfcc": f"Hash={certificate.hex()}"}
        answer = json.loads(
            office.point.answer(json.dumps({**READ, "credential": credential}).encode(), point)
        )
        found: str | None = answer["code"]
        return found

    assert code(CERTIFICATE) is None
    assert code(bytes(32)) == "binding_mismatch"


def test_a_token_that_is_bound_to_a_certificate_may_become_one_that_is_bound_to_a_key(office: Office) -> None:
    bound = {"claims": {"client_id": "batch", "cnf": {"x5t#S256": encode(CERTIFICATE)}}}
    granted = office.granted({"subject": bound}, certificate=CERTIFICATE)
    assert granted.token_type == "DPoP"
    assert outcome(office, {"subject": bound}, certificate=bytes(32))[0] == "invalid_request"
    assert outcome(office, {"subject": bound})[0] == "invalid_request"


def test_a_new_token_ends_with_its_task(office: Office) -> None:
    office.do(["open", "t-1", {}])
    token = office.granted({"form": {"task": "t-1"}}).token
    assert asked(office, token) is None
    office.do(["end", "t-1"])
    assert asked(office, token) == "task_ended"


def test_another_library_verifies_what_was_made(office: Office) -> None:
    keys = KeySet.import_key_set(json.loads(office.signing.jwks(time.time())))
    token = joserfc_jwt.decode(office.granted({"subject": {"claims": {"scope": "read"}}}).token, keys)
    assert token.header["typ"] == "at+jwt"
    assert {"iss": URL, "aud": "ledger", "scope": "read"}.items() <= token.claims.items()
    joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": URL}, aud={"essential": True, "value": "ledger"},
        exp={"essential": True}, iat={"essential": True}, sub={"essential": True},
    ).validate(token.claims)  # fmt: skip


SCOPES = st.lists(st.sampled_from(["read", "write", "admin", "list"]), unique=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    has=SCOPES, wants=st.none() | SCOPES.filter(bool), lives=st.integers(2, 3_600),
    asks=st.none() | st.integers(1, 4_000), narrow=st.booleans(), task=st.booleans(),
)  # fmt: skip
def test_a_new_token_is_never_wider_nor_longer(
    office: Office,
    has: list[str],
    wants: list[str] | None,
    lives: int,
    asks: int | None,
    narrow: bool,
    task: bool,
) -> None:
    if office.knowledge.tasks.get("t-1", time.time()) is None:
        office.do(["open", "t-1", {"audiences": ["files", "warehouse"]}])
    audience = "warehouse" if narrow else "files"
    form = {
        "audience": audience,
        "scope": None if wants is None else " ".join(wants),
        "expires_in": None if asks is None else str(asks),
        "task": "t-1" if task else None,
    }
    stated = {
        "claims": {"aud": "pdp", "client_id": "batch", **({"scope": " ".join(has)} if has else {})},
        "lives": lives,
    }
    found, granted = outcome(office, {"subject": stated, "form": form})
    allowed = {"read"} if narrow else {"read", "write", "admin", "list"}
    within = set(has) if has else allowed
    if granted is None:
        assert found == "invalid_scope"
        assert wants is not None
        assert not set(wants) <= within or not set(wants) & allowed
        return
    claims = office.claims(granted.token)
    scopes = set(claims.get("scope", "").split())
    assert scopes <= within & allowed
    assert wants is None or scopes <= set(wants)
    bounds = [lives, 900, *([asks] if asks else []), *([60] if narrow else []), *([120] if task else [])]
    assert 0 < claims["exp"] - claims["iat"] <= min(bounds)
    assert claims["aud"] == audience


def test_whatever_revokes_a_subject_or_actor_revokes_what_came_of_them(office: Office) -> None:
    subject = office.token(
        {"by": "https://idp.example", "claims": {"sub": "alice", "aud": "pdp", "client_id": "x"}}
    )
    actor = {"claims": {"aud": "pdp", "client_id": "batch"}}
    change = {"subject": {}, "actor": actor, "form": {"audience": "ledger"}}
    granted = office.granted(change, subject=subject)
    evidence = verified(office, granted.token)
    lineage = set(evidence.lineage)
    assert set(credential_names(verified(office, subject))) - lineage == {credential_names(evidence)[0]}
    # And so on, from there.
    next_one = office.granted(
        {"client": "ledger", "form": {"audience": "files"}, "subject": {}}, subject=granted.token
    )
    assert lineage < set(verified(office, next_one.token).lineage)
    office.do(["revoke", "caller", "alice"])
    for token in (granted.token, next_one.token):
        with pytest.raises(EvidenceError, match=CREDENTIAL_REVOKED):
            office.knowledge.look(verified(office, token), None, time.time())


def test_what_was_exchanged_later_is_as_old_as_what_it_came_of(office: Office) -> None:
    """Revoked is what was issued before the exchange; what was made by it is no way around that."""
    issued = int(time.time()) - 30
    subject = office.token({"claims": {"client_id": "batch", "iat": issued, "jti": "j-1"}})
    token = office.granted({"subject": {}}, subject=subject).token
    assert verified(office, token).since == issued
    assert asked(office, token) is None
    office.knowledge.revocations.revoke(
        "issuer", STS, before=issued + 10, by="test", reason="", until=None, seconds=time.time()
    )
    assert asked(office, token) == "credential_revoked"
    # What the issuer has made since is good, and so is what comes of it.
    assert asked(office, office.granted({}).token) is None


def test_of_many_exchanges_of_a_token_that_counts_once_one_is_granted(office: Office) -> None:
    once = office.token({"by": "https://once.example", "claims": {"aud": "pdp", "client_id": "batch"}})

    def ask(_: int) -> str:
        return outcome(office, {"subject": {}, "form": {"audience": "files"}}, subject=once)[0]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(24)))
    assert sorted(found) == ["granted", *["invalid_request"] * 23]


class Broken(MemoryStore):
    """A store that cannot be read, or not be written."""

    def __init__(self, *, read: bool) -> None:
        super().__init__()
        self._reads = read

    def read(self, keys: Any, seconds: float) -> Snapshot:
        if not self._reads:
            raise StoreError("it cannot be read")
        return super().read(keys, seconds)

    def commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        raise StoreError("it cannot be written")


def test_without_the_state_nothing_is_exchanged(office: Office, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Office(tmp_path, Broken(read=False)).granted({})
    for replay in (Replay(Broken(read=True)), Replay(Broken(read=False))):
        office.exchange = remembering(office, replay)
        with pytest.raises(StoreError):
            office.granted({})


def test_where_it_cannot_be_known_whether_something_was_used_nothing_is_exchanged(office: Office) -> None:
    for replay in (Replay(MemoryStore(), quota=0), Replay(MemoryStore(), begun=time.time() + 60)):
        office.exchange = remembering(office, replay)
        assert outcome(office, {})[0] == "temporarily_unavailable"


def remembering(office: Office, replay: Replay) -> Exchange:
    """An exchange that remembers what was used elsewhere."""
    return Exchange(office.verifier, office.knowledge, replay, office.mint, 900, rule_of(office.point))


def test_a_chain_of_actors_is_as_long_as_others_read_it(office: Office) -> None:
    def chain(length: int) -> dict[str, Any]:
        act: dict[str, Any] = {"sub": "agent-0"}
        for number in range(1, length):
            act = {"sub": f"agent-{number}", "act": act}
        return {"by": "https://idp.example", "claims": {"sub": "alice", "aud": "ledger", "act": act}}

    asks: dict[str, Any] = {"client": "ledger", "form": {"audience": "files"}}
    assert outcome(office, {**asks, "subject": chain(7)})[0] == "granted"
    assert outcome(office, {**asks, "subject": chain(8)})[0] == "invalid_request"


def test_what_comes_of_too_many_is_not_made(office: Office) -> None:
    """Each token that is made of another has all names of it in its lineage; there is an end to that."""
    again = {"form": {"audience": "pdp"}, "subject": {}}
    token, links = office.granted({**again, "subject": {"claims": {"aud": "pdp"}}}).token, 0
    with pytest.raises(OAuthError, match="comes from too many others"):  # noqa: PT012  # which of them is
        while links < LINEAGE_LIMIT:
            token = office.granted(again, subject=token).token
            links += 1
    assert 8 < links < LINEAGE_LIMIT


def test_a_use_of_a_task_is_a_call_and_no_exchange(office: Office) -> None:
    office.do(["open", "t-1", {"uses": 1}])
    tokens = [office.granted({"form": {"task": "t-1"}}).token for _ in range(3)]
    assert [asked(office, token) for token in tokens] == [None, "task_ended", "task_ended"]


# What is asked about it afterwards.


def asking(office: Office, client: str) -> Any:
    form = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": office.assertion(client),
    }
    return office.clients.authenticate(form, Presented(), now())


@pytest.fixture
def told(office: Office) -> Any:
    """`told(token)`: what the service that a token is for is told of it."""
    return lambda token, client="ledger": office.tokens.introspect(token, asking(office, client), now())


def test_a_service_is_told_of_a_token_for_it_and_of_nothing_else(office: Office, told: Any) -> None:
    granted = office.granted({"subject": {"claims": {"client_id": "batch", "scope": "read"}}})
    found = told(granted.token)
    assert found["active"] is True
    assert {
        "iss": URL,
        "aud": "ledger",
        "scope": "read",
        "client_id": "batch",
        "token_type": "DPoP",
    }.items() <= found.items()
    # What it comes from is nobody's business.
    assert found.keys().isdisjoint(("lin", "since", "caller"))
    nothing = {"active": False}
    elsewhere = office.granted({"subject": {"claims": {"aud": "pdp"}}, "form": {"audience": "files"}}).token
    assert [told(one) for one in ("", "x", elsewhere, office.token({}), granted.token + "=")] == [nothing] * 5
    assert told(granted.token, "batch") == nothing


def test_who_was_given_a_token_revokes_it_and_what_came_of_it(office: Office, told: Any) -> None:
    granted = office.granted({})
    further = office.granted(
        {"client": "ledger", "subject": {}, "form": {"audience": "files"}}, subject=granted.token
    )
    office.tokens.revocation(granted.token, asking(office, "batch"), now())()
    assert told(granted.token) == {"active": False}
    assert asked(office, granted.token) == "credential_revoked"
    with pytest.raises(EvidenceError, match=CREDENTIAL_REVOKED):
        office.knowledge.look(verified(office, further.token), None, time.time())


def test_who_was_not_given_a_token_needs_a_rule_to_revoke_it(office: Office) -> None:
    granted = office.granted({})
    with pytest.raises(OAuthError, match="unauthorized_client"):
        office.tokens.revocation(granted.token, asking(office, "ledger"), now())
    assert asked(office, granted.token) is None
    office.tokens.revocation(granted.token, asking(office, "portal"), now())()
    assert asked(office, granted.token) == "credential_revoked"


@pytest.mark.parametrize("recipe", [{"claims": {"aud": LEGACY}}, {"svid": {}}], ids=["token", "svid"])
def test_tokens_of_others_are_revoked_by_whom_the_rules_let(office: Office, recipe: dict[str, Any]) -> None:
    token = office.token(recipe)
    office.tokens.revocation(token, asking(office, "portal"), now())()
    assert outcome(office, {"subject": {}}, subject=token)[0] == "invalid_request"
    with pytest.raises(OAuthError, match="unauthorized_client"):
        office.tokens.revocation(office.token(recipe), asking(office, "batch"), now())


def test_what_does_not_hold_is_as_good_as_revoked(office: Office) -> None:
    for text_ in ("", "x", "e30.e30.AA", office.granted({}).token + "="):
        office.tokens.revocation(text_, asking(office, "batch"), now())()
