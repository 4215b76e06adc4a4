"""pdp itself, embedded as its README shows."""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks import estate
from benchmarks.estate import Question
from benchmarks.measure import Contender
from pdp import DecisionPoint, Facts, Request, asserted, decide, load
from pdp.point import OPERATOR


class Ours:
    version = version("pdp")

    def __init__(self, count: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            estate.write(Path(folder), [estate.rule(grant) for grant in estate.grants(count)])
            self.program = load(folder)

    def allows(self, question: Question) -> bool:
        request, facts = self._parsed(question)
        return decide(self.program, request, facts).decision == "allow"

    def decision(self, question: Question) -> Contender:
        request, facts = self._parsed(question)
        names = {"decide": decide, "program": self.program, "request": request, "facts": facts}
        return Contender("pdp", "decide(program, request, facts)", names)

    def whole(self, question: Question) -> Contender:
        body = json.dumps(estate.request(question)).encode()
        names = {"point": DecisionPoint(self.program), "body": body, "gateway": OPERATOR}
        return Contender("pdp", "point.answer(body, gateway)", names)

    def _parsed(self, question: Question) -> tuple[Request, Facts]:
        request = Request.parse(estate.request(question))
        return request, asserted(self.program, request, now=estate.NOW)


def start(count: int) -> Ours:
    return Ours(count)
