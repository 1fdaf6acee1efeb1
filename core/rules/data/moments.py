"""Mean and central moments of a column, of all its rows or of parts put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Moments:
    """The mean, and the means of the second to fourth power of the distance from it."""

    count: int
    mean: float = 0.0
    second: float = 0.0
    third: float = 0.0
    fourth: float = 0.0


def moments(values: NDArray[np.float64], mean: float) -> Moments:
    """The moments of values whose mean is known; infinite where they overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        away = values - mean
        squares = away * away
        return Moments(
            len(values),
            mean,
            float(np.mean(squares)),
            float(np.mean(squares * away)),
            float(np.mean(squares * squares)),
        )


def pooled(parts: Sequence[Moments]) -> Moments:
    """The moments of all parts' rows together; all are 0 without rows.

    The formulas are Pébay's ("Formulas for robust, one-pass parallel computation of covariances and
    arbitrary-order statistical moments", 2008).
    """
    count = sum(part.count for part in parts)
    if not count:
        return Moments(0)
    counts, means, second, third, fourth = np.array(
        [astuple(part) for part in parts], dtype=np.float64
    ).T
    shares = counts / count
    centre = float(shares @ means)
    away = means - centre
    return Moments(
        count,
        centre,
        float(shares @ (second + away**2)),
        float(shares @ (third + 3 * away * second + away**3)),
        float(shares @ (fourth + 4 * away * third + 6 * away**2 * second + away**4)),
    )
