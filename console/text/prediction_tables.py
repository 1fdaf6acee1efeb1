"""Predictions as rows of tables and of CSV files, for the Predict page and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from console.text import formatting
from console.text.csv_input import Accepted, Rejected
from console.text.prediction import PROBABILITY
from core.domain.number_format import figure
from core.domain.predictions import LoggedPrediction
from core.rules.model.contract import Contract
from core.rules.model.label_text import in_one_cell

_EXACT = 2.0**53


def result_rows(
    accepted: Sequence[Accepted], answers: Iterable[Mapping[str, Any]]
) -> list[dict[str, object]]:
    """Each valid row with its line number, its fields, its prediction and its warnings."""
    columns = list(dict.fromkeys(name for a in accepted for name in a.row))
    return [
        {"line": a.line}
        | {name: a.row.get(name) for name in columns}
        | _result(answer)
        | {"warnings": " ".join(answer.get("warnings") or ())}
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
    """A template: every column, and the typical row."""
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
            "Actual": _actual(reported.get(p.id), as_label=as_label),
            "Version": p.model_version,
            "Caller": p.caller or "",
            **{name: _cell(p.inputs.get(name)) for name in fields},
            "Open": f"predict?id={p.id}",
        }
        for p in logged
    ]


def export_rows(
    logged: Sequence[LoggedPrediction], reported: Mapping[str, float | str]
) -> list[dict[str, object]]:
    """The log as a file, unrounded: ids, times, callers, answers, actual values, then inputs.

    The names of answers are those of serving; an input of the same name is preceded by `input_`.
    """
    rows = []
    for p in logged:
        answer = p.answer or {}
        row: dict[str, object] = {
            "prediction_id": p.id,
            "at": p.at,
            "model_version": p.model_version,
            "caller": p.caller,
            "prediction": answer.get("label", p.prediction),
        }
        if "label" in answer:
            row |= {"probability": p.prediction, "set": in_one_cell(answer.get("set") or ())}
        else:
            row |= {name: answer.get(name) for name in ("low", "high")}
        row["actual"] = reported.get(p.id)
        row |= {f"input_{n}" if n in row else n: value for n, value in p.inputs.items()}
        rows.append(row)
    return rows


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


def _actual(value: float | str | None, *, as_label: bool) -> float | str | None:
    """An actual value as its column takes it: a number, or text for a classifier."""
    if as_label:
        return _cell(value)
    return None if value is None or isinstance(value, str) else formatting.rounded(value)


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return "" if value is None else str(value)
