"""What a policy set may talk about: the built-in roots and what its modules declare. Knows no syntax.

The built-in members are the table of LANGUAGE.md section 3. Declared attributes come on top of them and
may not redeclare them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pdp.schema.types import (
    BOOL,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    Enum,
    RecordOf,
    SetOf,
    optional,
    record,
)  # fmt: skip

KINDS = ("workload", "human", "agent", "anonymous")
FORMS = ("jwt", "jwt_svid", "x509_svid", "task_token", "asserted", "none")
BINDINGS = ("none", "dpop", "mtls", "wimse")

CALLER = record(
    id=STRING, kind=Enum(KINDS), issuer=optional(STRING), trust_domain=optional(STRING),
    groups=SetOf(STRING), on_behalf_of=optional(STRING), actors=SetOf(STRING), depth=INT,
)  # fmt: skip
# Not optional though absent without a credential: reading them then is a failure, which fails closed.
CREDENTIAL = record(
    form=Enum(FORMS), binding=Enum(BINDINGS), bound=BOOL, verified=BOOL,
    issuer=optional(STRING), id=optional(STRING), audiences=SetOf(STRING), scopes=SetOf(STRING),
    age=DURATION, lifetime=DURATION, remaining=DURATION, uses=INT, sources=INT, standing=BOOL,
)  # fmt: skip
ACTION = record(name=STRING)
RESOURCE = record(type=STRING, id=STRING)
# Without a task only `active` is there; `has task` or `task.active` guards the others.
TASK = record(
    id=STRING, owner=STRING, purpose=STRING, active=BOOL, actions=SetOf(STRING),
    audiences=SetOf(STRING), started=TIMESTAMP, expires=TIMESTAMP, uses_left=optional(INT),
)  # fmt: skip
EMPTY = RecordOf(())


@dataclass(frozen=True, slots=True)
class Schema:
    """What the modules of one policy set declare, merged.

    `actions` maps an action glob, `resources` a resource type, to the attributes declared for it; built-in
    members are not repeated in any of the four. `strict` false lets rules read undeclared attributes.
    """

    caller: RecordOf = EMPTY
    actions: dict[str, RecordOf] = field(default_factory=dict)
    resources: dict[str, RecordOf] = field(default_factory=dict)
    context: RecordOf = EMPTY
    strict: bool = True
