"""What an ingest would make of a file, from its first rows, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from console.text.quarantine import BrokenRule, Reason

_REASONS, _CLASSES, _LONGEST = 20, 5, 60


@dataclass(frozen=True, slots=True)
class FileCheck:
    """How many of a file's first rows are valid, and why the others are not.

    `first` has the first valid rows by column, as they would be stored; `broken` the first rules
    that rows break, and `reasons` counts all. `is_all`: the file has no further rows. `note` says
    how a CSV file was read. For a classifier, `classes` counts the valid rows of each class, and
    `no_classes` says why no model can be trained on these classes; empty if one can.
    """

    rows: int
    valid: int
    is_all: bool
    note: str
    reasons: list[Reason]
    first: list[dict[str, Any]]
    broken: list[BrokenRule]
    classes: dict[str, int]
    no_classes: str

    @property
    def verdict(self) -> str:
        """How many rows are valid, and what becomes of the others."""
        if not self.rows:
            return "The file has no rows." if self.is_all else "No row ends in the part read."
        which = f"{self.rows:,} rows" if self.is_all else f"first {self.rows:,} rows"
        if self.valid == self.rows:
            return f"All {which} are valid." if self.is_all else f"The {which} are valid."
        return f"{self.valid:,} of the {which} are valid. The others would be quarantined."


def check_lines(check: FileCheck, name: str) -> Iterator[str]:
    """A check for people, where `name` is the dataset's."""
    if check.note:
        yield check.note
    yield f"{check.valid:,} of the {check.rows:,} rows that were read are valid rows of {name}."
    for reason in check.reasons[:_REASONS]:
        example = f", such as {reason.example[:_LONGEST]!r}" if reason.example else ""
        yield f"{reason.rows:>7,}  {reason.rule} (first in row {reason.first_row:,}{example})"
    if len(check.reasons) > _REASONS:
        yield f"and {len(check.reasons) - _REASONS:,} more reasons"
    if check.classes:
        counted = [f"{label[:40]!r} {rows:,}" for label, rows in check.classes.items()]
        more = f" and {len(counted) - _CLASSES:,} more" if len(counted) > _CLASSES else ""
        yield f"Rows of each class: {', '.join(counted[:_CLASSES])}{more}."
    if check.no_classes:
        yield f"No model can be trained on rows like these: {check.no_classes}"


def row_line(row: dict[str, Any]) -> str:
    """A row as it would be stored."""
    values = {name: value for name, value in row.items() if name != "row_number"}
    return f"row {row['row_number']:,}: " + ", ".join(
        f"{name}={'(empty)' if value is None else value}" for name, value in values.items()
    )
