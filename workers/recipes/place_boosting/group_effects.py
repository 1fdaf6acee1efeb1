"""Group effects: a ridge regression as first stage, and shrunken group means of its residual.

The mean target of a group mixes its price level with the size of its rows. A ridge regression on
the numbers is therefore fitted first, and each text with many values is encoded by the residual.
Coarser groupings come first and pass on their residual, so a group with few rows is shrunk towards
the wider one around it. Groups have levels of other quantities in the same way: the target per unit
of a number, or a number itself. Python and ONNX both compute in double and round once to float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workers.recipes.onnx_graph import Graph

SHRINK = 10.0
"""A group with this many rows keeps half of its mean residual."""

_RIDGE = 3.0
_MOST_PAIRED = 32
"""With more inputs than this there are no products: their number grows with the square."""

_LARGEST = 3e38

Doubles = NDArray[np.float64]
Groups = NDArray[np.int64]


@dataclass(slots=True)
class FirstStage:
    """A ridge regression on log numbers, null flags and one-hot texts, and their products.

    With z the inputs, [n, d], it is the row sums of (z @ pairs + single) * z, plus `constant`.
    Null in a column that had none in training, and unseen texts, count as the average.
    """

    numbers: list[str] = field(default_factory=list)
    pairs: Doubles = field(default_factory=lambda: np.zeros((0, 0)))
    single: Doubles = field(default_factory=lambda: np.zeros(0))
    constant: float = 0.0

    @classmethod
    def fit(
        cls,
        columns: Mapping[str, NDArray[np.float32]],
        flags: NDArray[np.float32],
        target: Doubles,
        texts: Sequence[int] = (),
    ) -> FirstStage:
        """Fit on numbers by name and [n, k] one-hot flags; `texts` are the flags per text column.

        Columns that are always null are left out.
        """
        numbers = [name for name, values in columns.items() if not np.isnan(values).all()]
        mean = float(np.mean(target))
        raw = _inputs(numbers, columns, flags)
        turn, moved = _averages(raw, len(numbers), texts)
        z = raw @ turn + moved
        width = z.shape[1]
        above, below = np.triu_indices(width if width <= _MOST_PAIRED else 0)
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
        constant = mean - float(middle @ weights)
        # Rewrite the weights of z for the raw inputs, in which z is linear.
        return cls(
            numbers,
            turn @ pairs @ turn.T,
            turn @ (single + (pairs + pairs.T) @ moved),
            constant + float(moved @ pairs @ moved + single @ moved),
        )

    def predict(
        self, columns: Mapping[str, NDArray[np.float32]], flags: NDArray[np.float32]
    ) -> Doubles:
        """The first stage's estimate of each row, [n]."""
        z = _inputs(self.numbers, columns, flags)
        estimate: Doubles = np.sum((z @ self.pairs + self.single) * z, axis=1) + self.constant
        return estimate

    def nodes(
        self, graph: Graph, numbers: Sequence[str], flags: Sequence[str], like: str
    ) -> tuple[str, str, str]:
        """The same as ONNX nodes, from all `numbers` by name ([n, 1] each) and the flags.

        Returns the names of the estimate, [n, 1] of doubles; of the logs of `self.numbers`, 0 for
        null; and of the null flags. Without numbers and flags the estimate is a constant with as
        many rows as `like`.
        """
        parts: list[str] = []
        if self.numbers:
            chosen = [name for name in numbers if name in self.numbers]
            wide = graph.to_double(graph.beside(chosen, "first.numbers"))
            zero = graph.doubles("first.zero", np.zeros(1))
            one = graph.doubles("first.one", np.ones(1))
            most = graph.doubles("first.most", np.full(1, _LARGEST))
            null = graph.add("IsNaN", [wide], "first.null")
            known = graph.add("Where", [null, zero, wide], "first.known")
            least = graph.add("Max", [known, zero], "first.least")
            within = graph.add("Min", [least, most], "first.within")
            moved = graph.add("Add", [within, one], "first.moved")
            parts = [graph.add("Log", [moved], "first.log"), graph.to_double(null)]
        parts += [graph.to_double(name) for name in flags]
        constant = graph.doubles("first.constant", np.full((1, 1), self.constant))
        if not parts:
            rows = graph.add("Shape", [like], "first.rows")
            estimate = graph.add("Expand", [constant, rows], "first.estimate")
            return estimate, "first.log", "first.null"
        z = graph.beside(parts, "first.inputs")
        pairs, single = graph.doubles("first.pairs", self.pairs), "first.single"
        slopes = graph.add("Gemm", [z, pairs, graph.doubles(single, self.single)], "first.slopes")
        shares = graph.add("Mul", [slopes, z], "first.shares")
        summed = graph.add("ReduceSum", [shares, graph.axis(1)], "first.sum", keepdims=1)
        estimate = graph.add("Add", [summed, constant], "first.estimate")
        return estimate, "first.log", "first.null"


def logs(names: Sequence[str], columns: Mapping[str, NDArray[np.float32]], count: int) -> Doubles:
    """log(1 + number), [count, names], NaN for null; negative numbers count as zero."""
    wide = np.column_stack([np.zeros((count, 0)), *(columns[name] for name in names)])
    return np.asarray(np.log(np.clip(wide.astype(np.float64), 0.0, _LARGEST) + 1.0))


def _averages(raw: Doubles, numbers: int, texts: Sequence[int]) -> tuple[Doubles, Doubles]:
    """An affine map [d, d], [d] of raw inputs that imputes averages for cases unseen in training.

    The inputs are numbers, then null flags, then each text's one-hot flags (all 0 if unseen).
    """
    width = raw.shape[1]
    turn, moved = np.eye(width), np.zeros(width)
    for n in range(numbers):
        if not raw[:, numbers + n].any():
            turn[numbers + n, n] = raw[:, n].mean()
    start = 2 * numbers
    for size in texts:
        own = slice(start, start + size)
        moved[own] = raw[:, own].mean(axis=0)
        turn[own, own] -= moved[own]
        start += size
    return turn, moved


def _inputs(
    numbers: Sequence[str],
    columns: Mapping[str, NDArray[np.float32]],
    flags: NDArray[np.float32],
) -> Doubles:
    known = logs(numbers, columns, len(flags))
    null = np.isnan(known)
    return np.hstack([np.where(null, 0.0, known), null, flags])


def learn_levels(
    groups: Sequence[Groups], residual: Doubles, rows: NDArray[np.bool_]
) -> list[Doubles]:
    """Each grouping's level per group, fitted on the `residual` of the selected `rows`.

    Each grouping fits the residual of those before it. A group without rows has level 0.
    """
    chosen = rows.astype(np.float64)
    rest = residual * chosen
    tables: list[Doubles] = []
    for group in groups:
        totals = np.bincount(group, rest)
        counts = np.bincount(group, chosen)
        table = np.asarray(totals / (counts + SHRINK))
        tables.append(table)
        rest -= table[group] * chosen
    return tables


def crossfitted(
    groups: Sequence[Groups], residual: Doubles, rows: NDArray[np.bool_], fold: NDArray[np.int64]
) -> Doubles:
    """Cross-fitted levels of the training rows, [n, groupings]: from the folds without the row.

    Only the selected `rows` are fitted on; every row gets a level.
    """
    levels = np.zeros((len(residual), len(groups)))
    for out in np.unique(fold):
        here = fold == out
        tables = learn_levels(groups, residual, rows & ~here)
        for n, (table, group) in enumerate(zip(tables, groups, strict=True)):
            levels[here, n] = table[group[here]]
    return levels
