"""Prediction intervals: split conformal by level of the prediction, with the measured coverage.

The half-width is the 90 % quantile of the model's absolute residuals on held-out rows, which covers
an exchangeable new row with at least that probability, for any model and noise (Vovk, Gammerman
and Shafer, "Algorithmic Learning in a Random World", 2005; Lei, G'Sell, Rinaldo, Tibshirani and
Wasserman, "Distribution-Free Predictive Inference for Regression", JASA 2018, algorithm 2).
Residuals are on the scale that the model was fitted on, so an interval on a log scale is a factor.
There is a quantile for each level of the prediction (a Mondrian taxonomy, Vovk et al., chapter 4),
so that low and high predictions are each covered, not only their average.

Training rows give the levels' edges, one half of the held-out rows the widths, and the other half
the measured coverage; no row is used twice.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.rules.data.holdout import ONE_IN

NOMINAL = 0.9
MOST_LEVELS = 5
FEWEST_ROWS = 20
"""The fewest rows in either half; with fewer there is no interval."""

FEWEST_IN_LEVEL = 50

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """The half-widths of intervals by level of the prediction.

    `edges` (ascending, in the target's unit) separate the levels; a prediction at an edge belongs
    to the level above. `widths` has one more entry, on the fitted scale. `measured` is the share of
    the second half's `measured_on` rows inside their interval.
    """

    nominal: float
    on_log: bool
    edges: tuple[float, ...]
    widths: tuple[float, ...]
    calibrated_on: int
    measured: float
    measured_on: int
    floor: float | None = None

    def bounds(self, prediction: float) -> tuple[float, float]:
        """Lower and upper bound for a prediction, in the target's unit."""
        width = self.widths[bisect_right(self.edges, prediction)]
        if self.on_log:
            factor = math.exp(width)
            low, high = (1 + prediction) / factor - 1, (1 + prediction) * factor - 1
        else:
            low, high = prediction - width, prediction + width
        if self.floor is not None:
            low = min(max(low, self.floor), prediction)
        return low, high

    def bounds_of(self, predictions: Numbers) -> tuple[Numbers, Numbers]:
        """`bounds` for many predictions at once, bit for bit."""
        level = np.searchsorted(self.edges, predictions, side="right")
        if self.on_log:
            factor = np.array([math.exp(width) for width in self.widths])[level]
            low, high = (1 + predictions) / factor - 1, (1 + predictions) * factor - 1
        else:
            width = np.array(self.widths)[level]
            low, high = predictions - width, predictions + width
        if self.floor is not None:
            low = np.minimum(np.maximum(low, self.floor), predictions)
        return low, high

    def coverage(self) -> dict[str, float]:
        """Nominal and measured coverage, and the number of rows measured on."""
        return {"nominal": self.nominal, "measured": self.measured, "rows": self.measured_on}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Interval:
        """The inverse of `dataclasses.asdict`.

        Raises:
            TypeError, ValueError: the document is not an interval.
        """
        lists = {name: tuple(map(float, document[name])) for name in ("edges", "widths")}
        interval = cls(**{**document, **lists})
        if len(interval.widths) != len(interval.edges) + 1:
            raise ValueError("an interval needs one width a level")
        return interval


def calibrate(
    actual: Numbers,
    predicted: Numbers,
    hashes: NDArray[np.uint64],
    *,
    levels: Sequence[float],
    on_log: bool,
    floor: float | None = None,
) -> Interval | None:
    """The intervals of a model from its predictions of held-out rows; None with too few rows.

    `hashes` is `core.rules.data.holdout.row_hash` of the rows; digits that did not decide the
    holdout choose the half. `levels` is the target's quantile grid over the training rows; `floor`
    is the smallest possible target.
    """
    sets_width = (hashes // np.uint64(ONE_IN)) % np.uint64(2) == 0
    if min(sets_width.sum(), (~sets_width).sum()) < FEWEST_ROWS:
        return None
    misses = _misses(actual, predicted, on_log=on_log)
    edges = _edges(predicted[sets_width], levels)
    level = np.searchsorted(edges, predicted[sets_width], side="right")
    widths = [_quantile(misses[sets_width][level == n]) for n in range(len(edges) + 1)]
    level = np.searchsorted(edges, predicted[~sets_width], side="right")
    within = misses[~sets_width] <= np.array(widths)[level]
    return Interval(
        NOMINAL,
        on_log,
        tuple(edges),
        tuple(widths),
        int(sets_width.sum()),
        float(within.mean()),
        len(within),
        floor,
    )


def _misses(actual: Numbers, predicted: Numbers, *, on_log: bool) -> Numbers:
    missed = np.log1p(actual) - np.log1p(predicted) if on_log else actual - predicted
    distance: Numbers = np.abs(missed)
    return distance


def _edges(predicted: Numbers, levels: Sequence[float]) -> list[float]:
    """Equal shares of the training target, thinned until every level has rows to go by."""
    if not levels:
        return []
    for count in range(MOST_LEVELS, 1, -1):
        shares = np.linspace(0, 1, count + 1)[1:-1]
        edges = np.unique(np.interp(shares, np.linspace(0, 1, len(levels)), levels))
        filled = np.bincount(
            np.searchsorted(edges, predicted, side="right"), minlength=len(edges) + 1
        )
        if filled.min() >= FEWEST_IN_LEVEL:
            return [float(edge) for edge in edges]
    return []


def _quantile(misses: Numbers) -> float:
    """The ceil((n + 1) nominal)-th smallest miss, which is what makes the guarantee exact."""
    rank = math.ceil((len(misses) + 1) * NOMINAL)
    return float(np.sort(misses)[min(rank, len(misses)) - 1])
