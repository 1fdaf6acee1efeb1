"""What a batch is here: named columns of plain values, told block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = (
    "brokered_by",
    "status",
    "price",
    "bed",
    "bath",
    "acre_lot",
    "street",
    "city",
    "state",
    "zip_code",
    "house_size",
    "prev_sold_date",
)
"""The keys of a row, in the order of the protocol."""

TEXTS = frozenset({"status", "city", "state", "prev_sold_date"})
"""The columns whose values are text; every other value is a float."""

Value = float | str | None
Block = list[list[Value]]
"""Some consecutive rows, as one list for each column."""


class Batch(Protocol):
    """One batch; telling it twice tells the same rows."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in row order."""

    @property
    def rows(self) -> int:
        """How many rows it has."""

    def blocks(self) -> Iterator[Block]:
        """Its rows, a bounded number at a time."""


class Source(Protocol):
    """Where batches come from."""

    @property
    def size(self) -> int:
        """How many batches a cycle has."""

    def batch(self, number: int, *, other: bool = False) -> Batch:
        """The batch of that number; `other` gives other rows under the same number."""
