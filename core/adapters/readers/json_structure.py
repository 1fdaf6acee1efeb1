"""Positions of brackets and commas in a JSON text, found with numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_QUOTE, _COMMA, _OPEN, _CLOSE = 1, 2, 3, 4
_KINDS = np.zeros(256, dtype=np.uint8)
_KINDS[list(b'",[{]}')] = (_QUOTE, _COMMA, _OPEN, _OPEN, _CLOSE, _CLOSE)
_STEPS = np.array([0, 0, 0, 1, -1], dtype=np.int8)

Places = NDArray[np.intp]


class Structure:
    """Finds brackets and commas of a JSON text block by block.

    Returns commas at most `deepest` levels down, and brackets that open or close such a level.
    """

    def __init__(self, deepest: int) -> None:
        self._deepest = deepest
        self._escaped = False
        self._depth = 0
        self.in_string = False

    def restart(self, depth: int) -> None:
        """Reset to a place outside of strings, at this depth."""
        self._escaped = self.in_string = False
        self._depth = depth

    def marks(self, block: bytes) -> tuple[Places, Places]:
        """The positions of those bytes in the block, and the depth after each."""
        codes = np.frombuffer(self._without_escapes(block), dtype=np.uint8)
        kinds = np.take(_KINDS, codes)
        places = np.flatnonzero(kinds)
        kinds = kinds[places]
        inside = np.logical_xor.accumulate(kinds == _QUOTE) ^ self.in_string
        if len(inside):
            self.in_string = bool(inside[-1])
        outside = ~inside & (kinds != _QUOTE)
        places, steps = places[outside], _STEPS[kinds[outside]]
        depths = np.cumsum(steps, dtype=np.intp) + self._depth
        if len(depths):
            self._depth = int(depths[-1])
        shallow = depths + (steps < 0) <= self._deepest
        return places[shallow], depths[shallow]

    def _without_escapes(self, block: bytes) -> bytes:
        """The block with spaces for escape sequences, at the same length."""
        if self._escaped:
            block = b" " + block[1:]
            self._escaped = False
        if b"\\" not in block:
            return block
        block = block.replace(b"\\\\", b"  ")
        self._escaped = block.endswith(b"\\")
        return block.replace(b'\\"', b"  ")
