"""From what the grammar matched to syntax nodes: one method per production. Knows the order of children.

Children come with every token kept, so a node's span runs from its first child to its last.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from pdp.language import syntax
from pdp.language.diagnostic import Diagnostic
from pdp.language.lex import Token
from pdp.language.source import Span

MAX_MEMBERS = 10_000

Children = list[Any]


class Refused(Exception):
    """The grammar allows it and the language does not. Carries the diagnostic."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


# What `Span(…)` does, without its check of arguments: every node has one.
_new = tuple.__new__


def _span(children: Children) -> Span:
    path, start, _ = children[0].span
    return _new(Span, (path, start, children[-1].span[2]))


def _nodes(children: Children) -> tuple[Any, ...]:
    return tuple([child for child in children if type(child) is not Token])


class Build:
    """The methods that the parser calls as it reduces. Holds no state."""

    def name(self, children: Children) -> syntax.Name:
        (token,) = children
        return syntax.Name(token.value, span=token.span)

    root_name = name

    def dotted(self, children: Children) -> syntax.Name:
        if len(children) == 1:
            return syntax.Name(children[0].value, span=children[0].span)
        return syntax.Name("".join(token.value for token in children), span=_span(children))

    def use(self, children: Children) -> syntax.Use:
        return syntax.Use(children[1], children[3] if len(children) > 2 else None, span=_span(children))

    def schema(self, children: Children) -> syntax.Schema:
        return syntax.Schema(_nodes(children), span=_span(children))

    def schema_entry(self, children: Children) -> syntax.SchemaEntry:
        key = children[1] if len(children) == 3 else None
        return syntax.SchemaEntry(children[0].value, key, children[-1], span=_span(children))

    def enum_type(self, children: Children) -> syntax.EnumType:
        for child in children:
            if type(child) is not Token and type(child) is not syntax.Text:
                message = "only texts stand on both sides of `|`"
                raise Refused(Diagnostic("PDP101", child.span, message, 'an enum is `"a" | "b"`'))
        return syntax.EnumType(cast(tuple[syntax.Text, ...], _nodes(children)), span=_span(children))

    def named_type(self, children: Children) -> syntax.NamedType:
        return syntax.NamedType(children[0].value, span=children[0].span)

    def set_type(self, children: Children) -> syntax.SetType:
        return syntax.SetType(_type(children[2]), span=_span(children))

    def map_type(self, children: Children) -> syntax.MapType:
        return syntax.MapType(_type(children[2]), span=_span(children))

    def record_type(self, children: Children) -> syntax.RecordType:
        return syntax.RecordType(_nodes(children), span=_span(children))

    def field(self, children: Children) -> syntax.Field:
        return syntax.Field(children[0], len(children) == 4, _type(children[-1]), span=_span(children))

    def let(self, children: Children) -> syntax.Let:
        return syntax.Let(children[1], children[3], span=_span(children))

    def parameter(self, children: Children) -> syntax.Parameter:
        return syntax.Parameter(children[0], _type(children[2]), span=_span(children))

    def def_(self, children: Children) -> syntax.Def:
        name, *parameters, body = _nodes(children)
        return syntax.Def(name, tuple(parameters), body, span=_span(children))

    # ── rules ───────────────────────────────────────────────────────────────────────────────────────

    def annotation(self, children: Children) -> syntax.Annotation:
        name, *arguments = _nodes(children)
        return syntax.Annotation(name, tuple(arguments), span=_span(children))

    def rule(self, children: Children) -> syntax.Rule:
        at = 0
        while type(children[at]) is syntax.Annotation:
            at += 1
        return syntax.Rule(
            tuple(children[:at]), children[at].value, children[at + 1], tuple(children[at + 3 : -1]),
            span=_span(children),
        )  # fmt: skip

    def groups(self, children: Children) -> Children:
        # Stays a list: only a caller clause has one, as its last part.
        return children

    def caller_clause(self, children: Children) -> syntax.CallerClause:
        span, groups = _span(children[:-1] + children[-1] if isinstance(children[-1], list) else children), ()
        if isinstance(children[-1], list):
            groups = _nodes(children.pop())
        kind = None
        if len(children) > 1 and type(children[1]) is Token:
            kind = children[1].value
        return syntax.CallerClause(kind, _nodes(children), groups, span=span)

    def audience_clause(self, children: Children) -> syntax.AudienceClause:
        return syntax.AudienceClause(_nodes(children), span=_span(children))

    def action_clause(self, children: Children) -> syntax.ActionClause:
        return syntax.ActionClause(_nodes(children), span=_span(children))

    def resource_clause(self, children: Children) -> syntax.ResourceClause:
        type_, *patterns = _nodes(children) or (None,)
        return syntax.ResourceClause(type_, tuple(patterns), span=_span(children))

    def when(self, children: Children) -> syntax.When:
        return syntax.When(children[1], children[0].type == "UNLESS", span=_span(children))

    def require(self, children: Children) -> syntax.Require:
        return syntax.Require(children[1], children[2], children[0].type == "REQUIRE", span=_span(children))

    def because(self, children: Children) -> syntax.Because:
        return syntax.Because(children[1], span=_span(children))

    # ── asserts and tests ───────────────────────────────────────────────────────────────────────────

    def assert_(self, children: Children) -> syntax.Assert:
        because = children[7] if len(children) == 9 else None
        return syntax.Assert(children[1], children[3].value, children[6], because, span=_span(children))

    def fixture(self, children: Children) -> syntax.Fixture:
        name, *clauses = _nodes(children)
        return syntax.Fixture(name, tuple(clauses), span=_span(children))

    def test(self, children: Children) -> syntax.Test:
        name, *rest = _nodes(children)
        using = tuple(node for node in rest if type(node) is syntax.Name)
        return syntax.Test(name, using, tuple(rest[len(using) :]), span=_span(children))

    def test_caller(self, children: Children) -> syntax.TestCaller:
        kind = children[1].value if len(children) > 1 and type(children[1]) is Token else None
        id, record = _stated(_nodes(children))
        return syntax.TestCaller(kind, id, record, span=_span(children))

    def test_audience(self, children: Children) -> syntax.TestAudience:
        return syntax.TestAudience(_value(children[1]), span=_span(children))

    def test_action(self, children: Children) -> syntax.TestAction:
        id, record = _stated(_nodes(children))
        return syntax.TestAction(id, record, span=_span(children))

    def test_resource(self, children: Children) -> syntax.TestResource:
        id, record = _stated(_nodes(children)[1:])
        return syntax.TestResource(children[1], id, record, span=_span(children))

    def test_record(self, children: Children) -> syntax.TestRecord:
        return syntax.TestRecord(children[0].value, children[1], span=_span(children))

    def test_now(self, children: Children) -> syntax.TestNow:
        return syntax.TestNow(_value(children[1]), span=_span(children))

    def row(self, children: Children) -> syntax.Row:
        return syntax.Row(_nodes(children), span=_span(children))

    def table(self, children: Children) -> syntax.Table:
        nodes = _nodes(children)
        names = tuple(node for node in nodes if type(node) is syntax.Name)
        return syntax.Table(names, nodes[len(names) :], span=_span(children))

    def outcome(self, children: Children) -> syntax.Outcome:
        return syntax.Outcome(children[0].value, span=children[0].span)

    def expect(self, children: Children) -> syntax.Expect:
        parts: dict[str, list[syntax.Name]] = {}
        part: list[syntax.Name] = []
        for child in children[2:]:
            if type(child) is not Token:
                part.append(child)
            elif child.type != "COMMA":
                part = parts.setdefault(child.type, [])
        rules = tuple(parts["BY"]) if "BY" in parts else None
        reason = parts.get("REASON", [None])[0]
        return syntax.Expect(
            children[1], rules, reason, tuple(parts.get("REQUIRE", ())), span=_span(children)
        )

    # ── expressions ─────────────────────────────────────────────────────────────────────────────────

    def bool(self, children: Children) -> syntax.Bool:
        return syntax.Bool(children[0].type == "TRUE", span=children[0].span)

    def int(self, children: Children) -> syntax.Int:
        return syntax.Int(children[0].value, span=children[0].span)

    def float(self, children: Children) -> syntax.Float:
        return syntax.Float(children[0].value, span=children[0].span)

    def text(self, children: Children) -> syntax.Text:
        (token,) = children
        return syntax.Text(token.value, span=token.span)

    def duration(self, children: Children) -> syntax.Duration:
        value: timedelta = children[0].value
        return syntax.Duration(value, span=children[0].span)

    def timestamp(self, children: Children) -> syntax.Timestamp:
        return syntax.Timestamp(children[0].value, span=children[0].span)

    def set_expression(self, children: Children) -> syntax.SetExpression:
        members = _nodes(children)
        if len(members) > MAX_MEMBERS:
            message = f"a set has at most {MAX_MEMBERS:_} members; this one has {len(members):_}"
            raise Refused(Diagnostic("PDP110", _span(children), message))
        return syntax.SetExpression(members, span=_span(children))

    def record_expression(self, children: Children) -> syntax.RecordExpression:
        return syntax.RecordExpression(_nodes(children), span=_span(children))

    def entry(self, children: Children) -> syntax.Entry:
        key = children[0]
        if type(key) is syntax.Text:
            key = syntax.Name(key.value, span=key.span)
        return syntax.Entry(key, children[2], span=_span(children))

    def if_(self, children: Children) -> syntax.If:
        return syntax.If(children[1], children[3], children[5], span=_span(children))

    def quantifier(self, children: Children) -> syntax.Quantifier:
        kind, variable, _, over, _, condition = children
        return syntax.Quantifier(kind.value, variable, over, condition, span=_span(children))

    def binary(self, children: Children) -> syntax.Binary:
        left, operator, right = children
        return syntax.Binary(operator.value, left, right, span=_span(children))

    def not_(self, children: Children) -> syntax.Not:
        return syntax.Not(children[1], span=_span(children))

    def negate(self, children: Children) -> syntax.Negate:
        return syntax.Negate(children[1], span=_span(children))

    def has(self, children: Children) -> syntax.Has:
        return syntax.Has(children[1], span=_span(children))

    def attribute(self, children: Children) -> syntax.Attribute:
        object, _, name = children
        return syntax.Attribute(object, name, span=_span(children))

    def index(self, children: Children) -> syntax.Index:
        return syntax.Index(children[0], children[2], span=_span(children))

    def call(self, children: Children) -> syntax.Call:
        function, *arguments = _nodes(children)
        return syntax.Call(_function(function), tuple(arguments), span=_span(children))

    def group(self, children: Children) -> Any:
        # With its parentheses, so that the text of what stands around it is whole.
        return replace(children[1], span=_span(children))


# Productions whose names are Python's own words.
for _word in ("def", "if", "assert", "not"):
    setattr(Build, _word, getattr(Build, f"{_word}_"))


def _type(node: Any) -> Any:
    """A single text is the enum of that text."""
    return syntax.EnumType((node,), span=node.span) if type(node) is syntax.Text else node


def _stated(nodes: tuple[Any, ...]) -> tuple[Any, Any]:
    record = nodes[-1] if nodes and type(nodes[-1]) is syntax.RecordExpression else None
    value = nodes[0] if nodes and nodes[0] is not record else None
    return None if value is None else _value(value), record


def _value(node: Any) -> Any:
    """A dotted name where a value is stated is the same tree as in an expression."""
    if type(node) is not syntax.Name or "." not in node.text:
        return node
    path, at, _ = node.span
    first, *rest = node.text.split(".")
    end = at + len(first)
    value: Any = syntax.Name(first, span=Span(path, at, end))
    for part in rest:
        name = syntax.Name(part, span=Span(path, end + 1, end + 1 + len(part)))
        end += 1 + len(part)
        value = syntax.Attribute(value, name, span=Span(path, at, end))
    return value


def _function(node: Any) -> syntax.Name:
    parts: list[str] = []
    inner = node
    while type(inner) is syntax.Attribute:
        parts.append(inner.name.text)
        inner = inner.object
    if type(inner) is not syntax.Name:
        raise Refused(Diagnostic("PDP101", node.span, "only a function can be called"))
    return syntax.Name(".".join((inner.text, *reversed(parts))), span=node.span)
