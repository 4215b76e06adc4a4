"""What this decision point issues itself, as `pdp.toml` says it: as whom, and with keys that change when.

Knows the table `[mint]` and what may stand in it. Reads no key: that is for `pdp.tasks.signing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from pdp.answer import duration_text
from pdp.evidence import urls
from pdp.sections import Duration, Seconds, Section, between

KEYS_LIMIT: Final = 32
"""How many keys are published at a time: who reads key sets carefully reads no endless ones."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When signing keys follow each other, in seconds; raises `ValueError` where tokens would be lost.

    A key is published for `publish` before it signs, signs for `active`, and is published for `keep` after
    that. A token lives for `lifetime` at most; whoever verifies it may have fetched the keys `cache` ago, and
    its clock may be off by `leeway`, which also covers the second in which processes here learn of a change.
    """

    lifetime: int = 900
    publish: int = 3_600
    active: int = 86_400
    keep: int = 7_200
    cache: int = 300
    leeway: int = 30

    def __post_init__(self) -> None:
        if min(self.lifetime, self.publish, self.active, self.keep, self.leeway) < 1 or self.cache < 0:
            raise ValueError("a time is too short to be one")
        _at_least("publish", self.publish, "`cache` and `leeway`", self.cache + self.leeway)
        _at_least("active", self.active, "`publish`", self.publish)
        longest = self.lifetime + self.cache + self.leeway
        _at_least("keep", self.keep, "`lifetime`, `cache` and `leeway`", longest)
        # Beside those that signed before, one signs, one is next, and one may be late to go.
        if self.keep // self.active + 3 > KEYS_LIMIT:
            raise ValueError(
                f"`keep` is so long that more than {KEYS_LIMIT} keys would be published at a time"
            )


def _at_least(name: str, value: int, others: str, least: int) -> None:
    if value < least:
        raise ValueError(f"`{name}` must be at least {others}: {duration_text(timedelta(seconds=least))}")


def _issuer(url: str) -> str:
    urls.check_issuer(url)
    return url


class MintTable(Section):
    """`[mint]`: who issues the tokens that are minted here, and how its keys change.

    Keys are made here, with `algorithm`, and kept in the state, wrapped with the key in `key_file`; left out,
    that is the state's path and `.key`. Or they are made elsewhere: then `signing_key` is a PKCS#8 file in
    PEM, `next_key` the one that is published to follow it, and they change when they are told to. See
    `Schedule` for the times.
    """

    issuer: Annotated[str, Field(max_length=2_048), AfterValidator(_issuer)] | None = None
    algorithm: Literal["ES256", "EdDSA"] = "ES256"
    lifetime: Seconds = timedelta(minutes=15)
    publish: Seconds = timedelta(hours=1)
    active: Seconds = timedelta(days=1)
    keep: Seconds = timedelta(hours=2)
    cache: Duration = timedelta(minutes=5)
    leeway: Annotated[Duration, between(timedelta(seconds=1), timedelta(minutes=5))] = timedelta(seconds=30)
    key_file: Path | None = None
    signing_key: Path | None = None
    next_key: Path | None = None

    @model_validator(mode="after")
    def _can_be(self) -> MintTable:
        if self.next_key is not None and self.signing_key is None:
            raise ValueError("`next_key` has no `signing_key` to follow")
        if self.key_file is not None and self.signing_key is not None:
            raise ValueError("`key_file` is for keys that are made here, and `signing_key` is made elsewhere")
        _ = self.schedule
        return self

    @property
    def schedule(self) -> Schedule:
        """The times, in whole seconds."""
        times = (self.lifetime, self.publish, self.active, self.keep, self.cache, self.leeway)
        return Schedule(*(int(time.total_seconds()) for time in times))
