"""Runs a model: the ONNX file and its contract, independent of the recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.domain.errors import BadRow, ModelRefused
from core.rules.model.classes import explained, log_odds
from core.rules.model.contract import METADATA_KEY, Contract, read_row
from core.rules.model.golden import first_difference
from core.rules.model.shapley import Explanation, shapley

ABOUT_KEY = "driftdesk.about"
"""The metadata key of a model's training: data, counts and metrics."""

GOLDEN_KEY = "driftdesk.golden"
"""The metadata key of golden requests and their predictions."""

KINDS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(string)": object}
"""NumPy's type for each ONNX element type of an input."""


def session(model: bytes) -> ort.InferenceSession:
    """A loaded model file, single-threaded.

    Raises:
        ModelRefused: the bytes are not an ONNX model.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        made = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base
        raise ModelRefused(f"The file cannot be loaded as a model: {error}") from error
    # It keeps the file to change providers, which nobody does here: memory of each model.
    vars(made)["_model_bytes"] = None
    return made


class Runtime:
    """A loaded model; single-threaded, since more threads are slower on shared machines.

    `contract` describes its inputs: columns by name, as float64 arrays (NaN for null) or object
    arrays of text ("" for null), all of one length.
    """

    def __init__(self, model: bytes) -> None:
        """Load a model file.

        Raises:
            ModelRefused: the bytes are not an ONNX model made by driftdesk.
        """
        self._session = session(model)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.contract = Contract.from_json(metadata.get(METADATA_KEY, ""))
        self.about: dict[str, Any] = _document(metadata, ABOUT_KEY, {})
        self._golden: list[dict[str, Any]] = _document(metadata, GOLDEN_KEY, [])
        self._kinds = {i.name: KINDS.get(i.type) for i in self._session.get_inputs()}
        if (
            set(self._kinds) != {f.name for f in self.contract.fields}
            or None in self._kinds.values()
        ):
            raise ModelRefused("The model's inputs are not those that its contract names.")
        self._classes = len(self.contract.classes)

    def check_golden(self) -> None:
        """Check the model against its golden predictions, if it has any.

        Raises:
            ModelRefused: a prediction differs, or a golden request is invalid.
        """
        try:
            rows = [read_row(self.contract, entry["row"]) for entry in self._golden]
            expected = [_prediction(entry["prediction"]) for entry in self._golden]
        except (BadRow, KeyError, TypeError, ValueError) as error:
            raise ModelRefused(f"Its golden requests cannot be asked: {error}") from error
        difference = first_difference(expected, self.predict_rows(rows) if rows else [])
        if difference:
            wanted, given = difference
            raise ModelRefused(f"It answers {given:g} where {wanted:g} was published with it.")

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Predict every row: [n], in the target's unit.

        For a classifier: the probability of each class, [n, k], in the order of the contract.

        Raises:
            KeyError: a column of the contract is missing.
            ModelRefused: the number of probabilities differs from the number of classes.
        """
        with np.errstate(over="ignore"):  # overflow becomes infinity, above every threshold
            return self._run(
                {
                    name: np.asarray(columns[name], dtype=kind).reshape(-1, 1)
                    for name, kind in self._kinds.items()
                }
            )

    def predict_rows(self, rows: Sequence[Mapping[str, float | str]]) -> list[Any]:
        """Predict rows as `core.rules.model.contract.read_row` gives them.

        An answer is a float; for a classifier, the list of its probabilities.
        """
        with np.errstate(over="ignore"):
            feed = {
                name: np.array([[row[name]] for row in rows], dtype=kind)
                for name, kind in self._kinds.items()
            }
        answers: list[Any] = self._run(feed).tolist()
        return answers

    def _run(self, feed: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
        answer: NDArray[Any] = self._session.run(None, feed)[0]
        if not self._classes:
            return answer.reshape(-1).astype(np.float64)
        if answer.ndim != 2 or answer.shape[1] != self._classes:  # noqa: PLR2004 - rows, classes
            raise ModelRefused(
                f"The model's answers have the shape {answer.shape}, but its contract names "
                f"{self._classes} classes."
            )
        return answer.astype(np.float64)

    @cached_property
    def _typical(self) -> dict[str, float | str] | None:
        """The row of default values; None if the file has none."""
        try:
            return read_row(self.contract, {f.name: f.default for f in self.contract.fields})
        except BadRow:
            return None

    def explain(self, row: Mapping[str, float | str]) -> Explanation | None:
        """Feature contributions to the prediction of a row, relative to a typical row.

        For a classifier they are contributions to log odds: of the positive class of a binary task,
        else of the answered class.

        None if the file has no typical row, or an intermediate prediction is not finite.
        """
        typical, on_log = self._typical, self.contract.on_log
        if typical is None:
            return None
        effects = {f.name: 0.0 for f in self.contract.fields}
        differ = [name for name in effects if not _same(row[name], typical[name])]
        place = explained(self.contract, self.predict_rows([row])[0]) if self._classes else 0

        def value(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
            rows = [
                typical | {n: row[n] for n, is_in in zip(differ, coalition, strict=True) if is_in}
                for coalition in inside
            ]
            values = np.array(self.predict_rows(rows))
            if self._classes:
                return log_odds(values[:, place])
            with np.errstate(divide="ignore", invalid="ignore"):  # checked below
                return np.log1p(values) if on_log else values

        baseline, shares = shapley(value, len(differ))
        if not np.isfinite([baseline, *shares]).all():
            return None
        effects |= dict(zip(differ, shares.tolist(), strict=True))
        of = self.contract.classes[place] if self._classes else None
        return Explanation(on_log, baseline, effects, of)


def _document(metadata: Mapping[str, str], key: str, default: Any) -> Any:
    try:
        document = json.loads(metadata.get(key) or "null", parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise ModelRefused(f"The model file's {key} cannot be read.") from error
    return document if isinstance(document, type(default)) else default


def _prediction(stored: Any) -> float | list[float]:
    """Read a golden prediction from the file's metadata.

    Raises:
        TypeError, ValueError: it is not a number or a list of numbers.
    """
    return [float(p) for p in stored] if isinstance(stored, list) else float(stored)


def _same(one: float | str, other: float | str) -> bool:
    """Whether two inputs are equal; null equals null."""
    return one == other or (one != one and other != other)  # noqa: PLR0124 - NaN
