"""A dataset: its columns in row order, and how models of it are evaluated.

It is described in one TOML file, which `core.platform.dataset_file` reads; no module names a
column. `core/datasets/real_estate.toml` is the commented example.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from core.domain.drift import Measure, RetrainWhen
from core.domain.evaluation import Evaluation
from core.domain.sources import DataApiSource, Source
from core.domain.task import Task
from core.domain.training import Training

STATISTICS = ("mean", "std", "50", "75")
"""The statistics that are compared, named as the original pipeline names them."""

TIME_FEATURES = ("hour", "weekday", "month")
"""What a model may learn of a timestamp besides the day, in UTC; Monday is weekday 0."""

MEASURES: dict[str, float] = {
    Measure.MIX: 0.1,
    Measure.NEW: 0.05,
    Measure.NULLS: 0.05,
    Measure.SHIFT: 0.25,
}
"""The additional measures, with their default limits."""

RESERVED_NAMES = frozenset({"id", "epoch", "batch_id", "held_out", "row_number", "prediction"})
"""Names that columns cannot have, because the rows table or an answer uses them."""

EPOCHS = ("s", "ms")
"""Units of timestamps that are numbers since 1970-01-01: seconds and milliseconds."""

FITS = ("value", "log")
"""What a model learns: the target, or the logarithm of 1 + the target."""


class ColumnType(StrEnum):
    """What a column's values are."""

    NUMBER = "number"
    CATEGORY = "category"
    CODE = "code"
    DATE = "date"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"


TEXTS = frozenset({ColumnType.CATEGORY, ColumnType.CODE, ColumnType.BOOLEAN})
"""The types that models take as text; a boolean is the category "true" or "false"."""


class Role(StrEnum):
    """What a column is for."""

    FEATURE = "feature"
    TARGET = "target"
    IDENTIFIER = "identifier"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the dataset.

    `source` is its name in the batches, and `parse` the strptime format of its dates there; both
    are empty where batches use the column's own name and ISO dates. `default` replaces an empty
    value, in batches and in requests; it is stored in the model's encoding: a number, days or
    seconds since 1970-01-01, or text. For timestamps, `epoch` is the unit if batches have numbers,
    `zone` the IANA zone of times without one, and `features` the parts that models use
    (`TIME_FEATURES`). A column that was `added_later` is null in older rows, and batches may lack
    it; where it is null, it does not count for the side of the split. A number `is_class`
    if it is a classifier's target: its shares are compared, and not its mean.

    Invariants: `limits` has every name in `STATISTICS` (the dataset's where the column
    has none of its own); rows outside `above` and `at_most` are stored and not trained on;
    `minimum` and `step` describe the form field. `measure_limits` are by the names of `MEASURES`.
    """

    name: str
    label: str
    type: ColumnType
    role: Role
    unit: str = ""
    nullable: bool = True
    drift: bool = True
    width: int = 0
    above: float | None = None
    at_most: float | None = None
    minimum: float | None = None
    step: float | None = None
    limits: dict[str, float] = field(default_factory=dict)
    measure_limits: dict[str, float] = field(default_factory=lambda: dict(MEASURES))
    source: str = ""
    parse: str = ""
    default: float | str | None = None
    epoch: str = ""
    zone: str = ""
    features: tuple[str, ...] = ()
    added_later: bool = False
    is_class: bool = False

    @property
    def is_text(self) -> bool:
        """Whether values are learned from as text."""
        return self.type in TEXTS

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The additional measures of it; dates and times always move, so only nulls count."""
        if not self.drift or self.role is Role.IDENTIFIER:
            return ()
        if self.is_text or self.is_class:
            return (Measure.MIX, Measure.NEW, Measure.NULLS)
        return (
            (Measure.SHIFT, Measure.NULLS) if self.type is ColumnType.NUMBER else (Measure.NULLS,)
        )


def rows_table_of(name: str) -> str:
    """The name of the table that holds the rows of the dataset of that name."""
    return f"rows_{name}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset: its columns in row order, its target, and how models of it are evaluated.

    `positive` is the positive class of a binary task; empty for the last one in sorted order.
    `retrain_when` names the finding that decides whether a batch calls for retraining.
    """

    name: str
    title: str
    unit: str
    primary_metric: str
    fit_on: str
    columns: tuple[Column, ...]
    source: Source = field(default_factory=DataApiSource)
    training: Training = field(default_factory=Training)
    task: Task = Task.REGRESSION
    positive: str = ""
    evaluation: Evaluation = field(default_factory=Evaluation)
    retrain_when: RetrainWhen = RetrainWhen.RECOMMENDATION

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in row order."""
        return tuple(c.name for c in self.columns)

    @property
    def source_names(self) -> tuple[str, ...]:
        """The names that the columns have in the batches, in row order."""
        return tuple(c.source or c.name for c in self.columns)

    @property
    def target(self) -> Column:
        """The column that models predict."""
        return next(c for c in self.columns if c.role is Role.TARGET)

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that models learn from, in row order."""
        return tuple(c for c in self.columns if c.role is Role.FEATURE)

    @property
    def compared(self) -> tuple[Column, ...]:
        """The numeric columns whose statistics are compared, target included."""
        return tuple(c for c in self.columns if c.drift and c.type is ColumnType.NUMBER)

    @property
    def watched(self) -> tuple[Column, ...]:
        """The columns of which a statistic or a measure is compared, in row order."""
        return tuple(c for c in self.columns if c.measures or c in self.compared)

    @property
    def rows_table(self) -> str:
        """The name of the table that holds this dataset's rows."""
        return rows_table_of(self.name)
