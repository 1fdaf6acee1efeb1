"""A column of texts in which each stands once: rules then cost by distinct text, not by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """`distinct` has each text once, and None for null; `places` has each row's place there.

    A text that no row has may stand there, too.
    """

    distinct: list[str | None]
    places: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: NDArray[Any]) -> TextColumn:
        """Those rows."""
        return TextColumn(self.distinct, self.places[rows])

    def counts(self) -> dict[str | None, int]:
        """How many rows have each text."""
        numbers = np.bincount(self.places, minlength=len(self.distinct)).tolist()
        return {text: n for text, n in zip(self.distinct, numbers, strict=True) if n}
