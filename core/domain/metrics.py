"""The metrics of a model: their names, which direction is better, and their units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.domain.task import Task


class MetricUnit(StrEnum):
    """What a metric's value is measured in."""

    TARGET = "the target's unit"
    SHARE = "a share"
    NONE = "no unit"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, with its name in sentences, and a short one that fits above a figure."""

    name: str
    unit: MetricUnit
    higher_is_better: bool = False
    short: str = ""

    @property
    def heading(self) -> str:
        """Its name above a figure."""
        return self.short or self.name[0].upper() + self.name[1:]


METRICS = {
    "mae": Metric("mean absolute error", MetricUnit.TARGET),
    "rmse": Metric("root mean squared error", MetricUnit.TARGET),
    "mdape": Metric(
        "median absolute percentage error", MetricUnit.SHARE, short="Median absolute % error"
    ),
    "r2": Metric("R²", MetricUnit.NONE, higher_is_better=True),
    "log_loss": Metric("log loss", MetricUnit.NONE),
    "roc_auc": Metric("area under the ROC curve", MetricUnit.NONE, True, "ROC AUC"),
    "pr_auc": Metric("average precision", MetricUnit.NONE, True),
    "brier": Metric("Brier score", MetricUnit.NONE),
    "accuracy": Metric("accuracy", MetricUnit.SHARE, True),
    "f1": Metric("macro F1", MetricUnit.NONE, True),
    "calibration_error": Metric("calibration error", MetricUnit.SHARE),
    "error_rate": Metric("share of wrong answers", MetricUnit.SHARE),
}
"""The metrics of all tasks."""

_OF_CLASSES = ("log_loss", "roc_auc", "pr_auc", "brier", "accuracy", "f1", "calibration_error")

METRICS_OF: Mapping[Task, tuple[str, ...]] = {
    Task.REGRESSION: ("mae", "rmse", "mdape", "r2"),
    Task.BINARY: _OF_CLASSES,
    Task.MULTICLASS: _OF_CLASSES,
}
"""The metrics of each task; the first one is the default primary metric."""

INFORMS = ("calibration_error",)
"""Metrics that gates do not check unless they are primary, because a few rows change them."""

OF_LABELS = ("accuracy", "f1")
"""Metrics of the labels that a classifier answers, not of its probabilities."""

ERROR = "mae"
"""The metric of a regression on batches, segments and feedback."""

ERROR_OF: Mapping[Task, str] = {
    Task.REGRESSION: ERROR,
    Task.BINARY: "error_rate",
    Task.MULTICLASS: "error_rate",
}
"""The metric of parts of the rows: batches, slices, feedback."""


def error_in(metrics: Mapping[str, float]) -> float | None:
    """The error that batches, segments and feedback use, from stored metrics; None without one."""
    if ERROR in metrics:
        return metrics[ERROR]
    return 1.0 - metrics["accuracy"] if "accuracy" in metrics else None
