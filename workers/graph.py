"""A small builder of ONNX graphs, for the steps of `workers.features` and what it is made of."""

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
    """Collects nodes and constants; each method returns the name of what its nodes make."""

    def __init__(self) -> None:
        self.made: list[NodeProto] = []
        self._axes: set[int] = set()
        self.constants = [
            helper.make_tensor("constant.nan", TensorProto.FLOAT, [1], [float("nan")]),
            text_constant("constant.nan_text", "nan"),
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

    def ratio(self, above: str, below: str, made: str) -> str:
        """Quotients, NaN where they are infinite."""
        raw = self.add("Div", [above, below], f"{made}.raw")
        infinite = self.add("IsInf", [raw], f"{made}.inf")
        return self.add("Where", [infinite, "constant.nan", raw], made)

    def equals(self, name: str, values: Sequence[str]) -> str:
        """For each value a column, 1 where the text is that one, else 0."""
        texts = TensorProto(
            name=f"{name}.values",
            data_type=TensorProto.STRING,
            dims=[1, len(values)],
            string_data=[value.encode() for value in values],
        )
        self.constants.append(texts)
        self.add("Equal", [name, texts.name], f"{name}.is.bool")
        return self.add("Cast", [f"{name}.is.bool"], f"{name}.is", to=TensorProto.FLOAT)

    def beside(self, sources: Sequence[str], made: str) -> str:
        """Matrices side by side; a single one as it is."""
        return self.add("Concat", list(sources), made, axis=1) if len(sources) > 1 else sources[0]

    def pick(self, source: str, columns: Sequence[int], width: int, made: str) -> str:
        """Some columns of a matrix of that width; all of them in order are the matrix itself."""
        if list(columns) == list(range(width)):
            return source
        index = self.array(f"{made}.columns", np.array(columns, dtype=np.int64))
        return self.add("Gather", [source, index], made, axis=1)

    def number_of(self, source: str, made: str, numbers: Mapping[Any, int]) -> str:
        """The number of each text or each whole number; of any other, how many there are."""
        of_text = all(isinstance(key, str) for key in numbers)
        keys = {"keys_strings" if of_text else "keys_int64s": list(numbers)}
        return self.add(
            "LabelEncoder",
            [source],
            made,
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
        """A constant of many values, in their own type."""
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def doubles(self, name: str, values: NDArray[np.float64]) -> str:
        """A constant of doubles."""
        return self.array(name, values.astype(np.float64))

    def to_double(self, name: str) -> str:
        """The same numbers as doubles."""
        return self.add("Cast", [name], f"{name}.as_double", to=TensorProto.DOUBLE)

    def axis(self, number: int) -> str:
        """An axis or a place on it, as a constant."""
        name = f"constant.axis.{number}"
        if number not in self._axes:
            self._axes.add(number)
            self.array(name, np.array([number], dtype=np.int64))
        return name

    def to_float(self, name: str) -> str:
        """The same numbers as floats."""
        return self.add("Cast", [name], f"{name}.as_float", to=TensorProto.FLOAT)
