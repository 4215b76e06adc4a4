"""The messages of the API, for its description alone: requests are read by `access.request`, answers written
by `pdp.answer`, and neither passes through here. Tests hold the three together.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Duration = Annotated[
    str | float, Field(description='As in policies, `"1h30m"`, or seconds.', examples=["5m", 300])
]
Timestamp = Annotated[
    str | float, Field(description="RFC 3339, or epoch seconds.", examples=["2026-11-24T10:00:00Z"])
]
# A member that may be left out, but not be null.
Absent: Any = Field(default_factory=str)
Names = Annotated[list[str], Field(json_schema_extra={"uniqueItems": False})]


class Closed(BaseModel):
    """No other members."""

    model_config = ConfigDict(extra="forbid")


class Open(BaseModel):
    """And the attributes that the schema of the policies declares; what it does not declare is ignored."""

    model_config = ConfigDict(extra="allow")


class Caller(Open):
    """Who asks to act, on the word of the enforcement point."""

    id: str = Field("", examples=["spiffe://prod.example/ns/payments/sa/api"])
    kind: Literal["workload", "human", "agent", "anonymous"]
    issuer: str = Absent
    trust_domain: str = Field(default_factory=str, description="Follows from a SPIFFE ID.")
    groups: Names = []
    on_behalf_of: str = Field(
        default_factory=str, description="The subject, when the caller acts for another."
    )
    actors: Names = Field([], description="Earlier actors of the delegation chain.")
    depth: int = Field(
        default_factory=int, description="Length of the chain; the number of actors unless said."
    )


class Asserted(Closed):
    """What the enforcement point established about the credential."""

    age: Duration
    lifetime: Duration
    binding: Literal["none", "dpop", "mtls", "wimse"] = Field(
        "none", description="How this very request was proven to come from the credential's holder."
    )
    issuer: str = Absent
    id: str = Absent
    audiences: Names = []
    scopes: Names = []


class Proofs(Closed):
    """Proofs that the request comes from the credential's holder."""

    dpop: list[str] = Field(
        default=[], max_length=8, description="The values of the `DPoP` header (RFC 9449)."
    )
    wpt: str = Field(default_factory=str, description="A workload proof token (WIMSE; experimental).")


class Presented(Closed):
    """What the client presented, to be verified here: a token, a certificate, or both. Its claims and names
    become the caller and the credential that rules read; what is asserted beside may only add to them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "anyOf": [{"required": [name]} for name in ("token", "certificate", "xfcc")],
            "not": {"required": ["certificate", "xfcc"]},
        },
    )

    token: str = Field(default_factory=str, description="What stands behind the scheme in `Authorization`.")
    scheme: Annotated[
        Literal["Bearer", "DPoP"],
        Field(
            description="The scheme in `Authorization`: `DPoP` for a token that is bound to a key, and for "
            "no other. None for a workload identity token, nor where there is no token."
        ),
    ] = Absent
    proofs: Proofs = Proofs()
    certificate: str = Field(
        default_factory=str,
        description="The certificates of the client's TLS connection, PEM, its own first. That the client "
        "holds its key is the enforcement point's word.",
    )
    xfcc: str = Field(
        default_factory=str,
        description="Instead: Envoy's `x-forwarded-client-cert`, from an enforcement point that may send it.",
    )


class Credential(Closed):
    """What the enforcement point says of the credential, instead of presenting it."""

    asserted: Asserted


class Sent(Closed):
    """The request that the enforcement point received, as it knows it and no header says. Proofs are made
    for its method and URI, and count for none without them."""

    method: str = Field(default_factory=str, min_length=1, examples=["POST"])
    uri: str = Field(default_factory=str, min_length=1, examples=["https://ledger.example/entries"])
    peer: str = Field(
        default_factory=str,
        min_length=1,
        description="Who sent it: an address, or a name. A credential that comes from several is told by "
        "`credential.sources`.",
    )


class Action(Open):
    """An action with attributes; without any, its name alone will do."""

    name: str = Field(examples=["entry.create"])


class Resource(Open):
    """What is acted on."""

    type: str = Field(examples=["ledger_entry"])
    id: str = ""


class Task(Closed):
    """A bounded piece of work, on the word of the enforcement point."""

    id: str
    expires: Timestamp
    owner: str = Absent
    purpose: str = Absent
    actions: Names = []
    audiences: Names = []
    started: Timestamp = Absent
    uses_left: int = Absent


class DecideRequest(Closed):
    """One question. What is left out has the safest value: nobody, with nothing, for no task."""

    audience: str = Field(min_length=1, description="The service that is called.", examples=["ledger"])
    action: str | Action = Field(examples=["entry.create"])
    caller: Caller | None = None
    credential: Credential | Presented | None = Field(
        None, description="What was presented, to be verified here; or what was established about it before."
    )
    request: Sent | None = None
    resource: Resource | None = None
    task: str | Task | None = Field(None, description="The id of a known task, or a task asserted whole.")
    context: dict[str, Any] | None = Field(None, examples=[{"source_ip": "10.1.2.3"}])


class Reason(Closed):
    rule: str
    because: str


class Duty(Closed):
    name: str
    rule: str
    values: dict[str, Any]


class Failure(Closed):
    """A rule that could not be evaluated: a permit that did not apply, or a forbid that did."""

    rule: str
    kind: Literal["absent", "overflow", "path", "type", "limit"]
    what: str


class DecideAnswer(Closed):
    """The decision. A deny is an answer like any other, and comes with 200."""

    decision: Literal["allow", "deny"]
    id: str = Field(description="A UUID of version 7; the decision log has the same.")
    rules: list[str] = Field(
        description="The rules that decided, sorted: permits of an allow, forbids of a deny."
    )
    code: str | None = Field(description="Why a deny: `no_rule`, `forbidden`, or a refusal code.")
    reasons: list[Reason]
    obligations: list[Duty] = Field(description="What the enforcement point must do, or else deny.")
    advice: list[Duty]
    failures: list[Failure]
    policy: str = Field(description="The digest of the policies that decided.")
    valid_for: int = Field(description="For how many seconds the answer may be kept.")


class Problem(Open):
    """Why a request is none (RFC 9457). `pointer` is the JSON pointer of the member, or empty."""

    type: str
    title: str
    status: int
    detail: str
    pointer: str = Absent


class BatchRequest(Closed):
    requests: list[DecideRequest]


class BatchAnswer(Closed):
    """One answer for each request, in their order; a request that is none has its problem in its place."""

    answers: list[DecideAnswer | Problem]


class KeySource(Closed):
    """The keys of an issuer or trust domain."""

    of: str
    read: str | None = Field(description="When they were last read; never, when null.")
    stale: bool = Field(description="They could not be read again.")


class SignalSource(Closed):
    """A transmitter of signals, and whether it is heard."""

    transmitter: str
    silent: bool = Field(description="It was not heard for longer than it should.")
    keys: bool = Field(description="Its keys could be read.")


class Ready(Closed):
    """Whether decisions are made here, by which policies, and whether those are the ones on disk."""

    ready: bool
    policy: str
    rules: int
    loaded: str = Field(description="When the deciding policies were loaded.")
    stale: bool = Field(description="The policies on disk cannot be used; the last good ones decide.")
    problems: int = Field(description="How many problems the policies on disk have.")
    keys: list[KeySource]
    signals: list[SignalSource]


class Health(Closed):
    status: Literal["ok"]


_ASKED = {"audience": "ledger", "action": "entry.create", "resource": {"type": "ledger_entry", "id": "e-1"}}
EXAMPLES = {
    "presented": {
        "summary": "A token and a proof of its key, to be verified here",
        "value": {
            **_ASKED,
            "credential": {"token": "eyJ…", "scheme": "DPoP", "proofs": {"dpop": ["eyJ…"]}},
            "request": {"method": "POST", "uri": "https://ledger.example/entries", "peer": "192.0.2.7"},
            "context": {"source_ip": "192.0.2.7"},
        },
    },
    "asserted": {
        "summary": "A caller and credential on the word of the enforcement point",
        "value": {
            **_ASKED,
            "caller": {"id": "spiffe://prod.example/ns/payments/sa/api", "kind": "workload"},
            "credential": {"asserted": {"binding": "mtls", "age": "1m", "lifetime": "5m"}},
            "task": {"id": "t-1", "expires": "2026-11-24T10:00:00Z", "actions": ["entry.create"]},
        },
    },
}
"""Requests as the description shows them."""

# Nobody is asked about tokens yet, and so nobody says this of one.
