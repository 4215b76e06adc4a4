"""What is true for one request: the typed records that conditions read.

Facts are built by `pdp.gather` and hold nothing but values (see `values`); who holds a `Facts` need not
check types again. Built-in members that do not apply are absent, not null (LANGUAGE.md section 3).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from pdp.access.values import Record


class Facts(msgspec.Struct, frozen=True, gc=False):
    """The eight roots of the language. `now` is one reading, in UTC, for the whole decision."""

    caller: Record
    credential: Record
    audience: str
    action: Record
    resource: Record
    task: Record
    context: Record
    now: datetime
