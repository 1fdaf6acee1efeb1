"""The typical row of a model: the medoid of a sample of its training rows. Pure.

The medoid is the row with the smallest mean distance to all others (Kaufman and Rousseeuw, "Finding
Groups in Data", 1990). The distance is that of Gower, "A General Coefficient of Similarity and Some
of Its Properties", 1971: the mean over the columns of the distance in each, between 0 and 1. Texts
differ by 0 or 1, and numbers by their ranks (Podani, "Extending Gower's General Coefficient of
Similarity to Ordinal Characters", 1999), so that one outlier does not decide how much a column
counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.dataset import Column
from core.rules.data.typed_values import as_given
from core.rules.model.evaluation import sample

SAMPLED = 10_000
"""The maximum number of rows of which the medoid is taken."""

SAMPLED_VALUES = 1_000_000
"""The maximum number of values of these rows: of a wide table fewer rows are taken."""

_FEWEST = 100
"""So many rows are taken of any table."""

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]


def typical_row(
    rows: Columns, hashes: NDArray[np.uint64], features: Sequence[Column]
) -> dict[str, float | str | None]:
    """A real training row in the middle of the others, as a request would give it; {} without rows.

    The sample has the rows with the smallest content hashes, so that the same rows in any order
    give the same row. `rows` are as a recipe takes them: float64 with NaN for null, texts with ""
    for null. The cost is that of sorting `SAMPLED_VALUES` values.
    """
    if not len(hashes) or not features:
        return {}
    most = min(SAMPLED, max(SAMPLED_VALUES // len(features), _FEWEST))
    chosen = sample(hashes, most)
    row = chosen[medoid([(rows[c.name][chosen], c.is_text) for c in features])]
    return {c.name: _given(c, rows[c.name][row]) for c in features}


def medoid(columns: Sequence[tuple[NDArray[Any], bool]]) -> int:
    """The place of the medoid of rows; each column has its values, and whether they are texts.

    Null has no distance, as in Gower's coefficient. Of rows with the fewest nulls, the one with the
    smallest mean distance is taken, and of equal ones the first.
    """
    total = np.zeros(len(columns[0][0]))
    present = np.zeros(len(total))
    for values, is_text in columns:
        known = values != "" if is_text else ~np.isnan(values)
        if known.any():
            of = _of_texts if is_text else _of_numbers
            total[known] += of(values[known])
        present += known
    candidates = np.flatnonzero(present == present.max())
    # Rounded, so that the order in which a sum was made does not decide between equal rows.
    means = np.round(total[candidates] / max(present.max(), 1.0), 12)
    return int(candidates[np.argmin(means)])


def _of_texts(values: NDArray[Any]) -> Floats:
    """The mean distance of each text to all: the share of the others that differ."""
    texts = values.tolist()
    counts = Counter(texts)
    return 1.0 - np.array([counts[text] for text in texts], dtype=np.float64) / len(texts)


def _of_numbers(values: NDArray[Any]) -> Floats:
    """The mean distance of each number to all, by ranks; equal numbers share their mean rank.

    The sum of |rank - other| over all others follows from cumulated ranks, without all pairs.
    """
    ordered, n = np.sort(values), len(values)
    first = np.searchsorted(ordered, values, "left")
    after = np.searchsorted(ordered, values, "right")
    ranks = (first + after - 1) / 2
    cumulated = np.concatenate([[0.0], np.cumsum(np.sort(ranks))])
    below = ranks * after - cumulated[after]
    above = (cumulated[n] - cumulated[after]) - ranks * (n - after)
    distances: Floats = (below + above) / (n * max(n - 1, 1))
    return distances


def _given(column: Column, value: Any) -> float | str | None:
    if column.is_text:
        return str(value) or None
    number = float(value)
    return None if math.isnan(number) else as_given(column.type, number)
