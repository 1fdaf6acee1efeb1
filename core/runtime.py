"""A model as it runs: the ONNX file, its contract, and nothing of what trained it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.contract import METADATA_KEY, Contract, read_row
from core.errors import BadRow, ModelRefused
from core.explain import Explanation, shapley

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
        answer: NDArray[Any] = self._session.run(None, self._feed(columns))[0]
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
    def _typical(self) -> dict[str, float | str] | None:
        """The row of typical values; None for a file that names none."""
        try:
            return read_row(self.contract, {f.name: f.default for f in self.contract.fields})
        except BadRow:
            return None

    def explain(self, row: Mapping[str, float | str]) -> Explanation | None:
        """What pushed the answer to one row away from that to a typical one.

        None where the file names no typical row, or some answer on the way is not finite.
        """
        typical, on_log = self._typical, self.contract.on_log
        if typical is None:
            return None
        effects = {f.name: 0.0 for f in self.contract.fields}
        differ = [name for name in effects if not _same(row[name], typical[name])]

        def worth(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
            rows = [
                typical | {n: row[n] for n, is_in in zip(differ, who, strict=True) if is_in}
                for who in inside
            ]
            values = np.array(self.predict_rows(rows))
            with np.errstate(divide="ignore", invalid="ignore"):  # told by not being finite
                return np.log1p(values) if on_log else values

        baseline, shares = shapley(worth, len(differ))
        if not np.isfinite([baseline, *shares]).all():
            return None
        return Explanation(
            on_log, baseline, effects | dict(zip(differ, shares.tolist(), strict=True))
        )


def _same(one: float | str, other: float | str) -> bool:
    """Whether two inputs are equal; null is null."""
    return one == other or (one != one and other != other)  # noqa: PLR0124 - NaN
