"""`pdp keys`: which keys sign, and their change by hand, in the state of a service."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pdp.settings import read
from pdp.state.sqlite import SqliteStore
from pdp.tasks.signing import SigningKeys, signing_keys

CONFIG = '[state]\npath = "state.db"\n[mint]\nissuer = "https://pdp.example"\n'


@pytest.fixture
def config(estate: Path) -> Path:
    """The settings of a service that has a state, and no keys yet."""
    path = estate / "pdp.toml"
    path.write_text(CONFIG)
    SqliteStore(estate / "state.db").close()
    return path


def serving(config: Path, work: Callable[[SigningKeys], Any]) -> Any:
    """What the keys of the service come to."""
    settings = read(config)
    assert settings.state.path is not None
    with closing(SqliteStore(settings.state.path)) as store:
        return work(signing_keys(settings.mint, settings.state.path, store))


def current(config: Path) -> str:
    kid: str = serving(config, lambda keys: keys.current(time.time()).kid)
    return kid


def published(config: Path) -> list[str]:
    jwks = serving(config, lambda keys: keys.jwks(time.time()))
    return [member["kid"] for member in json.loads(jwks)["keys"]]


def listed(run: Any) -> dict[str, dict[str, Any]]:
    result = run("keys", "list", "--format", "json")
    assert result.exit_code == 0
    return {one["kid"]: one for one in json.loads(result.stdout)["keys"]}


TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def test_a_list_tells_what_each_key_is_for(run: Any, config: Path) -> None:
    config.write_text(CONFIG + 'keep = "2d"\n')
    now = time.time()
    schedule = read(config).mint.schedule
    begun = now - schedule.active + schedule.publish

    def work(keys: SigningKeys) -> None:
        keys.tend(begun - 10)
        keys.rotate(begun)
        keys.tend(now)

    serving(config, work)
    result = run("keys", "list")
    assert result.exit_code == 0
    retired, signing, following = result.stdout.splitlines()
    kid = "[A-Za-z0-9_-]{43}"
    assert re.fullmatch(rf"signing  {kid} ES256  since {TIME}", signing)
    assert re.fullmatch(rf"next     {kid} ES256  from {TIME}", following)
    assert retired.startswith("retired  ")


def test_json_has_all_that_is_known_of_a_key(run: Any, config: Path) -> None:
    kid = current(config)
    (told,) = listed(run).values()
    assert told["kid"] == kid
    assert (told["state"], told["algorithm"], told["until"], told["kept"]) == (
        "signing", "ES256", None, "wrapped",
    )  # fmt: skip
    assert told["published"] == told["signs"] < told["known"]


def test_listing_makes_nothing(run: Any, config: Path) -> None:
    result = run("keys", "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no key signs" in result.stderr
    assert serving(config, lambda keys: keys.known(time.time())) == ()


def test_rotating_has_another_key_sign_and_says_from_when_everybody_knows_it(run: Any, config: Path) -> None:
    first = current(config)
    result = run("keys", "rotate")
    assert result.exit_code == 0
    second = current(config)
    old, new = result.stdout.splitlines()
    assert re.fullmatch(rf"retired  {first} ES256  published until {TIME}", old)
    assert re.fullmatch(rf"signing  {second} ES256  since {TIME}, known everywhere from {TIME}", new)
    assert published(config) == [first, second]


def test_rotating_prints_json_too(run: Any, config: Path) -> None:
    first = current(config)
    result = run("keys", "rotate", "--format", "json")
    assert [one["state"] for one in json.loads(result.stdout)["keys"]] == ["retired", "signing"]
    assert current(config) != first


def test_a_retired_key_is_published_still_and_a_compromised_one_not(run: Any, config: Path) -> None:
    first = current(config)
    assert run("keys", "retire", first).exit_code == 0
    second = current(config)
    assert published(config) == [first, second]
    assert run("keys", "retire", second, "--compromised").exit_code == 0
    assert published(config) == [first, current(config)]
    assert run("keys", "retire", first, "--compromised").exit_code == 0
    assert published(config) == [current(config)]
    assert {one["state"] for one in listed(run).values()} == {"signing"}


def test_a_key_that_is_not_there_is_told(run: Any, config: Path) -> None:
    kid = current(config)
    result = run("keys", "retire", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no key `nobody`" in result.stderr
    assert current(config) == kid


def test_a_key_from_a_file_that_is_retired_leaves_none(run: Any, estate: Path, config: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (estate / "1.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    config.write_text(CONFIG + 'signing_key = "1.pem"\n')
    kid = current(config)
    assert listed(run)[kid]["kept"] == "elsewhere"
    result = run("keys", "rotate")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no other key to sign with" in result.stderr
    result = run("keys", "retire", kid)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"retired  {kid}")
    assert "no key signs" in result.stderr


def test_a_next_key_from_a_file_waits_until_it_is_told(run: Any, estate: Path, config: Path) -> None:
    for name in ("1.pem", "2.pem"):
        key = ec.generate_private_key(ec.SECP256R1())
        (estate / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    config.write_text(CONFIG + 'signing_key = "1.pem"\nnext_key = "2.pem"\n')
    serving(config, lambda keys: keys.tend(time.time()))
    assert run("keys", "list").stdout.splitlines()[1].endswith("ES256  when it is told to")
    assert [one["signs"] is None for one in listed(run).values()] == [False, True]
    following = [*listed(run)][1]
    assert run("keys", "rotate").exit_code == 0
    assert current(config) == following


def test_without_the_key_they_are_wrapped_with_keys_can_be_listed_and_not_rotated(
    run: Any, estate: Path, config: Path
) -> None:
    kid = current(config)
    (estate / "state.db.key").unlink()
    assert [*listed(run)] == [kid]
    result = run("keys", "rotate")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "state.db.key` is not there" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "signing keys are kept in the state, and it has no file"),
        ('[state]\npath = "none.db"\n', "there is no `none.db`"),
        ('[state]\npath = "pdp.toml"\n', "`pdp.toml` cannot be used: file is not a database"),
        (CONFIG + 'signing_key = "none.pem"\n', "`none.pem` cannot be read: No such file or directory"),
        ("[mint]\nkeep = 1\n", "mint.keep: must be a duration"),
    ],
)
@pytest.mark.parametrize("command", [["list"], ["rotate"], ["retire", "kid"]], ids=" ".join)
def test_where_keys_cannot_be_had_the_command_cannot_run(
    run: Any, config: Path, command: list[str], text: str, message: str
) -> None:
    config.write_text(text)
    result = run("keys", *command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert not (config.parent / "none.db").exists()


def test_there_is_no_other_format(run: Any, config: Path) -> None:
    result = run("keys", "list", "--format", "yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "`yaml` is no format" in result.stderr


@pytest.mark.parametrize("command", ["list", "rotate", "retire"])
def test_the_help_has_an_example_and_exit_codes(run: Any, command: str) -> None:
    result = run("keys", command, "--help")
    assert result.exit_code == 0
    assert f"pdp keys {command}" in result.output
    assert "Exit codes" in result.output
