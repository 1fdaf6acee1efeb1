"""Counts of a batch's texts in bounded memory, by Misra and Gries' summary.

Above the bound, the counts of the column with the most texts are lowered until half of its texts
are left (Agarwal et al., "Mergeable summaries", 2012). What is common stays, and its count is too
low by at most what was taken off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nlargest

MOST_TEXTS = 500_000
"""How many distinct texts all columns of a batch have together at most: some 75 MB."""

MOST_CHARACTERS = 20_000_000
"""How many characters those texts have together at most: 20 to 80 MB more."""


@dataclass(slots=True)
class TextCounts:
    """One column's texts.

    `lowered` is the most by which a count is too low. If it is not 0, `distinct` is the least
    number of distinct texts. `characters` are those of the texts that are counted.
    """

    counts: Counter[str] = field(default_factory=Counter)
    count: int = 0
    nulls: int = 0
    lowered: int = 0
    distinct: int = 0
    characters: int = 0

    def add(self, values: Iterable[str | None]) -> None:
        """Count more values; None stands for null."""
        counter = Counter(values)
        self.nulls += counter.pop(None, 0)
        texts = {text: n for text, n in counter.items() if text is not None}
        self.count += sum(texts.values())
        known = texts.keys() & self.counts.keys()
        self.characters += sum(map(len, texts.keys() - known))
        for text in known:
            texts[text] += self.counts[text]
        dict.update(self.counts, texts)  # Counter's own update looks at each text
        self.distinct = max(self.distinct, len(self.counts))

    def lower(self) -> None:
        """Take from each count what the first text beyond half of them has; drop those at 0."""
        off = nlargest(len(self.counts) // 2 + 1, self.counts.values())[-1]
        self.counts = Counter({text: n - off for text, n in self.counts.items() if n > off})
        self.characters = sum(map(len, self.counts))
        self.lowered += off


def bound(columns: Iterable[TextCounts]) -> None:
    """Lower the counts of the largest columns until all together keep to both bounds."""
    columns = list(columns)
    while sum(len(column.counts) for column in columns) > MOST_TEXTS:
        max(columns, key=lambda column: len(column.counts)).lower()
    while sum(column.characters for column in columns) > MOST_CHARACTERS:
        max(columns, key=lambda column: column.characters).lower()
