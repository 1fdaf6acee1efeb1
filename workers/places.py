"""Places: texts of many values, codes, and what codes begin with, as rows of one table each.

A place's table has a row for each value that was trained on and one more for any other, so that a
row of the data is looked up once and everything that is known of its place comes along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from workers.graph import Graph

FEWEST_DIGITS = 4
"""Codes of at least this width are known by their beginning, too."""

Matrix = NDArray[np.float32]
Rows = Mapping[str, NDArray[Any]]
"""Columns by name, all of one length: float64 with NaN for null, or text with "" for null."""


@dataclass(slots=True)
class Beginning:
    """The first half of a code's digits, rounded up, as a number; -1 where it has none."""

    name: str
    width: int

    @property
    def key(self) -> str:
        """What its place goes by."""
        return f"{self.name}.beginning"

    @property
    def unit(self) -> float:
        """What the code is divided by."""
        return float(10 ** (self.width // 2))

    def of(self, numbers: Matrix) -> NDArray[np.int64]:
        """Of codes as numbers, NaN where they are none."""
        known = numbers < np.float32(10**self.width)
        safe = np.where(known, numbers, np.float32(-1)) / np.float32(self.unit)
        return np.floor(safe).astype(np.int64)

    def nodes(self, graph: Graph, number: str) -> str:
        """The same as ONNX nodes, from the code as a number."""
        made = self.key
        limit = graph.floats(f"{made}.limit", float(10**self.width))
        none = graph.floats(f"{made}.none", -1.0)
        unit = graph.floats(f"{made}.unit", self.unit)
        known = graph.add("Less", [number, limit], f"{made}.within")
        safe = graph.add("Where", [known, number, none], f"{made}.safe")
        share = graph.add("Div", [safe, unit], f"{made}.share")
        floor = graph.add("Floor", [share], f"{made}.floor")
        return graph.add("Cast", [floor], made, to=TensorProto.INT64)


@dataclass(slots=True)
class Place:
    """One way to say where a row belongs: a column's text, or what a code of it begins with.

    `index` numbers the values that were trained on; `table` [values + 1, k] says what is known of
    each, and in its last row what is said of any other.
    """

    key: str
    index: dict[Any, int]
    beginning: Beginning | None = None
    table: Matrix = field(default_factory=lambda: np.zeros((1, 0), dtype=np.float32))

    @classmethod
    def of(cls, key: str, values: Iterable[Any], beginning: Beginning | None = None) -> Place:
        """The place with all these values, in order."""
        return cls(key, {value: n for n, value in enumerate(sorted(set(values)))}, beginning)

    def find(self, values: Sequence[Any]) -> NDArray[np.int64]:
        """Each value's number, that of the last row of `table` where it is new."""
        new = len(self.index)
        return np.fromiter((self.index.get(v, new) for v in values), np.int64, len(values))

    def nodes(self, graph: Graph, source: str) -> str:
        """The rows of `table` as ONNX nodes, [n, 1, k], from the text or the beginning, [n, 1]."""
        found = graph.number_of(source, f"{self.key}.place", self.index)
        table = graph.array(f"{self.key}.table", self.table)
        return graph.add("Gather", [table, found], f"{self.key}.told", axis=0)


def as_number(texts: NDArray[Any]) -> Matrix:
    """Digits as numbers, anything else as NaN."""
    numbers = [float(t) if t.isascii() and t.isdigit() else np.nan for t in texts]
    with np.errstate(over="ignore"):
        return np.array(numbers, dtype=np.float64).astype(np.float32)


def coarsest_first(places: Iterable[Place]) -> list[Place]:
    """In the order in which they hand on what they leave over."""
    return sorted(places, key=lambda place: len(place.index))
