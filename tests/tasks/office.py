"""A small office that exchanges tokens: issuers, clients, tasks and policies, all real, in this process.

A vector is a recipe and not a token: what is asked for, changed in the one way that the vector is about.
`Office.ask` makes it, with keys of the test run, and tells what came of it.
"""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from pdp.evidence.dpop import verify_proof
from pdp.evidence.jws import decode, encode
from pdp.evidence.keys import KeySet, parse_jwks, thumbprint
from pdp.evidence.trust import Audiences, Bundle, Issuer, Keys, Trust, TrustDomain
from pdp.evidence.verify import Presented, Verifier
from pdp.language.source import Source
from pdp.load import check_sources, compile
from pdp.minted import Schedule
from pdp.point import DecisionPoint
from pdp.registered import ClientTable
from pdp.service.minting import rule_of
from pdp.state.memory import MemoryStore
from pdp.state.replay import Replay
from pdp.state.store import Store
from pdp.tasks.clients import SIGNED, Clients
from pdp.tasks.exchange import Exchange, Granted
from pdp.tasks.known import Knowledge
from pdp.tasks.mint import Mint
from pdp.tasks.oauth_errors import OAuthError
from pdp.tasks.own_tokens import OwnTokens
from pdp.tasks.revocation import Revocations
from pdp.tasks.signing import SigningKeys
from pdp.tasks.task import Task
from pdp.tasks.wanted import ACCESS_TOKEN, GRANT, TRANSACTION, wanted
from pdp.tasks.wrap import Wrapped
from tests.evidence import issuing
from tests.evidence.world import compact, jwk_of, merged, sign

URL = "https://pdp.example"
STS, ONCE, IDP = "https://sts.example", "https://once.example", "https://idp.example"
BOUND = "https://bound.example"
JOB = "spiffe://prod.example/ns/batch/sa/job"
LEGACY = "https://api.example"
TYPES = {"access_token": ACCESS_TOKEN, "txn_token": TRANSACTION}
POLICY = (Path(__file__).parent / "office.policy").read_text()
PROGRAM = compile(
    check_sources(
        [Source("office.policy", "office", POLICY)], lower=dict.fromkeys(("PDP402", "PDP405"), "off")
    )
)
LONGEST = 900
# The SHA-256 of a certificate, which is all that a proxy need tell of it.
CERTIFICATE = bytes(range(32))


class Office:
    """Everything that exchanges, and everybody who asks for it."""

    def __init__(self, folder: Path, store: Store | None = None) -> None:
        self.store = MemoryStore() if store is None else store
        self.issuers = {name: issuing.Issuer(name) for name in (STS, ONCE, IDP, BOUND)}
        # Clients by name, each with the key that it signs with; and who holds keys that tokens are bound to.
        self.keys = {
            name: ec.generate_private_key(ec.SECP256R1()) for name in ("batch", "portal", "idle", "ledger")
        }
        self.holders = {name: issuing.Client() for name in ("holder", "thief")}
        self.domain_key = ec.generate_private_key(ec.SECP256R1())
        self.signing = SigningKeys(
            MemoryStore(), Schedule(lifetime=LONGEST), Wrapped(folder / "key", "ES256")
        )
        self.verifier = Verifier(self._trust())
        self.knowledge = Knowledge(self.store)
        self.replay = Replay(MemoryStore())
        self.point = DecisionPoint(
            PROGRAM, verifier=self.verifier, knowledge=self.knowledge, replay=self.replay
        )
        rule = rule_of(self.point)
        self.clients = Clients(
            self._tables(), {}, self.verifier, self.replay, frozenset({URL, f"{URL}/token"})
        )
        self.mint = Mint(self.signing, URL)
        self.exchange = Exchange(self.verifier, self.knowledge, self.replay, self.mint, LONGEST, rule)
        self.tokens = OwnTokens(URL, self.verifier, self.knowledge, Revocations(self.store), rule)

    # Who is believed, and who may ask.

    def _trust(self) -> Trust:
        algorithms, until = frozenset({"ES256"}), time.time() + 3_600
        legacy = Audiences({"pdp": frozenset({LEGACY, "pdp"}), "ledger": frozenset({LEGACY, "ledger"})})
        issuers = {
            STS: Issuer(STS, algorithms, audiences=legacy, task="task"),
            ONCE: Issuer(ONCE, algorithms, single_use=True),
            BOUND: Issuer(BOUND, algorithms, binding="any"),
            IDP: Issuer(IDP, algorithms, kind="human", actor="agent", claims=(("team", "team"),)),
        }
        own = Issuer(
            URL, frozenset({"ES256", "EdDSA"}), task="task", max_lifetime=LONGEST, max_age=LONGEST,
            binding="any", own=True, trust_domains=frozenset({"prod.example"}),
        )  # fmt: skip
        keys = {
            name: Keys(parse_jwks(issuer.jwks().encode(), use="sig", algorithms=algorithms), until)
            for name, issuer in self.issuers.items()
        }
        ours = self.signing.jwks(time.time())
        keys[URL] = Keys(parse_jwks(ours, use="sig", algorithms=own.algorithms), until)
        members = json.dumps({"keys": [jwk_of(self.domain_key, kid="d-1", use="jwt-svid", alg="ES256")]})
        svid = parse_jwks(members.encode(), use="jwt-svid", algorithms=algorithms)
        bundle = Bundle((), svid, KeySet({}), until)
        return Trust(
            {**issuers, URL: own},
            {"prod.example": TrustDomain("prod.example")},
            keys,
            {"prod.example": bundle},
        )

    def _tables(self) -> list[ClientTable]:
        jwks = {name: (jwk_of(key, kid=name, use="sig", alg="ES256"),) for name, key in self.keys.items()}
        return [
            ClientTable(id="batch", jwks=jwks["batch"]),
            ClientTable(id="portal", jwks=jwks["portal"], kind="agent"),
            ClientTable(id="idle", jwks=jwks["idle"], exchange=False),
            ClientTable(id="ledger", jwks=jwks["ledger"], services=("ledger",)),
            ClientTable(id="job", spiffe="spiffe://prod.example/ns/batch/sa/*"),
            ClientTable(id="old", thumbprint=encode(CERTIFICATE)),
        ]

    # What is presented.

    def assertion(self, client: str, **claims: Any) -> str:
        """An assertion by which a client proves itself (RFC 7523)."""
        now = int(time.time())
        stated = {
            "iss": client,
            "sub": client,
            "aud": URL,
            "iat": now,
            "exp": now + 60,
            "jti": str(uuid.uuid4()),
        }
        stated = merged(stated, claims)
        # The library makes none that is wrong.
        return sign(compact({"alg": "ES256", "kid": client}), compact(stated), self.keys[client], "ES256")

    def svid(self, subject: str = JOB, audience: str = "pdp", **claims: Any) -> str:
        now = int(time.time())
        stated = merged({"sub": subject, "aud": audience, "iat": now, "exp": now + 300}, claims)
        return jwt.encode(stated, self.domain_key, algorithm="ES256", headers={"kid": "d-1"})

    def proof(self, holder: str = "holder", **claims: Any) -> str:
        """A proof for a request for a token (RFC 9449 section 5)."""
        by = self.holders[holder]
        stated = {"jti": str(uuid.uuid4()), "htm": "POST", "htu": f"{URL}/token", "iat": int(time.time())}
        headers = {"typ": "dpop+jwt", "jwk": by.jwk}
        return jwt.encode(merged(stated, claims), by._key, algorithm="ES256", headers=headers)

    def token(self, recipe: dict[str, Any]) -> str:
        """A token as a recipe has it: `by` whom, with which `claims`, `bound` to whose key; or `own`: one
        that was exchanged here, by a further request; or an `svid`; or just some `text`."""
        if "text" in recipe:
            return str(recipe["text"])
        if "own" in recipe:
            try:
                return self.granted(recipe["own"]).token
            except OAuthError as error:
                raise AssertionError(f"what was to be exchanged could not be made: {error}") from error
        if "svid" in recipe:
            return self.svid(**recipe["svid"])
        claims = dict(recipe.get("claims", {}))
        if "bound" in recipe:
            claims["cnf"] = {"jkt": thumbprint(self.holders[recipe["bound"]].jwk)}
        subject, audience = claims.pop("sub", "batch"), claims.pop("aud", LEGACY)
        issuer = self.issuers[recipe.get("by", STS)]
        return issuer.token(subject, audience, lives=recipe.get("lives", 300), **claims)

    # What is asked.

    def granted(self, change: dict[str, Any], **given: Any) -> Granted:
        """What comes of a request: `BASE`, changed. Raises `OAuthError`."""
        recipe = merged(BASE, change)
        now = datetime.now(UTC)
        form = {
            "grant_type": GRANT,
            "subject_token": given.get("subject") or self.token(recipe["subject"]),
            "subject_token_type": ACCESS_TOKEN,
            "audience": "ledger",
        }
        if "svid" in recipe["subject"]:
            form["subject_token_type"] = ACCESS_TOKEN.replace("access_token", "jwt")
        if recipe.get("actor"):
            form |= {"actor_token": self.token(recipe["actor"]), "actor_token_type": ACCESS_TOKEN}
        form = {name: value for name, value in merged(form, recipe["form"]).items() if value is not None}
        client = recipe["client"]
        signed, presented = {}, Presented()
        if "certificate" in given:
            presented = Presented(xfcc=f"Hash={given['certificate'].hex()}", forwards=True)
        if client != "old":
            signed = {"client_assertion_type": SIGNED, "client_assertion": self.assertion(client)}
        asking = self.clients.authenticate(signed, presented, now)
        self.tokens.check(asking, now)
        proof = None
        if recipe.get("proof") is not None:
            text = given.get("proof") or self.proof(**recipe["proof"])
            proof = verify_proof(
                [text], method="POST", uri=f"{URL}/token", seconds=now.timestamp(),
                policy=self.verifier.trust.proofs, token=None, jkt=None,
            )  # fmt: skip
        return self.exchange.exchange(wanted(form), asking, proof, now)

    def claims(self, token: str) -> dict[str, Any]:
        """What a token says."""
        found: dict[str, Any] = json.loads(decode(token.split(".")[1]))
        return found

    def do(self, step: list[Any]) -> None:
        """What happened before: a task was opened or ended, something was revoked."""
        match step:
            case ["open", task_id, changes]:
                # A part ends before the whole.
                now, left = time.time(), 60 if "ancestors" in changes else 120
                stated: dict[str, Any] = {
                    "id": task_id, "owner": "batch", "purpose": "close", "actions": ("entry.read",),
                    "audiences": ("ledger",), "resources": (), "may_act": (), "issued": now - 5,
                    "started": now - 5, "expires": now + left, "latest": now + left, "uses": None,
                    "ancestors": (), "opened_with": (),
                }  # fmt: skip
                for name, value in changes.items():
                    stated[name] = tuple(value) if isinstance(value, list) else value
                self.knowledge.tasks.open(Task(**stated), now)
            case ["end", task_id]:
                self.knowledge.tasks.end(task_id, "completed", time.time())
            case ["revoke", kind, *fields]:
                seconds = time.time()
                self.knowledge.revocations.revoke(
                    kind, *fields, before=seconds + 1, by="test", reason="", until=None, seconds=seconds
                )
            case _:
                raise AssertionError(step)


BASE: dict[str, Any] = {
    "client": "batch", "subject": {"claims": {"client_id": "batch"}}, "form": {},
    "proof": {"holder": "holder"},
}  # fmt: skip
"""What every vector changes in one way: a client exchanges its own legacy token, with a key of its own."""
