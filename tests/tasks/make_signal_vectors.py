"""Writes `signal_vectors/`: one file for each way in which a signal can be wrong, or say more than it may.

    python -m tests.tasks.make_signal_vectors

A vector is a recipe and not a token, so that no key is in the repository. Groups are named K07 (what is no
signal), K08 (whom a transmitter may speak of), K10 (subjects of many members) and K11 (silence). `expect` is
an error's code, or the effect and the names of those it is about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pdp.tasks.signals import CAEP, SSF

HERE = Path(__file__).parent / "signal_vectors"
Vector = dict[str, Any]
IDP, STS, OTHER = "https://idp.example", "https://sts.example", "https://other.example"
SESSION = f"{CAEP}session-revoked"
ANNA = {"format": "iss_sub", "iss": IDP, "sub": "anna"}
WORKLOAD = {"format": "uri", "uri": "spiffe://prod.example/ns/a/sa/b"}


def taken(effect: str, *about: list[str]) -> dict[str, Any]:
    """What is expected of a signal that is taken."""
    return {"effect": effect, "about": list(about)}


REVOKED = taken("revoke", ["subject", IDP, "anna"])


def no_signal() -> Iterator[Vector]:
    numbers = iter(range(1, 1_000))

    def k(says: str, expect: Any = "invalid_request", **change: Any) -> Vector:
        return {"name": f"K07-{next(numbers):02}", "says": says, "change": change, "expect": expect}

    yield k("what no vector changed", REVOKED)
    for typ in ("JWT", "at+jwt", "secevent", "secevent-jwt", "dpop+jwt", "logout+jwt", "secevent+jwt2", ""):
        yield k(f"another kind of token: `{typ}`", header={"typ": typ})
    yield k("a kind that is not said", header={"typ": None})
    for typ in ("SECEVENT+JWT", "application/secevent+jwt"):
        yield k(f"the kind in another spelling: `{typ}`", REVOKED, header={"typ": typ})
    yield k("no signature", sign="none")
    yield k("a shared secret that is public", "invalid_key", sign="HS256")
    yield k("the right key's name and another key", "invalid_key", sign="other")
    yield k("a key that nobody has", "invalid_key", header={"kid": "signals-9"})
    yield k("no key", "invalid_key", header={"kid": None})
    yield k("an algorithm that its key is not for", "invalid_key", header={"alg": "PS256"})
    yield k("a key of its own", header={"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}})
    yield k("while its keys cannot be had", "invalid_key", keys="none")
    yield k("with keys that are too old to be believed", "invalid_key", keys="stale")
    for iss in (OTHER, f"{IDP}/", None, 1, [IDP]):
        yield k(f"another issuer: {iss!r}", "invalid_issuer", claims={"iss": iss})
    for aud in (OTHER, [OTHER], [], None, 1, {"a": 1}, "https://pdp.example/signals/"):
        yield k(f"another audience: {aud!r}", "invalid_audience", claims={"aud": aud})
    yield k("one of several audiences", REVOKED, claims={"aud": [OTHER, "https://pdp.example/signals"]})
    for sub in ("anna", "", 1):
        yield k(f"a subject beside the subject: {sub!r}", claims={"sub": sub})
    for exp in (2_000_000, 900_000, "never", 1.5):
        yield k(f"an end: {exp!r}", claims={"exp": exp})
    for iat in (None, "1000000", 1.5, True, -1, 1_000_121, 10**12):
        yield k(f"a time that is none: {iat!r}", claims={"iat": iat})
    yield k("a clock that is a little ahead", REVOKED, claims={"iat": 1_000_120})
    for jti in (None, "", 1, "x" * 129, "a\0", ["a"]):
        yield k(f"an id that is none: {jti!r:.20}", claims={"jti": jti})
    two = {SESSION: {}, f"{CAEP}token-claims-change": {"claims": {}}}
    for events in (None, {}, [], [SESSION], SESSION, two, {SESSION: []}, {SESSION: None}, {SESSION: "x"}):
        yield k(f"events that are not one: {json.dumps(events):.60}", claims={"events": events})
    for at in ("1000000", None, True, [], -1):
        yield k(f"a time of the event that is none: {at!r}", event={"event_timestamp": at})
    yield k("a session that is revoked tomorrow", REVOKED, event={"event_timestamp": 1_086_400})
    yield k("a time with a part of a second", REVOKED, event={"event_timestamp": 999_999.5})
    yield k("two claims of one name", text='{CLAIMS,"iat":1}')
    yield k("more than is read", event={"x": {"repeat": "x", "times": 65_536}})
    for subject in (
        None,
        "anna",
        [],
        {},
        {"format": None},
        {"format": "iss_sub"},
        {"format": "iss_sub", "iss": IDP},
        {**ANNA, "sub": 1},
        {**ANNA, "sub": ""},
        {"format": "email"},
        {"format": "opaque", "id": None},
        {"format": "uri", "uri": "spiffe://prod.example"},
        {"format": "uri", "uri": "spiffe://Prod/a"},
        {"format": "aliases"},
        {"format": "aliases", "identifiers": []},
        {"format": "aliases", "identifiers": ["anna"]},
        {"format": "aliases", "identifiers": [{"format": "aliases", "identifiers": [ANNA]}]},
        {"format": "complex", "user": "anna"},
        {"format": "complex", "user": {"format": "complex", "user": ANNA}},
    ):
        yield k(f"a subject that is none: {json.dumps(subject):.60}", claims={"sub_id": subject})
    password = {"credential_type": "password"}
    for event, payload in (
        ("credential-change", {}),
        ("credential-change", password),
        ("credential-change", {**password, "change_type": "stolen"}),
        ("credential-change", {"credential_type": 1, "change_type": "revoke"}),
        ("token-claims-change", {}),
        ("token-claims-change", {"claims": []}),
        ("risk-level-change", {"principal": "USER"}),
        ("risk-level-change", {"current_level": "HIGH"}),
        ("risk-level-change", {"principal": "USER", "current_level": "high"}),
        ("risk-level-change", {"principal": "USER", "current_level": ["HIGH"]}),
        ("device-compliance-change", {"current_status": "compliant"}),
        ("device-compliance-change", {"previous_status": "compliant", "current_status": "unknown"}),
    ):
        yield k(
            f"what its type does not say: {event} {json.dumps(payload)}", events={f"{CAEP}{event}": payload}
        )
    yield k("a state that nobody asked for", "invalid_state", events={f"{SSF}verification": {"state": "x"}})
    yield k("a status that there is not", events={f"{SSF}stream-updated": {"status": "gone"}})
    good, bad = "compliant", "not-compliant"
    for event, payload, effect in (
        ("token-claims-change", {"claims": {"role": "reader"}}, "revoke"),
        ("credential-change", {**password, "change_type": "revoke"}, "revoke"),
        ("credential-change", {"credential_type": "fido-u2f", "change_type": "delete"}, "revoke"),
        ("risk-level-change", {"principal": "USER", "current_level": "HIGH"}, "hold"),
        ("risk-level-change", {"principal": "USER", "current_level": "MEDIUM"}, "release"),
        ("risk-level-change", {"principal": "USER", "current_level": "LOW"}, "release"),
        ("device-compliance-change", {"previous_status": good, "current_status": bad}, "hold"),
        ("device-compliance-change", {"previous_status": bad, "current_status": good}, "release"),
    ):
        expect = taken(effect, ["subject", IDP, "anna"])
        yield k(f"{event} {json.dumps(payload)}", expect, events={f"{CAEP}{event}": payload})
    for event, payload in (
        (f"{CAEP}credential-change", {**password, "change_type": "create"}),
        (f"{CAEP}credential-change", {**password, "change_type": "update"}),
        (f"{CAEP}session-established", {}),
        (f"{CAEP}session-presented", {}),
        ("https://example.com/some/other/event", {}),
    ):
        yield k(f"what changes nothing: {event}", taken("none"), events={event: payload})
    stream = {"sub_id": {"format": "opaque", "id": "s"}}
    yield k("a verification", taken("verify"), events={f"{SSF}verification": {}}, claims=stream)
    for status, effect in (("enabled", "resume"), ("paused", "pause"), ("disabled", "pause")):
        updated = {f"{SSF}stream-updated": {"status": status}}
        yield k(f"a stream that is {status}", taken(effect), events=updated, claims=stream)


def speaks_for() -> Iterator[Vector]:
    numbers = iter(range(1, 1_000))

    def k(says: str, subject: dict[str, Any], expect: Any = "access_denied") -> Vector:
        change = {"claims": {"sub_id": subject}}
        return {"name": f"K08-{next(numbers):02}", "says": says, "change": change, "expect": expect}

    def token(iss: str) -> dict[str, str]:
        return {"format": "jwt_id", "iss": iss, "jti": "j-1"}

    anna, workload = ["subject", IDP, "anna"], ["party", WORKLOAD["uri"]]
    foreign, address = {**ANNA, "iss": OTHER}, "Anna@example.com"
    yield k("somebody else's user", foreign)
    yield k("an issuer that is almost its own", {**ANNA, "iss": f"{IDP}/"})
    yield k("somebody else's token", token(OTHER))
    yield k("a workload of another domain", {"format": "uri", "uri": "spiffe://other.example/a"})
    yield k("a domain that begins as its own does", {"format": "uri", "uri": "spiffe://prod.example.net/a"})
    yield k("aliases of somebody else", {"format": "aliases", "identifiers": [foreign]})
    yield k("a user of another issuer", {"format": "complex", "user": foreign})
    yield k("a session of another issuer", {"format": "complex", "user": ANNA, "session": foreign})
    yield k("a tenant of another issuer", {"format": "complex", "tenant": foreign})
    yield k("its own user", ANNA, REVOKED)
    yield k("its own token", token(IDP), taken("revoke", ["token", IDP, "j-1"]))
    yield k("its own workload", WORKLOAD, taken("revoke", workload))
    yield k("a name of its own", {"format": "opaque", "id": "anna"}, taken("revoke", anna))
    addresses = [["email", IDP, address], ["email", STS, address]]
    yield k(
        "an address, at whomever it speaks for",
        {"format": "email", "email": address},
        taken("revoke", *addresses),
    )
    aliases = {"format": "aliases", "identifiers": [ANNA, foreign, WORKLOAD]}
    yield k("aliases, of which one is another's", aliases, taken("revoke", anna, workload))
    for subject in (
        {"format": "phone_number", "phone_number": "+12065550100"},
        {"format": "did", "url": "did:example:1"},
        {"format": "account", "uri": "acct:anna@idp.example"},
        {"format": "uri", "uri": "https://example.com/anna"},
        {"format": "something-new"},
    ):
        yield k(f"what is not known here: {subject['format']}", subject, taken("revoke"))


def members() -> Iterator[Vector]:
    numbers = iter(range(1, 1_000))

    def k(says: str, *about: list[str], **subject: Any) -> Vector:
        change = {"claims": {"sub_id": {"format": "complex", **subject}}}
        name = f"K10-{next(numbers):02}"
        return {"name": name, "says": says, "change": change, "expect": taken("revoke", *about)}

    def opaque(value: str) -> dict[str, str]:
        return {"format": "opaque", "id": value}

    anna, acme, session = ["subject", IDP, "anna"], ["tenant", IDP, "acme"], ["session", IDP, "s-1"]
    at_sts = {**ANNA, "iss": STS}
    yield k("a tenant alone: everybody in it", acme, tenant=opaque("acme"))
    yield k("a tenant by its issuer", acme, tenant={**ANNA, "sub": "acme"})
    yield k("a tenant called in no way known here", tenant={"format": "email", "email": "a@b.example"})
    yield k("a user in a tenant: the user", anna, user=ANNA, tenant=opaque("acme"))
    yield k("a device in a tenant: not everybody", device=opaque("d-1"), tenant=opaque("acme"))
    yield k("a group in a tenant: not everybody", group=opaque("g-1"), tenant=opaque("acme"))
    yield k("a user's device: the user", anna, user=ANNA, device=opaque("d-1"))
    yield k("a user's session", session, user=ANNA, session=opaque("s-1"))
    yield k("a session by its issuer", session, session={**ANNA, "sub": "s-1"})
    yield k(
        "a session where sessions are not known: the user",
        ["subject", STS, "anna"],
        user=at_sts,
        session={**at_sts, "sub": "s-1"},
    )
    yield k("nobody")


def silence() -> Iterator[Vector]:
    """`said` are statuses of a stream, each when it was said and when it came; `at` it is silent or not."""

    def k(number: int, says: str, said: list[list[Any]], at: int, silent: bool) -> Vector:
        return {
            "name": f"K11-{number:02}",
            "says": says,
            "said": said,
            "at": at,
            "after": 60,
            "expect": silent,
        }

    yield k(1, "nothing yet, but not for long", [], 59, False)
    yield k(2, "nothing for too long", [], 60, True)
    yield k(3, "heard", [["verify", 50, 50]], 109, False)
    yield k(4, "not heard again", [["verify", 50, 50]], 110, True)
    yield k(5, "paused", [["pause", 10, 10]], 11, True)
    yield k(6, "paused, and heard all the same", [["pause", 10, 10], ["verify", 20, 20]], 21, True)
    yield k(7, "paused and resumed", [["pause", 10, 10], ["resume", 20, 20]], 21, False)
    yield k(8, "resumed before it paused, and told late", [["pause", 10, 10], ["resume", 5, 20]], 21, True)
    yield k(9, "resumed, and told late that it had paused", [["resume", 10, 10], ["pause", 5, 20]], 21, False)
    yield k(10, "heard before, told again", [["verify", 50, 50], ["verify", 10, 10]], 100, False)


def vectors() -> Iterator[Vector]:
    """All vectors, by name."""
    for group in (no_signal, speaks_for, members, silence):
        yield from group()


def text(vector: Vector) -> str:
    """A vector as its file holds it."""
    return json.dumps(vector, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for old in HERE.glob("*.json"):
        old.unlink()
    for one in vectors():
        (HERE / f"{one['name']}.json").write_text(text(one))
