"""From a policy set back to the text of modules that mean it: `let`, `def`, `use` and parentheses at will.

What is written must come out of parser and checker as the rules that went in; nothing of either is used here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Any

from generated.choices import Choices
from pdp.access.values import Ip, in_order
from pdp.language.source import Source
from pdp.rules.rules import Condition, Duty, Head, PolicySet, Rule
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
    parts,
)
from pdp.schema.schema import Schema
from pdp.schema.types import FLOAT, UNKNOWN, Basic, Enum, MapOf, RecordOf, SetOf, Type

# How tightly each kind of expression binds, loosest first.
_WHOLE, _OR, _AND, _NOT, _COMPARISON, _DEFAULT, _SUM, _PRODUCT, _UNARY, _POSTFIX = range(10)
_SHARED = "shared"


def written(policies: PolicySet, choices: Choices) -> list[Source]:
    """The modules of `policies`, in any order, and the one that they share."""
    writer = _Writer(choices)
    modules: dict[str, list[str]] = {}
    for rule in choices.order(policies.rules):
        module, _, name = rule.identity.rpartition(".")
        modules.setdefault(module, []).append(writer.rule(rule, module, name))
    schemas = [f"schema {{ {entry} }}" for entry in _schema_entries(policies.schema)]
    for each in choices.order(schemas):
        modules.setdefault(choices.one((*modules, _SHARED)), []).append(each)
    for module, text in writer.definitions:
        modules.setdefault(module, []).append(text)
    sources = []
    for module, declarations in modules.items():
        alias = writer.aliases.get(module)
        use = [f"use {_SHARED} as {alias}" if alias != _SHARED else f"use {_SHARED}"] if alias else []
        text = "\n".join((*use, *choices.order(declarations)))
        sources.append(Source(module.replace(".", "/") + ".policy", module, text + "\n"))
    return choices.order(sources)


def _schema_entries(schema: Schema) -> Iterable[str]:
    yield f"caller {schema.caller}"
    yield f"context {schema.context}"
    for pattern, record in schema.actions.items():
        yield f"action {_text(pattern)} {record}"
    for name, record in schema.resources.items():
        yield f"resource {name} {record}"


@dataclass(slots=True)
class _Writer:
    """`definitions` are the lets and defs so far, by module; `aliases` what modules call the shared one."""

    choices: Choices
    definitions: list[tuple[str, str]] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    module: str = ""

    # Rules.

    def rule(self, rule: Rule, module: str, name: str) -> str:
        self.module = module
        notes = [f'@owner("{rule.annotations.owner}")'] if rule.annotations.owner else []
        for note, date in (("since", rule.annotations.since), ("sunset", rule.annotations.sunset)):
            notes += [f"@{note}({date.date().isoformat()})"] if date is not None else []
        # Conditions and duties keep their own order: what is tested earlier is known later.
        queues = [
            [self._condition(each) for each in rule.conditions],
            [self._duty(each) for each in rule.duties],
        ]
        queues += [[clause] for clause in self._head(rule.head, permit=rule.effect == "permit")]
        queues += [[f"because {_text(rule.because)}"]] if rule.because else []
        clauses = []
        while queues := [queue for queue in queues if queue]:
            clauses.append(self.choices.one(queues).pop(0))
        body = "".join(f"  {clause}\n" for clause in clauses)
        return f"{' '.join(notes)}\n{rule.effect} {name} {{\n{body}}}"

    def _head(self, head: Head, *, permit: bool) -> Iterable[str]:
        kind = head.kind or ("any" if self.choices.chance(30) else "")
        callers = self._names(head.callers)
        groups = f"in group {self._names(head.groups)}" if head.groups else ""
        if kind or callers or groups or permit:
            kind = kind if kind or callers or groups else "any"
            yield f"caller {kind} {callers} {groups}"
        for clause, names in (("audience", head.audiences), ("action", head.actions)):
            if names or permit or self.choices.chance(20):
                yield f"{clause} {self._names(names) or 'any'}"
        if head.resource_type is not None:
            yield f"resource {head.resource_type} {self._names(head.resource_ids)}"
        elif self.choices.chance(20):
            yield "resource any"

    def _names(self, names: tuple[str, ...] | None) -> str:
        if names is None:
            return ""
        if self.choices.chance(15):
            return self._let(f"[{', '.join(map(_text, names))}]")
        return ", ".join(self._let(_text(name)) if self.choices.chance(5) else _text(name) for name in names)

    def _condition(self, condition: Condition) -> str:
        return f"{'unless' if condition.negated else 'when'} {self.expression(condition.term)}"

    def _duty(self, duty: Duty) -> str:
        values = ", ".join(f"{name}: {self.expression(term)}" for name, term in duty.values)
        return f"{'require' if duty.force else 'advise'} {duty.name} {{ {values} }}"

    # Lets and defs.

    def _define(self, parameters: str, body: Callable[[], str]) -> str:
        """The name of a new definition, as the present module calls it. Its body is written in its own."""
        here = self.module
        there = self.module = _SHARED if self.choices.chance(30) else here
        text = body()
        self.module = here
        name = f"n{len(self.definitions)}"
        self.definitions.append((there, f"{'def' if parameters else 'let'} {name}{parameters} = {text}"))
        if here == there:
            return name
        return f"{self.aliases.setdefault(here, self.choices.one((_SHARED, 's')))}.{name}"

    def _let(self, text: str) -> str:
        return self._define("", lambda: text)

    def _called(self, term: Term) -> str | None:
        """`term` as a let, or as a def called with its variables, and maybe with its right operand too."""
        variables = {variable.name: variable for variable in _variables(term)}
        parameters = {name: variable.type for name, variable in variables.items()}
        arguments = list(variables)
        if self.choices.chance(40):
            for name, (part, type) in _operands(term).items():
                if not _variables(part) and self.choices.chance(60):
                    parameter = f"p{len(parameters)}"
                    parameters[parameter] = type
                    arguments.append(self.expression(part))
                    term = replace(term, **{name: Variable(parameter, type=type)})
        if not all(map(_writable, parameters.values())):
            return None
        listed = ", ".join(f"{name}: {type}" for name, type in parameters.items())
        name = self._define(f"({listed})" if parameters else "", lambda: self._written(term)[0])
        return f"{name}({', '.join(arguments)})" if parameters else name

    # Expressions.

    def expression(self, term: Term, level: int = _WHOLE) -> str:
        """`term` where an operand binds at least as tightly as `level`."""
        if self.choices.chance(6):
            called = self._called(term)
            if called is not None:
                return called
        text, own = self._written(term)
        return f"({text})" if own < level or self.choices.chance(3) else text

    def _written(self, term: Term) -> tuple[str, int]:
        to = self.expression
        match term:
            case Const(value):
                return self._constant(value)
            case Root(name) | Variable(name):
                return name, _POSTFIX
            case Member(record, name):
                return f"{record.name if isinstance(record, Root) else to(record, _POSTFIX)}.{name}", _POSTFIX
            case Item(mapping, key):
                return f"{to(mapping, _POSTFIX)}[{to(key)}]", _POSTFIX
            case Has(Member(Root("task"), "id")) if self.choices.chance(50):
                return "has task", _COMPARISON
            case Has(operand):
                return f"has {to(operand, _POSTFIX)}", _COMPARISON
            case Default(operand, fallback):
                return f"{to(operand, _SUM)} ?? {to(fallback, _DEFAULT)}", _DEFAULT
            case Not(Compare("==", left, right)) if self.choices.chance(70):
                return f"{to(left, _DEFAULT)} != {to(right, _DEFAULT)}", _COMPARISON
            case Not(operand):
                return f"not {to(operand, _NOT)}", _NOT
            case And(operands):
                return " and ".join(to(operand, _NOT) for operand in operands), _AND
            case Or(operands):
                return " or ".join(to(operand, _AND) for operand in operands), _OR
            case If(condition, then, otherwise):
                return f"if {to(condition)} then {to(then)} else {to(otherwise)}", _WHOLE
            case Compare(operator, left, right):
                return f"{to(left, _DEFAULT)} {operator} {to(right, _DEFAULT)}", _COMPARISON
            case In(_, item, container):
                return f"{to(item, _DEFAULT)} in {to(container, _DEFAULT)}", _COMPARISON
            case Arithmetic("*", left, right):
                return f"{to(left, _PRODUCT)} * {to(right, _UNARY)}", _PRODUCT
            case Arithmetic(operator, left, right):
                return f"{to(left, _SUM)} {operator} {to(right, _PRODUCT)}", _SUM
            case Negative(operand):
                return f"-{to(operand, _UNARY)}", _UNARY
            case Call("like", (text, pattern)):
                return f"{to(text, _DEFAULT)} like {to(pattern, _DEFAULT)}", _COMPARISON
            case Call(function, arguments):
                return f"{function}({', '.join(map(to, arguments))})", _POSTFIX
            case SetTerm(members):
                return f"[{', '.join(map(to, members))}]", _POSTFIX
            case Quantify(kind, variable, over, condition):
                return f"{kind} {variable} in {to(over, _DEFAULT)}: {to(condition)}", _WHOLE
        raise AssertionError(term)

    def _constant(self, value: Any) -> tuple[str, int]:
        match value:
            case bool():
                return str(value).lower(), _POSTFIX
            case int() | float():
                text = f"{value:_}" if isinstance(value, int) and self.choices.chance(20) else repr(value)
                return text, _UNARY if text.startswith("-") else _POSTFIX
            case str():
                return _text(value), _POSTFIX
            case timedelta():
                return _duration(value), _UNARY if value < timedelta() else _POSTFIX
            case datetime():
                day = value.time() == time() and self.choices.chance(50)
                return value.date().isoformat() if day else _timestamp(value), _POSTFIX
            case Ip():
                return f'ip("{value}")', _POSTFIX
            case frozenset():
                return "[" + ", ".join(
                    self._constant(member)[0] for member in in_order(value)
                ) + "]", _POSTFIX
        raise AssertionError(value)


def _operands(term: Term) -> dict[str, tuple[Term, Type]]:
    """Operands that a def could take as arguments, each with the type of its parameter."""
    match term:
        case Compare(_, left, right):
            # What is of unknown type may go where any type is asked for.
            types = [
                right.type if left.type == UNKNOWN else left.type,
                left.type if right.type == UNKNOWN else right.type,
            ]
            return {"left": (left, types[0]), "right": (right, types[1])}
        case Arithmetic(_, left, right):
            return {"left": (left, left.type), "right": (right, right.type)}
        case In(_, item, container):
            type = container.type
            if type == SetOf(UNKNOWN):
                type = SetOf(item.type)
            return {"item": (item, item.type), "container": (container, type)}
        case Quantify(_, _, over):
            return {"over": (over, over.type)}
        case _:
            return {}


def _variables(term: Term) -> list[Variable]:
    """The variables of `term` that a quantifier around it binds."""
    if isinstance(term, Variable):
        return [term]
    inner = [variable for part in parts(term) for variable in _variables(part)]
    return [v for v in inner if v.name != term.variable] if isinstance(term, Quantify) else inner


def _writable(type: Type) -> bool:
    match type:
        case Enum():
            return True
        case SetOf(inner):
            return _writable(inner) and inner != FLOAT and not isinstance(inner, (SetOf, MapOf, RecordOf))
        case MapOf(inner):
            return _writable(inner)
        case RecordOf(attributes):
            return all(_writable(attribute.type) for _, attribute in attributes)
        case Basic():
            return type != UNKNOWN


def _text(value: str) -> str:
    return (
        '"'
        + "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in value)
        + '"'
    )


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def _duration(value: timedelta) -> str:
    count, text = abs(value) // timedelta(milliseconds=1), ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        many, count = divmod(count, size)
        text += f"{many}{unit}" if many else ""
    return ("-" if value < timedelta() else "") + (text or "0s")


def _timestamp(value: datetime) -> str:
    return value.replace(tzinfo=None).isoformat() + "Z"
