"""Fit: the dataset's recipe on the training rows, as a part of a job."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from core.adapters.onnx_runtime import Runtime
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
from workers.recipes import export
from workers.recipes.choose import recipe_of
from workers.recipes.command.model_file import THRESHOLD_FILE, FittedFile
from workers.recipes.port import Fitted, JobContext, Rows
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


def fit(run: Run, data: TrainingData, limits: TrainingLimits) -> tuple[Fitted, Contract]:
    """Fit the dataset's recipe, and derive the model's contract.

    A cancellation or a lost lease ends it within seconds.

    Raises:
        NothingToTrainOn, RecipeFailed, ModelRefused: see `workers.recipes.port.Recipe`.
        JobCancelled, LeaseLost: the job must stop.
    """
    recipe = recipe_of(data.dataset, _context(run, limits))
    if data.dataset.training.recipe == COMMAND:  # it looks for a cancel itself, and writes to logs
        fitted = recipe(data.training, data.dataset)
        stated = fitted.threshold if isinstance(fitted, FittedFile) else None
        if stated is None and data.dataset.task is Task.BINARY:
            run.say(NO_THRESHOLD, "warning")
        with run.interruptible():
            return fitted, contract_of(data, fitted, None, HALF if stated is None else stated)
    with run.interruptible():
        fitted = recipe(data.training, data.dataset)
        return fitted, contract_of(data, fitted, recipe)


def parity(runtime: Runtime, fitted: Fitted, rows: Rows) -> float | None:
    """The largest relative difference between exported and fitted model on these rows.

    None if the model exists only as a file; its answers are then checked to be finite.

    Raises:
        ModelRefused: they differ, or are no finite numbers; the message names the row.
    """
    if isinstance(fitted, FittedFile):
        fitted.predict(rows)
        return None
    return export.check_parity(runtime, fitted, rows)


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
