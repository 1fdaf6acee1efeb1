"""Printing on the command line: lines for people, JSON for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

import typer

from console.text.as_json import jsonable
from console.text.commands import naming
from console.text.wrapping import wrapped
from core.domain.safe_text import printable, printable_json

_COLOURS = {"ok": "green", "warn": "yellow", "bad": "red", "DOWN": "red"}
"""The states at the beginning of the lines of `status` and `doctor`."""

about: ContextVar[str] = ContextVar("driftdesk.about", default="")
"""The dataset that the command is about, if commands must name theirs."""


def say(line: str, *, err: bool = False) -> None:
    """Print one line, wrapped in a terminal; control characters are escaped."""
    text, width = printable(naming(line, about.get())), _width(err=err)
    for n, piece in enumerate(wrapped(text, width) if width else [text]):
        typer.echo(_coloured(piece) if width and n == 0 else piece, err=err)


def _coloured(line: str) -> str:
    """The line with the state at its beginning in colour, unless NO_COLOR is set."""
    state = line.partition(" ")[0]
    if state not in _COLOURS or "NO_COLOR" in os.environ:
        return line
    return typer.style(state, fg=_COLOURS[state], bold=state != "ok") + line[len(state) :]


def _width(*, err: bool) -> int | None:
    """The terminal's width in columns; None for a pipe or a file, where a line stays one."""
    stream = sys.stderr if err else sys.stdout
    return shutil.get_terminal_size().columns if stream.isatty() else None


def tell(value: Any, *, as_json: bool, lines: Callable[[], Iterable[str]]) -> None:
    """Print a value as JSON for programs, or as lines for people."""
    if as_json:
        typer.echo(printable_json(json.dumps(jsonable(value), ensure_ascii=False, indent=2)))
    else:
        for line in lines():
            say(line)
