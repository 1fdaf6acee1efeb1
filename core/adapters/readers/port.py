"""The port of readers: the rows of a batch's file, whatever its format.

A reader goes through the file once, a block at a time, so that memory does not grow with it. What
no decoder can read costs one row; a file that has no rows to find is unreadable as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, Protocol

import pyarrow as pa

from core.domain.batches import KEPT, LOST_CHARACTER, Unreadable

MOST_BYTES = 16_384_000_000
"""How many bytes a file may have once decompressed: the default of `FILE_MAX_MB`."""

MOST_ROWS = 20_000
"""How many rows come out together at most."""


class BatchFile(Protocol):
    """A file to read: a path, or something in memory with a name's endings."""

    @property
    def suffix(self) -> str:
        """The last ending of its name, such as ".gz"."""

    @property
    def stem(self) -> str:
        """Its name without that ending."""

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """Open it at its beginning."""
        ...


_NOT_STORED = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The columns to read: their names in the file, and which of them hold numbers.

    `names` are in row order, and `numbers` are places in it. The `optional` ones were added to the
    dataset later: a file or a row without one has None there.
    """

    names: tuple[str, ...] = ()
    numbers: frozenset[int] = frozenset()
    optional: frozenset[str] = frozenset()

    def lacking(self, there: Container[str]) -> list[str]:
        """The columns that must be there and are not."""
        return [n for n in self.names if n not in there and n not in self.optional]


Values = Sequence[Any]
"""A row's values in column order; one may be `Unreadable`."""

Columns = list[Values | pa.Array]
"""The values of each column in column order; a value may be `Unreadable`."""


class Block(Protocol):
    """Some consecutive rows of a file."""

    def __len__(self) -> int:
        """The number of rows."""
        ...

    def columns(self) -> tuple[Columns, dict[int, str]]:
        """Every wanted column, and by index the rows without values, with the rule they break.

        Such a row has None in every column. An Arrow array stands for its values as they are.
        """
        ...

    def beginning(self, n: int) -> str:
        """A row for the quarantine, at most `KEPT` characters of it.

        A JSON object by the names of the columns, or the raw text of a row that has no values.
        """
        ...


class Reader(Protocol):
    """Reads one file."""

    def number(self) -> int | None:
        """The batch number that the file carries; None where its format carries none.

        Raises:
            BatchUnreadable: the format carries one, and the file does not.
        """
        return None

    def blocks(self) -> Iterator[tuple[Block, float]]:
        """The rows in blocks, and the share of the file that has been read, from 0 to 1.

        Raises:
            BatchUnreadable: the file as a whole is not what its name says, or breaks off.
        """
        ...

    def note(self) -> str:
        """What was detected about the file, in a sentence; empty if there was nothing to detect.

        Raises:
            BatchUnreadable: see `blocks`.
        """
        return ""


def kept_text(text: str) -> str:
    """The beginning of a row's text; what no database stores becomes `LOST_CHARACTER`."""
    return _NOT_STORED.sub(LOST_CHARACTER, text[:KEPT])


def by_column(rows: Iterable[Values | Unreadable], width: int) -> tuple[Columns, dict[int, str]]:
    """Rows as the columns of a block."""
    problems: dict[int, str] = {}
    nothing = (None,) * width
    values = list(rows)
    for n, row in enumerate(values):
        if isinstance(row, Unreadable):
            problems[n] = row.rule
            values[n] = nothing
    columns: Columns = list(zip(*values, strict=True)) if values else [()] * width
    return columns, problems
