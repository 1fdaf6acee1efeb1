"""A guessed dataset as a commented TOML file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from core.domain.dataset import ColumnType
from core.domain.metrics import METRICS_OF
from core.domain.safe_text import printable
from core.rules.data.infer_columns import Guess, Guesses

_LONGEST_LABEL = 80
_MARKUP = re.compile(r"[<>\[\]\\]")
_TIMES = (ColumnType.DATE, ColumnType.TIMESTAMP)
_SOURCE = """\
# Where batches come from: files that people upload. Others are "files", "sql" and "data_api".
[source]
kind = "upload\""""


def dataset_toml(name: str, file: str, note: str, guesses: Guesses) -> str:
    """The dataset file; `file` names the table, `note` says how it was read."""
    return "\n".join(_lines(name, file, note, guesses)) + "\n"


def _lines(name: str, file: str, note: str, guesses: Guesses) -> Iterator[str]:
    yield f"# Guessed from {printable(file)}. Correct what is marked as doubtful where it is wrong."
    yield "# The keys are explained in docs/how-to/own-dataset.md."
    if note:
        yield f"# {note}"
    yield f"name = {_text(name)}"
    yield f"title = {_text(name.replace('_', ' ').capitalize())}"
    yield 'unit = "row"              # what one row is'
    yield from _task(guesses)
    yield ""
    yield from _SOURCE.splitlines()
    yield from _defaults(guesses)
    for column in guesses.columns:
        yield ""
        yield from _column(column, is_target=column.name == guesses.target)
    if guesses.left_out:
        yield ""
        yield "# Left out:"
        for source, reason in guesses.left_out.items():
            yield f"# {printable(source)[:60] or '(no name)'}: {reason}"


def _task(guesses: Guesses) -> Iterator[str]:
    first, *others = METRICS_OF[guesses.task]
    if not guesses.task.is_classifier:
        yield 'primary_metric = "mae"    # mae, rmse, mdape or r2: what a candidate is judged on'
        yield 'fit_on = "value"          # or "log": learn log(1 + target), for prices and the like'
        return
    yield f"task = {_text(guesses.task)}"
    if guesses.positive:
        yield "# The positive class: its probability is compared with the threshold."
        yield f"positive = {_text(guesses.positive)}"
    yield f"# The metric that decides about a candidate; others are {', '.join(others)}."
    yield f"primary_metric = {_text(first)}"


def _defaults(guesses: Guesses) -> Iterator[str]:
    """What holds without being written, and for times what most want to change."""
    yield "# These sections may be added; see docs/how-to/recipes.md and judging-over-time.md."
    yield "# [training]"
    yield '# recipe = "boosting"'
    yield "# [drift]"
    yield '# retrain_when = "recommendation"'
    times = [column.name for column in guesses.columns if column.type in _TIMES]
    if times:
        yield "# [evaluation]"
        yield '# split = "time"          # hold out the last rows in place of a fifth by content'
        yield f"# time_column = {_text(times[0])}"


def _column(column: Guess, *, is_target: bool) -> Iterator[str]:
    for doubt in column.doubts:
        yield f"# Doubtful: {printable(column.source)} {printable(doubt)}."
    yield "[[columns]]"
    yield f"name = {_text(column.name)}"
    if column.source != column.name:
        yield f"source = {_text(column.source)}"
        if len(column.source) <= _LONGEST_LABEL and not _MARKUP.search(column.source):
            yield f"label = {_text(column.source)}"
    yield f"type = {_text(column.type)}"
    for key, value in column.options.items():
        yield f"{key} = {_value(value)}"
    role = "target" if is_target else "identifier" if column.is_identifier else "feature"
    yield f"role = {_text(role)}"
    if is_target:
        yield "nullable = false          # a row without it is quarantined"


def _value(value: Any) -> str:
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """A basic string of TOML, which is one of JSON; printable text needs no other escapes."""
    return json.dumps(text, ensure_ascii=False)
