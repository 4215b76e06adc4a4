"""From the types an author wrote to types. Knows neither rules nor where a type is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from pdp.language import syntax
from pdp.language.diagnostic import Diagnostic
from pdp.language.suggest import suggest
from pdp.rules.agree import MEMBERS
from pdp.schema.types import BASIC, STRING, UNKNOWN, Attribute, Enum, MapOf, RecordOf, SetOf, Type

Report = Callable[[Diagnostic], None]


def declared_type(node: syntax.TypeNode, report: Report) -> Type:
    """The type that `node` writes; `UNKNOWN` where it was wrong and that was told."""
    match node:
        case syntax.NamedType(name):
            if name in BASIC:
                return BASIC[name]
            hint = suggest(name, BASIC)
            report(Diagnostic("PDP211", node.span, f"there is no type `{name}`", hint))
            return UNKNOWN
        case syntax.SetType(member):
            return _set(node, declared_type(member, report), report)
        case syntax.MapType(value):
            return MapOf(declared_type(value, report))
        case syntax.EnumType(members):
            return _enum(members, report)
        case syntax.RecordType():
            return declared_record(node, report)
        case _:
            assert_never(node)


def declared_record(node: syntax.RecordType, report: Report) -> RecordOf:
    """The record type that `node` writes, without the fields that were declared before."""
    attributes: dict[str, Attribute] = {}
    for each in node.fields:
        name = each.name.text
        type = declared_type(each.type, report)
        if name in attributes:
            report(Diagnostic("PDP206", each.name.span, f"`{name}` is declared twice in one record"))
        else:
            attributes[name] = Attribute(type, each.optional)
    return RecordOf(tuple(sorted(attributes.items())))


def _set(node: syntax.SetType, member: Type, report: Report) -> Type:
    if isinstance(member, Enum) or member in MEMBERS or member == UNKNOWN:
        return SetOf(member)
    why = "floats have no equality" if member == BASIC["float"] else "its members cannot be compared"
    report(Diagnostic("PDP323", node.span, f"there is no `set<{member}>`: {why}"))
    return SetOf(UNKNOWN)


def _enum(members: tuple[syntax.Text, ...], report: Report) -> Type:
    names: list[str] = []
    for member in members:
        if member.value in names:
            report(Diagnostic("PDP206", member.span, f'`"{member.value}"` is listed twice'))
        else:
            names.append(member.value)
    return Enum(tuple(names)) if names else STRING
