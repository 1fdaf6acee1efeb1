"""Dataset files: written from the first rows of a table, and compared with the database."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any

from console.text.dataset_toml import dataset_toml
from core.adapters.readers.first_rows import MOST_ROWS
from core.adapters.store.dataset_columns import Changes, planned
from core.adapters.store.engine import make_engine, translated
from core.adapters.store.scope import DATASET
from core.adapters.store.timeouts import LOOKING
from core.domain.batches import Unreadable
from core.domain.dataset import Dataset
from core.domain.errors import BadInput, BatchUnreadable, DiskRefused
from core.domain.sources import CsvOptions
from core.domain.task import Task
from core.platform import dataset_file
from core.rules.data import csv_dialect
from core.rules.data.column_name import column_name
from core.rules.data.csv_records import Row, row_blocks
from core.rules.data.infer_classes import infer_classes
from core.rules.data.infer_columns import Guesses, infer
from core.rules.data.typed_values import read_number

_REMEDY = "Give a CSV file (also .csv.gz) or a Parquet file."


@dataclass(frozen=True, slots=True)
class Table:
    """The first rows of a file: names, and values by row; a text is why a row has no values.

    `note` says how a CSV file was read, and `decimal_comma` how its numbers are written.
    """

    names: list[str]
    rows: list[Sequence[Any] | str]
    note: str = ""
    decimal_comma: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A dataset file that was written, or its text where it was not."""

    text: str
    guesses: Guesses
    rows: int
    path: Path | None


def init(
    file: Path, target: str, name: str, out: Path | None, task: Task = Task.REGRESSION
) -> Written:
    """Write a dataset file for a table; without `out`, only make its text.

    Raises:
        BadInput: the table cannot be read, has no usable target, or `out` exists.
        DiskRefused: `out` cannot be written.
    """
    table = read_table(file)
    if doubled := csv_dialect.doubled(table.names, table.names):
        raise BadInput(f"{file} names {_list(doubled)} twice. Rename or remove one.")
    whole = [row for row in table.rows if not isinstance(row, str)]
    if not whole:
        raise BadInput(f"{file} has no rows below its header.")
    columns = [_with_points(values) if table.decimal_comma else values
               for values in map(list, zip(*whole, strict=True))]  # fmt: skip
    guesses = (
        infer_classes(table.names, columns, task, target)
        if task.is_classifier
        else infer(table.names, columns, target)
    )
    named = name or column_name(file.name.split(".")[0], ())
    text = dataset_toml(named, file.name, table.note, guesses)
    dataset_file.parse_text(text, out.name if out else f"{named}.toml")
    if out is not None:
        try:
            with out.open("x", encoding="utf-8") as opened:
                opened.write(text)
        except FileExistsError as error:
            raise BadInput(f"{out} exists. Name another file with -o, or remove it.") from error
        except OSError as error:
            raise DiskRefused(f"{out} cannot be written: {error.strerror}.") from error
    return Written(text, guesses, len(whole), out)


def changes(url: str, dataset: Dataset) -> Changes:
    """What `python -m workers migrate` would do to the database for the dataset; changes nothing.

    Raises:
        DatasetError: the file changes the columns of its table in a way that is not possible.
        StoreUnavailable: the database is unavailable.
    """
    engine = make_engine(url, LOOKING)
    try:
        with translated(engine), engine.connect() as connection:
            return planned(connection.execution_options(**{DATASET: dataset.name}), dataset)
    finally:
        engine.dispose()


def read_table(file: Path) -> Table:
    """The first `MOST_ROWS` rows of a CSV or Parquet file.

    Raises:
        BadInput: it cannot be read, is of another format, or has no header.
    """
    try:
        if file.suffix == ".parquet":
            return _parquet(file)
        if file.name.endswith((".csv", ".tsv", ".txt", ".csv.gz")):
            return _csv(file)
    except (OSError, EOFError) as error:
        raise BadInput(f"{file} cannot be read: {getattr(error, 'strerror', error)}.") from error
    raise BadInput(f"{file} is of no known format. {_REMEDY}")


def _csv(file: Path) -> Table:
    with _opened(file) as binary:
        sample = binary.read(csv_dialect.SAMPLE)
    kind = csv_dialect.other_format(sample)
    if kind is not None:
        raise BadInput(f"{file} is {kind}, not CSV. {_REMEDY}")
    dialect = csv_dialect.detect(sample, CsvOptions())
    with _opened(file) as binary:
        blocks = row_blocks(binary.read, dialect, csv_dialect.SAMPLE)
        every = chain.from_iterable(blocks)
        filled = (row for row in every if isinstance(row, Unreadable) or csv_dialect.holds(row))
        try:
            first = next(filled, [])
            rows = list(islice(filled, MOST_ROWS))
        except BatchUnreadable as error:
            raise BadInput(str(error).replace("of the batch ", "of the file ")) from error
    if isinstance(first, Unreadable):
        raise BadInput(f"{file} has no header: {first.rule}.")
    header = csv_dialect.column_names(first)
    if not header:
        raise BadInput(f"{file} is empty. Its first line must name the columns.")
    checked = [_whole(row, len(header)) for row in rows]
    return Table(header, checked, dialect.note(), dialect.decimal == ",")


def _whole(row: Row, width: int) -> Sequence[Any] | str:
    """The cells of a row, or why it has none."""
    if isinstance(row, Unreadable):
        return row.rule
    if len(row) == width:
        return row
    return f"the row has {len(row):,} cells where the header has {width:,}"


def _opened(file: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb")


def _parquet(file: Path) -> Table:
    import pyarrow as pa  # noqa: PLC0415 - takes a while
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(file) as opened:
            names = list(opened.schema_arrow.names)
            rows: list[Sequence[Any] | str] = []
            for batch in opened.iter_batches(1_000):
                rows += zip(*(map(_plain, c.to_pylist()) for c in batch.columns), strict=True)
                if len(rows) >= MOST_ROWS:
                    break
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise BadInput(f"{file} is no readable Parquet file: {str(error)[:200]}.") from error
    return Table(names, rows[:MOST_ROWS])


def _plain(value: Any) -> Any:
    """A value as a JSON reader would give it."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _with_points(values: list[Any]) -> list[Any]:
    """A column of numbers with decimal points; another column as it is."""
    pointed = [_with_point(value) for value in values]
    try:
        for value in set(pointed):
            if not isinstance(value, str) or value.strip():
                read_number(value)
    except ValueError:
        return values
    return pointed


def _with_point(value: Any) -> Any:
    return csv_dialect.Dialect("", ",", "").number(value) if isinstance(value, str) else value


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(name[:60] for name in names[:8])
    return shown + (f" and {len(names) - 8:,} more" if len(names) > 8 else "")  # noqa: PLR2004
