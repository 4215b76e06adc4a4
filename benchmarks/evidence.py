"""Verifying who asks, over the bare signature checks: tokens never seen before, seen before, and with proofs.

Beside pdp stand PyJWT and joserfc, and the floor that nobody is under: `cryptography` checking the same
signatures and nothing else. Then `/decide` from bytes to bytes, by a token and by an asserted caller.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import estate
from benchmarks.credentials import AUDIENCE, CALLER, LIFETIME, SCOPES, Authority
from benchmarks.measure import Contender, Progress, Scale, Timing, quiet, race
from benchmarks.peers import Missing, Wrong
from benchmarks.report import ABSENT, Aim, Outcome, Table, absences, duration, times
from benchmarks.verifiers import FLOOR, VERIFIERS, Verifier, check, ours, signatures, start
from pdp import DecisionPoint, load
from pdp.point import OPERATOR

# So many different ones are verified in turn; the next time around nothing is known of them.
COUNT = 48
QUICK = 3
WAYS = {
    "fresh": "fresh token",
    "seen": "token seen before",
    "proved": "fresh token and proof",
    "proved again": "seen token, fresh proof",
}
# How many signatures there are to check on each way.
_SIGNATURES = {"fresh": 1, "seen": 0, "proved": 2, "proved again": 1}
# Over the floor, in seconds: for each signature that is checked, and where there is none.
_OVER, _KNOWN = 60e-6, 15e-6
# How much longer than by an asserted caller.
_LONGER = 1.3
_ASSERTED, _SEEN, _FRESH = "asserted", "token seen before", "fresh token"

_Times = dict[str, dict[str, Timing]]


def run(progress: Progress, scale: Scale) -> Outcome:
    """The claim, measured."""
    count = QUICK if scale is Scale.quick else COUNT
    authority = Authority()
    missing: dict[str, str] = {}
    verifiers = _verifiers(authority, missing, progress)
    found: _Times = {}
    for way, contenders in _ways(authority, verifiers, count).items():
        progress(WAYS[way])
        with quiet():
            found[way] = race(contenders, scale)
    progress("/decide in-process")
    deciding = _decided(authority, count)
    with quiet():
        decided = race(deciding, scale)
    versions = {name: verifier.version for name, verifier in verifiers.items()}
    return Outcome(
        tables=[_verified_table(found, versions, missing), _decided_table(decided)],
        aims=[*_over_the_floor(found), _beside_asserted(decided)],
        figures={
            "versions": versions,
            "missing": missing,
            "verification": {way: _figures(timings, "pdp") for way, timings in found.items()},
            "decide": _figures(decided, _ASSERTED),
        },
        notes=(
            "Median of the rounds; ± is half of what their middle half spans; × is how much longer than pdp.",
            *absences(missing),
            f"ES256; {count} different tokens of one issuer and proofs of one client, in turn. `{FLOOR}` has"
            " its keys and signatures read in advance.",
            "PyJWT and joserfc remember nothing, and know no proofs: there it is what a user of theirs would"
            " write, with fewer checks.",
        ),
    )


def _verifiers(authority: Authority, missing: dict[str, str], progress: Progress) -> dict[str, Verifier]:
    """Every verifier that is to be had, shown to take and to refuse the same."""
    found: dict[str, Verifier] = {}
    for name in VERIFIERS:
        try:
            verifier = start(name, authority)
        except Missing as reason:
            missing[name] = str(reason)
            continue
        progress(f"{name} is shown what is wrong")
        if name != FLOOR:
            check(verifier, name, authority)
        found[name] = verifier
    return found


def _ways(authority: Authority, verifiers: Mapping[str, Verifier], count: int) -> dict[str, list[Contender]]:
    tokens, credentials = authority.tokens(count), authority.credentials(count)
    known = ours.start(authority)
    return {
        "fresh": [verifier.fresh(tokens) for verifier in verifiers.values()],
        "seen": [known.seen(tokens[0])],
        "proved": [verifier.proved(credentials) for verifier in verifiers.values()],
        "proved again": [signatures.start(authority).proofs(credentials), known.proved_again(credentials)],
    }


def _decided(authority: Authority, count: int) -> list[Contender]:
    """One request in three ways: who asks is asserted, and proved by a token that is known or is not."""
    with tempfile.TemporaryDirectory() as folder:
        estate.write(Path(folder), [_rule(authority)])
        program = load(folder)
    known, forgetful = ours.start(authority), ours.start(authority)
    point, anew = (DecisionPoint(program, verifier=one.verifier) for one in (known, forgetful))
    question = {
        "audience": AUDIENCE,
        "action": estate.ACTION,
        "resource": {"type": estate.RESOURCE, "id": "e-1", "amount": 10},
        "context": {"source_ip": "10.1.2.3"},
    }
    word = {"binding": "none", "age": 60, "lifetime": 3600, "scopes": list(SCOPES)}
    caller = {"id": CALLER, "kind": "workload"}
    asserted = _body({**question, "caller": caller, "credential": {"asserted": word}})
    shown = [
        _body({**question, "credential": {"token": token.decode(), "scheme": "Bearer"}})
        for token in authority.tokens(count)
    ]
    for body in (asserted, *shown):
        answered = json.loads(point.answer(body, OPERATOR))
        if answered["decision"] != "allow":
            raise Wrong(f"pdp does not allow what it should: {answered}")
    answer, fresh = (
        "answer(body, gateway)",
        "verifier.replace(trust)\nfor body in shown: answer(body, gateway)",
    )
    names: dict[str, Any] = {"answer": point.answer, "gateway": OPERATOR}
    unknown = {
        "answer": anew.answer,
        "verifier": forgetful.verifier,
        "trust": forgetful.trust,
        "shown": shown,
    }
    return [
        Contender(_ASSERTED, answer, names | {"body": asserted}),
        Contender(_SEEN, answer, names | {"body": shown[0]}),
        Contender(_FRESH, fresh, names | unknown, work=count),
    ]


def _rule(authority: Authority) -> str:
    """The rule of `estate` for a token that is bound to no key: such a rule must say when it ends."""
    return f"""
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


def _body(request: dict[str, Any]) -> bytes:
    return json.dumps(request).encode()


def _verified_table(found: _Times, versions: Mapping[str, str], missing: Mapping[str, str]) -> Table:
    rows = []
    for name, about in versions.items():
        cells = []
        for timings in found.values():
            ratio = "" if name == "pdp" or name not in timings else _ratio(timings[name], timings["pdp"])
            cells.append(_cell(timings[name]) + ratio if name in timings else "—")
        rows.append([f"{name} ({about})" if name == FLOOR else f"{name} {about}", *cells])
    rows += [[name, ABSENT] for name in missing]
    return Table("Verifying a credential", ["", *(WAYS[way] for way in found)], rows)


def _decided_table(decided: Mapping[str, Timing]) -> Table:
    first = decided[_ASSERTED]
    rows = [
        [name, _cell(timing) + ("" if timing is first else _ratio(timing, first))]
        for name, timing in decided.items()
    ]
    return Table("/decide in-process, from bytes to bytes", ["who asks", ""], rows)


def _cell(timing: Timing) -> str:
    return f"{duration(timing.median)} ±{timing.spread / 2:.0%}"


def _ratio(timing: Timing, first: Timing) -> str:
    return f"  {times(timing.median / first.median)}"


def _over_the_floor(found: _Times) -> list[Aim]:
    aims = []
    for way, timings in found.items():
        count, took = _SIGNATURES[way], timings["pdp"]
        if count == 0:
            text = f"{WAYS[way]}: at most {duration(_KNOWN)}"
            aims.append(Aim(text, duration(took.median), took.median <= _KNOWN))
            continue
        floor = timings[FLOOR]
        # A difference of two times has the noise of both: the least of the rounds is what the code takes.
        over = took.best - floor.best
        text = f"{WAYS[way]}: at most {duration(count * _OVER)} over the signature{'s' * (count > 1)} alone"
        measured = f"{duration(over)}, by the medians {duration(took.median - floor.median)}"
        aims.append(Aim(text, measured, over <= count * _OVER))
    return aims


def _beside_asserted(decided: Mapping[str, Timing]) -> Aim:
    ratio = decided[_SEEN].median / decided[_ASSERTED].median
    text = f"/decide by a token seen before: at most {times(_LONGER)} of by an asserted caller"
    return Aim(text, times(ratio), ratio <= _LONGER)


def _figures(timings: Mapping[str, Timing], first: str) -> dict[str, Any]:
    return {
        name: {
            "median": timing.median,
            "best": timing.best,
            "spread": timing.spread,
            "ratio": timing.median / timings[first].median,
        }
        for name, timing in timings.items()
    }
