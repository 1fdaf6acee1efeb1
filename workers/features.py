"""Rows to the matrix that trees learn from, and the same steps as ONNX nodes.

Everything is rounded to float32 before the trees see it, in both worlds, so that the two can
only differ in the last bits of a sum. Which step a column gets follows from its type and from how
many values it has, never from its name:

- numbers and dates as they are, null as NaN; and the ratio of every two numbers, which trees
  can otherwise only approach in steps;
- codes as numbers too, where they are digits: neighbouring codes are often neighbouring places;
- texts of few values one-hot; texts of many by the mean target of their rows, cross-fitted so
  that no row sees its own target (Micci-Barreca, "A preprocessing scheme for high-cardinality
  categorical attributes", 2001, as scikit-learn's TargetEncoder does it);
- codes of fixed width by the digits they begin with, too, encoded in the same way;
- an estimate from the numbers alone, and level upon level of what places add to it
  (`workers.levels`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from core.dataset import ColumnType, Dataset
from workers.graph import Graph
from workers.levels import FirstStage, crossfitted, learn_levels

ONE_HOT_UP_TO = 8
MOST_RATIO_COLUMNS = 6
FOLDS = 5
FEWEST_DIGITS = 4
"""Codes of at least this width are known by their beginning, too."""

Rows = Mapping[str, NDArray[Any]]
"""Columns by name, all of one length: float64 with NaN for null, or text with "" for null."""

Matrix = NDArray[np.float32]

Table = dict[Any, float]
"""A value for each text, or for each number that a code begins with."""


@dataclass(slots=True)
class Beginning:
    """The first half of a code's digits, rounded up, as a number; -1 where it has none."""

    name: str
    width: int

    @property
    def key(self) -> str:
        """What its tables go by."""
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
class Features:
    """The steps, as learned from training rows.

    `encoded` and `levels` have a table for each text of many values and each beginning, by its
    key ("post", and "post.beginning"); `levels` has the coarsest first.
    """

    numbers: list[str]
    codes: list[str]
    pairs: list[tuple[str, str]]
    one_hot: dict[str, list[str]] = field(default_factory=dict)
    beginnings: dict[str, Beginning] = field(default_factory=dict)
    encoded: dict[str, Table] = field(default_factory=dict)
    elsewhere: float = 0.0
    levels: dict[str, Table] = field(default_factory=dict)
    first: FirstStage | None = None

    @classmethod
    def fit(
        cls, rows: Rows, target: NDArray[np.float64], dataset: Dataset
    ) -> tuple[Features, Matrix]:
        """Learn the steps; returns them with the training matrix, its encodings cross-fitted."""
        ratios = [c.name for c in dataset.features if c.type is ColumnType.NUMBER]
        steps = cls(
            [c.name for c in dataset.features if not c.is_text],
            [c.name for c in dataset.features if c.type is ColumnType.CODE],
            list(combinations(ratios, 2)) if len(ratios) <= MOST_RATIO_COLUMNS else [],
        )
        steps.elsewhere = float(np.float32(np.mean(target)))
        many: list[str] = []
        for column in dataset.features:
            if not column.is_text:
                continue
            distinct = sorted(set(rows[column.name]))
            if len(distinct) <= ONE_HOT_UP_TO:
                steps.one_hot[column.name] = distinct
                continue
            many.append(column.name)
            if column.type is ColumnType.CODE and (column.width or 0) >= FEWEST_DIGITS:
                beginning = Beginning(column.name, column.width or 0)
                steps.beginnings[beginning.key] = beginning
        keys = steps._keys(rows, [*many, *steps.beginnings])
        crossfit = [steps._encode(key, values, target) for key, values in keys.items()]
        numbers, flags = steps._numbers(rows), steps._flags(rows)
        steps.first = FirstStage.fit(numbers, flags, target)
        estimate = steps.first.predict(numbers, flags)
        levels = steps._learn_levels(keys, target - estimate)
        return steps, np.hstack([steps._plain(rows), *crossfit, _sums(estimate, levels)])

    def _encode(self, key: str, values: NDArray[Any], target: NDArray[np.float64]) -> Matrix:
        encoder = TargetEncoder(target_type="continuous", cv=KFold(FOLDS))
        crossfit = encoder.fit_transform(values.reshape(-1, 1), target)
        (means,) = encoder.encodings_
        (names,) = encoder.categories_
        self.encoded[key] = dict(
            zip(names.tolist(), means.astype(np.float32).tolist(), strict=True)
        )
        return np.asarray(crossfit, dtype=np.float32)

    def _learn_levels(
        self, keys: Mapping[str, NDArray[Any]], left: NDArray[np.float64]
    ) -> list[Matrix]:
        """Fills `levels`; returns those of the training rows, cross-fitted."""
        coarsest_first = sorted(keys, key=lambda key: len(self.encoded[key]))
        groups = []
        for key in coarsest_first:
            place = {name: n for n, name in enumerate(self.encoded[key])}
            found = (place[value] for value in keys[key].tolist())
            groups.append(np.fromiter(found, np.int64, len(left)))
        tables = learn_levels(groups, left, np.ones(len(left), dtype=np.bool_))
        for key, table in zip(coarsest_first, tables, strict=True):
            rounded = table.astype(np.float32).tolist()
            self.levels[key] = dict(zip(self.encoded[key], rounded, strict=True))
        fold = np.random.default_rng(FOLDS).permutation(len(left)) % FOLDS
        return list(crossfitted(groups, left, fold).astype(np.float32).T)

    def transform(self, rows: Rows) -> Matrix:
        """The matrix of other rows; values unseen in training count as the average row's."""
        keys = self._keys(rows, list(self.encoded))
        encodings = [_look_up(self.encoded[k], keys[k], self.elsewhere) for k in keys]
        levels = [_look_up(table, keys[key], 0.0) for key, table in self.levels.items()]
        parts = [self._plain(rows), *(values.reshape(-1, 1) for values in encodings)]
        if self.first is not None:
            estimate = self.first.predict(self._numbers(rows), self._flags(rows))
            parts.append(_sums(estimate, levels))
        return np.hstack(parts)

    def _keys(self, rows: Rows, wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
        """What each row is looked up by: texts, or the numbers that codes begin with."""
        return {
            key: self.beginnings[key].of(_as_number(rows[self.beginnings[key].name]))
            if key in self.beginnings
            else rows[key]
            for key in wanted
        }

    def _numbers(self, rows: Rows) -> dict[str, Matrix]:
        return {name: rows[name].astype(np.float32) for name in self.numbers}

    def _flags(self, rows: Rows) -> Matrix:
        parts = [rows[name] == value for name, values in self.one_hot.items() for value in values]
        count = len(next(iter(rows.values())))
        return np.column_stack([np.zeros((count, 0)), *parts]).astype(np.float32)

    def _plain(self, rows: Rows) -> Matrix:
        """Every feature that needs nothing of the target."""
        columns = self._numbers(rows)
        parts = list(columns.values())
        parts += [_as_number(rows[name]) for name in self.codes]
        parts += [_ratio(columns[a], columns[b]) for a, b in self.pairs]
        return np.column_stack([*parts, self._flags(rows)])

    def nodes(self, output: str) -> tuple[list[NodeProto], list[TensorProto]]:
        """The same steps as ONNX nodes from the named inputs ([n, 1] each) to `output` ([n, m])."""
        graph = Graph()
        parts = list(self.numbers)
        as_number = {name: graph.as_number(name) for name in self.codes}
        parts += list(as_number.values())
        parts += [graph.ratio(a, b) for a, b in self.pairs]
        flags = [
            graph.equals(name, value) for name, values in self.one_hot.items() for value in values
        ]
        keys = {key: key for key in self.encoded if key not in self.beginnings}
        keys |= {k: b.nodes(graph, as_number[b.name]) for k, b in self.beginnings.items()}
        parts += flags
        parts += [
            graph.lookup(keys[key], f"{key}.encoded", table, self.elsewhere)
            for key, table in self.encoded.items()
        ]
        if self.first is not None:
            estimate = self.first.nodes(graph, flags, parts[0])
            levels = [
                graph.to_double(graph.lookup(keys[key], f"{key}.level", table, 0.0))
                for key, table in self.levels.items()
            ]
            parts += _sum_nodes(graph, estimate, levels)
        graph.add("Concat", parts, output, axis=1)
        return graph.made, graph.constants


def _sums(estimate: NDArray[np.float64], levels: Sequence[Matrix]) -> Matrix:
    """The estimate, the levels summed up one after the other, and all together."""
    sums = [estimate]
    total = np.zeros(len(estimate))
    for level in levels:
        total = total + level.astype(np.float64)
        sums.append(total)
    return np.column_stack([*sums, estimate + total]).astype(np.float32)


def _sum_nodes(graph: Graph, estimate: str, levels: Sequence[str]) -> list[str]:
    total = graph.doubles("levels.none", np.zeros((1, 1)))
    sums = [estimate]
    for n, level in enumerate(levels):
        total = graph.add("Add", [total, level], f"levels.upto.{n}")
        sums.append(total)
    sums.append(graph.add("Add", [estimate, total], "levels.all"))
    return [graph.to_float(name) for name in sums]


def _look_up(table: Table, values: NDArray[Any], elsewhere: float) -> Matrix:
    found = (table.get(value, elsewhere) for value in values.tolist())
    return np.fromiter(found, np.float32, len(values))


def _as_number(texts: NDArray[Any]) -> Matrix:
    numbers = [float(t) if t.isascii() and t.isdigit() else np.nan for t in texts]
    with np.errstate(over="ignore"):
        return np.array(numbers, dtype=np.float64).astype(np.float32)


def _ratio(above: Matrix, below: Matrix) -> Matrix:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = above / below
    return np.where(np.isinf(ratio), np.float32(np.nan), ratio)
