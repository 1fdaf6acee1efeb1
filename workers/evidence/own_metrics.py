"""The team's own metrics: each function is called in a process of its own, on held-out rows.

Whatever the function does, the job survives: it may raise, hang, use too much memory or end its
process. Such a metric has no value, and a sentence says why.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from core.domain.dataset import Dataset
from core.domain.dossier import OwnFigure
from core.domain.errors import RecipeFailed
from core.domain.evaluation import OwnMetric
from core.platform.settings import Settings
from workers.evidence import metric_process
from workers.evidence.metric_process import ABOUT, DETAILS, RESULT, ROWS
from workers.recipes.command.fit import INHERITED
from workers.recipes.command.program import run
from workers.recipes.port import JobContext, Rows

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MetricLimits:
    """The limits of each metric's process: seconds, and megabytes."""

    seconds: float = 60.0
    memory_mb: int = 4096

    @classmethod
    def of(cls, settings: Settings) -> MetricLimits:
        """As the settings have it."""
        return cls(settings.metric_seconds, settings.training_memory_mb)


def measure(
    dataset: Dataset,
    rows: Rows,
    answers: Mapping[str, Mapping[str, Any]],
    classes: tuple[str, ...],
    limits: MetricLimits,
) -> tuple[OwnFigure, ...]:
    """Every own metric of the dataset file, for each model.

    `answers` has the arguments (`Scoring.arguments`) of `candidate`, and of `champion` and
    `baseline` if there are any, in this order; `classes` names the columns of probabilities.
    """
    metrics = dataset.evaluation.metrics
    if not metrics:
        return ()
    with tempfile.TemporaryDirectory(prefix="metrics-") as name:
        folder = Path(name)
        _write(folder, dataset, rows, answers, classes)
        return tuple(_measured(own, folder, limits) for own in metrics)


def _write(
    folder: Path,
    dataset: Dataset,
    rows: Rows,
    answers: Mapping[str, Mapping[str, Any]],
    classes: tuple[str, ...],
) -> None:
    import pandas as pd  # noqa: PLC0415 - only datasets with own metrics need it here

    table = pd.DataFrame({c.name: np.asarray(rows[c.name]) for c in dataset.features})
    table.to_parquet(folder / ROWS)
    for model, arguments in answers.items():
        np.savez(folder / model, **arguments)
    about = {"models": list(answers), "classes": classes}
    (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")


def _measured(own: OwnMetric, folder: Path, limits: MetricLimits) -> OwnFigure:
    result = folder / RESULT
    result.unlink(missing_ok=True)
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    # The metric can import what the worker can.
    environment = inherited | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    context = JobContext(
        seconds=limits.seconds,
        memory=limits.memory_mb * 1_000_000,
        say=lambda line: log.info("metric says", metric=own.function, line=line),
    )
    try:
        run(
            [sys.executable, "-m", metric_process.__name__, str(folder), own.function],
            Path.cwd(),
            environment,
            context,
            name=f"metric {own.function}",
            setting="METRIC_SECONDS",
        )
        found = json.loads(result.read_text(encoding="utf-8"))
    except RecipeFailed as error:
        return OwnFigure(own.key, own.metric, problem=str(error))
    if details := (folder / DETAILS).read_text(encoding="utf-8"):
        log.warning("metric failed", metric=own.function, details=details)
    return OwnFigure(own.key, own.metric, **found["values"], problem=found["problem"])
