"""The form of batches: named columns of plain values, read block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COLUMNS = (
    "brokered_by", "status", "price", "bed", "bath", "acre_lot", "street", "city", "state",
    "zip_code", "house_size", "prev_sold_date",
)  # fmt: skip
"""The keys of a row, in the order of the protocol."""

TEXTS = frozenset({"status", "city", "state", "prev_sold_date"})
"""The columns whose values are text; every other value is a float."""

BLOCK_ROWS = 4096

Value = float | str | None
Block = list[list[Value]]
"""Up to `BLOCK_ROWS` consecutive rows, as one list for each column."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The column names of a batch in row order, and its rows: each call yields the same ones."""

    names: tuple[str, ...]
    blocks: Callable[[], Iterator[Block]]
