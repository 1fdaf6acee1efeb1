"""The split by time: the split date, the rows after it, and hashes for the overlap check. Pure.

Rows without a time are always on the training side, so they are never scored. Rows at the split
date are on the training side too, so rows of the same time are never separated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.domain.dataset import Column
from core.domain.errors import NothingToTrainOn
from core.domain.evaluation import SplitDate
from core.rules.data.typed_values import as_given

Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]

_ODD = np.uint64(0x9E3779B97F4A7C15)


def split_date(times: Floats, share: float, column: Column) -> SplitDate:
    """The latest time to train on, so that about the last `share` of the rows is held out.

    `times` has NaN for null. Where many rows have the last time, they are held out together.

    Raises:
        NothingToTrainOn: no row has a time, or all have the same.
    """
    ordered = np.sort(times[~np.isnan(times)])
    if not len(ordered):
        raise NothingToTrainOn(
            f"No row has a {column.name}, by which the last rows are held out. Choose another "
            'time_column in [evaluation] of the dataset file, or split = "hash".'
        )
    if ordered[0] == ordered[-1]:
        raise NothingToTrainOn(
            f"Every row has the same {column.name} ({as_given(column.type, float(ordered[0]))}), "
            "so there are no last rows to hold out. Ingest rows of other times, choose another "
            'time_column in [evaluation] of the dataset file, or split = "hash".'
        )
    cut = ordered[max(int(len(ordered) * (1 - share)) - 1, 0)]
    if cut == ordered[-1]:
        cut = ordered[np.searchsorted(ordered, cut) - 1]
    return SplitDate(column.name, float(cut), str(as_given(column.type, float(cut))))


def later(times: Floats, split: SplitDate) -> NDArray[np.bool_]:
    """Whether each row is later than the split date; False without a time."""
    after: NDArray[np.bool_] = times > split.up_to
    return after


def at_their_time(hashes: Hashes, times: Floats) -> Hashes:
    """Content hashes that differ for the same content at different times."""
    with np.errstate(over="ignore"):
        return hashes ^ ((times + 0.0).view(np.uint64) * _ODD)
