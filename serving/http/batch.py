"""JSON batches: validated and predicted column by column, all by the same model version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.rules.model.contract_batch import Columns, read_columns
from serving.http.answers import AnswerLog, AnyAnswer, add_warnings, without_answer
from serving.http.asked import Asked
from serving.model.live_model import LiveModel
from serving.model.loaded import LoadedModel
from serving.problems import Problem, overloaded, row_errors

MAX_ROWS = 50_000
"""Rows allowed in one JSON body; larger batches are streamed."""

MAX_CHECKED = 32

_encode = msgspec.json.Encoder().encode


class ConcurrencyLimit:
    """A counter of running batches with a maximum; only the event loop changes it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.in_use = 0

    def acquire(self) -> None:
        """Count a batch as running.

        Raises:
            Problem: the maximum is running already.
        """
        if self.in_use >= self._most:
            raise overloaded("batches")
        self.in_use += 1

    def release(self) -> None:
        """Count it as finished."""
        self.in_use -= 1


def predict_batch(live_model: LiveModel, log: AnswerLog, document: Any, asked: Asked) -> bytes:
    """The answers to `{"rows": […]}`, logged: all of them, or none if a row is invalid.

    Raises:
        Problem: no model is live, or a row is invalid; every invalid row is named by index.
    """
    model = live_model.require()
    rows = _rows(document, MAX_ROWS)
    return _encode({"predictions": answer_rows(model, log, rows, asked)})


def answer_rows(
    model: LoadedModel, log: AnswerLog, rows: Sequence[Any], asked: Asked
) -> list[AnyAnswer]:
    """The answers to these rows, logged: all of them, or none if a row is invalid.

    Raises:
        Problem: a row is invalid; every invalid row is named by index.
    """
    columns, values = _predict(model, rows)
    answers = log.answer(model, rows, values, {}, asked.caller)
    if asked.warnings:
        add_warnings(model, columns, answers)
    return [answer for answer in answers if answer is not None]


def check_batch(live_model: LiveModel, document: Any) -> bytes:
    """Predict a few rows without logging them, so that the desk can verify a model swap.

    Raises:
        Problem: no model is live, or a row is invalid.
    """
    model = live_model.require()
    _, values = _predict(model, _rows(document, MAX_CHECKED))
    return _encode(
        {"model_version": model.version, "digest": model.digest, "predictions": values.tolist()}
    )


def _rows(document: Any, most: int) -> list[Any]:
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows:
        raise Problem(422, 'The body must be {"rows": [row, …]} with at least one row.')
    if len(rows) > most:
        raise Problem(413, f"At most {most:,} rows are allowed; stream larger batches.")
    return rows


def _predict(model: LoadedModel, rows: Sequence[Any]) -> tuple[Columns, NDArray[np.float64]]:
    columns, problems = read_columns(model.runtime.contract, rows, typed=True)
    if not problems:
        values = model.runtime.predict(columns)
        problems = without_answer(values)
    if problems:
        errors: dict[str, str] = {}
        for n in sorted(problems):
            errors |= row_errors(problems[n], "rows", n)
        raise Problem(422, "Some rows do not fit the live model.", errors)
    return columns, values
