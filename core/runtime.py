"""A model as it runs: the ONNX file, its contract, and nothing of what trained it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.contract import METADATA_KEY, Contract, read_row
from core.errors import BadRow, ModelRefused
from core.explain import Explanation, shapley

ABOUT_KEY = "driftdesk.about"
"""Where an ONNX file's metadata says when and on what it was trained, and how well it does."""

GOLDEN_KEY = "driftdesk.golden"
"""Where it names requests with the answers that they must get, wherever the model runs."""

GOLDEN_TOLERANCE = 1e-6
"""How far such an answer may be off, relatively: other machines sum otherwise."""

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
        self.about: dict[str, Any] = _document(metadata, ABOUT_KEY, {})
        self._golden: list[dict[str, Any]] = _document(metadata, GOLDEN_KEY, [])
        self._kinds = {i.name: _KINDS.get(i.type) for i in self._session.get_inputs()}
        if (
            set(self._kinds) != {f.name for f in self.contract.fields}
            or None in self._kinds.values()
        ):
            raise ModelRefused("The model's inputs are not those that its contract names.")

    def check_golden(self) -> None:
        """See that the model gives the answers that it was published with, where it names any.

        Raises:
            ModelRefused: it does not, or does not take its own requests.
        """
        try:
            rows = [read_row(self.contract, entry["row"]) for entry in self._golden]
            expected = [float(entry["prediction"]) for entry in self._golden]
        except (BadRow, KeyError, TypeError, ValueError) as error:
            raise ModelRefused(f"Its golden requests cannot be asked: {error}") from error
        for said, wanted in zip(self.predict_rows(rows) if rows else [], expected, strict=True):
            if not math.isclose(said, wanted, rel_tol=GOLDEN_TOLERANCE, abs_tol=1e-9):
                raise ModelRefused(f"It answers {said:g} where {wanted:g} was published with it.")

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Predict every row, in the target's own unit.

        Raises:
            KeyError: a column of the contract is missing.
        """
        with np.errstate(over="ignore"):  # beyond float is infinite: above every threshold
            return self._run(
                {
                    name: np.asarray(columns[name], dtype=kind).reshape(-1, 1)
                    for name, kind in self._kinds.items()
                }
            )

    def predict_rows(self, rows: Sequence[Mapping[str, float | str]]) -> list[float]:
        """Predict rows as `core.contract.read_row` gives them."""
        with np.errstate(over="ignore"):
            feed = {
                name: np.array([[row[name]] for row in rows], dtype=kind)
                for name, kind in self._kinds.items()
            }
        answers: list[float] = self._run(feed).tolist()
        return answers

    def _run(self, feed: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
        answer: NDArray[Any] = self._session.run(None, feed)[0]
        return answer.reshape(-1).astype(np.float64)

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


def _document(metadata: Mapping[str, str], key: str, default: Any) -> Any:
    try:
        found = json.loads(metadata.get(key) or "null", parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise ModelRefused(f"The model file's {key} cannot be read.") from error
    return found if isinstance(found, type(default)) else default


def _same(one: float | str, other: float | str) -> bool:
    """Whether two inputs are equal; null is null."""
    return one == other or (one != one and other != other)  # noqa: PLR0124 - NaN
