"""A model as it runs: the ONNX file, its contract, and nothing of what trained it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.contract import METADATA_KEY, Contract
from core.errors import ModelRefused
from core.explain import TREES_KEY, Explainer, Explanation, Trees

FEATURES = "matrix.float"
"""The model's second output: the matrix that enters the trees. No column's name has a dot."""

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
        self._trees = metadata.get(TREES_KEY, "")
        self.contract = Contract.from_json(metadata.get(METADATA_KEY, ""))
        self._kinds = {i.name: _KINDS[i.type] for i in self._session.get_inputs()}
        if set(self._kinds) != {f.name for f in self.contract.fields}:
            raise ModelRefused("The model's inputs are not those that its contract names.")

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Predict every row, in the target's own unit.

        Raises:
            KeyError: a column of the contract is missing.
        """
        answer: NDArray[Any] = self._session.run(["prediction"], self._feed(columns))[0]
        return answer.reshape(-1).astype(np.float64)

    def _feed(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with np.errstate(over="ignore"):  # beyond float is infinite: above every threshold
            return {
                name: np.asarray(columns[name], dtype=kind).reshape(-1, 1)
                for name, kind in self._kinds.items()
            }

    def predict_rows(self, rows: Sequence[Mapping[str, float | str]]) -> list[float]:
        """Predict rows as `core.contract.read_row` gives them."""
        return [float(value) for value in self.predict(self._columns(rows))]

    def _columns(self, rows: Sequence[Mapping[str, float | str]]) -> dict[str, NDArray[Any]]:
        return {name: np.array([row[name] for row in rows], dtype=object) for name in self._kinds}

    @cached_property
    def explainer(self) -> Explainer | None:
        """What explains this model's answers; None where its file carries no tree tables.

        Raises:
            ModelRefused: the tables cannot be read.
        """
        return Explainer(Trees.from_text(self._trees)) if self._trees else None

    def explain(self, row: Mapping[str, float | str]) -> Explanation | None:
        """What pushed the answer to one row up or down; None where the file cannot say."""
        if self.explainer is None:
            return None
        (matrix,) = self._session.run([FEATURES], self._feed(self._columns([row])))
        return self.explainer.explain(np.asarray(matrix, dtype=np.float64).reshape(-1))
