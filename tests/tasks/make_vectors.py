"""Writes `vectors/`: one file for each way in which an exchange can be an attack, and for some that are none.

    python -m tests.tasks.make_vectors

A vector is a recipe: `office` makes what it asks for, with keys of the test run. `before` is what happened,
`change` what is asked for, `expect` the error of OAuth, or `granted`; then `says_so` are claims of the token.
Groups are named I (exchange, delegation), J (replay, race), K (revocation, the life of tasks).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "vectors"
Vector = dict[str, Any]

_TYPE = "urn:ietf:params:oauth:token-type:"
TXN, REFRESH, ID = f"{_TYPE}txn_token", f"{_TYPE}refresh_token", f"{_TYPE}id_token"
OWN = {"own": {"subject": {"claims": {"client_id": "batch", "scope": "read write"}}}}
TRANSACTION = {
    "own": {
        "subject": {"claims": {"client_id": "batch", "aud": "pdp", "scope": "read write"}},
        "form": {
            "requested_token_type": TXN, "audience": "prod.example", "scope": "read write",
            "request_details": '{"amount":5}',
        },
    }
}  # fmt: skip
DELEGATED = {"by": "https://idp.example", "claims": {"sub": "alice", "aud": "pdp", "client_id": "other"}}


def vector(name: str, expect: str, says: str, *before: list[Any], so: Any = None, **change: Any) -> Vector:
    """One vector."""
    made: Vector = {"name": name, "says": says, "before": list(before), "change": change, "expect": expect}
    return made if so is None else {**made, "says_so": so}


def subject(**claims: Any) -> dict[str, Any]:
    return {"claims": {"client_id": "batch", **claims}}


def exchange() -> Iterator[Vector]:
    bad, target, scope = "invalid_request", "invalid_target", "invalid_scope"

    def i(number: int, expect: str, says: str, *before: list[Any], **change: Any) -> Vector:
        return vector(f"I{number:02}", expect, says, *before, **change)

    # Wider than the subject's token, the task, the policies.
    yield i(
        1,
        scope,
        "a scope beside those of the subject token",
        subject=subject(scope="read"),
        form={"scope": "read write"},
    )
    yield i(2, target, "a service that the subject token does not lead to", form={"audience": "warehouse"})
    yield i(
        3,
        target,
        "a service that the policies refuse",
        subject=subject(aud="pdp"),
        form={"audience": "vault"},
    )
    yield i(
        4,
        target,
        "two audiences, as a resource beside an audience",
        form={"resource": "https://ledger.example"},
    )
    yield i(
        5,
        target,
        "a resource with a fragment",
        form={"audience": None, "resource": "https://ledger.example/#x"},
    )
    yield i(6, target, "a resource that is no URI", form={"audience": None, "resource": "/ledger"})
    yield i(7, bad, "no audience", form={"audience": None})
    yield i(
        8,
        target,
        "an audience that the task does not have",
        ["open", "t-1", {"audiences": ["files"]}],
        form={"task": "t-1"},
    )
    yield i(9, scope, "scopes with two spaces between them", form={"scope": "read  write"})
    yield i(
        10,
        "granted",
        "a longer life than everything allows",
        subject={"lives": 90, "claims": {"client_id": "batch"}},
        form={"expires_in": "86400"},
        so={"lifetime": 90},
    )
    yield i(11, bad, "a lifetime that is no number", form={"expires_in": "-1"})
    yield i(
        12,
        "granted",
        "what the policies narrow",
        subject=subject(aud="pdp", scope="read write"),
        form={"audience": "warehouse"},
        so={"scope": "read", "lifetime": 60, "shelf": "a", "aud": "warehouse"},
    )
    yield i(
        13,
        scope,
        "none of the scopes that the policies allow",
        subject=subject(aud="pdp"),
        form={"audience": "warehouse", "scope": "write"},
    )
    # Who acts for whom.
    yield i(
        14,
        bad,
        "another than the one that may act",
        subject={**DELEGATED, "claims": {**DELEGATED["claims"], "may_act": {"sub": "portal"}}},
    )
    yield i(
        15,
        bad,
        "the one that may act, of another issuer",
        client="portal",
        subject={
            **DELEGATED,
            "claims": {**DELEGATED["claims"], "may_act": {"sub": "portal", "iss": "https://evil.example"}},
        },
    )
    yield i(
        16,
        bad,
        "who may act is told by more than can be compared",
        client="portal",
        subject={**DELEGATED, "claims": {**DELEGATED["claims"], "may_act": {"sub": "portal", "tier": 1}}},
    )
    yield i(
        17,
        "granted",
        "the one that may act",
        client="portal",
        subject={**DELEGATED, "claims": {**DELEGATED["claims"], "may_act": {"sub": "portal"}}},
        form={"audience": "files"},
        so={"sub": "alice", "act": {"sub": "portal"}},
    )
    yield i(
        18,
        "granted",
        "whoever acts for another is told",
        subject=DELEGATED,
        form={"audience": "files"},
        so={"sub": "alice", "act": {"sub": "batch"}, "caller": {"kind": "workload"}},
    )
    yield i(
        19,
        bad,
        "a token by which another acts already",
        subject={**DELEGATED, "claims": {**DELEGATED["claims"], "act": {"sub": "portal"}}},
    )
    yield i(
        20,
        "granted",
        "a token by which the client acts already",
        client="portal",
        subject={**DELEGATED, "claims": {**DELEGATED["claims"], "act": {"sub": "portal"}}},
        form={"audience": "files"},
        so={"act": {"sub": "portal"}},
    )
    yield i(
        21,
        bad,
        "an actor's token that is another's",
        subject=DELEGATED,
        actor={"by": "https://idp.example", "claims": {"sub": "portal", "aud": "pdp", "client_id": "portal"}},
    )
    yield i(
        22,
        bad,
        "an actor's token by which it acts for somebody",
        subject=DELEGATED,
        actor={
            "by": "https://idp.example",
            "claims": {"sub": "bob", "aud": "pdp", "client_id": "batch", "act": {"sub": "batch"}},
        },
    )
    yield i(
        23,
        "granted",
        "an actor's token of the client",
        subject=DELEGATED,
        actor=subject(aud="pdp"),
        form={"audience": "files"},
        so={"sub": "alice", "act": {"sub": "batch"}},
    )
    yield i(
        24,
        bad,
        "tokens of two tasks",
        ["open", "t-1", {}],
        ["open", "t-2", {}],
        subject=subject(task="t-1"),
        actor=subject(task="t-2", jti="a"),
    )
    yield i(
        25,
        bad,
        "a token of another task than is asked for",
        ["open", "t-1", {}],
        ["open", "t-2", {}],
        subject=subject(task="t-1"),
        form={"task": "t-2"},
    )
    yield i(
        26,
        bad,
        "a token for another service than the client",
        client="portal",
        subject={"own": {"subject": subject()}},
    )
    yield i(
        27,
        "granted",
        "a token for the client itself, which acts on from there",
        client="ledger",
        subject={"own": {"subject": subject()}},
        form={"audience": "files"},
        proof={"holder": "thief"},
        so={"sub": "batch", "act": {"sub": "ledger"}, "aud": "files"},
    )
    # Transaction tokens.
    yield i(28, bad, "a refresh token as a subject", form={"subject_token_type": REFRESH})
    yield i(29, bad, "an identity token as a subject", form={"subject_token_type": ID})
    yield i(
        30,
        target,
        "a replacement for another trust domain",
        subject=TRANSACTION,
        form={
            "subject_token_type": TXN,
            "requested_token_type": TXN,
            "audience": "other.example",
            "scope": "read",
        },
    )
    yield i(
        31,
        bad,
        "a replacement with other details",
        subject=TRANSACTION,
        form={
            "subject_token_type": TXN,
            "requested_token_type": TXN,
            "audience": "prod.example",
            "scope": "read",
            "request_details": '{"amount":6}',
        },
    )
    yield i(
        32,
        scope,
        "a replacement with a scope more",
        subject=TRANSACTION,
        form={
            "subject_token_type": TXN,
            "requested_token_type": TXN,
            "audience": "prod.example",
            "scope": "read admin",
        },
    )
    yield i(
        33,
        "granted",
        "a replacement with a scope less",
        subject=TRANSACTION,
        form={
            "subject_token_type": TXN,
            "requested_token_type": TXN,
            "audience": "prod.example",
            "scope": "read",
        },
        so={"scope": "read", "sub": "batch", "aud": "prod.example", "tctx": {"amount": 5}},
    )
    yield i(
        34,
        bad,
        "an access token for a transaction token",
        subject=TRANSACTION,
        form={"subject_token_type": TXN},
    )
    yield i(
        35,
        bad,
        "an access token that is called a transaction token",
        subject=OWN,
        form={"subject_token_type": TXN, "requested_token_type": TXN, "audience": "ledger", "scope": "read"},
    )
    yield i(
        36,
        scope,
        "a transaction token without a scope",
        subject=subject(aud="pdp", scope="read"),
        form={"requested_token_type": TXN, "audience": "prod.example"},
    )
    yield i(
        37,
        scope,
        "a transaction token of a token without scopes",
        subject=subject(aud="pdp"),
        form={"requested_token_type": TXN, "audience": "prod.example", "scope": "read"},
    )
    yield i(
        38,
        bad,
        "details that are no object",
        subject=subject(aud="pdp", scope="read"),
        form={
            "requested_token_type": TXN,
            "audience": "prod.example",
            "scope": "read",
            "request_details": "[1]",
        },
    )
    # Grants, types and details that are not for here.
    yield i(39, "unsupported_grant_type", "another grant", form={"grant_type": "client_credentials"})
    yield i(40, bad, "no grant", form={"grant_type": None})
    yield i(41, bad, "no subject token", form={"subject_token": None})
    yield i(42, bad, "no type of the subject token", form={"subject_token_type": None})
    yield i(43, bad, "an actor token without a type", form={"actor_token": "x"})
    yield i(44, bad, "a type without an actor token", form={"actor_token_type": f"{_TYPE}jwt"})
    yield i(45, bad, "a refresh token is wanted", form={"requested_token_type": REFRESH})
    yield i(
        46,
        "invalid_authorization_details",
        "details of an unknown type",
        form={"authorization_details": '[{"type":"x"}]'},
    )
    yield i(47, "unauthorized_client", "a client that may not exchange", client="idle")
    # Keys.
    yield i(48, bad, "no key is proved", proof=None)
    yield i(
        49,
        bad,
        "a bound token by another key",
        subject={**subject(), "bound": "holder"},
        proof={"holder": "thief"},
    )
    yield i(50, "granted", "a bound token by its own key", subject={**subject(), "bound": "holder"})
    yield i(
        51,
        bad,
        "what was exchanged here, stolen",
        subject={"own": {"subject": subject(aud="pdp"), "form": {"audience": "pdp"}}},
        proof={"holder": "thief"},
    )
    yield i(
        52,
        "granted",
        "what was exchanged here, by its holder",
        subject={"own": {"subject": subject(aud="pdp"), "form": {"audience": "pdp"}}},
        form={"audience": "files"},
    )
    yield i(
        53,
        "granted",
        "an identity of a workload",
        client="batch",
        subject={"svid": {}},
        form={"audience": "files"},
        so={"sub": "spiffe://prod.example/ns/batch/sa/job", "act": {"sub": "batch"}},
    )
    yield i(54, bad, "an identity for another service", subject={"svid": {"audience": "files"}})
    yield i(55, bad, "a token that nobody signed", subject={"text": "e30.e30.AA"})
    yield i(56, bad, "no token at all", subject={"text": "legacy"})
    yield i(
        57,
        bad,
        "a human who is called as the client is",
        subject={"by": "https://idp.example", "claims": {"sub": "batch", "aud": "pdp", "client_id": "x"}},
        form={"audience": "files"},
    )
    yield i(
        58,
        "granted",
        "a resource that is a URI",
        subject=subject(aud="pdp"),
        form={"audience": None, "resource": "https://files.example/a"},
        so={"aud": "https://files.example/a"},
    )
    yield i(59, bad, "an audience that does not print", form={"audience": "led\u0007ger"})
    yield i(
        60,
        target,
        "claims for a transaction token",
        subject=subject(aud="pdp", scope="read"),
        form={"requested_token_type": TXN, "audience": "warehouse", "scope": "read"},
    )
    yield i(
        61,
        bad,
        "a token that would be too long",
        subject=subject(scope=" ".join(f"scope-{n:04}" for n in range(495))),
    )
    yield i(62, bad, "the policies leave no time", subject=subject(aud="pdp"), form={"audience": "drawer"})
    yield i(
        63,
        target,
        "an obligation that cannot be carried out",
        subject=subject(aud="pdp"),
        form={"audience": "attic"},
    )
    yield i(
        64,
        target,
        "rules that require two things of one claim",
        subject=subject(aud="pdp"),
        form={"audience": "cellar"},
    )
    yield i(
        65,
        target,
        "a claim that is not the policies' to say",
        subject=subject(aud="pdp"),
        form={"audience": "roof"},
    )
    yield i(
        66,
        "granted",
        "the least of several lives and scopes",
        subject=subject(aud="pdp", scope="read write list"),
        form={"audience": "porch"},
        so={"lifetime": 30, "scope": "read"},
    )
    yield i(
        67,
        bad,
        "a token that is not bound, of an issuer whose are",
        subject={"by": "https://bound.example", "claims": {"aud": "pdp", "client_id": "batch"}},
    )
    yield i(
        68,
        bad,
        "who acts may not work on the task",
        ["open", "t-1", {"audiences": ["files"]}],
        subject=DELEGATED,
        actor={"claims": {"sub": "batch-7", "aud": "pdp", "client_id": "batch"}},
        form={"task": "t-1", "audience": "files"},
    )


def replay() -> Iterator[Vector]:
    once = {"by": "https://once.example", "claims": {"aud": "pdp", "client_id": "batch", "jti": "j-1"}}
    other = {"audience": "files"}
    yield vector(
        "J01",
        "invalid_request",
        "a token that counts once, twice",
        ["ask", {"subject": once, "form": other}],
        subject=once,
        form=other,
    )
    yield vector(
        "J02",
        "granted",
        "a token that counts once, after an exchange that failed",
        ["fail", {"subject": once, "form": {"audience": "vault"}}],
        subject=once,
        form=other,
    )
    yield vector(
        "J03",
        "granted",
        "a token that counts once, after one that lacked a key",
        ["fail", {"subject": once, "form": other, "proof": None}],
        subject=once,
        form=other,
    )
    yield vector(
        "J04",
        "invalid_dpop_proof",
        "a proof, twice",
        ["ask", {"proof": {"holder": "holder", "jti": "p-1"}}],
        proof={"holder": "holder", "jti": "p-1"},
    )
    yield vector(
        "J05",
        "granted",
        "a proof, after an exchange that failed",
        ["fail", {"proof": {"holder": "holder", "jti": "p-1"}, "form": {"audience": "vault"}}],
        proof={"holder": "holder", "jti": "p-1"},
    )
    yield vector("J06", "granted", "a token that counts as often as it is presented", ["ask", {}])
    yield vector(
        "J07",
        "invalid_request",
        "a token that counts once, in another spelling",
        ["ask", {"subject": once, "form": other}],
        subject={**once, "append": "="},
        form=other,
    )


def revocation() -> Iterator[Vector]:
    bad = "invalid_request"

    def k(number: int, says: str, *before: list[Any], expect: str = bad, **change: Any) -> Vector:
        return vector(f"K{number:02}", expect, says, *before, **change)

    told = subject(jti="j-1", aud="pdp")
    other = {"audience": "files"}
    yield k(
        1,
        "a token that was revoked",
        ["revoke", "token", "https://sts.example", "j-1"],
        subject=told,
        form=other,
    )
    yield k(2, "a caller that was revoked", ["revoke", "caller", "alice"], subject=DELEGATED, form=other)
    yield k(
        3, "an issuer that was revoked", ["revoke", "issuer", "https://sts.example"], subject=told, form=other
    )
    yield k(
        4, "a client to which tokens were given", ["revoke", "client", "other"], subject=DELEGATED, form=other
    )
    yield k(5, "everything was revoked, clients with it", ["revoke", "all"], expect="invalid_client")
    yield k(
        6,
        "the client that asks was revoked",
        ["revoke", "client", "batch"],
        expect="invalid_client",
        subject=DELEGATED,
    )
    yield k(
        7,
        "somebody who acted was revoked",
        ["revoke", "party", "portal"],
        client="batch",
        subject={
            **DELEGATED,
            "claims": {**DELEGATED["claims"], "client_id": "batch", "act": {"sub": "portal"}},
        },
        form=other,
    )
    yield k(
        8,
        "an actor that was revoked",
        ["revoke", "token", "https://sts.example", "a-1"],
        subject=DELEGATED,
        actor=subject(aud="pdp", jti="a-1"),
        form=other,
    )
    yield k(9, "something else was revoked", ["revoke", "caller", "carol"], expect="granted")
    yield k(10, "a task that nobody opened", form={"task": "t-9"})
    yield k(11, "a task that was completed", ["open", "t-1", {}], ["end", "t-1"], form={"task": "t-1"})
    yield k(
        12,
        "a token for a task that was completed",
        ["open", "t-1", {}],
        ["end", "t-1"],
        subject=subject(task="t-1"),
    )
    yield k(13, "another's task", ["open", "t-1", {"owner": "portal"}], form={"task": "t-1"})
    yield k(
        14,
        "a task that has not begun",
        ["open", "t-1", {"started": 4e9, "expires": 4.1e9, "latest": 4.1e9}],
        form={"task": "t-1"},
    )
    yield k(
        15,
        "a task that the client may work on",
        ["open", "t-1", {"owner": "portal", "may_act": ["batch"]}],
        expect="granted",
        form={"task": "t-1"},
        so={"task": "t-1"},
    )
    yield k(
        16,
        "a task that has two minutes left",
        ["open", "t-1", {}],
        expect="granted",
        form={"task": "t-1"},
        so={"task": "t-1", "lifetime": 120},
    )
    yield k(
        17,
        "a part of a task that has ended",
        ["open", "t-1", {}],
        ["open", "t-2", {"ancestors": ["t-1"]}],
        ["end", "t-1"],
        form={"task": "t-2"},
    )


def vectors() -> Iterator[Vector]:
    """All vectors, by name."""
    for group in (exchange, replay, revocation):
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
