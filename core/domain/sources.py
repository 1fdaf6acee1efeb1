"""Where a dataset's batches come from, as the `[source]` section of its file describes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class SourceKind(StrEnum):
    """The kinds of sources."""

    DATA_API = "data_api"
    FILES = "files"
    SQL = "sql"
    UPLOAD = "upload"


class Format(StrEnum):
    """The formats in which a batch may be written."""

    JSON = "json"
    JSON_LINES = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


_BY_ENDING = {
    "json": Format.JSON,
    "jsonl": Format.JSON_LINES,
    "ndjson": Format.JSON_LINES,
    "csv": Format.CSV,
    "tsv": Format.CSV,
    "parquet": Format.PARQUET,
    "pq": Format.PARQUET,
}
_COMPRESSIONS = (".gz", ".zst")


def format_of(name: str) -> tuple[Format | None, str]:
    """The format that a file's name says, None if it says none, and the ending of its compression.

    The latter is ".gz", ".zst" or empty.
    """
    stem, compression = name.lower(), ""
    for ending in _COMPRESSIONS:
        if stem.endswith(ending):
            stem, compression = stem.removesuffix(ending), ending
    return _BY_ENDING.get(stem.rpartition(".")[2]), compression


UPLOADING = ".upload"
"""The ending of a file in the spool that is still being uploaded."""


class FileOrder(StrEnum):
    """Which file is the next batch: the first by name, or the oldest."""

    NAME = "name"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How CSV files are written; an empty text means that it is detected in each file."""

    delimiter: str = ""
    decimal: str = ""
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class DataApiSource:
    """An HTTP service with a cursor: each request returns the next batch.

    Its address comes from the settings (`DATA_API_URL` and the others of that name). `end_of_data`
    is part of the text with which the service refuses after its last batch, compared without case
    and accents.
    """

    data_path: str = "/data"
    restart_path: str = "/restart_data_generation"
    group_parameter: str = "group_number"
    day_parameter: str = "day"
    end_of_data: str = "ya se recolecto toda la informacion minima necesaria"
    first_number: int = 0


@dataclass(frozen=True, slots=True)
class FilesSource:
    """Files that another program writes; each file is one batch.

    `url` is a pattern: a local path or an fsspec URL, such as "s3://bucket/in/*.parquet". A file
    younger than `settle_seconds`, or without its partner (its own name plus `done_suffix`, where
    one is required), is still being written and left alone. Without `format`, the ending of the
    file's name says it.
    """

    url: str
    order: FileOrder = FileOrder.NAME
    settle_seconds: float = 10.0
    done_suffix: str = ""
    format: Format | None = None
    csv: CsvOptions = field(default_factory=CsvOptions)


@dataclass(frozen=True, slots=True)
class SqlSource:
    """A table or SELECT of a database; a batch is what is new beyond the watermark.

    `url_setting` names the environment variable that holds the SQLAlchemy URL, since a URL carries
    a password. A batch has at most `batch_rows` rows.
    """

    url_setting: str
    query: str
    watermark: str
    batch_rows: int = 100_000


@dataclass(frozen=True, slots=True)
class UploadSource:
    """No source to ask: batches are files that people upload."""

    csv: CsvOptions = field(default_factory=CsvOptions)


Source = DataApiSource | FilesSource | SqlSource | UploadSource


def first_number(source: Source) -> int | None:
    """The number of the first batch of an epoch; None where the ledger numbers the batches."""
    return source.first_number if isinstance(source, DataApiSource) else None


def can_restart(source: Source) -> bool:
    """Whether the source comes to an end and can begin again with its first batch."""
    return isinstance(source, DataApiSource)


def takes_uploads(source: Source) -> bool:
    """Whether a file may become a batch: not where the source gives the batches their numbers."""
    return first_number(source) is None


def kind_of(source: Source) -> SourceKind:
    """The kind of a source."""
    match source:
        case DataApiSource():
            return SourceKind.DATA_API
        case FilesSource():
            return SourceKind.FILES
        case SqlSource():
            return SourceKind.SQL
        case UploadSource():
            return SourceKind.UPLOAD


def address(source: Source) -> str:
    """Where the batches come from, in words and without a secret."""
    match source:
        case DataApiSource():
            return "the data API at DATA_API_URL"
        case FilesSource(url=url):
            return f"files at {url}"
        case SqlSource(url_setting=setting, watermark=watermark):
            return f"a query of the database at {setting}, by {watermark}"
        case UploadSource():
            return "files that people upload"


NO_RESTART = (
    "This dataset's source has no first batch to go back to; only a data API can be restarted. "
    "Nothing was changed."
)
"""Why a restart is refused."""
