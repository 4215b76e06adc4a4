"""What verifies tokens in the benchmark: every verifier takes and refuses the same, or is named and not timed."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from benchmarks.credentials import Authority
from benchmarks.peers import Missing, Wrong
from benchmarks.verifiers import FLOOR, VERIFIERS, check, ours, start


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.mark.parametrize("name", VERIFIERS.keys() - {FLOOR})
def test_each_verifier_takes_and_refuses_the_same(name: str, authority: Authority) -> None:
    try:
        verifier = start(name, authority)
    except Missing as reason:
        assert "pip install" in str(reason)
    else:
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


def test_what_is_timed_verifies_every_token_and_proof(authority: Authority) -> None:
    credentials = authority.credentials(2)
    known = ours.start(authority)
    for contender in (
        known.fresh(authority.tokens(2)),
        known.seen(authority.token(0)),
        known.proved(credentials),
        known.proved_again(credentials),
    ):
        exec(contender.statement, dict(contender.names))
    spoiled = [credentials[0], type(credentials[0])(credentials[1].token, credentials[0].proof)]
    for name in VERIFIERS.keys() - {FLOOR}:
        try:
            contender = start(name, authority).proved(spoiled)
        except Missing:
            continue
        with pytest.raises(Exception, match=r"proof_mismatch|other claims"):
            exec(contender.statement, dict(contender.names))


def test_a_verifier_that_is_not_installed_is_named_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    monkeypatch.delitem(sys.modules, "benchmarks.verifiers.jose", raising=False)
    absent: Any = None
    monkeypatch.setitem(sys.modules, "joserfc", absent)
    with pytest.raises(Missing, match=r"joserfc is not installed: pip install 'pdp\[bench\]'"):
        start("joserfc", authority)
