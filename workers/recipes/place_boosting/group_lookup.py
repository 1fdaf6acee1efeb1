"""Lookup tables of groups: texts with many values, codes, and prefixes of codes.

A group's table has a row for each value in the training data and one for unseen values, so one
lookup per data row returns all encodings of its group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from workers.recipes.onnx_graph import Graph
from workers.recipes.port import Matrix

FEWEST_DIGITS = 4
"""Codes of at least this width are also grouped by their prefix."""


@dataclass(slots=True)
class CodePrefix:
    """The prefix of a code, half of its digits rounded up, as a number; -1 where not numeric."""

    name: str
    width: int

    @property
    def key(self) -> str:
        """The key of its group."""
        return f"{self.name}.prefix"

    @property
    def unit(self) -> float:
        """The divisor that turns a code into its prefix."""
        return float(10 ** (self.width // 2))

    def of(self, numbers: Matrix) -> NDArray[np.int64]:
        """Prefixes of numeric codes; -1 where not numeric (NaN)."""
        known = numbers < np.float32(10**self.width)
        safe = np.where(known, numbers, np.float32(-1)) / np.float32(self.unit)
        return np.floor(safe).astype(np.int64)

    def nodes(self, graph: Graph, number: str) -> str:
        """The same as ONNX nodes, from the code as a number."""
        prefix = self.key
        limit = graph.floats(f"{prefix}.limit", float(10**self.width))
        none = graph.floats(f"{prefix}.none", -1.0)
        unit = graph.floats(f"{prefix}.unit", self.unit)
        known = graph.add("Less", [number, limit], f"{prefix}.within")
        safe = graph.add("Where", [known, number, none], f"{prefix}.safe")
        share = graph.add("Div", [safe, unit], f"{prefix}.share")
        floor = graph.add("Floor", [share], f"{prefix}.floor")
        return graph.add("Cast", [floor], prefix, to=TensorProto.INT64)


@dataclass(slots=True)
class GroupLookup:
    """One grouping of rows: by a column's text or by a code's prefix.

    `index` numbers the values in the training data; `table` [values + 1, k] has the encodings of
    each, and in its last row those of unseen values.
    """

    key: str
    index: dict[Any, int]
    prefix: CodePrefix | None = None
    table: Matrix = field(default_factory=lambda: np.zeros((1, 0), dtype=np.float32))

    @classmethod
    def of(cls, key: str, values: Iterable[Any], prefix: CodePrefix | None = None) -> GroupLookup:
        """A group lookup over these values, sorted."""
        return cls(key, {value: n for n, value in enumerate(sorted(set(values)))}, prefix)

    def find(self, values: Sequence[Any]) -> NDArray[np.int64]:
        """Each value's row in `table`; the last row for unseen values."""
        new = len(self.index)
        return np.fromiter((self.index.get(v, new) for v in values), np.int64, len(values))

    def nodes(self, graph: Graph, source: str) -> str:
        """The lookup as ONNX nodes: [n, 1, k] from the text or the prefix, [n, 1]."""
        number = graph.number_of(source, f"{self.key}.group", self.index)
        table = graph.array(f"{self.key}.table", self.table)
        return graph.add("Gather", [table, number], f"{self.key}.encoded", axis=0)


def as_number(texts: NDArray[Any]) -> Matrix:
    """Numeric texts as numbers, others as NaN."""
    numbers = [float(t) if t.isascii() and t.isdigit() else np.nan for t in texts]
    with np.errstate(over="ignore"):
        return np.array(numbers, dtype=np.float64).astype(np.float32)


def coarsest_first(lookups: Iterable[GroupLookup]) -> list[GroupLookup]:
    """Ordered by the number of groups: each grouping fits the residual of those before it."""
    return sorted(lookups, key=lambda lookup: len(lookup.index))
