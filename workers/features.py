"""Rows to the matrix that trees learn from, and the same steps as ONNX nodes.

Everything is rounded to float32 before the trees see it, in both worlds, so that the two can
only differ in the last bits of a sum. Which step a column gets follows from its type and from how
many values it has, never from its name:

- numbers and dates as they are, null as NaN; and the ratio of every two numbers, which trees
  can otherwise only approach in steps;
- codes as numbers too, where they are digits: neighbouring codes are often neighbouring places;
- texts of few values one-hot; texts of many by the mean target of their rows, cross-fitted so
  that no row sees its own target (Micci-Barreca, "A preprocessing scheme for high-cardinality
  categorical attributes", 2001, as scikit-learn's TargetEncoder does it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from core.dataset import ColumnType, Dataset

ONE_HOT_UP_TO = 8
MOST_RATIO_COLUMNS = 6
FOLDS = 5

Rows = Mapping[str, NDArray[Any]]
"""Columns by name, all of one length: float64 with NaN for null, or text with "" for null."""

Matrix = NDArray[np.float32]


@dataclass(slots=True)
class Features:
    """The steps, as learned from training rows."""

    numbers: list[str]
    codes: list[str]
    pairs: list[tuple[str, str]]
    one_hot: dict[str, list[str]] = field(default_factory=dict)
    encoded: dict[str, dict[str, float]] = field(default_factory=dict)
    elsewhere: float = 0.0

    @classmethod
    def fit(
        cls, rows: Rows, target: NDArray[np.float64], dataset: Dataset
    ) -> tuple[Features, Matrix]:
        """Learn the steps; returns them with the training matrix, its encodings cross-fitted."""
        numbers = [c.name for c in dataset.features if not c.is_text]
        ratios = [c.name for c in dataset.features if c.type is ColumnType.NUMBER]
        steps = cls(
            numbers,
            [c.name for c in dataset.features if c.type is ColumnType.CODE],
            list(combinations(ratios, 2)) if len(ratios) <= MOST_RATIO_COLUMNS else [],
        )
        steps.elsewhere = float(np.float32(np.mean(target)))
        crossfit: list[Matrix] = []
        for column in dataset.features:
            if not column.is_text:
                continue
            distinct = sorted(set(rows[column.name]))
            if len(distinct) <= ONE_HOT_UP_TO:
                steps.one_hot[column.name] = distinct
                continue
            encoder = TargetEncoder(target_type="continuous", cv=KFold(FOLDS))
            crossfit.append(encoder.fit_transform(rows[column.name].reshape(-1, 1), target))
            (values,) = encoder.encodings_
            (names,) = encoder.categories_
            steps.encoded[column.name] = dict(
                zip(names.tolist(), values.astype(np.float32).tolist(), strict=True)
            )
        parts = [steps._plain(rows), *(part.astype(np.float32) for part in crossfit)]
        return steps, np.hstack(parts)

    def transform(self, rows: Rows) -> Matrix:
        """The matrix of other rows; values unseen in training count as the average row's."""
        parts = [self._plain(rows)]
        for name, values in self.encoded.items():
            looked_up = (values.get(text, self.elsewhere) for text in rows[name])
            parts.append(np.fromiter(looked_up, np.float32, len(rows[name])).reshape(-1, 1))
        return np.hstack(parts)

    def _plain(self, rows: Rows) -> Matrix:
        """Every feature but the encoded ones."""
        columns = {name: rows[name].astype(np.float32) for name in self.numbers}
        parts = list(columns.values())
        parts += [_as_number(rows[name]) for name in self.codes]
        parts += [_ratio(columns[a], columns[b]) for a, b in self.pairs]
        parts += [
            (rows[name] == value).astype(np.float32)
            for name, values in self.one_hot.items()
            for value in values
        ]
        return np.column_stack(parts)

    def sources(self) -> list[tuple[str, ...]]:
        """The features that each column of the matrix is made of, in the columns' order."""
        singles = [*self.numbers, *self.codes]
        shown = [name for name, values in self.one_hot.items() for _value in values]
        return [
            *((name,) for name in singles),
            *self.pairs,
            *((name,) for name in (*shown, *self.encoded)),
        ]

    def nodes(self, output: str) -> tuple[list[NodeProto], list[TensorProto]]:
        """The same steps as ONNX nodes from the named inputs ([n, 1] each) to `output` ([n, m])."""
        graph = _Graph()
        parts = list(self.numbers)
        parts += [graph.as_number(name) for name in self.codes]
        parts += [graph.ratio(a, b) for a, b in self.pairs]
        parts += [
            graph.equals(name, value) for name, values in self.one_hot.items() for value in values
        ]
        parts += [
            graph.lookup(name, values, self.elsewhere) for name, values in self.encoded.items()
        ]
        graph.add("Concat", parts, output, axis=1)
        return graph.made, graph.constants


def _as_number(texts: NDArray[Any]) -> Matrix:
    return np.array(
        [float(t) if t.isascii() and t.isdigit() else np.nan for t in texts], dtype=np.float32
    )


def _ratio(above: Matrix, below: Matrix) -> Matrix:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = above / below
    return np.where(np.isinf(ratio), np.float32(np.nan), ratio)


def _text(name: str, value: str) -> TensorProto:
    return TensorProto(
        name=name, data_type=TensorProto.STRING, dims=[1], string_data=[value.encode()]
    )


class _Graph:
    """Collects nodes and constants; each method returns the name of what its nodes make."""

    def __init__(self) -> None:
        self.made: list[NodeProto] = []
        self.constants = [
            helper.make_tensor("constant.nan", TensorProto.FLOAT, [1], [float("nan")]),
            _text("constant.nan_text", "nan"),
        ]

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """One node."""
        self.made.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def as_number(self, name: str) -> str:
        """Digits to a number, anything else to NaN."""
        digits = self.add("RegexFullMatch", [name], f"{name}.digits", pattern="[0-9]+")
        safe = self.add("Where", [digits, name, "constant.nan_text"], f"{name}.safe")
        return self.add("Cast", [safe], f"{name}.number", to=TensorProto.FLOAT)

    def ratio(self, above: str, below: str) -> str:
        """A quotient, NaN where it is infinite."""
        name = f"{above}.per.{below}"
        self.add("Div", [above, below], f"{name}.raw")
        self.add("IsInf", [f"{name}.raw"], f"{name}.inf")
        return self.add("Where", [f"{name}.inf", "constant.nan", f"{name}.raw"], name)

    def equals(self, name: str, value: str) -> str:
        """1 where the text is that value, else 0."""
        made = f"{name}.is.{len(self.constants)}"
        self.constants.append(_text(f"{made}.value", value))
        self.add("Equal", [name, f"{made}.value"], f"{made}.bool")
        return self.add("Cast", [f"{made}.bool"], made, to=TensorProto.FLOAT)

    def lookup(self, name: str, values: Mapping[str, float], elsewhere: float) -> str:
        """A text's encoding, by table."""
        made = f"{name}.encoded"
        self.made.append(
            helper.make_node(
                "LabelEncoder",
                [name],
                [made],
                domain="ai.onnx.ml",
                keys_strings=list(values),
                values_floats=list(values.values()),
                default_float=elsewhere,
            )
        )
        return made
