"""The reader of Parquet files: columns stay Arrow columns, a bounded number of rows at a time."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from core.adapters.readers.port import BatchFile, Block, Columns, Reader, Wanted, kept_text
from core.domain.batches import KEPT
from core.domain.errors import BatchUnreadable

_MOST_ROWS = 32_768
_BLOCK_BYTES = 8 << 20
"""How many bytes a block should have at most once decompressed, judged by the average row."""

_DICTIONARY_BYTES = 16 << 20
"""How many bytes the dictionaries of all columns of text have together at most."""

_PAGE_BUFFER = 1 << 20
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class _ParquetBlock:
    rows: pa.RecordBatch
    wanted: Wanted
    present: list[str]

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def columns(self) -> tuple[Columns, dict[int, str]]:
        by_name = dict(zip(self.present, self.rows.columns, strict=True))
        nothing = pa.nulls(len(self))
        return [by_name.get(name, nothing) for name in self.wanted.names], {}

    def beginning(self, n: int) -> str:
        values = zip(self.present, self.rows.columns, strict=True)
        row = {name: _shown(column, n) for name, column in values}
        return kept_text(json.dumps(row, ensure_ascii=False, default=_as_json))


@dataclass(frozen=True, slots=True)
class ParquetReader(Reader):
    """A Parquet file whose columns have the names of the dataset's; others are not read."""

    file: BatchFile
    wanted: Wanted
    most_bytes: int

    def blocks(self) -> Iterator[tuple[Block, float]]:
        """See `Reader`."""
        with self.file.open("rb") as raw, _translated():
            file = pq.ParquetFile(raw, buffer_size=_PAGE_BUFFER, pre_buffer=False)
            names = self._names(file.schema_arrow)
            present = [name.strip() for name in names]
            size = self._size(file.metadata)
            total = file.metadata.num_rows
            step = max(1, min(_MOST_ROWS, _BLOCK_BYTES * total // max(size, 1)))
            file = pq.ParquetFile(
                raw,
                buffer_size=_PAGE_BUFFER,
                pre_buffer=False,
                read_dictionary=_dictionaries(file, names),
            )
            done = 0
            for rows in file.iter_batches(step, columns=names, use_threads=False):
                done += rows.num_rows
                block = _ParquetBlock(rows.select(names), self.wanted, present)
                yield block, done / max(total, 1)

    def _names(self, schema: pa.Schema) -> list[str]:
        """The names in the file of the wanted columns; blanks around a name do not count.

        Raises:
            BatchUnreadable: one is missing, or is there twice.
        """
        counts = Counter(name.strip() for name in schema.names)
        missing = self.wanted.lacking(counts)
        if missing:
            raise BatchUnreadable(
                f"The Parquet file has no column {_list(missing)}; its columns are "
                f"{_list(schema.names)}. Add the column, with nulls where there is no value."
            )
        doubled = [name for name in self.wanted.names if counts[name] > 1]
        if doubled:
            raise BatchUnreadable(
                f"The Parquet file has {_list(doubled)} twice. Rename or remove one."
            )
        by_name = {name.strip(): name for name in schema.names}
        return [by_name[name] for name in self.wanted.names if name in by_name]

    def _size(self, metadata: pq.FileMetaData) -> int:
        """The bytes of the wanted columns once decompressed, at least one for each value.

        Raises:
            BatchUnreadable: they exceed the bound.
        """
        names = set(self.wanted.names)
        size = 0
        for n in range(metadata.num_row_groups):
            group = metadata.row_group(n)
            columns = [group.column(i) for i in range(group.num_columns)]
            size += sum(
                column.total_uncompressed_size
                for column in columns
                if column.path_in_schema.split(".", 1)[0].strip() in names
            )
        # Repeated values take almost no bytes.
        size = max(size, int(metadata.num_rows) * len(names))
        if size > self.most_bytes:
            raise BatchUnreadable(
                f"The Parquet file has {size:,} bytes or values once decompressed, and at most "
                f"{self.most_bytes:,} are read (FILE_MAX_MB). Split it, or raise the setting."
            )
        return size


@contextmanager
def _translated() -> Iterator[None]:
    """Arrow's errors about the file as sentences.

    Raises:
        BatchUnreadable: the file is damaged or no Parquet file.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the file's
        raise BatchUnreadable(
            f"The batch is no whole Parquet file: {str(error).splitlines()[0][:200].rstrip('.')}. "
            "Deliver the file again, complete."
        ) from error


def _dictionaries(file: pq.ParquetFile, names: list[str]) -> list[str]:
    """The columns to read as dictionaries, so that a long text in many rows takes memory once.

    Arrow's dictionary gathers every text from one dictionary page to the next, whether it is in
    that page or not. So only columns are chosen that have such a page and few bytes in each row
    group.
    """
    kinds = (pa.types.is_string, pa.types.is_large_string)
    texts = {n for n in names if any(is_kind(file.schema_arrow.field(n).type) for is_kind in kinds)}
    largest = dict.fromkeys(texts, 0.0)
    for n in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(n)
        for column in map(group.column, range(group.num_columns)):
            name = column.path_in_schema
            if name in texts:
                size = column.total_uncompressed_size if column.has_dictionary_page else math.inf
                largest[name] = max(largest[name], size)
    chosen, left = [], float(_DICTIONARY_BYTES)
    for name in sorted(texts, key=lambda name: (largest[name], name)):
        left -= largest[name]
        if left >= 0:
            chosen.append(name)
    return chosen


def _shown(column: pa.Array, n: int) -> object:
    """A value for the quarantine, shortened; also where there is no Python value for it."""
    scalar = column[n]
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        text = scalar.value if pa.types.is_dictionary(column.type) else scalar
        value = text.as_buffer()[:KEPT].to_pybytes().decode("utf-8", "replace")
    except (ValueError, OverflowError):
        value = {"not kept": f"a {column.type} beyond the calendar"}
    return value[:KEPT] if isinstance(value, str) else value


def _as_json(value: object) -> object:
    """A value that JSON lacks: as text where a column reads that text alike, else as an object."""
    if isinstance(value, date | time | Decimal):
        return str(value)
    return {type(value).__name__: str(value)[:KEPT]}


def _list(names: list[str]) -> str:
    shown = ", ".join(name[:60] for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
