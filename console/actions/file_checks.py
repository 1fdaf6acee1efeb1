"""What an ingest would make of a file: its first rows, read by the same code, without storing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from console.text.file_check import FileCheck
from console.text.quarantine import broken_rules, reasons
from core.adapters.readers.first_rows import FirstRows, first_rows
from core.adapters.readers.port import MOST_BYTES
from core.domain.dataset import ColumnType, Dataset
from core.domain.errors import BadInput, BatchUnreadable, NothingToTrainOn
from core.domain.safe_text import printable
from core.domain.sources import Format, format_of
from core.domain.task import MOST_CLASSES
from core.rules.model.classes import classes_of, labels_in

SHOWN = 50
"""How many valid rows, and how many broken rules, a check keeps to be shown."""


def format_named(name: str) -> tuple[Format, str]:
    """The format and the ending of the compression that a file's name says.

    Raises:
        BadInput: it says none.
    """
    written_as, compression = format_of(name)
    if written_as is None:
        raise BadInput(
            f"{printable(name)[:80]} has no ending that names a format. Name it .csv, .jsonl, "
            ".json or .parquet; .gz or .zst may follow."
        )
    return written_as, compression


def check(file: BinaryIO, name: str, dataset: Dataset, most_bytes: int = MOST_BYTES) -> FileCheck:
    """Read the first rows of a file as an ingest would; `most_bytes` is FILE_MAX_MB in bytes.

    Raises:
        BadInput: the name says no format, or no row can be read.
    """
    written_as, compression = format_named(name)
    try:
        read = first_rows(file, written_as, compression, dataset, most_bytes=most_bytes)
    except BatchUnreadable as error:
        raise BadInput(f"{printable(name)[:80]} would not be stored. {error}") from error
    rules = broken_rules(read.quarantined, dataset)
    classes, no_classes = _classes(read, dataset) if dataset.task.is_classifier else ({}, "")
    return FileCheck(
        rows=read.count,
        valid=read.count - len(read.quarantined),
        is_all=read.is_all,
        note=read.note,
        reasons=reasons(rules),
        first=_first(read, dataset),
        broken=rules[:SHOWN],
        classes=classes,
        no_classes=no_classes,
    )


def check_path(path: Path, dataset: Dataset, most_bytes: int = MOST_BYTES) -> FileCheck:
    """Check a file of this machine.

    Raises:
        BadInput: it cannot be read, or see `check`.
    """
    try:
        with path.open("rb") as opened:
            return check(opened, path.name, dataset, most_bytes)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error


def _first(read: FirstRows, dataset: Dataset) -> list[dict[str, Any]]:
    """The first valid rows, with their numbers."""
    first: list[dict[str, Any]] = []
    for rows in read.valid:
        some = rows.slice(0, SHOWN - len(first)).select(["row_number", *dataset.names])
        first += some.to_pylist()
    return first


def _classes(read: FirstRows, dataset: Dataset) -> tuple[dict[str, int], str]:
    values = [value for rows in read.valid for value in rows[dataset.target.name].to_pylist()]
    if dataset.target.type is ColumnType.BOOLEAN:
        values = [str(value).lower() for value in values if value is not None]
    not_null = [value for value in values if value is not None]
    labels = labels_in(np.array(not_null, dtype=object), dataset)
    labels = labels[labels != ""]
    counts = dict(Counter(labels.tolist()).most_common(MOST_CLASSES))
    try:
        classes_of(labels, dataset)
    except NothingToTrainOn as error:
        return counts, str(error)
    return counts, ""
