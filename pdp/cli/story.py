"""An explanation as people read it in a terminal, and as JSON. Knows nothing of how it came about.

    nearest permit payments.write_entry (policies/payments.policy:18) does not apply
      19  ✓ caller workload writers         workload "spiffe://prod.example/ns/payments/sa/api"
      23  ✗ when fresh(5m)                  false
      14    ├─ credential.bound             false
      14    └─ credential.age <= limit      not reached

The line of the policy stands in front, the value it had behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pdp.access.decision import failure_words
from pdp.answer import plain
from pdp.cli.terminal import Paint
from pdp.evidence.refusals import REFUSALS
from pdp.explain import Clause, Explanation, Line, Step, Told

# Wide enough for most clauses; a longer one is cut, for its line stands beside it.
_WIDEST = 64
_MARKS = {"holds": ("✓", "good"), "lacks": ("✗", "bad"), "fails": ("!", "bad"), "not reached": ("·", "faint")}
_NO_RULE = "no permit applies, and what no permit allows is denied"


@dataclass(frozen=True, slots=True)
class _Row:
    gutter: str
    mark: str
    text: str
    value: str
    style: str


def text(explanation: Explanation, paint: Paint) -> str:
    """The explanation as lines of text, without a line end behind the last."""
    return "\n".join(_text(explanation, paint))


def _text(explanation: Explanation, paint: Paint) -> Iterator[str]:
    decision = explanation.decision
    allowed = decision.decision == "allow"
    yield paint(decision.decision, "good" if allowed else "bad") + (
        f" ({decision.code})" if decision.code is not None else ""
    )
    if decision.code == "no_rule":
        yield f"  {_NO_RULE}"
    refusal = REFUSALS.get(decision.code or "")
    if refusal is not None:
        yield f"  no rule was asked: {refusal.meaning}"
        yield f"  {paint('hint:', 'doubt')} {refusal.cure}"
        return
    for failure in decision.failures:
        yield f"  {paint('failed:', 'bad')} {failure.rule}: {failure_words(failure.kind, failure.what)}"
    for duty, word in [(d, "require") for d in decision.obligations] + [
        (d, "advise") for d in decision.advice
    ]:
        values = ", ".join(
            f"{name}: {json.dumps(plain(v), ensure_ascii=False)}" for name, v in duty.values.items()
        )
        yield f"  {word} {duty.name} {{ {values} }} by {duty.rule}".replace("{  }", "{ }")
    for told in explanation.deciding:
        yield from _told(told, told.effect, paint)
    for told in explanation.failed:
        yield from _told(told, told.effect, paint)
    for told in explanation.asked:
        yield from _told(told, told.effect, paint)
    nearest = explanation.nearest
    before = (*explanation.deciding, *explanation.failed, *explanation.asked)
    if nearest is not None and nearest.verdict == "applies":
        yield ""
        yield f"permit {paint(nearest.rule, 'strong')} {_place(nearest, paint)} applies, but a forbid decided"
    elif nearest is not None and any(told.rule == nearest.rule for told in before):
        yield ""
        yield f"nearest permit {paint(nearest.rule, 'strong')} {_place(nearest, paint)}, told above"
        yield _lacked(nearest, paint)
    elif nearest is not None:
        yield from _told(nearest, "nearest permit", paint)
        yield _lacked(nearest, paint)
    elif not allowed:
        yield ""
        yield "there is no permit at all"


def _lacked(nearest: Told, paint: Paint) -> str:
    lacks = nearest.lacks
    lines = [f"{_cut(clause.at.text)} ({clause.at.path}:{clause.at.line})" for clause in lacks]
    if len(lines) == 1:
        return f"{paint('it lacked:', 'doubt')} {lines[0]}"
    return "\n".join([paint("it lacked:", "doubt"), *(f"  {line}" for line in lines)])


def _told(told: Told, title: str, paint: Paint) -> Iterator[str]:
    yield ""
    yield f"{title} {paint(told.rule, 'strong')} {_place(told, paint)} {told.verdict}"
    if told.because:
        yield f"  because {json.dumps(told.because, ensure_ascii=False)}"
    rows = [row for clause in told.clauses for row in _rows(clause, told.at.path)]
    gutter = max((len(row.gutter) for row in rows), default=0)
    width = max((len(row.mark) + len(row.text) for row in rows), default=0)
    for row in rows:
        front = f"  {paint(row.gutter.rjust(gutter), 'faint')}  {paint(row.mark, row.style)} {row.text}"
        pad = " " * (width - len(row.mark) - len(row.text))
        yield f"{front}{pad}   {paint(row.value, row.style)}" if row.value else front


def _place(told: Told, paint: Paint) -> str:
    return paint(f"({told.at.path}:{told.at.line})", "place")


def _rows(clause: Clause, path: str) -> Iterator[_Row]:
    mark, style = _MARKS[clause.state]
    yield _Row(_where(clause.at, path), mark, _cut(clause.at.text), clause.value or clause.state, style)
    yield from _below(clause.steps, path, "  ")


def _below(steps: tuple[Step, ...], path: str, indent: str) -> Iterator[_Row]:
    for step in steps:
        last = step is steps[-1]
        branch = "└─" if last else "├─"
        yield _Row(_where(step.at, path), indent + branch, _cut(step.at.text), step.value, "faint")
        yield from _below(step.steps, path, indent + ("   " if last else "│  "))


def _where(at: Line, path: str) -> str:
    # Of another file only the name: rows are wide enough as they are.
    name = at.path.rpartition("/")[2].removesuffix(".policy")
    return str(at.line) if at.path == path else f"{name}:{at.line}"


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────


def json_text(explanation: Explanation) -> str:
    """The explanation as one JSON document (two spaces of indent, members in a fixed order)."""
    decision, nearest = explanation.decision, explanation.nearest
    document = {
        "decision": decision.decision,
        "code": decision.code,
        "rules": list(decision.rules),
        "failures": [{"rule": f.rule, "kind": f.kind, "what": f.what} for f in decision.failures],
        "obligations": [_duty(duty.name, duty.rule, duty.values) for duty in decision.obligations],
        "advice": [_duty(duty.name, duty.rule, duty.values) for duty in decision.advice],
        "policy": decision.policy,
        "deciding": [_rule(told) for told in explanation.deciding],
        "failed": [_rule(told) for told in explanation.failed],
        "nearest": None if nearest is None else _rule(nearest),
        "asked": [_rule(told) for told in explanation.asked],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _duty(name: str, rule: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "rule": rule, "values": plain(values)}


def _rule(told: Told) -> dict[str, Any]:
    return {
        "rule": told.rule,
        "effect": told.effect,
        "verdict": told.verdict,
        "because": told.because,
        "at": _at(told.at),
        "clauses": [_clause(clause) for clause in told.clauses],
        "lacks": [clause.at.text for clause in told.lacks],
    }


def _clause(clause: Clause) -> dict[str, Any]:
    return {
        "clause": clause.kind,
        "text": clause.at.text,
        "at": _at(clause.at),
        "state": clause.state,
        "value": clause.value,
        "steps": [_step(step) for step in clause.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    below = [_step(inner) for inner in step.steps]
    return {"text": step.at.text, "at": _at(step.at), "value": step.value, "steps": below}


def _at(line: Line) -> dict[str, Any]:
    return {"path": line.path, "line": line.line, "column": line.column}
