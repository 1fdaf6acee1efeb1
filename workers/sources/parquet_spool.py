"""Rows of a database, written as one Parquet file in bounded memory.

A column's type is known only when its last row was seen: the first rows may all be null, and SQLite
allows any value in any column. So chunks are kept on disk with the types that each has, and written
with a type that fits them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_SAFE = 2**53


class ParquetSpool:
    """Collects chunks of rows beside `path`, and writes them to it at the end."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._path = path
        self._names = list(names)
        self._chunks: list[Path] = []
        self._schemas: list[pa.Schema] = []

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Keep a chunk of rows, in the order of the names."""
        columns = [_array(values) for values in zip(*rows, strict=True)]
        batch = pa.RecordBatch.from_arrays(columns, names=self._names)
        # The ending of files that the next ingest deletes, should this process die.
        chunk = self._path.with_suffix(f".{len(self._chunks)}.arrow")
        self._chunks.append(chunk)
        self._schemas.append(batch.schema)
        with pa.OSFile(str(chunk), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as out:
            out.write_batch(batch)

    def write(self) -> None:
        """Write the file."""
        schema = pa.schema([(name, self._type(n)) for n, name in enumerate(self._names)])
        with pq.ParquetWriter(self._path, schema) as out:
            for batch in self._batches():
                columns = [
                    _cast(column, field.type)
                    for column, field in zip(batch.columns, schema, strict=True)
                ]
                out.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))

    def discard(self) -> None:
        """Delete the chunks."""
        for chunk in self._chunks:
            with suppress(OSError):
                chunk.unlink()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for chunk in self._chunks:
            with pa.OSFile(str(chunk), "rb") as source, pa.ipc.open_file(source) as reader:
                yield reader.get_batch(0)

    def _type(self, column: int) -> pa.DataType:
        """The type that fits a column in each chunk; text where nothing else does."""
        types = {schema.field(column).type for schema in self._schemas} - {pa.null()}
        if len(types) == 1:
            return types.pop()
        return pa.float64() if types == {pa.int64(), pa.float64()} else pa.string()


def _cast(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    if column.type == wanted:
        return column
    if pa.types.is_string(wanted):
        return pa.array([_words(value) for value in column.to_pylist()], pa.string())
    return column.cast(wanted, safe=False)


def _array(values: Sequence[Any]) -> pa.Array:
    """The values of a column in the simplest type; as text where they have no common one."""
    plain = [_plain(value) for value in values]
    with suppress(pa.ArrowException, OverflowError, TypeError):
        array = pa.array(plain)
        if not pa.types.is_nested(array.type):
            return array
    return pa.array([_words(value) for value in plain], pa.string())


def _plain(value: Any) -> Any:
    """A value of a type that Parquet has; decimals become whole or floating-point numbers."""
    if isinstance(value, Decimal):
        if value == value.to_integral_value() and abs(value) < _SAFE:
            return int(value)
        return float(value) if value.is_finite() else None
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if value is None or isinstance(value, bool | int | float | str | date | datetime):
        return value
    return str(value)


def _words(value: Any) -> str | None:
    return None if value is None else str(value)
