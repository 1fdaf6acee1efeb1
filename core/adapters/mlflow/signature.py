"""A contract as MLflow's model signature."""

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from core.domain.dataset import TEXTS, ColumnType
from core.rules.model.contract import Contract


def mlflow_signature(contract: Contract) -> ModelSignature:
    """Text fields as string, timestamps as double, all others and the prediction as float.

    A classifier's output is its probabilities, a double for each class.
    """
    kinds = dict.fromkeys(TEXTS, "string") | {ColumnType.TIMESTAMP: "double"}
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(kinds.get(f.type, "float"), f.name, required=not f.nullable)
        for f in contract.fields
    ]
    output: ColSpec | TensorSpec = ColSpec("float", "prediction")
    if contract.classes:
        shape = (-1, len(contract.classes))
        output = TensorSpec(np.dtype(np.float64), shape, "probabilities")
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([output]))
