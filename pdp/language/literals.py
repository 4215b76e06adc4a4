"""Literals as text that reads back as the same value."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

from pdp.language.syntax import Bool, Constant, Duration, Float, Int, Text, Timestamp

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


def spelled(node: Constant) -> str:
    """The plainest spelling of a literal."""
    match node:
        case Bool():
            return "true" if node.value else "false"
        case Int():
            return str(node.value)
        case Float():
            return repr(node.value)
        case Text():
            return quoted(node.value)
        case Duration():
            return _duration(node.value)
        case Timestamp():
            return _timestamp(node.value)
        case _:
            assert_never(node)


def quoted(text: str) -> str:
    """`text` as a literal; what does not print is escaped."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return f"\\u{{{ord(character):X}}}" if not character.isprintable() else character


def _duration(value: timedelta) -> str:
    left = value // timedelta(milliseconds=1)
    text = ""
    for unit, size in _UNITS:
        amount, left = divmod(left, size)
        text += f"{amount}{unit}" if amount else ""
    return text or "0s"


def _timestamp(value: datetime) -> str:
    text = value.isoformat().replace("+00:00", "Z")
    return text.removesuffix("T00:00:00Z")
