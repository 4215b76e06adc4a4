"""What people read of a failure."""

from __future__ import annotations

import pytest

from pdp.access.decision import failure_words


@pytest.mark.parametrize(
    ("kind", "what", "says"),
    [
        ("absent", "amount", "`amount` is not there"),
        ("overflow", "+", "`+` leaves the range of its type"),
        ("path", "path_like", "the path has two readings, or none"),
        ("type", "labels", "`labels` has another type"),
        ("limit", "any", "`any` runs over too many members"),
        ("unheard", "of", "unheard of"),
    ],
)
def test_each_kind_of_failure_has_its_sentence(kind: str, what: str, says: str) -> None:
    assert failure_words(kind, what) == says
