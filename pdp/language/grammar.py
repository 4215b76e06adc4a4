"""From `grammar/policy.lark` to the table that `parse` runs. The only module that knows the parser generator.

To make the table takes as long as to parse a thousand rules, and nearly all who run this only need what was
made before. So it stands beside the grammar, in `policy.json`. After a change of the grammar, make it anew:

    python -m pdp.language.grammar

Until then all works as well, only slower: it is used for the very grammar that it was made of.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lark.grammar import Rule


class Production(NamedTuple):
    """What the grammar makes of `size` children.

    `name` is what is built of them: empty where the only child is the result, None where they become children
    of what this is a part of. `inner` are the places of children that are such parts.
    """

    origin: str
    name: str | None
    size: int
    inner: list[int]


class Grammar(NamedTuple):
    """The grammar as numbers. `keywords` maps what is written to its terminal.

    Each state, by its index, has pairs: a number, and the index in `symbols` of what it counts for. It leads
    to that state where it is not negative; else the production `~number` is made before. All begins in 0,
    and was read in `end`.
    """

    keywords: dict[str, str]
    productions: list[Production]
    symbols: list[list[str]]
    states: list[list[tuple[int, int]]]
    end: int


@cache
def grammar() -> Grammar:
    """The grammar of policies."""
    text = _path().read_bytes()
    with suppress(OSError, ValueError):
        digest, keywords, productions, *rest = json.loads(_made().read_bytes())
        if digest == _digest(text):
            return Grammar(keywords, [Production(*each) for each in productions], *rest)
    return generated(text)


def _path() -> Path:
    here = Path(__file__).parent.parent
    inside = here / "grammar" / "policy.lark"
    return inside if inside.exists() else here.parent / "grammar" / "policy.lark"


def _made() -> Path:
    return _path().with_suffix(".json")


def _digest(text: bytes) -> str:
    # The same on a system where Git writes lines with another end.
    return sha256(text.replace(b"\r\n", b"\n")).hexdigest()


def generated(text: bytes) -> Grammar:
    """The grammar that `text` describes; the same one every time."""
    # Rarely needed, and it takes its time.
    from lark import Lark
    from lark.parsers.lalr_analysis import Shift

    # With modules in it too, so that what begins a declaration ends the one before: messages tell less then
    # that could have followed, and more to the point.
    starts = ["module", "declaration"]
    made = Lark(text.decode(), parser="lalr", lexer="basic", start=starts, maybe_placeholders=False)
    parser = made.parse_interactive(start="declaration").parser_state.parse_conf
    # The generator goes over sets, so its own numbers are others every time.
    reached = {parser.start_state: 0}
    queue = [parser.start_state]
    used: set[Rule] = set()
    for state in queue:  # grows as it is gone over
        for _, (step, argument) in sorted(parser.states[state].items()):
            if step is not Shift:
                used.add(argument)
            elif argument not in reached:
                reached[argument] = len(reached)
                queue.append(argument)
    rules = sorted(used, key=lambda rule: (rule.origin.name, [symbol.name for symbol in rule.expansion]))
    numbers = {rule: ~number for number, rule in enumerate(rules)}
    sets: dict[tuple[str, ...], int] = {}
    states = []
    for state in queue:
        actions: dict[int, list[str]] = {}
        for symbol, (step, argument) in sorted(parser.states[state].items()):
            number = reached[argument] if step is Shift else numbers[argument]
            actions.setdefault(number, []).append(str(symbol))
        states.append(
            [
                (number, sets.setdefault(tuple(before), len(sets)))
                for number, before in sorted(actions.items())
            ]
        )
    keywords = {str(terminal.pattern.value): str(terminal.name) for terminal in made.terminals}
    productions = [_production(rule) for rule in rules]
    symbols = [list(before) for before in sets]
    return Grammar(dict(sorted(keywords.items())), productions, symbols, states, reached[parser.end_state])


def _production(rule: Rule) -> Production:
    symbols = [symbol.name for symbol in rule.expansion]
    origin = str(rule.origin.name)
    name: str | None = str(rule.alias or origin)
    if origin.startswith("_"):
        name = None
    elif rule.options.expand1 and not rule.alias and len(symbols) == 1:
        name = ""
    return Production(
        origin, name, len(symbols), [at for at, symbol in enumerate(symbols) if symbol.startswith("_")]
    )


def keep() -> None:
    """Puts the table beside the grammar."""
    text = _path().read_bytes()
    lines = [json.dumps(_digest(text)), *(_listed(part) for part in generated(text))]
    _made().write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def _listed(part: object) -> str:
    """A list with a line for each of what it has; anything else in one line."""
    if not isinstance(part, list):
        return json.dumps(part)
    return "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in part) + "\n]"


if __name__ == "__main__":
    keep()
