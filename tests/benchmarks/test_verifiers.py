"""What verifies tokens in the benchmark: who does not take and refuse the same is found out, not timed."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.credentials import Authority
from benchmarks.peers import Missing, Wrong
from benchmarks.verifiers import FLOOR, VERIFIERS, Verifier, check, ours, start
from pdp.evidence.refusals import EvidenceError


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def verifiers(authority: Authority) -> dict[str, Verifier]:
    """Those that are installed; pdp and what it is built on always are."""
    found = {}
    for name in VERIFIERS:
        with suppress(Missing):
            found[name] = start(name, authority)
    return found


def test_each_verifier_takes_and_refuses_the_same(
    verifiers: dict[str, Verifier], authority: Authority
) -> None:
    assert verifiers.keys() >= {FLOOR, "pdp", "PyJWT"}
    for name, verifier in verifiers.items():
        if name != FLOOR:
            check(verifier, name, authority)


def test_one_that_looks_at_nothing_but_signatures_is_found_out(authority: Authority) -> None:
    with pytest.raises(Wrong, match="accepts a token of another issuer"):
        check(start(FLOOR, authority), FLOOR, authority)


def test_one_that_takes_nothing_is_found_out(authority: Authority) -> None:
    class Strict(ours.Ours):
        def accepts(self, token: bytes) -> bool:
            return False

    with pytest.raises(Wrong, match="strict refuses a token as it should be"):
        check(Strict(authority), "strict", authority)


def test_what_is_timed_verifies_every_token_and_proof(
    verifiers: dict[str, Verifier], authority: Authority
) -> None:
    credentials = authority.credentials(2)
    known = ours.start(authority)
    for contender in (
        known.fresh(authority.tokens(2)),
        known.seen(authority.token(0)),
        known.proved(credentials),
        known.proved_again(credentials),
    ):
        exec(contender.statement, dict(contender.names))
    spoiled = [credentials[0], replace(credentials[1], proof=credentials[0].proof)]
    for name in verifiers.keys() - {FLOOR}:
        contender = verifiers[name].proved(spoiled)
        with pytest.raises((EvidenceError, Wrong), match=r"proof_mismatch|other claims"):
            exec(contender.statement, dict(contender.names))


def test_a_verifier_that_is_not_installed_is_named_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    monkeypatch.delitem(sys.modules, "benchmarks.verifiers.jose", raising=False)
    absent: Any = None
    monkeypatch.setitem(sys.modules, "joserfc", absent)
    with pytest.raises(Missing, match=r"joserfc is not installed: pip install 'pdp\[bench\]'"):
        start("joserfc", authority)
