"""One decision: program, request and facts in, allow or deny out. Pure: no clock, no state, no IO.

The same as `rules.interpret.interpret` says (LANGUAGE.md section 5), found by the index and run as code.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TypeAlias

from pdp.access.decision import NO_RULE, Decision, Failure, Obligation
from pdp.access.facts import Facts
from pdp.access.request import Request
from pdp.access.values import Failed
from pdp.program.program import CompiledRule, Program


def decide(program: Program, request: Request, facts: Facts) -> Decision:
    """The decision of `program` on `request`, of which `facts` are true.

    1. Every rule that the request can concern is asked. A forbid that fails applies, a permit that fails does
    not. 2. The duties of rules that apply are evaluated; a permit whose obligation fails does not apply. 3. A
    forbid that applies denies; else a permit that applies allows; else no rule speaks for the request.
    """
    applying: list[CompiledRule] = []
    failures: list[Failure] = []
    duties: _Duties | None = None
    # 1.
    for rule in program.index.find(request.audience, request.action, request.resource_type, facts):
        failure = None
        try:
            if not rule.applies(facts):
                continue
        except (Failed, KeyError) as error:
            failure = _failure(rule, error)
            if not rule.forbids:
                # A forbid that cannot be ruled out stands; a permit that cannot be shown does not.
                failures.append(failure)
                continue
        # 2.
        if rule.duties:
            duties = {} if duties is None else duties
            applies, failure = _carry_out(rule, facts, failure, duties)
            if applies:
                applying.append(rule)
        else:
            applying.append(rule)
        if failure is not None:
            failures.append(failure)
    # 3.
    if len(applying) == 1 and duties is None and not failures:
        # What most requests come to, told with the least work.
        rule = applying[0]
        return Decision(rule.outcome, rule.code, rule.alone, rule.reasons, (), (), (), program.digest)
    return _decision(program, applying, duties or {}, failures)


_Duties: TypeAlias = dict[CompiledRule, list[tuple[bool, Obligation]]]


def _carry_out(
    rule: CompiledRule, facts: Facts, failure: Failure | None, duties: _Duties
) -> tuple[bool, Failure | None]:
    """Whether the rule still applies, and what failed first. Adds what it carries out to `duties`."""
    applies = True
    done = duties[rule] = []
    for duty in rule.duties:
        try:
            done.append((duty.force, Obligation(duty.name, rule.identity, duty.values(facts))))
        except (Failed, KeyError) as error:
            failure = failure or _failure(rule, error)
            applies = applies and (rule.forbids or not duty.force)
    return applies, failure


def _failure(rule: CompiledRule, error: Failed | KeyError) -> Failure:
    if isinstance(error, Failed):
        return Failure(rule.identity, error.kind, error.what)
    # Code reads a member that should be there by subscription; its name is the key.
    return Failure(rule.identity, "absent", error.args[0])


def _decision(
    program: Program, applying: list[CompiledRule], duties: _Duties, failures: list[Failure]
) -> Decision:
    applying.sort(key=_identity)
    failures.sort(key=_rule)
    deciding = [rule for rule in applying if rule.forbids] or applying
    done = [duty for rule in deciding for duty in duties.get(rule, ())]
    return Decision(
        deciding[0].outcome if deciding else "deny",
        deciding[0].code if deciding else NO_RULE,
        tuple(rule.identity for rule in deciding),
        tuple(reason for rule in deciding for reason in rule.reasons),
        tuple(duty for force, duty in done if force),
        tuple(duty for force, duty in done if not force),
        tuple(failures),
        program.digest,
    )


_identity = attrgetter("identity")
_rule = attrgetter("rule")
