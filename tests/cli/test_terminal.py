"""Colour only where somebody sees it; an error is one line and exit code 2."""

from __future__ import annotations

import io

import pytest
import typer

from pdp.cli.terminal import count, has_color, painter, stop


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_a_terminal_has_colour(terminal: Terminal) -> None:
    assert has_color(terminal)
    assert painter(terminal)("deny", "bad") == "\x1b[31mdeny\x1b[0m"


def test_a_pipe_has_none() -> None:
    assert painter(io.StringIO())("deny", "bad") == "deny"


def test_nobody_is_coloured_who_asked_not_to_be(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_color(terminal)


def test_a_terminal_that_cannot_is_left_alone(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not has_color(terminal)


def test_an_error_goes_to_standard_error_with_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as exit:
        stop("there is no `x`", "name one")
    assert exit.value.exit_code == 2
    assert capsys.readouterr() == ("", "error: there is no `x`\nhint: name one\n")


def test_counts_agree_with_their_nouns() -> None:
    assert [count(n, "rule") for n in (0, 1, 1_000)] == ["0 rules", "1 rule", "1,000 rules"]
    assert count(2, "entry", "entries") == "2 entries"
