"""Generated functions: what they give, where they stand, and what they can reach."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from pdp.access.facts import Facts
from pdp.access.values import Failed, parse_ip
from pdp.language.source import Source, Span
from pdp.program.emit import bind, guards_code, values_code
from pdp.program.lower import Lowering
from pdp.program.runtime import CALLABLE, GLOBALS
from pdp.rules.terms import (
    And,
    Arithmetic,
    Compare,
    Const,
    Default,
    If,
    In,
    Item,
    Member,
    Negative,
    Not,
    Quantify,
    Root,
    Term,
    Variable,
)
from pdp.schema.types import BOOL, INT, STRING, MapOf, SetOf

FACTS = Facts(
    caller={"id": "alice"},
    credential={},
    audience="ledger",
    action={"name": "go"},
    resource={"type": "t", "id": "r", "amount": 5, "labels": frozenset("ab")},
    task={"active": False},
    context={"map": {"a": "b", "b": "c"}},
    now=datetime(2026, 1, 1, tzinfo=UTC),
)
AMOUNT = Member(Root("resource"), "amount", type=INT)
LABELS = Member(Root("resource"), "labels", type=SetOf(STRING))
ABSENT = Member(Root("resource"), "nothing", type=INT)


def value(term: Term) -> Any:
    lowering = Lowering(Span("", 0, 0))
    code = values_code("m.r", [("it", lowering.of(term))], lowering, {})
    return bind(code, "m.r", lowering.constants)(FACTS)["it"]


# Values.


def test_a_function_gives_its_values_in_the_order_written():
    lowering = Lowering(Span("", 0, 0))
    values = [
        (name, lowering.of(term))
        for name, term in (("b", AMOUNT), ("a", Const("x")), ("c", Root("audience")))
    ]
    made = bind(values_code("m.r", values, lowering, {}), "m.r", lowering.constants)(FACTS)
    assert list(made.items()) == [("b", 5), ("a", "x"), ("c", "ledger")]


def test_arithmetic_is_pythons_within_64_bits():
    assert value(Arithmetic("*", Negative(AMOUNT, type=INT), Const(3), type=INT)) == -15
    with pytest.raises(Failed) as caught:
        value(Arithmetic("+", AMOUNT, Const(2**63 - 1), type=INT))
    assert (caught.value.kind, caught.value.what) == ("overflow", "+")


def test_what_is_absent_is_a_key_error_with_its_name():
    with pytest.raises(KeyError) as caught:
        value(ABSENT)
    assert caught.value.args == ("nothing",)


def test_what_is_not_reached_is_not_evaluated():
    assert value(Default(AMOUNT, ABSENT, type=INT)) == 5
    assert value(If(Const(True), AMOUNT, ABSENT, type=INT)) == 5
    assert value(And((Not(Const(True)), Compare("<", ABSENT, Const(1))))) is False


def test_what_is_kept_in_an_any_is_kept_for_each_of_its_members():
    named = Default(
        Item(Member(Root("context"), "map", type=MapOf(STRING)), Variable("x", type=STRING), type=STRING),
        Root("audience"),
        type=STRING,
    )
    assert value(Quantify("any", "x", LABELS, Compare("==", named, Const("c")))) is True
    assert value(Quantify("all", "x", LABELS, Compare("==", named, Const("c")))) is False


def test_an_any_sees_the_variables_around_it():
    same = Compare("==", Variable("x", type=STRING), Variable("y", type=STRING))
    assert value(Quantify("all", "x", LABELS, Quantify("any", "y", LABELS, same))) is True


def test_those_within_one_another_fail_where_together_they_visit_too_many():
    large = Const(frozenset(range(1_001)))
    one_by_one = Quantify("any", "y", large, Compare("==", Variable("x", type=INT), Variable("y", type=INT)))
    assert value(Quantify("all", "x", LABELS, Quantify("any", "y", large, Const(True)))) is True
    with pytest.raises(Failed) as caught:
        value(Quantify("all", "x", large, one_by_one))
    assert (caught.value.kind, caught.value.what) == ("limit", "any")


_NETWORKS = [
    parse_ip(text)
    for text in (
        "10.0.0.0/8", "10.0.0.0/9", "10.1.2.3", "11.0.0.0", "0.0.0.0/0", "::ffff:10.1.2.3",
        "::/0", "::a00:0/104", "::a01:203",
    )
]  # fmt: skip


@pytest.mark.parametrize(("item", "network"), [*product(_NETWORKS, repeat=2)], ids=str)
def test_an_address_or_network_lies_in_a_literal_network_as_that_one_tells(item, network):
    assert value(In("network", Const(item), Const(network))) is (item in network)


def test_guards_are_asked_in_order_until_one_does_not_hold():
    lowering = Lowering(Span("", 0, 0))
    guards = [(0, True, lowering.of(Compare("<", AMOUNT, Const(10)))), (0, False, lowering.of(Const(True)))]
    guards.append((0, True, lowering.of(Compare("<", ABSENT, Const(1)))))
    assert bind(guards_code("m.r", guards, lowering, {}), "m.r", lowering.constants)(FACTS) is False
    assert bind(guards_code("m.r", guards[:1], lowering, {}), "m.r", lowering.constants)(FACTS) is True


def test_an_operation_that_nobody_lowers_to_is_not_emitted():
    lowering = Lowering(Span("", 0, 0))
    with pytest.raises(AssertionError, match="import"):
        values_code("m.r", [("it", ("import", 0, "os"))], lowering, {})


# What they can reach.


def test_generated_code_knows_no_names_but_those_of_the_runtime():
    lowering = Lowering(Span("", 0, 0))
    hidden = Item(Member(Root("context"), "map", type=MapOf(STRING)), Const("__class__"), type=STRING)
    code = values_code("__import__", [("__globals__", lowering.of(hidden))], lowering, {})
    function: Any = bind(code, "__import__", lowering.constants)
    assert function.__builtins__ == {}
    assert function.__globals__ is GLOBALS
    assert set(code.co_names) == {"context", "item"} <= CALLABLE.keys() | set(Facts.__struct_fields__)
    with pytest.raises(Failed):
        function(FACTS)


# Where they stand.

TEXT = '# größe 😀\npermit r {\r\n  when "größe" == audience and\n       resource.nothing < 5\n}\n'


def span(text: str, path: str = "m.policy") -> Span:
    start = TEXT.index(text)
    return Span(path, start, start + len(text))


def placed(inner: str, path: str = "m.policy") -> traceback.FrameSummary:
    """Where a guard that reads something absent at `inner` is said to have failed."""
    absent = Member(Root("resource"), "nothing", type=INT, span=span(inner, path))
    lowering = Lowering(span("r {"))
    at = lowering.at(span('when "größe" == audience and\n       resource.nothing < 5'))
    greeting = Compare(
        "==", Const("ledger"), Root("audience", type=STRING), span=span('"größe" == audience'), type=BOOL
    )
    few = Compare("<", absent, Const(5), span=span("resource.nothing < 5", path), type=BOOL)
    both = And((greeting, few), span=span('"größe" == audience and\n       resource.nothing < 5'), type=BOOL)
    code = guards_code(
        "m.r", [(at, True, lowering.of(both))], lowering, {"m.policy": Source("m.policy", "m", TEXT)}
    )
    with pytest.raises(KeyError) as caught:
        bind(code, "m.r", lowering.constants)(FACTS)
    return traceback.extract_tb(caught.value.__traceback__)[-1]


def test_a_node_stands_at_its_line_and_at_its_columns_in_bytes():
    frame = placed("resource.nothing")
    assert (frame.filename, frame.name, frame.lineno, frame.end_lineno) == ("m.policy", "m.r", 4, 4)
    assert (frame.colno, frame.end_colno) == (7, 23)
    frame = placed("audience and")
    # `größe` has two letters of two bytes.
    assert (frame.lineno, frame.colno, frame.end_colno) == (3, 20, 32)


def test_what_was_inlined_from_another_file_stands_where_it_was_put():
    frame = placed("resource.nothing", "other.policy")
    assert (frame.filename, frame.lineno, frame.colno) == ("m.policy", 3, 7)


def guards_code_without_a_source_stands_somewhere():
    lowering = Lowering(Span("", 0, 0))
    code = guards_code("m.r", [], lowering, {})
    assert (code.co_filename, code.co_firstlineno) == ("<policy>", 1)
