"""The statistics of a batch's columns as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from console.text import formatting
from core.domain.dataset import Dataset
from core.domain.number_format import figure
from core.domain.profiles import ColumnProfile

_SHOWN = 3


def profile_rows(columns: Iterable[ColumnProfile], dataset: Dataset) -> list[dict[str, Any]]:
    """A row for each column, with its label and unit."""
    described = {column.name: column for column in dataset.columns}
    return [
        {
            "Column": described[p.column].label if p.column in described else p.column,
            "Unit": described[p.column].unit if p.column in described else "",
            "Rows": p.count,
            "Empty": formatting.percent(p.nulls / p.count) if p.count else "-",
            "Mean": _number(p.mean),
            "Spread (std)": _number(p.std),
            "Least": _number(p.minimum),
            "Median": _number(p.q50),
            "Upper quartile": _number(p.q75),
            "Greatest": _number(p.maximum),
            "Distinct": p.distinct or None,
            "Most common": _common(p),
        }
        for p in columns
    ]


def _number(value: float | None) -> str:
    return "" if value is None else figure(value)


def _common(profile: ColumnProfile) -> str:
    """The most common values with their shares."""
    most = sorted(profile.categories.items(), key=lambda item: -item[1])[:_SHOWN]
    known = profile.count - profile.nulls
    return ", ".join(f"{name} ({formatting.percent(n / known)})" for name, n in most if known)
