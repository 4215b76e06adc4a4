"""The decision point: a request and who sends it, answered. The second of the two lines:

    bytes ─parse─▶ Request ─verify─▶ Evidence ─gather─▶ Facts ─decide─▶ Decision ─answer─▶ bytes

Knows the order of the stages and turns refusals into denials. Knows no transport: the service hands it bytes
and the peer they came from.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pdp.access.decision import Decision
from pdp.access.facts import Facts
from pdp.access.request import Limits, Request, RequestError
from pdp.access.values import Ip, parse_ip
from pdp.answer import Answer, Encoder, identities
from pdp.decide import decide
from pdp.evidence import refusals
from pdp.evidence.evidence import Evidence
from pdp.evidence.refusals import EvidenceError
from pdp.evidence.trust import Trust
from pdp.evidence.verify import Presented, Verifier
from pdp.gather import Table, gather, known_task, table_of
from pdp.program.program import Program
from pdp.settings import EnforcementPoint, Settings
from pdp.state.memory import MemoryStore
from pdp.state.replay import Replay, Use
from pdp.state.sightings import Sightings
from pdp.state.store import StoreError
from pdp.tasks.known import OWN, Knowledge, Known

log = logging.getLogger("pdp.point")

UNIX = "unix"
"""The peer that came over the Unix socket; every other peer is the text of an address."""

OPERATOR = EnforcementPoint(name="operator", may_assert=("caller", "credential", "task"), certificates=True)
"""Whoever runs the process: may assert anything. For command lines and embedding, never for a network."""

OURSELVES = EnforcementPoint(name="pdp")
"""Who stands before pdp itself: may assert nothing."""

_REMEMBERED = 4_096
_NOTHING: Mapping[str, Any] = {}
_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class _Serving:
    """One program and what was made from it: replaced as a whole, so that no decision mixes two."""

    program: Program
    table: Table
    encoder: Encoder


class DecisionPoint:
    """Answers requests by one program. `program` is the one field that changes: `replace` swaps it whole.

    `verifier` says who is believed (left out: nobody), `replay` and `sightings` what was seen before (left
    out: they begin empty). `record` is called with every answer, before it leaves; it must be quick and keep
    its troubles to itself.
    """

    def __init__(
        self,
        program: Program,
        settings: Settings | None = None,
        *,
        verifier: Verifier | None = None,
        replay: Replay | None = None,
        sightings: Sightings | None = None,
        knowledge: Knowledge | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        record: Callable[[Answer], None] | None = None,
    ) -> None:
        settings = settings or Settings()
        self._limits = Limits(
            body=settings.limits.body, depth=settings.limits.depth, members=settings.limits.members
        )
        self._set_members = settings.limits.set_members
        self._standing_after = settings.standing.after
        self._tasks = {task.id: known_task(task.model_dump(exclude_none=True)) for task in settings.task}
        self._points = tuple(
            (tuple(parse_ip(address) for address in point.addresses), point)
            for point in settings.enforcement_point
        )
        self._peers: dict[str, EnforcementPoint | None] = {}
        self._verifier = verifier or Verifier(Trust())
        self._replay = replay or Replay(MemoryStore())
        self._sightings = sightings or Sightings()
        self._knowledge = knowledge or Knowledge(MemoryStore())
        self._clock = clock
        self._record = record
        self._identity = identities()
        self.replace(program)

    @property
    def program(self) -> Program:
        """The program that decides now."""
        return self._serving.program

    @property
    def limits(self) -> Limits:
        return self._limits

    def replace(self, program: Program) -> None:
        """Decide by `program` from the next request on; one under way ends with the program it began with."""
        self._serving = _Serving(program, table_of(program, set_members=self._set_members), Encoder())

    def answer(self, body: bytes, peer: str | EnforcementPoint, *, now: datetime | None = None) -> bytes:
        """From bytes to bytes: the whole line. Raises `RequestError` when the body is no request."""
        return self.reply(Request.parse(body, self._limits), peer, now=now)

    def reply(self, request: Request, peer: str | EnforcementPoint, *, now: datetime | None = None) -> bytes:
        """The encoded answer to a request. Raises `RequestError` when the schema does not fit it."""
        serving = self._serving
        return serving.encoder.encode(self._evaluate(serving, request, peer, now))

    def evaluate(
        self, request: Request, peer: str | EnforcementPoint, *, now: datetime | None = None
    ) -> Answer:
        """The answer to a request. Raises `RequestError` when the schema does not fit it, and nothing else.

        `peer` is an address, `UNIX`, or the enforcement point itself where the caller knows it. `now` is read
        from the clock, once, unless given.
        """
        return self._evaluate(self._serving, request, peer, now)

    def _evaluate(
        self, serving: _Serving, request: Request, peer: str | EnforcementPoint, now: datetime | None
    ) -> Answer:
        now = self._clock() if now is None else now.astimezone(UTC)
        facts = evidence = None
        name = ""
        try:
            # 1. Who asks, and may it say what it says?
            point = self._who(peer) if isinstance(peer, str) else peer
            name = point.name if point is not None else ""
            check_assertions(request, point)
            # 2. What was presented is verified; what was asserted is the enforcement point's word.
            seen = (0, 1)
            if request.credential is not None and "asserted" not in request.credential:
                evidence, seen = self._verified(request, point, peer, now)
            # 3. What the state knows: whether that was revoked, and how the task stands.
            known = self._known(request, evidence, now)
            tasks = self._tasks if known is None else {known.task.id: known.record()}
            # 4. The facts, typed by the schema.
            facts = gather(serving.table, request, now, self._standing_after, tasks, evidence, seen)
            check_expiry(facts)
            # 5. The rules.
            decision = decide(serving.program, request, facts)
            # 6. An allow uses up what may be used so often; of several at the same moment one is the first.
            if decision.decision == "allow":
                if evidence is not None and evidence.once:
                    self._use(evidence, now)
                # To ask pdp about itself is no work.
                if known is not None and request.audience != OWN:
                    self._knowledge.use(known, now.timestamp())
        except StoreError:
            log.exception("what a decision depends on cannot be read or written")
            decision = denial(refusals.STATE_UNAVAILABLE, serving.program.digest)
        except EvidenceError as refused:
            decision = denial(refused.code, serving.program.digest)
        except RequestError:
            raise
        except Exception:
            # Whatever went wrong, the enforcement point is waiting, and nobody was shown to be allowed.
            log.exception("a request could not be decided")
            decision = denial(refusals.INTERNAL_ERROR, serving.program.digest)
        answer = Answer(self._identity(now), now, name, request, facts, decision, evidence)
        if self._record is not None:
            self._record(answer)
        return answer

    def _verified(
        self, request: Request, point: EnforcementPoint | None, peer: str | EnforcementPoint, now: datetime
    ) -> tuple[Evidence, tuple[int, int]]:
        """What a request's credential proves, and how often and from how many peers it was seen."""
        presented = presented_by(request, point)
        evidence = self._verifier.verify(presented, request.audience, now)
        # Who presented it, as far as it can be known: an enforcement point stands before many.
        source = (request.sent or _NOTHING).get("peer") if point is not None else None
        if source is None:
            source = peer if isinstance(peer, str) else peer.name
        seen = self._sightings.saw(evidence.identity, source, evidence.expires, now.timestamp())
        return evidence, seen

    def _known(self, request: Request, evidence: Evidence | None, now: datetime) -> Known | None:
        """What the state knows of a request's credential and task; None where it knows no task.

        What is said of a task that is known here is not taken: it is known better.
        """
        asked = request.task if evidence is None or evidence.task is None else evidence.task
        task_id = asked["id"] if isinstance(asked, dict) and isinstance(asked.get("id"), str) else asked
        if not isinstance(task_id, str) or task_id in self._tasks:
            task_id = None
        if evidence is None and task_id is None:
            return None
        known = self._knowledge.look(evidence, task_id, now.timestamp())
        if known is None:
            if task_id is not None and not isinstance(asked, dict):
                raise EvidenceError(refusals.TASK_UNKNOWN)
            return None
        if isinstance(request.task, dict):
            raise EvidenceError(refusals.CONTRADICTION)
        if evidence is not None and evidence.task is not None:
            check_within(known, request)
        return known

    def _use(self, evidence: Evidence, now: datetime) -> None:
        """Use up what may be used once; raises `EvidenceError` where it was, or may have been."""
        uses = [Use(once.fields, once.begins, once.expires, once.holder) for once in evidence.once]
        seconds = now.timestamp()
        outcome = self._replay.use(uses, seconds)
        if outcome == "full":
            raise EvidenceError(refusals.REPLAY_STORE_FULL)
        if outcome == "before":
            raise EvidenceError(refusals.STATE_UNAVAILABLE)
        if outcome == "seen":
            # A proof is made for one token, and a client may yet give two proofs one id.
            pairs = zip(evidence.once, uses, strict=True)
            codes = [once.code for once, use in pairs if self._replay.used(use, seconds)]
            raise EvidenceError(codes[0] if codes else evidence.once[0].code)

    def forwards(self, peer: str) -> bool:
        """Whether a peer may say which certificate its client had."""
        point = self._who(peer)
        return point is not None and point.certificates

    def stands_before_us(self, peer: str) -> EnforcementPoint:
        """The enforcement point for what a peer asks of us: itself, or else we, who have seen its request."""
        return self._who(peer) or OURSELVES

    def believes(self, peer: str) -> bool:
        """Whether a peer is an enforcement point."""
        return self._who(peer) is not None

    def _who(self, peer: str) -> EnforcementPoint | None:
        """The enforcement point that a peer is, the first configured one that fits, or None."""
        try:
            return self._peers[peer]
        except KeyError:
            pass
        found = next((point for addresses, point in self._points if _is(peer, addresses, point)), None)
        if len(self._peers) >= _REMEMBERED:
            self._peers.clear()
        self._peers[peer] = found
        return found


def check_assertions(request: Request, point: EnforcementPoint | None) -> None:
    """Refuses what this enforcement point may not say. A task's id is an assertion too: whose work it is.

    What was presented, and for which request, is its word as well: of nobody else is it taken that a copied
    token came with a request, and nobody else uses it up.
    """
    if point is None:
        if request.caller is not None or request.credential is not None or request.task is not None:
            raise EvidenceError(refusals.NOT_ENFORCEMENT_POINT)
        return
    asserted = request.credential is not None and "asserted" in request.credential
    if (
        (request.caller is not None and "caller" not in point.may_assert)
        or (asserted and "credential" not in point.may_assert)
        or (request.task is not None and "task" not in point.may_assert)
    ):
        raise EvidenceError(refusals.ASSERTION_NOT_ALLOWED)
    if point.audiences is not None and request.audience not in point.audiences:
        raise EvidenceError(refusals.AUDIENCE_NOT_ALLOWED)


def presented_by(request: Request, point: EnforcementPoint | None) -> Presented:
    """What came with a request that asserts no credential but has one."""
    credential = request.credential or _NOTHING
    proofs = credential.get("proofs", _NOTHING)
    sent = request.sent or _NOTHING
    return Presented(
        credential.get("token"), credential.get("scheme"), tuple(proofs.get("dpop", ())), proofs.get("wpt"),
        credential.get("certificate"), credential.get("xfcc"), sent.get("method"), sent.get("uri"),
        point is not None and point.certificates,
    )  # fmt: skip


def check_within(known: Known, request: Request) -> None:
    """Refuses a credential for a task that does not run, or that what is asked is not part of."""
    if not known.active:
        raise EvidenceError(refusals.TASK_ENDED)
    asked = (request.audience, request.action, request.resource_type, request.resource_id)
    if not known.task.has_room_for(*asked):
        raise EvidenceError(refusals.OUTSIDE_TASK)


def check_expiry(facts: Facts) -> None:
    """Refuses a credential whose lifetime has passed: no rule should have to remember to ask."""
    remaining = facts.credential.get("remaining")
    if remaining is not None and not remaining > _ZERO:
        raise EvidenceError(refusals.CREDENTIAL_EXPIRED)


def denial(code: str, policy: str) -> Decision:
    """A deny that no rule was asked about."""
    return Decision("deny", code, (), (), (), (), (), policy)


def _is(peer: str, addresses: tuple[Ip, ...], point: EnforcementPoint) -> bool:
    if peer == UNIX:
        return point.unix
    try:
        address = parse_ip(peer)
    except ValueError:
        return False
    return any(address in known for known in addresses)
