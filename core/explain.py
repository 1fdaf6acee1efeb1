"""What pushed a prediction up or down: exact Shapley values of boosted trees, by source field.

The game is that of path-dependent TreeSHAP (Lundberg et al., "From local explanations to global
understanding with explainable AI for trees", Nature Machine Intelligence 2020, first shown 2018):
where a split's column is not known, both branches are followed, weighted by the training rows
that took each. The players are the fields that a person fills in, not the matrix's columns: a
column is known when every field that it is made of is known, so the one-hot columns of a field
move together, and a ratio is known when both its numbers are.

Shapley values are the integral over t from 0 to 1 of the gradient of the game's multilinear
extension on the diagonal (t, ..., t) (Owen, "Multilinear Extensions of Games", 1972). A leaf's
extension is a product over the blocks of fields that share a column, a polynomial in t of a degree
below the number of fields on its path, so Gauss-Legendre quadrature of half as many points is
exact. Fields that share no column are blocks of one, and cost two states; a block of k fields
costs 2^k.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelRefused

TREES_KEY = "driftdesk.trees"
"""Where the tables stand in an ONNX file's metadata."""

MOST_COUPLED = 10
"""The largest block of fields that is explained; each further field doubles the work."""

_AT_ONCE = 1 << 19
"""Entries times states that are multiplied at once: 4 MB a factor, whatever the block's size."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trees:
    """Every node of an ensemble, one row a node, all trees in one table.

    Shapes: `roots` [trees]; the others [nodes]. `feature` is a column of the matrix and -1 at a
    leaf; a value that is at most `threshold` goes to `left`, null where `missing_left` says.
    `cover` counts the training rows that came by. `columns` names the fields that each column of
    the matrix is made of. What the trees learned, the logarithm where `on_log`, is `base` plus one
    leaf's `value` a tree.
    """

    on_log: bool
    base: float
    columns: tuple[tuple[str, ...], ...]
    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    value: Floats
    cover: Floats

    def to_text(self) -> str:
        """The tables as text, for the model file's metadata: a compressed npz in base64."""
        about = {"on_log": self.on_log, "base": self.base, "columns": self.columns}
        arrays: dict[str, Any] = {name: _small(getattr(self, name)) for name in _ARRAYS}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, about=np.array(json.dumps(about)), **arrays)
        return base64.b64encode(buffer.getvalue()).decode()

    @classmethod
    def from_text(cls, text: str) -> Trees:
        """Read what `to_text` wrote.

        Raises:
            ModelRefused: the text is none of ours.
        """
        try:
            with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as kept:
                about = json.loads(str(kept["about"]))
                arrays: dict[str, Any] = {n: kept[n].astype(kind) for n, kind in _ARRAYS.items()}
            columns = tuple(tuple(fields) for fields in about["columns"])
            return cls(bool(about["on_log"]), float(about["base"]), columns, **arrays)
        except Exception as error:  # zip, zlib, npy and json each have errors of their own
            raise ModelRefused("The model file's tree tables cannot be read.") from error

    def blocks(self) -> list[tuple[str, ...]]:
        """The fields, in blocks: two stand together when some split's column needs both."""
        used = set(self.feature.tolist())
        block = {field: {field} for fields in self.columns for field in fields}
        for n, fields in enumerate(self.columns):
            if n in used:
                merged = set().union(*(block[field] for field in fields))
                block |= dict.fromkeys(merged, merged)
        order = list(block)
        distinct = {id(fields): fields for fields in block.values()}
        return [tuple(sorted(fields, key=order.index)) for fields in distinct.values()]

    def is_explainable(self) -> bool:
        """Whether no block of fields is too large."""
        return max((len(b) for b in self.blocks()), default=0) <= MOST_COUPLED


_ARRAYS: dict[str, Any] = {
    "roots": np.int64, "feature": np.int64, "threshold": np.float64, "left": np.int64,
    "right": np.int64, "missing_left": np.bool_, "value": np.float64, "cover": np.float64,
}  # fmt: skip


def _small(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers in as few bytes as hold them."""
    if values.dtype.kind == "i" and len(values):
        ends = np.min_scalar_type(values.min()), np.min_scalar_type(values.max())
        return values.astype(np.promote_types(*ends))
    return values


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a prediction comes from, on the scale that was learned.

    `baseline` is what the trees say of nobody in particular, and `baseline` + the sum of
    `effects` is what they say of this row; where `on_log` both are logarithms of 1 + the target.
    """

    on_log: bool
    baseline: float
    effects: dict[str, float]

    @property
    def learned(self) -> float:
        """What the effects add up to, on the learned scale."""
        return self.baseline + math.fsum(self.effects.values())

    @property
    def prediction(self) -> float:
        """What they add up to, in the target's unit."""
        return math.expm1(self.learned) if self.on_log else self.learned

    def to_document(self) -> dict[str, Any]:
        """As serving answers it: the baseline in the target's unit, the largest effects first."""
        ordered = sorted(self.effects.items(), key=lambda item: -abs(item[1]))
        return {
            "scale": "log" if self.on_log else "value",
            "baseline": math.expm1(self.baseline) if self.on_log else self.baseline,
            "fields": [{"field": field, "effect": effect} for field, effect in ordered],
        }


@dataclass(frozen=True, slots=True)
class _Block:
    """The entries of one block of fields, sorted by leaf.

    Shapes: `entries` [e]; `known` [columns, 2^k], whether a column is known in each state;
    `starts` and `leaves` [l], where each leaf's entries start and which leaf it is; `level`
    [2^k, points] and `slope` [2^k, k * points] turn states into extension and its derivative.
    """

    fields: tuple[str, ...]
    entries: NDArray[np.int64]
    known: NDArray[np.bool_]
    starts: NDArray[np.int64]
    leaves: NDArray[np.int64]
    level: Floats
    slope: Floats


class Explainer:
    """Explains single rows; what does not depend on the row is worked out once, here.

    An entry is one column on the way to one leaf: a row's value lets it through when it is above
    `low` (nothing is, where that is NaN) and at most `high`, or null and `null_passes`; `share`
    is the part of the training rows that passed.
    """

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        paths = list(_paths(trees))
        self._values = np.array([trees.value[leaf] for leaf, _path in paths])
        entries = [
            (n, column, *gate) for n, (_, path) in enumerate(paths) for column, gate in path.items()
        ]
        parts = list(zip(*entries, strict=True)) or [()] * 6
        self._leaf = np.array(parts[0], dtype=np.int64)
        self._column = np.array(parts[1], dtype=np.int64)
        self._low, self._high = np.array(parts[2], dtype=float), np.array(parts[3], dtype=float)
        self._null_passes = np.array(parts[4], dtype=np.bool_)
        self._share = np.array(parts[5], dtype=float)
        most = max((len(_fields(path, trees)) for _leaf, path in paths), default=0)
        points, weights = np.polynomial.legendre.leggauss(max(1, math.ceil(most / 2)))
        self._weights = weights / 2
        self._blocks = [self._block(fields, (points + 1) / 2) for fields in trees.blocks()]

    def _block(self, fields: tuple[str, ...], points: Floats) -> _Block:
        states = np.arange(2 ** len(fields))
        holds = np.array([(states >> n) & 1 == 1 for n in range(len(fields))])
        place = {field: n for n, field in enumerate(fields)}
        known = np.zeros((len(self._trees.columns), len(states)), dtype=np.bool_)
        for column, needs in enumerate(self._trees.columns):
            if set(needs) <= set(fields):
                known[column] = holds[[place[field] for field in needs]].all(axis=0)
        ours = [set(needs) <= set(fields) for needs in self._trees.columns]
        entries = np.flatnonzero(np.array(ours, dtype=np.bool_)[self._column])
        leaves, starts = np.unique(self._leaf[entries], return_index=True)
        size, count = holds.sum(axis=0)[:, None], len(fields)
        slope = [
            np.where(
                held[:, None],
                points ** np.maximum(size - 1, 0) * (1 - points) ** (count - size),
                -(points**size) * (1 - points) ** np.maximum(count - 1 - size, 0),
            )
            for held in holds
        ]
        return _Block(
            fields, entries, known, starts, leaves,
            points**size * (1 - points) ** (count - size), np.hstack(slope),
        )  # fmt: skip

    def explain(self, row: Floats) -> Explanation:
        """Explain one row of the matrix that enters the trees ([columns], NaN for null)."""
        given = row[self._column]
        inside = (given <= self._high) & ~(given <= self._low)
        passes = np.where(np.isnan(given), self._null_passes, inside).astype(float)
        shape = (len(self._blocks), len(self._values), len(self._weights))
        level, nobody = np.ones(shape), np.ones(len(self._values))
        slopes: list[Floats | None] = []
        for n, block in enumerate(self._blocks):
            if not len(block.entries):
                slopes.append(None)
                continue
            none, extension, gradient = self._states(block, passes)
            level[n, block.leaves] = extension
            nobody[block.leaves] *= none
            slopes.append(gradient.reshape(len(none), len(block.fields), -1))
        others = _products_of_others(level)
        effects = {}
        for n, (block, slope) in enumerate(zip(self._blocks, slopes, strict=True)):
            for m, field in enumerate(block.fields):
                if slope is None:
                    effects[field] = 0.0
                    continue
                change = (slope[:, m] * others[n, block.leaves]) @ self._weights
                effects[field] = float(self._values[block.leaves] @ change)
        baseline = self._trees.base + float(self._values @ nobody)
        return Explanation(self._trees.on_log, baseline, effects)

    def _states(self, block: _Block, passes: Floats) -> tuple[Floats, Floats, Floats]:
        """Of every leaf of a block: its product with nobody known, its extension and slopes."""
        ends = np.append(block.starts, len(block.entries))
        step = max(1, _AT_ONCE * len(block.leaves) // (len(block.entries) * block.known.shape[1]))
        parts = []
        for first in range(0, len(block.leaves), step):
            last = min(first + step, len(block.leaves))
            at = block.entries[ends[first] : ends[last]]
            known = block.known[self._column[at]]
            factors = np.where(known, passes[at, None], self._share[at, None])
            starts = block.starts[first:last] - ends[first]
            states = np.multiply.reduceat(factors, starts, axis=0)
            parts.append((states[:, 0], _times(states, block.level), _times(states, block.slope)))
        none, extension, slope = (np.concatenate(part) for part in zip(*parts, strict=True))
        return none, extension, slope


def _times(states: Floats, table: Floats) -> Floats:
    """A product of matrices on one thread: BLAS would wake others, which wait by spinning."""
    product: Floats = np.einsum("ls,sp->lp", states, table)
    return product


def _products_of_others(level: Floats) -> Floats:
    """For each block the product of all the others; a factor may be zero, so nothing is divided."""
    before, after = np.ones_like(level), np.ones_like(level)
    before[1:] = np.cumprod(level[:-1], axis=0)
    after[:-1] = np.cumprod(level[:0:-1], axis=0)[::-1]
    products: Floats = before * after
    return products


_Gate = tuple[float, float, bool, float]


def _paths(trees: Trees) -> Iterator[tuple[int, dict[int, _Gate]]]:
    """Every leaf with what must hold of each column on its way: low, high, null passes, share."""
    todo: list[tuple[int, dict[int, _Gate]]] = [(root, {}) for root in trees.roots.tolist()]
    while todo:
        node, path = todo.pop()
        column = int(trees.feature[node])
        if column < 0:
            yield node, path
            continue
        low, high, null, share = path.get(column, (math.nan, math.inf, True, 1.0))
        threshold, left_null = float(trees.threshold[node]), bool(trees.missing_left[node])
        for child, is_left in ((int(trees.left[node]), True), (int(trees.right[node]), False)):
            gate = (
                low if is_left else float(np.fmax(low, threshold)),
                min(high, threshold) if is_left else high,
                null and left_null == is_left,
                share * float(trees.cover[child] / trees.cover[node]),
            )
            todo.append((child, {**path, column: gate}))


def _fields(path: dict[int, _Gate], trees: Trees) -> set[str]:
    return {field for column in path for field in trees.columns[column]}
