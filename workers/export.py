"""The fitted model as one ONNX file, and the proof that it says the same."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, checker, helper, load_from_string

from core.dataset import Dataset
from core.errors import ModelRefused
from core.runtime import Runtime
from workers.places import Rows
from workers.training import START, Fitted

TOLERANCE = 1e-5
"""The largest relative difference between the exported and the fitted model that is let pass."""

_OPSET, _ML_OPSET, _IR = 20, 3, 10
_MATRIX = "matrix.double"


def to_onnx(fitted: Fitted, dataset: Dataset, metadata: Mapping[str, str]) -> bytes:
    """The whole model: an input [n, 1] for each feature, and `prediction` [n, 1] in its own unit.

    Numbers and dates go in as float, texts as string. The trees run on doubles, because their
    thresholds lie half-way between values and rounding one to float can move a row across.
    Inner names have a dot, which no column's name has.
    """
    nodes, constants = fitted.features.nodes("matrix.float")
    nodes.append(helper.make_node("Cast", ["matrix.float"], [_MATRIX], to=TensorProto.DOUBLE))
    nodes.append(_trees(fitted, _MATRIX, "learned.float"))
    constants += [
        helper.make_tensor("start.column", TensorProto.INT64, [1], [-1]),
        helper.make_tensor("start.low", TensorProto.DOUBLE, [], [fitted.low]),
        helper.make_tensor("start.high", TensorProto.DOUBLE, [], [fitted.high]),
        helper.make_tensor("start.share", TensorProto.DOUBLE, [1, 1], [START]),
    ]
    nodes += [
        helper.make_node("Gather", [_MATRIX, "start.column"], ["start.rough"], axis=1),
        helper.make_node("Clip", ["start.rough", "start.low", "start.high"], ["start.kept"]),
        helper.make_node("Cast", ["learned.float"], ["learned.rest"], to=TensorProto.DOUBLE),
        helper.make_node("Gemm", ["start.kept", "start.share", "learned.rest"], ["learned.double"]),
    ]
    if fitted.on_log:
        constants.append(helper.make_tensor("constant.one", TensorProto.DOUBLE, [1], [1.0]))
        nodes.append(helper.make_node("Exp", ["learned.double"], ["learned.exp"]))
        nodes.append(helper.make_node("Sub", ["learned.exp", "constant.one"], ["prediction"]))
    else:
        nodes.append(helper.make_node("Identity", ["learned.double"], ["prediction"]))
    inputs = [
        helper.make_tensor_value_info(
            c.name, TensorProto.STRING if c.is_text else TensorProto.FLOAT, [None, 1]
        )
        for c in dataset.features
    ]
    output = helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, [None, 1])
    graph = helper.make_graph(nodes, dataset.name, inputs, [output], constants)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=_IR, producer_name="driftdesk"
    )
    helper.set_model_props(model, dict(metadata))
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def stamp(model: bytes, metadata: Mapping[str, str]) -> bytes:
    """The same model with more said in its metadata."""
    loaded = load_from_string(model)
    said = {entry.key: entry.value for entry in loaded.metadata_props}
    helper.set_model_props(loaded, said | dict(metadata))
    return bytes(loaded.SerializeToString(deterministic=True))


def _trees(fitted: Fitted, source: str, output: str) -> NodeProto:
    """The boosted trees as one node on doubles.

    skl2onnx rounds thresholds to float32; this is its mapping of scikit-learn's node records,
    without the rounding. Each tree's nodes are numbered from 0; its root is node 0.
    """
    trees = [tree.nodes for (tree,) in fitted.trees._predictors]  # noqa: SLF001 - no public way
    sizes = [len(nodes) for nodes in trees]
    every = np.concatenate(trees)
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])
    leaf = every["is_leaf"].astype(bool)
    baseline = np.ravel(fitted.trees._baseline_prediction)  # noqa: SLF001

    def doubles(name: str, values: NDArray[np.float64]) -> TensorProto:
        return helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values.astype(float))

    return helper.make_node(
        "TreeEnsembleRegressor",
        [source],
        [output],
        domain="ai.onnx.ml",
        n_targets=1,
        post_transform="NONE",
        aggregate_function="SUM",
        base_values_as_tensor=doubles("base", baseline),
        nodes_treeids=tree_ids.tolist(),
        nodes_nodeids=node_ids.tolist(),
        nodes_modes=["LEAF" if is_leaf else "BRANCH_LEQ" for is_leaf in leaf],
        nodes_featureids=np.where(leaf, 0, every["feature_idx"]).tolist(),
        nodes_values_as_tensor=doubles("thresholds", np.where(leaf, 0.0, every["num_threshold"])),
        nodes_truenodeids=np.where(leaf, 0, every["left"]).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, every["right"]).tolist(),
        nodes_missing_value_tracks_true=np.where(leaf, 0, every["missing_go_to_left"]).tolist(),
        target_treeids=tree_ids[leaf].tolist(),
        target_nodeids=node_ids[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights_as_tensor=doubles("leaves", every["value"][leaf]),
    )


def check_parity(runtime: Runtime, fitted: Fitted, rows: Rows) -> float:
    """The worst relative difference between the exported and the fitted model on these rows.

    Where there are no rows there is no difference: 0.

    Raises:
        ModelRefused: it is above `TOLERANCE`; the message names the row.
    """
    if not any(len(values) for values in rows.values()):
        return 0.0
    expected = fitted.predict(rows)
    given = runtime.predict(rows)
    difference = np.abs(given - expected) / np.maximum(np.abs(expected), 1e-9)
    worst = int(np.argmax(difference))
    if not difference[worst] <= TOLERANCE:
        row = {name: values[worst] for name, values in rows.items()}
        raise ModelRefused(
            f"The exported model says {given[worst]:.6g} where the fitted one says "
            f"{expected[worst]:.6g} (relative difference {difference[worst]:.2g}) for {row}."
        )
    return float(difference[worst])
