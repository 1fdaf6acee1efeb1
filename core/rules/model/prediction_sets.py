"""Prediction sets of a classifier: split conformal, with the measured coverage. Pure.

The score of a class is 1 - its probability, and a set has every class whose score is at most the
90 % quantile of the true classes' scores on held-out rows (LAC: Sadinle, Lei and Wasserman, "Least
Ambiguous Set-Valued Classifiers with Bounded Error Levels", JASA 2019). It covers the true class of
an exchangeable new row with at least that probability, on average over all classes. A set always
has the class that is answered, which can only cover more.

One half of the held-out rows gives the quantile, and the other half the measured coverage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.rules.data.holdout import ONE_IN

NOMINAL = 0.9
FEWEST_ROWS = 20
"""The minimum number of rows in either half; with fewer there are no sets."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PredictionSets:
    """The largest score inside a set, and the measured coverage on `measured_on` rows.

    `size` is the mean number of classes in those rows' sets.
    """

    nominal: float
    largest: float
    calibrated_on: int
    measured: float
    measured_on: int
    size: float

    def inside(self, probabilities: Floats, answered: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether each class is in the set of each row: [n, k] of probabilities.

        `answered` is the index of the answered class of each row.
        """
        inside: NDArray[np.bool_] = 1.0 - probabilities <= self.largest
        inside[np.arange(len(inside)), answered] = True
        return inside

    def coverage(self) -> dict[str, float]:
        """Nominal and measured coverage, and the number of rows measured on."""
        return {"nominal": self.nominal, "measured": self.measured, "rows": self.measured_on}


def calibrate(
    actual: NDArray[np.intp],
    probabilities: Floats,
    answered: NDArray[np.intp],
    hashes: NDArray[np.uint64],
) -> PredictionSets | None:
    """The sets of a model from its probabilities of held-out rows; None with too few rows.

    `actual` is the index of each row's class, or k for a class that the model does not know, whose
    score is 1. `hashes` selects the half, as in `core.rules.model.prediction_interval.calibrate`.
    """
    first = (hashes // np.uint64(ONE_IN)) % np.uint64(2) == 0
    if min(first.sum(), (~first).sum()) < FEWEST_ROWS:
        return None
    rows, classes = probabilities.shape
    padded = np.column_stack([probabilities, np.zeros(rows)])
    scores = 1.0 - padded[np.arange(rows), actual]
    rank = math.ceil((int(first.sum()) + 1) * NOMINAL)
    largest = float(np.sort(scores[first])[min(rank, int(first.sum())) - 1])
    sets = PredictionSets(NOMINAL, largest, int(first.sum()), 0.0, int((~first).sum()), 0.0)
    inside = sets.inside(probabilities[~first], answered[~first])
    known = actual[~first] < classes
    covered = np.zeros(len(inside), dtype=np.bool_)
    covered[known] = inside[known, actual[~first][known]]
    size = float(inside.sum(axis=1).mean())
    return replace(sets, measured=float(covered.mean()), size=size)
