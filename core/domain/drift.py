"""Drift reports: each statistic and measure of a batch against its reference."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Reference(StrEnum):
    """What a batch is compared with."""

    PREVIOUS = "previous"
    CHAMPION = "champion"


class Finding(StrEnum):
    """The outcome of one comparison."""

    WITHIN = "within"
    BREACH = "breach"
    UNDEFINED = "undefined"


class RetrainWhen(StrEnum):
    """The finding that decides about a batch: the dataset file's `retrain_when`.

    RULE: a statistic of the drift rule is above its limit. BEYOND_NOISE: a statistic or a measure
    is above its limit and beyond its noise band. RECOMMENDATION: see
    `core.rules.drift.recommendation`.
    """

    RULE = "rule"
    BEYOND_NOISE = "beyond_noise"
    RECOMMENDATION = "recommendation"


class Measure(StrEnum):
    """The measures of a column in addition to the statistics of the drift rule.

    MIX: Jensen-Shannon distance of the shares of the categories, from 0 to 1. NEW: share of the
    values that the reference does not have. NULLS: difference of the shares of empty values.
    SHIFT: difference of the means in standard deviations of the reference.
    """

    MIX = "mix"
    NEW = "new"
    NULLS = "nulls"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True)
class StatChange:
    """One statistic of one column in the reference and in the batch.

    `ratio` is |current - reference| / |reference|, and None exactly when `finding` is
    UNDEFINED (a reference that is zero or missing, or a missing current value). `band` is the
    ratio that sampling noise alone can reach (see `core.rules.drift.noise_band`); None if unknown.
    `error` is the most by which a ratio of estimated quantiles is off; 0 if they are exact.
    """

    column: str
    statistic: str
    reference: float | None
    current: float | None
    ratio: float | None
    limit: float
    finding: Finding
    band: float | None = None
    error: float = 0.0

    @property
    def known(self) -> bool:
        """Whether it could be compared."""
        return self.ratio is not None

    @property
    def rose(self) -> bool | None:
        """Whether it is above the reference; None if one of the two is unknown."""
        if self.reference is None or self.current is None:
            return None
        return self.current > self.reference

    @property
    def signed(self) -> float | None:
        """The ratio with the sign of its direction."""
        return -self.ratio if self.ratio is not None and self.rose is False else self.ratio

    @property
    def within_band(self) -> bool:
        """Whether the ratio is within the noise band, breach or not."""
        return self.band is not None and self.ratio is not None and self.ratio <= self.band

    @property
    def could_be_noise(self) -> bool:
        """Whether it is a breach within the noise band."""
        return self.finding is Finding.BREACH and self.within_band

    @property
    def drift(self) -> float:
        """The ratio in multiples of its limit."""
        return (self.ratio or 0.0) / self.limit

    @property
    def name(self) -> str:
        """The original pipeline's name of this figure, such as `price_mean`."""
        return f"{self.column}_{self.statistic}"


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of one column: the reference and the batch differ by `value`.

    `value` is in the measure's unit (see `Measure`), and None exactly when `finding` is UNDEFINED.
    `reference` and `current` are shares of empty or of new values, or means; None for MIX. `band`
    is the value that sampling noise alone can reach. `unseen`: the batch has values that the
    reference never had, namely new categories, empty values, or any variation.
    """

    column: str
    measure: Measure
    reference: float | None
    current: float | None
    value: float | None
    limit: float
    finding: Finding
    band: float | None = None
    unseen: bool = False

    @property
    def known(self) -> bool:
        """Whether it could be compared."""
        return self.value is not None

    @property
    def within_band(self) -> bool:
        """Whether the value is within the noise band, breach or not."""
        return self.band is not None and self.value is not None and self.value <= self.band

    @property
    def could_be_noise(self) -> bool:
        """Whether it is a breach within the noise band."""
        return self.finding is Finding.BREACH and self.within_band

    @property
    def drift(self) -> float:
        """The value in multiples of its limit."""
        return (self.value or 0.0) / self.limit

    @property
    def name(self) -> str:
        """The column and the measure, such as `status_mix`."""
        return f"{self.column}_{self.measure}"


def distorts(change: StatChange | Measured, far: Collection[str]) -> bool:
    """Whether far values of the columns `far` make this change: of mean and spread they do."""
    which = change.statistic if isinstance(change, StatChange) else change.measure
    return change.column in far and which in _MOVED


_MOVED = ("mean", "std", Measure.SHIFT)


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason of a report: a sentence, and the `change` that it is about, if any.

    `change` is the name of a `StatChange` or a `Measured`. `could_be_noise` says that it is within
    the noise band. `far` names the values far outside the former range that made the change; it is
    then a broken value and not noise, whatever the band.
    """

    text: str
    change: str = ""
    could_be_noise: bool = False
    far: str = ""

    @property
    def doubt(self) -> str:
        """What else could have made the change, as a sentence; empty if nothing is known."""
        return self.far or ("Could be noise." if self.could_be_noise else "")

    @property
    def says(self) -> str:
        """The sentence, with its doubt."""
        return f"{self.text} {self.doubt}".strip()

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | str) -> Reason:
        """The inverse of `asdict`; older records have the sentence alone."""
        return cls(content) if isinstance(content, str) else cls(**content)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """A comparison of two profiles: the changes, the rule's verdict, and its reasons.

    `retrain` and `reasons` are those of the drift rule. `measure_reasons` has one reason for each
    breach of a measure beyond noise; it and `measures` are empty in older reports. Reasons that
    could be noise come last.
    """

    retrain: bool
    reasons: tuple[Reason, ...]
    changes: tuple[StatChange, ...]
    measures: tuple[Measured, ...] = ()
    measure_reasons: tuple[Reason, ...] = ()

    @property
    def checks(self) -> tuple[StatChange | Measured, ...]:
        """Statistics and measures together."""
        return (*self.changes, *self.measures)

    @property
    def by_far_values(self) -> frozenset[str]:
        """The names of breaches that values far outside the former range made."""
        reasons = (*self.reasons, *self.measure_reasons)
        return frozenset(reason.change for reason in reasons if reason.far)

    @property
    def compared(self) -> bool:
        """Whether at least one statistic of the rule could be compared."""
        return any(c.ratio is not None for c in self.changes)

    @property
    def error(self) -> float:
        """The most by which a ratio is off, because a batch is too large for exact quantiles."""
        return max((c.error for c in self.changes), default=0.0)

    @property
    def estimate(self) -> str:
        """How far ratios of quantiles are off, in a sentence; empty if they are exact."""
        if not self.error:
            return ""
        points = f"{100 * self.error:.2g}"
        return (
            f"Quantiles are estimated; their changes are off by at most {points} percentage points."
        )

    @property
    def verdict(self) -> str:
        """The verdict in a word or two."""
        if self.retrain:
            return "retrain"
        return "no drift" if self.compared else "not compared"


class Reasoned(Protocol):
    """What has the reasons of a report."""

    @property
    def retrain(self) -> bool:
        """Whether the rule requires retraining."""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The rule's reasons."""

    @property
    def measure_reasons(self) -> tuple[Reason, ...]:
        """The breaches of measures, beyond noise."""


def breach_reasons(report: Reasoned) -> tuple[Reason, ...]:
    """The reasons for retraining, the rule's first; those that could be noise come last."""
    breaches = [*(report.reasons if report.retrain else ()), *report.measure_reasons]
    return tuple(sorted(breaches, key=lambda reason: reason.could_be_noise))


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A drift report as stored.

    `reference_id` is the id of the reference batch, or the champion's version; None where the batch
    was the first. `note` says why the reference is not the previous batch.
    """

    id: int
    batch_id: int
    epoch: int
    batch_number: int
    reference: Reference
    reference_name: str
    created_at: datetime
    report: DriftReport
    reference_id: int | None = None
    note: str = ""

    @property
    def is_alone(self) -> bool:
        """Whether there was nothing to compare the batch with."""
        return self.reference_id is None

    @property
    def compared_with(self) -> str:
        """The reference, and why it was not the previous batch if it was not."""
        return f"{self.reference_name}: {self.note}" if self.note else self.reference_name
