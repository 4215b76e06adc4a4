"""Problem documents (RFC 9457) as the answers of routes. Knows HTTP, and nothing of what a route does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError

from pdp.access.document import escape
from pdp.answer import problem_document

PROBLEM: Final = "application/problem+json"

_REFUSALS: Final = {
    400: "The request is not valid; `pointer` names the member",
    401: "There is no credential, or `code` says why it is refused",
    403: "The policies do not allow it",
    503: "It cannot be decided, or not be kept",
}


def refusals_with(more: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """What routes may answer beside what they do, for their description: `responses` of `APIRouter`."""
    problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": told, "content": problem} for status, told in {**_REFUSALS, **more}.items()
    }


class Problem(HTTPException):
    """An answer that is a problem document (RFC 9457); `members` are extensions."""

    def __init__(
        self, status: int, kind: str, title: str, detail: str, *, headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:  # fmt: skip
        super().__init__(status, title, dict(headers or {}))
        self.document = problem_document(status, kind, title, detail, **members)


def invalid(pointer: str, detail: str) -> Problem:
    """The answer to a body of which a member is wrong; `pointer` names it (RFC 6901)."""
    told = f"{pointer or 'the request'} {detail}"
    return Problem(400, "invalid-request", "The request is not valid", told, pointer=pointer)


def unfit(error: RequestValidationError) -> Problem:
    """The answer to a request that a route does not take."""
    first = error.errors()[0]
    where, *names = first["loc"]
    if where != "body":
        return invalid("", f"has a parameter `{names[0]}` that {_wrong(first)}")
    if not names:
        return invalid("", "must be a JSON object, sent as application/json")
    return invalid("".join(f"/{escape(str(name))}" for name in names), _wrong(first))


def _wrong(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is no member of it"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            # "Input should be …", "String should have …", "List should have …"
            return f"must {str(error['msg']).partition(' should ')[2]}".rstrip()
