"""Prints what generated policy sets answer: `python -m generated.answers 40` for forty of them."""

from __future__ import annotations

import sys

from generated import rules
from generated.choices import seeded
from generated.facts import facts, read_by, request
from generated.written import written
from pdp.answer import Answer, Encoder
from pdp.decide import decide
from pdp.load import check_sources
from pdp.program.program import build


def main(count: int) -> None:
    """Everything that is said of each policy set, and ten answers that it gives."""
    for seed in range(count):
        choices = seeded(seed)
        policies = rules.policy_set(choices, rules.BROAD)
        strict, read = policies.schema.strict, read_by(policies)
        checked = check_sources(written(policies, choices), strict=strict)
        print([(each.code, each.span, each.message, each.hint) for each in checked.diagnostics])
        program, encoder = build(checked.policies, checked.sources, checked.digest), Encoder()
        for _ in range(10):
            true = facts(choices, read, strict=strict)
            asked = request(true)
            answer = Answer("", true.now, "", asked, true, decide(program, asked, true))
            print(encoder.encode(answer).decode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
