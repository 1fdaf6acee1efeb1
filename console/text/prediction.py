"""Predictions as text and table rows, for the Predict page and the command line."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.text import formatting
from console.text.csv_input import Accepted, Rejected
from core.domain.number_format import figure
from core.domain.predictions import LoggedPrediction
from core.rules.data.typed_values import typical
from core.rules.model.contract import OFFERED_CATEGORIES, Contract, Field, fill_text, read_value
from core.rules.model.label_text import in_one_cell

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
    requested or the model cannot calculate them.
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
    )  # fmt: skip


def recorded(logged: LoggedPrediction) -> Answer:
    """An answer from the prediction log."""
    details = logged.answer or {}
    return Answer(
        logged.id, logged.model_version, logged.prediction, logged.inputs, details.get("low"),
        details.get("high"), details.get("coverage"), details.get("contributions"), logged.at,
        details.get("label"), details.get("probabilities") or {}, _inside(details),
        _threshold(details.get("threshold"), [details.get("positive")]),
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


def unusual(contract: Contract, row: Mapping[str, Any]) -> list[str]:
    """A warning for each input outside the training data's usual values."""
    notes = []
    for field in contract.fields:
        try:
            value = read_value(field, row.get(field.name))
        except ValueError:  # the row was rejected, or answered under another contract
            continue
        if isinstance(value, str):
            is_complete = 0 < len(field.categories) < OFFERED_CATEGORIES
            if value and is_complete and value not in field.categories:
                notes.append(f"{field.label} “{value}” does not occur in the training data.")
        elif (field.low is not None and value < field.low) or (
            field.high is not None and value > field.high
        ):
            notes.append(
                f"{field.label} {value_words(row[field.name], field.unit)} is outside the usual "
                f"range of the training data. {usual_words(field)}"
            )
    return notes


def usual_words(field: Field) -> str:
    """The usual range of a number or date in training, as a sentence; empty if unknown."""
    if field.low is None or field.high is None:
        return ""
    return f"Usually {_usual(field, field.low)} to {_usual(field, field.high)}."


def empty_words(field: Field) -> str:
    """What an empty field means."""
    if not field.nullable:
        return "Required."
    fill = fill_text(field)
    return f"Optional; if empty, {fill} is used." if fill else "Optional."


def _usual(field: Field, end: float) -> str:
    given = typical(field.type, end)
    return given if isinstance(given, str) else figure(given)


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


def result_rows(
    accepted: Sequence[Accepted], answers: Iterable[Mapping[str, Any]], contract: Contract
) -> list[dict[str, object]]:
    """Each valid row with its line number, its fields, its prediction and its warnings."""
    columns = list(dict.fromkeys(name for a in accepted for name in a.row))
    return [
        {"line": a.line}
        | {name: a.row.get(name) for name in columns}
        | _result(answer)
        | {"warnings": " ".join(unusual(contract, a.row))}
        for a, answer in zip(accepted, answers, strict=False)
    ]


def _result(answer: Mapping[str, Any]) -> dict[str, object]:
    """The cells of an answer: with its interval, or with all probabilities and the set."""
    cells: dict[str, object] = {"prediction": answer.get("prediction")}
    if probabilities := answer.get("probabilities"):
        cells |= {f"{PROBABILITY}{label}": p for label, p in probabilities.items()}
        if (inside := answer.get("set")) is not None:
            cells["set"] = in_one_cell(inside)
    else:
        cells |= {name: answer.get(name) for name in ("low", "high")}
    return cells | {name: answer.get(name) for name in ("model_version", "prediction_id")}


def accepted_rows(accepted: Sequence[Accepted]) -> list[dict[str, object]]:
    """Each valid row with its line number, as table cells."""
    return as_text([{"line": a.line, **a.row} for a in accepted])


def as_text(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Rows for a table on the page: each column is converted to numbers or to text."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numeric = {
        name
        for name in columns
        if all(row.get(name) is None or isinstance(row.get(name), int | float) for row in rows)
    }
    texts = [{name: "" if v is None else str(v) for name, v in row.items()} for row in rows]
    return [
        {name: row.get(name) if name in numeric else text.get(name, "") for name in columns}
        for row, text in zip(rows, texts, strict=True)
    ]


def rejected_rows(rejected: Sequence[Rejected]) -> list[dict[str, object]]:
    """Each invalid row with its line number, the rules that it breaks, and its cells."""
    return [{"line": r.line, "why": r.why, **r.cells} for r in rejected]


def template_rows(contract: Contract) -> list[dict[str, object]]:
    """A template: every column, and one row of typical values."""
    return [{f.name: f.default for f in contract.fields}]


def in_percent(row: Mapping[str, object]) -> dict[str, object]:
    """A predicted row of a CSV file with its probabilities in per cent, for a table."""
    return {
        name: 100 * value if name.startswith(PROBABILITY) and isinstance(value, float) else value
        for name, value in row.items()
    }


def history_rows(
    logged: Sequence[LoggedPrediction],
    order: Sequence[str] = (),
    reported: Mapping[str, float | str] | None = None,
) -> list[dict[str, object]]:
    """The log as a table, its inputs in this order; probabilities are in per cent.

    Inputs are text, because a table column has one type. `reported` has the actual values by id.
    `Range` is the prediction interval, or the set.
    """
    reported = reported or {}
    as_label = any("label" in (p.answer or {}) for p in logged)
    given = dict.fromkeys(name for p in logged for name in p.inputs)
    fields = [*(n for n in order if n in given), *(n for n in given if n not in order)]
    return [
        {
            "When": p.at.replace(tzinfo=None),
            **_history_answer(p, as_label=as_label),
            "Range": _range(p),
            "Actual": _cell(reported.get(p.id)),
            "Version": p.model_version,
            **{name: _cell(p.inputs.get(name)) for name in fields},
            "Open": f"predict?id={p.id}",
        }
        for p in logged
    ]


def _range(logged: LoggedPrediction) -> str:
    """The interval as "low to high", or the labels of the set; empty without one."""
    answer = logged.answer or {}
    low, high = answer.get("low"), answer.get("high")
    if low is not None and high is not None:
        return f"{figure(low)} to {figure(high)}"
    return ", ".join(map(str, answer.get("set") or ()))


def _history_answer(logged: LoggedPrediction, *, as_label: bool) -> dict[str, object]:
    """The prediction, or the label and its probability where the whole answer was read."""
    if not as_label:
        return {"Prediction": formatting.rounded(logged.prediction)}
    label = (logged.answer or {}).get("label")
    if label is None:  # by a model of a number, before the dataset's task changed
        return {"Prediction": figure(logged.prediction), "Probability": None}
    return {"Prediction": label, "Probability": 100 * logged.prediction}


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return "" if value is None else str(value)


def when(answer: Answer, now: datetime) -> str:
    """The time of the prediction, relative and exact."""
    if answer.at is None:
        return "just now"
    return f"{formatting.ago(answer.at, now)} ({answer.at:%Y-%m-%d %H:%M:%S} UTC)"
