"""Policies written in a test, run as `pdp test` runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from pdp.language.source import Source
from pdp.load import check_sources, compile
from pdp.settings import Settings
from pdp.testing.cases import parse_cases, written
from pdp.testing.report import Report, summarize
from pdp.testing.run import run

Testing: TypeAlias = Callable[..., Report]


@pytest.fixture
def tested() -> Testing:
    """`tested(policy, json="[]", complete=True)`: the report on the module `m` and a file of JSON cases."""

    def test(text: str, json: str = "[]", *, complete: bool = True) -> Report:
        source, more = Source("m.policy", "m", text), Source("m.cases.json", "m", json)
        checked = check_sources([source], lower={"PDP402": "off", "PDP405": "off", "PDP403": "warning"})
        assert not checked.errors
        trials = (*written(checked.policies.cases), *parse_cases(more))
        results = list(run(compile(checked), Settings(), trials))
        sources = {**checked.sources, more.path: more}
        return summarize(checked.policies, results, sources, seconds=0.25, complete=complete)

    return test
