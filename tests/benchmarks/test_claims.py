"""The claims, measured small: every peer is either timed or named with the reason it was not."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import pytest

from benchmarks import estate
from benchmarks.credentials import AUDIENCE, Authority
from benchmarks.filled import fill
from benchmarks.office import TASK, URL, Office, trust
from benchmarks.peers import PEERS
from benchmarks.run import main
from benchmarks.servers import ask, ours, running
from benchmarks.verifiers import FLOOR, VERIFIERS
from pdp.evidence.evidence import Evidence
from pdp.evidence.jws import decode
from pdp.evidence.refusals import EvidenceError
from pdp.evidence.verify import Presented, Verifier
from pdp.service.minting import TOKEN
from pdp.state.sqlite import SqliteStore
from pdp.tasks.known import Knowledge
from pdp.tasks.oauth_errors import OAuthError


def test_claims_are_measured_printed_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results.json"
    assert main(["decide", "load", "--scale", "quick", "--results", str(results)]) == 0
    told = capsys.readouterr()
    assert "One decision, the request parsed" in told.out
    assert "decide: pdp reads 100 rules …" in told.err
    kept = json.loads(results.read_text())
    # casbin reads no text that could be checked.
    for claim, timed, peers in (("decide", "decision", {*PEERS}), ("load", "seconds", {*PEERS} - {"casbin"})):
        figures = kept[claim]["figures"]
        assert {*figures[timed], *figures["missing"]} == peers
        assert "pdp" in figures[timed]
    assert results.with_suffix(".svg").read_text().startswith("<svg ")


def test_evidence_is_measured_over_its_signatures_and_beside_asserted_callers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.json"
    assert main(["evidence", "--scale", "quick", "--results", str(results)]) == 0
    assert "Verifying a credential" in capsys.readouterr().out
    kept = json.loads(results.read_text())["evidence"]
    figures = kept["figures"]
    for way in ("fresh", "proved"):
        assert {*figures["verification"][way], *figures["missing"]} == {*VERIFIERS}
    assert {*figures["decide"]} == {"asserted", "token seen before", "fresh token"}
    assert len(kept["aims"]) == 5
    assert "Verifying a token" in results.with_suffix(".svg").read_text()


def test_tokens_are_exchanged_revoked_and_decided_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.json"
    assert main(["tokens", "--scale", "quick", "--results", str(results)]) == 0
    assert "Exchanging a token" in capsys.readouterr().out
    kept = json.loads(results.read_text())["tokens"]
    figures = kept["figures"]
    assert {*figures["exchange"]} == {FLOOR, "pdp"}
    assert (figures["revocation"]["rounds"], figures["revocation"]["allowed"]) == (5, 0)
    assert all({*timings} == {"empty", "full"} for timings in figures["decisions"].values())
    assert len(kept["aims"]) == 1 + len(figures["decisions"])
    assert "Exchanging a token" in results.with_suffix(".svg").read_text()


def test_what_a_client_gets_for_a_token_is_for_the_task_and_for_its_key(tmp_path: Path) -> None:
    authority = Authority()
    shown, stolen = authority.credentials(2, URL + TOKEN, aud="pdp")
    with closing(Office(authority, tmp_path / "state")) as office:
        granted = office.exchange(shown)
        with pytest.raises(OAuthError, match="the proof was used before"):
            office.exchange(replace(stolen, proof=shown.proof))
    claims = json.loads(decode(granted.token.split(".")[1]))
    assert (granted.token_type, claims["aud"], claims["task"]) == ("DPoP", AUDIENCE, TASK)
    assert claims["cnf"].keys() == {"jkt"}


def test_a_state_is_filled_with_what_its_readers_find(tmp_path: Path) -> None:
    authority = Authority()
    trusted, seconds = Verifier(trust(authority)), authority.now.timestamp()

    def proved(**claims: str) -> Evidence:
        presented = Presented(authority.token(0, **claims).decode(), "Bearer")
        return trusted.verify(presented, AUDIENCE, authority.now)

    size = fill(tmp_path / "state", authority, proved(), revocations=30, tasks=70)
    assert size == (tmp_path / "state").stat().st_size
    with closing(SqliteStore(tmp_path / "state")) as store:
        knowledge = Knowledge(store)
        listed = knowledge.tasks.list(lambda now: now.standing == "active", seconds)
        known = knowledge.look(proved(), "task-69", seconds)
        assert known is not None
        assert (known.active, len(listed.tasks)) == (True, 70)
        with pytest.raises(EvidenceError, match="credential_revoked"):
            knowledge.look(proved(jti="gone-29"), None, seconds)


def test_the_service_decides_the_sample_and_is_gone_afterwards(tmp_path: Path) -> None:
    server = ours.server(tmp_path)
    with running(server, tmp_path, None):
        decided = [server.allows(ask(server, question)) for question in estate.sample(1)]
    assert (decided.count(True), decided.count(False)) == (5, 10)
    with pytest.raises(URLError):
        ask(server, estate.sample(1)[0])
