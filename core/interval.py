"""The range around a prediction: split conformal, by level, with the coverage that was measured.

A model's misses on rows that it did not learn from say how far it is off: the range is as wide as
the 90 % quantile of those misses, which covers a new row of the same kind with at least that
chance, whatever the model and the noise (Vovk, Gammerman and Shafer, "Algorithmic Learning in a
Random World", 2005; Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-Free Predictive
Inference for Regression", JASA 2018, algorithm 2). Misses are taken on the scale that the model
learned on, so that a range is a factor up and down where that is the logarithm. The quantile is
taken for each level of the prediction by itself (a Mondrian taxonomy, Vovk et al., chapter 4), so
that cheap and dear rows are both covered, not only their average.

The levels' edges come from the training rows, one half of the held-out rows sets the widths and
the other half measures the coverage: no row has a part in two of the three.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.split import ONE_IN

NOMINAL = 0.9
MOST_LEVELS = 5
FEWEST_ROWS = 20
"""Fewer rows on either half give no range."""

FEWEST_IN_LEVEL = 50

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """How far from a prediction its range reaches, level by level.

    `edges` (ascending, in the target's unit) part the levels: a prediction at an edge belongs to
    the level above. `widths` has one more entry, on the learned scale. `measured` is the share of
    the `measured_on` rows of the second half that were within.
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
        """The ends of the range around a prediction, in the target's unit."""
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
        """The same of many predictions at once, to the last bit."""
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
        """How often the range held: promised, measured, and on how many rows."""
        return {"nominal": self.nominal, "measured": self.measured, "rows": self.measured_on}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Interval:
        """Read what `dataclasses.asdict` made.

        Raises:
            TypeError, ValueError: it is no interval.
        """
        lists = {name: tuple(map(float, document[name])) for name in ("edges", "widths")}
        made = cls(**{**document, **lists})
        if len(made.widths) != len(made.edges) + 1:
            raise ValueError("an interval needs one width a level")
        return made


def calibrate(
    actual: Numbers,
    predicted: Numbers,
    hashes: NDArray[np.uint64],
    *,
    levels: Sequence[float],
    on_log: bool,
    floor: float | None = None,
) -> Interval | None:
    """The range of a model, from its predictions of held-out rows; None where these are too few.

    `hashes` is `core.split.row_hash` of the rows; its digits beyond those that held them out
    choose the half. `levels` is the target's quantile grid over the training rows; `floor` is the
    least that the target can be.
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
