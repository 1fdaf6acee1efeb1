"""The statistics of a batch's columns as rows of two tables: numbers, and times and texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from console.text import formatting
from core.domain.dataset import Column, ColumnType, Dataset
from core.domain.number_format import figure
from core.domain.profiles import ColumnProfile
from core.rules.data.typed_values import as_given

_SHOWN = 3

_SPREADS = {ColumnType.DATE: " days", ColumnType.TIMESTAMP: " s"}


def number_rows(columns: Iterable[ColumnProfile], dataset: Dataset) -> list[dict[str, Any]]:
    """A row for each column of numbers, whose figures are numbers, so that they sort."""
    return _told(
        [
            _head(p, column)
            | {
                "Mean": formatting.rounded(p.mean),
                "Spread (std)": formatting.rounded(p.std),
                "Least": formatting.rounded(p.minimum),
                "Median": formatting.rounded(p.q50),
                "Upper quartile": formatting.rounded(p.q75),
                "Greatest": formatting.rounded(p.maximum),
            }
            for p, column in _described(columns, dataset)
            if column.type is ColumnType.NUMBER
        ]
    )


def other_rows(columns: Iterable[ColumnProfile], dataset: Dataset) -> list[dict[str, Any]]:
    """A row for each column of times or texts."""
    return _told(
        [
            _head(p, column)
            | {
                "Distinct": p.distinct or None,
                "Most common": _common(p),
                "Mean": _time(p.mean, column.type),
                "Spread (std)": _spread(p.std, column.type),
                "Least": _time(p.minimum, column.type),
                "Median": _time(p.q50, column.type),
                "Greatest": _time(p.maximum, column.type),
            }
            for p, column in _described(columns, dataset)
            if column.type is not ColumnType.NUMBER
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


def _spread(std: float | None, kind: ColumnType) -> str:
    return f"{figure(std)}{_SPREADS[kind]}" if std is not None and kind in _SPREADS else ""


def _time(value: float | None, kind: ColumnType) -> str:
    """The time that a profile's number stands for; empty for texts."""
    return str(as_given(kind, round(value))) if value is not None and kind in _SPREADS else ""


def _common(profile: ColumnProfile) -> str:
    """The most common values with their shares."""
    most = sorted(profile.categories.items(), key=lambda item: -item[1])[:_SHOWN]
    known = profile.count - profile.nulls
    return ", ".join(f"{name} ({formatting.percent(n / known)})" for name, n in most if known)
