"""Answers to rows: their ids, intervals or classes, and lines in the prediction log.

`/predict`, JSON batches and streams all build and log their answers here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.platform import tracing
from core.rules.model.classes import places_answered
from core.rules.model.contract import Contract
from core.rules.model.contract_batch import Columns, Problems
from core.rules.model.unusual_values import unusual_columns
from serving.http.metrics import Metrics
from serving.model.loaded import LoadedModel
from serving.prediction_log.spool import Spool
from serving.prediction_log.writer import prediction_lines

NO_ANSWER = "the model has no finite answer for this row"

Floats = NDArray[np.float64]
Entry = tuple[str, Any, float, dict[str, Any] | None]
"""An answer in the prediction log: its id, the row, the prediction, and the rest of the answer."""


class Answer(msgspec.Struct, omit_defaults=True):
    """The prediction for one row; `low` and `high` are set if the model has an interval.

    `warnings` about unusual values are set if they were requested; they are not recorded, because
    they follow from the row and the version.
    """

    prediction_id: str
    prediction: float
    model_version: int
    low: float | None = None
    high: float | None = None
    contributions: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    warnings: list[str] | None = None

    def entry(self, row: Any, about: Mapping[str, Any]) -> Entry:
        """The record for the prediction log; `about` is the same for all answers of a model."""
        logged: dict[str, Any] = {}
        if about:
            logged = {"low": self.low, "high": self.high, **about}
        if self.contributions is not msgspec.UNSET:
            logged["contributions"] = self.contributions
        return self.prediction_id, row, self.prediction, logged or None


class ClassAnswer(msgspec.Struct, omit_defaults=True):
    """The label for one row, and the probability of each class.

    `set` is the prediction set, if the model has prediction sets; `warnings` as in `Answer`.
    """

    prediction_id: str
    prediction: str
    model_version: int
    probabilities: dict[str, float]
    set: list[str] | None = None
    contributions: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    warnings: list[str] | None = None

    def entry(self, row: Any, about: Mapping[str, Any]) -> Entry:
        """The record for the prediction log; `about` is the same for all answers of a model.

        Its prediction is the probability of the answered class.
        """
        logged = {"label": self.prediction, "probabilities": self.probabilities, **about}
        if self.set is not None:
            logged["set"] = self.set
        if self.contributions is not msgspec.UNSET:
            logged["contributions"] = self.contributions
        return self.prediction_id, row, self.probabilities[self.prediction], logged


AnyAnswer = Answer | ClassAnswer


def without_answer(values: Floats) -> Problems:
    """A problem for each row with a prediction that is not finite; of [n, k], any of them."""
    finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return {n: {"": NO_ANSWER} for n in np.flatnonzero(~finite).tolist()}


@dataclass(slots=True)
class AnswerLog:
    """Builds the answers of one dataset and spools them before they are sent."""

    spool: Spool
    metrics: Metrics
    dataset: str

    def answer(
        self,
        model: LoadedModel,
        rows: Sequence[Any],
        values: Floats,
        problems: Problems,
        caller: str,
    ) -> list[AnyAnswer | None]:
        """Build and log an answer for each row; None for rows with problems."""
        contract = model.runtime.contract
        make = _class_answers if contract.classes else _number_answers
        answers: list[AnyAnswer | None] = list(make(contract, model.version, values))
        for n in problems:
            answers[n] = None
        self.record(model, rows, answers, caller)
        return answers

    def record(
        self,
        model: LoadedModel,
        rows: Sequence[Any],
        answers: Sequence[AnyAnswer | None],
        caller: str,
    ) -> None:
        """Spool the answers with their rows and the caller, and count them."""
        about = _about(model.runtime.contract)
        entries = [
            a.entry(row, about) for row, a in zip(rows, answers, strict=True) if a is not None
        ]
        if not entries:
            return
        lines = prediction_lines(self.dataset, model.version, entries, caller)
        self.spool.add(lines, len(entries))
        self.metrics.answered(self.dataset, model.version, len(entries))
        if tracing.is_on():
            tracing.note(version=model.version, rows=len(entries))
            tracing.link(model.trace)


def add_warnings(model: LoadedModel, columns: Columns, answers: Sequence[AnyAnswer | None]) -> None:
    """Set the warnings of answers to rows with these inputs."""
    found = unusual_columns(model.runtime.contract, columns, len(answers))
    for answer, warnings in zip(answers, found, strict=True):
        if answer is not None:
            answer.warnings = warnings


def _about(contract: Contract) -> dict[str, Any]:
    """The part of a log record that a model's answers share: coverage, threshold and its class."""
    covers = contract.interval or contract.sets
    about: dict[str, Any] = {"coverage": covers.coverage()} if covers else {}
    if contract.threshold is not None:
        about |= {"threshold": contract.threshold, "positive": contract.classes[-1]}
    return about


def answer_for(model: LoadedModel, value: Any) -> AnyAnswer:
    """One answer with a new id, not logged yet, from a number or a list of probabilities."""
    contract, version = model.runtime.contract, model.version
    if contract.classes:
        (answer,) = _class_answers(contract, version, np.array([value], dtype=np.float64))
        return answer
    interval = contract.interval
    low, high = interval.bounds(value) if interval else (None, None)
    return Answer(_uuid4(os.urandom(16).hex()), value, version, low, high)


def _number_answers(contract: Contract, version: int, values: Floats) -> Iterable[Answer]:
    interval = contract.interval
    columns = [uuids(len(values)), values.tolist(), [version] * len(values)]
    if interval is not None:
        columns += [bounds.tolist() for bounds in interval.bounds_of(values)]
    return starmap(Answer, zip(*columns, strict=True))


def _class_answers(contract: Contract, version: int, values: Floats) -> Iterable[ClassAnswer]:
    """The answers from [n, k] probabilities."""
    classes, sets = contract.classes, contract.sets
    places = places_answered(contract, values)
    inside = [] if sets is None else sets.inside(values, places).tolist()
    for n, (id_, place, row) in enumerate(
        zip(uuids(len(values)), places.tolist(), values.tolist(), strict=True)
    ):
        yield ClassAnswer(
            id_,
            classes[place],
            version,
            dict(zip(classes, row, strict=True)),
            [c for c, is_in in zip(classes, inside[n], strict=True) if is_in] if inside else None,
        )


def uuids(count: int) -> list[str]:
    """Random UUIDs (version 4) from one draw, four times as fast as `uuid.uuid4`."""
    digits = os.urandom(16 * count).hex()
    return [_uuid4(digits[n : n + 32]) for n in range(0, 32 * count, 32)]


def _uuid4(h: str) -> str:
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{'89ab'[int(h[16], 16) & 3]}{h[17:20]}-{h[20:]}"
