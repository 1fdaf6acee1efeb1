"""Encodes batches as JSON, block by block."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compose.data_api.batches import Batch
    from compose.data_api.options import Options

Row = dict[str, object]

_DEFECTS = 5  # the kinds of `_spoil`
_TEAR = '"?"?'  # invalid JSON both inside and outside a string
_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Wire:
    """The encoding of rows.

    Invariants: the option `bad_rows` is the share of rows that get a defect; `seed` and the number
    of the batch determine rows and defects, and other rows do not change.
    """

    options: Options

    def body(
        self, head: dict[str, object], number: int, batch: Batch, *, broken: bool = False
    ) -> Iterator[bytes]:
        """The body: the keys of `head`, then the rows under "data".

        Invariants: numbers are floats; the JSON is compact. `broken` makes the row in the
        middle invalid, so that no parser can continue; the rest is unchanged.
        """
        yield f'{_encoded(head)[:-1]},"data":['.encode()
        torn = sum(len(block[0]) for block in batch.blocks()) // 2 if broken else -1
        done = 0
        for rows in self._rows(number, batch):
            lines = [*map(_encoded, rows)]
            if done <= torn < done + len(lines):
                line = lines[torn - done]
                lines[torn - done] = line[: len(line) // 2] + _TEAR
            yield ("," * (done > 0) + ",".join(lines)).encode()
            done += len(lines)
        yield b"{]}" if broken and not done else b"]}"

    def _rows(self, number: int, batch: Batch) -> Iterator[list[object]]:
        first, *others = names = batch.names
        keys = (f" {first}", *others) if self.options.stray_space else names
        victim = keys[names.index("price")] if "price" in names else keys[0]
        as_lists = self.options.rows == "lists"
        rng = np.random.default_rng([self.options.seed, number, 1])
        for columns in batch.blocks():
            block: list[list[object]] = [
                [str(value) if as_lists and isinstance(value, float) else value for value in column]
                for column in columns
            ]
            rows = [dict(zip(keys, values, strict=True)) for values in zip(*block, strict=True)]
            defects = rng.integers(_DEFECTS, size=len(rows)).tolist()
            for index in np.flatnonzero(rng.random(len(rows)) < self.options.bad_rows).tolist():
                _spoil(rows[index], victim, defects[index])
            yield [list(row.values()) for row in rows] if as_lists else [*rows]


def _spoil(row: Row, name: str, defect: int) -> None:
    """Make a field an unknown word, null, "NaN" or a list, or remove it."""
    values = ("unknown", None, "NaN", [row[name]])
    if defect < len(values):
        row[name] = values[defect]
    else:
        del row[name]
