"""What is wrong with a setting, in words of the file.

Knows what pydantic finds, whose own words are about its insides, and not where a setting stands.
"""

from __future__ import annotations

from typing import Any

# By how the library's name for it begins.
_KINDS = {
    "missing": "is missing",
    "model": "must be a table",
    "dict": "must be a table",
    "tuple": "must be a list",
    "string_too_short": "must not be empty",
    "string": "must be text",
    "path": "must be the path of a file",
    "int_parsing_size": "is too large a number",
    "int": "must be a whole number",
    "bool": "must be true or false",
    "date": "must be a time such as 2026-11-24T10:00:00Z",
}


def told(entry: dict[str, Any]) -> str:
    """What one entry of a `ValidationError` says."""
    match entry["type"]:
        case "extra_forbidden":
            return "is no setting"
        case "value_error":
            return str(entry["ctx"]["error"])
        case "literal_error":
            return f"must be {entry['ctx']['expected']}".replace("'", "`")
        case "greater_than_equal":
            return f"must be at least {entry['ctx']['ge']}"
        case "less_than_equal":
            return f"must be at most {entry['ctx']['le']}"
        case "string_too_long":
            return f"must have at most {entry['ctx']['max_length']:,} characters"
        case kind:
            return next((text for start, text in _KINDS.items() if kind.startswith(start)), "cannot be used")
