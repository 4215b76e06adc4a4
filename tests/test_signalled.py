"""Transmitters, receivers and alarms in the settings: read whole, and refused where they cannot be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pdp.cli.config import toml
from pdp.settings import Settings, SettingsError, read
from pdp.trusted import Trusted

TEXT = """
[mint]
issuer = "https://pdp.example"

[[issuer]]
id = "https://idp.example"
keys = {{ file = "idp.json" }}
algorithms = ["ES256"]
session = "sid"
tenant = "org"

[[issuer]]
id = "https://sts.example"
keys = {{ file = "sts.json" }}
algorithms = ["ES256"]

[[trust_domain]]
name = "prod.example"
bundle = {{ file = "bundle.json" }}

[[transmitter]]
name = "idp"
issuer = "https://idp.example/ssf"
audience = ["https://pdp.example/signals"]
keys = {{ file = "signals.json" }}
issuers = ["https://idp.example"]
trust_domains = ["prod.example"]
token_file = "push.token"
poll = {{ url = "https://idp.example/poll", token_file = "poll.token", every = "30s" }}
verify = {{ url = "https://idp.example/verify", stream = "s-1", token_file = "verify.token" }}
silence = {{ after = "1h", max_age = "5m" }}
{transmitter}

[[receiver]]
name = "mail"
url = "https://mail.example/signals"
audience = "https://mail.example"
token_file = "mail.token"
{receiver}

[alarms]
webhook = "https://hooks.example/alarms"
token_file = "hook.token"
end_task = true
{alarms}
"""


def made(folder: Path, *replaced: tuple[str, str], **more: str) -> Settings:
    """The settings, with lines replaced and added."""
    text = TEXT.format(**{"transmitter": "", "receiver": "", "alarms": "", **more})
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    (folder / "pdp.toml").write_text(text)
    return read(folder / "pdp.toml")


def test_they_are_read_with_their_paths_beside_the_file(tmp_path: Path) -> None:
    settings = made(tmp_path)
    (transmitter,), (receiver,), alarms = settings.transmitter, settings.receiver, settings.alarms
    assert transmitter.keys.file == tmp_path / "signals.json"
    assert transmitter.token_file == tmp_path / "push.token"
    assert transmitter.algorithms == ("RS256",)
    assert transmitter.poll is not None
    assert transmitter.poll.token_file == tmp_path / "poll.token"
    assert transmitter.verify is not None
    assert transmitter.verify.token_file == tmp_path / "verify.token"
    assert transmitter.silence is not None
    assert transmitter.silence.max_age == timedelta(minutes=5)
    assert receiver.token_file == tmp_path / "mail.token"
    assert alarms.token_file == tmp_path / "hook.token"
    assert alarms.end_task


def test_they_come_whole_to_a_worker_and_can_be_shown(tmp_path: Path) -> None:
    settings = made(tmp_path)
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
    shown: dict[str, Any] = settings.model_dump(mode="json", exclude_none=True)
    (tmp_path / "shown.toml").write_text(toml(shown))
    again = read(tmp_path / "shown.toml")
    for table in ("transmitter", "receiver", "alarms", "issuer"):
        assert getattr(again, table) == getattr(settings, table)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('name = "idp"', 'name = "i/dp"'), "transmitter.0.name: `i/dp` stands in URLs: letters"),
        (('issuers = ["https://idp.example"]', 'issuers = ["https://x"]'), "`https://x` is no `[[issuer]]`"),
        (('trust_domains = ["prod.example"]', 'trust_domains = ["x"]'), "`x` is no `[[trust_domain]]`"),
        (
            ('issuers = ["https://idp.example"]\ntrust_domains = ["prod.example"]', ""),
            "transmitter.0: say for which `issuers` or `trust_domains` it speaks",
        ),
        (('"signals.json" }', '"signals.json", discovery = true }'), "transmitter.0.keys: say one of"),
        (('{ file = "signals.json" }', "{ discovery = true }"), "transmitter.0.keys: say `file` or `url`"),
        (('after = "1h"', 'after = "0s"'), "transmitter.0.silence.after: must be at least 1s"),
        (
            ('issuer = "https://pdp.example"', ""),
            "receiver: what is told is signed as the `issuer` of `[mint]`",
        ),
        (
            ('webhook = "https://hooks.example/alarms"', ""),
            "alarms: `token_file`, `private` and `ca` are about",
        ),
        (('url = "https://mail.example/', 'url = "http://mail.example/'), "receiver.0.url: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_makes_no_sense_is_told(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        made(tmp_path, change)
    assert any(told in str(problem) for problem in caught.value.problems), caught.value.problems


def test_two_of_one_name_are_told(tmp_path: Path) -> None:
    again = '[[receiver]]\nname = "mail"\nurl = "https://other.example/"\naudience = "other"'
    with pytest.raises(SettingsError, match="`mail` is there twice"):
        made(tmp_path, receiver=again)


def test_only_of_whom_somebody_speaks_more_names_are_looked_at(tmp_path: Path) -> None:
    issuers = Trusted(made(tmp_path)).verifier.trust.issuers
    assert dict(issuers["https://idp.example"].aliases) == {
        "subject": "sub", "email": "email", "session": "sid", "tenant": "org",
    }  # fmt: skip
    assert issuers["https://sts.example"].aliases == ()
