"""A training program as a team would bring it: least squares on numbers and on means of texts.

It needs NumPy, pyarrow and onnx alone, so that it starts at once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from onnx import TensorProto, helper, save

NODES: list[Any] = []
CONSTANTS: list[Any] = []


def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
    NODES.append(helper.make_node(kind, inputs, [output], **attributes))
    return output


def constant(name: str, values: Any) -> str:
    array = np.asarray(values, dtype=np.float64)
    CONSTANTS.append(helper.make_tensor(name, TensorProto.DOUBLE, array.shape, array.ravel()))
    return name


def number(name: str, values: Any) -> tuple[Any, str]:
    """A number in standard deviations from its mean, 0 for null."""
    known = values[~np.isnan(values)]
    mean, spread = (known.mean(), known.std()) if len(known) else (0.0, 0.0)
    spread = spread or 1.0
    as_double = node("Cast", [name], f"{name}.double", to=TensorProto.DOUBLE)
    null = node("IsNaN", [as_double], f"{name}.null")
    filled = node("Where", [null, constant(f"{name}.mean", [mean]), as_double], f"{name}.filled")
    shifted = node("Sub", [filled, f"{name}.mean"], f"{name}.shifted")
    scaled = node("Div", [shifted, constant(f"{name}.spread", [spread])], f"{name}.scaled")
    return (np.where(np.isnan(values), mean, values) - mean) / spread, scaled


def text(name: str, values: list[str], target: Any) -> tuple[Any, str]:
    """A text as the mean target of its value, shrunk to the mean of all."""
    rows = np.array(values, dtype=object)
    mean, spread = float(target.mean()), float(target.std()) or 1.0
    means = {
        v: float((target[rows == v].sum() - mean * (rows == v).sum()) / ((rows == v).sum() + 2))
        / spread
        for v in sorted(set(values))
    }
    encoded = node(
        "LabelEncoder", [name], f"{name}.float", domain="ai.onnx.ml",
        keys_strings=list(means), values_floats=list(means.values()), default_float=0.0,
    )  # fmt: skip
    return np.array([means[v] for v in values]), node(
        "Cast", [encoded], f"{name}.scaled", to=TensorProto.DOUBLE
    )


def train(about: dict[str, Any], folder: str) -> Any:
    table = pq.read_table(folder)
    given = table[about["target"]].to_numpy(zero_copy_only=False)
    classes = about["classes"]
    labels = [t if isinstance(t, str) else f"{t:.0f}" for t in given] if classes else []
    target = np.array([classes.index(v) for v in labels]) * 1.0 if classes else given
    columns, names, inputs = [], [], []
    for feature in about["features"]:
        name, kind = feature["name"], getattr(TensorProto, feature["input"].upper())
        inputs.append(helper.make_tensor_value_info(name, kind, [None, 1]))
        if feature["input"] == "string":
            values, scaled = text(name, table[name].to_pylist(), target)
        else:
            values, scaled = number(name, table[name].to_numpy())
        columns.append(values)
        names.append(scaled)
    joined = node("Concat", names, "joined", axis=1)
    if classes:  # a class may lie between two others
        columns += [values**2 for values in columns]
        squared = node("Mul", [joined, joined], "squared")
        joined = node("Concat", [joined, squared], "both", axis=1)
    matrix = np.column_stack([np.ones(len(target)), *columns])
    penalty = np.diag([0.0] + [1.0] * len(columns))
    # Of classes, one column for each: least squares on its flags, then the softmax.
    wanted = np.eye(len(classes))[target.astype(int)] * 8 if classes else target[:, None]
    weights = np.linalg.solve(matrix.T @ matrix + penalty, matrix.T @ wanted)
    slope, start = constant("slope", weights[1:]), constant("start", weights[0])
    if classes:
        scores = node("Gemm", [joined, slope, start], "scores")
        node("Softmax", [scores], "probabilities", axis=1)
    else:
        node("Gemm", [joined, slope, start], "prediction")
    shape = [None, len(classes) or 1]
    output = helper.make_tensor_value_info(about["output"], TensorProto.DOUBLE, shape)
    graph = helper.make_graph(NODES, "own", inputs, [output], CONSTANTS)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def main() -> None:
    out = Path(os.environ["DRIFTDESK_OUT"])
    about = json.loads(Path(os.environ["DRIFTDESK_DATASET"]).read_text(encoding="utf-8"))
    print("progress 0.1 reading")
    model = train(about, os.environ["DRIFTDESK_ROWS"])
    print("progress 0.9 saving")
    save(model, str(out / "model.onnx"))
    (out / "metrics.json").write_text(json.dumps({"rows": about["rows"]}), encoding="utf-8")
    print(f"learned from {about['rows']} rows with seed {os.environ['DRIFTDESK_SEED']}")


if __name__ == "__main__":
    main()
