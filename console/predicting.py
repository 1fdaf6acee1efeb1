"""What the Predict page and the command line say about predictions: plain data, no widgets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console import words
from console.csvfile import Accepted, Rejected
from core.contract import OFFERED_CATEGORIES, Contract, Field, from_days, read_value
from core.dataset import ColumnType
from core.records import figure
from core.store.predictions import LoggedPrediction

_FACTOR_FROM = 2.0
_MINUS = "\u2212"
_LEAST_STEPS = 100
_EXACT = 2.0**53


@dataclass(frozen=True, slots=True)
class Answer:
    """A prediction with everything that was said beside it, from serving or from the log.

    `contributions` is None where nobody asked, or the model cannot say.
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


def answered(
    given: Mapping[str, Any], row: Mapping[str, Any], contract: Contract | None = None
) -> Answer:
    """What serving just answered; `contract` is that of the version which did, where known."""
    coverage = contract.interval.coverage() if contract and contract.interval else None
    return Answer(
        str(given["prediction_id"]), int(given["model_version"]), float(given["prediction"]),
        dict(row), given.get("low"), given.get("high"), coverage, given.get("contributions"),
    )  # fmt: skip


def recorded(kept: LoggedPrediction) -> Answer:
    """What serving answered once, as the log has it."""
    said = kept.answer or {}
    return Answer(
        kept.id, kept.model_version, kept.prediction, kept.inputs, said.get("low"),
        said.get("high"), said.get("coverage"), said.get("contributions"), kept.at,
    )  # fmt: skip


def amount(value: float, unit: str = "") -> str:
    """An amount with its unit."""
    return f"{figure(value)} {unit}".rstrip()


def coverage_words(coverage: Mapping[str, Any]) -> str:
    """How often a range held, promised and measured."""
    return (
        f"{coverage['nominal']:.0%} of such rows were within; measured coverage "
        f"{coverage['measured']:.1%} on {coverage['rows']:,} rows that had no part in it."
    )


def effect_words(effect: float, scale: str) -> str:
    """An effect as people say it: per cent or a factor on the log scale, an amount otherwise."""
    if scale != "log":
        return f"{'+' if effect >= 0 else _MINUS}{figure(abs(effect))}"
    factor = math.exp(effect)
    if 1 / _FACTOR_FROM < factor < _FACTOR_FROM:
        return f"{factor - 1:+.1%}".replace("-", _MINUS)
    return f"x {figure(factor)}" if factor > 1 else f"÷ {figure(1 / factor)}"


def value_words(value: object, unit: str = "") -> str:
    """One input as it is shown: a number with its unit, a text as it is, nothing as such."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return amount(float(value), unit)
    return f"{value} {unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Step:
    """One field's push: from where to where the answer went, in the target's unit."""

    label: str
    value: str
    effect: float
    words: str
    start: float
    end: float


def steps(answer: Answer, units: Mapping[str, tuple[str, str]]) -> list[Step]:
    """The way from the baseline to the answer, the largest effect first.

    `units` has a label and a unit for each field that is still known.
    """
    said = answer.contributions
    if not said:
        return []
    on_log = said["scale"] == "log"
    learned = math.log1p(said["baseline"]) if on_log else float(said["baseline"])
    made = []
    for part in said["fields"]:
        name, effect = str(part["field"]), float(part["effect"])
        label, unit = units.get(name, (name, ""))
        start, learned = learned, learned + effect
        ends = (math.expm1(start), math.expm1(learned)) if on_log else (start, learned)
        made.append(
            Step(
                label,
                value_words(answer.inputs.get(name), unit),
                effect,
                effect_words(effect, said["scale"]),
                *ends,
            )
        )
    return made


def unusual(contract: Contract, row: Mapping[str, Any]) -> list[str]:
    """What the model has seen little or nothing of, in a sentence each."""
    notes = []
    for field in contract.fields:
        try:
            value = read_value(field, row.get(field.name))
        except ValueError:  # then there was no answer, or from a model of another contract
            continue
        if isinstance(value, str):
            if value and _is_unseen(field, value):
                notes.append(f"{field.label} “{value}” was not seen in training.")
        elif _is_outside(field, value):
            notes.append(
                f"{field.label} {value_words(row[field.name], field.unit)} is outside of what "
                f"training mostly saw. {usual_words(field)}"
            )
    return notes


def _is_outside(field: Field, value: float) -> bool:
    """Null is nowhere, and so not outside."""
    return field.low is not None and field.high is not None and (
        value < field.low or value > field.high
    )  # fmt: skip


def usual_words(field: Field) -> str:
    """What training mostly saw of a number or a date, in a sentence; empty where nobody knows."""
    if field.low is None or field.high is None:
        return ""
    return f"Usually {_usual(field, field.low)} to {_usual(field, field.high)}."


def _usual(field: Field, end: float) -> str:
    return from_days(end) if field.type is ColumnType.DATE else figure(end)


def _is_unseen(field: Field, value: str) -> bool:
    """Only a list that is whole can say so."""
    return 0 < len(field.categories) < OFFERED_CATEGORIES and value not in field.categories


def is_whole(field: Field) -> bool:
    """Whether a number field counts things."""
    numbers = (field.step, field.minimum, field.default)
    return field.step is not None and all(
        n is None or float(n).is_integer() for n in numbers if not isinstance(n, str)
    )


def step_of(field: Field) -> float:
    """How far one click on a number field goes: about a hundredth of its usual range, rounded."""
    if field.step is not None:
        return field.step
    if field.low is None or field.high is None or field.high <= field.low:
        return 1.0
    rough = (field.high - field.low) / _LEAST_STEPS
    size = 10.0 ** math.floor(math.log10(rough))
    return next((size * m for m in (1.0, 2.0, 5.0) if size * m >= rough), size * 10)


def result_rows(
    accepted: Sequence[Accepted], answers: Iterable[Mapping[str, Any]]
) -> list[dict[str, object]]:
    """Each accepted row with its line, its fields and its answer."""
    rows = zip(accepted, answers, strict=False)
    columns = list(dict.fromkeys(name for a in accepted for name in a.row))
    return [
        {
            "line": a.line,
            **{name: a.row.get(name) for name in columns},
            "prediction": answer["prediction"],
            "low": answer.get("low"),
            "high": answer.get("high"),
            "model_version": answer["model_version"],
            "prediction_id": answer["prediction_id"],
        }
        for a, answer in rows
    ]


def accepted_rows(accepted: Sequence[Accepted]) -> list[dict[str, object]]:
    """Each accepted row with its line, as a table's cells."""
    return as_text([{"line": a.line, **a.row} for a in accepted])


def as_text(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Rows for a table on the page, where a column has one type: numbers, or else text."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numeric = {
        name
        for name in columns
        if all(row.get(name) is None or isinstance(row.get(name), int | float) for row in rows)
    }
    return [
        {
            name: row.get(name)
            if name in numeric
            else ("" if row.get(name) is None else str(row.get(name)))
            for name in columns
        }
        for row in rows
    ]


def rejected_rows(rejected: Sequence[Rejected]) -> list[dict[str, object]]:
    """Each rejected row with its line, its broken rules and its cells."""
    return [{"line": r.line, "why": r.why, **r.cells} for r in rejected]


def template_rows(contract: Contract) -> list[dict[str, object]]:
    """A file to start from: every column, and one row of what is usual."""
    return [{f.name: f.default for f in contract.fields}]


def history_rows(found: Sequence[LoggedPrediction]) -> list[dict[str, object]]:
    """The log as a table; inputs as text, because a column of a table has one type."""
    fields = list(dict.fromkeys(name for p in found for name in p.inputs))
    return [
        {
            "When": p.at.replace(tzinfo=None),
            "Prediction": round(p.prediction, 2),
            "Version": p.model_version,
            **{name: _cell(p.inputs.get(name)) for name in fields},
            "Open": f"predict?id={p.id}",
        }
        for p in found
    ]


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return "" if value is None else str(value)


def answer_lines(answer: Answer, units: Mapping[str, tuple[str, str]], unit: str) -> list[str]:
    """A prediction for the command line: the answer, its range, and what pushed it."""
    lines = [f"{answer.prediction:,.2f}"]
    if answer.low is not None and answer.high is not None:
        lines.append(f"range {answer.low:,.2f} to {answer.high:,.2f}")
        if answer.coverage:
            lines.append(f"  {coverage_words(answer.coverage)}")
    pushed = steps(answer, units)
    if pushed and answer.contributions:
        start = amount(answer.contributions["baseline"], unit)
        lines.append(f"from {start}, what it says of typical values:")
        width = max(len(s.words) for s in pushed)
        lines += [f"  {s.words:>{width}}  {s.label} ({s.value})" for s in pushed]
    lines.append(f"version {answer.version}, prediction {answer.id}")
    return lines


def when(answer: Answer, now: datetime) -> str:
    """When it was answered, roughly and exactly."""
    if answer.at is None:
        return "just now"
    return f"{words.ago(answer.at, now)} ({answer.at:%Y-%m-%d %H:%M:%S} UTC)"
