"""What a model learns of a timestamp: the day as a number, and hour, weekday or month in UTC.

Each formula is written once, with operators that NumPy arrays and terms of an ONNX graph share, so
that the exported model computes it from the same input as the fitted one: seconds since 1970-01-01
as doubles. Weekdays are 0 for Monday to 6; months are 1 to 12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from core.domain.dataset import ColumnType, Dataset
from workers.recipes.onnx_graph import Graph
from workers.recipes.port import Matrix, Rows

_DAY = 86_400.0


def _month(seconds: Any) -> Any:
    """The month of the proleptic Gregorian calendar.

    Hinnant, "chrono-compatible low-level date algorithms", 2013, civil_from_days: years begin with
    March, so that the day of the year gives the month without knowing leap years.
    """
    day_of_era = (seconds // _DAY + 719_468.0) % 146_097.0
    leap = day_of_era // 36_524.0 - day_of_era // 1_460.0 - day_of_era // 146_096.0
    year = (day_of_era + leap) // 365.0
    day = day_of_era - year * 365.0 - year // 4.0 + year // 100.0
    return ((day * 5.0 + 2.0) // 153.0 + 2.0) % 12.0 + 1.0


_PARTS: dict[str, Callable[[Any], Any]] = {
    "day": lambda seconds: seconds // _DAY,
    "hour": lambda seconds: seconds // 3_600.0 % 24.0,
    "weekday": lambda seconds: (seconds // _DAY + 3.0) % 7.0,
    "month": _month,
}


def number_names(dataset: Dataset) -> list[str]:
    """The numbers that models learn, in row order; a part of a timestamp is `column.part`."""
    names = []
    for column in dataset.features:
        if column.type is ColumnType.TIMESTAMP:
            names += [f"{column.name}.{part}" for part in ("day", *column.features)]
        elif not column.is_text:
            names.append(column.name)
    return names


def numbers(names: Iterable[str], rows: Rows) -> dict[str, Matrix]:
    """The numbers of these rows by name, rounded to float32; NaN for null."""
    by_name = {}
    for name in names:
        column, _, part = name.partition(".")
        values = rows[column]
        if part:
            with np.errstate(invalid="ignore"):
                values = _PARTS[part](values // 1.0)
        by_name[name] = values.astype(np.float32)
    return by_name


def add_nodes(graph: Graph, names: Iterable[str]) -> None:
    """Nodes for the parts among these names, each as a float of its name, [n, 1]."""
    for name in names:
        column, _, part = name.partition(".")
        if part:
            term = _PARTS[part](_Term(graph, name, column) // 1.0)
            graph.add("Cast", [term.node], name, to=TensorProto.FLOAT)


@dataclass(frozen=True, slots=True)
class _Term:
    """A node of doubles that can be calculated with; new nodes are named after `name`."""

    graph: Graph
    name: str
    node: str

    def _with(self, kind: str, other: _Term | float) -> _Term:
        second = other.node if isinstance(other, _Term) else self._constant(other)
        return self._new(kind, self.node, second)

    def _constant(self, value: float) -> str:
        name = f"{self.name}.constant.{len(self.graph.constants)}"
        return self.graph.doubles(name, np.full(1, value))

    def _new(self, kind: str, *inputs: str) -> _Term:
        output = f"{self.name}.term.{len(self.graph.nodes)}"
        return _Term(self.graph, self.name, self.graph.add(kind, list(inputs), output))

    def __add__(self, other: _Term | float) -> _Term:
        return self._with("Add", other)

    def __sub__(self, other: _Term | float) -> _Term:
        return self._with("Sub", other)

    def __mul__(self, other: _Term | float) -> _Term:
        return self._with("Mul", other)

    def __floordiv__(self, other: _Term | float) -> _Term:
        quotient = self._with("Div", other)
        return quotient._new("Floor", quotient.node)

    def __mod__(self, other: _Term | float) -> _Term:
        return self - self // other * other
