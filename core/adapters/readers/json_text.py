"""Some consecutive rows of JSON as they stand in a file, and the quick way to find their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.adapters.readers.port import MOST_ROWS, kept_text
from core.domain.batches import KEPT, LONGEST_ROW

Decode = Callable[[bytes], list[Any] | None]
"""Decodes objects between commas; None if that is not what the bytes are."""


@dataclass(frozen=True, slots=True)
class Text:
    """Some consecutive rows as they stand in the file.

    Row n ends just before `ends[n]`, and one byte lies between two rows: a comma, or the end of a
    line if `in_lines`. `cut` is how many bytes of the first row were left out because it is longer
    than `LONGEST_ROW`. `rows` has the rows decoded, if that was done to find their ends.
    """

    content: bytes
    ends: tuple[int, ...]
    cut: int = 0
    in_lines: bool = False
    rows: list[Any] | None = None

    def row(self, n: int) -> bytes:
        """The bytes of one row, without the blanks around it."""
        return self.content[self.ends[n - 1] + 1 if n else 0 : self.ends[n]].strip()

    def size(self, n: int) -> int:
        """How many bytes the row has in the file."""
        return self.ends[n] - (self.ends[n - 1] + 1 if n else -self.cut)

    def beginning(self, n: int) -> str:
        """The beginning of one row, for the ledger."""
        return kept_text(self.row(n)[: 4 * KEPT].decode("utf-8", "replace"))


def objects(block: bytes, decode: Decode) -> tuple[bytes, list[int], list[Any]] | None:
    """The rows of a block up to its last brace, the place after each, and the rows decoded.

    None if that is not certain: what can be decoded ends between two rows, and its closing braces
    end rows if there are no more of them than rows.
    """
    content = block[: block.rfind(b"}") + 1]
    after = block[len(content) : len(content) + 1]
    if not content or after != b"," or len(block) - len(content) > LONGEST_ROW:
        return None
    rows = decode(content)
    codes = np.frombuffer(content, dtype=np.uint8)
    ends = np.flatnonzero(codes == ord("}")) + 1
    if rows is None or len(rows) != len(ends) or (codes[ends[:-1]] != ord(",")).any():
        return None
    if np.diff(ends, prepend=-1).max() > LONGEST_ROW:
        return None
    return content, ends.tolist(), rows


def split(
    content: bytes, ends: list[int], cut: int = 0, rows: list[Any] | None = None
) -> Iterator[Text]:
    """Rows in texts of at most `MOST_ROWS`; the arguments are as in `Text`."""
    begin = 0
    for n in range(0, len(ends), MOST_ROWS):
        some = ends[n : n + MOST_ROWS]
        decoded = rows[n : n + MOST_ROWS] if rows is not None else None
        places = tuple(end - begin for end in some)
        yield Text(content[begin : some[-1]], places, cut, rows=decoded)
        begin, cut = some[-1] + 1, 0
