"""Small real ONNX models: the sum of the number fields times a factor, whatever the texts say."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from core.contract import METADATA_KEY, Contract


def tiny_model(contract: Contract, factor: float = 1.0, *, with_contract: bool = True) -> bytes:
    """A model of this contract that answers `factor` times (sum of its numbers, null as 0)."""
    inputs, nodes, terms = [], [], []
    for field in contract.fields:
        text = field.type in ("category", "code")
        kind = TensorProto.STRING if text else TensorProto.FLOAT
        inputs.append(helper.make_tensor_value_info(field.name, kind, [None, 1]))
        if text:
            continue
        nodes += [
            helper.make_node("IsNaN", [field.name], [f"nan_{field.name}"]),
            helper.make_node(
                "Where", [f"nan_{field.name}", "zero", field.name], [f"v_{field.name}"]
            ),
        ]
        terms.append(f"v_{field.name}")
    nodes += [
        helper.make_node("Sum", terms, ["total"]),
        helper.make_node("Mul", ["total", "factor"], ["prediction"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None, 1])],
        [
            helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
            helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if with_contract:
        helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    return bytes(onnx.ModelProto.SerializeToString(model))
