"""A column's values in bins: quantiles of any number of rows in bounded memory.

A float's bits, read as a whole number, order floats by size, and what is left after the last bits
are dropped names a bin of values that differ by at most a known share. It is DDSketch (Masson, Rim
and Lee, 2019) with bins that a shift of bits computes. Bins are as narrow as `MOST_BINS` allows:
few distinct values each have one. How narrow they are depends only on the values, so parts give
the same bins in any order. Why not another sketch: docs/adr/0031.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

MOST_BINS = 1 << 17
"""The most bins of a column: 4 MB, and for values within a factor of 1,000 an error of 0.006 %."""

_FRACTION = 52
"""How many bits of a float are its fraction."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ValueBins:
    """Bins in ascending order; each has its number of values, and the smallest and largest one.

    In the place of an ascending array of all values, it has each of them within `error`.
    """

    shift: int
    keys: Integers
    counts: Integers
    low: Floats
    high: Floats

    @classmethod
    def of(cls, ordered: Floats) -> ValueBins:
        """The bins of values that are ascending and finite."""
        values: Floats = np.add(ordered, 0.0)  # without negative zeros
        bits: Integers = values.view(np.int64)
        keys: Integers = np.where(bits < 0, bits ^ np.iinfo(np.int64).max, bits)
        return _merged(0, keys, np.ones(len(keys), dtype=np.int64), values, values)

    def __add__(self, other: ValueBins) -> ValueBins:
        shift = max(self.shift, other.shift)
        keys = np.concatenate([part.keys >> (shift - part.shift) for part in (self, other)])
        order = np.argsort(keys, kind="stable")
        return _merged(
            shift,
            keys[order],
            np.concatenate([self.counts, other.counts])[order],
            np.concatenate([self.low, other.low])[order],
            np.concatenate([self.high, other.high])[order],
        )

    @property
    def error(self) -> float:
        """The most by which a value differs from its bin's middle, as a share of the value.

        Values below 2.3e-308 may differ by that much. It is 0 if each value has a bin of its own.
        """
        return 2.0 ** (self.shift - _FRACTION - 1) if self.shift else 0.0

    def __len__(self) -> int:
        """The number of values."""
        return int(self._upto[-1]) if len(self._upto) else 0

    def __getitem__(self, place: Any) -> Any:
        """The values at places in ascending order."""
        return self.middles[np.searchsorted(self._upto, place, side="right")]

    def searchsorted(self, value: float, side: Literal["left", "right"]) -> int:
        """How many values lie below a value, or up to it."""
        place = int(np.searchsorted(self.middles, value, side=side))
        return int(self._upto[place - 1]) if place else 0

    @property
    def mean_size(self) -> float:
        """The mean of the absolute values, within `error`."""
        return float(self.counts / len(self) @ np.abs(self.middles))

    @cached_property
    def middles(self) -> Floats:
        """What stands for each bin's values."""
        return self.low + (self.high - self.low) / 2

    @cached_property
    def _upto(self) -> Integers:
        return np.cumsum(self.counts)


def _merged(shift: int, keys: Integers, counts: Integers, low: Floats, high: Floats) -> ValueBins:
    """Bins from ascending keys, which may be equal, with as small a shift as there is room for."""
    widest = _FRACTION
    narrowest = shift
    while narrowest < widest:  # the number of bins only falls with the shift
        middle = (narrowest + widest) // 2
        if len(_starts(keys >> (middle - shift))) <= MOST_BINS:
            widest = middle
        else:
            narrowest = middle + 1
    keys = keys >> (narrowest - shift)
    starts = _starts(keys)
    return ValueBins(
        narrowest,
        keys[starts],
        np.add.reduceat(counts, starts) if len(starts) else counts,
        np.minimum.reduceat(low, starts) if len(starts) else low,
        np.maximum.reduceat(high, starts) if len(starts) else high,
    )


def _starts(keys: Integers) -> NDArray[np.intp]:
    """The first place of each run of equal keys."""
    return np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
