"""Which reader a file gets: its name says the format."""

from __future__ import annotations

from pathlib import Path

from core.adapters.readers.csv_reader import CsvReader
from core.adapters.readers.decompression import PACKED
from core.adapters.readers.json_reader import JsonLinesReader, JsonReader
from core.adapters.readers.parquet_reader import ParquetReader
from core.adapters.readers.port import MOST_BYTES, BatchFile, Reader, Wanted
from core.domain.errors import BatchUnreadable
from core.domain.sources import CsvOptions, Format


def reader_of(
    file: BatchFile,
    wanted: Wanted | None = None,
    csv: CsvOptions | None = None,
    most_bytes: int = MOST_BYTES,
) -> Reader:
    """The reader for a file by its ending, such as `.csv` or `.csv.gz`.

    Raises:
        BatchUnreadable: the ending is not one of a format that is read.
    """
    wanted = wanted or Wanted()
    is_packed = file.suffix in PACKED
    ending = Path(file.stem).suffix if is_packed else file.suffix
    match ending.removeprefix("."):
        case Format.JSON:
            return JsonReader(file, wanted, most_bytes)
        case Format.JSON_LINES:
            return JsonLinesReader(file, wanted, most_bytes)
        case Format.CSV:
            return CsvReader(file, wanted, csv or CsvOptions(), most_bytes)
        case Format.PARQUET if not is_packed:
            return ParquetReader(file, wanted, most_bytes)
    if ending == ".parquet":
        raise BatchUnreadable(
            "A Parquet file is compressed inside, so it is not read as .gz or .zst. Deliver the "
            "Parquet file itself."
        )
    raise BatchUnreadable(
        f"Files that end in {file.suffix or 'nothing'!r} are not read. A batch is .json, .jsonl, "
        ".csv or .parquet, the first three also with .gz or .zst."
    )
