"""Policies written in a test, parsed and checked as modules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from pdp.language.parse import parse
from pdp.language.source import Source
from pdp.load import Checked, check_sources
from pdp.rules.environment import Environment, merge
from pdp.rules.interface import interface
from pdp.rules.terms import Term

TODAY = datetime(2026, 6, 15, tzinfo=UTC)


def module(name: str, text: str) -> Any:
    """The tree of a module without mistakes of syntax."""
    tree, found = parse(Source(f"{name}.policy", name, text))
    assert found == ()
    return tree


def environment(texts: Mapping[str, str]) -> Environment:
    """What modules with these texts are checked in."""
    return merge([interface(module(name, text)) for name, text in texts.items()])[0]


def checked(text: str, *, others: Mapping[str, str] = MappingProxyType({}), **options: Any) -> Checked:
    """The module `m` and `others` by their names, through every stage of a check."""
    sources = [Source(f"{name}.policy", name, each) for name, each in {"m": text, **others}.items()]
    return check_sources(sources, today=TODAY, **options)


def told(text: str, **options: Any) -> list[str]:
    """Code and message of all that is told of the module `m`."""
    return [f"{found.code} {found.message}" for found in checked(text, **options).diagnostics]


def condition(text: str, *, given: str = "", head: str = "") -> Term:
    """The term of a condition, in a rule whose safety is of no interest."""
    found = checked(f'{given} forbid it {{ {head} when {text} because "x" }}', lower={"PDP404": "off"})
    assert found.diagnostics == ()
    return found.policies.rules[0].conditions[0].term
