"""The statistics of a batch's columns as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from console.text import formatting
from core.domain.dataset import Column, ColumnType, Dataset
from core.domain.number_format import figure
from core.domain.profiles import ColumnProfile
from core.rules.data.typed_values import as_given

_SHOWN = 3

_SPREADS = {ColumnType.DATE: " days", ColumnType.TIMESTAMP: " s"}


def profile_rows(columns: Iterable[ColumnProfile], dataset: Dataset) -> list[dict[str, Any]]:
    """A row for each column, with its label and unit."""
    described = {column.name: column for column in dataset.columns}
    return [_row(p, described[p.column]) for p in columns if p.column in described]


def _row(p: ColumnProfile, column: Column) -> dict[str, Any]:
    return {
        "Column": column.label,
        "Unit": column.unit,
        "Rows": p.count,
        "Empty": formatting.percent(p.nulls / p.count) if p.count else "-",
        "Mean": _value(p.mean, column.type),
        "Spread (std)": "" if p.std is None else f"{figure(p.std)}{_SPREADS.get(column.type, '')}",
        "Least": _value(p.minimum, column.type),
        "Median": _value(p.q50, column.type),
        "Upper quartile": _value(p.q75, column.type),
        "Greatest": _value(p.maximum, column.type),
        "Distinct": p.distinct or None,
        "Most common": _common(p),
    }


def _value(value: float | None, kind: ColumnType) -> str:
    """A number, or the time that a profile's number stands for."""
    if value is None:
        return ""
    return str(as_given(kind, round(value))) if kind in _SPREADS else figure(value)


def _common(profile: ColumnProfile) -> str:
    """The most common values with their shares."""
    most = sorted(profile.categories.items(), key=lambda item: -item[1])[:_SHOWN]
    known = profile.count - profile.nulls
    return ", ".join(f"{name} ({formatting.percent(n / known)})" for name, n in most if known)
