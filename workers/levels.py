"""What a place adds to the target at equal size: a quick first stage, and levels of its residual.

The mean target of a place's rows mixes its price level with the size of what stands there. So a
ridge regression on the numbers is fitted first, and each text of many values is encoded by what
that leaves over. Coarser columns come first and hand on their residual, so that a place with few
rows is drawn to the level of the wider one around it. Both worlds compute in double and round
once to float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from workers.graph import Graph

SHRINK = 10.0
"""A place of this many rows keeps half of its own residual."""

_RIDGE = 3.0
_LARGEST = 3e38

Doubles = NDArray[np.float64]
Groups = NDArray[np.int64]


@dataclass(slots=True)
class FirstStage:
    """A ridge regression on log numbers, null flags and one-hot texts, and their products.

    With z the inputs, [n, d], it is the row sums of (z @ pairs + single) * z, plus `constant`.
    """

    numbers: list[str]
    pairs: Doubles
    single: Doubles
    constant: float

    @classmethod
    def fit(
        cls, columns: Mapping[str, NDArray[np.float32]], flags: NDArray[np.float32], target: Doubles
    ) -> FirstStage:
        """Learn from numbers by name and [n, k] one-hot flags; what is always null has no part."""
        numbers = [name for name, values in columns.items() if not np.isnan(values).all()]
        mean = float(np.mean(target))
        z = _inputs(numbers, columns, flags)
        width = z.shape[1]
        above, below = np.triu_indices(width)
        terms = np.hstack([z, z[:, above] * z[:, below]])
        middle, spread = terms.mean(axis=0), terms.std(axis=0)
        varies = spread > 1e-9 * (1.0 + np.abs(middle))
        scaled = np.where(varies, (terms - middle) / np.where(varies, spread, 1.0), 0.0)
        gram = scaled.T @ scaled + _RIDGE * np.eye(terms.shape[1])
        weights = np.linalg.solve(gram, scaled.T @ (target - mean))
        weights = np.asarray(np.where(varies, weights / np.where(varies, spread, 1.0), 0.0))
        single: Doubles = weights[:width].astype(np.float64)
        pairs = np.zeros((width, width))
        pairs[above, below] = weights[width:]
        return cls(numbers, pairs, single, mean - float(middle @ weights))

    def predict(
        self, columns: Mapping[str, NDArray[np.float32]], flags: NDArray[np.float32]
    ) -> Doubles:
        """The first stage's estimate of each row, [n]."""
        z = _inputs(self.numbers, columns, flags)
        estimate: Doubles = np.sum((z @ self.pairs + self.single) * z, axis=1) + self.constant
        return estimate

    def nodes(self, graph: Graph, flags: Sequence[str], like: str) -> str:
        """The same as ONNX nodes; returns the name of the estimate, [n, 1] of doubles.

        Where there is no number and no flag it is a constant for each row of what `like` names.
        """
        parts: list[str] = []
        nulls: list[str] = []
        zero = graph.doubles("first.zero", np.zeros(1))
        one = graph.doubles("first.one", np.ones(1))
        most = graph.doubles("first.most", np.full(1, _LARGEST))
        for name in self.numbers:
            wide = graph.to_double(name)
            null = graph.add("IsNaN", [wide], f"{name}.null")
            known = graph.add("Where", [null, zero, wide], f"{name}.known")
            least = graph.add("Max", [known, zero], f"{name}.least")
            within = graph.add("Min", [least, most], f"{name}.within")
            moved = graph.add("Add", [within, one], f"{name}.moved")
            parts.append(graph.add("Log", [moved], f"{name}.log"))
            nulls.append(graph.add("Cast", [null], f"{name}.flag", to=TensorProto.DOUBLE))
        parts += nulls + [graph.to_double(name) for name in flags]
        constant = graph.doubles("first.constant", np.full((1, 1), self.constant))
        if not parts:
            rows = graph.add("Shape", [like], "first.rows")
            return graph.add("Expand", [constant, rows], "first.estimate")
        z = graph.add("Concat", parts, "first.inputs", axis=1)
        slopes = graph.add("MatMul", [z, graph.doubles("first.pairs", self.pairs)], "first.slopes")
        slopes = graph.add("Add", [slopes, graph.doubles("first.single", self.single)], "first.all")
        shares = graph.add("Mul", [slopes, z], "first.shares")
        summed = graph.add("ReduceSum", [shares, graph.axis(1)], "first.sum", keepdims=1)
        return graph.add("Add", [summed, constant], "first.estimate")


def _inputs(
    numbers: Sequence[str],
    columns: Mapping[str, NDArray[np.float32]],
    flags: NDArray[np.float32],
) -> Doubles:
    if not numbers:
        return flags.astype(np.float64)
    wide = np.column_stack([columns[name] for name in numbers]).astype(np.float64)
    null = np.isnan(wide)
    logs = np.log(np.clip(np.where(null, 0.0, wide), 0.0, _LARGEST) + 1.0)
    return np.hstack([logs, null, flags])


def learn_levels(groups: Sequence[Groups], left: Doubles, rows: NDArray[np.bool_]) -> list[Doubles]:
    """Each grouping's level per group, learned from the residual `left` of the chosen rows.

    Each grouping works on what those before it leave over. A group without rows has level 0.
    """
    rest = left.copy()
    tables: list[Doubles] = []
    for group in groups:
        size = int(group.max(initial=-1)) + 1
        totals = np.bincount(group[rows], rest[rows], size)
        counts = np.bincount(group[rows], minlength=size)
        table = np.asarray(totals / (counts + SHRINK))
        tables.append(table)
        rest = rest - table[group]
    return tables


def crossfitted(groups: Sequence[Groups], left: Doubles, fold: NDArray[np.int64]) -> Doubles:
    """Levels of the training rows, [n, groupings], each from the folds that the row is not in."""
    levels = np.zeros((len(left), len(groups)))
    for out in np.unique(fold):
        here = fold == out
        tables = learn_levels(groups, left, ~here)
        for n, (table, group) in enumerate(zip(tables, groups, strict=True)):
            levels[here, n] = table[group[here]]
    return levels
