"""Which rows are held out: a fifth, selected by a hash of each row's content.

Since the side depends on the content alone, no version was ever trained on a held-out row, and any
two versions can be evaluated on the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.domain.dataset import Column, Dataset, Role
from core.rules.data.text_column import TextColumn

ONE_IN = 5
"""One row in this many is held out."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)

Values = NDArray[np.float64] | NDArray[np.object_] | Sequence[str] | TextColumn


def held_out(columns: Mapping[str, Values], dataset: Dataset) -> NDArray[np.bool_]:
    """Whether each row is held out.

    `columns` has every feature and the target, all of one length: numbers and dates as float64
    with NaN for null, texts with "" for null, or None in a `TextColumn`. Identifiers are excluded,
    so rows that are equal for a model are on the same side. The target of a classifier is also
    excluded: otherwise, of equal rows with different classes, those of one class could be used for
    training and those of the other for scoring.
    """
    return is_held_out(row_hash(columns, dataset))


def is_held_out(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each row is held out, by its `row_hash`."""
    held: NDArray[np.bool_] = hashes % np.uint64(ONE_IN) == 0
    return held


def row_hash(columns: Mapping[str, Values], dataset: Dataset) -> NDArray[np.uint64]:
    """A 64-bit hash of each row's features and target, the same on every machine.

    For a classifier, only the features are hashed.

    Each value is hashed with its column's name and the hashes are added up, so the order of
    columns and rows does not matter. The mixer is the finaliser of SplitMix64 (Steele, Lea and
    Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
    """
    out = {Role.IDENTIFIER, Role.TARGET} if dataset.task.is_classifier else {Role.IDENTIFIER}
    hashed = [c for c in dataset.columns if c.role not in out]
    total = np.zeros(len(columns[hashed[0].name]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in hashed:
            part = _mix(_values(column, columns[column.name]) ^ _text(column.name))
            if column.added_later:  # so that rows from before keep their side
                part = np.where(_is_null(column, columns[column.name]), np.uint64(0), part)
            total += part
        return _mix(total)


def _is_null(column: Column, values: Values) -> NDArray[np.bool_]:
    if isinstance(values, TextColumn):
        return np.array([not text for text in values.distinct], np.bool_)[values.places]
    if column.is_text:
        return np.array([text == "" for text in values], dtype=np.bool_)
    nulls: NDArray[np.bool_] = np.isnan(np.asarray(values, dtype=np.float64))
    return nulls


def _values(column: Column, values: Values) -> NDArray[np.uint64]:
    if isinstance(values, TextColumn):
        return np.array([_text(text or "") for text in values.distinct], np.uint64)[values.places]
    if column.is_text:
        distinct = {text: _text(text) for text in set(values)}
        return np.fromiter(map(distinct.__getitem__, values), dtype=np.uint64, count=len(values))
    numbers = np.asarray(values, dtype=np.float64) + 0.0  # -0.0 becomes 0.0
    bits = np.where(np.isnan(numbers), np.nan, numbers).view(np.uint64)
    return _mix(bits)


@lru_cache(1 << 16)
def _text(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big"))


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = bits + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed
