"""Blocks of bytes or text cut into lines, within bounds."""

from __future__ import annotations

from typing import AnyStr, Generic

from core.domain.batches import KEPT, LONGEST_ROW


class Lines(Generic[AnyStr]):
    """Splits blocks into lines; only the beginning of lines longer than `longest` is kept."""

    def __init__(self, end: AnyStr, longest: int = LONGEST_ROW) -> None:
        """`end` is the line separator."""
        self._end: AnyStr = end
        self._longest, self._kept = longest, min(KEPT, longest)
        self._begun: AnyStr = end[:0]
        self._cut = 0

    def split(self, block: AnyStr) -> tuple[list[AnyStr], dict[int, int]]:
        """The lines that end in this block, without separator; by index the size of long ones."""
        lines = (self._begun + block).split(self._end)
        self._begun = lines.pop()
        cut = self._cut
        if lines:
            self._cut = 0
        if len(self._begun) > self._longest or (self._cut and len(self._begun) > self._kept):
            self._cut += len(self._begun) - self._kept
            self._begun = self._begun[: self._kept]
        return self._bounded(lines, cut)

    def rest(self) -> tuple[list[AnyStr], dict[int, int]]:
        """The last line, if the last block did not end with the end of a line."""
        lines, self._begun = [self._begun] if self._begun else [], self._end[:0]
        return self._bounded(lines, self._cut)

    def _bounded(self, lines: list[AnyStr], cut: int) -> tuple[list[AnyStr], dict[int, int]]:
        sizes = {}
        if max(map(len, lines), default=0) > self._longest:
            sizes = {n: len(line) for n, line in enumerate(lines) if len(line) > self._longest}
        if cut and lines:
            sizes[0] = len(lines[0]) + cut
        for n in sizes:
            lines[n] = lines[n][: self._kept]
        return lines, sizes


def too_long(size: int, longest: int = LONGEST_ROW) -> str:
    """The message for a row of that size."""
    return f"the row has {size:,} bytes, and at most {longest:,} are read"
