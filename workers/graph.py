"""A small builder of ONNX graphs, for the steps of `workers.features` and `workers.levels`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper


def text_constant(name: str, value: str) -> TensorProto:
    """A constant text."""
    return TensorProto(
        name=name, data_type=TensorProto.STRING, dims=[1], string_data=[value.encode()]
    )


class Graph:
    """Collects nodes and constants; each method returns the name of what its nodes make."""

    def __init__(self) -> None:
        self.made: list[NodeProto] = []
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

    def ratio(self, above: str, below: str) -> str:
        """A quotient, NaN where it is infinite."""
        name = f"{above}.per.{below}"
        self.add("Div", [above, below], f"{name}.raw")
        self.add("IsInf", [f"{name}.raw"], f"{name}.inf")
        return self.add("Where", [f"{name}.inf", "constant.nan", f"{name}.raw"], name)

    def equals(self, name: str, value: str) -> str:
        """1 where the text is that value, else 0."""
        made = f"{name}.is.{len(self.constants)}"
        self.constants.append(text_constant(f"{made}.value", value))
        self.add("Equal", [name, f"{made}.value"], f"{made}.bool")
        return self.add("Cast", [f"{made}.bool"], made, to=TensorProto.FLOAT)

    def lookup(self, source: str, made: str, values: Mapping[Any, float], elsewhere: float) -> str:
        """A value for each text or each whole number, by table."""
        of_text = all(isinstance(key, str) for key in values)
        keys = {"keys_strings" if of_text else "keys_int64s": list(values)}
        return self.add(
            "LabelEncoder",
            [source],
            made,
            domain="ai.onnx.ml",
            values_floats=list(values.values()),
            default_float=elsewhere,
            **keys,
        )

    def floats(self, name: str, value: float) -> str:
        """A constant float."""
        self.constants.append(helper.make_tensor(name, TensorProto.FLOAT, [1], [value]))
        return name

    def doubles(self, name: str, values: NDArray[np.float64]) -> str:
        """A constant of doubles."""
        self.constants.append(
            helper.make_tensor(name, TensorProto.DOUBLE, values.shape, values.ravel().tolist())
        )
        return name

    def to_double(self, name: str) -> str:
        """The same numbers as doubles."""
        return self.add("Cast", [name], f"{name}.as_double", to=TensorProto.DOUBLE)

    def axis(self, number: int) -> str:
        """An axis, as a constant."""
        name = f"constant.axis.{number}"
        self.constants.append(helper.make_tensor(name, TensorProto.INT64, [1], [number]))
        return name

    def to_float(self, name: str) -> str:
        """The same numbers as floats."""
        return self.add("Cast", [name], f"{name}.as_float", to=TensorProto.FLOAT)
