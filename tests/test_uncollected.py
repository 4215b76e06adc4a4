"""The pause of the collector of cyclic garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from pdp.uncollected import uncollected


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """A collector that runs, before and after, and nothing frozen."""
    assert gc.isenabled()
    yield
    gc.enable()
    gc.unfreeze()


def test_it_stops_inside_and_goes_on_afterwards():
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_after_an_error():
    with pytest.raises(KeyError), uncollected():
        raise KeyError
    assert gc.isenabled()


def test_it_stays_off_where_it_was_off():
    gc.disable()
    with uncollected():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_it_goes_on_when_the_last_of_several_threads_is_done():
    inside, leave = Event(), Event()

    def elsewhere() -> None:
        with uncollected():
            inside.set()
            leave.wait()

    thread = Thread(target=elsewhere)
    thread.start()
    inside.wait()
    with uncollected(), uncollected():
        pass
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()


def test_what_was_made_in_large_numbers_is_old_at_once():
    with uncollected():
        made = [[] for _ in range(200_000)]
    old = {id(each) for each in gc.get_objects(generation=2)}
    assert id(made[0]) in old
    assert id(made[-1]) in old
    assert gc.get_freeze_count() == 0


def test_what_others_froze_stays_frozen():
    gc.freeze()
    frozen = gc.get_freeze_count()
    with uncollected():
        made = [[] for _ in range(200_000)]
    assert len(made) == 200_000
    assert gc.get_freeze_count() >= frozen - 10_000 > 0
