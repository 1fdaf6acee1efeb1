"""The source `sql`: a batch is the rows of a query beyond a watermark, in one statement.

A statement sees one state of the database. All rows with the last value of the watermark column are
part of the batch, so no row with an equal value is lost between two batches or read twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog

from core.domain.errors import DriftdeskError, NothingNew, SourceRefused, SourceUnavailable
from core.domain.safe_text import printable
from core.domain.sources import NO_RESTART, Format, SqlSource
from core.platform.settings.named import read_named
from workers.sources import sql_limits
from workers.sources.parquet_spool import ParquetSpool
from workers.sources.port import Known, Progress, Received
from workers.sources.sql_limits import DeadlineError, close_late, driver_limits, within
from workers.sources.sql_watermark import Watermark, newest_of

_CHUNK_ROWS = 10_000
_MOST_TIES = 100_000
"""The most rows beyond `batch_rows` that share the last value of the watermark column."""

_TABLE = re.compile(r"\w+(?:\.\w+){0,2}")

log = structlog.get_logger()


class Query:
    """The new rows of a query in the database at `url`."""

    asks_once = False
    can_restart = False

    def __init__(self, source: SqlSource, url: str) -> None:
        self._source = source
        self._column = source.watermark
        self._beginning = f"{source.url_setting}: {source.watermark} after "
        try:
            self._engine = sa.create_engine(
                url, poolclass=sa.NullPool, connect_args=driver_limits(sa.make_url(url))
            )
        except sa.exc.NoSuchModuleError as error:
            raise SourceRefused(
                f"SQLAlchemy has no dialect for {source.url_setting}; check how the URL begins, or "
                "install the dialect's package where the workers run."
            ) from error
        except ImportError as error:
            raise SourceRefused(
                f"The driver of {source.url_setting} is not installed where the workers run: "
                f"{printable(str(error))[:200]}."
            ) from error
        except (sa.exc.ArgumentError, ValueError) as error:  # its text might show the password
            raise SourceRefused(f"{source.url_setting} is no SQLAlchemy URL.") from error

    @classmethod
    def of(cls, source: SqlSource) -> Query:
        """The query with the URL that its setting holds.

        Raises:
            SettingsError, SourceRefused: there is no URL, or it cannot be used.
        """
        return cls(source, read_named(source.url_setting))

    def fetch(self, part: Path, known: Known, arrived: Progress) -> Received:
        """Write the new rows to `part` as Parquet, flushed to disk.

        Raises:
            NothingNew: there are none.
            SourceRefused: the query or its watermark cannot be used.
            SourceUnavailable: the database does not answer.
        """
        spool = None
        try:
            part.touch()
            last = self._last(known)
            with self._connected() as connection:
                self._warn_of_late_rows(connection, last)
                streaming = {"stream_results": True, "max_row_buffer": _CHUNK_ROWS}
                query = self._newer(last)
                with closing(self._answer(connection, query, streaming)) as result:
                    names = list(result.keys())
                    spool = ParquetSpool(part, names)
                    newest = self._collect(result, self._place(names), spool, arrived)
            if newest is None:
                raise self._nothing(last)
            spool.write()
            with part.open("rb") as file:
                os.fsync(file.fileno())
                digest = file_digest(file, "sha256").hexdigest()
            return Received(
                part,
                part.stat().st_size,
                digest,
                Format.PARQUET,
                origin=f"{self._beginning}{last.value if last else 'the beginning'}",
                watermark=str(newest),
            )
        except BaseException:  # whatever ends it, a cancel too: the rows are still in the table
            part.unlink(missing_ok=True)
            raise
        finally:
            if spool:
                spool.discard()

    def _collect(
        self, result: sa.CursorResult[Any], place: int, spool: ParquetSpool, arrived: Progress
    ) -> Watermark | None:
        newest, rows = None, 0
        for chunk in _upto(result, place, self._source.batch_rows, self._column):
            spool.add(chunk)
            rows += len(chunk)
            newest = newest_of(newest, [row[place] for row in chunk], self._column)
            arrived(rows, 0)
        return newest

    def restart(self, waiting: Progress) -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            SourceRefused: always.
        """
        raise SourceRefused(NO_RESTART)

    def check(self, known: Known) -> str:
        """Count the new rows.

        Raises:
            NothingNew, SourceRefused, SourceUnavailable: see `fetch`.
        """
        last = self._last(known)
        with self._connected() as connection:
            self._warn_of_late_rows(connection, last)
            first = self._answer(connection, self._newer(last).limit(1))
            self._place(list(first.keys()))
            if first.first() is None:
                raise self._nothing(last)
            counted = sa.select(sa.func.count()).select_from(self._rows())
            count = self._answer(connection, counted.where(self._beyond(last))).scalar_one()
        most = self._source.batch_rows
        first_rows = f"the first {most:,}, and those that share the last one's value"
        after = f" after {last.value}" if last else ""
        return (
            f"New rows by {self._column}{after}: {count:,}. The next batch has "
            f"{'all of them' if count <= most else first_rows}."
        )

    def _last(self, known: Known) -> Watermark | None:
        text = known.watermark(self._beginning)
        try:
            return Watermark.of(text)
        except (ValueError, KeyError, ArithmeticError) as error:
            raise SourceRefused(f"The ledger's watermark {text!r} cannot be read.") from error

    def _rows(self) -> sa.TextClause:
        query = self._source.query
        if _TABLE.fullmatch(query):
            return sa.text(query)
        literal = query.replace(":", "\\:")  # a colon is no parameter
        return sa.text(f"({literal}) source_rows")

    def _beyond(self, last: Watermark | None) -> sa.ColumnElement[bool]:
        column: sa.ColumnClause[Any] = sa.column(self._column)
        return column.is_not(None) if last is None else column > last.value

    def _newer(self, last: Watermark | None) -> sa.Select[Any]:
        most = self._source.batch_rows + _MOST_TIES + 1
        return (
            sa.select(sa.text("*"))
            .select_from(self._rows())
            .where(self._beyond(last))
            .order_by(sa.column(self._column))
            .limit(most)
        )

    def _place(self, names: Sequence[str]) -> int:
        """Where the watermark column stands among the columns of the query."""
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise SourceRefused(
                f"The query returns {', '.join(doubled)} twice; give each column a name of its own."
            )
        lower = [name.lower() for name in names]
        if self._column.lower() not in lower:
            raise SourceRefused(
                f"The query has no column {self._column}; it has {', '.join(names)[:500]}."
            )
        return lower.index(self._column.lower())

    def _warn_of_late_rows(self, connection: sa.Connection, last: Watermark | None) -> None:
        """Say where rows with the value of the watermark came after that value was read."""
        if last is None:
            return
        same = sa.column(self._column) == last.value
        query = sa.select(sa.func.count()).select_from(self._rows()).where(same)
        late = self._answer(connection, query).scalar_one() - last.rows
        if late > 0:
            log.warning(
                "rows came after their watermark was read; they are in no batch",
                rows=late,
                column=self._column,
                value=str(last.value),
            )

    def _answer(
        self,
        connection: sa.Connection,
        query: sa.Select[Any],
        options: Mapping[str, Any] | None = None,
    ) -> sa.CursorResult[Any]:
        """The beginning of a query's answer; it is not waited for without end.

        Raises:
            DeadlineError: it did not come in time.
        """
        return within(
            sql_limits.MOST_SECONDS,
            lambda: connection.execute(query, execution_options=options or {}),
            lambda _: connection.close(),
        )

    def _nothing(self, last: Watermark | None) -> DriftdeskError:
        after = f" after {last.value}" if last else ""
        return NothingNew(f"No row has a {self._column}{after}.")

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """A connection for reading; what the database complains of becomes a sentence."""
        setting = self._source.url_setting
        try:
            connection = within(sql_limits.MOST_SECONDS, self._engine.connect, close_late)
            with ExitStack() as stack:
                stack.callback(connection.close)
                try:
                    yield connection
                except DeadlineError:
                    stack.pop_all()  # the connection is still in use
                    raise
        except DeadlineError as error:
            raise SourceUnavailable(
                f"The database at {setting} did not answer within {sql_limits.MOST_SECONDS:g} s. "
                "Nothing was lost. Check that it can be reached, and that the query of [source] "
                "is quick: an index on the watermark helps."
            ) from error
        except sa.exc.DBAPIError as error:
            words = printable(str(error.orig))[:300]
            if error.connection_invalidated or isinstance(error, sa.exc.InterfaceError):
                why = f"broke off: {words}. Nothing was lost; the next ingest asks again."
                raise SourceUnavailable(f"The database at {setting} {why}") from error
            if error.statement is None:
                raise SourceUnavailable(
                    f"The database at {setting} cannot be reached: {words}. Nothing was lost."
                ) from error
            raise SourceRefused(
                f"The database at {setting} refuses the query of [source]: {words}. Check query "
                f"and watermark ({self._column})."
            ) from error
        except sa.exc.SQLAlchemyError as error:
            raise SourceRefused(
                f"The query of [source] cannot be used: {printable(str(error))[:300]}."
            ) from error


def _upto(
    result: sa.CursorResult[Any], place: int, batch_rows: int, column: str
) -> Iterator[list[sa.Row[Any]]]:
    """Chunks of the first `batch_rows` rows, and of those that share the last one's value.

    Raises:
        SourceRefused: more than `_MOST_TIES` more rows share it.
    """
    count, bound = 0, None
    for chunk in result.partitions(_CHUNK_ROWS):
        rows = list(chunk)
        if count + len(rows) >= batch_rows:
            if count < batch_rows:
                bound = rows[batch_rows - count - 1][place]
            ahead = max(batch_rows - count, 0)
            rows = rows[:ahead] + [row for row in rows[ahead:] if row[place] == bound]
        if count + len(rows) > batch_rows + _MOST_TIES:
            raise SourceRefused(
                f"More than {_MOST_TIES:,} rows share the {column} {bound}, and cannot be split "
                "into batches. Name a finer column as watermark, or raise batch_rows."
            )
        if rows:
            yield rows
        if len(rows) < len(chunk):  # rows beyond the bound were left out
            return
        count += len(rows)
