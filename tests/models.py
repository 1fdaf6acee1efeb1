"""Small real ONNX models: the sum of the number fields times a factor, whatever the texts say.

A classifier's probabilities follow from that sum.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from core.rules.model.contract import METADATA_KEY, Contract


def tiny_model(contract: Contract, factor: float = 1.0, *, with_contract: bool = True) -> bytes:
    """A model of this contract that answers `factor` times (sum of its numbers, null as 0).

    One of k classes answers with softmax((0, 1, … k - 1) times that), so that the last class of two
    has the probability 1 / (1 + exp(-sum)).
    """
    inputs, nodes, terms = [], [], []
    for field in contract.fields:
        text = field.is_text
        kind = TensorProto.STRING if text else TensorProto.FLOAT
        if field.type == "timestamp":
            kind = TensorProto.DOUBLE
        inputs.append(helper.make_tensor_value_info(field.name, kind, [None, 1]))
        if text or field.type == "timestamp":
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
    classes = len(getattr(contract, "classes", ()))  # a contract of an older file has none
    output = helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None, 1])
    if classes:
        nodes += [
            helper.make_node("Cast", ["prediction"], ["sum"], to=TensorProto.DOUBLE),
            helper.make_node("Mul", ["sum", "places"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        ]
        output = helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, [None, classes])
    places = helper.make_tensor(
        "places", TensorProto.DOUBLE, [1, classes], [float(n) for n in range(classes)]
    )
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [output],
        [
            helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
            helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor]),
            *([places] if classes else []),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if with_contract:
        helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    return bytes(onnx.ModelProto.SerializeToString(model))
