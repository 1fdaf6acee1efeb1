"""A model that exists only as an ONNX file, written by a program of the team's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import helper, load_from_string

from core.adapters.onnx_runtime import KINDS, session
from core.domain.dataset import Dataset
from core.domain.errors import ModelRefused
from core.domain.safe_text import printable
from workers.recipes.port import Doubles, Rows

_OWN_KEYS = "driftdesk."

THRESHOLD_FILE = "threshold.txt"
"""The file in which a program may state the threshold of two classes."""

_SUM_WITHIN = 1e-3
"""How much the sum of a row's probabilities may differ from 1; many are of single precision."""


@dataclass(frozen=True, slots=True)
class FittedFile:
    """A model file, and the other files that its program wrote, by name.

    There is no fitted model to compare it with. So `predict` runs the file itself, and only its
    inputs and output can be checked, and that its answers are finite numbers.
    """

    dataset: Dataset
    model: bytes
    files: Mapping[str, bytes]
    classes: tuple[str, ...]
    """The classes in the order of the probabilities; none for regression."""
    last_lines: str
    """The program's last lines, for sentences about what is wrong with the file."""
    threshold: float | None
    """The threshold that the program stated, of two classes."""
    _session: Any = field(repr=False)

    @classmethod
    def read(
        cls,
        dataset: Dataset,
        model: bytes,
        files: Mapping[str, bytes],
        classes: tuple[str, ...],
        last_lines: str,
    ) -> FittedFile:
        """Check a file's inputs and output.

        Raises:
            ModelRefused: it is no model, or not one of this dataset, or the threshold that the
                program stated is none.
        """
        try:
            loaded = session(model)
        except ModelRefused as error:
            reason = printable(str(error))[:300]
            raise ModelRefused(f"model.onnx is no ONNX model: {reason} {last_lines}") from error
        fitted = cls(dataset, model, files, classes, last_lines, _threshold(files, classes), loaded)
        fitted._check_inputs()
        fitted._check_output()
        return fitted

    def _check_inputs(self) -> None:
        inputs = {i.name: i for i in self._session.get_inputs()}
        features = {c.name: c for c in self.dataset.features}
        if lacking := sorted(set(features) - set(inputs)):
            raise self._refused(f"lacks the inputs {_listed(lacking)}; it needs one per feature")
        if unknown := sorted(set(inputs) - set(features)):
            raise self._refused(f"has the inputs {_listed(unknown)}, which are not features")
        for name, column in features.items():
            kind = KINDS.get(inputs[name].type)
            if kind is None or (kind is object) != column.is_text:
                right = "strings" if column.is_text else "floats or doubles"
                raise self._refused(f"takes {name} as {inputs[name].type}; it must take {right}")
            if not _is_column(inputs[name].shape):
                raise self._refused(
                    f"takes {name} in the shape {inputs[name].shape}; it must be [n, 1]"
                )

    def _check_output(self) -> None:
        names, output = [o.name for o in self._session.get_outputs()], output_of(self.classes)
        if names != [output]:
            raise self._refused(f"gives {_listed(names)}; it must give {output} alone")

    def _refused(self, what: str) -> ModelRefused:
        return ModelRefused(f"The model.onnx of the training command {what}. {self.last_lines}")

    def predict(self, rows: Rows) -> Doubles:
        """Predict with the file; see `workers.recipes.port.Fitted`.

        Raises:
            ModelRefused: it gives no finite number for a row; the message names the row.
        """
        count = len(next(iter(rows.values())))
        with np.errstate(over="ignore"):
            feed = {
                i.name: np.asarray(rows[i.name], dtype=KINDS[i.type]).reshape(-1, 1)
                for i in self._session.get_inputs()
            }
        try:
            (answers,) = self._session.run(None, feed)
        except Exception as error:  # onnxruntime's errors have no common base
            raise self._refused(f"cannot answer: {printable(str(error))[:300]}") from error
        answers = np.asarray(answers)
        width = len(self.classes) or 1
        if answers.size != count * width or answers.dtype not in (np.float32, np.float64):
            raise self._refused(
                f"gives {answers.dtype} in the shape {list(answers.shape)} for {count} rows; it "
                f"must give [{count}, {width}] of floats or doubles"
            )
        answers = answers.reshape(count, width).astype(np.float64)
        self._check_answers(answers, rows)
        return answers if self.classes else answers[:, 0]

    def _check_answers(self, answers: Doubles, rows: Rows) -> None:
        """Raise ModelRefused if an answer is not finite, or not probabilities that sum to 1."""
        wrong = ~np.isfinite(answers).all(axis=1)
        if self.classes:
            wrong |= (answers < 0).any(axis=1) | (abs(answers.sum(axis=1) - 1) > _SUM_WITHIN)
        if len(bad := np.flatnonzero(wrong)):
            shown = ", ".join(f"{a:.6g}" for a in answers[bad[0]][:3])
            row = {f.name: rows[f.name][bad[0]] for f in self.dataset.features}
            kind = "probabilities that add up to 1" if self.classes else "finite numbers"
            raise self._refused(
                f"answers {shown} for {len(bad)} of {len(answers)} rows, which are not {kind}, "
                f"such as {row}"
            )

    def to_onnx(self, metadata: Mapping[str, str]) -> bytes:
        """The same file with this metadata; metadata of driftdesk that it came with is removed."""
        loaded = load_from_string(self.model)
        kept = {
            entry.key: entry.value
            for entry in loaded.metadata_props
            if not entry.key.startswith(_OWN_KEYS)
        }
        helper.set_model_props(loaded, kept | dict(metadata))
        return bytes(loaded.SerializeToString(deterministic=True))

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that the MLflow run is logged with."""
        return {
            "recipe": "command",
            "command": self.dataset.training.own,
            "fit_on": self.dataset.fit_on,
        }


def _threshold(files: Mapping[str, bytes], classes: Sequence[str]) -> float | None:
    """The threshold that the program stated; None without one, or without two classes.

    Raises:
        ModelRefused: it is not a number between 0 and 1.
    """
    stated = files.get(THRESHOLD_FILE)
    if stated is None or len(classes) != 2:  # noqa: PLR2004 - a threshold divides two classes
        return None
    text = stated.decode("utf-8", "replace").strip()
    with suppress(ValueError):
        if 0 < (threshold := float(text)) < 1:
            return threshold
    raise ModelRefused(
        f"The {THRESHOLD_FILE} of the training command has {printable(text)[:60]!r}, and must have "
        f"a number above 0 and below 1: the least probability of {classes[-1]:.40} with which it "
        "is answered."
    )


def output_of(classes: Sequence[str]) -> str:
    """The name of a model's only output."""
    return "probabilities" if classes else "prediction"


def _listed(names: list[str]) -> str:
    return ", ".join(printable(name)[:60] for name in names[:10]) or "nothing"


def _is_column(shape: list[Any]) -> bool:
    """Whether a shape is [n, 1] with any n."""
    rows, *others = shape or [1]
    return not isinstance(rows, int) and others == [1]
