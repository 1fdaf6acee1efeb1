"""Drift limits: the dataset file's, those set by operators, and previews of changed ones. Pure.

The newest entry for a column and statistic wins; one without a value restores the dataset file's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from core.domain.dataset import STATISTICS, Dataset
from core.domain.drift import Finding, Measure
from core.domain.errors import BadInput

Key = tuple[str, str]
"""A column and one of `core.domain.dataset.STATISTICS`."""

LARGEST = 1000.0
"""The largest limit that can be set: a change by a factor of a thousand."""


@dataclass(frozen=True, slots=True)
class LimitEntry:
    """One limit as it was set; `value` None means the dataset file's again."""

    id: int
    at: datetime
    column: str
    statistic: str
    value: float | None
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One statistic of one stored report: what history and previews are made of.

    `rose` is whether it is above that of the reference; None if one of the two is unknown. `far`:
    values far outside the former range made the change.
    """

    report_id: int
    batch_id: int
    epoch: int
    batch_number: int
    column: str
    statistic: str
    ratio: float | None
    limit: float
    band: float | None
    rose: bool | None = None
    far: bool = False

    @property
    def finding(self) -> Finding:
        """The outcome under the limit of that time."""
        return judged(self.ratio, self.limit)

    @property
    def could_be_noise(self) -> bool:
        """Whether it is a breach within the noise band, and no broken value made it."""
        within = self.band is not None and (self.ratio or 0.0) <= self.band
        return self.finding is Finding.BREACH and within and not self.far


def judged(ratio: float | None, limit: float) -> Finding:
    """The drift rule: a ratio strictly above the limit is a breach."""
    if ratio is None:
        return Finding.UNDEFINED
    return Finding.BREACH if ratio > limit else Finding.WITHIN


def of_dataset(dataset: Dataset) -> dict[Key, float]:
    """Every limit of the compared columns."""
    return {(c.name, s): c.limits[s] for c in dataset.compared for s in STATISTICS}


def of_measures(dataset: Dataset) -> dict[tuple[str, Measure], float]:
    """Every limit of the measures beside the rule; the dataset file alone sets them."""
    return {(c.name, m): c.measure_limits[m] for c in dataset.watched for m in c.measures}


def in_force(dataset: Dataset, set_limits: Mapping[Key, float]) -> Dataset:
    """The dataset with the set limits in place of its own."""
    columns = tuple(
        replace(
            column,
            limits={s: set_limits.get((column.name, s), v) for s, v in column.limits.items()},
        )
        for column in dataset.columns
    )
    return replace(dataset, columns=columns)


def check(dataset: Dataset, wanted: Mapping[Key, float | None]) -> None:
    """Check that these limits can be set.

    Raises:
        BadInput: a column is not compared, a statistic is unknown, or a value is out of range.
    """
    if not wanted:
        raise BadInput("No limit was changed, so there is nothing to put on record.")
    known = of_dataset(dataset)
    for (column, statistic), value in wanted.items():
        if (column, statistic) not in known:
            columns = ", ".join(c.name for c in dataset.compared)
            raise BadInput(
                f"There is no limit for {column}_{statistic}. Columns: {columns}; "
                f"statistics: {', '.join(STATISTICS)}."
            )
        if value is not None and not 0 < value <= LARGEST:
            raise BadInput(
                f"The limit of {column}_{statistic} must be above 0 % and at most "
                f"{LARGEST * 100:,.0f} %."
            )


@dataclass(frozen=True, slots=True)
class Preview:
    """One stored report: its number of breaches, and the one under other limits."""

    report_id: int
    batch_id: int
    epoch: int
    batch_number: int
    breaches: int
    would_breach: int

    @property
    def changes(self) -> bool:
        """Whether the verdict would have been different."""
        return bool(self.breaches) != bool(self.would_breach)


def preview(cells: Iterable[Cell], limits: Mapping[Key, float]) -> list[Preview]:
    """Past reports under these limits, in the order of their cells.

    A cell whose column no longer has a limit keeps its own.
    """
    previews: dict[int, Preview] = {}
    for cell in cells:
        limit = limits.get((cell.column, cell.statistic), cell.limit)
        so_far = previews.get(cell.report_id) or Preview(
            cell.report_id, cell.batch_id, cell.epoch, cell.batch_number, 0, 0
        )
        previews[cell.report_id] = replace(
            so_far,
            breaches=so_far.breaches + (cell.finding is Finding.BREACH),
            would_breach=so_far.would_breach + (judged(cell.ratio, limit) is Finding.BREACH),
        )
    return list(previews.values())
