"""Which operation each term becomes, by the types of its operands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pdp.access.values import parse_ip
from pdp.language.source import Span
from pdp.program.lower import Code, Lowering, family
from pdp.rules.terms import (
    And,
    Arithmetic,
    Call,
    Compare,
    Const,
    Default,
    Has,
    If,
    In,
    Item,
    Member,
    Negative,
    Not,
    Or,
    Quantify,
    Root,
    SetTerm,
    Term,
    Variable,
)
from pdp.schema.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    IP,
    STRING,
    TIMESTAMP,
    UNKNOWN,
    Enum,
    MapOf,
    RecordOf,
    SetOf,
    Type,
    record,
)

HERE = Span("a.policy", 0, 1)
RESOURCE = Root("resource")


def of(type: Type, name: str = "x") -> Term:
    """An attribute of that type."""
    return Member(RESOURCE, name, type=type)


def lowered(term: Term) -> Any:
    """The code of `term`, its place numbers left out and its slots as they are numbered."""
    return _plain(Lowering(HERE).of(term))


def _plain(code: Any) -> Any:
    if isinstance(code, tuple):
        operation, _, *rest = code
        return (operation, *map(_plain, rest))
    return code


def operations(code: Code) -> list[str]:
    """Every operation in `code`, from the outside in."""
    inner = [operations(part) for part in code[2:] if isinstance(part, tuple)]
    return [code[0], *(operation for part in inner for operation in part)]


X = ("member", ("fact", "resource"), "x")
LITERAL = ("constant", 0)

_ONES: dict[Type, Any] = {
    BOOL: True, INT: 1, FLOAT: 1.5, STRING: "a", DURATION: timedelta(1), IP: parse_ip("10.0.0.1"),
    TIMESTAMP: datetime(2026, 1, 1, tzinfo=UTC), SetOf(INT): frozenset({1}),
}  # fmt: skip


# Types decide whether Python's own operator will do.


@pytest.mark.parametrize("type", [BOOL, INT, STRING, DURATION, TIMESTAMP, IP, SetOf(INT)])
def test_values_of_one_known_type_are_equal_as_in_python(type):
    equal = lowered(Compare("==", of(type), Const(_ONES[type])))
    assert equal == ("compare", "==", X, LITERAL)


@pytest.mark.parametrize(
    ("left", "right"), [(UNKNOWN, UNKNOWN), (UNKNOWN, INT), (INT, UNKNOWN), (FLOAT, FLOAT), (INT, FLOAT)]
)
def test_equality_of_what_only_a_request_will_tell_or_of_floats_is_checked_there(left, right):
    equal = lowered(Compare("==", of(left), of(right)))
    assert equal == ("call", "compare", ("text", "=="), X, X)


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
@pytest.mark.parametrize(
    ("left", "right"),
    [(INT, INT), (FLOAT, INT), (INT, FLOAT), (STRING, STRING), (DURATION, DURATION), (TIMESTAMP, TIMESTAMP)],
)
def test_what_has_an_order_is_compared_as_in_python(operator, left, right):
    assert lowered(Compare(operator, of(left), of(right))) == ("compare", operator, X, X)


@pytest.mark.parametrize(
    ("left", "right"), [(UNKNOWN, INT), (STRING, UNKNOWN), (BOOL, BOOL), (IP, IP), (STRING, INT)]
)
def test_any_other_order_is_checked_where_it_is_asked(left, right):
    assert lowered(Compare("<", of(left), of(right))) == ("call", "compare", ("text", "<"), X, X)


@pytest.mark.parametrize(("left", "right"), [(INT, INT), (INT, FLOAT), (FLOAT, FLOAT)])
def test_numbers_are_computed_as_in_python_and_kept_in_range(left, right):
    total = lowered(Arithmetic("+", of(left), of(right)))
    assert total == ("call", "in_range", ("compute", "+", X, X), ("text", "+"))
    assert lowered(Negative(of(left))) == ("call", "in_range", ("minus", X), ("text", "-"))


@pytest.mark.parametrize(("operator", "function"), [("+", "add"), ("-", "subtract"), ("*", "multiply")])
@pytest.mark.parametrize(("left", "right"), [(DURATION, DURATION), (UNKNOWN, INT), (INT, DURATION)])
def test_other_arithmetic_is_a_call(operator, function, left, right):
    assert lowered(Arithmetic(operator, of(left), of(right))) == ("call", function, X, X)


@pytest.mark.parametrize("type", [DURATION, UNKNOWN])
def test_the_opposite_of_anything_but_a_number_is_a_call(type):
    assert lowered(Negative(of(type))) == ("call", "negate", X)


# Conditions.


def test_what_is_surely_a_condition_is_taken_as_it_is():
    for term in (of(BOOL), Const(True), Has(of(INT)), Not(of(BOOL)), Compare("==", of(INT), Const(1))):
        assert "truth" not in str(lowered(Not(term)))


def test_what_may_be_no_condition_is_asked_and_the_failure_names_who_needed_it():
    doubtful = of(UNKNOWN)
    checked = [("call", "truth", X, ("text", name)) for name in ("not", "and", "or", "if", "any")]
    assert lowered(Not(doubtful))[1] == checked[0]
    assert lowered(And((doubtful, of(BOOL)))) == ("and", checked[1], X)
    assert lowered(Or((of(BOOL), doubtful))) == ("or", X, checked[2])
    assert lowered(If(doubtful, Const(1), Const(2)))[1] == checked[3]
    assert lowered(Quantify("any", "a", of(SetOf(INT)), doubtful))[4] == checked[4]
    assert _plain(Lowering(HERE).condition(doubtful, "when")) == ("call", "truth", X, ("text", "when"))


# Members, and what may be absent.


def test_a_member_of_a_record_is_a_subscript_and_of_anything_else_a_call():
    assert lowered(Member(of(record(y=INT)), "y")) == ("member", X, "y")
    assert lowered(Member(of(UNKNOWN), "y")) == ("call", "member", X, ("text", "y"))
    assert lowered(Item(of(MapOf(INT)), Const("y"))) == ("call", "item", X, LITERAL)


def test_audience_and_now_are_values_and_no_records():
    assert family(Root("audience")) == "string"
    assert family(Root("now")) == "timestamp"
    assert lowered(Root("now")) == ("fact", "now")


def test_has_and_a_constant_default_look_once_into_the_record():
    assert lowered(Has(of(INT))) == ("compare", "in", ("text", "x"), ("fact", "resource"))
    assert lowered(Default(of(INT), Const(5))) == ("get", ("fact", "resource"), "x", LITERAL)


def test_a_default_that_must_be_computed_is_computed_only_where_it_is_needed():
    found = ("get", ("fact", "resource"), "x", ("missing",))
    asked = lowered(Default(of(INT), of(INT, "y")))
    otherwise = ("member", ("fact", "resource"), "y")
    assert asked == ("if", ("there", ("keep", "kept1", found)), ("kept", "kept1"), otherwise)


def test_a_chain_is_looked_for_from_its_beginning():
    first = ("get", ("fact", "resource"), "x", ("missing",))
    second = ("call", "find_member", first, ("text", "y"))
    assert lowered(Has(Member(of(UNKNOWN), "y"))) == ("there", second)
    third = ("call", "find_member", second, ("text", "z"))
    assert lowered(Has(Member(Member(of(UNKNOWN), "y"), "z"))) == ("there", third)


def test_a_key_is_evaluated_only_where_there_is_a_map():
    map = ("there", ("keep", "kept1", ("get", ("fact", "resource"), "x", ("missing",))))
    item = ("call", "find_item", ("kept", "kept1"), ("fact", "audience"))
    assert lowered(Has(Item(of(MapOf(INT)), Root("audience")))) == ("there", ("if", map, item, ("missing",)))


def test_a_chain_that_begins_with_a_value_begins_with_its_evaluation():
    chosen = If(of(BOOL), of(MapOf(INT)), of(MapOf(INT)), type=MapOf(INT))
    found = ("call", "find_member", ("if", X, X, X), ("text", "y"))
    assert lowered(Has(Member(chosen, "y"))) == ("there", found)


def test_what_is_kept_in_one_function_has_names_of_its_own():
    item = Has(Item(of(MapOf(INT)), Const("a")))
    code = str(lowered(And((item, item))))
    assert [code.count(f"'kept{number}'") for number in (1, 2, 3)] == [2, 2, 0]


# Sets.


@pytest.mark.parametrize("type", [BOOL, INT, STRING, DURATION, TIMESTAMP])
def test_a_value_is_looked_up_in_a_set_of_its_type_as_in_python(type):
    literal = Const(frozenset({_ONES[type]}))
    assert lowered(In("set", of(type), literal)) == ("compare", "in", X, LITERAL)
    assert lowered(In("set", of(type), of(SetOf(type)))) == ("compare", "in", X, X)


def test_an_enum_is_text():
    level = Enum(("low", "high"))
    assert lowered(In("set", of(level), Const(frozenset({"low"})))) == ("compare", "in", X, LITERAL)
    assert lowered(In("key", of(level), of(MapOf(INT)))) == ("compare", "in", X, X)


@pytest.mark.parametrize(
    ("item", "container"),
    [
        (of(UNKNOWN), of(SetOf(STRING))),
        (of(STRING), of(UNKNOWN)),
        (of(INT), of(SetOf(UNKNOWN))),
        (of(STRING), of(RecordOf(()))),
        (of(FLOAT), of(SetOf(FLOAT))),
        (of(IP), of(SetOf(IP))),
        (of(BOOL), Const(frozenset({1}))),
        (of(INT), Const(frozenset({1, "a"}))),
        (of(INT), Const(frozenset())),
        (of(INT), Const(7)),
    ],
)  # fmt: skip
def test_where_python_might_find_another_thing_the_types_are_checked(item, container):
    operation, function, *_ = lowered(In("set", item, container))
    assert (operation, function) == ("call", "is_in")


def test_literal_networks_are_prepared_and_others_asked_one_by_one():
    networks = frozenset({parse_ip("10.0.0.0/8"), parse_ip("::1")})
    lowering = Lowering(HERE)
    assert _plain(lowering.of(In("networks", of(IP), Const(networks)))) == ("apply", 0, X)
    assert lowering.constants[0](parse_ip("10.1.2.3"))


def test_whether_an_address_lies_in_a_literal_network_is_compared_in_place_and_once_evaluated():
    network = parse_ip("10.0.0.0/8")
    lowering = Lowering(HERE)
    assert _plain(lowering.of(In("network", of(IP), Const(network)))) == (
        "and",
        ("compare", "==", ("part", ("keep", "kept1", X), "family"), ("constant", 0)),
        ("compare", "<=", ("constant", 1), ("part", ("kept", "kept1"), "first")),
        ("compare", "<=", ("part", ("kept", "kept1"), "last"), ("constant", 2)),
    )
    assert lowering.constants == [network.family, network.first, network.last]
    assert lowered(In("network", of(IP), of(IP))) == ("compare", "in", X, X)


def test_rules_that_name_the_same_networks_share_what_was_prepared():
    networks = frozenset({parse_ip("10.0.0.0/8"), parse_ip("::1")})
    one, other = Lowering(HERE), Lowering(HERE)
    one.of(In("networks", of(IP), Const(networks)))
    other.of(In("networks", of(IP, "y"), Const(networks)))
    assert one.constants[0] is other.constants[0]


def test_a_set_of_values_is_made_where_it_is_asked():
    assert lowered(SetTerm((of(INT), Const(2)))) == ("call", "set_of", X, LITERAL)
    assert family(SetTerm((of(INT),))) == "set"


def test_any_and_all_are_given_a_small_literal_set_in_order():
    lowering = Lowering(HERE)
    same = Compare("==", Variable("a", type=STRING), of(STRING))
    code = lowering.of(Quantify("all", "a", Const(frozenset("cab")), same))
    assert _plain(code) == ("each", "all", "each0", LITERAL, ("compare", "==", ("variable", "each0"), X))
    assert lowering.constants == [("a", "b", "c")]


@pytest.mark.parametrize(
    "over",
    [of(SetOf(INT)), of(MapOf(INT)), of(UNKNOWN), Const(frozenset({1, "a"}))],
)
def test_any_and_all_put_every_other_set_in_order_where_they_are_asked(over):
    members = lowered(Quantify("any", "a", over, Const(True)))[3]
    assert (members[:2], members[-1]) == (("call", "visited"), ("text", "any"))


def test_those_within_one_another_are_told_what_is_around_them():
    inner = Quantify("all", "b", Const(frozenset({1})), Const(True))
    middle = Quantify("any", "c", of(SetOf(INT)), Not(inner))
    outer = Quantify("any", "a", of(SetOf(INT)), middle)
    _, _, _, first, (_, _, _, second, (_, (_, _, _, third, _))) = lowered(outer)
    assert first == ("keep", "kept1", ("call", "visited", X, ("text", "any")))
    times = ("keep", "kept2", ("call", "len", ("kept", "kept1")))
    assert second == ("keep", "kept3", ("call", "visited", X, ("text", "any"), times))
    times = ("compute", "*", ("call", "len", ("kept", "kept3")), ("kept", "kept2"))
    assert third == ("call", "bounded", LITERAL, ("text", "all"), times)


def test_variables_are_numbered_by_how_deep_they_stand():
    def at_least(variable: str, then: Term) -> Term:
        large = Compare(">", Variable(variable, type=INT), Const(1))
        return Quantify("any", variable, of(SetOf(INT)), And((large, then)))

    inner = at_least("b", Compare("==", Variable("a", type=INT), Variable("b", type=INT)))
    code = lowered(And((at_least("a", inner), at_least("c", Const(True)))))
    assert [part[2] for part in code[1:]] == ["each0", "each0"]
    assert str(code).count("'each1'") == 3


# Functions.


def test_a_pattern_is_prepared_and_applied():
    lowering = Lowering(HERE)
    assert _plain(lowering.of(Call("like", (of(STRING), Const("a*"))))) == ("apply", 0, X)
    assert lowering.constants[0]("abc")
    assert lowered(Call("matches", (of(STRING), Const("[a-z]+")))) == ("apply", 0, X)


def test_what_may_be_no_text_goes_to_the_function_that_checks_it():
    assert lowered(Call("like", (of(UNKNOWN), Const("a*")))) == ("call", "call_like", X, LITERAL)
    assert lowered(Call("starts_with", (of(UNKNOWN), of(STRING)))) == ("call", "call_starts_with", X, X)
    assert lowered(Call("len", (of(UNKNOWN),))) == ("call", "call_len", X)
    assert lowered(Call("subset", (of(UNKNOWN), of(SetOf(INT))))) == ("call", "call_subset", X, X)
    assert lowered(Call("overlaps", (of(SetOf(INT)), of(UNKNOWN)))) == ("call", "call_overlaps", X, X)


def test_functions_that_python_has_are_pythons_own():
    assert lowered(Call("starts_with", (of(STRING), of(STRING)))) == ("method", "startswith", X, X)
    assert lowered(Call("ends_with", (of(STRING), of(STRING)))) == ("method", "endswith", X, X)
    assert lowered(Call("len", (of(MapOf(INT)),))) == ("call", "len", X)
    assert lowered(Call("subset", (of(SetOf(INT)), of(SetOf(INT))))) == ("compare", "<=", X, X)
    apart = ("method", "isdisjoint", X, X)
    assert lowered(Call("overlaps", (of(SetOf(INT)), of(SetOf(INT))))) == ("not", apart)


def test_other_literal_arguments_are_prepared_where_they_stand():
    lowering = Lowering(HERE)
    hour = lowering.of(Call("hour", (Root("now"), Const("Europe/Berlin")), type=INT))
    assert _plain(hour) == ("call", "call_hour", ("fact", "now"), LITERAL)
    assert str(lowering.constants[0]) == "Europe/Berlin"


# Shape.


def test_code_of_one_shape_is_equal_and_its_constants_are_apart():
    one, other = Lowering(HERE), Lowering(Span("b.policy", 5, 9))
    first = one.of(Compare("<", of(INT), Const(5, span=HERE)))
    second = other.of(Compare("<", of(INT), Const(6, span=Span("b.policy", 7, 8))))
    assert (first, hash(first)) == (second, hash(second))
    assert (one.constants, other.constants) == ([5], [6])


def test_what_many_rules_name_is_one_object_for_all_of_them():
    def constant(value: Any) -> Any:
        lowering = Lowering(HERE)
        lowering.of(Const(value))
        return lowering.constants[0]

    for make in (lambda: "".join(["entries", ":write"]), lambda: timedelta(seconds=300)):
        assert make() is not make()
        assert constant(make()) is constant(make())


def test_code_that_differs_in_more_than_constants_is_not_equal():
    five = Const(5)
    terms = (
        Compare("<", of(INT), five),
        Compare("<=", of(INT), five),
        Compare("<", of(INT, "y"), five),
        Compare("<", five, of(INT)),
        Compare("<", of(UNKNOWN), five),
        Not(Compare("<", of(INT), five)),
    )
    assert len({Lowering(HERE).of(term) for term in terms}) == len(terms)


def test_each_node_knows_its_place():
    spans = [Span("a.policy", at, at + 1) for at in range(3)]
    lowering = Lowering(HERE)
    amount, five = Member(RESOURCE, "x", span=spans[1], type=INT), Const(5, span=spans[2])
    _, at, _, left, right = lowering.of(Compare("<", amount, five, span=spans[0]))
    assert [lowering.places[number] for number in (at, left[1], right[1])] == spans
    assert lowering.places[0] == HERE


def test_code_grows_with_its_term_and_no_faster():
    def deep(depth: int) -> Term:
        """What is looked at twice (is it there, and what is it?) and evaluated once."""
        term: Term = of(STRING)
        for _ in range(depth):
            term = Default(Item(of(MapOf(STRING)), term, type=STRING), Root("audience"), type=STRING)
        return term

    sizes = [len(operations(Lowering(HERE).of(deep(depth)))) for depth in (1, 2, 3, 63, 64)]
    assert sizes[1] - sizes[0] == sizes[2] - sizes[1] == sizes[4] - sizes[3]
