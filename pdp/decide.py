"""One decision: program, request and facts in, allow or deny out. Pure: no clock, no state, no IO.

The same as `rules.interpret.interpret` says (LANGUAGE.md section 5), found by the index and run as code.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import TypeAlias

from pdp.access.decision import Decision, Failure, Obligation
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
    found = program.index.known.get((request.audience, request.action, request.resource_type))
    if found is None:
        found = program.index.look_up(request.audience, request.action, request.resource_type)
    rules = found if isinstance(found, tuple) else found.find(facts)
    first: CompiledRule | None = None
    failure: Failure | None = None
    try:
        for rule in rules:
            # Not called as what it looks like, a method: looking for one of that name takes longer.
            applies = rule.applies
            if applies(facts):
                if first is not None or rule.duties:
                    break
                first = rule
        else:
            # What most requests come to is told of one rule or of none.
            return program.silent if first is None else program.alone[first]
    except (Failed, KeyError) as error:
        failure = _failure(rule, error)
    return _weigh(program, facts, rules, rules.index(rule), first, failure)


def _weigh(
    program: Program,
    facts: Facts,
    rules: Sequence[CompiledRule],
    at: int,
    first: CompiledRule | None,
    failure: Failure | None,
) -> Decision:
    """The decision where there is more to it. Of `rules` all before the one `at` were asked, of which `first`
    applies; so was this one, which applies if there is no `failure`.
    """
    applying = [] if first is None else [first]
    failures: _Failures = {}
    # 1.
    if failure is None:
        applying.append(rules[at])
    else:
        _failed(rules[at], failure, applying, failures)
    for rule in rules[at + 1 :]:
        try:
            if rule.applies(facts):
                applying.append(rule)
        except (Failed, KeyError) as error:
            _failed(rule, _failure(rule, error), applying, failures)
    # 2.
    duties: _Duties = {}
    applying = [rule for rule in applying if not rule.duties or _carry_out(rule, facts, duties, failures)]
    # 3.
    deciding = [rule for rule in applying if rule.forbids] or applying
    return _decision(program, deciding, duties, failures)


_Duties: TypeAlias = dict[CompiledRule, list[tuple[bool, Obligation]]]
"""What each rule asks for, in the order written, with whether it must be done."""
_Failures: TypeAlias = dict[str, Failure]
"""What failed first of each rule."""


def _failed(rule: CompiledRule, failure: Failure, applying: list[CompiledRule], failures: _Failures) -> None:
    failures[rule.identity] = failure
    if rule.forbids:
        # A forbid that cannot be ruled out stands; a permit that cannot be shown does not.
        applying.append(rule)


def _carry_out(rule: CompiledRule, facts: Facts, duties: _Duties, failures: _Failures) -> bool:
    """Whether the rule still applies when its duties have their values, which are added to `duties`."""
    done = duties[rule] = []
    applies = True
    for duty in rule.duties:
        try:
            done.append((duty.force, Obligation(duty.name, rule.identity, duty.values(facts))))
        except (Failed, KeyError) as error:
            failures.setdefault(rule.identity, _failure(rule, error))
            applies = applies and (rule.forbids or not duty.force)
    return applies


def _failure(rule: CompiledRule, error: Failed | KeyError) -> Failure:
    if isinstance(error, Failed):
        return Failure(rule.identity, error.kind, error.what)
    # Code reads a member that should be there by subscription; its name is the key.
    return Failure(rule.identity, "absent", error.args[0])


def _decision(
    program: Program, deciding: list[CompiledRule], duties: _Duties, failures: _Failures
) -> Decision:
    told = program.alone[deciding[0]] if deciding else program.silent
    rules, reasons = told.rules, told.reasons
    if len(deciding) > 1:
        deciding.sort(key=_identity)
        rules = tuple([rule.identity for rule in deciding])
        reasons = tuple([reason for rule in deciding for reason in program.alone[rule].reasons])
    done = [duty for rule in deciding for duty in duties.get(rule, ())] if duties else []
    return Decision(
        told.decision,
        told.code,
        rules,
        reasons,
        tuple([duty for force, duty in done if force]) if done else (),
        tuple([duty for force, duty in done if not force]) if done else (),
        tuple([failures[identity] for identity in sorted(failures)]) if failures else (),
        program.digest,
    )


_identity = attrgetter("identity")
