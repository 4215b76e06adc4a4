"""From folders to the bytes of policy files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pdp.files import read_files


def laid(root: Path, *paths: str) -> Path:
    """`root` with a file at each of `paths`, which has its path as its text."""
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    return root


def modules(root: Path, *, tests: bool = False) -> list[str]:
    return [file.module for file in read_files(root, tests=tests)]


def test_a_file_is_a_module_named_by_its_path_and_files_are_sorted_by_module(tmp_path):
    laid(tmp_path, "teams/ledger.policy", "common.policy", "teams.policy", "a/b/c.policy")
    files = read_files(tmp_path, tests=False)
    assert [file.module for file in files] == ["a.b.c", "common", "teams", "teams.ledger"]
    assert [file.path for file in files][-1] == str(tmp_path / "teams" / "ledger.policy")
    assert files[-1].data == b"teams/ledger.policy"


@pytest.mark.parametrize("name", ["Ledger", "1st", "two words", "ü", "a-b", "a..b", "_a", "A/b", "a.B"])
def test_a_path_that_makes_no_name_makes_no_module(tmp_path, name):
    assert modules(laid(tmp_path, f"{name}.policy")) == [""]


def test_other_files_are_left_out(tmp_path):
    laid(tmp_path, "a.policy", "a.policy~", "a.txt", "policy", "a.cases.json", "pdp.toml")
    assert modules(tmp_path) == ["a"]


def test_what_is_hidden_is_left_out(tmp_path):
    laid(tmp_path, "a.policy", ".b.policy", ".git/c.policy", "d/.e/f.policy", ".policy")
    assert modules(tmp_path) == ["a"]


def test_test_files_are_read_only_where_asked_for(tmp_path):
    laid(tmp_path, "a.policy", "a.test.policy", "b/c.test.policy")
    assert modules(tmp_path) == ["a"]
    assert modules(tmp_path, tests=True) == ["a", "a.test", "b.c.test"]
    assert [file.is_test for file in read_files(tmp_path, tests=True)] == [False, True, True]


def test_a_single_file_is_a_set_of_that_file_alone(tmp_path):
    laid(tmp_path, "folder/a.policy", "folder/b.policy", "folder/d.test.policy")
    folder = tmp_path / "folder"
    assert modules(folder / "a.policy") == ["a"]
    assert modules(folder / "d.test.policy") == []


def test_paths_are_shown_as_the_root_was_given(tmp_path, monkeypatch):
    laid(tmp_path, "policies/a.policy", "policies/b/c.policy")
    monkeypatch.chdir(tmp_path)
    assert [f.path for f in read_files("policies/", tests=False)] == [
        "policies/a.policy",
        "policies/b/c.policy",
    ]
    monkeypatch.chdir("policies")
    assert [file.path for file in read_files(".", tests=False)] == ["a.policy", "b/c.policy"]


def test_a_folder_may_be_called_like_a_file(tmp_path):
    assert modules(laid(tmp_path, "a.policy/b.policy")) == ["a.policy.b"]


def test_a_link_to_a_file_is_read_and_one_to_a_folder_is_not_entered(tmp_path):
    laid(tmp_path, "there/a.policy", "here/b.policy")
    here = tmp_path / "here"
    (here / "linked.policy").symlink_to(tmp_path / "there" / "a.policy")
    (here / "folder").symlink_to(tmp_path / "there")
    (here / "folder.policy").symlink_to(tmp_path / "there")
    (here / "circle").symlink_to(here)
    assert modules(here) == ["b", "linked"]
    assert modules(tmp_path / "here" / "folder") == ["a"]


def test_an_empty_folder_is_an_empty_set(tmp_path):
    assert read_files(tmp_path, tests=True) == ()


def test_a_missing_root_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_files(tmp_path / "nowhere", tests=False)


@pytest.mark.parametrize("target", ["gone", "a.policy"])
def test_a_file_that_cannot_be_read_is_not_left_out(tmp_path, target):
    laid(tmp_path, "b.policy")
    (tmp_path / "a.policy").symlink_to(target)
    with pytest.raises(OSError, match=r"a\.policy"):
        read_files(tmp_path, tests=False)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.policy")
    with pytest.raises(OSError, match=r"not a regular file: .*a\.policy"):
        read_files(tmp_path, tests=False)
