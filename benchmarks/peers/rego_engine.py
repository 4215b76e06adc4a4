"""Rego through regorus' `Engine`, which interprets it: what regorus documents for Python."""

from __future__ import annotations

import json
from importlib.metadata import version

from regorus import Engine

from benchmarks.estate import Question
from benchmarks.measure import Contender
from benchmarks.peers.rego import RULE, given, modules


def engine(count: int) -> Engine:
    """An engine that has read the rules. It compiles them when it is first asked."""
    made = Engine()
    for name, text in modules(count):
        made.add_policy(name, text)
    return made


class Regorus:
    version = version("celine-regorus").partition(".post")[0]

    def __init__(self, count: int) -> None:
        self._engine = engine(count)

    def allows(self, question: Question) -> bool:
        self._give(question)
        return self._engine.eval_rule(RULE) is True

    def decision(self, question: Question) -> Contender:
        self._give(question)
        return Contender("regorus", f'engine.eval_rule("{RULE}")', {"engine": self._engine})

    def whole(self, question: Question) -> Contender:
        body = json.dumps(given(question)).encode()
        statement = f'engine.set_input_json(body.decode()); engine.eval_rule_as_json("{RULE}").encode()'
        return Contender("regorus", statement, {"engine": self._engine, "body": body})

    def _give(self, question: Question) -> None:
        # As text: handed over as an object, `False` becomes the number 0, which Rego takes for true.
        self._engine.set_input_json(json.dumps(given(question)))


def start(count: int) -> Regorus:
    return Regorus(count)
