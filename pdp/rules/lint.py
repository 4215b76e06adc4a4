"""Safety findings about checked rules, PDP401 to PDP405: what is legal and still dangerous, or idle.

Each rule is looked at alone. Knows no syntax, no other rule, and not which findings a project has lowered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from pdp.access.patterns import caller_pattern, glob
from pdp.language.diagnostic import Diagnostic
from pdp.rules.fold import Known, fold, learn, learn_both, never_false, never_true
from pdp.rules.outcomes import can_be
from pdp.rules.rules import Condition, Head, Rule
from pdp.rules.terms import Compare, Const, In, Member, Root, Term, parts

# How long before its sunset a permit is announced to end.
SUNSET_NOTICE: Final = timedelta(days=30)

_CREDENTIAL: Final = Root("credential")
_FORM: Final = Member(_CREDENTIAL, "form")
# What a standing credential is, as a rule can see it: nothing binds it. That it is there, whatever its form,
# `_standing` adds; nothing else about it is known.
STANDING: Final[Known] = {
    Member(_CREDENTIAL, "standing"): True,
    Member(_CREDENTIAL, "bound"): False,
    Member(_CREDENTIAL, "binding"): "none",
}


def lint_rule(rule: Rule, today: datetime) -> Iterator[Diagnostic]:
    """The safety findings about one rule. `today`, an aware time, tells whether its sunset has passed."""
    terms = [term for condition in rule.conditions for term in _within(condition.term)]
    known = _known_from(rule.head, terms)
    yield from _sunset(rule, today)
    if (never := _never_applies(rule, known)) is not None:
        yield never  # and a rule that never applies needs no other advice
    elif rule.effect == "permit":
        yield from _unstated(rule)
        yield from _standing(rule, terms, known)
        yield from _anyone(rule, terms)


# PDP401: a permit states no caller, audience or action.


def _unstated(rule: Rule) -> Iterator[Diagnostic]:
    missing = [clause for clause in ("caller", "audience", "action") if clause not in rule.spans]
    if missing:
        message = f"permit `{_name(rule)}` states no {' and no '.join(missing)}"
        clauses = " ".join(f"{clause} any" for clause in missing)
        yield Diagnostic("PDP401", rule.spans["name"], message, f"write `{clauses}` where it is meant")


# PDP402: a permit can be satisfied by a standing credential, and has no sunset.


def _standing(rule: Rule, terms: Sequence[Term], known: Known) -> Iterator[Diagnostic]:
    if rule.annotations.sunset is not None:
        return
    if _CREDENTIAL in terms:
        if _exclude_each_other(rule.conditions, {**known, **STANDING, **_without(_FORM, "none", terms)}):
            return
    elif rule.head.kind == "anonymous":
        return  # Who needs no credential at all gains nothing by a standing one.
    yield Diagnostic(
        "PDP402",
        rule.spans["name"],
        f"permit `{_name(rule)}` can be satisfied by a standing credential",
        "add `when credential.bound` or `unless credential.standing`, or an `@sunset` until which it may be",
    )


def _exclude_each_other(conditions: Sequence[Condition], known: Known) -> bool:
    """Whether no request of which `known` is true meets all `conditions`. What one of them teaches holds for
    the others too, those before it included; so they are gone over until nothing more is learned.
    """
    before = -1
    while len(known) > before:
        before = len(known)
        for condition in conditions:
            folded = fold(condition.term, known)
            if not can_be(folded, not condition.negated):
                return True
            known = learn_both(condition.term, folded, not condition.negated, known)
    return False


def _without(subject: Term, name: str, terms: Sequence[Term]) -> Known:
    """What the tests among `terms` come to where `subject` is another than `name`, whatever it is."""
    known: dict[Term, object] = {}
    for term in terms:
        match term:
            case Compare(operator="==", left=left, right=right):
                if {left, right} == {subject, Const(name)}:
                    known[term] = False
            case In(kind="set", item=item, container=Const(value=frozenset() as names)):
                if item == subject and names <= {name}:
                    known[term] = False
            case _:
                pass
    return known


# PDP403: a permit is past its sunset, or soon will be.


def _sunset(rule: Rule, today: datetime) -> Iterator[Diagnostic]:
    sunset = rule.annotations.sunset
    if sunset is None or sunset - today > SUNSET_NOTICE:
        return
    span = rule.spans["sunset"]
    day = sunset.date().isoformat()
    if rule.effect == "forbid":
        if today >= sunset:
            message = f"forbid `{_name(rule)}` is past its sunset {day}, and still forbids"
            yield Diagnostic("PDP403", span, message, "remove the rule, or its `@sunset`", "warning")
    elif today >= sunset:
        message = f"permit `{_name(rule)}` is past its sunset {day}, and permits nothing"
        yield Diagnostic("PDP403", span, message, "remove the rule, or give it a later `@sunset`")
    else:
        message = f"permit `{_name(rule)}` ends at its sunset {day}"
        yield Diagnostic("PDP403", span, message, "remove what still needs it, or set a later day", "warning")


# PDP404: a rule can never apply.


def _never_applies(rule: Rule, known: Known) -> Diagnostic | None:
    for at, condition in enumerate(rule.conditions, start=1):
        if _never_holds(condition, known) if rule.effect == "permit" else _is_settled(condition, known):
            outcome = "this `unless` is always true" if condition.negated else "this `when` is never true"
            message = f"{rule.effect} `{_name(rule)}` can never apply: {outcome}"
            return Diagnostic("PDP404", condition.span, message)
        if at < len(rule.conditions):
            known = learn(condition.term, not condition.negated, known)
    return None


def _never_holds(condition: Condition, known: Known) -> bool:
    """Whether the condition is met by no request: it is not, or fails."""
    return never_false(condition.term, known) if condition.negated else never_true(condition.term, known)


def _is_settled(condition: Condition, known: Known) -> bool:
    """Whether the condition is not met, and does not fail either: a forbid that fails applies."""
    folded = fold(condition.term, known)
    return isinstance(folded, Const) and folded.value is condition.negated


def _known_from(head: Head, terms: Sequence[Term]) -> Known:
    """What the head says of each request that the conditions are asked about."""
    known: dict[Term, object] = {}
    if head.kind is not None:
        known[Member(Root("caller"), "kind")] = head.kind
    if head.kind == "anonymous":
        known[Member(Root("caller"), "id")] = ""
        known[Member(Root("caller"), "groups")] = frozenset()
    if head.resource_type is not None:
        known[Member(Root("resource"), "type")] = head.resource_type
    for term in terms:
        match term:
            case (
                Compare(operator="==", left=Const(value=str() as name), right=subject)
                | Compare(operator="==", left=subject, right=Const(value=str() as name))
            ):
                if not _may_be(head, subject, name):
                    known[term] = False
            case In(kind="set", item=subject, container=Const(value=frozenset() as names)):
                if not any(_may_be(head, subject, name) for name in names):
                    known[term] = False
            case _:
                pass
    return known


def _may_be(head: Head, subject: Term, name: object) -> bool:
    """Whether a request that `head` matches can have `name` as its `subject`, an audience, action or id."""
    match subject:
        case Root(name="audience"):
            return head.audiences is None or name in head.audiences
        case Member(record=Root(name="action"), name="name"):
            return head.actions is None or any(glob(pattern)(str(name)) for pattern in head.actions)
        case Member(record=Root(name="caller"), name="id"):
            return head.callers is None or any(caller_pattern(pattern)(str(name)) for pattern in head.callers)
        case Member(record=Root(name="resource"), name="id"):
            return head.resource_ids is None or any(glob(p)(str(name)) for p in head.resource_ids)
        case _:
            return True


# PDP405: a permit for any caller that checks no credential.


def _anyone(rule: Rule, terms: Sequence[Term]) -> Iterator[Diagnostic]:
    head = rule.head
    every = head.callers is None or any(not pattern.strip("*") for pattern in head.callers)
    if head.kind is not None or head.groups is not None or not every or "caller" not in rule.spans:
        return
    if _CREDENTIAL in terms:
        return
    yield Diagnostic(
        "PDP405",
        rule.spans["caller"],
        f"permit `{_name(rule)}` is for any caller and checks no credential",
        "name the callers, or add `when credential.bound`",
    )


def _within(term: Term) -> list[Term]:
    """`term` and all terms inside it."""
    found = [term]
    for inner in found:
        found.extend(parts(inner))  # the list grows as it is gone over
    return found


def _name(rule: Rule) -> str:
    return rule.identity.rpartition(".")[2]
