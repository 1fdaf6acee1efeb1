"""Turns rows into the feature matrix, in numpy and as ONNX nodes.

Both round to float32 before the trees, so they differ at most in the last bits of a sum. A column's
type and number of distinct values decide how it is encoded, never its name:

- numbers, dates and parts of timestamps unchanged, null as NaN; the ratio of every two numbers;
- codes as numbers, where they are digits: neighbouring codes are often neighbouring places;
- texts of few values one-hot; texts of many by cross-fitted target encoding (Micci-Barreca, "A
  preprocessing scheme for high-cardinality categorical attributes", 2001; scikit-learn's
  TargetEncoder), as are the prefixes of fixed-width codes. Both kinds are groups
  (`workers.recipes.place_boosting.group_lookup`);
- a first estimate from the numbers, and group effects on its residual
  (`workers.recipes.place_boosting.group_effects`);
- on a log scale, for each number, the number times the target per unit that is usual in its groups;
- the usual value of each number in its groups, and each group's number of rows;
- one stacked estimate of all these (`workers.recipes.place_boosting.stacking`), if there is any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from core.domain.dataset import ColumnType, Dataset
from workers.recipes import time_parts
from workers.recipes.onnx_graph import Graph
from workers.recipes.place_boosting.group_effects import FirstStage, crossfitted, learn_levels, logs
from workers.recipes.place_boosting.group_lookup import (
    FEWEST_DIGITS,
    CodePrefix,
    GroupLookup,
    as_number,
    coarsest_first,
)
from workers.recipes.place_boosting.stacking import Blend, input_nodes, inputs_of
from workers.recipes.port import Matrix, Rows

ONE_HOT_UP_TO = 8
MOST_RATIO_COLUMNS = 6
FOLDS = 5

Doubles = NDArray[np.float64]


@dataclass(slots=True)
class Features:
    """The fitted feature steps.

    The table of each of `lookups`, coarsest first, has the encoded target of its rows, the log of
    their count, and levels that are summed over all groupings: of the first stage's residual, of
    the target per unit of each of `units`, and of the log of each of `units`.
    """

    numbers: list[str]
    codes: list[str]
    pairs: list[tuple[str, str]]
    one_hot: dict[str, list[str]] = field(default_factory=dict)
    lookups: list[GroupLookup] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    rates: Doubles = field(default_factory=lambda: np.zeros(0))
    usual: Doubles = field(default_factory=lambda: np.zeros(0))
    first: FirstStage = field(default_factory=FirstStage)
    blend: Blend = field(default_factory=Blend)

    @classmethod
    def fit(cls, rows: Rows, target: Doubles, dataset: Dataset) -> tuple[Features, Matrix]:
        """Fit the steps on rows and their target.

        Returns them with the training matrix, whose target encodings are cross-fitted. Its last
        column is the initial estimate of each row.
        """
        several = [c.name for c in dataset.features if c.type is ColumnType.NUMBER]
        steps = cls(
            time_parts.number_names(dataset),
            [c.name for c in dataset.features if c.type is ColumnType.CODE],
            list(combinations(several, 2)) if len(several) <= MOST_RATIO_COLUMNS else [],
        )
        codes = steps._codes(rows)
        lookups: list[GroupLookup] = []
        for column in dataset.features:
            if not column.is_text:
                continue
            distinct = sorted(set(rows[column.name]))
            if len(distinct) <= ONE_HOT_UP_TO:
                steps.one_hot[column.name] = distinct
                continue
            lookups.append(GroupLookup.of(column.name, distinct))
            if column.type is ColumnType.CODE and (column.width or 0) >= FEWEST_DIGITS:
                prefix = CodePrefix(column.name, column.width or 0)
                values = prefix.of(codes[column.name]).tolist()
                lookups.append(GroupLookup.of(prefix.key, values, prefix))
        steps.lookups = coarsest_first(lookups)
        numbers, flags = time_parts.numbers(steps.numbers, rows), steps._flags(rows)
        texts = [len(values) for values in steps.one_hot.values()]
        steps.first = FirstStage.fit(numbers, flags, target, texts)
        if steps.lookups:
            steps.units = [name for name in several if name in steps.first.numbers]
        estimate = steps.first.predict(numbers, flags)
        of_unit = logs(steps.units, numbers, len(target))
        encodings, total = steps._learn(
            [lookup.find(values) for lookup, values in steps._keys(rows, codes)],
            target,
            target - estimate,
            of_unit,
            per_unit=dataset.fit_on == "log",
        )
        if steps.units:
            steps.blend = Blend.fit(inputs_of(*steps._parts(estimate, of_unit, total)), target)
        sums = steps._sums(estimate, of_unit, total)
        return steps, steps._matrix(numbers, flags, codes, encodings, sums)

    def _learn(
        self,
        groups: Sequence[NDArray[np.int64]],
        target: Doubles,
        residual: Doubles,
        of_unit: Doubles,
        *,
        per_unit: bool,
    ) -> tuple[Doubles, Doubles]:
        """Fill the groups' tables; returns the training rows' encodings and summed levels.

        Levels of the target are cross-fitted; those of numbers need not be.
        """
        count = len(target)
        known = ~np.isnan(of_unit)
        safe = np.where(known, of_unit, 0.0)
        share = np.maximum(known.sum(axis=0), 1)
        self.usual = safe.sum(axis=0) / share
        rates = np.where(known, target[:, None] - safe, 0.0)
        self.rates = rates.sum(axis=0) / share if per_unit else np.zeros(0)
        everywhere = np.ones(count, dtype=np.bool_)
        of_target = [(residual, everywhere)]
        if per_unit:
            of_target += list(zip((rates - self.rates).T, known.T, strict=True))
        fold = np.random.default_rng(FOLDS).permutation(count) % FOLDS
        tables, totals = [], []
        for rest, rows in of_target:
            tables.append(learn_levels(groups, rest, rows))
            totals.append(crossfitted(groups, rest, rows, fold).sum(axis=1))
        for rest, rows in zip((safe - self.usual).T, known.T, strict=True):
            tables.append(learn_levels(groups, rest, rows))
            totals.append(sum((t[g] for t, g in zip(tables[-1], groups, strict=True)), 0.0))
        encodings = []
        mean = float(np.mean(target))
        for n, (lookup, group) in enumerate(zip(self.lookups, groups, strict=True)):
            means, crossfit = _encode(group, target)
            counts = np.log1p(np.bincount(group))
            levels = [levels_of[n] for levels_of in tables]
            known_groups = np.column_stack([means, counts, *levels])
            elsewhere = np.zeros((1, known_groups.shape[1]))
            elsewhere[0, 0] = mean
            lookup.table = np.vstack([known_groups, elsewhere]).astype(np.float32)
            encodings.append(np.column_stack([crossfit, counts[group]]))
        return np.hstack([np.zeros((count, 0)), *encodings]), np.column_stack(totals)

    def transform(self, rows: Rows) -> Matrix:
        """The matrix of new rows; values unseen in training count as average."""
        numbers = time_parts.numbers(self.numbers, rows)
        flags, codes = self._flags(rows), self._codes(rows)
        count = len(flags)
        encodings = [np.zeros((count, 0))]
        total = np.zeros((count, 1))
        for lookup, values in self._keys(rows, codes):
            encoded = lookup.table[lookup.find(values)].astype(np.float64)
            encodings.append(encoded[:, :2])
            total = total + encoded[:, 2:]
        estimate = self.first.predict(numbers, flags)
        sums = self._sums(estimate, logs(self.units, numbers, count), total)
        return self._matrix(numbers, flags, codes, np.hstack(encodings), sums)

    def _keys(
        self, rows: Rows, codes: Mapping[str, Matrix]
    ) -> Iterator[tuple[GroupLookup, list[Any]]]:
        """Each group lookup with the keys of the rows."""
        for lookup in self.lookups:
            prefix = lookup.prefix
            values = rows[lookup.key] if prefix is None else prefix.of(codes[prefix.name])
            yield lookup, values.tolist()

    def _parts(
        self, estimate: Doubles, of_unit: Doubles, total: Doubles
    ) -> tuple[Doubles, Doubles, Doubles, Doubles, Doubles]:
        """The inputs of `stacking.inputs_of`."""
        rates = 1 + len(self.rates)
        placed = estimate[:, None] + total[:, :1]
        comes_to = total[:, 1:rates] + self.rates + of_unit[:, : len(self.rates)]
        return estimate[:, None], placed, comes_to, total[:, rates:] + self.usual, of_unit

    def _sums(self, estimate: Doubles, of_unit: Doubles, total: Doubles) -> Doubles:
        if not self.lookups:
            return estimate[:, None]
        parts = self._parts(estimate, of_unit, total)
        if not self.units:
            return np.hstack(parts[:2])
        return np.hstack([*parts[2:4], self.blend.predict(inputs_of(*parts))[:, None]])

    def _codes(self, rows: Rows) -> dict[str, Matrix]:
        return {name: as_number(rows[name]) for name in self.codes}

    def _flags(self, rows: Rows) -> Matrix:
        parts = [rows[name] == value for name, values in self.one_hot.items() for value in values]
        count = len(next(iter(rows.values())))
        return np.column_stack([np.zeros((count, 0)), *parts]).astype(np.float32)

    def _matrix(
        self,
        numbers: Mapping[str, Matrix],
        flags: Matrix,
        codes: Mapping[str, Matrix],
        encodings: Doubles,
        sums: Doubles,
    ) -> Matrix:
        plain = [*numbers.values(), *codes.values()]
        plain += [_ratio(numbers[a], numbers[b]) for a, b in self.pairs]
        plain = [column[:, None] for column in plain]
        return np.hstack([*plain, flags, encodings, sums], dtype=np.float32, casting="same_kind")

    def nodes(self, output: str) -> tuple[list[NodeProto], list[TensorProto]]:
        """The steps as ONNX nodes, from the named inputs ([n, 1] each) to `output` ([n, m])."""
        graph = Graph()
        time_parts.add_nodes(graph, self.numbers)
        codes = {name: graph.as_number(name) for name in self.codes}
        plain = [*self.numbers, *codes.values()]
        if self.pairs:
            above = graph.beside([a for a, _ in self.pairs], "ratio.above")
            below = graph.beside([b for _, b in self.pairs], "ratio.below")
            plain.append(graph.ratio(above, below, "ratio.all"))
        flags = [graph.equals(name, values) for name, values in self.one_hot.items()]
        encodings = []
        for lookup in self.lookups:
            prefix = lookup.prefix
            source = lookup.key if prefix is None else prefix.nodes(graph, codes[prefix.name])
            encodings.append(lookup.nodes(graph, source))
        like = plain[0] if plain else f"{self.lookups[0].key}.group" if encodings else ""
        estimate, logs_of, null = self.first.nodes(graph, self.numbers, flags, like)
        sums = (
            self._sum_nodes(graph, estimate, logs_of, null, encodings) if encodings else [estimate]
        )
        last = graph.to_float(graph.beside(sums, "levels.all"))
        graph.add("Concat", [*plain, *flags, last], output, axis=1)
        return graph.nodes, graph.constants

    def _sum_nodes(
        self, graph: Graph, estimate: str, logs_of: str, null: str, encodings: Sequence[str]
    ) -> list[str]:
        """The groups' own encodings, and `_sums`."""
        count, width = len(encodings), self.lookups[0].table.shape[1]
        joined = graph.add("Concat", list(encodings), "levels.joined", axis=2)
        shape = graph.array("levels.shape", np.array([-1, count * width], dtype=np.int64))
        every = graph.to_double(graph.add("Reshape", [joined, shape], "levels.encodings"))
        own = [n * width + k for n in range(count) for k in range(2)]
        own_node = graph.pick(every, own, count * width, "levels.own")

        def total(name: str, start: int, offset: Doubles) -> str:
            """Columns from `start` on, summed over all groupings, plus the constants `offset`."""
            adds = np.zeros((width, len(offset)))
            adds[start + np.arange(len(offset)), np.arange(len(offset))] = 1.0
            weights = graph.doubles(f"{name}.adds", np.tile(adds, (count, 1)))
            return graph.add("Gemm", [every, weights, graph.doubles(f"{name}.by", offset)], name)

        placed = graph.add("Add", [estimate, total("levels.level", 2, np.zeros(1))], "levels.at")
        if not self.units:
            return [own_node, estimate, placed]
        known = self.first.numbers
        chosen = [known.index(name) for name in self.units]
        logs_of = graph.pick(logs_of, chosen, len(known), "levels.log")
        null = graph.pick(null, chosen, len(known), "levels.null")
        comes_to = None
        if len(self.rates):
            nan = graph.doubles("levels.nan", np.full(1, np.nan))
            units = graph.add("Where", [null, nan, logs_of], "levels.units")
            rate = total("levels.rate", 3, self.rates)
            comes_to = graph.add("Add", [rate, units], "levels.comes.to")
        usual = total("levels.usual", 3 + len(self.rates), self.usual)
        inputs = input_nodes(graph, (estimate, placed, comes_to, usual), logs_of, null)
        given = [usual] if comes_to is None else [comes_to, usual]
        return [own_node, *given, self.blend.nodes(graph, inputs)]


def _encode(group: NDArray[np.int64], target: Doubles) -> tuple[Doubles, Doubles]:
    """Target encoding: each value's shrunken mean target, and each row's cross-fitted one."""
    encoder = TargetEncoder(target_type="continuous", cv=KFold(FOLDS))
    crossfit = encoder.fit_transform(group.reshape(-1, 1), target)
    return np.asarray(encoder.encodings_[0]), np.asarray(crossfit, dtype=np.float64)


def _ratio(above: Matrix, below: Matrix) -> Matrix:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = above / below
    return np.where(np.isinf(ratio), np.float32(np.nan), ratio)
