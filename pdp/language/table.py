"""The loop over a parser's table. Knows states and calls, and no grammar.

The parser generator's own loop climbs through every level of precedence step by step, whatever stands there.
Here the steps that build nothing are one, remembered where it was first taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from pdp.language.lex import Token
from pdp.language.source import Span

# Puts the token on the stack, and goes on in that state.
Shift: TypeAlias = int


class Reduce:
    """Takes `size` values from the stack, puts there what `build` makes of them, and goes on in the state
    that `after` has for the one below."""

    __slots__ = ("after", "build", "size")

    def __init__(self, size: int, build: Callable[[list[Any]], Any], after: Mapping[int, int]) -> None:
        self.size = size
        self.build = build
        self.after = after


class Pass(dict[int, "tuple[int, Action]"]):
    """Reduces one value to itself when a token of the type `kind` comes next. Maps the state below to where
    all such steps lead, and to what is done there; filled as it is asked."""

    def __init__(self, kind: str, after: Mapping[int, int], table: Table) -> None:
        self.after = after
        self._kind = kind
        self._table = table

    def __missing__(self, below: int) -> tuple[int, Action]:
        state = self.after[below]
        action = self._table[state].get(self._kind)
        found = action[below] if isinstance(action, Pass) else (state, action)
        self[below] = found
        return found


class Done:
    """The whole is there."""


# What is done in a state when a token of some type comes next; None where it does not fit.
Action: TypeAlias = Shift | Reduce | Pass | Done | None
Table: TypeAlias = Mapping[int, Mapping[str, Action]]

END = "$END"
_LAST = Token(END, "", Span("", 0, 0))


class Unfit(Exception):
    """A token does not fit, or the end does not. Carries it, and the states that the stack was in."""

    def __init__(self, token: Token, states: Sequence[int]) -> None:
        super().__init__(token.type)
        self.token = token
        self.states = states


def run(tokens: Iterable[Token], table: Table) -> Any:
    """What the calls of `table` make of `tokens`, beginning in the state 0.

    Raises `Unfit` at the first token that does not fit.
    """
    state = 0
    states = [state]
    values: list[Any] = []
    for token in (*tokens, _LAST):
        kind = token.type
        while True:
            action = table[state].get(kind)
            if type(action) is Pass:
                state, action = action[states[-2]]
                states[-1] = state
            if type(action) is Shift:
                state = action
                states.append(state)
                values.append(token)
                break
            if type(action) is not Reduce:
                if action is None:
                    raise Unfit(token, states)
                break
            size = action.size
            if size == 1:
                values[-1] = action.build([values[-1]])
                state = states[-1] = action.after[states[-2]]
            else:
                values[-size:] = (action.build(values[-size:]),)
                del states[-size:]
                state = action.after[states[-1]]
                states.append(state)
    return values[-1]


def fitting(states: Sequence[int], table: Table) -> set[str]:
    """The types of tokens that could come next where the stack is in `states`."""
    return {kind for kind in table[states[-1]] if _fits(kind, list(states), table)}


def _fits(kind: str, states: list[int], table: Table) -> bool:
    while isinstance(action := table[states[-1]].get(kind), (Reduce, Pass)):
        del states[-(action.size if isinstance(action, Reduce) else 1) :]
        states.append(action.after[states[-1]])
    return action is not None
