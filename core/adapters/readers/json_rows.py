"""A batch as a JSON document, cut into the bytes of its rows without reading it as one document.

The file is read in blocks. Where the rows up to a block's last brace can be decoded together and
have one closing brace each, these are their ends. Else the brackets and commas outside of strings
are found with numpy, which takes longer and holds for any row, whatever the document's size.
`core.adapters.readers.json_values` decodes the rows.

Bounds: a row's bytes, the number of keys beside "data", the digits of `batch_number`. Time grows
linearly with the bytes, and memory does not grow with them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum, auto

import numpy as np

from core.adapters.readers.decompression import ByteStream
from core.adapters.readers.json_structure import Places, Structure
from core.adapters.readers.json_text import Decode, Text, objects, split
from core.adapters.readers.port import MOST_BYTES, BatchFile
from core.domain.batches import KEPT, LONGEST_ROW
from core.domain.errors import BatchUnreadable

BLOCK = 2 << 20
"""How many bytes are read at a time."""

MOST_KEYS = 1_000
"""How many keys a document may have beside its rows."""

LARGEST_NUMBER = 2**31 - 1
"""The largest `batch_number`; the ledger's column holds no larger one."""

_HEAD = 64 * 1024
BOM = b"\xef\xbb\xbf"
"""What some programs write at the beginning of UTF-8."""

_DATA, _NUMBER = "data", "batch_number"
_ROWS_LEVEL = 2

KEY = re.compile(rb'\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*', re.DOTALL)
"""A key of a JSON object with its colon."""

_SCALAR = re.compile(
    rb'"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity',
    re.DOTALL,
)
_DIGITS = re.compile(rb"\d{1,10}")


def batch_number(file: BatchFile, most_bytes: int = MOST_BYTES) -> int:
    """The number that a batch was given at its source; it may stand before or after the rows.

    Raises:
        BatchUnreadable: the file is no such document, or carries no number.
    """
    walk = _Walk()
    try:
        next((None for _rows in _walked(file, walk, most_bytes) if walk.number is not None), None)
    except BatchUnreadable:
        if walk.number is None:
            raise  # else the number is known, and whoever reads the rows meets the fault
    digits = walk.number
    if digits is None:
        raise BatchUnreadable(
            "The batch carries no batch_number. Add one beside its rows, or write the rows as "
            "JSON Lines, which need none."
        )
    if not _DIGITS.fullmatch(digits) or int(digits) > LARGEST_NUMBER:
        raise BatchUnreadable(
            f"The batch has the batch_number {digits[:30].decode('utf-8', 'replace')!r}"
            f"{' …' if len(digits) > 30 else ''}; it must be a whole number from 0 to "  # noqa: PLR2004
            f"{LARGEST_NUMBER:,}."
        )
    return int(digits)


def texts(
    file: BatchFile, most_bytes: int = MOST_BYTES, decode: Decode | None = None
) -> Iterator[tuple[list[Text], float]]:
    """The rows of a document, block by block, and the share of the file read by then.

    With `decode`, which saves time, most rows come decoded.

    Raises:
        BatchUnreadable: the document breaks off, is no JSON object, or has no list "data".
    """
    walk = _Walk(decode)
    yield from _walked(file, walk, most_bytes)
    if not walk.has_rows:
        raise BatchUnreadable('The batch has no list "data".')


def _walked(file: BatchFile, walk: _Walk, most_bytes: int) -> Iterator[tuple[list[Text], float]]:
    done = 0
    try:
        with ByteStream(file, most_bytes) as stream:
            while block := stream.read(BLOCK):
                done += len(block)
                yield list(walk.feed(block)), stream.share
        walk.end(done)
    except _Broken as error:
        with ByteStream(file, most_bytes) as stream:
            start = stream.read(60).decode("utf-8", "replace")
        raise BatchUnreadable(
            f"The batch is not the JSON document it should be: {error}. It begins with {start!r}."
        ) from error


class _Broken(Exception):
    """The document as a whole is not one; the message says why."""


# From blocks to rows


class _At(Enum):
    START = auto()  # before the document's brace
    KEYS = auto()  # among the document's keys
    VALUE = auto()  # in a list or object beside "data"
    ROWS = auto()  # in the list "data"
    END = auto()  # after the document's brace


class _Walk:
    """Goes through a document block by block: gives its rows out, and keeps its `batch_number`."""

    def __init__(self, decode: Decode | None = None) -> None:
        self._decode = decode
        self._structure = Structure(deepest=_ROWS_LEVEL)
        self._at = _At.START
        self._head = b""  # since the last comma or brace on the document's level
        self._value_closed = False
        self._keys = 0
        self._has_rows_begun = False
        self._carry = b""  # of the row that has no end yet
        self._cut = 0
        self.has_rows = False
        self.number: bytes | None = None

    def feed(self, block: bytes) -> Iterator[Text]:
        """Take in the next block; the rows that end in it come out.

        Raises:
            _Broken: the document is none.
        """
        if self._decode and self._at is _At.ROWS and not self._cut:
            # From the beginning of the row that has no end yet, where the structure is known.
            block, self._carry = self._carry + block, b""
            self._structure.restart(_ROWS_LEVEL)
            found = objects(block, self._decode)
            if found:
                content, ends, rows = found
                self._has_rows_begun = True
                self._carry = block[len(content) + 1 :]
                yield from split(content, ends, rows=rows)
                return
            if b"}" in block and not block.endswith(b"}"):
                self._decode = None  # a second attempt at each block would cost more than it saves
        places, depths = self._structure.marks(block)
        done = n = 0
        while n < len(places):
            if self._at in (_At.ROWS, _At.VALUE):
                above = np.flatnonzero(depths[n:] < _ROWS_LEVEL)
                last = n + int(above[0]) if len(above) else len(places) - 1
                if self._at is _At.ROWS:
                    yield from self._rows(block, done, places[n : last + 1], ended=bool(len(above)))
                if len(above):
                    self._close(block[places[last] : places[last] + 1])
            else:
                last = n
                mark = block[places[n] : places[n] + 1]
                self._on_top(self._head + block[done : places[n]], mark, int(depths[n]))
                self._head = b""
            done, n = int(places[last]) + 1, last + 1
        self._keep(block[done:])

    def end(self, size: int) -> None:
        """Say that there is no further block.

        Raises:
            _Broken: the document is not complete.
        """
        if not size:
            raise _Broken("it is empty")
        if self._at is not _At.END:
            raise _Broken(f"it breaks off after {size:,} bytes")

    def _on_top(self, before: bytes, mark: bytes, depth: int) -> None:
        """A comma or bracket on the document's own level, and what stood before it."""
        if self._at is _At.START:
            if before.removeprefix(BOM).strip() or mark != b"{":
                raise _Broken("it is no object")
            self._at = _At.KEYS
        elif self._at is _At.END:
            raise _Broken("something follows its closing brace")
        elif depth == _ROWS_LEVEL:
            name, value = self._key(before)
            if value or self._value_closed:
                raise _Broken("a bracket stands where no value begins")
            if name == _DATA and mark != b"[":
                raise _Broken('"data" is no list')
            if name == _NUMBER:
                self.number = mark
            self._at = _At.ROWS if name == _DATA else _At.VALUE
            self.has_rows |= name == _DATA
        else:
            self._member(before, last=depth == 0)
            if depth == 0:
                if mark != b"}":
                    raise _Broken("it is closed by a bracket, not a brace")
                self._at = _At.END

    def _member(self, before: bytes, *, last: bool) -> None:
        """What stands before a comma: a key with a plain value, or what follows another value."""
        if self._value_closed:
            self._value_closed = False
            if before.strip():
                raise _Broken("a comma is missing beside its rows")
            return
        if last and not self._keys and not before.strip():
            return
        name, value = self._key(before)
        if len(before) < _HEAD and not _SCALAR.fullmatch(value):
            raise _Broken(f"the value of {name[:40]!r} is not JSON")
        if name == _DATA:
            raise _Broken('"data" is no list')
        if name == _NUMBER:
            self.number = value

    def _key(self, before: bytes) -> tuple[str, bytes]:
        """A key of the document, and the bytes of its value as far as they stand there."""
        found = KEY.match(before)
        try:
            name = str(json.loads(found[1])) if found else None
        except ValueError:
            name = None
        if found is None or name is None:
            raise _Broken("a key with a colon is missing beside its rows")
        self._keys += 1
        if self._keys > MOST_KEYS:
            raise _Broken(f"it has more than {MOST_KEYS:,} keys beside its rows")
        if (name == _DATA and self.has_rows) or (name == _NUMBER and self.number is not None):
            raise _Broken(f'"{name}" stands there twice')
        return name, before[found.end() :].strip()

    def _rows(self, block: bytes, start: int, ends: Places, *, ended: bool) -> Iterator[Text]:
        """The rows that end at these places of the block; `ended` says that the list ends too."""
        before, cut = self._carry, self._cut
        self._carry, self._cut = b"", 0
        content = before + block[start : ends[-1]]
        if ended and not self._has_rows_begun and len(ends) == 1 and not content.strip():
            return  # an empty list
        self._has_rows_begun = True
        yield from split(content, (ends - (start - len(before))).tolist(), cut)

    def _close(self, mark: bytes) -> None:
        if self._at is _At.ROWS and mark != b"]":
            raise _Broken('the list "data" is closed by a brace')
        self._at = _At.KEYS
        self._value_closed = True

    def _keep(self, rest: bytes) -> None:
        """Remember what has no end yet, within bounds."""
        if self._at is _At.ROWS:
            self._carry += rest
            if len(self._carry) > LONGEST_ROW:
                self._cut += len(self._carry) - KEPT
                self._carry = self._carry[:KEPT]
        elif self._at is not _At.VALUE:
            self._head = (self._head + rest)[:_HEAD]
            begun = self._head.removeprefix(BOM).strip()
            if self._at is _At.START and begun and not BOM.startswith(begun):
                raise _Broken("it is no object")
            if self._at is _At.END and self._head.strip():
                raise _Broken("something follows its closing brace")
