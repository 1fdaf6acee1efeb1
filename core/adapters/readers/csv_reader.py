"""The reader of CSV files; the rules are those of `core.rules.data.csv_dialect`."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

from core.adapters.readers.decompression import ByteStream
from core.adapters.readers.port import (
    MOST_ROWS,
    BatchFile,
    Block,
    Columns,
    Reader,
    Values,
    Wanted,
    by_column,
    kept_text,
)
from core.domain.batches import Unreadable
from core.domain.errors import BatchUnreadable
from core.domain.sources import CsvOptions
from core.rules.data import csv_dialect
from core.rules.data.csv_dialect import Dialect, holds
from core.rules.data.csv_records import CsvRecords, Row
from core.rules.data.text_lines import Lines

BLOCK = 2 << 20
"""How many bytes are read at a time."""

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class _CsvBlock:
    rows: list[Row]
    texts: list[str]
    header: _Header
    dialect: Dialect

    def __len__(self) -> int:
        return len(self.rows)

    def columns(self) -> tuple[Columns, dict[int, str]]:
        columns, problems = self.header.columns(self.rows)
        if self.dialect.decimal == ",":
            for n in self.header.numbers:
                columns[n] = [cell and self.dialect.number(cell) for cell in columns[n]]
        return columns, problems

    def beginning(self, n: int) -> str:
        cells = self.header.pick(self.rows[n])
        if isinstance(cells, Unreadable):
            return kept_text(self.texts[n].rstrip("\r"))
        values = self.header.in_full(cells)
        if self.dialect.decimal == ",":
            for number in self.header.numbers:
                values[number] = values[number] and self.dialect.number(values[number])
        return kept_text(
            json.dumps(dict(zip(self.header.names, values, strict=True)), ensure_ascii=False)
        )


class _Header:
    """Where the wanted columns stand in a row."""

    def __init__(self, names: Sequence[str], wanted: Wanted) -> None:
        self.names = wanted.names
        self._nothing = [n for n, name in enumerate(wanted.names) if name not in names]
        self.places = [names.index(name) for name in wanted.names if name in names]
        self.numbers = wanted.numbers
        self._width = len(names)
        # Twice the last place, since itemgetter of one place gives no tuple.
        self._in_order: Callable[[Any], Values] = itemgetter(*self.places, self.places[-1])

    def columns(self, rows: Sequence[Row]) -> tuple[Columns, dict[int, str]]:
        """The wanted columns of rows, and what is wrong with rows that have no values."""
        columns, problems = self._there(rows)
        for n in self._nothing:
            columns.insert(n, (None,) * len(rows))
        return columns, problems

    def _there(self, rows: Sequence[Row]) -> tuple[Columns, dict[int, str]]:
        whole = [row for row in rows if isinstance(row, list)]
        if len(whole) == len(rows) and set(map(len, whole)) == {self._width}:
            columns: Columns = list(zip(*map(self._in_order, whole), strict=True))
            return columns[:-1], {}
        return by_column(map(self.pick, rows), len(self.places))

    def in_full(self, cells: Values) -> list[Any]:
        """A row's cells for every wanted column, None for one that the file lacks."""
        values = list(cells)
        for n in self._nothing:
            values.insert(n, None)
        return values

    def pick(self, row: Row) -> Values | Unreadable:
        """A row's wanted cells, or why it has none."""
        if isinstance(row, Unreadable):
            return row
        if len(row) != self._width:
            cells = "1 cell" if len(row) == 1 else f"{len(row):,} cells"
            return Unreadable(f"the row has {cells} where the header has {self._width:,}")
        return self._in_order(row)[:-1]


@dataclass(frozen=True)
class CsvReader(Reader):
    """A table whose first line names its columns."""

    file: BatchFile
    wanted: Wanted
    options: CsvOptions
    most_bytes: int

    def note(self) -> str:
        """How the file is written, as it was detected or stated."""
        return self._dialect.note()

    def blocks(self) -> Iterator[tuple[Block, float]]:
        """See `Reader`."""
        dialect = self._dialect
        records = CsvRecords(dialect.delimiter)
        header: _Header | None = None
        for lines, sizes, share in self._lines(dialect):
            rows, texts = records.read_bounded(lines, sizes, last=share is None)
            kept = [n for n, row in enumerate(rows) if isinstance(row, Unreadable) or holds(row)]
            if header is None and kept:
                header = self._header(rows[kept.pop(0)])
            for start in range(0, len(kept), MOST_ROWS):
                some = kept[start : start + MOST_ROWS]
                if header is not None:
                    block = _CsvBlock([rows[n] for n in some], [texts[n] for n in some], header,
                                      dialect)  # fmt: skip
                    yield block, 1.0 if share is None else share
        if header is None:
            raise BatchUnreadable(f"The batch is empty. {self._remedy}")

    def _lines(self, dialect: Dialect) -> Iterator[tuple[list[str], dict[int, int], float | None]]:
        """The lines, the sizes of long ones by index, and the share read; None with the last."""
        lines = Lines(dialect.newline)
        decoder = codecs.getincrementaldecoder(dialect.encoding)(csv_dialect.ERRORS)
        with ByteStream(self.file, self.most_bytes) as stream:
            while block := stream.read(BLOCK):
                yield *lines.split(decoder.decode(block)), stream.share
        first, sizes = lines.split(decoder.decode(b"", final=True))
        rest, more = lines.rest()
        yield first + rest, sizes | {len(first) + n: size for n, size in more.items()}, None

    @cached_property
    def _dialect(self) -> Dialect:
        with ByteStream(self.file, self.most_bytes) as stream:
            sample = stream.read(csv_dialect.SAMPLE)
        kind = csv_dialect.other_format(sample)
        if kind is not None:
            raise BatchUnreadable(
                f"The batch is not CSV but {kind}. Save the table as CSV (UTF-8)."
            )
        names = self.wanted.names
        numbers = [names[n] for n in self.wanted.numbers]
        try:
            return csv_dialect.detect(sample, self.options, names, numbers)
        except LookupError as error:
            raise BatchUnreadable(
                f"There is no encoding {self.options.encoding!r:.40}. Correct `encoding` in "
                "[source.csv], for example utf-8 or cp1252."
            ) from error

    @property
    def _remedy(self) -> str:
        return f"Its first line must name the columns: {_list(self.wanted.names)}."

    def _header(self, row: Row) -> _Header:
        """The places of the columns.

        Raises:
            BatchUnreadable: the first row is no header of this dataset.
        """
        if isinstance(row, Unreadable):
            raise BatchUnreadable(f"The batch has no header: {row.rule}. {self._remedy}")
        names = csv_dialect.column_names(row)
        known = set(names)
        missing = self.wanted.lacking(known)
        if len(missing) == len(self.wanted.names):
            raise BatchUnreadable(
                f"The batch has no header of this dataset: its first line is {_list(names)}. "
                f"{self._remedy}"
            )
        if missing:
            raise BatchUnreadable(
                f"The header of the batch lacks {_list(missing)}. Add the column, with empty cells "
                "where there is no value."
            )
        doubled = csv_dialect.doubled(names, self.wanted.names)
        if doubled:
            raise BatchUnreadable(
                f"The header of the batch names {_list(doubled)} twice. Rename or remove one."
            )
        return _Header(names, self.wanted)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(name[:60] for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
