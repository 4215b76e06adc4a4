"""What a section of the settings is made of: frozen, without unknown keys, durations as in policies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from pdp.answer import duration_text
from pdp.conform import Unfit, duration


def _as_duration(value: object) -> object:
    if isinstance(value, str):
        try:
            return duration(value)
        except Unfit:
            raise ValueError('must be a duration such as "15m"') from None
    if isinstance(value, timedelta):
        return value
    raise ValueError('must be a duration such as "15m"')


def between(least: timedelta, most: timedelta = timedelta.max) -> AfterValidator:
    """Refuses a duration that is shorter or longer, in the spelling of durations."""

    def check(value: timedelta) -> timedelta:
        if value < least:
            raise ValueError(f"must be at least {duration_text(least)}")
        if value > most:
            raise ValueError(f"must be at most {duration_text(most)}")
        return value

    return AfterValidator(check)


Duration = Annotated[timedelta, BeforeValidator(_as_duration), PlainSerializer(duration_text)]
# What is counted in whole seconds must come to one at least.
Seconds = Annotated[Duration, between(timedelta(seconds=1))]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """One table of `pdp.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def differ(names: Sequence[str]) -> None:
    """Refuses two entries of one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"`{twice[0]}` is there twice")
