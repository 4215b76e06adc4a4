"""A policy folder becomes a `Program`, or a `PolicyError` with every diagnostic. The first of the two lines:

    text ─parse─▶ Module ─check─▶ Rule ─compile─▶ Program

Knows the order of the stages and who asks for which of them; what a stage does is its own package's business,
and what need not be done again is `pdp.loader`'s.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime

from pdp.language.source import Source
from pdp.loader import MAX_RULES, Checked, Level, Loader, Stages
from pdp.program.program import Program

__all__ = [
    "MAX_RULES", "SERVING", "Checked", "Level", "Loader", "check_folder", "check_sources", "compile", "load",
]  # fmt: skip

# Time passing must not turn a policy set that served yesterday into one that cannot start tonight: a permit
# past its sunset permits nothing anyway. `pdp check` still calls it an error.
SERVING: Mapping[str, Level] = {"PDP403": "warning"}


def load(path: str | os.PathLike[str], *, strict: bool = True, max_rules: int = MAX_RULES) -> Program:
    """The `Program` of a policy folder or of one file.

    Raises `PolicyError` with every problem of every file, and `OSError` when something cannot be read.
    Tests are left out: only their author needs them.
    """
    return Loader(path, strict=strict, max_rules=max_rules, lower=SERVING).load()


def check_folder(
    path: str | os.PathLike[str],
    *,
    strict: bool = True,
    max_rules: int = MAX_RULES,
    lower: Mapping[str, Level] | None = None,
    today: datetime | None = None,
) -> Checked:
    """Everything in a folder, tests too, checked. `lower` changes the severity of safety findings by code."""
    return Loader(path, tests=True, strict=strict, max_rules=max_rules, lower=lower).check(today)


def check_sources(
    sources: Sequence[Source],
    *,
    strict: bool = True,
    max_rules: int = MAX_RULES,
    lower: Mapping[str, Level] | None = None,
    today: datetime | None = None,
) -> Checked:
    """The same for texts that are not files, or not yet."""
    stages = Stages(strict=strict, max_rules=max_rules, lower=lower)
    texts = [(source.path, source.module, source.text.encode(errors="surrogatepass")) for source in sources]
    return stages.check(texts, today)


def compile(checked: Checked) -> Program:
    """The program of a checked set. Raises `PolicyError` when the check found an error."""
    return Stages().compile(checked)
