"""`[mint]`: what makes no sense is refused when it is read, and not when a token is lost for it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pdp.evidence import keys
from pdp.minted import KEYS_LIMIT, MintTable, Schedule
from pdp.settings import Settings, SettingsError, read
from pdp.tasks.wrap import ALGORITHMS


def problems(values: dict[str, Any], **others: Any) -> list[str]:
    try:
        read(None, {"mint": values, **others})
    except SettingsError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_nothing_is_minted_unless_somebody_is_its_issuer() -> None:
    assert Settings().mint.issuer is None


def test_the_times_are_those_of_the_schedule_unless_they_are_set() -> None:
    assert MintTable().schedule == Schedule()
    table = MintTable(
        lifetime=timedelta(minutes=5),
        publish=timedelta(minutes=30),
        active=timedelta(hours=12),
        keep=timedelta(hours=1),
        cache=timedelta(minutes=10),
        leeway=timedelta(seconds=10.9),
    )
    assert table.schedule == Schedule(300, 1_800, 43_200, 3_600, 600, 10)


def test_a_file_says_who_mints_and_with_which_keys(tmp_path: Path) -> None:
    (tmp_path / "pdp.toml").write_text(
        '[mint]\nissuer = "https://pdp.example"\nsigning_key = "1.pem"\nnext_key = "2.pem"\nkeep = "1d"\n'
    )
    made = read(tmp_path / "pdp.toml").mint
    assert (made.signing_key, made.next_key) == (tmp_path / "1.pem", tmp_path / "2.pem")
    assert (made.issuer, made.keep) == ("https://pdp.example", timedelta(days=1))


def test_the_file_of_the_wrapping_key_is_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "pdp.toml").write_text('[mint]\nkey_file = "wrapping"\n')
    assert read(tmp_path / "pdp.toml").mint.key_file == tmp_path / "wrapping"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_are_made_for_what_can_be_signed_with(algorithm: str) -> None:
    assert problems({"algorithm": algorithm}) == []


def test_fewer_keys_are_published_than_any_reader_takes() -> None:
    assert KEYS_LIMIT < keys.KEYS_LIMIT


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"issuer": "http://pdp.example"}, "mint.issuer: `http://pdp.example` is not https, and not on this"),
        ({"issuer": "https://pdp.example/?a"}, "mint.issuer: `https://pdp.example/?…` is no issuer"),
        ({"algorithm": "RS256"}, "mint.algorithm: must be `ES256` or `EdDSA`"),
        ({"publish": "329s"}, "mint: `publish` must be at least `cache` and `leeway`: 5m30s"),
        ({"active": "59m"}, "mint: `active` must be at least `publish`: 1h"),
        ({"keep": "20m29s"}, "mint: `keep` must be at least `lifetime`, `cache` and `leeway`: 20m30s"),
        ({"lifetime": "2h"}, "mint: `keep` must be at least `lifetime`, `cache` and `leeway`: 2h5m30s"),
        ({"keep": "30d"}, "mint: `keep` is so long that more than 32 keys would be published at a time"),
        ({"leeway": "0s"}, "mint.leeway: must be at least 1s"),
        ({"leeway": "6m"}, "mint.leeway: must be at most 5m"),
        ({"next_key": "2.pem"}, "mint: `next_key` has no `signing_key` to follow"),
        (
            {"key_file": "a", "signing_key": "1.pem"},
            "mint: `key_file` is for keys that are made here, and `signing_key` is made elsewhere",
        ),
        ({"signing_kei": "1.pem"}, "mint.signing_kei: is no setting (did you mean `signing_key`?)"),
    ],
)
def test_what_cannot_be_is_told(values: dict[str, Any], problem: str) -> None:
    (told,) = problems(values)
    assert told.startswith(problem)


def test_who_mints_is_nobody_whose_keys_are_fetched() -> None:
    issuer = {"id": "https://a.example", "keys": {"file": "a.json"}, "algorithms": ["ES256"]}
    told = problems({"issuer": "https://a.example"}, issuer=[issuer])
    assert told == ["mint: `https://a.example` is an `[[issuer]]`, too"]
    assert problems({"issuer": "https://b.example"}, issuer=[issuer]) == []
