"""What the rules of a dataset's columns say about rows, without storing them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.domain.dataset import Dataset
from core.rules.data.cells import read_cell

MOST_REASONS = 1_000
"""How many different reasons are counted; the rest count as one."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that rows broke: how many, and the first one's number and value."""

    rule: str
    rows: int
    first_row: int
    example: str


@dataclass(slots=True)
class RowCheck:
    """How many rows were checked, how many are valid, and why the others are not.

    For a classifier, `classes` counts the rows of each class, and `no_classes` says why no model
    can be trained on these classes; empty if one can.
    """

    rows: int = 0
    valid: int = 0
    reasons: list[Reason] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    no_classes: str = ""


def check_rows(dataset: Dataset, rows: Iterable[Sequence[Any] | str]) -> RowCheck:
    """Check rows whose values are in column order; a text is the reason why a row has no values.

    A row counts once for each rule that it breaks. Reasons come with the most frequent first.
    """
    result = RowCheck()
    counts: dict[str, Reason] = {}
    for number, row in enumerate(rows, 1):
        result.rows += 1
        broken = [(row, "")] if isinstance(row, str) else list(_broken(dataset, row))
        result.valid += not broken
        for rule, example in broken:
            key = rule if rule in counts or len(counts) < MOST_REASONS else "other reasons"
            first = counts.setdefault(key, Reason(key, 0, number, example))
            counts[key] = Reason(key, first.rows + 1, first.first_row, first.example)
    result.reasons = sorted(counts.values(), key=lambda r: (-r.rows, r.rule))
    return result


def _broken(dataset: Dataset, row: Sequence[Any]) -> Iterable[tuple[str, str]]:
    for column, value in zip(dataset.columns, row, strict=True):
        try:
            read_cell(column, value)
        except ValueError as error:
            is_empty = value is None or (isinstance(value, str) and not value.strip())
            yield f"{column.name}: {error}", "" if is_empty else ascii(value)[:60]
