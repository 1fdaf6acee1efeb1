"""Readers of JSON: one document with a list of rows, or one row on each line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from core.adapters.readers import json_rows
from core.adapters.readers.decompression import ByteStream
from core.adapters.readers.json_rows import BOM
from core.adapters.readers.json_text import Text
from core.adapters.readers.json_values import RowValues
from core.adapters.readers.port import MOST_ROWS, BatchFile, Block, Columns, Reader, Wanted
from core.domain.errors import BatchUnreadable
from core.rules.data.text_lines import Lines, too_long

_FIRST_LINES = 100
"""If none of so many first lines begins a JSON object or list, the file is no JSON Lines."""


@dataclass(frozen=True, slots=True)
class _JsonBlock:
    """Rows of JSON; `sizes` has the rows that are too long, by index."""

    text: Text
    values: RowValues
    sizes: dict[int, int]

    def __len__(self) -> int:
        return len(self.text.ends)

    def columns(self) -> tuple[Columns, dict[int, str]]:
        columns, problems = self.values.columns(self.text)
        return columns, problems | {n: too_long(size) for n, size in self.sizes.items()}

    def beginning(self, n: int) -> str:
        return self.text.beginning(n)


@dataclass(frozen=True, slots=True)
class JsonReader(Reader):
    """A JSON object with `batch_number` and the list `data`, as the data API answers."""

    file: BatchFile
    wanted: Wanted
    most_bytes: int

    def number(self) -> int:
        """The document's `batch_number`."""
        return json_rows.batch_number(self.file, self.most_bytes)

    def blocks(self) -> Iterator[tuple[Block, float]]:
        """See `Reader`."""
        values = RowValues(self.wanted)
        for texts, share in json_rows.texts(self.file, self.most_bytes, values.objects):
            for text in texts:
                yield _JsonBlock(text, values, {}), share


@dataclass(frozen=True, slots=True)
class JsonLinesReader(Reader):
    """One row on each line, an object or a list; blank lines are skipped."""

    file: BatchFile
    wanted: Wanted
    most_bytes: int

    def blocks(self) -> Iterator[tuple[Block, float]]:
        """See `Reader`."""
        values = RowValues(self.wanted)
        lines = Lines(b"\n")
        is_first = True
        with ByteStream(self.file, self.most_bytes) as stream:
            while block := stream.read(json_rows.BLOCK):
                found, sizes = lines.split(block)
                if found and is_first:
                    found[0] = found[0].removeprefix(BOM)
                    _require_json(found)
                    is_first = False
                for text, long in _texts(found, sizes):
                    yield _JsonBlock(text, values, long), stream.share
            found, sizes = lines.rest()
            if is_first:
                found = [line.removeprefix(BOM) for line in found]
                _require_json(found)
            for text, long in _texts(found, sizes):
                yield _JsonBlock(text, values, long), 1.0


def _require_json(lines: list[bytes]) -> None:
    """Refuse a file none of whose first lines is a row.

    Raises:
        BatchUnreadable: it is something else.
    """
    first = [line for line in lines[:_FIRST_LINES] if line.strip()]
    if not any(line.lstrip().startswith((b"{", b"[")) for line in first):
        start = first[0][:60].decode("utf-8", "replace") if first else ""
        what = f"It begins with {start!r}" if first else "It is empty"
        raise BatchUnreadable(
            f"The batch is not JSON Lines. {what}. Write each row as a JSON object on a line of "
            "its own, in UTF-8."
        )


def _texts(lines: list[bytes], sizes: dict[int, int]) -> Iterator[tuple[Text, dict[int, int]]]:
    """Lines as texts of at most `MOST_ROWS` rows, without blank lines."""
    kept = [n for n, line in enumerate(lines) if n in sizes or (line and not line.isspace())]
    for start in range(0, len(kept), MOST_ROWS):
        places = kept[start : start + MOST_ROWS]
        rows = [lines[n] for n in places]
        ends = tuple(end + n for n, end in enumerate(accumulate(map(len, rows))))
        long = {i: sizes[n] for i, n in enumerate(places) if n in sizes} if sizes else {}
        yield Text(b"\n".join(rows), ends, in_lines=True), long
