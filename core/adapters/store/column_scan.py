"""Rows of a query as Arrow batches, without an object for each value where that is possible.

MySQL and MariaDB send a text for each value, which PyMySQL reads one by one in Python. So the
server joins each row to one line of CSV, and Arrow parses the lines. Its numbers keep every digit:
the server writes the shortest text that reads as the same double. SQLite's driver gives rows of
Python values at once, which Arrow takes by column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import sqlalchemy as sa
from numpy.typing import NDArray
from pymysql.cursors import SSCursor

from core.domain.errors import StoreUnavailable

_VALUES = 250_000
"""The maximum number of values in a batch."""

_LOT = 500
"""The number of tuples that are turned into columns at once: few enough for a processor's cache."""

_TIME = pa.timestamp("us")


def scan(
    connection: sa.Connection, query: sa.Select[Any], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The rows of a query in batches of `schema`, whose fields are the query's columns.

    Raises:
        sqlalchemy.exc.DBAPIError: the database fails.
        StoreUnavailable: a row is longer than the server's max_allowed_packet.
    """
    most = max(1, _VALUES // len(schema))
    if connection.dialect.name == "sqlite":
        lots = _fetched(connection, query, min(most, _LOT))
        yield from _merged((_of_tuples(rows, schema) for rows in lots), most)
        return
    kinds = zip(query.selected_columns, schema.types, strict=True)
    query = query.with_only_columns(_line([_field(column, kind) for column, kind in kinds]))
    for rows in _fetched(connection, query, most):
        yield _of_lines(rows, schema)


def as_numpy(column: pa.Array, texts: dict[str, str]) -> NDArray[Any]:
    """A column of rows as rules take it.

    Numbers are float64 with NaN for null, dates float64 days and timestamps float64 seconds since
    1970-01-01, whole numbers stay whole. Texts are objects with "" for null, booleans "true" and
    "false"; `texts` has each text once, and is shared by batches, so that equal texts are one
    object.
    """
    kind = column.type
    if pa.types.is_boolean(kind):
        column = pc.if_else(column, "true", "false")
    if pa.types.is_string(column.type):
        encoded = column.fill_null("").dictionary_encode()
        distinct = encoded.dictionary.to_numpy(zero_copy_only=False)
        shared = np.empty(len(distinct), dtype=object)
        shared[:] = [texts.setdefault(text, text) for text in distinct]
        repeated: NDArray[Any] = shared[encoded.indices.to_numpy()]
        return repeated
    if pa.types.is_date(kind):
        column = column.cast(pa.int32())
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    if pa.types.is_timestamp(kind):
        return np.asarray(values, dtype=np.float64) / 1e6
    return np.asarray(values, dtype=np.float64) if pa.types.is_date(kind) else values


def _fetched(
    connection: sa.Connection, query: sa.Select[Any], most: int
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The rows as the driver gives them: SQLAlchemy's rows take several times as long."""
    if not connection.in_transaction():
        connection.begin()
    compiled = query.compile(connection, compile_kwargs={"render_postcompile": True})
    parameters: Any = compiled.construct_params()
    if compiled.positional:
        parameters = [parameters[name] for name in compiled.positiontup or ()]
    kinds = () if connection.dialect.name == "sqlite" else (SSCursor,)  # which holds no rows
    errors = connection.dialect.loaded_dbapi.Error
    with closing(connection.connection.cursor(*kinds)) as cursor:
        with _translated(errors):
            cursor.execute(str(compiled), parameters)
            rows = cursor.fetchmany(most)
        while rows:
            yield rows
            with _translated(errors):
                rows = cursor.fetchmany(most)


@contextmanager
def _translated(errors: type[Exception]) -> Iterator[None]:
    """Turn an error of the driver into SQLAlchemy's, as its own cursors do."""
    try:
        yield
    except errors as error:
        raise sa.exc.DBAPIError.instance(None, None, error, errors) from error


def _merged(batches: Iterable[pa.RecordBatch], most: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of about `most`."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if len(waiting) * len(batch) >= most:
            yield pa.concat_batches(waiting)
            waiting = []
    if waiting:
        yield pa.concat_batches(waiting)


def _of_tuples(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows of SQLite, in which days and times are texts and booleans are 0 or 1."""
    columns = zip(*rows, strict=True)
    arrays = [_array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_boolean(kind):
        return pa.array(values, pa.int8()).cast(kind)
    if pa.types.is_date(kind):
        return pa.array(values, pa.string()).cast(kind)
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.string()).cast(_TIME).cast(kind)
    return pa.array(values, kind)


def _line(fields: Sequence[sa.ColumnElement[Any]]) -> sa.ColumnElement[Any]:
    return sa.cast(sa.func.concat_ws(",", *fields), sa.LargeBinary)


def _field(column: sa.ColumnElement[Any], kind: pa.DataType) -> sa.ColumnElement[Any]:
    """A field of a line: texts in quotes, and nothing for null."""
    if pa.types.is_string(kind):
        # As bytes, so that neither collations nor the connection's character set matter.
        escaped = sa.func.replace(sa.cast(column, sa.LargeBinary), '"', '""')
        column = sa.func.concat('"', escaped, '"')
    return sa.func.ifnull(column, "", type_=sa.String())


def _of_lines(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    lines = [line for (line,) in rows]
    if None in lines:
        raise StoreUnavailable(
            "A stored row is longer than the database server may send. Raise max_allowed_packet "
            "there."
        )
    text = b"\n".join([*lines, b""])
    stored = {pa.bool_(): pa.int8(), pa.timestamp("us", tz="UTC"): _TIME}
    table = pa_csv.read_csv(
        pa.BufferReader(text),
        pa_csv.ReadOptions(column_names=schema.names, block_size=len(text) + 1, use_threads=False),
        pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pa_csv.ConvertOptions(
            column_types={f.name: stored.get(f.type, f.type) for f in schema},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    (batch,) = table.cast(schema).combine_chunks().to_batches()
    return batch
