"""The registered file as `mlflow models serve` can serve it; MLflow logs this file as the model.

MLflow's own ONNX flavour cannot serve it: it hands every column of the request to onnxruntime as a
one-dimensional array, text as pandas' own, where the model takes [n, 1] and text as objects
("Input must be a list of dictionaries or a single numpy array for input 'city'"). So the same file
is run by `core.adapters.onnx_runtime.Runtime`, with as little around it as can be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel
from numpy.typing import NDArray

from core.adapters.onnx_runtime import Runtime


class Served(PythonModel):  # type: ignore[misc]
    def load_context(self, context: Any) -> None:
        self.runtime = Runtime(Path(context.artifacts["model"]).read_bytes())

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> NDArray[Any]:  # noqa: ARG002
        columns = {
            name: values.to_numpy(float)
            if pd.api.types.is_numeric_dtype(values)
            else values.fillna("").to_numpy(object)
            for name, values in model_input.items()
        }
        return self.runtime.predict(columns)


set_model(Served())
