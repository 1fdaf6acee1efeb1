"""`driftdesk predict`: one answer in lines, or a CSV file in and another out."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from console import actions, predicting, queries
from console.csvfile import read_sheet
from console.desk import Desk
from console.inert import inert_csv
from console.terminal import say
from core.dataset import ColumnType
from core.errors import BadInput, BadRow, ServingUnavailable
from core.printable import printable_lines
from core.roles import Actor

_TOLD = 20


def prediction_lines(desk: Desk, given: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """An answer for people: its range, the coverage of that, and what pushed it where asked."""
    served = queries.served(desk)
    units = {c.name: (c.label, c.unit) for c in desk.dataset.columns}
    unit = desk.dataset.target.unit
    answer = predicting.answered(given, asked)
    if served and served["version"] == answer.version:
        answer = predicting.answered(given, asked, queries.contract_of(served))
    return predicting.answer_lines(answer, units, unit)


def typed_row(desk: Desk, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose values came as text, with numbers where the live model takes numbers.

    What is no number stays text: serving says which field that is.
    """
    served = queries.served(desk)
    if not served:
        return dict(row)
    numbers = {f.name for f in queries.contract_of(served).fields if f.type is ColumnType.NUMBER}
    return {
        name: _number(value) if name in numbers and isinstance(value, str) else value
        for name, value in row.items()
    }


def _number(text: str) -> float | str | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return text
    if number is None or not math.isfinite(number):
        return text or None
    return int(number) if number.is_integer() else number


def predict_file(desk: Desk, actor: Actor, source: Path, out: Path | None) -> int:
    """Predict the rows of a file; returns how many did not fit, which are told on stderr.

    Progress goes to stderr, the results to `out` or stdout. `out` is written whole or not at all;
    when serving goes away half-way, what was answered is written before that is said.

    Raises:
        BadInput: the file cannot be read or understood, or `out` cannot be written.
        ServingUnavailable: serving is away, or has no model.
        BadRow: the live model changed, and takes other rows now.
    """
    served = queries.served(desk)
    if not served:
        raise ServingUnavailable("No model is live yet. Train one and approve it, then ask again.")
    sheet = read_sheet(_content(source), queries.contract_of(served))
    for bad in sheet.rejected[:_TOLD]:
        say(f"line {bad.line}: {bad.why}", err=True)
    if len(sheet.rejected) > _TOLD:
        say(f"and {len(sheet.rejected) - _TOLD:,} more rows that do not fit", err=True)
    answers: list[dict[str, Any]] = []
    total = len(sheet.accepted)
    try:
        for lot in actions.predict_rows(desk, actor, [a.row for a in sheet.accepted]):
            answers += lot
            say(f"  {len(answers) / total:4.0%}  {len(answers):,} of {total:,} rows", err=True)
    except (BadRow, ServingUnavailable):
        say(f"Broken off: {len(answers):,} of {total:,} rows are answered.", err=True)
        if answers:
            _write(inert_csv(predicting.result_rows(sheet.accepted, answers)), out)
        raise
    _write(inert_csv(predicting.result_rows(sheet.accepted, answers)), out)
    return len(sheet.rejected)


def _content(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise BadInput(f"{source} cannot be read: {error.strerror}.") from error


def _write(text: str, out: Path | None) -> None:
    if out is None:
        # A terminal is shown what would act on it; a file or a pipe gets what is there.
        typer.echo(printable_lines(text) if sys.stdout.isatty() else text, nl=False)
        return
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(out)
    except OSError as error:
        raise BadInput(f"{out} cannot be written: {error.strerror}.") from error
