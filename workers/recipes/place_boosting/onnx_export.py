"""Exports the fitted features and trees as ONNX nodes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper
from sklearn.ensemble import HistGradientBoostingRegressor

from core.domain.dataset import Dataset
from workers.recipes.export import ML_DOMAIN, assemble
from workers.recipes.place_boosting.features import Features

_MATRIX = "matrix.double"


def to_onnx(
    features: Features,
    trees: HistGradientBoostingRegressor,
    start: tuple[float, float, float],
    dataset: Dataset,
    metadata: Mapping[str, str],
) -> bytes:
    """The model as ONNX; `start` is its share of the initial estimate, and its bounds.

    The trees run on doubles, because their thresholds lie half-way between values, and rounding to
    float could move a row across one.
    """
    share, low, high = start
    nodes, constants = features.nodes("matrix.float")
    nodes.append(helper.make_node("Cast", ["matrix.float"], [_MATRIX], to=TensorProto.DOUBLE))
    nodes.append(_trees(trees, _MATRIX, "learned.float"))
    constants += [
        helper.make_tensor("start.column", TensorProto.INT64, [1], [-1]),
        helper.make_tensor("start.low", TensorProto.DOUBLE, [], [low]),
        helper.make_tensor("start.high", TensorProto.DOUBLE, [], [high]),
        helper.make_tensor("start.share", TensorProto.DOUBLE, [1, 1], [share]),
    ]
    nodes += [
        helper.make_node("Gather", [_MATRIX, "start.column"], ["start.rough"], axis=1),
        helper.make_node("Clip", ["start.rough", "start.low", "start.high"], ["start.kept"]),
        helper.make_node("Cast", ["learned.float"], ["learned.rest"], to=TensorProto.DOUBLE),
        helper.make_node("Gemm", ["start.kept", "start.share", "learned.rest"], ["learned.double"]),
    ]
    return assemble(nodes, constants, dataset, metadata)


def _trees(boosting: HistGradientBoostingRegressor, source: str, output: str) -> NodeProto:
    """The boosted trees as one node on doubles.

    This is skl2onnx's mapping of scikit-learn's node records without its rounding of thresholds to
    float32. Each tree's nodes are numbered from 0, its root.
    """
    trees = [tree.nodes for (tree,) in boosting._predictors]  # noqa: SLF001 - no public way
    sizes = [len(nodes) for nodes in trees]
    every = np.concatenate(trees)
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])
    leaf = every["is_leaf"].astype(bool)
    baseline = np.ravel(boosting._baseline_prediction)  # noqa: SLF001

    def doubles(name: str, values: NDArray[np.float64]) -> TensorProto:
        return helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values.astype(float))

    return helper.make_node(
        "TreeEnsembleRegressor",
        [source],
        [output],
        domain=ML_DOMAIN,
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
