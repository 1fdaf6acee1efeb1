"""Lines wrap between words to the terminal's width, and stay as they are in a pipe."""

from __future__ import annotations

import pytest
import typer

from console.cli import printing
from console.text.wrapping import wrapped

SENTENCE = "Batch 4 looks like the ones before it and nothing has to be done about it by anybody."


def test_a_long_line_wraps_below_its_text_and_loses_no_word() -> None:
    lines = wrapped(f"verdict    {SENTENCE}", 50)
    assert max(map(len, lines)) <= 50
    assert all(line.startswith(" " * 11) and line[11] != " " for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == f"verdict {SENTENCE}"


def test_a_line_without_a_label_goes_on_two_columns_further() -> None:
    lines = wrapped(f"  {SENTENCE}", 50)
    assert [len(line) - len(line.lstrip()) for line in lines] == [2, 4]


@pytest.mark.parametrize("line", ["", "short", "x" * 90])
def test_what_fits_or_has_no_blank_stays_as_it_is(line: str) -> None:
    assert wrapped(line, 50) == [line]


def test_only_a_terminal_gets_wrapped_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printing.say(SENTENCE)
    assert capsys.readouterr().out == f"{SENTENCE}\n"
    monkeypatch.setattr(printing, "_width", lambda *, err: 50 if not err else None)
    printing.say(SENTENCE)
    printing.say(SENTENCE, err=True)
    said = capsys.readouterr()
    assert [len(line) <= 50 for line in said.out.splitlines()] == [True, True]
    assert said.err == f"{SENTENCE}\n"


def printed(line: str, *, err: bool) -> None:
    """Typer strips colours where the output is captured."""
    assert not err
    print(line)


def test_a_state_is_in_colour_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(typer, "echo", printed)
    monkeypatch.delenv("NO_COLOR", raising=False)
    printing.say("DOWN       MLflow: No answer")
    assert capsys.readouterr().out == "DOWN       MLflow: No answer\n"
    monkeypatch.setattr(printing, "_width", lambda *, err: 80)
    for line in ("DOWN       MLflow: No answer", "downhill  is no state", "ok         Fine"):
        printing.say(line)
    down, other, well = capsys.readouterr().out.splitlines()
    assert down.startswith("\x1b[31m\x1b[1mDOWN\x1b[0m       MLflow")
    assert other == "downhill  is no state"
    assert well.startswith("\x1b[32m")
    monkeypatch.setenv("NO_COLOR", "1")
    printing.say("DOWN       MLflow: No answer")
    assert capsys.readouterr().out == "DOWN       MLflow: No answer\n"
