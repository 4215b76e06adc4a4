"""A value with all its parts, those included that its equality leaves out: places, types, comments."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any


def whole(value: Any) -> Any:
    """What can be compared of `value` to the last part, and be read where it differs."""
    if is_dataclass(value) and not isinstance(value, type):
        parts = ((field.name, whole(getattr(value, field.name))) for field in fields(value))
        return (type(value).__name__, *parts)
    if isinstance(value, (tuple, list)):
        return tuple(whole(each) for each in value)
    if isinstance(value, dict):
        return tuple((key, whole(each)) for key, each in value.items())
    # `True`, `1` and `1.0` are equal.
    return (type(value).__name__, value)
