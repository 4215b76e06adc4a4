"""Who tells us what became of credentials, whom we tell, and what rings an alarm, as `pdp.toml` says it.

Knows the tables `[[transmitter]]`, `[[receiver]]` and `[alarms]` and what may stand in them. Asks nobody:
what becomes of them is the business of `pdp.tasks` and the service.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, field_validator, model_validator

from pdp.believed import Algorithms, DomainName, KeysFrom, Name, Names, Url
from pdp.sections import Duration, Section, between, differ


def _label(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is None:
        raise ValueError(f"`{name}` stands in URLs: letters, digits, `.`, `_` and `-`, at most 64")
    return name


Label = Annotated[str, AfterValidator(_label)]


class PollFrom(Section):
    """Where signals are fetched (RFC 8936), and with which bearer token: `every` so often, and at once where
    there are more. `private` and `ca` are those of `keys`."""

    url: Url
    token_file: Path | None = None
    every: Annotated[Duration, between(timedelta(seconds=1), timedelta(hours=1))] = timedelta(seconds=10)
    private: bool = False
    ca: Path | None = None


class VerifyFrom(Section):
    """Where a transmitter is asked to say something (SSF 1.0 section 8.1.4.2), and with which bearer token:
    `every` so often, on our `stream`. `private` and `ca` are those of `keys`."""

    url: Url
    stream: Name
    token_file: Path | None = None
    every: Annotated[Duration, between(timedelta(seconds=1), timedelta(days=1))] = timedelta(minutes=5)
    private: bool = False
    ca: Path | None = None


class SilenceTable(Section):
    """A transmitter that was not heard for `after` is silent, which is told. While it is, with `max_age`,
    what its issuers issued longer ago is refused: nobody would tell that it was revoked."""

    after: Annotated[Duration, between(timedelta(seconds=1))]
    max_age: Annotated[Duration, between(timedelta(seconds=1))] | None = None


class TransmitterTable(Section):
    """`[[transmitter]]`: who signals what became of sessions, credentials and devices (OpenID SSF and CAEP).

    It signs as `issuer`, for us as one of `audience`, with one of its `keys`. It is believed about those whom
    `issuers` issue tokens to and the workloads of `trust_domains`, and about nobody else. It pushes to
    `/signals/` and its `name`, and says the bearer token in `token_file` where there is one; with `poll` it
    is asked, too, and with `verify` it is asked to say that it is there.
    """

    name: Label
    issuer: Name
    audience: Names
    keys: KeysFrom
    algorithms: Algorithms = ("RS256",)
    issuers: tuple[Name, ...] = ()
    trust_domains: tuple[DomainName, ...] = ()
    token_file: Path | None = None
    poll: PollFrom | None = None
    verify: VerifyFrom | None = None
    silence: SilenceTable | None = None

    @field_validator("keys")
    @classmethod
    def _are_somewhere(cls, keys: KeysFrom) -> KeysFrom:
        if keys.discovery:
            raise ValueError("say `file` or `url`: a transmitter's metadata is not asked for")
        return keys

    @field_validator("issuers", "trust_domains")
    @classmethod
    def _are_there_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        differ(names)
        return names

    @model_validator(mode="after")
    def _speaks_for_somebody(self) -> TransmitterTable:
        if not self.issuers and not self.trust_domains:
            raise ValueError("say for which `issuers` or `trust_domains` it speaks")
        return self


class ReceiverTable(Section):
    """`[[receiver]]`: who is told what was revoked here, as `audience`, by push to `url` (RFC 8935), with the
    bearer token in `token_file`. `private` and `ca` are those of `keys`."""

    name: Label
    url: Url
    audience: Name
    token_file: Path | None = None
    private: bool = False
    ca: Path | None = None


class AlarmsTable(Section):
    """`[alarms]`: what happens, beside a line in the log and a count, when a credential is used as nobody
    should: `webhook` is told, and with `end_task` the task that the credential is for is cancelled."""

    webhook: Url | None = None
    token_file: Path | None = None
    private: bool = False
    ca: Path | None = None
    end_task: bool = False

    @model_validator(mode="after")
    def _is_about_a_webhook(self) -> AlarmsTable:
        if self.webhook is None and (self.token_file or self.private or self.ca):
            raise ValueError("`token_file`, `private` and `ca` are about a `webhook`, which is missing")
        return self
