"""The first rows of a file as an ingest would read them, within bounds of rows, bytes and time.

Nothing is copied: the readers read from the opened file itself, and an end of the bounds ends them.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc

from core.adapters.readers import parse
from core.adapters.readers.decompression import DecompressedTooLarge
from core.adapters.readers.parse import Chunk
from core.adapters.readers.port import MOST_BYTES as LARGEST_FILE
from core.domain.batches import QuarantinedRow
from core.domain.dataset import Dataset
from core.domain.sources import Format
from core.rules.data.profile import Profiler

MOST_ROWS = 10_000
"""How many rows are read."""

MOST_BYTES = 64_000_000
"""How many bytes of a text are read, and how many of it once decompressed."""

MOST_PARQUET_BYTES = 256_000_000
"""How many bytes of a Parquet file are read: the beginnings of its columns lie far apart."""

MOST_SECONDS = 5.0
"""After so long no further block is read."""

_AT_ONCE = 128 * 1024
"""How many bytes of a text make a block, so that the time is looked at often enough."""


@dataclass(slots=True)
class FirstRows:
    """The first rows: valid ones as they would be stored, and those for the quarantine.

    `note` says how a CSV file was read. `is_all`: the file has no others.
    """

    note: str = ""
    valid: list[pa.RecordBatch] = field(default_factory=list)
    quarantined: list[QuarantinedRow] = field(default_factory=list)
    is_all: bool = False

    @property
    def count(self) -> int:
        """How many rows were read."""
        return sum(len(rows) for rows in self.valid) + len(self.quarantined)


def first_rows(
    file: BinaryIO,
    written_as: Format,
    compression: str,
    dataset: Dataset,
    *,
    most_bytes: int = LARGEST_FILE,
    now: Callable[[], float] = time.monotonic,
) -> FirstRows:
    """Read the first rows of a file that can be sought in; it stays open.

    `most_bytes` is the bound of an ingest, `now` a clock in seconds.

    Raises:
        BatchUnreadable: an ingest would read no row of this file either.
    """
    is_parquet = written_as is Format.PARQUET
    most = most_bytes if is_parquet else min(most_bytes, MOST_BYTES)
    until = now() + MOST_SECONDS
    start = _Start(
        file,
        f"rows.{written_as.value}",
        compression or f".{written_as.value}",
        _Bounds(MOST_PARQUET_BYTES, sys.maxsize, lambda: False)  # its blocks are not interrupted
        if is_parquet
        else _Bounds(MOST_BYTES, _AT_ONCE, lambda: now() > until),
    )
    first = FirstRows()
    try:
        first.note = parse.note(start, dataset)
        for chunk in parse.chunks(start, dataset, Profiler(dataset), lambda _: None, most):
            _add(first, chunk)
            if first.count == MOST_ROWS or now() > until:
                break
        else:
            first.is_all = True
        parse.batch_number(start, most)
    except _Enough:
        pass
    except DecompressedTooLarge:
        if most == most_bytes:
            raise
    return first


def _add(first: FirstRows, chunk: Chunk) -> None:
    """Add the rows of a chunk, up to the bound; rows have their numbers in the file, from 0."""
    within = chunk.rows.filter(pc.less(chunk.rows["row_number"], MOST_ROWS))
    if within.num_rows:
        first.valid.append(within)
    first.quarantined += (row for row in chunk.quarantined if row.row_number < MOST_ROWS)


class _Enough(Exception):
    """The bounds are reached."""


class _Bounds(NamedTuple):
    """How many bytes are read, how many of them at once, and whether the time is up."""

    bytes: int
    at_once: int
    is_over: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Start:
    """The beginning of a file, for readers; reading beyond it ends them by `_Enough`."""

    file: BinaryIO
    stem: str
    suffix: str
    bounds: _Bounds

    def open(self, _mode: Literal["rb"], /) -> BinaryIO:
        self.file.seek(0)
        return cast("BinaryIO", _Bounded(self.file, self.bounds))


class _Bounded(io.RawIOBase):
    """Another file's bytes; closing it leaves that file open."""

    def __init__(self, file: BinaryIO, bounds: _Bounds) -> None:
        super().__init__()
        self._file = file
        self._bounds = bounds
        self._left = bounds.bytes

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0 or self._bounds.is_over():
            raise _Enough
        block = self._file.read(min(len(buffer), self._bounds.at_once))
        buffer[: len(block)] = block
        self._left -= len(block)
        return len(block)
