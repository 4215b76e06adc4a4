"""What was revoked does not count, nor what comes from it; what is issued later does."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pdp.evidence.evidence import Evidence
from pdp.evidence.refusals import CREDENTIAL_REVOKED, EvidenceError
from pdp.state.memory import MemoryStore
from pdp.state.sqlite import SqliteStore
from pdp.state.store import Changes, Entry, Snapshot, Store, StoreError
from pdp.tasks.known import Knowledge
from pdp.tasks.revocation import FIELDS, KINDS, Hold, Kind, Revocations, credential_names, revoked_name

FOREVER = float("inf")
ISSUED = 1_000.0
EVIDENCE = Evidence(
    caller={"id": "agent", "kind": "agent", "on_behalf_of": "alice", "actors": ["portal"], "depth": 2},
    form="task_token",
    binding="dpop",
    bound=True,
    issuer="https://pdp.example",
    id="j-1",
    audiences=("ledger",),
    scopes=(),
    issued=ISSUED,
    expires=ISSUED + 300,
    identity=b"\x01" * 32,
    task="t-1",
    once=(),
    client="batch",
    keys=("signer", "holder"),
    lineage=credential_names(
        Evidence(
            caller={"id": "alice", "kind": "human"}, form="jwt", binding="none", bound=False,
            issuer="https://idp.example", id="j-0", audiences=(), scopes=(), issued=900.0, expires=2_000.0,
            identity=b"\x02" * 32, task=None, once=(),
            aliases=(
                ("subject", "00u1"), ("session", "s-1"), ("email", "alice@example.com"), ("tenant", "acme"),
            ),
        )
    ),
)  # fmt: skip
# Whatever it may be revoked by, and something of each kind that is not about it.
ABOUT: list[tuple[Kind, tuple[str, ...]]] = [
    ("token", ("https://pdp.example", "j-1")),
    ("token", ("https://idp.example", "j-0")),
    ("credential", ("01" * 32,)),
    ("credential", ("02" * 32,)),
    ("caller", ("agent",)),
    ("caller", ("alice",)),
    ("party", ("agent",)),
    ("party", ("alice",)),
    ("party", ("portal",)),
    ("issuer", ("https://pdp.example",)),
    ("issuer", ("https://idp.example",)),
    ("key", ("signer",)),
    ("key", ("holder",)),
    ("client", ("batch",)),
    ("task", ("t-1",)),
    ("all", ()),
    ("subject", ("https://idp.example", "00u1")),
    ("session", ("https://idp.example", "s-1")),
    ("email", ("https://idp.example", "alice@example.com")),
    ("tenant", ("https://idp.example", "acme")),
]
OTHERS: list[tuple[Kind, tuple[str, ...]]] = [
    ("token", ("https://pdp.example", "j-2")),
    ("token", ("https://idp.example", "j-1")),
    ("credential", ("03" * 32,)),
    ("caller", ("portal",)),
    ("party", ("bob",)),
    ("issuer", ("https://pdp.example/",)),
    ("key", ("agent",)),
    ("client", ("t-1",)),
    ("task", ("batch",)),
    ("subject", ("https://pdp.example", "00u1")),
    ("subject", ("https://idp.example", "s-1")),
    ("tenant", ("https://idp.example", "alice@example.com")),
]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "state")
    yield made
    made.close()


def is_revoked(store: Store, evidence: Evidence = EVIDENCE, seconds: float = 1_100.0) -> bool:
    try:
        Knowledge(store).look(evidence, None, seconds)
    except EvidenceError as refused:
        return refused.code == CREDENTIAL_REVOKED
    return False


def revoke(store: Store, kind: Kind, *fields: str, before: float = FOREVER, **options: Any) -> None:
    stated: dict[str, Any] = {"by": "operator", "reason": "test", "until": None, "seconds": 1_050.0}
    Revocations(store).revoke(kind, *fields, before=before, **{**stated, **options})


@pytest.mark.parametrize(("kind", "fields"), ABOUT)
def test_a_credential_is_revoked_by_all_that_it_is_and_comes_from(
    store: Store, kind: Kind, fields: tuple[str, ...]
) -> None:
    assert not is_revoked(store)
    revoke(store, kind, *fields)
    assert is_revoked(store)


@pytest.mark.parametrize(("kind", "fields"), OTHERS)
def test_and_by_nothing_else(store: Store, kind: Kind, fields: tuple[str, ...]) -> None:
    revoke(store, kind, *fields)
    assert not is_revoked(store)


def test_every_kind_is_tried() -> None:
    assert {kind for kind, _ in ABOUT} == set(KINDS) == set(FIELDS)


@pytest.mark.parametrize(("before", "revoked"), [(999.0, False), (1_000.0, False), (1_000.5, True)])
def test_what_is_issued_from_then_on_counts(store: Store, before: float, revoked: bool) -> None:
    revoke(store, "caller", "agent", before=before)
    assert is_revoked(store) is revoked
    assert not is_revoked(store, replace(EVIDENCE, issued=before))


def test_a_revocation_is_forgotten_when_nothing_that_it_is_about_can_be_left(store: Store) -> None:
    revoke(store, "token", "https://pdp.example", "j-1", until=1_300.0)
    assert is_revoked(store, seconds=1_299.0)
    assert not is_revoked(store, seconds=1_300.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([900.0, 1_000.0, 1_001.0, FOREVER]), st.sampled_from([1_200.0, 1_500.0, None])
        ),
        min_size=1,
        max_size=5,
    )
)
def test_no_later_revocation_gives_back_what_an_earlier_one_took(
    revocations: list[tuple[float, float | None]],
) -> None:
    store = MemoryStore()
    for before, until in revocations:
        revoke(store, "caller", "agent", before=before, until=until)
    latest = max(before for before, _ in revocations)
    ends = [until for _, until in revocations]
    last = None if None in ends else max(end for end in ends if end is not None)
    assert is_revoked(store, seconds=1_100.0) is (latest > ISSUED)
    if latest > ISSUED and last is not None:
        assert is_revoked(store, seconds=last - 1)


HOLDS = st.builds(
    Hold, st.sampled_from([b"risk", b"device"]), st.sampled_from([1.0, 2.0, 3.0]), st.booleans()
)


@given(st.lists(HOLDS, min_size=1, max_size=6), st.randoms())
def test_what_is_held_is_what_was_said_last_in_whatever_order_and_however_often_it_is_told(
    holds: list[Hold], chance: random.Random
) -> None:
    said: dict[bytes, tuple[float, bool]] = {}
    for hold in holds:
        said[hold.of] = max(said.get(hold.of, (0.0, False)), (hold.at, hold.on))
    store, repeated = MemoryStore(), [*holds, *holds]
    chance.shuffle(repeated)
    for hold in repeated:
        stated: dict[str, Any] = {"by": "test", "reason": "test", "seconds": 1_050.0}
        Revocations(store).hold("caller", "agent", hold=hold, **stated)
    assert is_revoked(store) is any(on for _, on in said.values())
    # Held, it does not count whenever it was issued; let go, what was revoked stays so.
    assert is_revoked(store, replace(EVIDENCE, issued=FOREVER)) is any(on for _, on in said.values())
    revoke(store, "caller", "agent", before=1_001.0)
    assert is_revoked(store)


def test_two_credentials_with_one_digest_are_one(store: Store) -> None:
    # The names of a credential are remembered by its digest: presented with another proof, it is the same.
    revoke(store, "key", "holder")
    knowledge = Knowledge(store)
    for _ in range(2):
        with pytest.raises(EvidenceError):
            knowledge.look(EVIDENCE, None, 1_100.0)


def test_names_of_many_credentials_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdp.tasks.revocation._REMEMBERED", 2)
    revocations = Revocations(MemoryStore())
    for number in range(5):
        one = replace(EVIDENCE, identity=bytes([number]) * 32)
        assert revocations.names(one) == credential_names(one)


def test_a_revocation_that_cannot_be_read_is_none_that_may_be_passed_over(store: Store) -> None:
    key = revoked_name("all")
    assert store.commit(store.read((key,), 0.0), {key: Entry(b"\xc1")}, 0.0)
    with pytest.raises(StoreError):
        is_revoked(store)


class _Busy(MemoryStore):
    def commit(self, snapshot: Snapshot, changes: Changes, seconds: float) -> bool:
        return False


def test_a_race_that_is_lost_again_and_again_is_told() -> None:
    with pytest.raises(StoreError):
        revoke(_Busy(), "all")


def test_what_was_found_sound_is_looked_at_again_when_anybody_has_changed_anything(tmp_path: Path) -> None:
    mine, others = SqliteStore(tmp_path / "state"), SqliteStore(tmp_path / "state")
    knowledge = Knowledge(mine)
    for _ in range(2):
        assert knowledge.look(EVIDENCE, None, 1_100.0) is None
    for store in (others, mine):
        revoke(store, "caller", "somebody else")
        assert knowledge.look(EVIDENCE, None, 1_100.0) is None
    revoke(others, "caller", "agent", before=ISSUED + 1, until=1_200.0)
    with pytest.raises(EvidenceError):
        knowledge.look(EVIDENCE, None, 1_100.0)
    assert knowledge.look(EVIDENCE, None, 1_200.0) is None
    # As of a time at which the revocation still stood.
    with pytest.raises(EvidenceError):
        knowledge.look(EVIDENCE, None, 1_199.0)
    for store in (mine, others):
        store.close()


def test_what_is_sound_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdp.tasks.known._REMEMBERED", 2)
    knowledge = Knowledge(MemoryStore())
    for number in range(5):
        assert knowledge.look(replace(EVIDENCE, identity=bytes([number]) * 32), None, 1_100.0) is None
        assert len(knowledge._sound) <= 2
