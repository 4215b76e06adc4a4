"""What may be read where: whole chains of optional records, dynamic values, and how a place is shown."""

from __future__ import annotations

import pytest

from pdp.schema.types import UNKNOWN
from rules.policies import checked, condition, told

SCHEMA = """schema {
  resource order {
    inner: { flat: string, deep?: { flat: string, deep?: string } }, maps: map<{ deep?: string }>
  }
  resource one { size: int } resource two { size: int } resource three { size: int }
  resource four { size: int } resource five { weight: int }
}"""


@pytest.mark.parametrize(
    "text",
    [
        "has resource.inner.deep and resource.inner.deep.flat == \"x\"",
        "has resource.inner.deep.deep and resource.inner.deep.deep == resource.inner.deep.flat",
        "has resource.inner.deep.flat and resource.inner.deep.flat == \"x\"",
        "(resource.inner.deep.deep ?? \"x\") == \"x\"",
        "(resource.maps[\"a\"].deep ?? \"x\") == \"x\"",
        "has resource.maps[\"a\"].deep and resource.maps[\"a\"].deep == \"x\"",
        "\"a\" in resource.maps and has resource.maps[\"a\"].deep",
    ],
)  # fmt: skip
def test_a_guard_looks_along_the_whole_chain(text: str) -> None:
    assert condition(text, given=SCHEMA, head="resource order")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("has resource.inner.flat", "PDP306 `resource.inner.flat` is not optional"),
        ("resource.inner.deep.flat == \"x\"", "PDP305 `resource.inner.deep` may be absent"),
        ("has resource.inner.deep and resource.inner.deep.deep == \"x\"",
         "PDP305 `resource.inner.deep.deep` may be absent"),
        ("resource.maps[lower(resource.id)].deep == \"x\"", "PDP305 `resource.maps[…]` may be absent"),
        ("\"a\" in resource.maps and resource.maps[\"a\"].deep == \"x\"",
         "PDP305 `resource.maps[\"a\"].deep` may be absent"),
    ],
)  # fmt: skip
def test_an_unguarded_step_is_named(text: str, expected: str) -> None:
    assert told(f'{SCHEMA} forbid it {{ resource order when {text} because "x" }}')[0] == expected


def test_many_types_that_have_an_attribute_are_named_in_part() -> None:
    (found,) = told(f'{SCHEMA} forbid it {{ when resource.size > 1 because "x" }}')
    assert found == (
        "PDP322 only `resource four`, `resource one`, `resource three` and 1 more have `resource.size`"
    )


@pytest.mark.parametrize(
    "text",
    ["context.any == 3", "context.any.more == 3", 'context.any["key"] == 3', "context.any[context.key] == 3",
     "resource.any > 3", "action.any in [1, 2]", "has context.any.more", "(context.any ?? 3) > 2",
     'has context.any["key"]', "any x in context.any: x == 3", "context.any in context.more",
     "context.any + 1 > 2", "-context.any > 2", "lower(context.any) == \"x\"", "context.any"],
)  # fmt: skip
def test_where_policies_are_not_strict_anything_may_be_read(text: str) -> None:
    found = checked(f'{SCHEMA} forbid it {{ resource order when {text} because "x" }}', strict=False)
    assert found.diagnostics == ()
    assert len(found.policies.rules) == 1


@pytest.mark.parametrize(
    "text",
    [
        "context.any ?? true",
        "if credential.bound then context.any else true",
        "if context.any then context.a else b",
    ],
)
def test_what_may_be_dynamic_stays_of_unknown_type(text: str) -> None:
    found = checked(f'let b = true forbid it {{ when ({text}) because "x" }}', strict=False)
    assert found.policies.rules[0].conditions[0].term.type == UNKNOWN


def test_an_attribute_that_not_every_resource_declares_is_dynamic_where_policies_are_not_strict() -> None:
    text = f'{SCHEMA} forbid it {{ HEAD when has resource.weight and resource.weight > 1 because "x" }}'
    for head, known in (("resource five", True), ("", False)):
        found = checked(text.replace("HEAD", head).replace("has resource.weight and", "" if known else
                        "has resource.weight and"), strict=False)  # fmt: skip
        (rule,) = found.policies.rules
        compare = rule.conditions[0].term if known else rule.conditions[0].term.operands[1]
        assert (compare.left.type == UNKNOWN) is not known


def test_what_a_credential_or_task_has_is_fixed_even_then() -> None:
    assert told('forbid it { when credential.any because "x" }', strict=False) == [
        "PDP307 `credential` has no attribute `any`"
    ]


def test_what_nobody_declares_is_told_once_a_rule() -> None:
    rule = 'forbid it { when context.a > 1 and context.a < 3 when context.b > 1 because "x" }'
    assert told(f"{rule} {rule.replace('it', 'other')}") == [
        "PDP406 no schema declares `context.a`", "PDP406 no schema declares `context.b`",
        "PDP406 no schema declares `context.a`", "PDP406 no schema declares `context.b`",
    ]  # fmt: skip


def test_a_root_with_attributes_of_two_types_is_whole_without_them() -> None:
    schema = "schema { resource order { size: int } resource box { size: string } }"
    given = f"{schema} def named(r: {{ id: string }}) = r.id == caller.id"
    assert condition("named(resource)", given=given) == condition("resource.id == caller.id")
    (found,) = told(
        f'{given} def sized(r: {{ size: int }}) = r.size > 1 forbid it {{ when sized(resource) because "x" }}'
    )
    assert found.startswith("PDP310 `r` of `sized`")
