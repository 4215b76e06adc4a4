"""Trees that a policy can be parsed to, generated: every node and operator, names and literals of each kind.

What one clause alone knows as its word (`by`, `group`, `set` …) names nothing here: not every place can tell.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from pdp.language import syntax as s
from pdp.language.lex import CONTEXTUAL, KINDS
from pdp.language.parse import keywords

RESERVED = {*keywords(), *CONTEXTUAL, *KINDS}
ROOTS = ("caller", "credential", "audience", "action", "resource", "task", "context", "now")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in", "like")
OPERATORS = ("or", "and", "??", "+", "-", "*", *COMPARISONS)

plain = st.one_of(
    st.sampled_from(("a", "b", "office", "limit", "x1", "a_name_that_takes_more_than_a_third_of_a_line")),
    st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(lambda word: word not in RESERVED),
)
names = st.builds(s.Name, plain)
# Behind a dot, and before a colon, every word is a name.
words = st.builds(s.Name, st.one_of(plain, st.sampled_from(sorted(keywords()))))
dotted = st.builds(
    lambda first, rest: s.Name(".".join((first.text, *(name.text for name in rest)))),
    names,
    st.lists(words, max_size=2),
)

odd = st.sampled_from(("entry.*", r"a\*b", 'say "x"', "\\", "é漢😀\u202e\n", "# no comment"))
texts = st.builds(s.Text, st.text(max_size=12) | odd)
times = st.datetimes(timezones=st.just(UTC)) | st.just(datetime(2026, 11, 24, tzinfo=UTC))
constants: st.SearchStrategy[Any] = st.one_of(
    st.builds(s.Bool, st.booleans()),
    st.builds(s.Int, st.integers(0, 2**70)),
    st.builds(s.Float, st.floats(0, 1e300, allow_nan=False)),
    texts,
    st.builds(s.Duration, st.integers(0, 10**11).map(lambda ms: timedelta(milliseconds=ms))),
    st.builds(s.Timestamp, times),
)


def some(strategy: st.SearchStrategy[Any], least: int = 0, most: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=least, max_size=most).map(tuple)


def _below(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(s.Binary, st.sampled_from(OPERATORS), inner, inner),
        st.builds(s.Not, inner),
        st.builds(s.Negate, inner),
        st.builds(s.Has, inner),
        st.builds(s.If, inner, inner, inner),
        st.builds(s.Quantifier, st.sampled_from(("any", "all")), names, inner, inner),
        st.builds(s.Attribute, inner, words),
        st.builds(s.Index, inner, inner),
        st.builds(s.Call, dotted, some(inner)),
        st.builds(s.SetExpression, some(inner)),
    )


expressions = st.recursive(
    st.one_of(constants, names, st.builds(s.Name, st.sampled_from(ROOTS))), _below, max_leaves=12
)
keys = st.one_of(words, st.builds(s.Name, st.text(max_size=6)))


def _records(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(s.RecordExpression, some(st.builds(s.Entry, keys, inner)))


records = _records(st.one_of(expressions, _records(st.one_of(expressions, _records(expressions)))))

enums = st.builds(s.EnumType, some(texts, 1))


def _types(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(s.SetType, inner),
        st.builds(s.MapType, inner),
        st.builds(s.RecordType, some(_fields(inner))),
    )


def _fields(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(s.Field, words, st.booleans(), inner)


types = st.recursive(st.one_of(st.builds(s.NamedType, plain), enums), _types, max_leaves=6)
record_types = st.builds(s.RecordType, some(_fields(types), most=4))

kinds = st.sampled_from(KINDS)
patterns = st.one_of(texts, dotted)
because = st.builds(s.Because, texts)

clauses = st.one_of(
    st.builds(s.CallerClause, st.one_of(st.none(), kinds, st.just("any")), some(patterns), some(patterns)),
    st.builds(s.AudienceClause, some(patterns)),
    st.builds(s.ActionClause, some(patterns, most=5)),
    st.builds(s.ResourceClause, st.none(), st.just(())),
    st.builds(s.ResourceClause, dotted, some(patterns)),
    st.builds(s.When, expressions, st.booleans()),
    st.builds(s.Require, names, records, st.booleans()),
    because,
)


def _stated(name: s.Name) -> Any:
    first, *rest = name.text.split(".")
    value: Any = s.Name(first)
    for part in rest:
        value = s.Attribute(value, s.Name(part))
    return value


stated = st.one_of(texts, st.builds(s.Timestamp, times), dotted.map(_stated))
outcomes = st.builds(s.Outcome, st.sampled_from(("allow", "deny")))
test_clauses = st.one_of(
    st.builds(s.TestCaller, st.none() | kinds, st.none() | stated, st.none() | records),
    st.builds(s.TestAudience, stated),
    st.builds(s.TestAction, stated, st.none() | records),
    st.builds(s.TestResource, dotted, st.none() | stated, st.none() | records),
    st.builds(s.TestRecord, st.sampled_from(("credential", "task", "context")), records),
    st.builds(s.TestNow, stated),
    st.builds(
        s.Table, some(names, 1), some(st.builds(s.Row, some(st.one_of(expressions, outcomes), 1)), most=4)
    ),
    st.builds(
        s.Expect,
        st.one_of(outcomes, names),
        st.none() | some(dotted, 1),
        st.none() | names,
        some(names, most=2),
    ),
)

declarations = st.one_of(
    st.builds(s.Use, dotted, st.none() | names),
    st.builds(
        s.Schema,
        some(
            st.one_of(
                st.builds(s.SchemaEntry, st.sampled_from(("caller", "context")), st.none(), record_types),
                st.builds(s.SchemaEntry, st.just("action"), texts, record_types),
                st.builds(s.SchemaEntry, st.just("resource"), names, record_types),
            )
        ),
    ),
    st.builds(s.Let, names, expressions),
    st.builds(s.Def, names, some(st.builds(s.Parameter, words, types)), expressions),
    st.builds(
        s.Rule,
        some(st.builds(s.Annotation, names, some(constants))),
        st.sampled_from(("permit", "forbid")),
        names,
        some(clauses, most=5),
    ),
    st.builds(s.Assert, names, st.sampled_from(("never", "always")), expressions, st.none() | because),
    st.builds(s.Fixture, names, some(test_clauses, most=5)),
    st.builds(s.Test, texts, some(dotted, most=2), some(test_clauses, most=5)),
)
modules = st.builds(s.Module, st.just("m"), some(declarations, most=5))
