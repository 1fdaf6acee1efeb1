"""Batches as the bytes of an answer, a block at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from compose.data_api.batches import Batch, Block, Value

Row = dict[str, object]

_TEAR = '"?"?'  # no JSON, whether it comes inside a string or outside


def _unknown(row: Row, name: str) -> None:
    row[name] = "unknown"


def _null(row: Row, name: str) -> None:
    row[name] = None


def _missing(row: Row, name: str) -> None:
    del row[name]


def _not_a_number(row: Row, name: str) -> None:
    row[name] = "NaN"


def _nested(row: Row, name: str) -> None:
    row[name] = [row[name]]


DEFECTS: tuple[Callable[[Row, str], None], ...] = (
    _unknown,
    _null,
    _missing,
    _not_a_number,
    _nested,
)
"""What a planted bad row suffers, in its price (or its first column, where it has none)."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How rows are written.

    Invariants: `bad_rows` is the share of rows that get one of `DEFECTS`; which rows and which
    defect follows from `seed` and the batch's number, and leaves the other rows as they are.
    """

    as_lists: bool
    stray_space: bool
    bad_rows: float
    seed: int

    def body(
        self, head: dict[str, object], number: int, batch: Batch, *, broken: bool = False
    ) -> Iterator[bytes]:
        """The bytes of an answer: the keys of `head`, then the rows under "data".

        Invariants: numbers are floats; the JSON is compact. `broken` tears the row in the
        middle, so that no parser can read on from there; all the rest is as it was.
        """
        front = json.dumps(head, ensure_ascii=False, separators=(",", ":"))[:-1]
        yield f'{front},"data":['.encode()
        torn = batch.rows // 2 if broken else -1
        done, comma = 0, ""
        for lines in self._lines(number, batch):
            if done <= torn < done + len(lines):
                line = lines[torn - done]
                lines[torn - done] = line[: len(line) // 2] + _TEAR
            yield (comma + ",".join(lines)).encode()
            done, comma = done + len(lines), ","
        yield b"{]}" if broken and not done else b"]}"

    def _lines(self, number: int, batch: Batch) -> Iterator[list[str]]:
        names = batch.names
        keys = (f" {names[0]}", *names[1:]) if self.stray_space else names
        fields = (encode_basestring(key).replace("%", "%%") + ":%s" for key in keys)
        template = (
            f"[{','.join(['%s'] * len(keys))}]" if self.as_lists else f"{{{','.join(fields)}}}"
        )
        rng = np.random.default_rng([self.seed, number, 1])
        for block in batch.blocks():
            columns = [_tokens(column, quoted=self.as_lists) for column in block]
            lines = [template % row for row in zip(*columns, strict=True)]
            if self.bad_rows:
                self._spoil(lines, names, keys, block, rng)
            yield lines

    def _spoil(
        self,
        lines: list[str],
        names: tuple[str, ...],
        keys: tuple[str, ...],
        block: Block,
        rng: np.random.Generator,
    ) -> None:
        defects = rng.integers(len(DEFECTS), size=len(lines)).tolist()
        victim = keys[names.index("price")] if "price" in names else keys[0]
        for index in np.flatnonzero(rng.random(len(lines)) < self.bad_rows).tolist():
            values = (column[index] for column in block)
            row: Row = dict(zip(keys, map(self._plain, values), strict=True))
            DEFECTS[defects[index]](row, victim)
            told = list(row.values()) if self.as_lists else row
            lines[index] = json.dumps(told, ensure_ascii=False, separators=(",", ":"))

    def _plain(self, value: Value) -> Value:
        return str(value) if self.as_lists and isinstance(value, float) else value


def _tokens(column: list[Value], *, quoted: bool) -> list[object]:
    """The values as they are written; a float is written by `%s` as it stands."""
    kinds = set(map(type, column))
    if kinds == {float} and not quoted:
        return cast("list[object]", column)
    if kinds == {str}:
        return [*map(encode_basestring, cast("list[str]", column))]
    return [_token(value, quoted=quoted) for value in column]


def _token(value: Value, *, quoted: bool) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return encode_basestring(value)
    return f'"{value}"' if quoted else str(value)
