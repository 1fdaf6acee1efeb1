"""A model as it runs: the ONNX file, its contract, and nothing of what trained it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.contract import METADATA_KEY, Contract
from core.errors import ModelRefused

_KINDS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(string)": object}


class Runtime:
    """A loaded model. One thread a call: on shared machines more threads cost more than they give.

    `contract` says what it takes; columns go in by name as float64 arrays (NaN for null) or
    object arrays of text ("" for null), all of one length.
    """

    def __init__(self, model: bytes) -> None:
        """Load a model file.

        Raises:
            ModelRefused: the bytes are no ONNX model, or one that driftdesk did not make.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no base but Exception
            raise ModelRefused(f"The file is no model that can be loaded: {error}") from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.contract = Contract.from_json(metadata.get(METADATA_KEY, ""))
        self._kinds = {i.name: _KINDS[i.type] for i in self._session.get_inputs()}
        if set(self._kinds) != {f.name for f in self.contract.fields}:
            raise ModelRefused("The model's inputs are not those that its contract names.")

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Predict every row, in the target's own unit.

        Raises:
            KeyError: a column of the contract is missing.
        """
        feed = {
            name: np.asarray(columns[name], dtype=kind).reshape(-1, 1)
            for name, kind in self._kinds.items()
        }
        answer: NDArray[Any] = self._session.run(None, feed)[0]
        return answer.reshape(-1).astype(np.float64)

    def predict_rows(self, rows: Sequence[Mapping[str, float | str]]) -> list[float]:
        """Predict rows as `core.contract.read_row` gives them."""
        columns = {
            name: np.array([row[name] for row in rows], dtype=object) for name in self._kinds
        }
        return [float(value) for value in self.predict(columns)]
