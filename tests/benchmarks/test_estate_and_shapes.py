"""The policy sets that are measured: legal, decided as they should be, and of the shape they claim."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import estate
from benchmarks.growth import ASKED, questions
from benchmarks.peers import Missing, Wrong, agree, check, start
from benchmarks.shapes import SHAPES, Shape, different
from pdp.load import load

COUNT = 150
"""More than one file holds."""


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_rule_of_a_shape_decides_the_request_made_for_it(shape: Shape, tmp_path: Path) -> None:
    shape.write(tmp_path, COUNT)
    program = load(tmp_path)
    assert len(program.rules) == COUNT
    # Raises where a request is not allowed by its rule, and by it alone.
    assert len(questions(shape, program, COUNT)) == ASKED


def test_no_two_rules_are_alike_where_none_should_be() -> None:
    def conditions(rule: str) -> str:
        lines = [line for line in rule.splitlines() if line.lstrip().startswith("when")]
        return re.sub(r"\d+", "N", "\n".join(lines))

    rules = list(different(2_000))
    assert len({conditions(rule) for rule in rules}) == len(rules)
    assert list(different(2_000)) == rules


@pytest.mark.parametrize("count", [1, COUNT])
def test_the_sample_has_requests_on_both_sides_of_every_condition(count: int) -> None:
    ours = start("pdp", count)
    decided = [ours.allows(question) for question in estate.sample(count)]
    assert (decided.count(True), decided.count(False)) == (5, 10)
    check(ours, ours, "pdp", count)


def test_a_peer_that_decides_otherwise_is_found_out() -> None:
    class Generous:
        version = "1"

        def allows(self, question: estate.Question) -> bool:
            return True

    peer: Any = Generous()
    questions = estate.sample(1)
    agree(start("pdp", 1), peer, "generous", questions[:1])
    with pytest.raises(Wrong, match="generous does not decide as pdp does"):
        agree(start("pdp", 1), peer, "generous", questions)


def test_a_peer_that_is_not_installed_is_named_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "benchmarks.peers.cedar", raising=False)
    monkeypatch.setitem(sys.modules, "cedarpy", None)
    with pytest.raises(Missing, match=r"cedarpy is not installed: pip install 'pdp\[bench\]'"):
        start("cedarpy", 1)
