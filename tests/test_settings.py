"""Settings: from file and environment, frozen, and every mistake told with its cure."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import ascii_uppercase
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from pdp.believed import BundleFrom, IntrospectionFrom, IssuerTable, KeysFrom, ProofsTable, TrustDomainTable
from pdp.settings import (
    DecisionLog,
    EnforcementPoint,
    Limits,
    Policies,
    Problem,
    Server,
    Settings,
    SettingsError,
    Standing,
    State,
    Task,
    find,
    read,
)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.upper().startswith("PDP_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(text: str) -> Path:
    path = Path("conf/pdp.toml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def problems(text: str | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(None if text is None else written(text))
    return [str(problem) for problem in caught.value.problems]


def test_without_a_file_everything_has_its_default() -> None:
    assert read() == Settings()
    made = Settings()
    assert (made.server.host, made.server.port, made.server.uds, made.server.workers) == (
        "127.0.0.1",
        8181,
        None,
        1,
    )
    assert (made.limits.body, made.limits.depth, made.limits.members, made.limits.batch) == (
        65_536,
        32,
        1_000,
        1_000,
    )
    assert made.standing.after == timedelta(minutes=15)
    assert made.policies.max_rules == 100_000
    assert (made.enforcement_point, made.task, made.decision_log.to) == ((), (), "")


def test_a_file_sets_what_it_names_and_nothing_else() -> None:
    made = read(
        written(
            """
            [server]
            port = 9000
            drain = "1m30s"
            [policies]
            path = "rules"
            lower = { PDP403 = "off" }
            [limits]
            body = 1000
            [standing]
            after = "5m"
            [[enforcement_point]]
            name = "gateway"
            addresses = ["10.0.0.0/8"]
            may_assert = ["caller", "task"]
            audiences = []
            [[task]]
            id = "t-1"
            started = 2026-01-01T02:00:00+02:00
            expires = "2027-01-01T00:00:00Z"
            [decision_log]
            to = "decisions.jsonl"
            """
        )
    )
    assert made == Settings(
        server=Server(port=9000, drain=timedelta(seconds=90)),
        policies=Policies(path=Path("conf/rules"), lower={"PDP403": "off"}),
        limits=Limits(body=1000),
        standing=Standing(after=timedelta(minutes=5)),
        enforcement_point=(
            EnforcementPoint(
                name="gateway", addresses=("10.0.0.0/8",), may_assert=("caller", "task"), audiences=()
            ),
        ),
        task=(
            Task(
                id="t-1", started=datetime(2026, 1, 1, tzinfo=UTC), expires=datetime(2027, 1, 1, tzinfo=UTC)
            ),
        ),
        decision_log=DecisionLog(to="conf/decisions.jsonl"),
    )


def test_a_file_says_whom_to_believe() -> None:
    made = read(
        written(
            """
            [[issuer]]
            id = "https://idp.example"
            keys = { discovery = true, refresh = "10m", ca = "ca.pem" }
            algorithms = ["ES256"]
            audiences = { "https://ledger.example/" = ["ledger"] }
            claims = { team = "https://idp.example/team" }
            max_lifetime = "5m"
            binding = "dpop"
            [[issuer]]
            id = "ci"
            keys = { file = "ci.json" }
            algorithms = ["EdDSA"]
            introspection = { url = "https://ci.example/", token_file = "ci.token" }
            [[trust_domain]]
            name = "prod.example"
            bundle = { workload_api = "unix:///run/spire/agent.sock" }
            [proofs]
            nonces = true
            [state]
            path = "state.db"
            """
        )
    )
    assert made == Settings(
        issuer=(
            IssuerTable(
                id="https://idp.example",
                keys=KeysFrom(discovery=True, refresh=timedelta(minutes=10), ca=Path("conf/ca.pem")),
                algorithms=("ES256",),
                audiences={"https://ledger.example/": ("ledger",)},
                claims={"team": "https://idp.example/team"},
                max_lifetime=timedelta(minutes=5),
                binding="dpop",
            ),
            IssuerTable(
                id="ci",
                keys=KeysFrom(file=Path("conf/ci.json")),
                algorithms=("EdDSA",),
                introspection=IntrospectionFrom(url="https://ci.example/", token_file=Path("conf/ci.token")),
            ),
        ),
        trust_domain=(
            TrustDomainTable(
                name="prod.example", bundle=BundleFrom(workload_api="unix:///run/spire/agent.sock")
            ),
        ),
        proofs=ProofsTable(nonces=True),
        state=State(path=Path("conf/state.db")),
    )


def test_paths_are_relative_to_the_file_that_names_them() -> None:
    made = read(
        written('[policies]\npath = "."\n[server]\nuds = "run/pdp.sock"\n[decision_log]\nto = "/var/log/x"')
    )
    assert made.policies.path == Path("conf")
    assert made.server.uds == Path("conf/run/pdp.sock")
    assert made.decision_log.to == "/var/log/x"
    assert read(written('[decision_log]\nto = "stdout"')).decision_log.to == "stdout"


def test_the_environment_wins_over_the_file_and_arguments_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    path = written('[server]\nport = 1\nhost = "a"\nworkers = 2')
    monkeypatch.setenv("PDP_SERVER__PORT", "2")
    monkeypatch.setenv("PDP_SERVER__HOST", "b")
    made = read(path, {"server": {"port": 3}, "policies": {"path": Path("p")}})
    assert (made.server.port, made.server.host, made.server.workers) == (3, "b", 2)
    assert made.policies.path == Path("p")


def test_the_environment_can_set_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    point = {"name": "gw", "addresses": ["::1"], "may_assert": ["credential"]}
    for name, value in {
        "PDP_POLICIES__PATH": "rules",
        "PDP_POLICIES__STRICT": "false",
        "PDP_POLICIES__LOWER": '{"PDP405": "warning"}',
        "PDP_STANDING__AFTER": "1h",
        "pdp_limits__depth": "8",
        "PDP_ENFORCEMENT_POINT": json.dumps([point]),
        "PDP_TASK": '[{"id": "t", "expires": "2027-01-01T00:00:00Z"}]',
        "PDP_DECISION_LOG": '{"to": "stdout"}',
    }.items():
        monkeypatch.setenv(name, value)
    made = read()
    assert made.policies == Policies(path=Path("rules"), strict=False, lower={"PDP405": "warning"})
    assert (made.standing.after, made.limits.depth, made.decision_log.to) == (timedelta(hours=1), 8, "stdout")
    assert made.enforcement_point == (
        EnforcementPoint(name="gw", addresses=("::1",), may_assert=("credential",)),
    )
    assert made.task[0].expires == datetime(2027, 1, 1, tzinfo=UTC)


def test_the_environment_can_say_whom_to_believe(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = {"id": "ci", "keys": {"file": "ci.json"}, "algorithms": ["ES256"], "max_age": "1m"}
    monkeypatch.setenv("PDP_ISSUER", json.dumps([issuer]))
    monkeypatch.setenv(
        "PDP_TRUST_DOMAIN", '[{"name": "prod.example", "bundle": {"url": "https://b.example"}}]'
    )
    monkeypatch.setenv("PDP_PROOFS__MAX_AGE", "30s")
    monkeypatch.setenv("PDP_STATE__PATH", "state.db")
    made = read()
    assert made.issuer == (
        IssuerTable(
            id="ci", keys=KeysFrom(file=Path("ci.json")), algorithms=("ES256",), max_age=timedelta(minutes=1)
        ),
    )
    assert made.trust_domain[0].bundle == BundleFrom(url="https://b.example")
    assert (made.proofs.max_age, made.state.path) == (timedelta(seconds=30), Path("state.db"))


def test_a_code_can_be_lowered_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDP_POLICIES__LOWER__PDP405", "off")
    assert read().policies.lower == {"PDP405": "off"}


def test_what_kubernetes_sets_for_a_service_of_that_name_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PDP_PORT", "PDP_SERVICE_HOST", "PDP_PORT_8181_TCP", "PDP_EXAMPLES"):
        monkeypatch.setenv(name, "tcp://10.0.0.1:8181")
    assert read() == Settings()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("PDP_SERVER__PROT", "1", "PDP_SERVER__PROT: is no setting (did you mean `PDP_SERVER__PORT`?)"),
        ("PDP_SERVR__PORT", "1", "PDP_SERVR__PORT: is no setting (did you mean `PDP_SERVER__PORT`?)"),
        ("PDP_X__Y", "1", "PDP_X__Y: is no setting"),
        (
            "PDP_SERVER__PORT",
            "x",
            "server.port: must be a whole number",
        ),
        ("PDP_TASK", "{", "PDP_TASK: is not the JSON that a table or list is written in"),
        (
            "PDP_STANDING__AFTER",
            "5",
            'standing.after: must be a duration such as "15m"',
        ),
    ],
)
def test_a_variable_that_sets_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)
    assert problems() == [problem]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[server]\nprot = 1", "server.prot: is no setting (did you mean `port`?)"),
        ("[servers]", "servers: is no setting (did you mean `server`?)"),
        ("port = 1", "port: is no setting"),
        ("server = 1", "server: must be a table"),
        ("[server]\nport = 70000", "server.port: must be at most 65535"),
        ("[server]\nport = 1.5", "server.port: must be a whole number"),
        (
            '[server]\nurl = "https://pdp.example/"',
            "server.url: must end with a host or a path, as in https://pdp.example",
        ),
        (
            '[server]\nurl = "https://pdp.example?a=b"',
            "server.url: must end with a host or a path, as in https://pdp.example",
        ),
        (
            '[server]\nurl = "http://pdp.example"',
            "server.url: `http://pdp.example` is not https, and not on this machine",
        ),
        ('[server]\nuds_mode = "999"', 'server.uds_mode: must be three octal digits, such as "660"'),
        ("[server]\nworkers = 0", "server.workers: must be at least 1"),
        ("[server]\ndrain = 5", 'server.drain: must be a duration such as "15m"'),
        (
            '[server]\ndrain = "soon"',
            'server.drain: must be a duration such as "15m"',
        ),
        ("[limits]\ndepth = 101", "limits.depth: must be at most 100"),
        ("[limits]\nbody = 0", "limits.body: must be at least 1"),
        (
            '[policies]\nlower = { PDP201 = "off" }',
            "policies.lower.PDP201: is no safety finding: those are called PDP4 and two digits",
        ),
        (
            '[policies]\nlower = { PDP405 = "on" }',
            "policies.lower.PDP405: must be `error`, `warning` or `off`",
        ),
        ("[policies]\nlower = 1", "policies.lower: must be a table"),
        ("[enforcement_point]", "enforcement_point: must be a list"),
        ("[[enforcement_point]]", "enforcement_point.0.name: is missing"),
        (
            '[[enforcement_point]]\nname = "a"\nmay_assert = []\naddress = ["::1"]',
            "enforcement_point.0.address: is no setting (did you mean `addresses`?)",
        ),
        (
            '[[enforcement_point]]\nname = "a"\nmay_assert = ["callers"]',
            "enforcement_point.0.may_assert.0: must be `caller`, `credential` or `task`",
        ),
        (
            '[[enforcement_point]]\nname = "a"\nmay_assert = []\naddresses = ["::1", "10.0.0.1/8"]',
            "enforcement_point.0.addresses: `10.0.0.1/8` is no IP address or network",
        ),
        (
            '[[enforcement_point]]\nname = "a"\nmay_assert = []\n' * 2,
            "enforcement_point: `a` is there twice",
        ),
        ("[state]\nroom = 10\nquota = 11", "state.quota: is more for one holder than `room` for all"),
        ("[state]\nfile = 1", "state.file: is no setting"),
        ("[proofs]\nnonce = true", "proofs.nonce: is no setting (did you mean `nonces`?)"),
        ('[proofs]\nnonces = "maybe"', "proofs.nonces: must be true or false"),
        (
            '[[enforcement_point]]\nname = "a"\ncertificates = "x"',
            "enforcement_point.0.certificates: must be true or false",
        ),
        ('[[task]]\nid = "t"', "task.0.expires: is missing"),
        (
            '[[task]]\nid = "t"\nexpires = 2026-01-01T00:00:00',
            "task.0.expires: must say its offset, as in 2026-11-24T10:00:00Z",
        ),
        ('[[task]]\nid = ""\nexpires = 2026-01-01T00:00:00Z', "task.0.id: must not be empty"),
        ('[[task]]\nid = "t"\nexpires = 2026-01-01T00:00:00Z\n' * 2, "task: `t` is there twice"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_told(text: str, problem: str) -> None:
    assert problem in problems(text)


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDP_A__B", "1")
    found = problems("[server]\nport = 70000\nprot = 1\n[limit]")
    assert len(found) == 4


def test_a_file_that_cannot_be_read_is_told() -> None:
    def why(path: Path) -> str:
        with pytest.raises(SettingsError) as caught:
            read(path)
        assert caught.value.path == path
        return str(caught.value)

    assert why(Path("nowhere.toml")) == "nowhere.toml: cannot be read: No such file or directory"
    assert "cannot be read" in why(Path("."))
    path = written("[server")
    assert why(path).startswith("conf/pdp.toml: is not TOML: ")
    path.write_bytes(b"\xff")
    assert why(path) == "conf/pdp.toml: is not UTF-8"


def test_a_byte_order_mark_is_no_mistake_in_a_file() -> None:
    assert read(written("\ufeff[server]\nport = 7")).server.port == 7


def test_the_file_is_found_here_before_beside_the_policies() -> None:
    Path("rules").mkdir()
    assert find() is None
    assert find(Path("rules")) is None
    Path("rules/pdp.toml").touch()
    assert find() is None
    assert find(Path("rules")) == find(Path("rules/some.policy")) == Path("rules/pdp.toml")
    Path("pdp.toml").touch()
    assert find() == find(Path("rules")) == Path("pdp.toml")


def test_settings_cannot_be_changed() -> None:
    made = Settings()
    with pytest.raises(ValidationError):
        made.server = Server()  # type: ignore[misc]
    with pytest.raises(ValidationError):
        made.server.port = 1  # type: ignore[misc]


def test_settings_that_are_built_mean_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDP_SERVER__PORT", "1")
    assert Settings().server.port == 8181


def test_a_problem_reads_as_a_sentence() -> None:
    assert str(Problem("a.b", "is no setting")) == "a.b: is no setting"
    assert (
        str(Problem("a.b", "is no setting", "did you mean `c`?")) == "a.b: is no setting (did you mean `c`?)"
    )


# Every table, with what it must have, and every key of it.
TABLES: dict[str, dict[str, Any]] = {
    "server": {}, "policies": {}, "limits": {}, "standing": {}, "proofs": {}, "state": {}, "mint": {},
    "decision_log": {},
    "enforcement_point": {"name": "gw"},
    "task": {"id": "t", "expires": "2027-01-01T00:00:00Z"},
    "issuer": {"id": "https://a.example", "keys": {"url": "https://a.example/k"}, "algorithms": ["ES256"]},
    "trust_domain": {"name": "prod.example", "bundle": {"url": "https://b.example"}},
    "client": {"id": "batch", "spiffe": "spiffe://prod.example/batch"},
    "alarms": {},
    "transmitter": {
        "name": "idp", "issuer": "https://a.example", "audience": ["pdp"],
        "keys": {"url": "https://a.example/k"}, "issuers": ["https://a.example"],
    },
    "receiver": {"name": "mail", "url": "https://c.example/", "audience": "mail"},
}  # fmt: skip


def keys_of(model: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The places of all keys, those of tables within tables too."""
    for name, info in model.model_fields.items():
        yield (*at, name)
        table = next((one for one in (info.annotation, *get_args(info.annotation)) if is_table(one)), None)
        if table is not None:
            yield from keys_of(table, (*at, name))


def is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


KEYS = sorted(keys_of(Settings))
NESTED = [keys for keys in KEYS if len(keys) > 1]


def refused(keys: tuple[str, ...], value: Any) -> list[Problem]:
    """What is wrong with settings that hold what they must, and `value` at one place."""
    table, *inner = keys
    whole: dict[str, Any] = json.loads(json.dumps(TABLES[table]))
    at = whole
    for key in inner[:-1]:
        at = at.setdefault(key, {})
    if inner:
        at[inner[-1]] = value
    held = value if not inner else [whole] if table in LISTS else whole
    try:
        read(None, {table: held})
    except SettingsError as error:
        return list(error.problems)
    return []


LISTS = {"client", "enforcement_point", "task", "issuer", "trust_domain", "transmitter", "receiver"}
# Words of the library, of Python, and of nobody who writes a configuration.
INSIDES = re.compile(
    r"\b(?:input|valid|validation|instance|tuple|str|string|int|integer|bool|boolean|dict|dictionary|NoneType|"
    r"None|path type|pattern|timedelta|datetime|value error|item|cannot be used)\b",
    re.IGNORECASE,
)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
    | st.text(max_size=4) | st.sampled_from(["x" * 3_000, "0s", "400d", "1h", "ES256", "https://a", "unix:"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def check_told(keys: tuple[str, ...], problem: Problem) -> None:
    """A problem is told at its key, or at the table whose keys do not go together, in words of the file."""
    told = tuple(part for part in problem.key.split(".") if not part.isdigit())
    # A key may have dots, where it is free.
    assert told[: len(keys) - 1] == keys[:-1][: len(told)]
    assert problem.message[:1] not in ("", *ascii_uppercase)
    assert INSIDES.search(re.sub(r"`[^`]*`", "", problem.message)) is None, problem


@given(st.sampled_from(NESTED), ODD)
def test_whatever_is_wrong_is_told_in_its_place(keys: tuple[str, ...], value: Any) -> None:
    for problem in refused(keys, value):
        check_told(keys, problem)


@pytest.mark.parametrize("keys", NESTED, ids=".".join)
def test_no_key_takes_every_kind_of_value(keys: tuple[str, ...]) -> None:
    found = [problem for value in VALUES for problem in refused(keys, value)]
    assert found
    for problem in found:
        check_told(keys, problem)


VALUES: list[Any] = [
    1.5, [[]], {"": {}}, "", "\0", -1, None, "x" * 3_000, "0s", "400d", 10**30, 1e300, {}, [], True, "a.b",
]  # fmt: skip


@pytest.mark.parametrize("keys", KEYS, ids=".".join)
def test_a_key_that_is_misspelt_is_told_with_its_right_spelling(keys: tuple[str, ...]) -> None:
    *table, name = keys
    wrong = f"{name}x"
    if not table:
        found = [str(problem) for problem in refused_whole({wrong: {}})]
        assert f"{wrong}: is no setting (did you mean `{name}`?)" in found
        return
    place = ".".join([f"{table[0]}.0" if table[0] in LISTS else table[0], *table[1:], wrong])
    assert f"{place}: is no setting (did you mean `{name}`?)" in map(str, refused((*table, wrong), 1))


def refused_whole(values: dict[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(SettingsError) as caught:
        read(None, values)
    return caught.value.problems


def test_settings_cost_a_start_nothing_that_only_verifying_needs() -> None:
    Path("pdp.toml").write_text(
        """
        [[issuer]]
        id = "https://idp.example"
        keys = { discovery = true }
        algorithms = ["ES256"]
        [[trust_domain]]
        name = "prod.example"
        bundle = { url = "https://bundles.example/" }
        """
    )
    program = """
import sys
from pathlib import Path
from pdp.settings import read
assert len(read(Path("pdp.toml")).issuer) == 1
dear = {"httpx", "cryptography", "jwt", "grpc", "spiffe", "fastapi", "uvicorn", "prometheus_client", "lark"}
print(sorted(dear & sys.modules.keys()))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


DURATIONS = st.timedeltas(timedelta(0), timedelta(days=10_000)).map(
    lambda value: value - value % timedelta(milliseconds=1)
)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
LIVES = st.timedeltas(timedelta(seconds=1), timedelta(days=9)).map(
    lambda value: value - value % timedelta(milliseconds=1)
)
NAMES = st.text(min_size=1, max_size=5).filter(lambda text: "\0" not in text)
SEVERAL = st.lists(NAMES, min_size=1, max_size=2, unique=True).map(tuple)
TYPES = st.sampled_from([("at+jwt",), ("application/at+jwt", "JWT")])
NAMED = st.dictionaries(NAMES | st.just('https://a.example/?b="c"'), SEVERAL, max_size=2)
ALGORITHMS = st.lists(st.sampled_from(["ES256", "EdDSA", "RS512"]), min_size=1, unique=True).map(tuple)
FROM = st.fixed_dictionaries(
    {"refresh": LIVES, "stale": DURATIONS},
    optional={"private": st.booleans(), "ca": st.none() | st.just(Path("c.pem"))},
).flatmap(
    lambda how: (
        st.just({**how, "url": "https://a.example/k?v=1"})
        | st.just({"file": Path("k.json"), "refresh": how["refresh"]})
    )
)


def one_introspected(issuers: list[IssuerTable]) -> tuple[IssuerTable, ...]:
    """The issuers, of which one at most is asked about tokens."""
    first, others = issuers[:1], issuers[1:]
    return (*first, *(one.model_copy(update={"introspection": None}) for one in others))


SETTINGS: st.SearchStrategy[Settings] = st.builds(
    Settings,
    server=st.builds(
        Server, host=NAMES, port=st.integers(0, 65_535), uds=st.none() | st.just(Path("a/b")),
        drain=DURATIONS, docs=st.booleans(),
    ),
    policies=st.builds(Policies, path=st.just(Path("x/y")), lower=st.just({}) | st.just({"PDP403": "off"})),
    standing=st.builds(Standing, after=DURATIONS),
    enforcement_point=st.lists(
        st.builds(
            EnforcementPoint, name=NAMES,
            addresses=st.lists(st.sampled_from(["::1", "10.0.0.0/8"])).map(tuple),
            unix=st.booleans(), may_assert=st.lists(st.sampled_from(["caller", "task"])).map(tuple),
            audiences=st.none() | st.lists(NAMES, max_size=2).map(tuple),
        ),
        max_size=2, unique_by=lambda point: point.name,
    ).map(tuple),
    issuer=st.lists(
        st.builds(
            IssuerTable, id=NAMES.map("i/".__add__), keys=FROM.map(lambda place: KeysFrom(**place)),
            algorithms=ALGORITHMS, typ=TYPES, audiences=NAMED, caller=st.sampled_from(["sub", "client_id"]),
            claims=st.dictionaries(NAMES.map("x".__add__), NAMES, max_size=2),
            kind=st.sampled_from(["workload", "human"]),
            task=st.none() | st.just("task"), max_lifetime=LIVES, max_age=LIVES, single_use=st.booleans(),
            binding=st.sampled_from(["none", "any", "dpop", "mtls"]),
            trust_domains=st.just(()) | st.just(("prod.example", "x")),
            introspection=st.none() | st.just(
                IntrospectionFrom(url="https://a.example/?b", client="c d", key_file=Path("k"), audience="a")
            ),
        ),
        max_size=2, unique_by=lambda issuer: issuer.id,
    ).map(one_introspected),
    trust_domain=st.lists(
        st.builds(
            TrustDomainTable, name=st.sampled_from(["prod.example", "x_-.y"]), audiences=NAMED,
            bundle=FROM.map(lambda place: BundleFrom(**place))
            | st.just(BundleFrom(workload_api="unix:///a b/c.sock")),
            kind=st.sampled_from(["workload", "agent"]), max_lifetime=LIVES,
        ),
        max_size=2, unique_by=lambda domain: domain.name,
    ).map(tuple),
    proofs=st.builds(ProofsTable, algorithms=ALGORITHMS, nonces=st.booleans()),
    state=st.builds(
        State, path=st.none() | st.just(Path("s.db")), room=st.integers(9, 99), quota=st.integers(1, 9)
    ),
    task=st.lists(
        st.builds(Task, id=NAMES, owner=st.none() | NAMES, started=st.none() | TIMES, expires=TIMES),
        max_size=2, unique_by=lambda task: task.id,
    ).map(tuple),
    decision_log=st.builds(
        DecisionLog, to=st.sampled_from(["", "stdout", "/d.jsonl"]), queue=st.integers(1, 9)
    ),
)  # fmt: skip


@given(SETTINGS)
def test_settings_come_whole_to_a_worker(made: Settings) -> None:
    assert Settings.model_validate_json(made.model_dump_json()) == made


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SETTINGS)
def test_settings_that_are_shown_can_be_read(made: Settings) -> None:
    from pdp.cli.config import toml

    shown: dict[str, Any] = made.model_dump(mode="json", exclude_none=True)
    Path("pdp.toml").write_text(toml(shown), encoding="utf-8")
    assert read(Path("pdp.toml")) == made
