"""The rows of the dataset: loaded in bulk, read in columns.

MySQL takes them by LOAD DATA LOCAL, which is five times as fast as anything else but
coerces what does not fit instead of refusing it; so rows are validated before they come here, and
what the server says it loaded is compared with what was sent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pymysql.err
import sqlalchemy as sa
from numpy.typing import NDArray

from core.dataset import ColumnType, Dataset
from core.errors import StoreUnavailable
from core.tables import rows_table

_FETCH = 20_000
_NOT_ALLOWED = {1148, 2068, 3948, 4166}
"""What MySQL and MariaDB answer where LOCAL INFILE is switched off."""

_DAY = np.timedelta64(1, "D")


def arrow_schema(dataset: Dataset) -> pa.Schema:
    """How validated rows travel: the dataset's columns, the row's number, and its side."""
    kinds = {
        ColumnType.NUMBER: pa.float64(),
        ColumnType.CATEGORY: pa.string(),
        ColumnType.CODE: pa.string(),
        ColumnType.DATE: pa.date32(),
    }
    return pa.schema(
        [pa.field(c.name, kinds[c.type]) for c in dataset.columns]
        + [pa.field("row_number", pa.int32()), pa.field("held_out", pa.int8())]
    )


class Rows:
    """The rows of the current epoch, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection, dataset: Dataset) -> None:
        self._connection = connection
        self._dataset = dataset
        self._table = rows_table(dataset)

    def clear(self) -> None:
        """Delete every row: what the first batch of a new epoch replaces."""
        self._connection.execute(sa.delete(self._table))

    def load(self, epoch: int, batch_id: int, chunks: Iterable[pa.RecordBatch]) -> int:
        """Add validated rows, each chunk as `arrow_schema` says; returns how many.

        Raises:
            StoreUnavailable: the server kept another number of rows than it was sent, or
                changed values while it loaded them.
        """
        total = 0
        by_file = self._connection.dialect.name in ("mysql", "mariadb")
        for chunk in chunks:
            if by_file:
                by_file = self._load_file(epoch, batch_id, chunk)
            if not by_file:
                self._insert(epoch, batch_id, chunk)
            total += chunk.num_rows
        return total

    def _insert(self, epoch: int, batch_id: int, chunk: pa.RecordBatch) -> None:
        names = ["epoch", "batch_id", *chunk.schema.names]
        columns = [column.to_pylist() for column in chunk.columns]
        if self._connection.dialect.name == "sqlite":
            days = [i for i, f in enumerate(chunk.schema) if pa.types.is_date(f.type)]
            for i in days:
                columns[i] = [None if d is None else d.isoformat() for d in columns[i]]
        mark = "?" if self._connection.dialect.paramstyle == "qmark" else "%s"
        quote = self._connection.dialect.identifier_preparer.quote
        statement = (
            f"INSERT INTO {quote(self._table.name)} ({', '.join(map(quote, names))}) "  # noqa: S608
            f"VALUES ({', '.join([mark] * len(names))})"
        )
        constants = [[epoch] * chunk.num_rows, [batch_id] * chunk.num_rows]
        self._connection.exec_driver_sql(statement, list(zip(*constants, *columns, strict=True)))

    def _load_file(self, epoch: int, batch_id: int, chunk: pa.RecordBatch) -> bool:
        """Load through a file; False where the server does not allow it."""
        quote = self._connection.dialect.identifier_preparer.quote
        names = chunk.schema.names
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            pa_csv.write_csv(chunk, file.name, pa_csv.WriteOptions(include_header=False))
            variables = ", ".join(f"@v{i}" for i in range(len(names)))
            # By length: MySQL's own collation takes some characters for no characters.
            values = ", ".join(
                f"{quote(n)} = IF(LENGTH(@v{i}), @v{i}, NULL)" for i, n in enumerate(names)
            )
            statement = (
                f"LOAD DATA LOCAL INFILE '{Path(file.name).as_posix()}' "
                f"INTO TABLE {quote(self._table.name)} CHARACTER SET utf8mb4 "
                "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' "
                f"LINES TERMINATED BY '\\n' ({variables}) "
                f"SET epoch = {int(epoch)}, batch_id = {int(batch_id)}, {values}"
            )
            try:
                loaded = self._connection.exec_driver_sql(statement).rowcount
            except sa.exc.DBAPIError as error:
                if isinstance(error.orig, pymysql.err.Error) and error.orig.args[0] in _NOT_ALLOWED:
                    return False
                raise
        warnings = self._connection.exec_driver_sql("SHOW WARNINGS LIMIT 3").all()
        if loaded != chunk.num_rows or warnings:
            said = "; ".join(str(w[-1]) for w in warnings) or "no warning"
            raise StoreUnavailable(
                f"The database kept {loaded} of {chunk.num_rows} rows ({said}); nothing was stored."
            )
        return True

    def count(self, *, held_out: bool | None = None) -> int:
        """How many rows there are, on both sides of the split or on one."""
        query = sa.select(sa.func.count()).select_from(self._table)
        if held_out is not None:
            query = query.where(self._table.c.held_out == held_out)
        return int(self._connection.execute(query).scalar_one())

    def columns(
        self, names: Sequence[str], *, held_out: bool, batch_id: int | None = None
    ) -> dict[str, NDArray[np.float64] | NDArray[np.object_]]:
        """The named columns of one side of the split, in the order in which rows came.

        With `batch_id` only of that batch's rows; they are gone once a new epoch has begun.

        Numbers are float64 with NaN for null, dates float64 days since 1970-01-01, texts
        object arrays with "" for null.
        """
        kinds = [self._dataset.column(name) for name in names]
        parts: list[list[Any]] = [[] for _ in names]
        for rows in self._fetch(names, held_out=held_out, batch_id=batch_id):
            for column, part, values in zip(kinds, parts, zip(*rows, strict=True), strict=True):
                part.append(_array(column.type, values))
        empty: dict[bool, NDArray[Any]] = {True: np.empty(0, object), False: np.empty(0)}
        return {
            column.name: np.concatenate(part) if part else empty[column.is_text]
            for column, part in zip(kinds, parts, strict=True)
        }

    def batch_ids(self, *, held_out: bool) -> NDArray[np.int64]:
        """The batch that each row of one side came with, in the order of `columns`."""
        query = (
            sa.select(self._table.c.batch_id)
            .where(self._table.c.held_out == held_out)
            .order_by(self._table.c.id)
        )
        return np.array(self._connection.execute(query).scalars().all(), dtype=np.int64)

    def _fetch(
        self, names: Sequence[str], *, held_out: bool, batch_id: int | None
    ) -> Iterator[Sequence[Any]]:
        query = (
            sa.select(*(self._table.c[name] for name in names))
            .where(self._table.c.held_out == held_out)
            .order_by(self._table.c.id)
        )
        if batch_id is not None:
            query = query.where(self._table.c.batch_id == batch_id)
        streamed = self._connection.execution_options(stream_results=True, yield_per=_FETCH)
        yield from streamed.execute(query).partitions()


def _array(kind: ColumnType, values: Sequence[Any]) -> NDArray[Any]:
    if kind is ColumnType.NUMBER:
        return np.array(values, dtype=np.float64)  # None becomes NaN
    if kind is ColumnType.DATE:
        days = np.array(values, dtype="datetime64[D]")
        return np.where(np.isnat(days), np.nan, (days - np.datetime64(0, "D")) / _DAY)
    texts = np.array(values, dtype=object)
    texts[texts == None] = ""  # noqa: E711 - elementwise
    return texts
