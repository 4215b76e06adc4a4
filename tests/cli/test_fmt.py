"""`pdp fmt`: files are rewritten whole, or left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

UGLY = "# why\nlet   a=1   # one\n"


@pytest.fixture
def ugly(estate: Path) -> Path:
    (estate / "one").mkdir()
    path = estate / "one/ugly.policy"
    path.write_text(UGLY)
    return path


def test_a_file_is_brought_into_its_layout_with_its_comments(run: Any, ugly: Path) -> None:
    ugly.chmod(0o640)
    result = run("fmt", "one")
    assert (result.exit_code, result.output) == (
        0, "formatted: one/ugly.policy\n1 file formatted, 0 left as they were\n",
    )  # fmt: skip
    assert "let a = 1" in ugly.read_text()
    assert "# why" in ugly.read_text()
    assert "# one" in ugly.read_text()
    assert ugly.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in ugly.parent.iterdir()] == ["ugly.policy"]


def test_what_is_formatted_stays_as_it_is(run: Any, ugly: Path) -> None:
    run("fmt", "one")
    text, time = ugly.read_text(), ugly.stat().st_mtime_ns
    assert run("fmt", "one").output == "0 files formatted, 1 left as they were\n"
    assert (ugly.read_text(), ugly.stat().st_mtime_ns) == (text, time)
    assert run("fmt", "--check", "one").exit_code == 0


def test_check_changes_nothing_and_says_so(run: Any, ugly: Path) -> None:
    result = run("fmt", "--check", "one")
    assert (result.exit_code, ugly.read_text()) == (1, UGLY)
    assert "would be formatted: one/ugly.policy" in result.output


def test_diff_shows_what_would_change(run: Any, ugly: Path) -> None:
    result = run("fmt", "--diff", "one")
    assert (result.exit_code, ugly.read_text()) == (0, UGLY)
    assert "--- one/ugly.policy\n+++ one/ugly.policy (formatted)\n" in result.output
    assert "-let   a=1   # one\n" in result.output
    assert run("fmt", "--diff", "--check", "one").exit_code == 1


def test_a_file_that_cannot_be_parsed_is_left_alone_and_told(run: Any, ugly: Path) -> None:
    (ugly.parent / "broken.policy").write_text("let =\n")
    (ugly.parent / "bytes.policy").write_bytes(b"let a = \xff\n")
    result = run("fmt", "one")
    assert (result.exit_code, (ugly.parent / "broken.policy").read_text()) == (1, "let =\n")
    assert "one/broken.policy:1" in result.stderr
    assert "one/bytes.policy:1" in result.stderr
    assert "let a = 1" in ugly.read_text()


def test_line_ends_stay_what_they_are(run: Any, ugly: Path) -> None:
    ugly.write_bytes(UGLY.replace("\n", "\r\n").encode())
    run("fmt", "one")
    assert ugly.read_bytes().count(b"\r\n") == ugly.read_bytes().count(b"\n") > 0
    assert run("fmt", "--check", "one").exit_code == 0


def test_a_link_is_followed_and_stays_a_link(run: Any, ugly: Path) -> None:
    (ugly.parent / "link.policy").symlink_to("../elsewhere.txt")
    (ugly.parent.parent / "elsewhere.txt").write_text(UGLY)
    run("fmt", "one")
    assert (ugly.parent / "link.policy").is_symlink()
    assert "let a = 1" in (ugly.parent.parent / "elsewhere.txt").read_text()


def test_a_dash_formats_standard_input_to_standard_output(run: Any) -> None:
    result = run("fmt", "-", input=UGLY.encode())
    assert result.exit_code == 0
    assert "let a = 1" in result.stdout
    result = run("fmt", "-", input=b"let =")
    assert (result.exit_code, result.stdout) == (1, "let =")


def test_the_folder_may_be_left_out(run: Any) -> None:
    assert "3 " in run("fmt", "--check").output


def test_nothing_to_format_is_wrong_usage(run: Any, estate: Path) -> None:
    (estate / "empty").mkdir()
    assert run("fmt", "nowhere").exit_code == 2
    assert run("fmt", "empty").exit_code == 2


def test_a_formatter_that_changes_the_meaning_changes_no_file(
    run: Any, ugly: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pdp.language.format

    monkeypatch.setattr(pdp.language.format, "format", lambda tree, source: "let a = 2\n")
    result = run("fmt", "one")
    assert (result.exit_code, ugly.read_text()) == (2, UGLY)
    assert "formatting it would change its meaning" in result.stderr
