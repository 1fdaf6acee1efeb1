"""Which reader a file gets: its name says the format."""

from __future__ import annotations

from pathlib import Path

from core.domain.errors import BatchUnreadable
from core.domain.sources import CsvOptions, Format
from workers.sources.readers.csv_reader import CsvReader
from workers.sources.readers.decompression import PACKED
from workers.sources.readers.json_reader import JsonLinesReader, JsonReader
from workers.sources.readers.parquet_reader import ParquetReader
from workers.sources.readers.port import MOST_BYTES, Reader, Wanted


def reader_of(
    path: Path,
    wanted: Wanted | None = None,
    csv: CsvOptions | None = None,
    most_bytes: int = MOST_BYTES,
) -> Reader:
    """The reader for a file by its ending, such as `.csv` or `.csv.gz`.

    Raises:
        BatchUnreadable: the ending is not one of a format that is read.
    """
    wanted = wanted or Wanted()
    is_packed = path.suffix in PACKED
    ending = Path(path.stem).suffix if is_packed else path.suffix
    match ending.removeprefix("."):
        case Format.JSON:
            return JsonReader(path, wanted, most_bytes)
        case Format.JSON_LINES:
            return JsonLinesReader(path, wanted, most_bytes)
        case Format.CSV:
            return CsvReader(path, wanted, csv or CsvOptions(), most_bytes)
        case Format.PARQUET if not is_packed:
            return ParquetReader(path, wanted, most_bytes)
    if ending == ".parquet":
        raise BatchUnreadable(
            "A Parquet file is compressed inside, so it is not read as .gz or .zst. Deliver the "
            "Parquet file itself."
        )
    raise BatchUnreadable(
        f"Files that end in {path.suffix or 'nothing'!r} are not read. A batch is .json, .jsonl, "
        ".csv or .parquet, the first three also with .gz or .zst."
    )
