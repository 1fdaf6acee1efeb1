"""Many rows at once: checked and answered column by column, by one model from first to last."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core import trace
from core.columns import Problems, read_columns
from serving.metrics import Metrics
from serving.model import LiveModel
from serving.predict import Answer
from serving.problems import Problem, no_model, row_errors
from serving.record import prediction_lines
from serving.slot import Slot
from serving.spool import Spool

MOST_ROWS = 50_000
"""How many rows one JSON body may have; more come as a stream."""

MOST_CHECKED = 32

_NO_ANSWER = "the model has no finite answer for this row"
_encode = msgspec.json.Encoder().encode


class Beside(msgspec.Struct, gc=False):
    """What is recorded with an answer that has a range."""

    low: float | None
    high: float | None
    coverage: dict[str, float]


class Batch:
    """Answers lists of rows, each as `/predict` would, and records them."""

    def __init__(self, slot: Slot, spool: Spool, metrics: Metrics) -> None:
        self._slot = slot
        self._spool = spool
        self._metrics = metrics

    def model(self) -> LiveModel:
        """What answers now.

        Raises:
            Problem: nothing does.
        """
        if self._slot.live is None:
            raise no_model()
        return self._slot.live

    def whole(self, document: Any) -> bytes:
        """The answer to `{"rows": […]}`: all rows or, where one is amiss, none.

        Raises:
            Problem: a row does not fit; every such row is named by its place.
        """
        model = self.model()
        rows = rows_of(document, MOST_ROWS)
        answers, problems = self.answer(model, rows)
        if problems:
            raise Problem(422, "Some rows do not fit the live model.", errors_of(problems))
        return _encode({"predictions": answers})

    def check(self, document: Any) -> bytes:
        """The answers to a few rows off the record: how the desk asks whether a swap is done.

        Raises:
            Problem: a row does not fit.
        """
        model = self.model()
        columns, problems = read_columns(
            model.runtime.contract, rows_of(document, MOST_CHECKED), typed=True
        )
        if problems:
            raise Problem(422, "Some rows do not fit the live model.", errors_of(problems))
        values = model.runtime.predict(columns)
        if not np.isfinite(values).all():
            raise Problem(422, f"Some rows have no answer: {_NO_ANSWER}.")
        return _encode(
            {
                "model_version": model.version,
                "digest": model.digest,
                "predictions": values.tolist(),
            }
        )

    def answer(self, model: LiveModel, rows: Sequence[Any]) -> tuple[list[Answer | None], Problems]:
        """An answer for each row, on record; with one problem, none, and nothing is recorded."""
        columns, problems = read_columns(model.runtime.contract, rows, typed=True)
        if problems:
            return [], problems
        values = model.runtime.predict(columns)
        for n in np.flatnonzero(~np.isfinite(values)).tolist():
            problems[n] = {"": _NO_ANSWER}
        if problems:
            return [], problems
        return self.answered(model, rows, values, problems), problems

    def answered(
        self,
        model: LiveModel,
        rows: Sequence[Any],
        values: NDArray[np.float64],
        problems: Problems,
    ) -> list[Answer | None]:
        """The answers that these values are, on record; None for rows with problems.

        A value that is no finite number is added to the problems.
        """
        for n in np.flatnonzero(~np.isfinite(values)).tolist():
            problems.setdefault(n, {"": _NO_ANSWER})
        answers = _answers(model, values.tolist(), problems)
        self._record(model, rows, answers)
        return answers

    def _record(
        self, model: LiveModel, rows: Sequence[Any], answers: Sequence[Answer | None]
    ) -> None:
        interval = model.runtime.contract.interval
        coverage = interval.coverage() if interval else None
        records = [
            (
                a.prediction_id,
                row,
                a.prediction,
                Beside(a.low, a.high, coverage) if coverage else None,
            )
            for row, a in zip(rows, answers, strict=True)
            if a is not None
        ]
        if records:
            if trace.is_on():
                trace.note(version=model.version, rows=len(records))
                trace.link(model.trace)
            self._spool.add(prediction_lines(model.version, records), len(records))
            self._metrics.answered(model.version, len(records))


def _answers(model: LiveModel, values: Sequence[float], problems: Problems) -> list[Answer | None]:
    interval = model.runtime.contract.interval
    ids, version = new_ids(len(values)), model.version
    if interval is None:
        made = [Answer(i, value, version) for i, value in zip(ids, values, strict=True)]
    else:
        low, high = interval.bounds_of(np.array(values))
        ends = zip(ids, values, low.tolist(), high.tolist(), strict=True)
        made = [Answer(i, value, version, *ends) for i, value, *ends in ends]
    return [None if n in problems else answer for n, answer in enumerate(made)]


def new_ids(count: int) -> list[str]:
    """So many random UUIDs (version 4), from one draw."""
    drawn = os.urandom(16 * count).hex()
    return [
        f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{'89ab'[int(h[16], 16) & 3]}{h[17:20]}-{h[20:]}"
        for h in (drawn[n : n + 32] for n in range(0, 32 * count, 32))
    ]


def rows_of(document: Any, most: int) -> list[Any]:
    """The rows of a JSON body.

    Raises:
        Problem: there are none, or too many.
    """
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows:
        raise Problem(422, 'The body must be {"rows": [row, …]} with at least one row.')
    if len(rows) > most:
        raise Problem(413, f"There may be {most:,} rows at most. Send more as a stream.")
    return rows


def errors_of(problems: Problems) -> dict[str, str]:
    """The problems of a batch by pointer."""
    return {
        at: rule
        for n in sorted(problems)
        for at, rule in row_errors(problems[n], "rows", n).items()
    }
