"""`driftdesk predict`: one answer in lines, or a CSV file in and another out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from console.actions import predictions
from console.cli.printing import say
from console.cli.shared import Output
from console.desk import Desk
from console.queries import served_model
from console.text import prediction, prediction_tables
from console.text.answer_lines import answer_lines
from console.text.csv_input import UnknownColumns, as_typed, read_sheet
from console.text.csv_output import inert_csv
from core.domain.dataset import ColumnType
from core.domain.errors import BadInput, BadRow, ServingUnavailable
from core.domain.safe_text import printable_lines
from core.rules.access.roles import Actor
from core.rules.data.typed_values import read_number

if TYPE_CHECKING:
    from console.cli import answers

_SHOWN = 20


def predict_row(
    desk: Desk, actor: Actor, fields: Sequence[str], row: str, *, explain: bool
) -> Output[answers.Prediction]:
    """Predict one row, given as name=value `fields` or as JSON.

    Raises:
        BadRow: the row cannot be read, or does not fit the live model.
        ServingUnavailable: serving is unavailable, or has no model.
    """
    inputs = _typed(desk, _read_row(fields, row))
    response = predictions.predict(desk, actor, inputs, explain=explain)
    return Output(response, _lines(desk, response, inputs))


def _read_row(fields: Sequence[str], row: str) -> dict[str, Any]:
    try:
        inputs = json.loads(row) if row else {}
    except (ValueError, RecursionError) as error:
        raise BadRow({"--row": "must be JSON"}) from error
    if not isinstance(inputs, dict):
        raise BadRow({"--row": "must be a JSON object"})
    for field in fields:
        name, equals, value = field.partition("=")
        if not equals:
            raise BadRow({field: "must be name=value"})
        inputs[name] = value
    return inputs


def _lines(desk: Desk, response: Mapping[str, Any], inputs: Mapping[str, Any]) -> Iterator[str]:
    """An answer as text: its interval, the coverage, and the contributions if requested."""
    served = served_model.served(desk)
    units = {c.name: (c.label, c.unit) for c in desk.dataset.columns}
    answer = prediction.answered(response, inputs)
    if served and served["version"] == answer.version:
        answer = prediction.answered(response, inputs, served_model.contract_of(served))
    yield from answer_lines(answer, units, desk.dataset.target.unit)


def _typed(desk: Desk, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of texts, with numbers where the live model expects numbers.

    Text that is not a number stays text: serving names the field.
    """
    served = served_model.served(desk)
    if not served:
        return dict(row)
    numbers = {
        f.name for f in served_model.contract_of(served).fields if f.type is ColumnType.NUMBER
    }
    return {
        name: _number(value) if name in numbers and isinstance(value, str) else value
        for name, value in row.items()
    }


def _number(text: str) -> float | str | None:
    if not text.strip():
        return None
    try:
        return as_typed(read_number(text))
    except ValueError:
        return text


def predict_file(
    desk: Desk, actor: Actor, source: Path, out: Path | None, *, ignore_extra: bool = False
) -> int:
    """Predict the rows of a file; returns how many were invalid, which are listed on stderr.

    Progress goes to stderr, the results to `out` or stdout. `out` is replaced as a whole; if
    serving fails half-way, the answers so far are written first.

    Raises:
        BadInput: the file cannot be read or understood, or `out` cannot be written.
        ServingUnavailable: serving is unavailable, or has no model.
        BadRow: the live model changed, and takes other rows now.
    """
    served = served_model.served(desk)
    if not served:
        raise ServingUnavailable("No model is live yet. Train one and approve it, then try again.")
    try:
        contract = served_model.contract_of(served)
        sheet = read_sheet(_content(source), contract, ignore_extra=ignore_extra)
    except UnknownColumns as error:
        raise BadInput(f"{error} Or ignore such columns with --ignore-extra.") from error
    for note in sheet.notes():
        say(note, err=True)
    for bad in sheet.rejected[:_SHOWN]:
        say(f"line {bad.line}: {bad.why}", err=True)
    if len(sheet.rejected) > _SHOWN:
        say(f"and {len(sheet.rejected) - _SHOWN:,} more invalid rows", err=True)
    answers: list[dict[str, Any]] = []
    total = len(sheet.accepted)
    try:
        for chunk in predictions.predict_rows(desk, actor, [a.row for a in sheet.accepted]):
            answers += chunk
            say(f"  {len(answers) / total:4.0%}  {len(answers):,} of {total:,} rows", err=True)
    except (BadRow, ServingUnavailable):
        say(f"Aborted: {len(answers):,} of {total:,} rows are answered.", err=True)
        if answers:
            _write(inert_csv(prediction_tables.result_rows(sheet.accepted, answers)), out)
        raise
    _write(inert_csv(prediction_tables.result_rows(sheet.accepted, answers)), out)
    return len(sheet.rejected)


def _content(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise BadInput(f"{source} cannot be read: {error.strerror}.") from error


def _write(text: str, out: Path | None) -> None:
    if out is None:
        # A terminal gets control characters escaped; a file or a pipe gets the text unchanged.
        typer.echo(printable_lines(text) if sys.stdout.isatty() else text, nl=False)
        return
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(out)
    except OSError as error:
        raise BadInput(f"{out} cannot be written: {error.strerror}.") from error
