"""Keys are given back once they have ended, each once, and never before."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, inf

from hypothesis import given
from hypothesis import strategies as st

from pdp.state.ends import Ends

KEYS = st.binary(min_size=1, max_size=1)
ENDS = st.floats(0, 100) | st.just(inf)
STEPS = st.lists(
    st.tuples(st.just("add"), KEYS, ENDS)
    | st.tuples(st.just("discard"), KEYS, ENDS)
    | st.tuples(st.just("pop"), KEYS, st.floats(0, 101)),
    max_size=300,
)


def popped(ends: Ends, seconds: float) -> Iterator[bytes]:
    while (key := ends.pop(seconds)) is not None:
        yield key


@given(STEPS)
def test_it_gives_back_what_has_ended_and_nothing_else(steps: list[tuple[str, bytes, float]]) -> None:
    ends, model = Ends(), dict[bytes, float]()
    for step, key, seconds in steps:
        if step == "pop":
            ended = {each for each, end in model.items() if ceil(min(end, 1e6)) <= seconds}
            given = list(popped(ends, seconds))
            assert set(given) == ended
            assert len(given) == len(ended)
            for each in ended:
                del model[each]
        elif step == "discard" and key in model:
            ends.discard(key, model.pop(key))
        elif step == "add" and key in model:
            ends.move(key, model[key], seconds)
            model[key] = seconds
        elif step == "add":
            ends.add(key, seconds)
            model[key] = seconds
    assert set(popped(ends, 2.0**54)) == set(model)


def test_what_comes_and_goes_before_its_end_leaves_nothing_behind() -> None:
    ends = Ends()
    for second in range(10_000):
        ends.add(b"a", second)
        ends.discard(b"a", second)
    assert len(ends._order) < 100
    assert ends.pop(10_000) is None
