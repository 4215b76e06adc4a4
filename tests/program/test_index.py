"""Rules are found by their heads: none too few, none twice, and few too many."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from generated import estate
from hypothesis import given, settings
from hypothesis import strategies as st

from pdp.access.facts import Facts
from pdp.program.index import FEW, LONGEST_REMEMBERED, MOST_POSTINGS, REMEMBERED, Index, Posting, posting
from pdp.rules.interpret import matches
from pdp.rules.rules import Head

Rule = tuple[Head, int]
"""A rule of which only the head matters; the number tells it from others with the same."""


def indexed(rules: Sequence[Rule]) -> Index[Rule]:
    return Index([(rule[0], posting(rule[0]), (rule,)) for rule in rules])


def asks(
    caller: str = "alice",
    audience: str = "ledger",
    action: str = "entry.create",
    type: str = "entry",
    id: str = "e-1",
    kind: str = "human",
    groups: Sequence[str] = (),
) -> Facts:
    return Facts(
        caller={"id": caller, "kind": kind, "groups": frozenset(groups)},
        credential={},
        audience=audience,
        action={"name": action},
        resource={"type": type, "id": id},
        task={"active": False},
        context={},
        now=estate.NOW,
    )


def find(index: Index[Rule], facts: Facts) -> list[Rule]:
    asked = facts.audience, facts.action["name"], facts.resource["type"]
    found = index.known.get(asked) or index.look_up(*asked)
    return list(found if isinstance(found, tuple) else found.find(facts))


# The property.

# More than a rule is posted under, with the usual names among them.
MANY = tuple(f"name-{number}" for number in range(MOST_POSTINGS))


def clause(names: Sequence[str], *more: str) -> st.SearchStrategy[tuple[str, ...] | None]:
    some = st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True).map(tuple)
    return st.one_of(st.none(), some, some, some.map(lambda few: (*few, *more)))


KINDS = st.sampled_from(estate.KINDS)
TYPES = st.sampled_from(estate.RESOURCES[:2])
HEADS = st.builds(
    Head,
    kind=st.one_of(st.none(), KINDS),
    callers=clause(estate.CALLER_PATTERNS, *MANY),
    groups=clause(estate.GROUPS[:3], *MANY),
    audiences=clause(estate.AUDIENCES[:3], *MANY),
    actions=clause(estate.ACTION_PATTERNS, *MANY),
    resource_type=st.one_of(st.none(), TYPES),
    resource_ids=clause(estate.RESOURCE_PATTERNS, *MANY),
)
FACTS = st.builds(
    asks,
    caller=st.sampled_from((*estate.CALLERS, *estate.MALFORMED)),
    audience=st.sampled_from(estate.AUDIENCES[:3]),
    action=st.sampled_from(estate.ACTIONS),
    type=TYPES,
    id=st.sampled_from(estate.RESOURCE_IDS),
    kind=KINDS,
    groups=st.lists(st.sampled_from(estate.GROUPS[:3])),
)
# So few rules that they are asked as they are, and so many that they are told apart.
COPIES = st.sampled_from([1, FEW + 1])


@settings(max_examples=60)
@given(st.lists(st.tuples(HEADS, COPIES), max_size=8), st.lists(FACTS, min_size=1, max_size=8))
def test_every_rule_that_matches_is_found_once(heads, requests):
    rules = list(zip((head for head, copies in heads for _ in range(copies)), count(), strict=False))
    index = indexed(rules)
    # The second time from memory.
    for facts in requests * 2:
        found = find(index, facts)
        assert len(found) == len(set(found))
        assert set(found) >= {rule for rule in rules if matches(rule[0], facts)}


@settings(max_examples=60)
@given(st.lists(HEADS, min_size=1, max_size=8), COPIES, FACTS)
def test_finding_a_rule_proves_what_its_posting_says(heads, copies, facts):
    for head, _ in find(indexed([(head, at) for at, head in enumerate(heads * copies)]), facts):
        posted = posting(head)
        assert head.resource_type in (None, facts.resource["type"])
        if posted.audience:
            assert matches(Head(audiences=head.audiences), facts)
        if posted.action:
            assert matches(Head(actions=head.actions), facts)


@given(HEADS)
def test_a_rule_is_posted_under_few_keys_however_many_it_names(head):
    posted = posting(head)
    assert 1 <= len(posted.exact) + len(posted.globs) <= MOST_POSTINGS


# Where a rule is posted.


@pytest.mark.parametrize(
    ("actions", "plain", "globs"),
    [
        (None, [None], []),
        (("entry.create", "entry.read"), ["entry.create", "entry.read"], []),
        (("entry.create", "order.*"), ["entry.create"], ["order.*"]),
        (("entry.*", "order.*"), [], ["entry.*", "order.*"]),
        (("entry.\\*",), ["entry.*"], []),
    ],
)
def test_actions_that_no_name_shares_are_posted_each_by_itself(actions, plain, globs):
    assert actions_of(posting(Head(actions=actions))) == (plain, globs, True)


def actions_of(posted: Posting) -> tuple[list[str | None], list[str | None], bool]:
    """The actions and globs that a rule is posted under, and whether finding it proves that clause."""
    return [key[1] for key in posted.exact], [key[1] for key in posted.globs], posted.action


@pytest.mark.parametrize(
    "actions",
    [
        ("entry.*", "entry.create"),
        ("entry.*", "entry.re*"),
        ("*.read", "entry.*"),
        ("*.read", "*.write"),
        tuple(f"entry{number}.*" for number in range(MOST_POSTINGS + 1)),
    ],
)
def test_actions_that_a_name_may_share_are_left_to_the_rules_code(actions):
    assert actions_of(posting(Head(actions=actions))) == ([None], [], False)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"name-{number}" for number in range(count))


@pytest.mark.parametrize(
    ("audiences", "actions", "by_audience", "by_action"),
    [
        (8, 8, True, True),
        (9, 8, False, True),
        (8, 9, True, False),
        (64, 1, True, True),
        (65, 1, False, True),
        (1, 65, True, False),
        (1_000, 1_000, False, False),
    ],
)
def test_of_too_many_pairs_the_longer_list_is_left_to_the_rules_code(
    audiences, actions, by_audience, by_action
):
    posted = posting(Head(audiences=names(audiences), actions=names(actions)))
    assert (posted.audience, posted.action) == (by_audience, by_action)


# Few too many: what tells ten thousand rules apart.

COUNT = 10_000


@pytest.mark.parametrize(
    ("head", "asked"),
    [
        (lambda at: Head(callers=(f"agent-{at}",)), asks("agent-77")),
        (lambda at: Head(callers=(f"agent-{at}", f"user-{at}"), kind="human"), asks("user-77")),
        (
            lambda at: Head(callers=(f"spiffe://prod.example/ns/team-{at}/**",)),
            asks("spiffe://prod.example/ns/team-77/sa/api/v1"),
        ),
        (
            lambda at: Head(callers=(f"spiffe://prod.example/ns/team-{at}/sa/*", f"agent-{at}")),
            asks("spiffe://prod.example/ns/team-77/sa/api"),
        ),
        (lambda at: Head(resource_type="entry", resource_ids=(f"e-{at}",)), asks(id="e-77")),
        (lambda at: Head(groups=(f"team-{at}",)), asks(groups=["staff", "team-77"])),
        (lambda at: Head(audiences=(f"service-{at}",)), asks(audience="service-77")),
        (lambda at: Head(actions=(f"entry{at}.*",)), asks(action="entry77.create")),
        (lambda at: Head(resource_type=f"type_{at}"), asks(type="type_77")),
    ],
)  # fmt: skip
def test_of_ten_thousand_rules_that_name_one_each_one_is_found(head, asked):
    index = indexed([(head(at), at) for at in range(COUNT)])
    assert [number for _, number in find(index, asked)] == [77]


def test_rules_of_another_kind_of_caller_are_not_asked():
    rules = [(Head(kind=kind), at) for at, kind in enumerate(estate.KINDS * 5)]
    assert {head.kind for head, _ in find(indexed(rules), asks(kind="agent"))} == {"agent"}


def test_rules_that_name_too_many_callers_or_groups_are_asked_by_all():
    rules = [(Head(callers=names(MOST_POSTINGS + 1)), 0), (Head(groups=names(MOST_POSTINGS + 1)), 1)]
    rules += [(Head(callers=("bob",)), 2 + at) for at in range(FEW)]
    assert [number for _, number in find(indexed(rules), asks())] == [0, 1]


@pytest.mark.parametrize(
    "head",
    [
        Head(callers=("spiffe://prod.example/**", "spiffe://prod.example/ns/**")),
        Head(callers=("spiffe://prod.example/ns/pay", "spiffe://prod.example/ns/*")),
        Head(groups=("a", "b")),
    ],
)
def test_a_rule_that_matches_by_two_of_its_names_is_found_once(head):
    rules = [(head, at) for at in range(FEW + 1)]
    assert find(indexed(rules), asks("spiffe://prod.example/ns/pay", groups=["a", "b"])) == rules


@pytest.mark.parametrize("pattern", ["ns/pa*", "n*/pay", "*/pay", "*/*", "ns/*", "ns/**", "**"])
def test_a_wildcard_anywhere_in_a_path_leaves_what_is_before_it_to_be_found_by(pattern):
    rules = [(Head(callers=(f"spiffe://prod.example/{pattern}",)), at) for at in range(FEW + 1)]
    assert find(indexed(rules), asks("spiffe://prod.example/ns/pay")) == rules


def test_small_and_large_crowds_are_found_together():
    heads = [Head(), Head(audiences=("ledger",)), Head(actions=("entry.create",)), Head(actions=("entry.*",))]
    rules = [(head, at) for at, head in enumerate(heads * (FEW + 1))]
    rules += [(Head(resource_type="entry"), 100), (Head(audiences=("other",)), 101)]
    assert {number for _, number in find(indexed(rules), asks())} == {*range(4 * (FEW + 1)), 100}


# What requests may cost.


def calls(index: Index[Rule], facts: Facts) -> int:
    """How many functions written in C one look-up calls: its steps, whatever the machine."""
    counted = 0

    def profile(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal counted
        counted += event == "c_call"

    find(index, facts)
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        find(index, facts)
    finally:
        sys.setprofile(before)
    return counted


def test_a_look_up_takes_as_many_steps_among_many_rules_as_among_few():
    def steps(count: int) -> int:
        heads = (Head(callers=(f"spiffe://prod.example/ns/team-{at}/**",)) for at in range(count))
        return calls(
            indexed([(head, at) for at, head in enumerate(heads)]), asks("spiffe://prod.example/ns/team-7/x")
        )

    assert steps(10) == steps(10_000)


def test_an_id_of_nothing_but_slashes_takes_no_more_steps_than_the_longest_path():
    index = indexed([(Head(callers=(f"spiffe://prod.example/ns/{at}/*",)), at) for at in range(FEW + 1)])
    assert calls(index, asks("/" * 60_000)) < 100


def test_names_are_remembered_up_to_a_number_and_a_length():
    index = indexed([(Head(), 0)])
    for number in range(REMEMBERED + 10):
        assert find(index, asks(action=f"action-{number}"))
    assert 0 < len(index.known) <= REMEMBERED
    before = len(index.known)
    for name in ("audience", "action", "type"):
        assert find(index, asks(**{name: "x" * LONGEST_REMEMBERED}))
    assert len(index.known) == before


def test_what_leads_to_many_places_is_looked_up_each_time():
    action = "x" * (MOST_POSTINGS + 1)
    rules = [(Head(actions=(f"{action[:length]}*",)), length) for length in range(len(action))]
    index = indexed(rules)
    for _ in range(2):
        assert sorted(find(index, asks(action=action)), key=lambda rule: rule[1]) == rules
    assert not index.known


def test_threads_that_ask_at_once_find_the_same(monkeypatch):
    monkeypatch.setattr("pdp.program.index.REMEMBERED", 4)
    rules = [(Head(actions=(f"entry{at % 50}.*",)), at) for at in range(500)]
    shared = indexed(rules)

    def ask(start: int) -> bool:
        return all(
            {rule[1] % 50 for rule in find(shared, asks(action=f"entry{(start + at) % 50}.x"))}
            == {(start + at) % 50}
            for at in range(500)
        )

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(8)))


def test_no_rules_are_found_where_there_are_none():
    assert find(indexed([]), asks()) == []
