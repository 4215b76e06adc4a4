"""An office that exchanges tokens for one client, and decides about what it gets: pdp's parts over one file.

Everything is as a serving process has it, but for HTTP: the client comes with a certificate that a proxy has
seen, so that the only signatures to check are of the token and of the proof.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from benchmarks import estate
from benchmarks.credentials import AUDIENCE, CALLER, ISSUER, LIFETIME, METHOD, Authority, Credential
from benchmarks.verifiers import ours
from pdp import DecisionPoint, load
from pdp.evidence.dpop import verify_proof
from pdp.evidence.jws import encode
from pdp.evidence.trust import Trust
from pdp.evidence.verify import Presented, Verifier
from pdp.minted import Schedule
from pdp.program.program import Program
from pdp.registered import ClientTable
from pdp.service.minting import TOKEN, rule_of
from pdp.state.replay import Replay
from pdp.state.sqlite import SqliteStore
from pdp.tasks.clients import Clients
from pdp.tasks.exchange import Exchange, Granted
from pdp.tasks.known import Knowledge
from pdp.tasks.mint import Mint
from pdp.tasks.signing import SigningKeys
from pdp.tasks.task import Task
from pdp.tasks.wanted import ACCESS_TOKEN, GRANT, wanted
from pdp.tasks.wrap import Wrapped

URL = "https://pdp.example"
TASK = "close"
_CERTIFICATE = sha256(b"what the client's proxy has seen").digest()
_SCHEMA = f"""\
schema {{
  resource {estate.RESOURCE} {{ amount: int }}
  resource token {{
    kind?: string, audience: string, scopes: set<string>, lifetime?: duration, client: string,
    subject: string, subject_issuer?: string, subject_form: string, subject_bound?: bool,
    subject_audiences?: set<string>, subject_scopes?: set<string>, subject_age?: duration,
    subject_lifetime?: duration, actor?: string, actors: set<string>,
  }}
  context {{ source_ip: ip }}
}}
"""
_EXCHANGE = f"""
permit exchange {{
  caller   workload "{CALLER}"
  audience "pdp"
  action   "token.exchange"
  resource token
  when     credential.bound
  when     resource.audience == "{AUDIENCE}"
  require  token {{ lifetime: 5m }}
}}
"""


class Office:
    """Exchanges what an authority issued, with its state at `path`."""

    def __init__(self, authority: Authority, path: Path) -> None:
        self.now = authority.now
        self._verifier = Verifier(trust(authority))
        # Connections as a service has them: what is worth nothing after a minute is not flushed to disk.
        lasting, passing = SqliteStore(path), SqliteStore(path, durable=False)
        self._stores = lasting, passing
        self._knowledge, replay = Knowledge(lasting), Replay(passing)
        keys = SigningKeys(lasting, Schedule(), Wrapped(path.with_suffix(".key"), "ES256"))
        point = DecisionPoint(
            program(authority), verifier=self._verifier, knowledge=self._knowledge, replay=replay
        )
        client = ClientTable(id=CALLER, thumbprint=encode(_CERTIFICATE))
        self._clients = Clients([client], {}, self._verifier, replay, frozenset({URL}))
        self._exchange = Exchange(
            self._verifier, self._knowledge, replay, Mint(keys, URL), Schedule().lifetime, rule_of(point)
        )
        self._knowledge.tasks.open(task(TASK, authority), self.now.timestamp())

    def exchange(self, shown: Credential) -> Granted:
        """The token for one that nobody has shown before, and its proof: what `/token` does with a form."""
        now, seconds = self.now, self.now.timestamp()
        form = {
            "grant_type": GRANT,
            "subject_token": shown.token.decode("ascii"),
            "subject_token_type": ACCESS_TOKEN,
            "audience": AUDIENCE,
            "task": TASK,
        }
        asking = self._clients.authenticate(
            form, Presented(xfcc=f"Hash={_CERTIFICATE.hex()}", forwards=True), now
        )
        self._knowledge.look(asking.evidence, None, seconds)
        proof = verify_proof(
            [shown.proof.decode("ascii")], method=METHOD, uri=URL + TOKEN, seconds=seconds,
            policy=self._verifier.trust.proofs, token=None, jkt=None,
        )  # fmt: skip
        return self._exchange.exchange(wanted(form), asking, proof, now)

    def close(self) -> None:
        for store in self._stores:
            store.close()


def trust(authority: Authority) -> Trust:
    """The authority is believed, also about tasks."""
    believed = ours.trust(authority)
    return replace(believed, issuers={ISSUER: replace(believed.issuers[ISSUER], task="task")})


def task(name: str, authority: Authority, owner: str = CALLER, opened_with: tuple[bytes, ...] = ()) -> Task:
    """A task that runs for as long as anything here is measured."""
    seconds = authority.now.timestamp()
    return Task(
        name, owner, "close the books", (estate.ACTION,), (AUDIENCE,), (), (), issued=seconds,
        started=seconds, expires=seconds + LIFETIME, latest=seconds + LIFETIME, uses=None, ancestors=(),
        opened_with=opened_with,
    )  # fmt: skip


def program(authority: Authority) -> Program:
    """The rules: who may exchange, and what the client may do with a token that is bound to no key."""
    write = f"""
@sunset({authority.now.year + 1}-12-31)
permit write {{
  caller   workload "{CALLER}"
  audience "{AUDIENCE}"
  action   "{estate.ACTION}"
  resource {estate.RESOURCE}
  when     credential.age <= {LIFETIME}s
  when     "{estate.SCOPE}" in credential.scopes
  when     context.source_ip in ip("{estate.NETWORK}")
  when     resource.amount <= 10000
  because  "Until callers hold bound tokens"
}}
"""
    with tempfile.TemporaryDirectory() as folder:
        estate.write(Path(folder), [_EXCHANGE, write], _SCHEMA)
        return load(folder)
