"""Predictions as text and table rows, for the Predict page and the command line."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.text import formatting
from core.domain.dataset import ColumnType
from core.domain.number_format import figure
from core.domain.predictions import LoggedPrediction
from core.rules.model.contract import Contract, Field, as_typical, fill_text
from core.rules.model.unusual_values import unusual_given

_LEAST_STEPS = 100
_EXACT = 2.0**53

PROBABILITY = "probability_"
"""The prefix of the columns with the probabilities of classes."""
_LEAST_SHOWN = 0.001


@dataclass(frozen=True, slots=True)
class Answer:
    """A prediction with its interval and contributions, from serving or from the log.

    For a classifier, `label` is the answer, `probabilities` has each class, `prediction` is the
    probability of the label, and `inside` the prediction set. `threshold` is the positive class of
    a binary task with the threshold of its probability. `contributions` is None if they were not
    requested or the model cannot calculate them. `warnings` are about values outside of what the
    version was trained on; `caller` is who asked, if it is recorded. `as_typical` has the fields
    whose value is that of the typical row, None if that row is not known.
    """

    id: str
    version: int
    prediction: float
    inputs: dict[str, Any]
    low: float | None = None
    high: float | None = None
    coverage: dict[str, Any] | None = None
    contributions: dict[str, Any] | None = None
    at: datetime | None = None
    label: str | None = None
    probabilities: dict[str, float] = dataclasses.field(default_factory=dict)
    inside: tuple[str, ...] | None = None
    threshold: tuple[str, float] | None = None
    warnings: tuple[str, ...] = ()
    caller: str = ""
    as_typical: frozenset[str] | None = None

    @property
    def scale(self) -> str:
        """The scale of the contributions: "value", "log" or "log_odds"."""
        return str(self.contributions["scale"]) if self.contributions else "value"

    def in_words(self, unit: str = "") -> str:
        """The prediction in words: the label, or an amount."""
        return amount(self.prediction, unit) if self.label is None else self.label


def answered(
    response: Mapping[str, Any], row: Mapping[str, Any], contract: Contract | None = None
) -> Answer:
    """An answer from serving's response; `contract` is that of the version, if known."""
    covers = (contract.interval or contract.sets) if contract else None
    prediction, probabilities = response["prediction"], response.get("probabilities") or {}
    label = str(prediction) if probabilities else None
    return Answer(
        str(response["prediction_id"]), int(response["model_version"]),
        float(prediction if label is None else probabilities[label]), dict(row),
        response.get("low"), response.get("high"), covers.coverage() if covers else None,
        response.get("contributions"), None, label, probabilities, _inside(response),
        _threshold(contract.threshold, contract.classes[-1:]) if contract else None,
        tuple(response.get("warnings") or ()),
        as_typical=as_typical(contract, row) if contract else None,
    )  # fmt: skip


def recorded(
    logged: LoggedPrediction, contract: Contract | None = None, *, has_typical_row: bool = False
) -> Answer:
    """An answer from the prediction log; `contract` is that of its version, if known.

    `has_typical_row`: the contract's defaults are the typical row.
    """
    details = logged.answer or {}
    return Answer(
        logged.id, logged.model_version, logged.prediction, logged.inputs, details.get("low"),
        details.get("high"), details.get("coverage"), details.get("contributions"), logged.at,
        details.get("label"), details.get("probabilities") or {}, _inside(details),
        _threshold(details.get("threshold"), [details.get("positive")]),
        tuple(unusual_given(contract, logged.inputs)) if contract else (), logged.caller or "",
        as_typical(contract, logged.inputs) if contract and has_typical_row else None,
    )  # fmt: skip


def _threshold(least: float | None, classes: Sequence[Any]) -> tuple[str, float] | None:
    return None if least is None else (str(classes[-1]), float(least))


def _inside(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    inside = document.get("set")
    return None if inside is None else tuple(inside)


def amount(value: float, unit: str = "") -> str:
    """An amount with its unit."""
    return f"{figure(value)} {unit}".rstrip()


def probability_words(probability: float) -> str:
    """A probability in per cent; never rounded to certainty."""
    if 0 < probability < _LEAST_SHOWN:
        return "< 0.1 %"
    if 1 - _LEAST_SHOWN < probability < 1:
        return "> 99.9 %"
    return f"{100 * probability:.1f} %"


def coverage_words(coverage: Mapping[str, Any], of: str = "interval") -> str:
    """The nominal and the measured coverage of a prediction interval, or of a prediction set."""
    return (
        f"{100 * coverage['nominal']:.0f} % prediction {of}; measured coverage "
        f"{100 * coverage['measured']:.1f} % on {coverage['rows']:,} rows not used for training or "
        "calibration."
    )


def value_words(value: object, unit: str = "") -> str:
    """One input value as text, with its unit; "empty" for null."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return amount(float(value), unit)
    return f"{value} {unit}".rstrip()


def known_category(field: Field, typed: str) -> str:
    """The category that a typed part stands for; else the text as it was typed.

    It is the only known one that is equal but for the case, else the only one that begins with the
    text, else the only one that contains it. Text in double quotes stands for itself.
    """
    text = typed.strip()
    if len(text) > len('""') and text[0] == text[-1] == '"':
        return text[1:-1]
    if field.type is not ColumnType.CATEGORY or not text or text in field.categories:
        return text
    part = text.casefold()
    for fits in (str.__eq__, str.startswith, str.__contains__):
        found = [known for known in field.categories if fits(known.casefold(), part)]
        if found:
            return found[0] if len(found) == 1 else text
    return text


def taken_words(field: Field, typed: str, known: str) -> str:
    """What is said where a known category was taken for a part of it."""
    return (
        f"{field.label}: “{typed}” was completed to “{known}”. To predict for “{typed}” itself, "
        "put it in double quotes."
    )


def empty_words(field: Field) -> str:
    """What an empty field means."""
    if not field.nullable:
        return "Required."
    fill = fill_text(field)
    return f"Optional; if empty, {fill} is used." if fill else "Optional."


def is_whole(field: Field) -> bool:
    """Whether a number field holds integers only."""
    numbers = (field.step, field.minimum, field.default)
    return field.step is not None and all(
        n is None or float(n).is_integer() for n in numbers if not isinstance(n, str)
    )


def step_of(field: Field) -> float:
    """The step of a number widget: about a hundredth of the usual range, rounded."""
    if field.step is not None:
        return field.step
    if field.low is None or field.high is None or field.high <= field.low:
        return 1.0
    rough = (field.high - field.low) / _LEAST_STEPS
    size = 10.0 ** math.floor(math.log10(rough))
    return next((size * m for m in (1.0, 2.0, 5.0) if size * m >= rough), size * 10)


def when(answer: Answer, now: datetime) -> str:
    """The time of the prediction, relative and exact."""
    if answer.at is None:
        return "just now"
    return f"{formatting.ago(answer.at, now)} ({answer.at:%Y-%m-%d %H:%M:%S} UTC)"
