"""How a dataset's models are evaluated: the `[evaluation]` section of its file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.domain.metrics import METRICS, Metric


class SplitBy(StrEnum):
    """What decides which rows are held out."""

    HASH = "hash"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class MetricLimit:
    """A bound of a metric on the held-out rows; exactly one of the two is given."""

    metric: str
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True, slots=True)
class OwnMetric:
    """A metric that the team's own code computes, by a `package.module:function`.

    `key` names it in gates, in MLflow and on the command line.
    """

    key: str
    function: str
    metric: Metric


@dataclass(frozen=True, slots=True)
class SegmentLimit:
    """The largest share by which the error on a segment of a column may exceed the champion's."""

    column: str
    worse_by_at_most: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is held out, and the dataset's own metrics and gates.

    By hash, a fifth of the rows is held out, selected by content. By time, it is the last `share`
    of them by `time_column`, a date or a timestamp.
    """

    split: SplitBy = SplitBy.HASH
    time_column: str = ""
    share: float = 0.2
    gates: tuple[MetricLimit | SegmentLimit, ...] = ()
    metrics: tuple[OwnMetric, ...] = ()

    def metric(self, key: str) -> Metric:
        """The metric that a gate names.

        Raises:
            KeyError: there is none.
        """
        return {own.key: own.metric for own in self.metrics}.get(key) or METRICS[key]

    @property
    def by_time(self) -> bool:
        """Whether the last rows by time are held out."""
        return self.split is SplitBy.TIME


@dataclass(frozen=True, slots=True)
class SplitDate:
    """The split date: a version was not trained on rows with a later value of `column`.

    `up_to` is in days or seconds since 1970-01-01, as the column is read; `text` is the same time
    as a request would write it.
    """

    column: str
    up_to: float
    text: str
