"""CSV files of rows for a model: their dialect, and which field each column belongs to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from core.domain.dataset import ColumnType
from core.domain.sources import CsvOptions
from core.rules.data import csv_dialect
from core.rules.data.csv_dialect import Dialect
from core.rules.model.contract import Contract


def detect(contract: Contract, sample: bytes) -> Dialect:
    """The dialect of a file, from its first bytes."""
    names = {name for f in contract.fields for name in (f.name, f.source) if name}
    numbers = {
        name
        for f in contract.fields
        if f.type is ColumnType.NUMBER
        for name in (f.name, f.source)
        if name
    }
    return csv_dialect.detect(sample, CsvOptions(), names, numbers)


def renamed(columns: Sequence[str], contract: Contract) -> list[str]:
    """The columns of a header under the fields' names.

    If the header lacks a field's own name, its name in batches is accepted.
    """
    missing = {f.name for f in contract.fields}.difference(columns)
    names = {f.source: f.name for f in contract.fields if f.source and f.name in missing}
    return [names.get(column, column) for column in columns]
