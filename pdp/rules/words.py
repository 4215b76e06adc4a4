"""Constants in the words of the language, for the labels of table rows. Knows syntax alone."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from pdp.language import syntax

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def cell_words(cell: syntax.Expression | syntax.Outcome | syntax.RecordExpression) -> str:
    """A cell of a table, as short as it can be told."""
    match cell:
        case syntax.Outcome(value) | syntax.Text(value):
            return value
        case syntax.Bool(value):
            return "true" if value else "false"
        case syntax.Int(value):
            return f"{value:_}" if value >= 10_000 else str(value)
        case syntax.Float(value):
            return repr(value)
        case syntax.Duration(value):
            return duration_words(value)
        case syntax.Timestamp(value):
            return timestamp_words(value)
        case syntax.Name(text):
            return text
        case syntax.Attribute(object, name):
            return f"{cell_words(object)}.{name.text}"
        case syntax.Negate(operand):
            return f"-{cell_words(operand)}"
        case syntax.SetExpression(members):
            return f"[{', '.join(map(cell_words, members))}]"
        case syntax.Call(function, arguments):
            return f"{function.text}({', '.join(map(cell_words, arguments))})"
        case _:
            return "…"


def duration_words(value: timedelta) -> str:
    """`1h30m`; the sign goes before."""
    rest = abs(value) // timedelta(milliseconds=1)
    text = ""
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            text += f"{count}{unit}"
    return ("-" if value < timedelta() else "") + (text or "0s")


def timestamp_words(value: datetime) -> str:
    """`2026-11-24` at midnight, else `2026-11-24T10:00:00Z`."""
    if value.time() == time():
        return value.date().isoformat()
    return value.replace(tzinfo=None).isoformat() + "Z"
