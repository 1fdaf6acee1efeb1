"""The statistics of a batch's columns as rows of three tables: numbers, times and texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from console.text import formatting
from core.domain.dataset import Column, ColumnType, Dataset
from core.domain.number_format import figure
from core.domain.profiles import ColumnProfile
from core.rules.data.typed_values import as_given

FIGURES = ("Mean", "Spread (std)", "Least", "Median", "Upper quartile", "Greatest")
"""The names of the figures of a column of numbers."""

_SHOWN = 3

_SPREADS = {ColumnType.DATE: " days", ColumnType.TIMESTAMP: " s"}


def number_rows(columns: Iterable[ColumnProfile], dataset: Dataset) -> list[dict[str, Any]]:
    """A row for each column of numbers, whose figures are numbers, so that they sort."""
    return _told(
        [
            _head(p, column) | _figures(p)
            for p, column in _described(columns, dataset)
            if column.type is ColumnType.NUMBER
        ]
    )


def time_rows(columns: Iterable[ColumnProfile], dataset: Dataset) -> list[dict[str, Any]]:
    """A row for each column of dates or timestamps, whose figures are texts."""
    return _told(
        [
            _head(p, column)
            | {
                "Mean": _time(p.mean, column.type),
                "Spread (std)": f"{figure(p.std)}{unit}" if p.std is not None else "",
                "Least": _time(p.minimum, column.type),
                "Median": _time(p.q50, column.type),
                "Greatest": _time(p.maximum, column.type),
            }
            for p, column in _described(columns, dataset)
            if (unit := _SPREADS.get(column.type))
        ]
    )


def text_rows(columns: Iterable[ColumnProfile], dataset: Dataset) -> list[dict[str, Any]]:
    """A row for each column of categories, booleans or texts."""
    return _told(
        [
            _head(p, column) | {"Distinct": p.distinct or None, "Most common": _common(p)}
            for p, column in _described(columns, dataset)
            if column.type is not ColumnType.NUMBER and column.type not in _SPREADS
        ]
    )


def _told(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without what none of them has."""
    empty = {key for row in rows for key in row if all(r[key] in (None, "") for r in rows)}
    return [{key: value for key, value in row.items() if key not in empty} for row in rows]


def _described(
    columns: Iterable[ColumnProfile], dataset: Dataset
) -> Iterator[tuple[ColumnProfile, Column]]:
    described = {column.name: column for column in dataset.columns}
    return ((p, described[p.column]) for p in columns if p.column in described)


def _head(p: ColumnProfile, column: Column) -> dict[str, Any]:
    return {
        "Column": column.label,
        "Unit": column.unit,
        "Rows": p.count,
        "Empty %": 100 * p.nulls / p.count if p.count else None,
    }


def _figures(p: ColumnProfile) -> dict[str, float | None]:
    values = (p.mean, p.std, p.minimum, p.q50, p.q75, p.maximum)
    return {name: formatting.rounded(v) for name, v in zip(FIGURES, values, strict=True)}


def _time(value: float | None, kind: ColumnType) -> str:
    """The time that a profile's number stands for."""
    return str(as_given(kind, round(value))) if value is not None else ""


def _common(profile: ColumnProfile) -> str:
    """The most common values with their shares."""
    most = sorted(profile.categories.items(), key=lambda item: -item[1])[:_SHOWN]
    known = profile.count - profile.nulls
    return ", ".join(f"{name} ({formatting.percent(n / known)})" for name, n in most if known)
