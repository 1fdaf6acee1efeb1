"""The dataset's rows: loaded in bulk, read by column.

MySQL loads them with LOAD DATA LOCAL, which is five times as fast as inserts but coerces invalid
values. Rows are therefore validated before, and the server's row count and warnings are checked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pymysql.err
import sqlalchemy as sa
from numpy.typing import NDArray

from core.adapters.store.column_scan import as_numpy, scan
from core.adapters.store.dataset_columns import require_columns
from core.adapters.store.staged_rows import StagedRows, copy
from core.adapters.store.stored_values import as_sqlite, has_empty, in_columns
from core.adapters.store.tables import batches, epochs
from core.domain.dataset import ColumnType, Dataset
from core.domain.errors import RowsChanged

_NOT_ALLOWED = {1148, 2068, 3948, 4166}
"""Error codes of MySQL and MariaDB if LOCAL INFILE is disabled."""


def arrow_schema(dataset: Dataset) -> pa.Schema:
    """The schema of validated rows: the dataset's columns, row number, and side of the split."""
    kinds = {
        ColumnType.NUMBER: pa.float64(),
        ColumnType.CATEGORY: pa.string(),
        ColumnType.CODE: pa.string(),
        ColumnType.DATE: pa.date32(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    }
    return pa.schema(
        [pa.field(c.name, kinds[c.type]) for c in dataset.columns]
        + [pa.field("row_number", pa.int32()), pa.field("held_out", pa.int8())]
    )


class Rows:
    """The rows; bound to one transaction.

    The table also has rows of earlier epochs, so every query is about one epoch, by default the
    current one, or about single batches.
    """

    def __init__(self, connection: sa.Connection, dataset: Dataset, table: sa.Table) -> None:
        self._connection = connection
        self.dataset = dataset
        self.table = table

    def load(self, epoch: int, batch_id: int, chunks: Iterable[pa.RecordBatch] | StagedRows) -> int:
        """Insert validated rows, staged or in chunks of `arrow_schema`; returns their number.

        Raises:
            RowsChanged: the server stored fewer or more rows than it was sent, or changed values.
            SchemaMismatch: the table has a column that this process does not know.
        """
        if isinstance(chunks, StagedRows):
            total = copy(self._connection, self.table, epoch, batch_id, chunks)
        else:
            total = self._load_chunks(epoch, batch_id, chunks)
        if total:  # from the first row on, this transaction blocks schema changes by others
            require_columns(self._connection, self.table)
        return total

    def _load_chunks(self, epoch: int, batch_id: int, chunks: Iterable[pa.RecordBatch]) -> int:
        total = 0
        by_file = self._connection.dialect.name in ("mysql", "mariadb")
        for chunk in filter(len, chunks):
            if by_file:
                by_file = self._load_file(epoch, batch_id, chunk)
            if not by_file:
                self._insert(epoch, batch_id, chunk)
            total += chunk.num_rows
        return total

    def _insert(self, epoch: int, batch_id: int, chunk: pa.RecordBatch) -> None:
        is_sqlite = self._connection.dialect.name == "sqlite"
        chunk = as_sqlite(chunk) if is_sqlite else in_columns(chunk)
        # Parameters cost by row, so what is the same in every row is none.
        marks = [str(int(epoch)), str(int(batch_id))]
        marks += ["?" if is_sqlite else "%s"] * chunk.num_columns
        names = ["epoch", "batch_id", *chunk.schema.names]
        quote = self._connection.dialect.identifier_preparer.quote
        statement = (
            f"INSERT INTO {quote(self.table.name)} ({', '.join(map(quote, names))}) "  # noqa: S608
            f"VALUES ({', '.join(marks)})"
        )
        values = zip(*(c.to_pylist() for c in chunk.columns), strict=True)
        self._connection.exec_driver_sql(statement, list(values))

    def _load_file(self, epoch: int, batch_id: int, chunk: pa.RecordBatch) -> bool:
        """Load a file; False if the server does not allow it."""
        quote = self._connection.dialect.identifier_preparer.quote
        chunk = in_columns(chunk)
        fields, values = [], [f"epoch = {int(epoch)}", f"batch_id = {int(batch_id)}"]
        for i, (name, column) in enumerate(zip(chunk.schema.names, chunk.columns, strict=True)):
            if has_empty(column):  # a variable takes time in every row
                fields.append(f"@v{i}")
                # By length, because MySQL's collation treats some characters as empty.
                values.append(f"{quote(name)} = IF(LENGTH(@v{i}), @v{i}, NULL)")
            else:
                fields.append(quote(name))
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            pa_csv.write_csv(chunk, file.name, pa_csv.WriteOptions(include_header=False))
            statement = (
                f"LOAD DATA LOCAL INFILE '{Path(file.name).as_posix()}' "
                f"INTO TABLE {quote(self.table.name)} CHARACTER SET utf8mb4 "
                "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' "
                f"LINES TERMINATED BY '\\n' ({', '.join(fields)}) SET {', '.join(values)}"
            )
            try:
                loaded = self._connection.exec_driver_sql(statement).rowcount
            except sa.exc.DBAPIError as error:
                if isinstance(error.orig, pymysql.err.Error) and error.orig.args[0] in _NOT_ALLOWED:
                    return False
                raise
        warnings = self._connection.exec_driver_sql("SHOW WARNINGS LIMIT 3").all()
        if loaded != chunk.num_rows or warnings:
            reasons = "; ".join(str(w[-1]) for w in warnings) or "no warning"
            raise RowsChanged(
                f"The database kept {loaded} of {chunk.num_rows} rows ({reasons}); "
                "nothing was stored."
            )
        return True

    def remove(self, batch_id: int, most: int) -> int:
        """Delete the first `most` rows of a batch; returns their number."""
        t = self.table.c
        first = sa.select(t.id).where(t.batch_id == batch_id).order_by(t.id).limit(most)
        last = sa.select(sa.func.max(first.subquery().c.id))
        upto = self._connection.execute(last).scalar()  # MySQL deletes by no subquery of itself
        deleted = sa.delete(self.table).where(t.batch_id == batch_id, t.id <= (upto or 0))
        return self._connection.execute(deleted).rowcount

    def count(self, *, held_out: bool | None = None, epoch: int | None = None) -> int:
        """The number of rows of an epoch, on both sides of the split or on one."""
        query = sa.select(sa.func.count()).select_from(self.table).where(*self._of_epoch(epoch))
        if held_out is not None:
            query = query.where(self.table.c.held_out == held_out)
        return int(self._connection.execute(query).scalar_one())

    def columns(
        self,
        names: Sequence[str],
        *,
        held_out: bool | None,
        epoch: int | None = None,
        batch_id: int | None = None,
        without: Collection[int] = (),
        every: int = 1,
    ) -> dict[str, NDArray[Any]]:
        """Columns of one side of the split by hash (None: both sides), in order of arrival.

        Which rows, and as what: see `chunks`, of which they are made.
        """
        chunks = self.chunks(
            names, held_out=held_out, epoch=epoch, batch_id=batch_id, without=without, every=every
        )
        parts = list(chunks)
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def chunks(
        self,
        names: Sequence[str],
        *,
        held_out: bool | None,
        epoch: int | None = None,
        batch_id: int | None = None,
        without: Collection[int] = (),
        every: int = 1,
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """Columns of rows in chunks of some thousands, in bounded memory and order of arrival.

        The first chunk is empty, so that there is one, with the types of the columns.

        With `batch_id`: that batch's rows, whatever its epoch; else the rows of an epoch except
        those of the batches `without`. From each batch only rows whose number is a multiple of
        `every`. The columns `batch_id`, `row_number` and `held_out` can be read, too.

        The types are those of `core.adapters.store.column_scan.as_numpy`.
        """
        where = [*self._side(held_out=held_out), *self._chosen(epoch, batch_id, without)]
        if every > 1:
            where.append(self.table.c.row_number % every == 0)
        schema, texts = pa.schema([self.schema.field(name) for name in names]), dict[str, str]()
        nothing = pa.RecordBatch.from_pylist([], schema)
        for batch in chain([nothing], self._scan(schema, *where)):
            columns = zip(names, batch.columns, strict=True)
            yield {name: as_numpy(column, texts) for name, column in columns}

    @property
    def schema(self) -> pa.Schema:
        """The schema of `stream`: `arrow_schema` and the batch id."""
        return arrow_schema(self.dataset).append(pa.field("batch_id", pa.int64()))

    def stream(
        self, *, epoch: int | None = None, batch_id: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Whole rows in batches of some thousands, in bounded memory."""
        yield from self._scan(self.schema, *self._chosen(epoch, batch_id, ()))

    def first(self, batch_id: int, limit: int) -> list[dict[str, Any]]:
        """The first rows of a batch, each with its `row_number` and the columns by name."""
        t = self.table.c
        names = ["row_number", *self.dataset.names]
        query = sa.select(*(t[name] for name in names)).where(t.batch_id == batch_id)
        rows = self._connection.execute(query.order_by(t.id).limit(limit))
        return [dict(row._mapping) for row in rows]

    def _scan(self, schema: pa.Schema, *where: sa.ColumnElement[bool]) -> Iterator[pa.RecordBatch]:
        query = sa.select(*(self.table.c[name] for name in schema.names)).where(*where)
        return scan(self._connection, query.order_by(self.table.c.id), schema)

    def _side(self, *, held_out: bool | None) -> list[sa.ColumnElement[bool]]:
        return [] if held_out is None else [self.table.c.held_out == held_out]

    def _chosen(
        self, epoch: int | None, batch_id: int | None, without: Collection[int]
    ) -> list[sa.ColumnElement[bool]]:
        if batch_id is not None:
            return [self.table.c.batch_id == batch_id]
        rules = self._of_epoch(epoch)
        if without:
            # As a sum, so that no database uses the index of batches row by row.
            rules.append((self.table.c.batch_id + 0).not_in(without))
        return rules

    def _of_epoch(self, epoch: int | None) -> list[sa.ColumnElement[bool]]:
        """The condition for an epoch's rows, by the contiguous range of their keys.

        Its cost does not depend on the rows of other epochs.
        """
        if epoch is None:
            epoch = self._connection.execute(sa.select(sa.func.max(epochs.c.number))).scalar()
        if epoch is None:  # before the first batch
            return []
        t = self.table.c
        rules: list[sa.ColumnElement[bool]] = [t.epoch == epoch]
        if (first := self._edge(epoch, last=False)) is not None:
            rules += [t.id >= first, t.id <= self._edge(epoch, last=True)]
        return rules

    def _edge(self, epoch: int, *, last: bool) -> int | None:
        """The smallest or largest key of an epoch's rows, using the index of batches."""
        t, b = self.table.c, batches.c
        of_epoch = sa.select(b.id).where(b.epoch == epoch, b.stored > 0)
        ordered = of_epoch.order_by(b.id.desc() if last else b.id)
        end = sa.func.max(t.id) if last else sa.func.min(t.id)
        for batch_id in self._connection.execute(ordered).scalars().all():
            key = self._connection.execute(sa.select(end).where(t.batch_id == batch_id)).scalar()
            if key is not None:
                return int(key)
        return None
