"""The settings: read once, from `pdp.toml` and the environment, and frozen from then on.

Knows where settings come from and which there are, not what is done with them. The environment wins over the
file, the command line over both: `PDP_SERVER__PORT=9000` is `port` of `[server]`. A key that nobody knows is
refused, so that a misspelt limit is not a missing one.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import (
    SettingsError as SourceError,
)

from pdp.access.values import parse_ip
from pdp.believed import BundleFrom, IntrospectionFrom, IssuerTable, KeysFrom, ProofsTable, TrustDomainTable
from pdp.evidence import urls
from pdp.language.suggest import suggest
from pdp.minted import MintTable
from pdp.mistakes import told
from pdp.registered import ClientTable
from pdp.sections import Duration, Positive, Section, differ
from pdp.signalled import (
    AlarmsTable,
    PollFrom,
    ReceiverTable,
    SilenceTable,
    TransmitterTable,
    VerifyFrom,
)

FILE = "pdp.toml"
PREFIX = "PDP_"

Level = Literal["error", "warning", "off"]
Assertion = Literal["caller", "credential", "task"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One setting that cannot be used: its dotted key, why, and the cure if known."""

    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class SettingsError(Exception):
    """The settings cannot be used. Carries every problem; `path` is the file that was read, if any."""

    def __init__(self, path: Path | None, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.path = path
        self.problems = tuple(problems)


def _as_code(value: object) -> object:
    # The environment tells small letters from capital ones no more than people do.
    code = value.upper() if isinstance(value, str) else value
    if not isinstance(code, str) or re.fullmatch(r"PDP4[0-9][0-9]", code) is None:
        raise ValueError("is no safety finding: those are called PDP4 and two digits")
    return code


def _mode(value: str) -> str:
    if re.fullmatch(r"0?[0-7]{3}", value) is None:
        raise ValueError('must be three octal digits, such as "660"')
    return value


def _place(url: str) -> str:
    urls.check(url)
    if "?" in url or url.endswith("/"):
        raise ValueError("must end with a host or a path, as in https://pdp.example")
    return url


class Server(Section):
    """Where `pdp serve` listens. With `uds` it listens on that Unix socket instead of `host` and `port`.

    `url` is where clients find it, for which they make their proofs; left out, where it listens.
    """

    url: Annotated[str, AfterValidator(_place)] | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8181
    uds: Path | None = None
    uds_mode: Annotated[str, AfterValidator(_mode)] = "660"
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    drain: Duration = timedelta(seconds=10)
    docs: bool = True


class Policies(Section):
    """Which policies are served. `lower` changes the severity of a safety finding by its code."""

    path: Path = Path("policies")
    strict: bool = True
    max_rules: Positive = 100_000
    lower: dict[Annotated[str, BeforeValidator(_as_code)], Level] = Field(default_factory=dict)
    reload: bool = True


class Limits(Section):
    """How large a request may be, in bytes, levels and members; `batch` counts requests in one body."""

    body: Positive = 64 * 1024
    depth: Annotated[int, Field(ge=4, le=100)] = 32
    members: Positive = 1_000
    set_members: Positive = 1_000
    batch: Positive = 1_000
    batch_body: Positive = 8 * 1024 * 1024


class Standing(Section):
    """An unbound credential that lives longer than `after` is a standing one, whatever its task."""

    after: Duration = timedelta(minutes=15)


class EnforcementPoint(Section):
    """Who may assert facts, and which. It is known by its address, or by coming over the Unix socket.

    `audiences` are the services it may ask for; left out, it may ask for all. With `certificates` it may say
    which certificate a client has shown that it holds the key of, also in Envoy's header, which it must then
    write itself and take from nobody.
    """

    name: Annotated[str, Field(min_length=1)]
    addresses: tuple[str, ...] = ()
    unix: bool = False
    may_assert: tuple[Assertion, ...] = ()
    audiences: tuple[str, ...] | None = None
    certificates: bool = False

    @field_validator("addresses")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for text in addresses:
            try:
                parse_ip(text)
            except ValueError:
                raise ValueError(f"`{text}` is no IP address or network") from None
        return addresses


class Task(Section):
    """A task the operator vouches for: what a request means that gives its `id` alone."""

    id: Annotated[str, Field(min_length=1)]
    owner: str | None = None
    purpose: str | None = None
    actions: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    started: datetime | None = None
    expires: datetime

    @field_validator("started", "expires")
    @classmethod
    def _has_zone(cls, time: datetime | None) -> datetime | None:
        if time is not None and time.tzinfo is None:
            raise ValueError("must say its offset, as in 2026-11-24T10:00:00Z")
        return time and time.astimezone(UTC)


class State(Section):
    """What is remembered between requests: which proofs and single-use tokens were used.

    In the file at `path` it is there after a restart, and shared by all workers; without one, workers share a
    file that goes with them, and one worker alone keeps it in memory. What may have been used before such a
    memory began is refused. `room` bounds what is held at once, `quota` what is held of one holder: beyond,
    what is new is refused.
    """

    path: Path | None = None
    room: Positive = 600_000
    quota: Positive = 30_000

    @field_validator("quota")
    @classmethod
    def _has_room(cls, quota: int, info: ValidationInfo) -> int:
        if quota > info.data.get("room", quota):
            raise ValueError("is more for one holder than `room` for all")
        return quota


class DecisionLog(Section):
    """Where decisions are written, one JSON line each: a file, `stdout`, or nowhere (the empty text).

    `queue` bounds the lines that wait to be written; what does not fit is counted as lost.
    """

    to: str = ""
    queue: Positive = 10_000


class Settings(BaseSettings):
    """Everything that can be set. Built directly, it reads neither file nor environment."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__", case_sensitive=False
    )

    server: Server = Server()
    policies: Policies = Policies()
    limits: Limits = Limits()
    standing: Standing = Standing()
    enforcement_point: tuple[EnforcementPoint, ...] = ()
    issuer: tuple[IssuerTable, ...] = ()
    trust_domain: tuple[TrustDomainTable, ...] = ()
    proofs: ProofsTable = ProofsTable()
    task: tuple[Task, ...] = ()
    state: State = State()
    mint: MintTable = MintTable()
    client: tuple[ClientTable, ...] = ()
    transmitter: tuple[TransmitterTable, ...] = ()
    receiver: tuple[ReceiverTable, ...] = ()
    alarms: AlarmsTable = AlarmsTable()
    decision_log: DecisionLog = DecisionLog()

    @field_validator("enforcement_point")
    @classmethod
    def _point_names_differ(cls, points: tuple[EnforcementPoint, ...]) -> tuple[EnforcementPoint, ...]:
        differ([point.name for point in points])
        return points

    @field_validator("issuer")
    @classmethod
    def _issuer_ids_differ(cls, issuers: tuple[IssuerTable, ...]) -> tuple[IssuerTable, ...]:
        differ([issuer.id for issuer in issuers])
        # A token that is no JWT does not say whose it is, and is shown to nobody else.
        if sum(issuer.introspection is not None for issuer in issuers) > 1:
            raise ValueError("tokens can be introspected at one issuer only")
        return issuers

    @field_validator("client")
    @classmethod
    def _client_ids_differ(cls, clients: tuple[ClientTable, ...]) -> tuple[ClientTable, ...]:
        differ([client.id for client in clients])
        return clients

    @field_validator("trust_domain")
    @classmethod
    def _trust_domain_names_differ(
        cls, domains: tuple[TrustDomainTable, ...], info: ValidationInfo
    ) -> tuple[TrustDomainTable, ...]:
        differ([domain.name for domain in domains])
        issuers = {issuer.id for issuer in info.data.get("issuer", ())}
        # Keys are told by whose they are, in logs, metrics and answers.
        for domain in domains:
            if domain.name in issuers:
                raise ValueError(f"`{domain.name}` is the id of an issuer, too")
        return domains

    @field_validator("mint")
    @classmethod
    def _mints_as_itself(cls, mint: MintTable, info: ValidationInfo) -> MintTable:
        # Its own keys are known without being fetched, and nobody else's are its own.
        if mint.issuer in {issuer.id for issuer in info.data.get("issuer", ())}:
            raise ValueError(f"`{mint.issuer}` is an `[[issuer]]`, too")
        return mint

    @field_validator("transmitter")
    @classmethod
    def _speak_for_those_who_are_trusted(
        cls, transmitters: tuple[TransmitterTable, ...], info: ValidationInfo
    ) -> tuple[TransmitterTable, ...]:
        differ([transmitter.name for transmitter in transmitters])
        issuers = {issuer.id for issuer in info.data.get("issuer", ())}
        domains = {domain.name for domain in info.data.get("trust_domain", ())}
        for transmitter in transmitters:
            for unknown in sorted({*transmitter.issuers} - issuers):
                raise ValueError(f"`{unknown}` is no `[[issuer]]`")
            for unknown in sorted({*transmitter.trust_domains} - domains):
                raise ValueError(f"`{unknown}` is no `[[trust_domain]]`")
        return transmitters

    @field_validator("receiver")
    @classmethod
    def _are_told_by_somebody(
        cls, receivers: tuple[ReceiverTable, ...], info: ValidationInfo
    ) -> tuple[ReceiverTable, ...]:
        differ([receiver.name for receiver in receivers])
        if receivers and "mint" in info.data and info.data["mint"].issuer is None:
            raise ValueError("what is told is signed as the `issuer` of `[mint]`, which is missing")
        return receivers

    @field_validator("task")
    @classmethod
    def _task_ids_differ(cls, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        differ([task.id for task in tasks])
        return tasks

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `read` asks the environment itself, so that a Settings written in code means what it says.
        return (init_settings,)


def find(policies: Path | None = None) -> Path | None:
    """The configuration file that is used when none is named: `pdp.toml` here, else beside the policies."""
    places = [Path(FILE)]
    if policies is not None:
        places.append((policies if policies.is_dir() else policies.parent) / FILE)
    return next((place for place in places if place.is_file()), None)


def read(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of a file (None: of no file), of the environment and of `overrides`, the last winning.

    `overrides` is nested like the file. Relative paths in the file are relative to its folder. Raises
    `SettingsError` with every problem.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _from_file(path)
    problems = list(_unknown_variables(os.environ))
    try:
        _merge(values, EnvSettingsSource(Settings)())
    except SourceError as error:
        field = re.search(r'field "(\w+)"', str(error))
        name = PREFIX + (field.group(1).upper() if field else "…")
        problems.append(Problem(name, "is not the JSON that a table or list is written in"))
    _merge(values, overrides or {})
    try:
        settings = Settings(**values)
    except ValidationError as error:
        # A variable that sets nothing was told already, by its name.
        known = {problem.key.removeprefix(PREFIX).lower().replace("__", ".") for problem in problems}
        found = [_problem(dict(entry)) for entry in error.errors(include_url=False)]
        problems += [problem for problem in found if problem.key not in known]
    if problems:
        raise SettingsError(path, problems)
    return settings


# Where a path may stand, key by key; a list is gone through.
_PATHS = (
    ("policies", "path"),
    ("server", "uds"),
    ("decision_log", "to"),
    ("state", "path"),
    ("mint", "key_file"),
    ("mint", "signing_key"),
    ("mint", "next_key"),
    ("client", "keys", "file"),
    ("client", "keys", "ca"),
    ("issuer", "keys", "file"),
    ("issuer", "keys", "ca"),
    ("issuer", "introspection", "token_file"),
    ("issuer", "introspection", "secret_file"),
    ("issuer", "introspection", "key_file"),
    ("issuer", "introspection", "ca"),
    ("trust_domain", "bundle", "file"),
    ("trust_domain", "bundle", "ca"),
    ("transmitter", "keys", "file"),
    ("transmitter", "keys", "ca"),
    ("transmitter", "token_file"),
    ("transmitter", "poll", "token_file"),
    ("transmitter", "poll", "ca"),
    ("transmitter", "verify", "token_file"),
    ("transmitter", "verify", "ca"),
    ("receiver", "token_file"),
    ("receiver", "ca"),
    ("alarms", "token_file"),
    ("alarms", "ca"),
)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(path, [Problem(str(path), f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise SettingsError(path, [Problem(str(path), "is not UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(path, [Problem(str(path), f"is not TOML: {error}")]) from None
    for keys in _PATHS:
        _from(path.parent, values, keys)
    return values


def _from(folder: Path, table: object, keys: tuple[str, ...]) -> None:
    """Has the path at `keys` begin in `folder`, if there is one; what else is there is told later."""
    if isinstance(table, list):
        for entry in table:
            _from(folder, entry, keys)
    elif isinstance(table, dict):
        key, *inner = keys
        if inner:
            _from(folder, table.get(key), tuple(inner))
        elif isinstance(table.get(key), str) and table[key] not in ("", "stdout"):
            table[key] = str(folder / table[key])


def _merge(values: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = dict(value) if isinstance(value, Mapping) else value


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[Problem]:
    """Variables with our prefix and the nesting mark that set nothing.

    Names without the mark are left alone: Kubernetes sets `PDP_PORT` and its like for a service called pdp.
    """
    known = {
        f"{PREFIX}{section}__{key}".upper()
        for section, info in Settings.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
        for key in info.annotation.model_fields
    }
    for name in sorted(environment):
        upper = name.upper()
        # Below a table of free keys (`lower`) anything may follow.
        nested = any(upper.startswith(f"{one}__") for one in known)
        if upper.startswith(PREFIX) and "__" in upper and upper not in known and not nested:
            yield Problem(name, "is no setting", suggest(upper, sorted(known)))


def _problem(entry: dict[str, Any]) -> Problem:
    *table, name = entry["loc"]
    key = ".".join(str(part) for part in entry["loc"] if part != "[key]")
    hint = suggest(str(name), _keys(table)) if entry["type"] == "extra_forbidden" else ""
    return Problem(key, told(entry), hint)


def _keys(location: Sequence[str | int]) -> list[str]:
    """The keys of the table that `location` leads to."""
    model: type[BaseModel] = Settings
    for part in location:
        if isinstance(part, int):
            continue
        inner = _TABLES.get(part)
        if inner is None:
            return []
        model = inner
    return sorted(model.model_fields)


_TABLES: dict[str, type[BaseModel]] = {
    "server": Server,
    "policies": Policies,
    "limits": Limits,
    "standing": Standing,
    "enforcement_point": EnforcementPoint,
    "issuer": IssuerTable,
    "keys": KeysFrom,
    "introspection": IntrospectionFrom,
    "trust_domain": TrustDomainTable,
    "bundle": BundleFrom,
    "proofs": ProofsTable,
    "task": Task,
    "state": State,
    "mint": MintTable,
    "client": ClientTable,
    "transmitter": TransmitterTable,
    "poll": PollFrom,
    "verify": VerifyFrom,
    "silence": SilenceTable,
    "receiver": ReceiverTable,
    "alarms": AlarmsTable,
    "decision_log": DecisionLog,
}
