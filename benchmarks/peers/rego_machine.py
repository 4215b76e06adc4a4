"""Rego through regorus' virtual machine, which compiles it. Its wheel has it, undocumented."""

from __future__ import annotations

import json
from importlib.metadata import version

from regorus.regorus import Program, Rvm

from benchmarks.estate import Question
from benchmarks.measure import Contender
from benchmarks.peers import Missing
from benchmarks.peers.rego import RULE, given, modules

NAME = "regorus, compiled"


def compiled(count: int) -> Program:
    """The rules as a program of the machine. Raises `Missing` where they are more than it holds."""
    try:
        return Program.compile_from_modules("{}", list(modules(count)), [RULE])
    except RuntimeError as error:
        if "exceeds max instructions" not in str(error):
            raise
        raise Missing(f"{count:,} rules are more than its 65,535 instructions hold") from None


class Machine:
    version = version("celine-regorus").partition(".post")[0]

    def __init__(self, count: int) -> None:
        self._machine = Rvm()
        self._machine.load_program(compiled(count))
        self._machine.set_data_json("{}")

    def allows(self, question: Question) -> bool:
        self._give(question)
        return bool(self._machine.execute() == "true")

    def decision(self, question: Question) -> Contender:
        self._give(question)
        return Contender(NAME, "machine.execute()", {"machine": self._machine})

    def whole(self, question: Question) -> Contender:
        body = json.dumps(given(question)).encode()
        statement = "machine.set_input_json(body.decode()); machine.execute().encode()"
        return Contender(NAME, statement, {"machine": self._machine, "body": body})

    def _give(self, question: Question) -> None:
        self._machine.set_input_json(json.dumps(given(question)))


def start(count: int) -> Machine:
    return Machine(count)
