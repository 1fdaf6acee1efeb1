"""Rows as a file: those of an epoch or of one batch, streamed, so that memory stays bounded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from console.desk import Desk
from core.adapters.store import Work
from core.domain.errors import BadInput, DiskRefused, Missing
from core.rules.data.epoch_ending import EpochRows
from core.usecases.epoch_end import why_no_rows

ON_PAGE = 200_000
"""The most rows that a page offers as a download; the command line has no such bound."""

PREVIEWED = 50
"""How many rows of a batch a page shows."""

FORMATS = ("csv", "parquet")
_LEADING = ("epoch", "batch", "row_number", "held_out")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which rows: of an epoch, or of one of its batches."""

    epoch: int
    batch_id: int | None = None


def epochs(desk: Desk) -> list[EpochRows]:
    """The epochs that have rows in the database, newest first."""
    with desk.store.read() as work:
        return work.lineage.rows()


def export(desk: Desk, epoch: int | None, file: Path) -> int:
    """Write an epoch's rows, by default the current one's, to a CSV or Parquet file.

    The format follows from the name. The file appears when it is complete. Returns the number of
    rows.

    Raises:
        BadInput: the name ends in neither .csv nor .parquet.
        Missing: the epoch has no rows in the database.
        DiskRefused: the file cannot be written.
    """
    form = file.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise BadInput(f"{file.name} must end in .csv or .parquet, so that its format is known.")
    with desk.store.read() as work:
        chosen = Chosen(_known(work, epoch))
        try:
            with NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as part:
                path = Path(part.name)
                try:
                    count = _write(work, chosen, part, form)
                    path.chmod(0o644)
                    path.replace(file)
                finally:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise DiskRefused(f"{file} cannot be written: {error.strerror}.") from error
    return count


def content(desk: Desk, chosen: Chosen, form: str) -> bytes:
    """The rows as the content of a file, for a download of at most `ON_PAGE` rows.

    Raises:
        Missing: the epoch has no rows in the database.
    """
    sink = pa.BufferOutputStream()
    with desk.store.read() as work:
        _known(work, chosen.epoch)
        _write(work, chosen, sink, form)
    return bytes(sink.getvalue().to_pybytes())


def preview(desk: Desk, batch_id: int, limit: int = PREVIEWED) -> list[dict[str, Any]]:
    """The first rows of a batch, by column."""
    with desk.store.read() as work:
        return work.rows.first(batch_id, limit)


def _known(work: Work, epoch: int | None) -> int:
    current = work.batches.epoch()
    number = epoch if epoch is not None else current.number if current else 0
    if not work.lineage.rows(number):
        raise Missing(why_no_rows(work.batches.stored(number), number))
    return number


def _write(work: Work, chosen: Chosen, sink: IO[bytes] | pa.NativeFile, form: str) -> int:
    numbers = {b.id: b.number for b in work.batches.stored(chosen.epoch)}
    columns = [f for f in work.rows.schema if f.name not in (*_LEADING, "batch_id")]
    schema = pa.schema([pa.field(name, pa.int64()) for name in _LEADING] + columns)
    make = pa_csv.CSVWriter if form == "csv" else pa_parquet.ParquetWriter
    count = 0
    with make(sink, schema) as writer:
        for rows in work.rows.stream(epoch=chosen.epoch, batch_id=chosen.batch_id):
            writer.write(_named(rows, chosen.epoch, numbers))
            count += rows.num_rows
    return count


def _named(rows: pa.RecordBatch, epoch: int, numbers: dict[int, int | None]) -> pa.Table:
    """Rows with the numbers of their epoch and batch in front."""
    leading = {
        "epoch": pa.array([epoch] * rows.num_rows, pa.int64()),
        "batch": pa.array([numbers.get(i) for i in rows["batch_id"].to_pylist()], pa.int64()),
        "row_number": rows["row_number"].cast(pa.int64()),
        "held_out": rows["held_out"].cast(pa.int64()),
    }
    others = {name: rows[name] for name in rows.schema.names if name not in (*_LEADING, "batch_id")}
    return pa.table(leading | others)
