"""The messages of `/tasks`: what is sent is read by these, and what is answered is described by them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from pdp.access.patterns import check_caller_pattern
from pdp.conform import Convert, Unfit, converter
from pdp.schema.types import DURATION, TIMESTAMP
from pdp.service.messages import Closed
from pdp.tasks.task import Standing

_NAMES: Final = 100


def _visible(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must have no signs that cannot be seen")
    return text


def _of_resources(text: str) -> str:
    if not text.partition("/")[0]:
        raise ValueError("must begin with a type, as in `file` or `file/inbox/*`")
    return text


def _of_callers(text: str) -> str:
    check_caller_pattern(text)
    return text


def _seconds(convert: Convert) -> Callable[[Any], float | None]:
    def seconds(value: Any) -> float | None:
        if value is None:
            return None
        try:
            converted = convert(value)
        except Unfit as unfit:
            raise ValueError(unfit.detail) from None
        return converted.timestamp() if isinstance(converted, datetime) else converted.total_seconds()

    return seconds


def _described(description: str, example: str) -> WithJsonSchema:
    kinds = [{"type": "string"}, {"type": "number"}, {"type": "null"}]
    return WithJsonSchema({"anyOf": kinds, "description": description, "examples": [example]})


Instant = Annotated[
    float | None,
    BeforeValidator(_seconds(converter(TIMESTAMP))),
    _described("RFC 3339, or epoch seconds.", "2026-11-24T10:00:00Z"),
]
Span = Annotated[
    float | None,
    BeforeValidator(_seconds(converter(DURATION))),
    _described('As in policies, `"1h30m"`, or seconds.', "15m"),
]
Name = Annotated[str, Field(min_length=1, max_length=2_048), AfterValidator(_visible)]
Resources = Annotated[Name, AfterValidator(_of_resources)]
Callers = Annotated[Name, AfterValidator(_of_callers)]


class OpenTask(Closed):
    """A piece of work. `expires` or `lifetime` says when it ends; it may be extended until `latest`.

    A part ends with the task that it is part of, and has as many uses as that, where it does not say less.
    """

    purpose: Name = Field(examples=["close the month"])
    actions: list[Name] = Field(min_length=1, max_length=_NAMES, examples=[["entry.read", "entry.create"]])
    audiences: list[Name] = Field(min_length=1, max_length=_NAMES, examples=[["ledger"]])
    resources: list[Resources] = Field(
        [],
        max_length=_NAMES,
        description="`type` or `type/pattern`; left out, all.",
        examples=[["batch_file"]],
    )
    may_act: list[Callers] = Field(
        [], max_length=_NAMES, description="Patterns of callers that work on it beside its owner."
    )
    expires: Instant = None
    lifetime: Span = None
    latest: Instant = None
    uses: int | None = Field(None, strict=True, ge=1, le=2**53, description="How often it may be used.")
    parent: Name | None = Field(None, description="The task that it is part of.")


class ExtendTask(Closed):
    """A later end: `expires`, or a `lifetime` that counts from when the task began."""

    expires: Instant = None
    lifetime: Span = None


class TaskNow(Closed):
    """A task, and what it is now."""

    id: str
    owner: str = Field(description="Who opened it, as its credential proved.")
    purpose: str
    actions: list[str]
    audiences: list[str]
    resources: list[str]
    may_act: list[str]
    started: str
    expires: str
    latest: str = Field(description="Until when it may be extended.")
    uses_left: int | None
    parent: str | None
    state: Standing
    ended: str | None = Field(description="When it was completed or cancelled.")


class TaskList(Closed):
    """Some tasks, the newest first. With `after` there may be more: ask again with it, even if none came."""

    tasks: list[TaskNow]
    after: int | None
