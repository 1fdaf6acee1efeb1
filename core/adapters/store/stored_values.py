"""Columns of rows as the database takes them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_TIME = pa.timestamp("us")
_AS_TEXT = (_TIME, pa.date32())
_IN_COLUMNS = {pa.bool_(): pa.int8(), pa.timestamp("us", tz="UTC"): _TIME}


def in_columns(chunk: pa.RecordBatch) -> pa.RecordBatch:
    """The chunk as the table's columns hold it: booleans as 1 and 0, times without their zone."""
    columns = [c.cast(_IN_COLUMNS.get(c.type, c.type)) for c in chunk.columns]
    return pa.RecordBatch.from_arrays(columns, names=chunk.schema.names)


def has_empty(column: pa.Array) -> bool:
    """Whether a value is empty in a CSV: null, or a text without characters."""
    shortest = pc.min(pc.binary_length(column)).as_py() if pa.types.is_string(column.type) else 1
    return bool(column.null_count) or shortest == 0


def as_sqlite(chunk: pa.RecordBatch) -> pa.RecordBatch:
    """The chunk as SQLAlchemy writes it to SQLite: as `in_columns`, with days and times as text."""
    chunk = in_columns(chunk)
    columns = [c.cast(pa.string()) if c.type in _AS_TEXT else c for c in chunk.columns]
    return pa.RecordBatch.from_arrays(columns, names=chunk.schema.names)
