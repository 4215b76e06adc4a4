"""The claims, measured small: every peer is either timed or named with the reason it was not."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.error import URLError

import pytest

from benchmarks import estate
from benchmarks.peers import PEERS
from benchmarks.run import main
from benchmarks.servers import ask, ours, running
from benchmarks.verifiers import VERIFIERS


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


def test_the_service_decides_the_sample_and_is_gone_afterwards(tmp_path: Path) -> None:
    server = ours.server(tmp_path)
    with running(server, tmp_path, None):
        decided = [server.allows(ask(server, question)) for question in estate.sample(1)]
    assert (decided.count(True), decided.count(False)) == (5, 10)
    with pytest.raises(URLError):
        ask(server, estate.sample(1)[0])
