"""What answers should have been: the error over time, from what people said later. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

MOST_BUCKETS = 30
"""How many points the error over time has at most."""

FEWEST_IN_BUCKET = 10
"""Fewer answers than this make no point of their own: one bad guess would be a peak."""


@dataclass(frozen=True, slots=True)
class Told:
    """One answer, when and by which version it was given, and what it should have been."""

    at: datetime
    version: int
    predicted: float
    actual: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """Answers that followed each other: their mean absolute and median relative error.

    `mae` is in the target's unit, `mdape` a share; None where no actual value differs from zero.
    """

    since: datetime
    until: datetime
    count: int
    mae: float
    mdape: float | None
    versions: tuple[int, ...]


def buckets(told: Iterable[Told], most: int = MOST_BUCKETS) -> list[Bucket]:
    """The error over time, oldest first: at most so many buckets, of equal size but for one.

    What has no finite error is left out.
    """
    known = sorted(
        (t for t in told if math.isfinite(t.predicted - t.actual)),
        key=lambda t: (t.at, t.version, t.predicted, t.actual),
    )
    count = min(most, len(known) // FEWEST_IN_BUCKET) or min(len(known), 1)
    ends = [len(known) * n // count for n in range(count + 1)] if count else []
    return [_bucket(known[a:b]) for a, b in itertools.pairwise(ends)]


def of_version(told: Iterable[Told], version: int) -> Bucket | None:
    """One version's error on everything that was said of it."""
    found = buckets((t for t in told if t.version == version), most=1)
    return found[0] if found else None


def _bucket(part: Sequence[Told]) -> Bucket:
    actual = np.array([t.actual for t in part])
    error = np.abs(np.array([t.predicted for t in part]) - actual)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        shares = error / np.abs(actual)
    shares = shares[(actual != 0) & np.isfinite(shares)]
    return Bucket(
        part[0].at,
        part[-1].at,
        len(part),
        float(np.sum(error / len(part))),  # a sum of large errors might be beyond every float
        float(np.median(shares)) if len(shares) else None,
        tuple(sorted({t.version for t in part})),
    )
