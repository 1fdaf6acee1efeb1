"""Fit: the dataset's recipe on the training rows, as a part of a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np

from core.domain.dataset import Dataset
from core.domain.errors import SettingsError
from core.domain.task import Task
from core.domain.training import COMMAND
from core.platform.settings import Settings
from core.platform.settings.named import read_named
from core.rules.model.classes import HALF
from core.rules.model.contract import Contract
from workers.evidence.contract import contract_of
from workers.evidence.own_metrics import MetricLimits
from workers.evidence.training_data import MOST_EVALUATED, TrainingData
from workers.recipes import command, export
from workers.recipes.choose import recipe_of
from workers.recipes.command.model_file import THRESHOLD_FILE, FittedFile
from workers.recipes.command.row_spool import RowSpool, row_spool
from workers.recipes.port import Doubles, Fitted, JobContext, Rows
from workers.runtime.job_run import Run

UNCOMPARED = (
    "The training command wrote only an ONNX file, so there is no fitted model to compare it with. "
    "Its inputs, its output and its answers on the held-out rows were checked."
)
"""The job's log line if there is no parity check."""

NO_THRESHOLD = (
    f"The training command wrote no {THRESHOLD_FILE}, so the threshold of its two classes is "
    f"{HALF:g}."
)
"""The job's log line if the program of a binary task stated no threshold."""

_BEGINS, _ENDS = 0.1, 0.45
"""The progress of a training at which fitting begins and ends."""


@dataclass(frozen=True, slots=True)
class TrainingLimits:
    """Limits and environment of a training command, and the limits of an evaluation."""

    rows_url: str = ""
    seconds: float = 3600.0
    memory_mb: int = 4096
    passed_on: tuple[str, ...] = ()
    evaluated: int = MOST_EVALUATED
    metrics: MetricLimits = field(default_factory=MetricLimits)

    @classmethod
    def of(cls, settings: Settings) -> TrainingLimits:
        """As the settings have it."""
        return cls(
            settings.training_url,
            settings.training_seconds,
            settings.training_memory_mb,
            settings.passed_on,
            settings.evaluation_rows,
            MetricLimits.of(settings),
        )


@contextmanager
def spool_of(dataset: Dataset) -> Iterator[RowSpool | None]:
    """The spool for the rows of a training command; None for recipes that take them from memory.

    Raises:
        DiskRefused: its temporary folder cannot be made.
    """
    if dataset.training.recipe != COMMAND:
        yield None
        return
    with row_spool(dataset) as spool:
        yield spool


def fit(run: Run, data: TrainingData, limits: TrainingLimits) -> tuple[Fitted, Doubles, Contract]:
    """Fit the dataset's recipe, predict the held-out rows, and derive the model's contract.

    A cancellation or a lost lease ends it within seconds.

    Raises:
        NothingToTrainOn, RecipeFailed, ModelRefused: see `workers.recipes.port.Recipe`.
        JobCancelled, LeaseLost: the job must stop.
    """
    if data.spool is not None:  # a program, which looks for a cancel itself, and writes to logs
        fitted_file = command.fit_spooled(
            data.spool, data.target, data.dataset, _context(run, limits)
        )
        stated = fitted_file.threshold
        if stated is None and data.dataset.task is Task.BINARY:
            run.say(NO_THRESHOLD, "warning")
        with run.interruptible():
            predicted = fitted_file.predict(data.held_out)
            threshold = HALF if stated is None else stated
            return fitted_file, predicted, contract_of(data, predicted, None, threshold)
    recipe = recipe_of(data.dataset)
    with run.interruptible():
        fitted = recipe(data.training, data.dataset)
        predicted = fitted.predict(data.held_out) if len(data.actual) else np.empty(0)
        return fitted, predicted, contract_of(data, predicted, recipe)


def parity(fitted: Fitted, expected: Doubles, given: Doubles, rows: Rows) -> float | None:
    """The largest relative difference between exported and fitted model on these rows.

    `expected` are the fitted model's predictions, `given` the exported one's. None if the model
    exists only as a file, whose answers were checked when they were predicted.

    Raises:
        ModelRefused: they differ; the message names the row.
    """
    if isinstance(fitted, FittedFile):
        return None
    return export.require_parity(expected, given, rows)


def left_files(run: Run, fitted: Fitted) -> Mapping[str, bytes]:
    """The files of a training command for MLflow; the job's log says what was not checked."""
    if not isinstance(fitted, FittedFile):
        return {}
    run.say(UNCOMPARED)
    return fitted.files


def _context(run: Run, limits: TrainingLimits) -> JobContext:
    environment = {}
    for name in limits.passed_on:
        with suppress(SettingsError):  # a credential that this cloud does without
            environment[name] = read_named(name)
    return JobContext(
        name=f"{run.job.id}-{run.job.attempt}",
        rows_url=limits.rows_url,
        seconds=limits.seconds,
        memory=limits.memory_mb * 1_000_000,
        environment=environment,
        check=run.check,
        progress=lambda share, stage: run.progress(_BEGINS + (_ENDS - _BEGINS) * share, stage),
        say=run.say,
    )
