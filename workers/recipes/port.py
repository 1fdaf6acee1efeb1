"""The port of recipes: how a model is made of rows.

A recipe is a function `fit(rows, dataset) -> Fitted`. What it fits and how is its own affair; the
runtime, parity check, golden predictions, evaluation, dossier and promotion ask the ONNX file only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.domain.dataset import Dataset
from core.domain.errors import NothingToTrainOn
from core.rules.data.holdout import row_hash
from core.rules.model.classes import classes_of, indices_of, labels_in

Matrix = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rows = Mapping[str, NDArray[Any]]
"""Columns by name, all of one length: float64 with NaN for null, or text with "" for null."""

FEWEST_ROWS = 20


class Fitted(Protocol):
    """A fitted model before its export."""

    def predict(self, rows: Rows) -> Doubles:
        """Predict every row: [n], in the target's unit.

        A classifier gives the probability of each class: [n, k], in the order of
        `core.rules.model.classes.classes_of` the rows that it was fitted on.
        """

    def to_onnx(self, metadata: Mapping[str, str]) -> bytes:
        """The model as ONNX: an input [n, 1] per feature, and `prediction` [n, 1] of doubles.

        A classifier has `probabilities` [n, k] of doubles instead, as `predict` gives them.
        Numbers and dates are float inputs, timestamps are doubles, texts are strings. The answers
        equal those of `predict` within `workers.recipes.export.TOLERANCE`; the same rows give the
        same bytes.

        Raises:
            ModelRefused: it cannot be exported.
        """

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that the MLflow run is logged with."""


Recipe = Callable[[Rows, Dataset], Fitted]
"""Fits a model on usable rows, independent of their order.

It runs on one thread: OpenMP's spinning threads took 2 to 20 times as long on a shared machine, and
one thread keeps sums, and so the model, reproducible on any machine.

Raises:
    NothingToTrainOn: the rows do not suffice for it.
"""


@dataclass(frozen=True, slots=True)
class JobContext:
    """The job that runs a program of the team's own, as far as the program's recipe needs it.

    `name` has the numbers of the job and its attempt, as `J-A`. The rows are written below
    `rows_url`, a folder or URL; empty means a temporary folder. `seconds` and `memory` (bytes) are
    limits, `environment` the additional variables. `check` raises if the job must stop; `progress`
    takes a share from 0 to 1 and a stage, `say` a line for the job's log.
    """

    name: str = "0-1"
    rows_url: str = ""
    seconds: float = 3600.0
    memory: int = 4_096_000_000
    environment: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[], None] = lambda: None
    progress: Callable[[float, str], None] = lambda _share, _stage: None
    say: Callable[[str], None] = lambda _line: None


def ordered(rows: Rows, dataset: Dataset) -> tuple[Rows, NDArray[Any]]:
    """The rows ordered by content, and the values to fit; see `fitted_values`.

    Raises:
        NothingToTrainOn: see `fitted_values`.
    """
    values = fitted_values(rows[dataset.target.name], dataset)
    places = values if dataset.task.is_classifier else None
    order = content_order(row_hash(rows, dataset), places)
    return {name: column[order] for name, column in rows.items()}, values[order]


def content_order(hashes: NDArray[np.uint64], places: NDArray[np.intp] | None) -> NDArray[np.intp]:
    """The order of rows by their content hashes, and of a classifier's by their classes' `places`.

    A classifier's hashes do not include the target, so equal ones may have different classes.
    """
    if places is not None:
        return np.asarray(np.lexsort((places, hashes)))
    order: NDArray[np.intp] = np.argsort(hashes, kind="stable")
    return order


def fitted_values(target: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """The values to fit: the target or log(1 + target).

    For a classifier they are the index of each row's class among the classes: 0, 1, … k - 1.

    Raises:
        NothingToTrainOn: fewer than `FEWEST_ROWS` rows, a target whose log does not exist, or
            too few or too many classes.
    """
    if len(target) < FEWEST_ROWS:
        raise NothingToTrainOn(
            f"Only {len(target)} rows are fit to be trained on; at least {FEWEST_ROWS} are needed. "
            "Ingest another batch."
        )
    if dataset.task.is_classifier:
        labels = labels_in(target, dataset)
        return indices_of(labels, classes_of(labels, dataset))
    if dataset.fit_on != "log":
        return target
    if target.min() <= -1:
        raise NothingToTrainOn(
            f"{dataset.target.label} has values of -1 or below, whose log does not exist. "
            'Set fit_on = "value" in the dataset file.'
        )
    logs: NDArray[np.float64] = np.log1p(target)
    return logs
