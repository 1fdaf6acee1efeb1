"""The coverage of a model's prediction intervals or prediction sets. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.dataset import Dataset
from core.rules.model.classes import indices_of, labels_in, places_answered
from core.rules.model.contract import Contract


def covered(
    contract: Contract, dataset: Dataset, actual: NDArray[Any], predicted: NDArray[np.float64]
) -> float | None:
    """The share of rows whose target is in their interval or set; None if the model has neither.

    `actual` is the target as stored, and `predicted` the runtime's output for the same rows. A
    class that the model does not know is in no set.
    """
    if contract.sets is not None:
        inside = contract.sets.inside(predicted, places_answered(contract, predicted))
        places = indices_of(labels_in(actual, dataset), contract.classes)
        padded = np.column_stack([inside, np.zeros(len(inside), dtype=np.bool_)])
        return float(padded[np.arange(len(padded)), places].mean())
    if contract.interval is not None:
        values = np.asarray(actual, dtype=np.float64)
        low, high = contract.interval.bounds_of(predicted)
        return float(np.mean((values >= low) & (values <= high)))
    return None


def measured(contract: Contract) -> float | None:
    """The coverage that was measured at the evaluation; None without intervals and sets."""
    promised = contract.sets or contract.interval
    return promised.measured if promised else None
