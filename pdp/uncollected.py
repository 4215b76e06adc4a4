"""Pauses the search for cyclic garbage while much is made that stays. Knows nothing of what is made.

A large policy set is a million objects. The collector would go over all of them again and again while they
are made, which takes longer than making them, and find nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

# From so many new objects on the first look at them would be a pause that requests could feel.
_MANY = 10_000

_lock = Lock()
_inside = 0
_resume = False


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is looked for inside, in any thread; afterwards the collector is as it was before.

    What was made meanwhile counts as old then. The collector looks at it when it next looks at everything,
    and not at once.
    """
    global _inside, _resume
    with _lock:
        if not _inside:
            _resume = gc.isenabled()
            gc.disable()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _resume:
                # There and back again puts the young among the old. What others froze must stay so.
                if gc.get_count()[0] > _MANY and not gc.get_freeze_count():
                    gc.freeze()
                    gc.unfreeze()
                gc.enable()
