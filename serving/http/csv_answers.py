"""CSV answers to a streamed batch: a header for the model's task, and a line for each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from core.rules.model.contract import Contract
from core.rules.model.contract_batch import Problems
from core.rules.model.label_text import BETWEEN, escaped
from serving.http.answers import Answer, AnyAnswer, ClassAnswer

Encode = Callable[[Sequence[AnyAnswer | None], Problems, int], bytes]
"""Encodes a chunk's answers and the problems of its rows; the number is that of its first row."""


def csv_answers(contract: Contract, *, warnings: bool = False) -> tuple[bytes, Encode]:
    """The header, and the encoder of its lines; with `warnings`, they precede the errors."""
    last = ["warnings", "error"] if warnings else ["error"]
    if not contract.classes:
        header = ["prediction_id", "prediction", "model_version", "low", "high"]
        return _line([*header, *last]), _Numbers(warnings=warnings)
    probabilities = [f"probability_{label}" for label in contract.classes]
    header = ["prediction_id", "prediction", "model_version", *probabilities, "set"]
    return _line([*header, *last]), _Classes(contract.classes, warnings=warnings)


class _Numbers:
    """Lines of numbers with their intervals."""

    def __init__(self, *, warnings: bool) -> None:
        self._blank = ",,,,,," if warnings else ",,,,,"

    def __call__(
        self, answers: Sequence[AnyAnswer | None], problems: Problems, _first: int
    ) -> bytes:
        lines = []
        for n, answer in enumerate(answers):
            if isinstance(answer, Answer):  # a third faster than csv.writer
                low = "" if answer.low is None else answer.low
                high = "" if answer.high is None else answer.high
                start = f"{answer.prediction_id},{answer.prediction},{answer.model_version}"
                lines.append(f"{start},{low},{high},{_warnings(answer)}\n")
            else:
                lines.append(f"{self._blank}{_errors(problems, n)}\n")
        return "".join(lines).encode()


class _Classes:
    """Lines of labels and probabilities; every label is quoted once."""

    def __init__(self, classes: Sequence[str], *, warnings: bool) -> None:
        self._quoted = {label: _cell(label) for label in classes}
        self._in_set = {label: escaped(label) for label in classes}
        self._blank = "," * (len(classes) + (5 if warnings else 4))

    def __call__(
        self, answers: Sequence[AnyAnswer | None], problems: Problems, _first: int
    ) -> bytes:
        lines = []
        for n, answer in enumerate(answers):
            if isinstance(answer, ClassAnswer):
                label = self._quoted[answer.prediction]
                start = f"{answer.prediction_id},{label},{answer.model_version}"
                inside = _cell(BETWEEN.join(self._in_set[c] for c in answer.set or ()))
                shares = ",".join(map(str, answer.probabilities.values()))
                lines.append(f"{start},{shares},{inside},{_warnings(answer)}\n")
            else:
                lines.append(f"{self._blank}{_errors(problems, n)}\n")
        return "".join(lines).encode()


def _warnings(answer: AnyAnswer) -> str:
    """The cell of the warnings and its comma, if they were requested."""
    return "" if answer.warnings is None else f"{_cell(' '.join(answer.warnings))},"


def _errors(problems: Problems, row: int) -> str:
    named = problems[row].items()
    errors = "; ".join(f"{name}: {why}" if name else f"row {why}" for name, why in named)
    return '"{}"'.format(errors.replace('"', '""'))


def _cell(text: str) -> str:
    return _line([text]).decode().rstrip("\n") if text else ""


def _line(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode()
