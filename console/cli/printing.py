"""Printing on the command line: lines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import typer

from console.text.as_json import jsonable
from core.domain.safe_text import printable, printable_json


def say(line: str, *, err: bool = False) -> None:
    """Print one line; control characters are escaped."""
    typer.echo(printable(line), err=err)


def tell(value: Any, *, as_json: bool, lines: Callable[[], Iterable[str]]) -> None:
    """Print a value as JSON for programs, or as lines for people."""
    if as_json:
        typer.echo(printable_json(json.dumps(jsonable(value), ensure_ascii=False, indent=2)))
    else:
        for line in lines():
            say(line)
