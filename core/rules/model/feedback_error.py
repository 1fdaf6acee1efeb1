"""The error of live predictions over time, from reported actual values. Pure."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

MOST_BUCKETS = 30
"""The most points of the error over time."""

FEWEST_IN_BUCKET = 10
"""The fewest predictions of a bucket, so that a single large error is not a peak."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A prediction with its time and version, and the actual value that was reported for it.

    Both are numbers, or both are the labels of classes.
    """

    at: datetime
    version: int
    predicted: float | str
    actual: float | str

    @property
    def error(self) -> float:
        """The absolute error, or 1 for a wrong label and 0 for the right one."""
        if isinstance(self.predicted, str) or isinstance(self.actual, str):
            return float(self.predicted != self.actual)
        return abs(self.predicted - self.actual)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The mean error and the median relative error of consecutive predictions.

    `spread` is the standard deviation of the errors.

    `error` is the mean absolute error in the target's unit, or the share of wrong labels; `mdape`
    is a share, None for labels and if every actual value is zero.
    """

    since: datetime
    until: datetime
    count: int
    error: float
    mdape: float | None
    versions: tuple[int, ...]
    spread: float = 0.0


def buckets(outcomes: Iterable[Outcome], most: int = MOST_BUCKETS) -> list[Bucket]:
    """The error over time, oldest first, in at most `most` buckets of nearly equal size.

    Predictions without a finite error are left out. Labels with the same time, such as those of one
    file, stay in one bucket; if a file sorted by label were divided, some buckets would have errors
    only.
    """
    finite = sorted(
        (o for o in outcomes if math.isfinite(o.error)),
        key=lambda t: (t.at, t.version, str(t.predicted), str(t.actual)),
    )
    count = min(most, len(finite) // FEWEST_IN_BUCKET) or min(len(finite), 1)
    ends = [len(finite) * n // count for n in range(count + 1)] if count else []
    if any(isinstance(o.actual, str) for o in finite):
        ends = sorted({_after_moment(finite, end) for end in ends})
    return [_bucket(finite[a:b]) for a, b in itertools.pairwise(ends)]


def _after_moment(outcomes: Sequence[Outcome], end: int) -> int:
    """The first index from `end` on with another time than the one before; 0 stays 0."""
    while 0 < end < len(outcomes) and outcomes[end].at == outcomes[end - 1].at:
        end += 1
    return end


def of_version(outcomes: Iterable[Outcome], version: int) -> Bucket | None:
    """One version's error over all its reported actual values."""
    return next(iter(buckets((o for o in outcomes if o.version == version), most=1)), None)


def _bucket(part: Sequence[Outcome]) -> Bucket:
    import numpy as np  # noqa: PLC0415 - not for reading stored outcomes

    errors = np.array([t.error for t in part])
    numbers = [math.nan if isinstance(t.actual, str) else t.actual for t in part]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        shares = errors / np.abs(np.array(numbers))
        shares = shares[np.isfinite(shares)]
        error = min(float(np.sum(errors / len(part))), sys.float_info.max)
        mdape = min(float(np.median(shares)), sys.float_info.max) if len(shares) else None
        spread = float(np.std(errors))
    return Bucket(
        part[0].at,
        part[-1].at,
        len(part),
        error,
        mdape,
        tuple(sorted({t.version for t in part})),
        spread if math.isfinite(spread) else sys.float_info.max,
    )
