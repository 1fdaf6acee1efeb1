"""How a CSV file is written, detected in its first bytes, and the rules by which its rows are read.

The first line that has a value names the columns, blanks around a name do not count, rows without
a value are left out, and quotes follow RFC 4180 strictly. An ambiguous "1,234" does not make the
comma a decimal sign.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from core.domain.sources import CsvOptions

ERRORS = "driftdesk.lone_surrogate"
"""The decoders' error handler: bytes that are no character cost the row that they are in.

In any encoding, what stands for them is no valid Unicode, and the columns' rules refuse it.
"""

codecs.register_error(ERRORS, lambda error: ("\udcff", getattr(error, "end", 0)))

SAMPLE = 64 * 1024
"""How many bytes are looked at."""

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""The delimiters that are recognised, and what they are called."""

_OTHER_FORMATS = {
    b"PK\x03\x04": "an Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"PAR1": "a Parquet file",
}
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LINES = 200
_WITH_COMMA = re.compile(r"\s*[+-]?(?!\d{1,3},\d{3}\s*$)\d+,\d+\s*")
_WITH_POINT = re.compile(r"\s*[+-]?\d*\.\d+\s*")
_SWAPPED = str.maketrans(",.", ".,")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written; `newline` ends its lines, perhaps after a carriage return."""

    delimiter: str
    decimal: str
    encoding: str
    newline: str = "\n"

    def note(self) -> str:
        """The dialect in a sentence."""
        mark = DELIMITERS.get(self.delimiter, repr(self.delimiter))
        sign = "comma" if self.decimal == "," else "point"
        return f"Read as CSV in {self.encoding}, separated by {mark}, with a decimal {sign}."

    def number(self, cell: str) -> str:
        """A number's text with a decimal point; with the other sign it is no number."""
        return cell.translate(_SWAPPED) if self.decimal == "," else cell


class CsvRows(Protocol):
    """An iterator over rows that knows how many lines it has read."""

    @property
    def line_num(self) -> int:
        """How many lines have been read."""
        ...

    def __iter__(self) -> Iterator[list[str]]:
        """Itself."""
        ...

    def __next__(self) -> list[str]:
        """The next row.

        Raises:
            csv.Error: the lines are no CSV.
        """
        ...


def other_format(sample: bytes) -> str | None:
    """What a file is that is no text, such as "a PDF"; None if it may be text."""
    for start, kind in _OTHER_FORMATS.items():
        if sample.startswith(start):
            return kind
    return None


def encoding_of(sample: bytes) -> str:
    """The encoding: by its byte order mark, by the zeros of UTF-16, else UTF-8 or Windows-1252."""
    for mark, name in _BOMS.items():
        if sample.startswith(mark):
            return name
    zeros = [sample[parity::2].count(0) for parity in (0, 1)]
    if max(zeros) > len(sample) // 4:
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    high = [c for c in decoder.decode(sample) if c > "\x7f"]
    broken = sum("\udc80" <= c <= "\udcff" for c in high)
    return "cp1252" if broken > len(high) - broken else "utf-8"


def detect(
    sample: bytes, options: CsvOptions, names: Collection[str] = (), numbers: Collection[str] = ()
) -> Dialect:
    """The dialect of a file, from its first `SAMPLE` bytes; what `options` state is not detected.

    `names` are the columns looked for, and `numbers` those of them that hold numbers.

    Raises:
        LookupError: `options` state an encoding that does not exist.
    """
    encoding = options.encoding or encoding_of(sample)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample).removeprefix("\ufeff")
    newline = "\r" if "\r" in text and "\n" not in text else "\n"
    lines = text.split(newline)
    if len(lines) > 1:
        lines.pop()  # it may be cut
    rows_by_mark = {mark: _first_rows(lines, mark) for mark in options.delimiter or DELIMITERS}
    delimiter = max(rows_by_mark, key=lambda mark: _fit(rows_by_mark[mark], names))
    decimal = options.decimal or _decimal(rows_by_mark[delimiter], numbers)
    return Dialect(delimiter, decimal, encoding, newline)


def cells(lines: Iterable[str], delimiter: str) -> CsvRows:
    """The cells of each row; see `csv.Error` for what it raises."""
    return csv.reader(lines, delimiter=delimiter, strict=True)


def holds(row: Sequence[str]) -> bool:
    """Whether a row has a value."""
    return any(cell and not cell.isspace() for cell in row)


def column_names(header: Sequence[str]) -> list[str]:
    """The names in a header."""
    return [cell.removeprefix("\ufeff").strip() for cell in header]


def doubled(header: Sequence[str], names: Collection[str]) -> list[str]:
    """Which of the names a header has more than once."""
    counts = Counter(header)
    return [name for name in counts if counts[name] > 1 and name in names]


def _first_rows(lines: list[str], mark: str) -> list[list[str]]:
    """The first rows as that delimiter makes them, up to the first that is no CSV."""
    rows: list[list[str]] = []
    try:
        for row in islice(cells((f"{line}\n" for line in lines), mark), _LINES):
            if holds(row):
                rows.append(row)  # noqa: PERF401 - what came before an error is kept
    except csv.Error:
        pass
    return rows


def _fit(rows: list[list[str]], names: Collection[str]) -> tuple[int, float, int]:
    """How well a delimiter fits: known names, rows as wide as the header, columns."""
    if not rows:
        return 0, 0.0, 0
    header = column_names(rows[0])
    alike = sum(len(row) == len(header) for row in rows) / len(rows)
    known = len(set(names).intersection(header))
    return (known, alike, len(header)) if len(header) > 1 else (known, 0.0, 0)


def _decimal(rows: list[list[str]], numbers: Collection[str]) -> str:
    if not rows:
        return "."
    header = column_names(rows[0])
    places = [n for n, name in enumerate(header) if name in numbers or not numbers]
    values = [row[n] for row in rows[1:] for n in places if n < len(row)]
    commas = sum(_WITH_COMMA.fullmatch(value) is not None for value in values)
    points = sum(_WITH_POINT.fullmatch(value) is not None for value in values)
    return "," if commas > points else "."
