"""Policies that somebody wrote, and the declarations they consist of."""

from __future__ import annotations

from pathlib import Path

from pdp.language.parse import parse
from pdp.language.source import Source

TESTS = Path(__file__).parent.parent
EXAMPLES = TESTS / "language_examples/policies"
ESTATES = (EXAMPLES, TESTS / "cli/estate", TESTS.parent / "policies")
POLICIES = [path for estate in ESTATES for path in sorted(estate.rglob("*.policy"))]


def source(text: str) -> Source:
    return Source("m.policy", "m", text)


def declarations() -> list[str]:
    """The text of every declaration of every policy."""
    texts = [path.read_text() for path in POLICIES]
    return [
        text[node.span.start : node.span.end]
        for text in texts
        for node in parse(source(text))[0].declarations
    ]
