"""Lines of a CSV file to rows of cells, so that a quote that does not close costs one line."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator, Mapping

from core.domain.batches import LONGEST_ROW, Unreadable
from core.domain.errors import BatchUnreadable
from core.rules.data.csv_dialect import ERRORS, Dialect, cells
from core.rules.data.text_lines import Lines, too_long

MOST_REREAD = 1 << 30
"""How many characters are read twice, because a quote before them does not close."""

Row = list[str] | Unreadable


class CsvRecords:
    """Reads rows out of lines; a row whose end is in a later block waits for it."""

    def __init__(self, delimiter: str, longest: int = LONGEST_ROW) -> None:
        self._delimiter = delimiter
        self._longest = longest
        self._waiting: list[str] = []
        self._left = MOST_REREAD

    def read(self, lines: list[str], *, last: bool = False) -> tuple[list[Row], list[str]]:
        """The rows, blank ones too, and the text of each; `last`: no line follows.

        Raises:
            BatchUnreadable: too many quotes do not close.
        """
        lines = self._waiting + lines
        self._waiting = []
        try:
            rows: list[Row] = list(cells(iter(lines), self._delimiter))
        except csv.Error:
            pass  # the row that is the cause is found below
        else:
            if len(rows) == len(lines):
                return rows, lines
        return self._one_by_one(lines, last=last)

    def read_bounded(
        self, lines: list[str], sizes: Mapping[int, int], *, last: bool
    ) -> tuple[list[Row], list[str]]:
        """The records of lines; those whose index is in `sizes` are too long to be read.

        Raises:
            BatchUnreadable: too many quotes do not close.
        """
        rows: list[Row] = []
        texts: list[str] = []
        start = 0
        for n, size in sorted(sizes.items()):
            before, texts_before = self.read(lines[start:n], last=True)
            rows += [*before, Unreadable(too_long(size, self._longest))]
            texts += [*texts_before, lines[n]]
            start = n + 1
        after, texts_after = self.read(lines[start:], last=last)
        return rows + after, texts + texts_after

    def _one_by_one(self, lines: list[str], *, last: bool) -> tuple[list[Row], list[str]]:
        source = _Lines(lines)
        reader = cells(source, self._delimiter)
        rows: list[Row] = []
        texts = []
        while (start := source.at) < len(lines):
            try:
                rows.append(next(reader))
            except csv.Error as error:
                size = sum(map(len, lines[start : source.at]))
                if source.is_ended and not last and size < self._longest:
                    self._waiting = lines[start:]
                    break
                is_open = source.is_ended or source.at > start + 1
                why = "a quote does not close" if is_open else _in_words(error)
                rows.append(Unreadable(f"the row is no CSV: {why}"))
                self._read_again(size if source.at > start + 1 else 0)
                source.at, source.is_ended = start + 1, False
            texts.append("\n".join(lines[start : source.at]))
        return rows, texts

    def _read_again(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise BatchUnreadable(
                "Too many rows of the batch have a quote that does not close. Write a quote "
                'within a quoted cell twice ("").'
            )


def row_blocks(
    read: Callable[[int], bytes], dialect: Dialect, size: int, longest: int = LONGEST_ROW
) -> Iterator[list[Row]]:
    """The rows of a file, blank ones too, a block of `size` bytes at a time.

    `read` gives at most so many bytes of it, and none at its end.

    Raises:
        BatchUnreadable: too many quotes do not close.
    """
    decoder = codecs.getincrementaldecoder(dialect.encoding)(ERRORS)
    records, lines = CsvRecords(dialect.delimiter, longest), Lines(dialect.newline, longest)
    block = read(size)
    while block:
        following = read(size)
        texts, sizes = lines.split(decoder.decode(block, not following))
        if not following:
            rest, more = lines.rest()
            sizes |= {len(texts) + n: length for n, length in more.items()}
            texts += rest
        yield records.read_bounded(texts, sizes, last=not following)[0]
        block = following


def _in_words(error: csv.Error) -> str:
    """What is wrong with a row: for a line break, the module only has advice for programmers."""
    if "new-line character" in str(error):
        return "a carriage return stands outside quotes"
    return str(error)


class _Lines:
    """An iterator over lines that knows its place."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self.at = 0
        self.is_ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.at == len(self._lines):
            self.is_ended = True
            raise StopIteration
        self.at += 1
        return self._lines[self.at - 1] + "\n"
