"""Batches out of CSV files: batch_0.csv, batch_1.csv and so on, of one folder."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compose.data_api.batches import TEXTS, Block, Value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = re.compile(r"batch_(\d+)\.csv")
_BLOCK_ROWS = 4096


class FolderError(Exception):
    """The folder cannot be served; the message says why."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The batches of a folder, in the order of their numbers."""

    paths: tuple[Path, ...]

    @classmethod
    def of(cls, path: Path) -> Folder:
        """Look for the files, and read their headers.

        Raises:
            FolderError: no file is there, a number is missing or doubled, or a file cannot be
                read or has no header.
        """
        try:
            found = {int(m[1]): p for p in path.iterdir() if (m := _NAME.fullmatch(p.name))}
        except OSError as error:
            raise FolderError(f"The folder {path} cannot be read: {error.strerror}.") from error
        if sorted(found) != list(range(len(found))) or not found:
            raise FolderError(f"{path} must hold batch_0.csv, batch_1.csv... without a gap.")
        folder = cls(tuple(found[number] for number in sorted(found)))
        for file in folder.paths:
            try:
                names = FileBatch(file).names
            except (OSError, UnicodeDecodeError, csv.Error) as error:
                raise FolderError(f"{file} cannot be read: {error}.") from error
            if not all(names) or len(set(names)) != len(names):
                raise FolderError(f"{file} must start with a line of column names, each once.")
        return folder

    @property
    def size(self) -> int:
        """How many batches a cycle has."""
        return len(self.paths)

    def batch(self, number: int, *, other: bool = False) -> FileBatch:
        """The batch of that number; `other` leaves every second row out.

        Raises:
            IndexError: there is no such file.
        """
        return FileBatch(self.paths[number], thinned=other)


@dataclass(frozen=True, slots=True)
class FileBatch:
    """One file, read anew each time it is told.

    Invariants: an empty cell is a null; outside `TEXTS` a finite number is a float ("06066" is
    6066.0) and anything else stays the text it is; a short line is filled with nulls.
    """

    path: Path
    thinned: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, without blanks around them."""
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            return tuple(name.strip() for name in next(csv.reader(file), [""]))

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(1 for _ in self._lines())

    def blocks(self) -> Iterator[Block]:
        """The rows, some thousands at a time."""
        names = self.names
        block: Block = [[] for _ in names]
        for line in self._lines():
            filled = line + [""] * (len(names) - len(line))
            for name, column, cell in zip(names, block, filled, strict=False):
                column.append(_value(name, cell))
            if len(block[0]) == _BLOCK_ROWS:
                yield block
                block = [[] for _ in names]
        if block[0]:
            yield block

    def _lines(self) -> Iterator[list[str]]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            lines = (line for line in csv.reader(file) if line)
            next(lines, None)
            for number, line in enumerate(lines):
                if not (self.thinned and number % 2 == 0):
                    yield line


def _value(name: str, cell: str) -> Value:
    if not cell.strip():
        return None
    if name in TEXTS:
        return cell
    try:
        number = float(cell)
    except ValueError:
        return cell
    return number if math.isfinite(number) else cell
