"""Which rows a model may learn from and be measured on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.dataset import Column, Dataset


def usable(rows: Mapping[str, NDArray[Any]], dataset: Dataset) -> NDArray[np.bool_]:
    """The rows that have a target and no value outside the dataset's bounds.

    A class is a text that is not empty, or a whole number.
    """
    target = dataset.target
    values = rows[target.name]
    keep: NDArray[np.bool_] = values != "" if target.is_text else ~np.isnan(values)
    if dataset.task.is_classifier and not target.is_text:
        keep &= values == np.round(values)
    for column in (target, *dataset.features):
        if not column.is_text:
            keep &= _within(column, rows[column.name])
    return keep


def _within(column: Column, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    within = np.ones(len(values), dtype=np.bool_)
    if column.above is not None:
        within &= np.isnan(values) | (values > column.above)
    if column.at_most is not None:
        within &= np.isnan(values) | (values <= column.at_most)
    return within
