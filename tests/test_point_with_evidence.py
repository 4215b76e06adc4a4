"""A request whose credential was presented: verified, gathered with what is known, and used once."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pdp.evidence.refusals import EvidenceError
from pdp.evidence.trust import Keys, Trust
from pdp.evidence.verify import Verifier
from pdp.language.source import Source
from pdp.load import check_sources, compile
from pdp.point import DecisionPoint
from pdp.settings import EnforcementPoint, Settings, Task
from pdp.state.memory import MemoryStore
from pdp.state.replay import Replay
from pdp.state.sightings import Sightings
from pdp.state.sqlite import SqliteStore
from pdp.state.store import Changes, Snapshot, StoreError
from pdp.tasks.known import Knowledge
from pdp.tasks.revocation import revoked_name
from pdp.tasks.task import Task as StoredTask
from tests.evidence.world import AUDIENCE, ISSUER, METHOD, NOW, SECONDS, URI, WORKLOAD, World

POLICY = """
schema { caller { team: string, level?: int } }
permit bound { caller any audience "ledger" action "entry.create" when credential.bound because "bound" }
permit proved { caller any audience "ledger" action "entry.read" when credential.verified because "proved" }
"""
SOURCE = Source("ledger.policy", "ledger", POLICY)
PROGRAM = compile(check_sources([SOURCE], today=NOW, lower={"PDP402": "off", "PDP405": "off"}))
SETTINGS = Settings(
    enforcement_point=(
        EnforcementPoint(
            name="gateway", addresses=("10.0.0.1",), may_assert=("caller", "task"), certificates=True
        ),
        EnforcementPoint(name="mesh", addresses=("10.0.0.2",)),
        EnforcementPoint(name="shop", addresses=("10.0.0.3",), audiences=("shop",)),
    ),
    task=(Task(id="t-1", expires=NOW + timedelta(hours=1)), Task(id="t-2", expires=NOW + timedelta(hours=1))),
)
GATEWAY, MESH, SHOP, STRANGER = "10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


class Asked:
    """One decision point, what it answers, and the facts it went by."""

    def __init__(self, world: World, change: dict[str, Any] | None = None, **options: Any) -> None:
        self.world = world
        self.answers: list[Any] = []
        options.setdefault("verifier", world.verifier(change))
        self.point = DecisionPoint(
            PROGRAM, SETTINGS, clock=lambda: NOW, record=self.answers.append, **options
        )

    def __call__(
        self, credential: str, change: dict[str, Any] | None = None, peer: str = GATEWAY, **members: Any
    ) -> str | None:
        """The code of the answer to a request with such a credential; None for an allow."""
        return self.code(request(self.world, credential, change), peer, **members)

    def code(self, document: dict[str, Any], peer: str = GATEWAY, **members: Any) -> str | None:
        answer = json.loads(self.point.answer(json.dumps({**document, **members}).encode(), peer))
        assert (answer["code"] is None) is (answer["decision"] == "allow")
        return answer["code"]

    @property
    def facts(self) -> Any:
        """The facts of the last answer."""
        return self.answers[-1].facts


def request(world: World, credential: str, change: dict[str, Any] | None = None) -> dict[str, Any]:
    """The request that presents a credential of the world."""
    made = world.present(credential, change or {})
    found = {name: getattr(made, name) for name in ("token", "scheme", "certificate", "xfcc")}
    presented: dict[str, Any] = {name: text for name, text in found.items() if text is not None}
    if made.dpop:
        presented["proofs"] = {"dpop": list(made.dpop)}
    if made.wpt is not None:
        presented["proofs"] = {"wpt": made.wpt}
    sent = {"method": METHOD, "uri": URI}
    return {"audience": AUDIENCE, "action": "entry.read", "credential": presented, "request": sent}


# What becomes of evidence


def test_a_bearer_token_is_verified_and_not_bound(world: World) -> None:
    asked = Asked(world)
    assert asked("bearer") is None
    assert asked("bearer", action="entry.create") == "no_rule"
    credential, caller = asked.facts.credential, asked.facts.caller
    assert credential == {
        "form": "jwt", "binding": "none", "bound": False, "verified": True, "issuer": ISSUER, "id": "t-1",
        "audiences": {AUDIENCE}, "scopes": {"entry.read", "entry.create"}, "uses": 1, "sources": 1,
        "age": timedelta(seconds=10), "lifetime": timedelta(seconds=300), "remaining": timedelta(seconds=290),
        "standing": True,
    }  # fmt: skip
    assert caller == {
        "id": "payments-api", "kind": "workload", "issuer": ISSUER,
        "groups": set(), "actors": set(), "depth": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("credential", "form", "binding"),
    [
        ("dpop", "jwt", "dpop"),
        ("mtls", "jwt", "mtls"),
        ("x509", "x509_svid", "mtls"),
        ("wit", "jwt_svid", "wimse"),
    ],
)
def test_a_bound_credential_is_bound(world: World, credential: str, form: str, binding: str) -> None:
    asked = Asked(world)
    assert asked(credential, action="entry.create") is None
    facts = asked.facts.credential
    assert (facts["form"], facts["binding"], facts["standing"]) == (form, binding, False)


def test_a_workload_has_the_trust_domain_of_its_id(world: World) -> None:
    asked = Asked(world)
    assert asked("jwt_svid") is None
    assert asked.facts.caller["id"] == WORKLOAD
    assert asked.facts.caller["trust_domain"] == "prod.example"
    assert "issuer" not in asked.facts.credential


def test_a_token_from_a_clock_ahead_is_new(world: World) -> None:
    asked = Asked(world)
    assert asked("bearer", {"claims": {"iat": {"now": 5}}}) is None
    assert asked.facts.credential["age"] == timedelta(0)


def test_delegation_says_who_acts_for_whom(world: World) -> None:
    asked = Asked(world)
    assert asked("bearer", {"claims": {"act": {"sub": "agent", "act": {"sub": "portal"}}}}) is None
    caller = asked.facts.caller
    assert (caller["id"], caller["on_behalf_of"], caller["actors"], caller["depth"]) == (
        "agent", "payments-api", {"portal"}, 2,
    )  # fmt: skip


def test_what_was_presented_is_the_word_of_an_enforcement_point(world: World) -> None:
    asked = Asked(world)
    assert asked("dpop", peer=STRANGER, action="entry.create") == "not_enforcement_point"
    assert asked("dpop", peer=SHOP, action="entry.create") == "audience_not_allowed"
    # And neither has used it up.
    assert asked("dpop", action="entry.create") is None


def test_who_asks_pdp_itself_stands_before_nobody_else(world: World) -> None:
    asked = Asked(world)
    own = asked.point.stands_before_us(STRANGER)
    assert (own.may_assert, own.certificates) == ((), False)
    assert asked.point.stands_before_us(GATEWAY).name == "gateway"
    assert asked.point.believes(GATEWAY)
    assert not asked.point.believes(STRANGER)
    assert asked.point.forwards(GATEWAY)
    assert not asked.point.forwards(MESH)


@pytest.mark.parametrize("credential", ["x509", "xfcc", "mtls"])
def test_certificates_are_taken_from_whom_the_settings_name(world: World, credential: str) -> None:
    asked = Asked(world)
    assert asked(credential) is None
    assert asked(credential, peer=MESH) == "certificate_not_trusted"
    assert asked(credential, peer=STRANGER) == "not_enforcement_point"


def test_nobody_is_believed_unless_somebody_is_named(world: World) -> None:
    asked = Asked(world, verifier=None)
    assert asked("bearer") == "issuer_unknown"
    assert asked("x509") == "trust_domain_unknown"


# Claims and the schema


CLAIMS = {"issuer": {"claims": (("team", "dept"), ("level", "lvl"), ("groups", "roles"))}}


def test_claims_become_attributes_of_the_caller(world: World) -> None:
    asked = Asked(world, CLAIMS)
    claims = {"dept": "payments", "lvl": 3, "roles": ["a", "b"], "other": 1}
    assert asked("bearer", {"claims": claims}) is None
    caller = asked.facts.caller
    assert (caller["team"], caller["level"], caller["groups"]) == ("payments", 3, {"a", "b"})


@pytest.mark.parametrize("claims", [{"dept": 7}, {"lvl": "3"}, {"roles": "a"}, {"roles": [1]}])
def test_a_claim_that_the_schema_does_not_fit_is_the_issuers_mistake(
    world: World, claims: dict[str, Any]
) -> None:
    assert Asked(world, CLAIMS)("bearer", {"claims": claims}) == "claim_invalid"


# The enforcement point's word beside evidence


@pytest.mark.parametrize(
    ("caller", "code"),
    [
        ({"id": "payments-api", "kind": "workload"}, None),
        ({"issuer": ISSUER, "depth": 0, "actors": []}, None),
        ({"team": "payments", "level": 3}, None),
        ({"groups": ["a"]}, None),
        ({"id": "somebody-else"}, "contradiction"),
        ({"kind": "human"}, "contradiction"),
        ({"issuer": "https://other.example"}, "contradiction"),
        ({"trust_domain": "prod.example"}, "contradiction"),
        ({"on_behalf_of": "alice"}, "contradiction"),
        ({"actors": ["a"]}, "contradiction"),
        ({"depth": 1}, "contradiction"),
    ],
)
def test_what_is_asserted_may_add_to_evidence_and_not_contradict_it(
    world: World, caller: dict[str, Any], code: str | None
) -> None:
    asked = Asked(world)
    assert asked("bearer", caller=caller) == code
    if code is None:
        assert asked.facts.caller["id"] == "payments-api"


def test_groups_that_are_proved_are_not_added_to(world: World) -> None:
    asked = Asked(world, CLAIMS)
    change = {"claims": {"roles": ["a"]}}
    assert asked("bearer", change, caller={"groups": ["a"]}) is None
    assert asked("bearer", change, caller={"groups": ["a", "admins"]}) == "contradiction"


def test_nobody_adds_what_the_issuer_could_have_told_and_does_not(world: World) -> None:
    asked = Asked(world, CLAIMS)
    for caller in ({"groups": ["admins"]}, {"level": 9}):
        assert asked("bearer", caller=caller) == "contradiction"
    assert asked("bearer", caller={"groups": []}) is None


TASK = {"issuer": {"task": "tsk"}}


@pytest.mark.parametrize(
    ("claim", "asserted", "code"),
    [
        ("t-1", None, None),
        ("t-1", "t-1", None),
        ("t-1", {"id": "t-1", "expires": SECONDS + 60}, None),
        ("t-1", "t-2", "contradiction"),
        ("t-1", {"id": "t-2", "expires": SECONDS + 60}, "contradiction"),
        ("t-9", None, "task_unknown"),
        (None, "t-2", None),
        (None, "t-9", "task_unknown"),
        ("", None, "claim_invalid"),
    ],
)
def test_a_token_for_a_task_is_for_no_other(
    world: World, claim: str | None, asserted: Any, code: str | None
) -> None:
    asked = Asked(world, TASK)
    members = {} if asserted is None else {"task": asserted}
    assert asked("bearer", {"claims": {} if claim is None else {"tsk": claim}}, **members) == code
    if code is None:
        assert asked.facts.task["id"] == claim or asserted


def test_a_claim_called_task_means_nothing_unless_the_settings_say_so(world: World) -> None:
    asked = Asked(world)
    assert asked("bearer", {"claims": {"task": "t-9"}}) is None
    assert asked.facts.task == {"active": False}


# Used once


def test_a_proof_is_good_for_one_allow(world: World) -> None:
    asked = Asked(world)
    assert asked("dpop", action="entry.create") is None
    assert asked("dpop", action="entry.create") == "proof_replayed"
    assert asked("dpop", {"proofs": [{"claims": {"jti": "p-2"}}]}, action="entry.create") is None


def test_a_proof_of_a_request_that_no_rule_allows_is_not_used_up(world: World) -> None:
    asked = Asked(world)
    assert asked("dpop", action="entry.delete") == "no_rule"
    assert asked("dpop", action="entry.create") is None


def test_a_token_for_one_use_is_good_for_one_allow_whatever_proves_its_key(world: World) -> None:
    asked = Asked(world, {"issuer": {"single_use": True}})
    assert asked("dpop") is None
    # The same again, and the same token with a new proof: it is the token that was used.
    assert asked("dpop") == "token_replayed"
    assert asked("dpop", {"proofs": [{"claims": {"jti": "p-2"}}]}) == "token_replayed"


def test_of_token_and_proof_the_one_that_was_used_is_told(world: World) -> None:
    asked = Asked(world, {"issuer": {"single_use": True}})
    assert asked("dpop") is None
    # A new token, with a proof of its own that has the id of another one; then the other way round.
    assert asked("dpop", {"claims": {"jti": "t-2"}}) == "proof_replayed"
    assert asked("dpop", {"proofs": [{"claims": {"jti": "p-2"}}]}) == "token_replayed"
    assert asked("dpop", {"claims": {"jti": "t-2"}, "proofs": [{"claims": {"jti": "p-2"}}]}) is None


def test_of_many_at_the_same_moment_one_is_allowed(world: World, tmp_path: Path) -> None:
    replay = Replay(SqliteStore(tmp_path / "state", durable=False))
    # As two workers have it: each its own point, one store.
    points = [Asked(world, replay=replay), Asked(world, replay=replay)]
    document = request(world, "dpop")
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda turn: points[turn % 2].code(document), range(32)))
    assert sorted(codes, key=str) == [None, *["proof_replayed"] * 31]


class _Broken(MemoryStore):
    def commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        raise StoreError("the disk is full")


def test_what_cannot_be_remembered_is_not_allowed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert Asked(world, replay=Replay(_Broken()))("dpop") == "state_unavailable"
    assert "the disk is full" in caplog.text
    assert Asked(world, replay=Replay(MemoryStore(), quota=0))("dpop") == "replay_store_full"


def test_what_may_have_been_used_before_this_process_began_is_not_allowed(world: World) -> None:
    asked = Asked(world, replay=Replay(MemoryStore(), begun=SECONDS - 3.0, ahead=0.0))
    # It would have been accepted from six seconds ago on: five that clocks may differ by, and one.
    assert asked("dpop") == "state_unavailable"
    assert asked("dpop", {"proofs": [{"claims": {"iat": {"now": 3}}}]}) is None


# Seen before


def test_uses_and_sources_are_counted(world: World) -> None:
    asked = Asked(world, sightings=Sightings())
    for peer, sent, expected in [
        (GATEWAY, {}, (0, 1)),
        (GATEWAY, {}, (1, 1)),
        (MESH, {}, (2, 2)),
        (GATEWAY, {"peer": "10.9.9.9"}, (3, 3)),
        (MESH, {"peer": "10.9.9.9"}, (4, 3)),
    ]:
        assert asked("bearer", peer=peer, request=sent) is None
        assert (asked.facts.credential["uses"], asked.facts.credential["sources"]) == expected


def test_an_enforcement_point_that_is_known_by_name_is_a_source(world: World) -> None:
    asked = Asked(world)
    document = json.dumps(request(world, "bearer")).encode()
    answer = json.loads(asked.point.answer(document, SETTINGS.enforcement_point[0]))
    assert answer["decision"] == "allow"
    assert asked.facts.credential["sources"] == 1


# Keys


def test_an_unknown_key_is_asked_for(world: World) -> None:
    wanted: list[str] = []
    trust = world.trust()
    asked = Asked(world, verifier=Verifier(trust, wanted=wanted.append))
    assert asked("bearer", {"header": {"kid": "new"}}) == "key_unknown"
    assert asked("jwt_svid", {"header": {"kid": "new"}}) == "key_unknown"
    assert asked("wit", {"header": {"kid": "new"}}) == "key_unknown"
    assert asked("bearer", {"header": {"typ": "jwt"}}) == "token_type_refused"
    assert asked("x509", {"authority": "strange"}) == "certificate_untrusted"
    # Whatever a workload identity token says of an issuer, its key is its trust domain's.
    assert asked("wit", {"header": {"kid": "new"}, "claims": {"iss": ISSUER}}) == "key_unknown"
    assert wanted == [ISSUER, "prod.example", "prod.example", "prod.example", "prod.example"]


@pytest.mark.parametrize("credential", ["bearer", "jwt_svid", "x509", "wit"])
def test_keys_that_have_had_their_time_are_asked_for(world: World, credential: str) -> None:
    # A machine that slept for hours reads them when it is asked, and not when its own clock says so.
    wanted: list[str] = []
    trust = world.trust({"believed": -1})
    assert Asked(world, verifier=Verifier(trust, wanted=wanted.append))(credential) == "keys_stale"
    assert wanted == [ISSUER if credential == "bearer" else "prod.example"]


def test_trust_that_is_replaced_counts_for_the_next_request(world: World) -> None:
    trust = world.trust()
    verifier = Verifier(trust)
    asked = Asked(world, verifier=verifier)
    assert asked("bearer") is None
    verifier.prolong(trust.with_keys(ISSUER, Keys(world.issuer_keys, SECONDS + 7_200)))
    assert asked("bearer") is None
    verifier.replace(trust.with_keys(ISSUER, Keys(world.issuer_keys, SECONDS - 1)))
    assert asked("bearer") == "keys_stale"
    verifier.replace(Trust())
    assert asked("bearer") == "issuer_unknown"


# Revocation and tasks


def known_task(task_id: str = "w-1", **changes: Any) -> StoredTask:
    stated: dict[str, Any] = {
        "id": task_id, "owner": "payments-api", "purpose": "close the month", "actions": ("entry.read",),
        "audiences": (AUDIENCE,), "resources": (), "may_act": (), "issued": SECONDS - 60.0,
        "started": SECONDS - 60.0, "expires": SECONDS + 60.0, "latest": SECONDS + 600.0, "uses": None,
        "ancestors": (), "opened_with": (),
    }  # fmt: skip
    return StoredTask(**stated | changes)


def asked_with(
    world: World, *tasks: StoredTask, change: dict[str, Any] | None = None
) -> tuple[Asked, Knowledge]:
    knowledge = Knowledge(MemoryStore())
    for task in tasks:
        knowledge.tasks.open(task, SECONDS)
    return Asked(world, change or TASK, knowledge=knowledge), knowledge


def test_what_was_revoked_is_refused_from_then_on(world: World) -> None:
    asked, knowledge = asked_with(world)
    assert asked("bearer") is None
    knowledge.revocations.revoke(
        "caller", "payments-api", before=SECONDS, by="test", reason="", until=None, seconds=SECONDS
    )
    assert asked("bearer") == "credential_revoked"
    assert asked.answers[-1].evidence is not None
    # What is issued later counts again.
    assert asked("bearer", {"claims": {"iat": {"now": 0}, "jti": "t-2"}}) is None
    assert asked("x509") is None


def test_an_opaque_token_is_revoked_as_what_its_issuer_says_now(world: World) -> None:
    says = {**world.claims(), "iss": ISSUER}
    knowledge = Knowledge(MemoryStore())
    asked = Asked(
        world, verifier=Verifier(world.trust(), opaque=lambda _, __: dict(says)), knowledge=knowledge
    )
    document = {
        "audience": AUDIENCE, "action": "entry.read", "credential": {"token": "opaque", "scheme": "Bearer"},
    }  # fmt: skip
    knowledge.revocations.revoke(
        "client", "batch", before=SECONDS, by="test", reason="test", until=None, seconds=SECONDS
    )
    assert asked.code(document) is None
    says["client_id"] = "batch"
    for _ in range(2):
        assert asked.code(document) == "credential_revoked"
    says["client_id"] = "payments-api"
    assert asked.code(document) is None


def test_a_token_for_a_task_counts_while_the_task_runs(world: World) -> None:
    asked, knowledge = asked_with(world, known_task())
    change = {"claims": {"tsk": "w-1"}}
    assert asked("bearer", change) is None
    assert asked.facts.task["active"]
    assert asked.facts.task["purpose"] == "close the month"
    knowledge.tasks.end("w-1", "completed", SECONDS)
    assert asked("bearer", change) == "task_ended"


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ({}, None),
        ({"audiences": ("files",)}, "outside_task"),
        ({"actions": ("entry.write",)}, "outside_task"),
        ({"resources": ("entry",)}, "outside_task"),
        ({"started": SECONDS + 1.0}, "task_ended"),
        ({"uses": 0}, "task_ended"),
    ],
)
def test_a_token_for_a_task_counts_for_its_work_only(
    world: World, task: dict[str, Any], code: str | None
) -> None:
    asked, _ = asked_with(world, known_task(**task))
    assert asked("bearer", {"claims": {"tsk": "w-1"}}) == code


def test_a_task_that_an_enforcement_point_names_is_known_by_its_state(world: World) -> None:
    asked, knowledge = asked_with(world, known_task())
    assert asked("bearer", task="w-1") is None
    assert asked.facts.task["active"]
    knowledge.tasks.end("w-1", "cancelled", SECONDS)
    # The rules read that it ended; it is not the credential that is for it.
    assert asked("bearer", task="w-1") is None
    assert not asked.facts.task["active"]
    assert asked("bearer", task="w-2") == "task_unknown"


def test_nobody_says_better_what_a_task_is_than_its_state(world: World) -> None:
    asked, _ = asked_with(world, known_task())
    assert asked("bearer", task={"id": "w-1", "expires": SECONDS + 9_999}) == "contradiction"
    assert asked("bearer", task={"id": "x-1", "expires": SECONDS + 9_999}) is None


def test_a_task_is_used_by_what_is_allowed(world: World) -> None:
    asked, knowledge = asked_with(world, known_task(uses=2))
    change = {"claims": {"tsk": "w-1"}}
    assert asked("bearer", change, action="entry.create") == "outside_task"
    assert [asked("bearer", change) for _ in range(3)] == [None, None, "task_ended"]
    assert asked.answers[-2].facts.task["uses_left"] == 1
    task = knowledge.tasks.get("w-1", SECONDS)
    assert task is not None
    assert task.uses == 0


def test_a_task_ends_with_the_credential_that_opened_it_and_with_what_it_is_part_of(world: World) -> None:
    asked, knowledge = asked_with(
        world,
        known_task("whole", uses=5),
        known_task("part", uses=5, ancestors=("whole",), opened_with=(revoked_name("key", "k-1"),)),
    )
    change = {"claims": {"tsk": "part"}}
    assert asked("bearer", change) is None
    whole = knowledge.tasks.get("whole", SECONDS)
    assert whole is not None
    assert whole.uses == 4
    knowledge.revocations.revoke(
        "key", "k-1", before=SECONDS - 60.0, by="test", reason="", until=None, seconds=SECONDS
    )
    assert asked("bearer", change) is None
    knowledge.revocations.revoke(
        "key", "k-1", before=SECONDS, by="test", reason="", until=None, seconds=SECONDS
    )
    assert asked("bearer", change) == "task_ended"
    assert asked("bearer", {"claims": {"tsk": "whole"}}) is None
    knowledge.tasks.end("whole", "completed", SECONDS)
    assert asked("bearer", {"claims": {"tsk": "whole"}}) == "task_ended"


class _Unreadable(MemoryStore):
    def read(self, keys: Collection[bytes], seconds: float) -> Snapshot:
        raise StoreError("the disk is gone")


def test_what_cannot_be_read_is_not_allowed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert Asked(world, knowledge=Knowledge(_Unreadable()))("bearer") == "state_unavailable"
    assert "the disk is gone" in caplog.text


def test_of_two_that_use_a_task_up_at_once_one_is_allowed(world: World) -> None:
    asked, knowledge = asked_with(world, known_task(uses=1))
    known = knowledge.look(None, "w-1", SECONDS)
    assert known is not None
    knowledge.use(known, SECONDS)
    # The other has looked before, too.
    with pytest.raises(EvidenceError) as caught:
        knowledge.use(known, SECONDS)
    assert caught.value.code == "task_ended"
    assert asked("bearer", {"claims": {"tsk": "w-1"}}) == "task_ended"


def test_what_was_proved_is_remembered_within_bounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdp.gather._REMEMBERED", 2)
    asked = Asked(world)
    for number in range(5):
        for _ in range(2):
            assert asked("bearer", {"claims": {"jti": f"t-{number}"}}) is None
            assert asked.facts.credential["id"] == f"t-{number}"
    table = asked.point._serving.table
    assert len(table.proved) <= 2
