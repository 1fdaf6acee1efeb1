"""Batches from the files batch_0.csv, batch_1.csv and so on of a folder."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from compose.data_api.batches import BLOCK_ROWS, COLUMNS, TEXTS, Batch, Block, Value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = re.compile(r"batch_(\d+)\.csv")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class FolderError(Exception):
    """The folder cannot be served; the message has the reason."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The batches of a folder, in the order of their numbers.

    Invariants: an empty cell is null; a short line is padded with nulls. With the columns of the
    real service, values are typed as there: outside `TEXTS` a finite number is a float ("06066" is
    6066.0), anything else is text. The types of other files are unknown, so all cells are text.
    """

    paths: tuple[Path, ...]

    @classmethod
    def of(cls, path: Path) -> Folder:
        """Find the files and check their headers.

        Raises:
            FolderError: there are no files, a number is missing, or a file is unreadable or has an
                invalid header.
        """
        try:
            files = {int(m[1]): p for p in path.iterdir() if (m := _NAME.fullmatch(p.name))}
        except OSError as error:
            raise FolderError(f"The folder {path} cannot be read: {error.strerror}.") from error
        if sorted(files) != list(range(len(files))) or not files:
            raise FolderError(f"{path} must contain batch_0.csv, batch_1.csv... without a gap.")
        for file in files.values():
            try:
                names = _header(file)
            except (OSError, UnicodeDecodeError, csv.Error) as error:
                raise FolderError(f"{file} cannot be read: {error}.") from error
            if not all(names) or len(set(names)) != len(names):
                raise FolderError(f"{file} must start with a header of unique column names.")
        return cls(tuple(files[number] for number in sorted(files)))

    def __len__(self) -> int:
        """How many batches a cycle has."""
        return len(self.paths)

    def batch(self, number: int, *, other: bool = False) -> Batch:
        """The batch of that number; `other` skips every second row.

        Raises:
            IndexError: there is no such file.
        """
        path = self.paths[number]
        names = _header(path)
        return Batch(names, partial(_blocks, path, names, step=2 if other else 1))


def _header(path: Path) -> tuple[str, ...]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return tuple(name.strip() for name in next(csv.reader(file), [""]))


def _blocks(path: Path, names: tuple[str, ...], step: int) -> Iterator[Block]:
    """Every `step`th row of the file, from row number `step` on."""
    numeric = [set(names) == set(COLUMNS) and name not in TEXTS for name in names]
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = islice((line for line in csv.reader(file) if line), step, None, step)
        while part := list(islice(lines, BLOCK_ROWS)):
            padded = (line[: len(names)] + [""] * (len(names) - len(line)) for line in part)
            columns = zip(numeric, zip(*padded, strict=True), strict=True)
            yield [[_value(cell, is_number=n) for cell in column] for n, column in columns]


def _value(cell: str, *, is_number: bool) -> Value:
    if not cell.strip():
        return None
    if not is_number or not _NUMBER.fullmatch(cell.strip()):
        return cell
    number = float(cell)
    return number if math.isfinite(number) else cell
