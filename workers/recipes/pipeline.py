"""A fitted scikit-learn pipeline as a model: its columns, its target's scale, and its ONNX export.

skl2onnx exports the pipeline; it compares numbers with thresholds in single precision. The training
numbers are therefore rounded (`snapped`) so that a threshold half-way between two of them is
exact in single precision, and both models send every row the same way.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from onnx import GraphProto, TensorProto, compose
from threadpoolctl import threadpool_limits

from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import Dataset
from core.domain.errors import ModelRefused
from core.domain.safe_text import printable
from workers.recipes import mean_encoders, time_parts
from workers.recipes.export import OPSETS, assemble
from workers.recipes.mean_encoders import rounded
from workers.recipes.onnx_graph import Graph
from workers.recipes.own_code import reported
from workers.recipes.port import Doubles, Rows

_PREFIX = "pipeline."


def frame(rows: Rows, dataset: Dataset) -> pd.DataFrame:
    """The features as a table: numbers (doubles, NaN for null), then texts ("" for null).

    Numbers are rounded to single precision, in which the exported model takes them. A timestamp
    becomes the day as a number and the parts that the dataset file asks for, named `column.part`.
    """
    numbers = time_parts.numbers(time_parts.number_names(dataset), rows)
    texts = {c.name: rows[c.name] for c in dataset.features if c.is_text}
    return pd.DataFrame(
        {name: values.astype(np.float64) for name, values in numbers.items()}
        | {name: pd.Series(values, dtype=object) for name, values in texts.items()}
    )


def snapped(columns: pd.DataFrame) -> pd.DataFrame:
    """The table with its numbers `rounded`; a column of nulls becomes zeros.

    Binning needs a value in every column; trees never split on a constant one.
    """
    numbers = {}
    for name in columns.select_dtypes("float64"):
        values = rounded(columns[name].to_numpy())
        numbers[str(name)] = np.zeros_like(values) if np.isnan(values).all() else values
    return columns.assign(**numbers)


@dataclass(frozen=True, slots=True)
class FittedPipeline:
    """A fitted pipeline, or one estimator, that predicts (target - `middle`) / `spread`.

    If `classes` is not 0, it predicts the probabilities of that number of classes.

    `own` names the function that made it, if that is the team's own code. Such a pipeline is
    exported in double precision if each of its steps has an operator of doubles.
    """

    dataset: Dataset
    pipeline: Any
    middle: float
    spread: float
    settings: Mapping[str, Any]
    own: str = ""
    classes: int = 0

    def predict(self, rows: Rows) -> Doubles:
        """Predict with scikit-learn; see `workers.recipes.port.Fitted`.

        Raises:
            RecipeFailed: the team's own code fails, or returns no probability for each class.
        """
        columns = frame(rows, self.dataset)
        with threadpool_limits(1), reported(self.own, "predict") if self.own else nullcontext():
            if self.classes:
                return self._probabilities(columns)
            answers = np.asarray(self.pipeline.predict(columns), dtype=np.float64).reshape(-1)
        learned = answers * self.spread + self.middle
        return np.expm1(learned) if self.dataset.fit_on == "log" else learned

    def _probabilities(self, columns: pd.DataFrame) -> Doubles:
        answers = np.asarray(self.pipeline.predict_proba(columns), dtype=np.float64)
        if answers.shape != (len(columns), self.classes):
            raise ValueError(
                f"predict_proba gave the shape {answers.shape} for {len(columns)} rows of "
                f"{self.classes} classes"
            )
        return answers

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that the MLflow run is logged with."""
        return {**self.settings, "fit_on": self.dataset.fit_on}

    def to_onnx(self, metadata: Mapping[str, str]) -> bytes:
        """The model as ONNX; see `workers.recipes.port.Fitted`.

        Raises:
            ModelRefused: skl2onnx cannot export the pipeline.
        """
        if self.own:
            with suppress(ModelRefused):
                model = self._in(TensorProto.DOUBLE, metadata)
                Runtime(model)
                return model
        return self._in(TensorProto.FLOAT, metadata)

    def _in(self, precision: int, metadata: Mapping[str, str]) -> bytes:
        """The model with its numbers in this precision."""
        graph = Graph()
        names = time_parts.number_names(self.dataset)
        time_parts.add_nodes(graph, names)
        of_doubles = precision == TensorProto.DOUBLE
        numbers = {name: graph.to_double(name) if of_doubles else name for name in names}
        texts = {c.name: c.name for c in self.dataset.features if c.is_text}
        options = {"zipmap": False} if self.classes else {}
        exported = _exported(self.pipeline, numbers, texts, options, of_doubles=of_doubles)
        graph.nodes.extend(exported.node)
        graph.constants.extend(exported.initializer)
        if self.classes:
            raw = graph.to_double(exported.output[1].name)  # the first one is the label
            total = graph.add("ReduceSum", [raw, graph.axis(1)], "probabilities.total", keepdims=1)
            graph.add("Div", [raw, total], "learned.double")
            return assemble(
                graph.nodes, graph.constants, self.dataset, metadata, classes=self.classes
            )
        scale = graph.doubles("scale.spread", np.full((1, 1), self.spread))
        shift = graph.doubles("scale.middle", np.full(1, self.middle))
        answer = graph.to_double(exported.output[0].name)
        graph.add("Gemm", [answer, scale, shift], "learned.double")
        return assemble(graph.nodes, graph.constants, self.dataset, metadata)


def _exported(
    pipeline: Any,
    numbers: Mapping[str, str],
    texts: Mapping[str, str],
    options: Mapping[str, bool],
    *,
    of_doubles: bool,
) -> GraphProto:
    """The pipeline's graph; `numbers` and `texts` map `frame`'s columns to the graph's inputs."""
    from skl2onnx import to_onnx  # noqa: PLC0415 - takes a second, and only training needs it
    from skl2onnx.common import data_types  # noqa: PLC0415

    number = data_types.DoubleTensorType if of_doubles else data_types.FloatTensorType
    kinds = dict.fromkeys(numbers, number) | dict.fromkeys(texts, data_types.StringTensorType)
    columns = [(name, kind([None, 1])) for name, kind in kinds.items()]
    mean_encoders.register()
    try:
        with warnings.catch_warnings():  # it gives protobuf booleans for integers
            warnings.simplefilter("ignore", DeprecationWarning)
            model = to_onnx(pipeline, initial_types=columns, options=options, target_opset=OPSETS)
    except Exception as error:  # skl2onnx's errors have no common base
        raise ModelRefused(
            f"skl2onnx cannot export the pipeline: {printable(str(error))[:300]}"
        ) from error
    graph = compose.add_prefix(model, _PREFIX).graph
    # skl2onnx changes the names of some inputs, and keeps their order.
    inputs = [*numbers.values(), *texts.values()]
    given = dict(zip((i.name for i in graph.input), inputs, strict=True))
    for node in graph.node:
        node.input[:] = [given.get(name, name) for name in node.input]
    return graph
