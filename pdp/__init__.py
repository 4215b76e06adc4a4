"""pdp: a policy decision point.

Two straight lines; everything in the package hangs below one of them.

    policy text ─parse─▶ Module ─check─▶ Rule ─compile─▶ Program                             pdp.load
    bytes ─parse─▶ Request ─verify─▶ Evidence ─gather─▶ Facts ─decide─▶ Decision ─answer─▶ bytes   pdp.point

A value's type says what has been done to it: only `parse` makes a `Module`, only `check` a `Rule`, only
`compile` a `Program`. Who holds one need not ask again. To embed it:

    from pdp import Request, asserted, decide, load

    program = load("policies")
    request = Request.parse(body)
    decision = decide(program, request, asserted(program, request, now=now))

The public names are imported when they are asked for, so that a command pays only for what it uses.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pdp.access.decision import Decision
    from pdp.access.facts import Facts
    from pdp.access.request import Request, RequestError
    from pdp.decide import decide
    from pdp.gather import asserted
    from pdp.language.diagnostic import PolicyError
    from pdp.load import load
    from pdp.point import DecisionPoint
    from pdp.program.program import Program
    from pdp.settings import Settings

__all__ = [
    "Decision", "DecisionPoint", "Facts", "PolicyError", "Program", "Request", "RequestError", "Settings",
    "asserted", "decide", "load",
]  # fmt: skip

_WHERE = {
    "Decision": "pdp.access.decision",
    "DecisionPoint": "pdp.point",
    "Facts": "pdp.access.facts",
    "PolicyError": "pdp.language.diagnostic",
    "Program": "pdp.program.program",
    "Request": "pdp.access.request",
    "RequestError": "pdp.access.request",
    "Settings": "pdp.settings",
    "asserted": "pdp.gather",
    "decide": "pdp.decide",
    "load": "pdp.load",
}


class _Package(ModuleType):
    """The package. `load` and `decide` are functions here, though modules are called so too."""

    def __getattr__(self, name: str) -> Any:
        if name in _WHERE:
            return getattr(import_module(_WHERE[name]), name)
        raise AttributeError(f"module 'pdp' has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        # The import of a module binds it in its package, and would put it in the place of the function.
        if name in _WHERE and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
