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
- codes of fixed width by the digits they begin with, too, encoded in the same way: texts of many
  values and such beginnings are the places (`workers.places`);
- an estimate from the numbers alone, and what places add to it (`workers.levels`);
- where the log is learned, the target that a row's own numbers come to, one by one, at the rate
  per unit that is usual in its places: size times the price of a unit of size;
- what is usual in its places for each number, and how many rows each place had;
- one estimate out of all these (`workers.blend`); where there is none to blend, those above.
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

from core.dataset import ColumnType, Dataset
from workers.blend import Blend, input_nodes, inputs_of
from workers.graph import Graph
from workers.levels import FirstStage, crossfitted, learn_levels, logs
from workers.places import (
    FEWEST_DIGITS,
    Beginning,
    Matrix,
    Place,
    Rows,
    as_number,
    coarsest_first,
)

ONE_HOT_UP_TO = 8
MOST_RATIO_COLUMNS = 6
FOLDS = 5

Doubles = NDArray[np.float64]


@dataclass(slots=True)
class Features:
    """The steps, as learned from training rows.

    Each of `places`, coarsest first, has in its table the mean target of its rows, the log of
    their count, and the levels that are added up over all places: of the first stage's residual,
    of the target per unit of each of `units`, and of the log of each of `units`.
    """

    numbers: list[str]
    codes: list[str]
    pairs: list[tuple[str, str]]
    one_hot: dict[str, list[str]] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    rates: Doubles = field(default_factory=lambda: np.zeros(0))
    usual: Doubles = field(default_factory=lambda: np.zeros(0))
    first: FirstStage = field(default_factory=FirstStage)
    blend: Blend = field(default_factory=Blend)

    @classmethod
    def fit(cls, rows: Rows, target: Doubles, dataset: Dataset) -> tuple[Features, Matrix]:
        """Learn the steps from rows and what is to be learned of them.

        Returns them with the training matrix, all of it cross-fitted where it says something of
        the target. Its last column is the rough estimate of each row.
        """
        several = [c.name for c in dataset.features if c.type is ColumnType.NUMBER]
        steps = cls(
            [c.name for c in dataset.features if not c.is_text],
            [c.name for c in dataset.features if c.type is ColumnType.CODE],
            list(combinations(several, 2)) if len(several) <= MOST_RATIO_COLUMNS else [],
        )
        codes = steps._codes(rows)
        places: list[Place] = []
        for column in dataset.features:
            if not column.is_text:
                continue
            distinct = sorted(set(rows[column.name]))
            if len(distinct) <= ONE_HOT_UP_TO:
                steps.one_hot[column.name] = distinct
                continue
            places.append(Place.of(column.name, distinct))
            if column.type is ColumnType.CODE and (column.width or 0) >= FEWEST_DIGITS:
                beginning = Beginning(column.name, column.width or 0)
                begins = beginning.of(codes[column.name]).tolist()
                places.append(Place.of(beginning.key, begins, beginning))
        steps.places = coarsest_first(places)
        numbers, flags = steps._numbers(rows), steps._flags(rows)
        texts = [len(values) for values in steps.one_hot.values()]
        steps.first = FirstStage.fit(numbers, flags, target, texts)
        if steps.places:
            steps.units = [name for name in several if name in steps.first.numbers]
        estimate = steps.first.predict(numbers, flags)
        of_unit = logs(steps.units, numbers, len(target))
        told, total = steps._learn(
            [place.find(values) for place, values in steps._placed(rows, codes)],
            target,
            target - estimate,
            of_unit,
            per_unit=dataset.fit_on == "log",
        )
        if steps.units:
            steps.blend = Blend.fit(inputs_of(*steps._parts(estimate, of_unit, total)), target)
        sums = steps._sums(estimate, of_unit, total)
        return steps, steps._matrix(numbers, flags, codes, told, sums)

    def _learn(
        self,
        groups: Sequence[NDArray[np.int64]],
        target: Doubles,
        left: Doubles,
        of_unit: Doubles,
        *,
        per_unit: bool,
    ) -> tuple[Doubles, Doubles]:
        """Fills the places' tables; returns what training rows are told, and their added levels.

        What is said of the target is cross-fitted; what is said of the numbers needs not be.
        """
        count = len(target)
        known = ~np.isnan(of_unit)
        safe = np.where(known, of_unit, 0.0)
        share = np.maximum(known.sum(axis=0), 1)
        self.usual = safe.sum(axis=0) / share
        rates = np.where(known, target[:, None] - safe, 0.0)
        self.rates = rates.sum(axis=0) / share if per_unit else np.zeros(0)
        everywhere = np.ones(count, dtype=np.bool_)
        of_target = [(left, everywhere)]
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
        told = []
        mean = float(np.mean(target))
        for n, (place, group) in enumerate(zip(self.places, groups, strict=True)):
            means, crossfit = _encode(group, target)
            counts = np.log1p(np.bincount(group))
            levels = [levels_of[n] for levels_of in tables]
            known_places = np.column_stack([means, counts, *levels])
            elsewhere = np.zeros((1, known_places.shape[1]))
            elsewhere[0, 0] = mean
            place.table = np.vstack([known_places, elsewhere]).astype(np.float32)
            told.append(np.column_stack([crossfit, counts[group]]))
        return np.hstack([np.zeros((count, 0)), *told]), np.column_stack(totals)

    def transform(self, rows: Rows) -> Matrix:
        """The matrix of other rows; values unseen in training count as the average row's."""
        numbers, flags, codes = self._numbers(rows), self._flags(rows), self._codes(rows)
        count = len(flags)
        told = [np.zeros((count, 0))]
        total = np.zeros((count, 1))
        for place, values in self._placed(rows, codes):
            found = place.table[place.find(values)].astype(np.float64)
            told.append(found[:, :2])
            total = total + found[:, 2:]
        estimate = self.first.predict(numbers, flags)
        sums = self._sums(estimate, logs(self.units, numbers, count), total)
        return self._matrix(numbers, flags, codes, np.hstack(told), sums)

    def _placed(self, rows: Rows, codes: Mapping[str, Matrix]) -> Iterator[tuple[Place, list[Any]]]:
        """Each place with what rows are looked up by."""
        for place in self.places:
            start = place.beginning
            values = rows[place.key] if start is None else start.of(codes[start.name])
            yield place, values.tolist()

    def _parts(
        self, estimate: Doubles, of_unit: Doubles, total: Doubles
    ) -> tuple[Doubles, Doubles, Doubles, Doubles, Doubles]:
        """The estimate, the same with its places; what each number comes to; what is usual."""
        rates = 1 + len(self.rates)
        placed = estimate[:, None] + total[:, :1]
        comes_to = total[:, 1:rates] + self.rates + of_unit[:, : len(self.rates)]
        return estimate[:, None], placed, comes_to, total[:, rates:] + self.usual, of_unit

    def _sums(self, estimate: Doubles, of_unit: Doubles, total: Doubles) -> Doubles:
        if not self.places:
            return estimate[:, None]
        parts = self._parts(estimate, of_unit, total)
        if not self.units:
            return np.hstack(parts[:2])
        return np.hstack([*parts[2:4], self.blend.predict(inputs_of(*parts))[:, None]])

    def _numbers(self, rows: Rows) -> dict[str, Matrix]:
        return {name: rows[name].astype(np.float32) for name in self.numbers}

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
        told: Doubles,
        sums: Doubles,
    ) -> Matrix:
        plain = [*numbers.values(), *codes.values()]
        plain += [_ratio(numbers[a], numbers[b]) for a, b in self.pairs]
        plain = [column[:, None] for column in plain]
        return np.hstack([*plain, flags, told, sums], dtype=np.float32, casting="same_kind")

    def nodes(self, output: str) -> tuple[list[NodeProto], list[TensorProto]]:
        """The same steps as ONNX nodes from the named inputs ([n, 1] each) to `output` ([n, m])."""
        graph = Graph()
        codes = {name: graph.as_number(name) for name in self.codes}
        plain = [*self.numbers, *codes.values()]
        if self.pairs:
            above = graph.beside([a for a, _ in self.pairs], "ratio.above")
            below = graph.beside([b for _, b in self.pairs], "ratio.below")
            plain.append(graph.ratio(above, below, "ratio.all"))
        flags = [graph.equals(name, values) for name, values in self.one_hot.items()]
        told = []
        for place in self.places:
            start = place.beginning
            source = place.key if start is None else start.nodes(graph, codes[start.name])
            told.append(place.nodes(graph, source))
        like = plain[0] if plain else f"{self.places[0].key}.place" if told else ""
        estimate, logs_of, null = self.first.nodes(graph, self.numbers, flags, like)
        sums = self._sum_nodes(graph, estimate, logs_of, null, told) if told else [estimate]
        last = graph.to_float(graph.beside(sums, "levels.all"))
        graph.add("Concat", [*plain, *flags, last], output, axis=1)
        return graph.made, graph.constants

    def _sum_nodes(
        self, graph: Graph, estimate: str, logs_of: str, null: str, told: Sequence[str]
    ) -> list[str]:
        """What places say of themselves, and `_sums`."""
        count, width = len(told), self.places[0].table.shape[1]
        joined = graph.add("Concat", list(told), "levels.joined", axis=2)
        shape = graph.array("levels.shape", np.array([-1, count * width], dtype=np.int64))
        every = graph.to_double(graph.add("Reshape", [joined, shape], "levels.told"))
        own = [n * width + k for n in range(count) for k in range(2)]
        own_node = graph.pick(every, own, count * width, "levels.own")

        def total(made: str, start: int, beside: Doubles) -> str:
            """Columns from `start` on of all places added up, and what is said beside them."""
            adds = np.zeros((width, len(beside)))
            adds[start + np.arange(len(beside)), np.arange(len(beside))] = 1.0
            weights = graph.doubles(f"{made}.adds", np.tile(adds, (count, 1)))
            return graph.add("Gemm", [every, weights, graph.doubles(f"{made}.by", beside)], made)

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
    """Each value's mean target, drawn to that of all, and each row's from the other folds."""
    encoder = TargetEncoder(target_type="continuous", cv=KFold(FOLDS))
    crossfit = encoder.fit_transform(group.reshape(-1, 1), target)
    return np.asarray(encoder.encodings_[0]), np.asarray(crossfit, dtype=np.float64)


def _ratio(above: Matrix, below: Matrix) -> Matrix:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = above / below
    return np.where(np.isinf(ratio), np.float32(np.nan), ratio)
