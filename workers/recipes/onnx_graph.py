"""A small builder of ONNX graphs for the feature steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper


def text_constant(name: str, value: str) -> TensorProto:
    """A constant text."""
    return TensorProto(
        name=name, data_type=TensorProto.STRING, dims=[1], string_data=[value.encode()]
    )


class Graph:
    """Collects nodes and constants; each method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self._axes: set[int] = set()
        self.constants = [
            helper.make_tensor("constant.nan", TensorProto.FLOAT, [1], [float("nan")]),
            text_constant("constant.nan_text", "nan"),
        ]

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """One node."""
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def as_number(self, name: str) -> str:
        """Numeric text to a number, other text to NaN."""
        digits = self.add("RegexFullMatch", [name], f"{name}.digits", pattern="[0-9]+")
        safe = self.add("Where", [digits, name, "constant.nan_text"], f"{name}.safe")
        return self.add("Cast", [safe], f"{name}.number", to=TensorProto.FLOAT)

    def ratio(self, above: str, below: str, output: str) -> str:
        """Quotients, with NaN for infinite ones."""
        raw = self.add("Div", [above, below], f"{output}.raw")
        infinite = self.add("IsInf", [raw], f"{output}.inf")
        return self.add("Where", [infinite, "constant.nan", raw], output)

    def equals(self, name: str, values: Sequence[str]) -> str:
        """One-hot encoding: a column per value, 1 where the text equals it."""
        texts = TensorProto(
            name=f"{name}.values",
            data_type=TensorProto.STRING,
            dims=[1, len(values)],
            string_data=[value.encode() for value in values],
        )
        self.constants.append(texts)
        self.add("Equal", [name, texts.name], f"{name}.is.bool")
        return self.add("Cast", [f"{name}.is.bool"], f"{name}.is", to=TensorProto.FLOAT)

    def beside(self, sources: Sequence[str], output: str) -> str:
        """Matrices concatenated by columns; a single one unchanged."""
        return self.add("Concat", list(sources), output, axis=1) if len(sources) > 1 else sources[0]

    def pick(self, source: str, columns: Sequence[int], width: int, output: str) -> str:
        """A selection of a matrix's columns; the matrix itself if all are selected in order."""
        if list(columns) == list(range(width)):
            return source
        index = self.array(f"{output}.columns", np.array(columns, dtype=np.int64))
        return self.add("Gather", [source, index], output, axis=1)

    def number_of(self, source: str, output: str, numbers: Mapping[Any, int]) -> str:
        """The index of each text or integer key; the number of keys for unknown ones."""
        of_text = all(isinstance(key, str) for key in numbers)
        keys = {"keys_strings" if of_text else "keys_int64s": list(numbers)}
        return self.add(
            "LabelEncoder",
            [source],
            output,
            domain="ai.onnx.ml",
            values_int64s=list(numbers.values()),
            default_int64=len(numbers),
            **keys,
        )

    def floats(self, name: str, value: float) -> str:
        """A constant float."""
        self.constants.append(helper.make_tensor(name, TensorProto.FLOAT, [1], [value]))
        return name

    def array(self, name: str, values: NDArray[Any]) -> str:
        """A constant array that keeps its type."""
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def doubles(self, name: str, values: NDArray[np.float64]) -> str:
        """A constant of doubles."""
        return self.array(name, values.astype(np.float64))

    def to_double(self, name: str) -> str:
        """Cast to double."""
        return self.add("Cast", [name], f"{name}.as_double", to=TensorProto.DOUBLE)

    def axis(self, number: int) -> str:
        """An axis or an index on it, as a constant."""
        name = f"constant.axis.{number}"
        if number not in self._axes:
            self._axes.add(number)
            self.array(name, np.array([number], dtype=np.int64))
        return name

    def to_float(self, name: str) -> str:
        """Cast to float."""
        return self.add("Cast", [name], f"{name}.as_float", to=TensorProto.FLOAT)
