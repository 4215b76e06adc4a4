"""The first line, whole: from a folder or texts to a program, or to everything that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pdp.language.diagnostic import PolicyError
from pdp.language.source import Source
from pdp.load import check_folder, check_sources, compile, load
from tests.whole import whole

POLICY = """
permit read { caller workload "w" audience "docs" action "doc.read" when credential.bound }
test "t" { expect deny reason no_rule }
"""
TODAY = datetime(2026, 6, 15, tzinfo=UTC)
OVER = '@sunset(2026-06-01) permit old { caller workload "w" audience "d" action "a" because "over" }'


def test_a_folder_becomes_a_program(tmp_path):
    (tmp_path / "docs.policy").write_text(POLICY)
    program = load(tmp_path)
    assert [rule.identity for rule in program.rules] == ["docs.read"]
    assert program.digest == check_folder(tmp_path).digest
    assert load(tmp_path / "docs.policy").digest == program.digest


def test_a_folder_with_mistakes_becomes_all_of_them(tmp_path):
    (tmp_path / "docs.policy").write_text("let =")
    (tmp_path / "more.policy").write_text("permit")
    with pytest.raises(PolicyError) as refused:
        load(tmp_path)
    assert len(refused.value.diagnostics) == 2


def test_tests_are_checked_in_a_folder_and_left_out_of_a_program(tmp_path):
    (tmp_path / "docs.policy").write_text(POLICY)
    (tmp_path / "docs.test.policy").write_text('use docs test "u" { expect allow by docs.nobody }')
    assert [found.code for found in check_folder(tmp_path).diagnostics] == ["PDP508"]
    assert len(load(tmp_path).rules) == 1


def test_texts_are_checked_like_the_files_they_could_be(tmp_path):
    path = tmp_path / "docs.policy"
    path.write_text(POLICY)
    texts = [Source(str(path), "docs", POLICY)]
    assert whole(check_sources(texts, today=TODAY)) == whole(check_folder(tmp_path, today=TODAY))


def test_a_text_with_half_a_character_is_told():
    (found,) = check_sources([Source("a.policy", "a", 'let a = "\ud800"')]).diagnostics
    assert found.code == "PDP111"


def test_time_that_passes_does_not_keep_a_server_from_starting(tmp_path):
    (tmp_path / "a.policy").write_text(OVER)
    assert [found.severity for found in check_folder(tmp_path, today=TODAY).diagnostics] == ["error"]
    assert len(load(tmp_path).rules) == 1


def test_settings_reach_the_check(tmp_path):
    (tmp_path / "a.policy").write_text(POLICY + POLICY.replace("read", "write").replace('"t"', '"u"'))
    sources = [Source("a.policy", "a", 'let a = caller.nobody == "x"')]
    assert [found.code for found in check_folder(tmp_path, max_rules=1).diagnostics] == ["PDP324"]
    assert [found.code for found in check_sources(sources).diagnostics] == ["PDP406"]
    assert check_sources(sources, strict=False).diagnostics == ()
    assert check_sources(sources, lower={"PDP406": "off"}).diagnostics == ()
    with pytest.raises(PolicyError):
        load(tmp_path, max_rules=1)


def test_checked_texts_become_a_program():
    checked = check_sources([Source("a.policy", "a", POLICY)])
    assert [rule.identity for rule in compile(checked).rules] == ["a.read"]
    with pytest.raises(PolicyError, match="1 problem in"):
        compile(check_sources([Source("a.policy", "a", "let =")]))
