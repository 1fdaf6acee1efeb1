"""Model files: assembling one from ONNX nodes, and checking it against the fitted model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, checker, helper, load_from_string

from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import TEXTS, ColumnType, Dataset
from core.domain.errors import ModelRefused
from workers.recipes.port import Doubles, Fitted, Rows

TOLERANCE = 1e-5
"""The largest accepted difference between the exported and the fitted model.

It is relative to the prediction, or to the standard deviation of all predictions if that is larger:
if a target crosses zero, predictions near zero are small compared with their rounding errors. For
probabilities it is absolute.
"""

ML_DOMAIN = "ai.onnx.ml"
OPSETS = {"": 20, ML_DOMAIN: 3}
"""The versions of the operator sets, by domain."""

_INPUTS = dict.fromkeys(TEXTS, TensorProto.STRING) | {ColumnType.TIMESTAMP: TensorProto.DOUBLE}
_IR = 10
_SHOWN = 5


def assemble(
    nodes: Sequence[NodeProto],
    constants: Sequence[TensorProto],
    dataset: Dataset,
    metadata: Mapping[str, str],
    *,
    classes: int = 0,
) -> bytes:
    """A model file of nodes between the dataset's features, [n, 1] each, and `learned.double`.

    That is [n, 1], or the probabilities of so many `classes` where that is not 0.
    Where the target is learned as log(1 + target), its inverse is added. Names of inner nodes
    contain a dot, which column names never do.
    """
    nodes, constants = list(nodes), list(constants)
    name, width = ("probabilities", classes) if classes else ("prediction", 1)
    if dataset.fit_on == "log":
        constants.append(helper.make_tensor("constant.one", TensorProto.DOUBLE, [1], [1.0]))
        nodes.append(helper.make_node("Exp", ["learned.double"], ["learned.exp"]))
        nodes.append(helper.make_node("Sub", ["learned.exp", "constant.one"], [name]))
    else:
        nodes.append(helper.make_node("Identity", ["learned.double"], [name]))
    inputs = [
        helper.make_tensor_value_info(c.name, _INPUTS.get(c.type, TensorProto.FLOAT), [None, 1])
        for c in dataset.features
    ]
    output = helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, width])
    graph = helper.make_graph(nodes, dataset.name, inputs, [output], constants)
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=_IR, producer_name="driftdesk"
    )
    helper.set_model_props(model, dict(metadata))
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def stamp(model: bytes, metadata: Mapping[str, str]) -> bytes:
    """The same model with these entries added to its metadata."""
    loaded = load_from_string(model)
    present = {entry.key: entry.value for entry in loaded.metadata_props}
    helper.set_model_props(loaded, present | dict(metadata))
    return bytes(loaded.SerializeToString(deterministic=True))


def check_parity(runtime: Runtime, fitted: Fitted, rows: Rows) -> float:
    """The largest difference between exported and fitted model on these rows; 0 for none.

    Raises:
        ModelRefused: it exceeds `TOLERANCE`; the message names the row.
    """
    if not any(len(values) for values in rows.values()):
        return 0.0
    return require_parity(fitted.predict(rows), runtime.predict(rows), rows)


def require_parity(expected: Doubles, given: Doubles, rows: Rows) -> float:
    """The largest difference between the fitted model's and the exported one's answers; 0 for none.

    Raises:
        ModelRefused: it exceeds `TOLERANCE`; the message names the row.
    """
    if not len(expected):
        return 0.0
    kind = "relative difference"
    if expected.ndim > 1:
        kind = "difference"
        difference = np.abs(given - expected).max(axis=1)
    else:
        scale = np.maximum(np.abs(expected), max(float(np.std(expected)), 1e-9))
        difference = np.abs(given - expected) / scale
    worst = int(np.argmax(difference))
    if not difference[worst] <= TOLERANCE:
        row = {name: values[worst] for name, values in rows.items()}
        raise ModelRefused(
            f"The exported model predicts {_shown(given[worst])}, the fitted one "
            f"{_shown(expected[worst])} ({kind} {difference[worst]:.2g}) for {row}."
        )
    return float(difference[worst])


def _shown(prediction: NDArray[np.float64]) -> str:
    """A prediction, or the probabilities of the first classes, as text."""
    return ", ".join(f"{p:.6g}" for p in np.atleast_1d(prediction)[:_SHOWN])
