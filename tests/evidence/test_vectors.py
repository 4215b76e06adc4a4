"""Every way to be wrong is refused with the code that says so; what is right but odd is accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pdp.evidence.refusals import REFUSALS, EvidenceError
from tests.evidence.make_vectors import HERE, text, vectors
from tests.evidence.world import AUDIENCE, NOW, World

FILES = sorted(HERE.glob("*.json"))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vector(path: Path, world: World) -> None:
    vector: dict[str, Any] = json.loads(path.read_text())
    change = vector["change"]
    presented = world.present(vector["credential"], change)
    try:
        world.verifier(change.get("trust")).verify(presented, AUDIENCE, NOW)
        outcome = "accepted"
    except EvidenceError as refused:
        outcome = refused.code
    assert outcome == vector["expect"], vector["says"]


@pytest.mark.parametrize("credential", ["bearer", "dpop", "mtls", "jwt_svid", "x509", "xfcc", "wit"])
def test_what_no_vector_changed_is_accepted(credential: str, world: World) -> None:
    evidence = world.verifier().verify(world.present(credential, {}), AUDIENCE, NOW)
    assert evidence.bound is (credential not in ("bearer", "jwt_svid"))


def test_the_files_are_those_that_the_script_makes() -> None:
    made = {vector["name"]: text(vector) for vector in vectors()}
    assert {path.stem: path.read_text() for path in FILES} == made


def test_each_vector_expects_a_code_that_is_documented() -> None:
    assert {vector["expect"] for vector in vectors()} <= REFUSALS.keys() | {"accepted"}
