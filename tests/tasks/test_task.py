"""What a task allows, when it runs, and what a part of it may be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.tasks.task import RUNNING, TaskError, check_part, document, standing
from tests.tasks.made import NOW, made


@pytest.mark.parametrize(
    ("changes", "seconds", "is_now"),
    [
        ({}, NOW, "active"),
        ({}, NOW - 1, "not_begun"),
        ({}, NOW + 3_599.999, "active"),
        ({}, NOW + 3_600, "expired"),
        ({"uses": 1}, NOW, "active"),
        ({"uses": 0}, NOW, "used_up"),
        ({"state": "completed"}, NOW, "completed"),
        ({"state": "cancelled"}, NOW + 9_999, "cancelled"),
    ],
)
def test_a_task_stands_by_its_state_its_time_and_its_uses(
    changes: dict[str, Any], seconds: float, is_now: str
) -> None:
    assert made(**changes).standing(seconds) == is_now


@pytest.mark.parametrize(
    ("own", "above", "revoked", "is_now"),
    [
        ({}, [{}, {}], False, "active"),
        ({}, [{}, {"state": "completed"}], False, "parent_ended"),
        ({}, [{"uses": 0}, {}], False, "parent_ended"),
        ({}, [{"started": NOW + 1}], False, "not_begun"),
        ({}, [], True, "revoked"),
        ({"state": "completed"}, [{"state": "cancelled"}], True, "completed"),
    ],
)
def test_a_task_ends_with_what_it_is_part_of_and_with_what_it_was_opened_with(
    own: dict[str, Any], above: list[dict[str, Any]], revoked: bool, is_now: str
) -> None:
    line = [made(**own), *(made(**changes) for changes in above)]
    assert standing(line, NOW, revoked=revoked) == is_now


@pytest.mark.parametrize(
    ("resources", "asked", "room"),
    [
        ((), ("file", "a"), True),
        (("file",), ("file", "a/b"), True),
        (("file",), ("files", "a"), False),
        (("file/a",), ("file", "a"), True),
        (("file/a",), ("file", "ab"), False),
        (("file/a/*",), ("file", "a/b/c"), True),
        (("file/*",), ("entry", "a"), False),
        (("file/a", "entry"), ("entry", "b"), True),
        (("file/",), ("file", ""), True),
        (("file/",), ("file", "a"), False),
        (("file/a",), ("file/a", ""), False),
    ],
)
def test_the_work_is_on_the_resources_that_its_patterns_match(
    resources: tuple[str, ...], asked: tuple[str, str], room: bool
) -> None:
    assert made(resources=resources).has_room_for("ledger", "entry.read", *asked) == room


@pytest.mark.parametrize(
    ("audience", "action"),
    [("files", "entry.read"), ("ledger", "entry.write"), ("Ledger", "entry.read"), ("ledger", "entry.*")],
)
def test_the_work_is_its_actions_at_its_services_alone(audience: str, action: str) -> None:
    assert not made().has_room_for(audience, action, "entry", "")
    assert not made(actions=("entry.*",)).has_room_for("ledger", "entry.read", "entry", "")


def test_its_owner_works_on_it_and_who_may_act() -> None:
    task = made(may_act=("spiffe://prod.example/batch/*", "helper-*"))
    who = ["batch", "spiffe://prod.example/batch/a", "helper-1", "spiffe://prod.example/batch/a/b", "", "b"]
    assert [task.may_be_worked_on_by(caller) for caller in who] == [True, True, True, False, False, False]


WHOLE = made(
    "whole", actions=("entry.read", "entry.write"), audiences=("ledger", "files"), uses=10,
    resources=("file/a/*", "entry"), may_act=("helper-*", "spiffe://prod.example/batch/*"),
)  # fmt: skip
PART: dict[str, Any] = {"resources": ("file/a/*",), "uses": 10}


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({}, None),
        ({"audiences": ("ledger", "files"), "actions": ("entry.write",)}, None),
        ({"resources": ("entry/e-*", "file/a/b")}, None),
        ({"owner": "helper-1", "may_act": ("helper-2", "batch", "helper-*")}, None),
        ({"may_act": ("spiffe://prod.example/batch/a",)}, None),
        ({"owner": "stranger"}, "parent"),
        ({"audiences": ("ledger", "vault")}, "audiences"),
        ({"actions": ("entry.delete",)}, "actions"),
        ({"resources": ()}, "resources"),
        ({"resources": ("file",)}, "resources"),
        ({"resources": ("file/*",)}, "resources"),
        ({"resources": ("file/a/b*",)}, "resources"),
        ({"resources": ("file/b",)}, "resources"),
        ({"may_act": ("stranger",)}, "may_act"),
        ({"may_act": ("*",)}, "may_act"),
        ({"may_act": ("helper-1*",)}, "may_act"),
        ({"expires": NOW + 3_601}, "expires"),
        ({"latest": NOW + 7_201}, "latest"),
        ({"started": NOW - 1}, "started"),
        ({"uses": 11}, "uses"),
        ({"uses": None}, "uses"),
    ],
)
def test_a_part_is_never_more_than_the_whole(changes: dict[str, Any], member: str | None) -> None:
    part = made("part", **PART | changes)
    if member is None:
        check_part(part, WHOLE)
        return
    with pytest.raises(TaskError) as caught:
        check_part(part, WHOLE)
    assert caught.value.member == member


NAMES = st.sampled_from(["", "a", "b", "a/b", "*", "a*", "a/*", "*b", "\\*", "a\\*"])
PATTERNS = st.lists(
    st.builds(lambda kind, slash, name: kind + slash + name, st.sampled_from(["x", "y"]),
              st.sampled_from(["", "/"]), NAMES),
    max_size=3,
).map(tuple)  # fmt: skip
IDS = st.text("ab/*\\", max_size=4)


@given(PATTERNS, PATTERNS, st.sampled_from(["x", "y"]), IDS)
def test_what_a_part_has_room_for_the_whole_has_too(
    part: tuple[str, ...], whole: tuple[str, ...], kind: str, name: str
) -> None:
    one, other = made("part", resources=part), made("whole", resources=whole)
    try:
        check_part(one, other)
    except TaskError:
        return
    if one.has_room_for("ledger", "entry.read", kind, name):
        assert other.has_room_for("ledger", "entry.read", kind, name)


@given(PATTERNS, PATTERNS, IDS)
def test_who_may_act_on_a_part_may_on_the_whole(
    part: tuple[str, ...], whole: tuple[str, ...], caller: str
) -> None:
    one, other = made("part", may_act=part), made("whole", may_act=whole)
    try:
        check_part(one, other)
    except TaskError:
        return
    assert not one.may_be_worked_on_by(caller) or other.may_be_worked_on_by(caller)


def test_it_is_told_whole_and_without_what_may_revoke_it() -> None:
    task = made(uses=3, ancestors=("t-0", "t-00"), opened_with=(b"secret",), may_act=("helper",))
    assert document(task, "active") == {
        "id": "t-1", "owner": "batch", "purpose": "close the month", "actions": ["entry.read"],
        "audiences": ["ledger"], "resources": [], "may_act": ["helper"],
        "started": "1970-01-12T13:46:40.000Z", "expires": "1970-01-12T14:46:40.000Z",
        "latest": "1970-01-12T15:46:40.000Z", "uses_left": 3, "parent": "t-0", "state": "active",
        "ended": None,
    }  # fmt: skip
    assert "active" in RUNNING
    assert made().record().keys() == made(uses=1).record().keys() - {"uses_left"}
